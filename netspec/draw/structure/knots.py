"""Tangles made smaller: what follows one after the other in them is one item."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

from netspec.draw.structure.elements import Element, Port, Series, Tangle, gives, reads

# So many of one kind side by side are one.
FEWEST = 3
Link = tuple[tuple[int, int], tuple[int, int]]


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
    return _merged(items, links, _runs(len(items), follower), entries, exits, _series)


def repeated(
    tangle: Tangle, keys: Sequence[object], repeat: Callable[[Sequence[Element], int], Element]
) -> Tangle:
    """The tangle with equal items one after the other as one, whatever else each of them reads.

    Items of equal `keys` are equal; `repeat` makes one element of several, and is told how many
    tensors each reads besides what the one before it gives.
    """
    links = [*zip(tangle.edges, tangle.ports, strict=True)]
    about = _Links(links)
    follower: dict[int, int] = {}
    for v in range(len(keys)):
        w = about.follower(v)
        if w is None or w == len(keys) or keys[v] != keys[w]:
            continue
        # Where the others read the one before, the first of them reads something else.
        own = {link for link in about.others(v, v) if link[2] not in about.places(w, v)}
        if own == about.others(w, v):
            follower[v] = w
    runs = _runs(len(keys), follower)
    besides = {id(tangle.items[run[0]]): len(about.others(run[-1], run[-2:][0])) for run in runs}

    def one(members: Sequence[Element]) -> Element:
        return repeat(members, besides[id(members[0])]) if len(members) > 1 else members[0]

    return _merged(tangle.items, links, runs, tangle.entries, tangle.exits, one)


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
    one: Callable[[Sequence[Element]], Element],
) -> Tangle:
    """The tangle of groups of items; what leads from a group to itself goes."""
    home = {v: i for i, group in enumerate(groups) for v in group}
    home |= {-1: -1, len(items): len(groups)}
    kept = {((home[a], home[b]), port) for (a, b), port in links if home[a] != home[b]}
    edges = tuple(edge for edge, _ in sorted(kept))
    ports = tuple(port for _, port in sorted(kept))
    found = tuple(one([items[v] for v in group]) for group in groups)
    return Tangle(found, edges, ports, entries, exits)


def _series(items: Sequence[Element]) -> Element:
    if len(items) == 1:
        return items[0]
    parts = [item.items if isinstance(item, Series) else (item,) for item in items]
    return Series(tuple(element for part in parts for element in part))
