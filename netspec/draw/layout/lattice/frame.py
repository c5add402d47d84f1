"""Where the rows, columns and channels of a lattice are, and the lines in them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from netspec.draw.layout.lattice.grid import Grid
from netspec.draw.layout.pieces import GAP, Piece
from netspec.draw.metrics import total
from netspec.foundation.records import record

_TRACK = 8.0
_BESIDE, _BELOW, _EDGE = 22.0, 24.0, 6.0
_LEAST = 22.0
# Between boxes of one cell.
NEXT = 13.0


@record
class Sizes:
    """How far the boxes of each column reach left and right of its middle, and how high each row is."""

    lefts: tuple[float, ...]
    rights: tuple[float, ...]
    heights: tuple[float, ...]


def sizes(grid: Grid, pieces: Sequence[Piece], rows: int) -> Sizes:
    """The room that cells need; what works in several rows makes all of them higher where it must."""
    lefts, rights = [0.0] * grid.width, [0.0] * grid.width
    for cell, column in zip(grid.cells, grid.columns, strict=True):
        for v in cell.members:
            lefts[column] = max(lefts[column], pieces[v].axis)
            rights[column] = max(rights[column], pieces[v].w - pieces[v].axis)
    heights = [_LEAST] * rows
    for (row, _), members in grid.slots.items():
        here = [height(grid, i, pieces) for i in members if grid.cells[i].span.is_one]
        heights[row] = max(heights[row], total(here) + GAP * (len(here) - 1))
    for i, cell in enumerate(grid.cells):
        if not cell.span.is_one:
            own = heights[cell.span.top : cell.span.bottom + 1]
            short = height(grid, i, pieces) - total(own) - _BELOW * (len(own) - 1)
            for row in range(cell.span.top, cell.span.bottom + 1):
                heights[row] += max(0.0, short) / len(own)
    return Sizes(tuple(lefts), tuple(rights), tuple(heights))


def height(grid: Grid, i: int, pieces: Sequence[Piece]) -> float:
    """How high a cell is."""
    members = grid.cells[i].members
    return total(pieces[v].h for v in members) + NEXT * (len(members) - 1)


class Frame:
    """Coordinates, from the left and the top of a lattice, with room for so many lines in each channel."""

    def __init__(self, sizes: Sizes, beside: Sequence[int], below: Sequence[int]) -> None:
        self.sizes = sizes
        self.beside = [_BESIDE + _TRACK * max(0, n - 1) for n in beside]
        inner = [_BELOW + _TRACK * max(0, n - 1) for n in below]
        edges = [_EDGE + _TRACK * n for n in (below[0], below[-1])]
        self.below = [edges[0], *inner[1:-1], edges[1]]
        wide = [a + b for a, b in zip(sizes.lefts, sizes.rights, strict=True)]
        self.lefts = [
            *accumulate((a + b for a, b in zip(self.beside, wide, strict=False)), initial=0.0)
        ]
        self.tops = [
            *accumulate(
                (a + b for a, b in zip(self.below, sizes.heights, strict=False)), initial=0.0
            )
        ]

    @property
    def w(self) -> float:
        """The width of all, the channel at the right included."""
        return self.lefts[-1] + self.beside[-1]

    @property
    def h(self) -> float:
        """The height of all."""
        return self.tops[-1] + self.below[-1]

    def axis(self, column: int) -> float:
        """The middle of a column."""
        return self.lefts[column] + self.beside[column] + self.sizes.lefts[column]

    def top(self, row: int) -> float:
        """Where a row begins."""
        return self.tops[row] + self.below[row]

    def bottom(self, row: int) -> float:
        """Where a row ends."""
        return self.tops[row + 1]

    def beside_at(self, channel: int, track: int) -> float:
        """Where a line in an upright channel is."""
        return self.lefts[channel] + _BESIDE / 2 + _TRACK * track

    def below_at(self, channel: int, track: int) -> float:
        """Where a line in a level channel is."""
        first = _EDGE if channel in (0, len(self.below) - 1) else _BELOW / 2
        return self.tops[channel] + first + _TRACK * track
