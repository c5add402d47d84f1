"""Columns next to each other, as one piece: what flows from the end of each leads to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from netspec.draw.layout.paging import GUTTER, Column, divisions, is_even, led_on
from netspec.draw.layout.pieces import GAP, Piece
from netspec.draw.scene import Item

# Left, top, right and bottom.
Area = tuple[float, float, float, float]
_MARGIN = 10.0
_TALLEST = 400.0


def folded_over(pieces: Sequence[Piece]) -> Piece | None:
    """A chain that is too tall for a card, in as few columns as make it less than that.

    None where it is not, or where no column ends about as high as the others.
    """
    if Column(tuple(pieces)).h <= _TALLEST or any(
        len(places) > 1 for p in pieces for places in (p.lanes, p.outs)
    ):
        return None
    plain = [replace(piece, strips=()) for piece in pieces]
    even = [side for side in divisions(plain) if len(side) > 1 and is_even(side)]
    if not even:
        return None
    side = min(even, key=lambda side: (max(max(c.h for c in side), _TALLEST), len(side)))
    piece, _ = side_by_side(side)
    return replace(piece, axis=piece.w / 2)


def side_by_side(side: Sequence[Column]) -> tuple[Piece, list[Area]]:
    """The columns of a page, and what each takes of it with the line that leads on from it."""
    lefts, at = [], 0.0
    for column in side:
        lefts.append(at + column.band)
        at += column.band + column.w + _MARGIN + GUTTER
    h = max(column.h for column in side) + 2 * GAP

    def draw(left: float, top: float) -> list[Item]:
        items: list[Item] = []
        foot = (0.0, 0.0)
        for i, (column, place) in enumerate(zip(side, lefts, strict=True)):
            x = left + place
            axis = x + column.axis
            items = column.bands(x, top + GAP, x + column.w + _MARGIN) + items
            items += column.boxes(axis, top + GAP)
            if i:
                lane, head = x - GUTTER / 2 - column.band, (axis, top + GAP)
                items += led_on(side[i - 1], column, foot, lane, top + 2, head)
            foot = (axis, top + GAP + column.h)
        return items

    w = at - GUTTER - 6
    taken = [
        (x - c.band, 0.0, min(x + c.w + _MARGIN + GUTTER, w), c.h + 2 * GAP)
        for c, x in zip(side, lefts, strict=True)
    ]
    return Piece(w, h, 0.0, draw), taken
