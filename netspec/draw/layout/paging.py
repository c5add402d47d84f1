"""A chain of pieces as the columns of a page, with a strip behind what has one resolution."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from netspec.draw.layout.bands import band, merged, name_room
from netspec.draw.layout.diagram import Point
from netspec.draw.layout.division import level, low
from netspec.draw.layout.pieces import GAP, Piece, Strip, joined, wire
from netspec.draw.metrics import total
from netspec.draw.scene import Item, Wire
from netspec.foundation.records import record

SCREEN = (1600.0, 1000.0)
# What a page has beside its columns, and above and below them: with words on one line, and on most.
_BESIDE, _AROUND, _MOST_AROUND = 32.0, 100.0, 130.0
TALLEST = SCREEN[1] - _MOST_AROUND
_LEAST_WIDTH = 360.0
_TALL, _WIDE, _SHAPE = 1.5, 3.0, 0.3
GUTTER = 20.0
_STEP = 3.0
_MOST_COLUMNS = 6
_LEAST_PAGE = 0.62
_PER_COLUMN, _LEAST_COLUMN, _EMPTY = 0.02, 0.45, 0.8


@record
class Column:
    """Pieces one below the other."""

    pieces: tuple[Piece, ...]

    @property
    def axis(self) -> float:
        """Where the line through the boxes is, in points from the column's left."""
        return max(p.axis for p in self.pieces)

    @property
    def w(self) -> float:
        """The column's width in points."""
        return self.axis + max(p.w - p.axis for p in self.pieces)

    @property
    def h(self) -> float:
        """The column's height in points, gaps included."""
        return total(p.h for p in self.pieces) + GAP * (len(self.pieces) - 1)

    @property
    def band(self) -> float:
        """The room at its left for the names of its bands, in points; 0 without bands."""
        return name_room(strip.name for piece in self.pieces for strip in piece.strips)

    def boxes(self, axis: float, y: float) -> list[Item]:
        """The pieces, the first with its top at `y`, and what leads from one to the next."""
        found: list[Item] = []
        for i, piece in enumerate(self.pieces):
            if i:
                found += joined(self.pieces[i - 1], piece, axis, y - GAP, axis, y)
            found += piece.draw(axis - piece.axis, y)
            y += piece.h + GAP
        return found

    def bands(self, x: float, y: float, right: float) -> list[Item]:
        """A tinted strip behind what has one resolution, named at its left."""
        tops = accumulate((piece.h + GAP for piece in self.pieces), initial=y)
        strips = merged(
            Strip(top + strip.top, top + strip.bottom, strip.name)
            for top, piece in zip(tops, self.pieces, strict=False)
            for strip in piece.strips
        )
        left = x - self.band
        return [item for i, strip in enumerate(strips) for item in band(strip, i, left, right)]


def divisions(pieces: Sequence[Piece]) -> list[list[Column]]:
    """The divisions into columns that are worth a look: such as end about as high as each other."""
    heights = [p.h + GAP for p in pieces]
    divided = {
        tuple(divide(heights, count)): None
        for count in range(1, min(_MOST_COLUMNS, len(pieces)) + 1)
        for divide in (level, low)
    }
    return [[Column(tuple(pieces[a:b])) for a, b in ranges] for ranges in divided]


def strain(w: float, h: float) -> float:
    """How much too large the contents of a page are for a screen, 1 where they just fit.

    What is far from a slide's shape, above 3:1 or below 1:1.5, costs more. Below a size none is better.
    """
    w, h = max(w + _BESIDE, _LEAST_WIDTH), h + _AROUND
    unlike = max(h / w / _TALL, w / h / _WIDE, 1.0) - 1.0
    return max(w / SCREEN[0], h / SCREEN[1], _LEAST_PAGE) + _SHAPE * unlike


def unevenness(page: Sequence[Column]) -> float:
    """What it costs that a page has many columns, or one that is nearly empty."""
    empty = max(0.0, _LEAST_COLUMN - min(c.h for c in page) / max(c.h for c in page))
    return _PER_COLUMN * len(page) + _EMPTY * empty


def is_even(page: Sequence[Column]) -> bool:
    """Whether no column of a page is nearly empty."""
    return min(c.h for c in page) >= _LEAST_COLUMN * max(c.h for c in page)


def led_on(
    above: Column, below: Column, foot: Point, lane: float, entry: float, head: Point
) -> list[Wire]:
    """What leads from the foot of a column over the lane at `lane` to the head of the next one.

    One wire, or one for each tensor where several flow on side by side: none crosses another.
    """
    outs, lanes = above.pieces[-1].outs, below.pieces[0].lanes
    if len(outs) != len(lanes):
        outs, lanes = (0.0,), (0.0,)
    arrow, last = not below.pieces[0].wired, len(outs) - 1
    found = []
    for k, (out, into) in enumerate(zip(outs, lanes, strict=True)):
        low, high = foot[1] + GAP - 4 - _STEP * k, entry + _STEP * (last - k)
        at, start, end = lane + _STEP * (last / 2 - k), foot[0] + out, head[0] + into
        points = (start, foot[1]), (start, low), (at, low), (at, high), (end, high), (end, head[1])
        found.append(wire(*points, arrow=arrow))
    return found
