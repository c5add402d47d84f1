"""Which row and column each element stands in: rows are resolutions, columns are steps along a row.

A step to another resolution stays in its column as long as it goes on the way that the column goes, so
that a column is a way down or a way up, as pyramids are drawn.
"""

from __future__ import annotations

from collections.abc import Sequence

from netspec.draw.structure.wiring import Link, Wiring
from netspec.foundation.records import record

_TALLEST = 300.0
_MOST_STACKED = 4


@record
class Span:
    """The uppermost and the lowest row that an element works in."""

    top: int
    bottom: int

    @property
    def is_one(self) -> bool:
        """Whether that is one row."""
        return self.top == self.bottom

    def meets(self, other: Span) -> bool:
        """Whether both have a row in common."""
        return self.top <= other.bottom and other.top <= self.bottom


@record
class Cell:
    """Elements one after the other in one place, in their order; the last on top where it is `upward`."""

    members: tuple[int, ...]
    span: Span
    upward: bool


@record
class Grid:
    """Cells, the column of each, the cell of each element, and what else stands where.

    `rises` are the links drawn upright from a cell to that above or below it in its column. `slots`
    are the cells in a row and column, one above the other; where only an upright line passes there is none.
    """

    cells: tuple[Cell, ...]
    columns: tuple[int, ...]
    home: tuple[int, ...]
    rises: frozenset[Link]
    slots: dict[tuple[int, int], list[int]]

    @property
    def width(self) -> int:
        """How many columns there are."""
        return max(self.columns) + 1


def grid(wires: Wiring, spans: Sequence[Span], heights: Sequence[float]) -> Grid:
    """The places of all elements, which work in the rows that `spans` say and are so high."""
    cells = _cells(wires, spans, heights)
    home = {v: i for i, cell in enumerate(cells) for v in cell.members}
    placed = _Placed(wires, cells, home)
    for i in range(len(cells)):
        placed.place(i)
    numbers = tuple(home[v] for v in range(len(wires.items)))
    return Grid(tuple(cells), tuple(placed.columns), numbers, frozenset(placed.rises), placed.slots)


def _cells(wires: Wiring, spans: Sequence[Span], heights: Sequence[float]) -> list[Cell]:
    """The cells, each after all that it reads."""
    count = len(wires.items)
    readers: list[set[int]] = [set() for _ in range(count)]
    sources: list[set[int]] = [set() for _ in range(count)]
    for link in wires.links:
        if link.source >= 0:
            readers[link.source].add(link.target)
            if link.target < count:
                sources[link.target].add(link.source)
    after: dict[int, int] = {}
    for w in range(count):
        alone = [v for v in sorted(sources[w]) if readers[v] == {w} and spans[v] == spans[w]]
        # What comes from another row goes on here; what has its own row already comes from the left.
        come = [v for v in alone if any(spans[u] != spans[v] for u in sources[v])]
        chosen = come if len(come) == 1 else alone
        if len(chosen) == 1 and spans[w].is_one:
            after[chosen[0]] = w
    later = {*after.values()}
    found: list[Cell] = []
    for v in range(count):
        if v in later:
            continue
        members, tall = [v], heights[v]
        while members[-1] in after:
            w = after[members[-1]]
            if tall + heights[w] > _TALLEST:
                found.append(_cell(members, spans, sources))
                members, tall = [], 0.0
            members.append(w)
            tall += heights[w]
        found.append(_cell(members, spans, sources))
    return sorted(found, key=lambda cell: cell.members[-1])


def _cell(members: list[int], spans: Sequence[Span], sources: Sequence[set[int]]) -> Cell:
    own = spans[members[0]]
    entered = [spans[u] for u in sources[members[0]]]
    below = [span for span in entered if span.top > own.bottom]
    above = [span for span in entered if span.bottom < own.top]
    return Cell(tuple(members), own, bool(below) and not above)


class _Placed:
    """Cells as they are given their columns, in their order."""

    def __init__(self, wires: Wiring, cells: Sequence[Cell], home: dict[int, int]) -> None:
        self.cells = cells
        self.columns: list[int] = []
        self.rises: set[Link] = set()
        self.slots: dict[tuple[int, int], list[int]] = {}
        self.fixed: set[tuple[int, int]] = set()
        # All that each cell comes of, as the bits of a number.
        self.before: list[int] = []
        self.entering: list[list[Link]] = [[] for _ in cells]
        self.home = home
        for link in wires.links:
            inner = link.source >= 0 and link.target < len(wires.items)
            if inner and home[link.source] != home[link.target]:
                self.entering[home[link.target]].append(link)

    def place(self, i: int) -> None:
        """Gives a cell the first column that is right of what it reads, or below or above it."""
        cell, entering = self.cells[i], self.entering[i]
        before = 0
        column = 0
        for link in entering:
            u = self.home[link.source]
            before |= self.before[u] | 1 << u
            step = 0 if self._may_rise(link, i) else 1
            column = max(column, self.columns[u] + step)
        self.before.append(before)
        while True:
            near = [e for e in entering if self.columns[self.home[e.source]] == column]
            if not near and self._has_room(cell, column, before):
                break
            if (
                not self._taken(cell.span, column)
                and len(near) == 1
                and self._is_open(near[0], i, column)
            ):
                self._rise(near[0], i, column)
                break
            if not near and not self._taken(cell.span, column):
                break
            column += 1
        for row in range(cell.span.top, cell.span.bottom + 1):
            self.slots.setdefault((row, column), []).append(i)
        self.columns.append(column)

    def _taken(self, span: Span, column: int) -> bool:
        return any((row, column) in self.slots for row in range(span.top, span.bottom + 1))

    def _has_room(self, cell: Cell, column: int, before: int) -> bool:
        """Whether the cell may stand with others, of which it comes of none, in one place."""
        if not cell.span.is_one:
            return False
        place = cell.span.top, column
        others = self.slots.get(place, [])
        if not others or place in self.fixed or len(others) >= _MOST_STACKED:
            return False
        return all(self.cells[k].span.is_one and not before >> k & 1 for k in others)

    def _may_rise(self, link: Link, i: int) -> bool:
        """Whether a link may lead upright from its source: last of its cell to first of the next."""
        source, target = self.cells[self.home[link.source]], self.cells[i]
        if not (source.span.is_one and target.span.is_one) or source.span == target.span:
            return False
        if link.target != target.members[0] or link.source != source.members[-1]:
            return False
        up = target.span.top < source.span.top
        return _faces(source, up) and _faces(target, up)

    def _is_open(self, link: Link, i: int, column: int) -> bool:
        u = self.home[link.source]
        rows = sorted((self.cells[u].span.top, self.cells[i].span.top))
        between = range(rows[0] + 1, rows[1])
        alone = len(self.slots[self.cells[u].span.top, column]) == 1
        return (
            alone
            and self._may_rise(link, i)
            and not any((r, column) in self.slots for r in between)
        )

    def _rise(self, link: Link, i: int, column: int) -> None:
        u = self.home[link.source]
        rows = sorted((self.cells[u].span.top, self.cells[i].span.top))
        self.fixed |= {(r, column) for r in range(rows[0], rows[1] + 1)}
        for r in range(rows[0] + 1, rows[1]):
            self.slots[r, column] = []
        self.rises.add(link)


def _faces(cell: Cell, up: bool) -> bool:
    """Whether a line upwards, or one downwards, passes the members of a cell in their order."""
    return cell.upward == up or len(cell.members) == 1
