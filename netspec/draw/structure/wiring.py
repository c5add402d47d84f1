"""A series taken apart into its elements and what leads from each to each, at one level of blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from netspec.draw.structure.elements import (
    Block,
    Element,
    Parallel,
    Repeat,
    Series,
    Tangle,
    begins,
    gives,
    nodes_of,
    reads,
)
from netspec.foundation.records import record

Outs = list[list[tuple[int, int]]]


@record
class Link:
    """Which of the tensors that an element gives another reads, and as which of its own.

    The source is -1 for what flows in, the target the number of elements for what flows out.
    """

    source: int
    out: int
    target: int
    into: int


@record
class Wiring:
    """Elements in topological order and the links between them.

    `knotted` are those that stood in a tangle, or that lines are led around.
    """

    items: tuple[Element, ...]
    links: tuple[Link, ...]
    knotted: frozenset[int]
    entries: int
    exits: int


def wiring(series: Series, is_apart: Callable[[Parallel], bool]) -> Wiring:
    """The elements of a series, chains and tangles in it taken apart, and branches that `is_apart` says.

    Training-only heads follow the element that they hang off.
    """
    strung = _Strung(is_apart)
    entries = reads(series) if series.items and not begins(series.items[0]) else 0
    outs = strung.series(series, [[(-1, k)] for k in range(entries)])
    end = len(strung.items)
    for into, sources in enumerate(outs):
        for source, out in sources:
            strung.links[Link(source, out, end, into)] = None
    return Wiring(
        tuple(strung.items), tuple(strung.links), frozenset(strung.knotted), entries, len(outs)
    )


class _Strung:
    def __init__(self, is_apart: Callable[[Parallel], bool]) -> None:
        self.is_apart = is_apart
        self.items: list[Element] = []
        self.links: dict[Link, None] = {}
        self.knotted: set[int] = set()

    def series(self, series: Series, feeds: Outs) -> Outs:
        """What the last element gives, and what else leaves, when these tensors flow in."""
        outs: list[Outs] = []
        last = feeds
        starts = []
        for i, item in enumerate(series.items):
            starts.append(len(self.items))
            passed = [a for a, b in series.arcs if b == i]
            last = self._any(item, _with(last, [feeds if a < 0 else outs[a] for a in passed]))
            outs.append(last)
            for head in (block for at, block in series.asides if at == i):
                self._head(head)
        starts.append(len(self.items))
        for a, b in series.arcs:
            self.knotted |= {*range(starts[max(a, 0)], starts[min(b + 1, len(series.items))])}
        ends = [a for a, b in series.arcs if b == len(series.items)]
        return _with(last, [feeds if a < 0 else outs[a] for a in ends])

    def _head(self, head: Block) -> None:
        """A head follows the element that has what it reads, which may be inside of another."""
        read = head.nodes[0].inputs[0].node
        home = next((i for i, item in enumerate(self.items) if read in nodes_of(item)), -1)
        self.links[Link(home, 0, len(self.items), 0)] = None
        self.items.append(head)

    def _any(self, element: Element, feeds: Outs) -> Outs:
        match element:
            case Series():
                return self.series(element, feeds)
            case Tangle():
                return self._tangle(element, feeds)
            case Parallel() if self.is_apart(element):
                return self._parallel(element, feeds)
        return self._single(element, feeds)

    def _single(self, element: Element, feeds: Outs) -> Outs:
        number, slots = len(self.items), reads(element)
        self.items.append(element)
        for k, sources in enumerate([] if begins(element) else feeds):
            for source, out in sources:
                into = min(k, slots - 1) if len(feeds) == slots else self._slot(element, source)
                self.links[Link(source, out, number, into)] = None
        return [[(number, k)] for k in range(gives(element))]

    def _slot(self, element: Element, source: int) -> int:
        """As which of the tensors that a block reads it has that of a source; a chain does not say."""
        block = element.copies[0] if isinstance(element, Repeat) and element.copies else element
        if source < 0 or not isinstance(block, Block):
            return 0
        made = {*nodes_of(self.items[source])}
        return next((k for k, value in enumerate(block.reading) if value.node in made), 0)

    def _tangle(self, tangle: Tangle, feeds: Outs) -> Outs:
        first = len(self.items)
        outs: list[Outs] = []
        end = len(tangle.items)
        found: Outs = [[] for _ in range(tangle.exits)]
        links = sorted(zip(tangle.edges, tangle.ports, strict=True), key=lambda link: link[1])
        for i, item in enumerate((*tangle.items, None)):
            slots: Outs = [[] for _ in range(reads(item) if item else tangle.exits)]
            for (a, b), (out, into) in links:
                if b == i:
                    given = feeds if a < 0 else outs[a]
                    slots[min(into, len(slots) - 1)] += (
                        given[min(out, len(given) - 1)] if given else []
                    )
            if item is None:
                found = slots
            else:
                outs.append(self._any(item, slots))
        self.knotted |= {*range(first, len(self.items))} if end else set()
        return found

    def _parallel(self, parallel: Parallel, feeds: Outs) -> Outs:
        found = [
            self.series(branch, feeds) if branch.items else feeds for branch in parallel.branches
        ]
        together = [[link for outs in found for sources in outs for link in sources]]
        return together if parallel.join is None else self._single(parallel.join, together)


def _with(feeds: Outs, others: Sequence[Outs]) -> Outs:
    """Tensors side by side, with others that arrive where the first of them does."""
    more = [link for outs in others for sources in outs for link in sources]
    return [feeds[0] + more, *feeds[1:]] if feeds and more else feeds or ([more] if more else [])
