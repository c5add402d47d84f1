"""Tangles made smaller: what follows one after the other in them is one item."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

from netspec.draw.structure.elements import Element, Port, Series, Tangle, gives, reads

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
