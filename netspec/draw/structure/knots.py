"""Tangles made smaller: what follows one after the other in them is one item."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from operator import itemgetter

from netspec.draw.structure.elements import Block, Element, Port, Series, Tangle, gives, reads
from netspec.draw.structure.periods import in_turn

# So many of one kind side by side are one.
FEWEST = 3
Link = tuple[tuple[int, int], tuple[int, int]]
# What an item reads of the one before it: as which of its tensors, and which of those that are given.
Flow = frozenset[tuple[int, int]]
# What it reads besides: where from, which of what is given there, and as which of its tensors.
Others = frozenset[tuple[int, int, int]]


class _Links:
    """What leads to each item and from it."""

    def __init__(self, links: Sequence[Link]) -> None:
        self.after: defaultdict[int, list[Link]] = defaultdict(list)
        self.before: defaultdict[int, list[Link]] = defaultdict(list)
        for link in links:
            (a, b), _ = link
            self.after[a].append(link)
            self.before[b].append(link)

    def follower(self, v: int) -> int | None:
        """The item that reads this one, if only one does."""
        ends = {b for (_, b), _ in self.after[v]}
        return ends.pop() if len(ends) == 1 else None

    def others(self, v: int, a: int) -> set[tuple[int, int, int]]:
        """What an item reads that does not come from `a`: where from, which of it, and as which."""
        return {(s, out, at) for (s, _), (out, at) in self.before[v] if s != a}

    def places(self, v: int, a: int) -> list[int]:
        """As which of the tensors it reads an item has those of `a`."""
        return [at for (s, _), (_, at) in self.before[v] if s == a]


def knot(
    items: Sequence[Element], links: Sequence[Link], entries: int = 1, exits: int = 1
) -> Tangle:
    """A tangle of items in topological order; chains among them are a series each.

    A link is an edge, -1 in and n out, with what it carries: which tensor of its source, and which
    of those that its target reads.
    """
    about = _Links(links)
    follower: dict[int, int] = {}
    for v, item in enumerate(items):
        w = about.follower(v)
        if w is None or w == len(items) or isinstance(item, Port) or about.others(w, v):
            continue
        given = [port for _, port in about.after[v]]
        if given == [(k, k) for k in range(gives(item))] and gives(item) in (1, reads(items[w])):
            follower[v] = w
    groups = _runs(len(items), follower)
    return _merged(
        items, links, groups, entries, exits, lambda group: _series([items[v] for v in group])
    )


# Makes one element of several: of what is drawn, all copies, how often it comes, and how many tensors
# each reads besides what the one before it gives.
Repeats = Callable[[Element, Sequence[Element], int, int], Element]


def repeated(tangle: Tangle, keys: Sequence[object], repeat: Repeats) -> Tangle:
    """The tangle with what comes again and again in a row as one, where each reads the same besides.

    That are equal blocks, or several items in turn; items of equal `keys` are equal.
    """
    links = [*zip(tangle.edges, tangle.ports, strict=True)]
    about = _Links(links)
    groups: list[list[int]] = []
    made: dict[int, Element] = {}
    into: dict[Link, int] = {}
    for members in _runs(len(keys), _followers(about, keys)):
        chain = _Chain(members, tangle.items, keys, about)
        at = 0
        while at < len(members):
            period, count = chain.turns(at)
            group = members[at : at + period * count]
            groups.append(group)
            if count > 1:
                found = chain.turn(at + period * (count - 1), period)
                copies = [tangle.items[v] for v in group]
                made[group[0]] = repeat(found.element, copies, count, found.others)
                for k, v in enumerate(group):
                    into |= found.arriving(k % period, about.before[v])
            at += period * count
    # What reads something stands behind it: nothing outside reads any but the last of a group.
    groups.sort(key=lambda group: group[-1])
    return _merged(
        tangle.items,
        links,
        groups,
        tangle.entries,
        tangle.exits,
        lambda group: made.get(group[0], tangle.items[group[0]]),
        into,
    )


def _followers(about: _Links, keys: Sequence[object]) -> dict[int, int]:
    """For each item the one that goes on from it: its only reader, if that goes on from no other."""
    before: dict[int, list[int]] = {}
    for v in range(len(keys)):
        w = about.follower(v)
        if w is not None and w < len(keys):
            before.setdefault(w, []).append(v)
    return {
        min(found, key=lambda v: (keys[v] != keys[w], min(about.places(w, v)))): w
        for w, found in before.items()
    }


class _Turn:
    """Several items in turn as one element, and as which of its tensors it has what its items read."""

    def __init__(self, items: Sequence[Element], flows: list[Flow], others: list[Others]) -> None:
        self.flow = {at: k for k, (at, _) in enumerate(sorted(flows[0]))}
        besides = [(s, out) for read in others for s, out, _ in sorted(read, key=itemgetter(2))]
        self.besides = {value: k for k, value in enumerate(dict.fromkeys(besides), len(self.flow))}
        self.others = len(self.besides)
        # What only the first of them reads besides arrives as it does there.
        self.is_chain = not any(others[1:]) and all(
            flow == {(k, k) for k in range(gives(item))} and gives(item) in (1, reads(after))
            for flow, (item, after) in zip(flows[1:], pairwise(items), strict=True)
        )
        self.element = _series(items) if self.is_chain else self._tangle(items, flows, others)

    def _tangle(self, items: Sequence[Element], flows: list[Flow], others: list[Others]) -> Element:
        links: list[Link] = [((-1, 0), (k, at)) for at, k in self.flow.items()]
        for i, (flow, read) in enumerate(zip(flows, others, strict=True)):
            links += [((i - 1, i), (out, at)) for at, out in flow if i]
            links += [((-1, i), (self.besides[s, out], at)) for s, out, at in read]
        links += [((len(items) - 1, len(items)), (k, k)) for k in range(gives(items[-1]))]
        return knot(items, sorted(links), len(self.flow) + self.others, gives(items[-1]))

    def arriving(self, place: int, links: Sequence[Link]) -> dict[Link, int]:
        """As which tensor of the whole each of these arrives, which lead to one of the items."""
        if self.is_chain:
            return {}
        found = {}
        for link in links:
            (s, _), (out, at) = link
            flowing = not place and at in self.flow
            found[link] = self.flow[at] if flowing else self.besides.get((s, out), 0)
        return found


class _Chain:
    """Items one after the other: what each has of the one before it, and what it reads besides."""

    def __init__(
        self,
        members: Sequence[int],
        items: Sequence[Element],
        keys: Sequence[object],
        about: _Links,
    ) -> None:
        self.items = [items[v] for v in members]
        self.read: list[Others] = [frozenset(about.others(v, v)) for v in members]
        self.flows: list[Flow] = [frozenset()]
        self.others: list[Others] = self.read[:1]
        for v, w in pairwise(members):
            given = (port for (s, _), port in about.before[w] if s == v)
            self.flows.append(frozenset((at, out) for out, at in given))
            self.others.append(frozenset(about.others(w, v)))
        self.own = [keys[v] for v in members]
        self.keys = [*zip(self.own, self.flows, self.others, strict=True)]
        # The next one that does the same.
        self.next: dict[int, int] = {}
        last: dict[object, int] = {}
        for k in reversed(range(len(members))):
            self.next[k] = last.get(self.own[k], k)
            last[self.own[k]] = k

    def turns(self, at: int) -> tuple[int, int]:
        """How many items come in turn from a place on, and how often."""
        self._begin(at, self.next[at])
        end = at + 1
        if isinstance(self.items[at], Block):
            while end < len(self.keys) and self.keys[end] == self.keys[at]:
                end += 1
        return in_turn(self.keys, at, end - at)

    def _begin(self, at: int, like: int) -> None:
        """Into the first of a run flows what it has in place of what one like it has of the one before."""
        flowing = self.read[at] - self.others[like]
        if self.others[like] <= self.read[at] and (
            {place for _, _, place in flowing} == {place for place, _ in self.flows[like]}
        ):
            self.keys[at] = self.keys[like]

    def turn(self, at: int, period: int) -> _Turn:
        """So many items from a place on as one."""
        end = at + period
        return _Turn(self.items[at:end], self.flows[at:end], self.others[at:end])


def together(
    tangle: Tangle, keys: Sequence[object], one: Callable[[Sequence[Element]], Element]
) -> Tangle:
    """The tangle with items of equal `keys` that stand side by side as one; those without a key stay.

    Three at least make one, and none of them may need what another gives. What the item of several
    reads and gives is what they do, one after the other.
    """
    members: dict[object, list[int]] = {}
    for v, key in enumerate(keys):
        if key is not None:
            members.setdefault(key, []).append(v)
    groups = [{id(tangle.items[v]) for v in group} for group in members.values()]
    for own in groups:
        if len(own) >= FEWEST:
            places = [v for v, item in enumerate(tangle.items) if id(item) in own]
            tangle = _abreast(tangle, places, one)
    return tangle


def loosened(tangle: Tangle, apart: Callable[[Element], bool]) -> Tangle:
    """The tangle without those of its chains that hold something that is to stand `apart`."""
    items: list[Element] = []
    first, last = {-1: -1}, {-1: -1}
    inner: list[Link] = []
    for v, item in enumerate(tangle.items):
        chain = item if isinstance(item, Series) and not (item.arcs or item.asides) else None
        parts = chain.items if chain and any(map(apart, chain.items)) else (item,)
        first[v], last[v] = len(items), len(items) + len(parts) - 1
        for i, part in enumerate(parts[:-1], len(items)):
            inner += [((i, i + 1), (k, k)) for k in range(gives(part))]
        items += parts
    first[len(tangle.items)] = len(items)
    outer = zip(tangle.edges, tangle.ports, strict=True)
    links = sorted([*inner, *(((last[a], first[b]), port) for (a, b), port in outer)])
    edges, ports = tuple(edge for edge, _ in links), tuple(port for _, port in links)
    return Tangle(tuple(items), edges, ports, tangle.entries, tangle.exits)


def _abreast(
    tangle: Tangle, group: Sequence[int], one: Callable[[Sequence[Element]], Element]
) -> Tangle:
    items = tangle.items
    count, end = len(items), len(items)
    after = _Links([*zip(tangle.edges, tangle.ports, strict=True)]).after
    reached, todo = set[int](), [b for v in group for (_, b), _ in after[v]]
    while todo:
        v = todo.pop()
        if v not in reached:
            reached.add(v)
            todo += [b for (_, b), _ in after[v]]
    if not reached.isdisjoint(group):
        return tangle
    # What needs none of them stands before, what needs one of them behind.
    order = [*(v for v in range(count) if v not in reached and v not in group)]
    place = {v: i for i, v in enumerate(order)} | dict.fromkeys(group, len(order))
    later = [v for v in range(count) if v in reached and v != end]
    place |= {v: len(order) + 1 + i for i, v in enumerate(later)}
    place |= {-1: -1, end: len(order) + 1 + len(later)}
    copy = {v: j for j, v in enumerate(group)}
    wide_in, wide_out = reads(items[group[0]]), gives(items[group[0]])
    links = sorted(
        (
            (place[a], place[b]),
            (copy.get(a, 0) * wide_out + out, copy.get(b, 0) * wide_in + into),
        )
        for (a, b), (out, into) in zip(tangle.edges, tangle.ports, strict=True)
    )
    found = (*(items[v] for v in order), one([items[v] for v in group]), *(items[v] for v in later))
    edges, ports = tuple(edge for edge, _ in links), tuple(port for _, port in links)
    return Tangle(found, edges, ports, tangle.entries, tangle.exits)


def _runs(count: int, follower: dict[int, int]) -> list[list[int]]:
    later = {*follower.values()}
    found = []
    for v in range(count):
        if v not in later:
            found.append([v])
            while found[-1][-1] in follower:
                found[-1].append(follower[found[-1][-1]])
    return found


def _merged(
    items: Sequence[Element],
    links: Sequence[Link],
    groups: Sequence[Sequence[int]],
    entries: int,
    exits: int,
    one: Callable[[Sequence[int]], Element],
    into: Mapping[Link, int] | None = None,
) -> Tangle:
    """The tangle of groups of items; what leads from a group to itself goes.

    `into` says as which of the tensors of its group a link arrives, where not as that of the item.
    """
    home = {v: i for i, group in enumerate(groups) for v in group}
    home |= {-1: -1, len(items): len(groups)}
    into = into or {}
    kept = {
        ((home[a], home[b]), (out, into.get(((a, b), (out, at)), at)))
        for (a, b), (out, at) in links
        if home[a] != home[b]
    }
    edges = tuple(edge for edge, _ in sorted(kept))
    ports = tuple(port for _, port in sorted(kept))
    found = tuple(map(one, groups))
    return Tangle(found, edges, ports, entries, exits)


def _series(items: Sequence[Element]) -> Element:
    if len(items) == 1:
        return items[0]
    parts = [item.items if isinstance(item, Series) else (item,) for item in items]
    return Series(tuple(element for part in parts for element in part))
