"""Pieces beside a larger one and below it, in their order as far as the page allows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from netspec.draw.layout.abreast import Area
from netspec.draw.layout.paging import SCREEN, strain
from netspec.draw.layout.pieces import GAP, Piece
from netspec.draw.scene import Item
from netspec.foundation.records import record

Size = tuple[float, float]
Corners = dict[int, tuple[float, float]]

# How wide pages are tried, as shares of a screen, and what it costs to read them out of order.
_WIDTHS = (0.55, 0.65, 0.75, 0.85, 0.95, 0.98, 1.1, 1.18, 1.2, 1.3, 1.45, 1.6)
_JUMP = 0.2
# What a page is at most, in screens, and how much more what is above it costs: there room comes before order.
_LARGEST, _ABOVE = 1.19, 10.0
_MARGINS = (32.0, 94.0)


@record
class Arranged:
    """Where each of some pieces stands, by its number, and how much a page takes with them.

    `cost` is what `strain` says of that, and what it costs that the order is lost.
    """

    corners: Corners
    w: float
    h: float
    cost: float


def arranged(taken: Sequence[Area], details: Sequence[Piece]) -> Arranged:
    """The best places for pieces on a page that has these areas taken, none of them left out."""
    sizes = [(piece.w, piece.h) for piece in details]
    found = (_measured(taken, sizes, corners) for corners in _ways(taken, sizes))
    return min(found, key=lambda way: (way.cost, way.w * way.h))


def with_details(main: Piece, details: Sequence[Piece], way: Arranged) -> Piece:
    """A piece with others where they were arranged."""

    def draw(x: float, y: float) -> list[Item]:
        items = main.draw(x, y)
        for i, piece in enumerate(details):
            left, top = way.corners[i]
            items += piece.draw(x + left, y + top)
        return items

    return Piece(way.w, way.h, main.axis, draw, main.wired)


def _measured(taken: Sequence[Area], sizes: Sequence[Size], corners: Corners) -> Arranged:
    w = max(
        [right for _, _, right, _ in taken] + [x + sizes[i][0] + 2 for i, (x, _) in corners.items()]
    )
    h = max([low for *_, low in taken] + [y + sizes[i][1] + GAP for i, (_, y) in corners.items()])
    large = strain(w, h)
    cost = large + _ABOVE * max(0.0, large - _LARGEST) + _JUMP * _jumps(sizes, corners)
    return Arranged(corners, w, h, cost)


def _jumps(sizes: Sequence[Size], corners: Corners) -> float:
    """The share of pieces that stand neither right of the one before nor below it."""
    steps = [
        corners[b][0] <= corners[a][0] and corners[b][1] < corners[a][1] + sizes[a][1]
        for a, b in pairwise(range(len(sizes)))
    ]
    return sum(steps) / max(1, len(steps))


def _ways(taken: Sequence[Area], sizes: Sequence[Size]) -> Iterator[Corners]:
    """Places for pieces: on shelves beside all that is taken and below it, or wherever there is room."""
    if not sizes:
        yield {}
        return
    right = max(right for _, _, right, _ in taken)
    low = max(low for *_, low in taken)
    turned = [(b, a) for a, b in sizes]
    tall = max(b for _, b in sizes)
    w, h = SCREEN[0] - _MARGINS[0], SCREEN[1] - _MARGINS[1]
    for limit in {max(low - GAP, tall): None, max(h - 2 * GAP, tall): None}:
        yield _moved(_turned(_in_order(turned, limit)), right + GAP, GAP)
    if right + GAP < w:
        yield _moved(_in_order(sizes, w - right - GAP), right + GAP, GAP)
    yield _moved(_in_order(sizes, max(w, right) - GAP), GAP, low)
    deepest = sorted(range(len(sizes)), key=lambda i: (-sizes[i][1], i))
    longest = sorted(range(len(sizes)), key=lambda i: (-sizes[i][0], i))
    widest = max(right, *(a for a, _ in sizes))
    for width in dict.fromkeys(max(widest, share * SCREEN[0]) for share in _WIDTHS):
        for order in (range(len(sizes)), deepest, longest):
            yield _filled(taken, sizes, order, width)


def _filled(
    taken: Sequence[Area], sizes: Sequence[Size], order: Sequence[int], w: float
) -> Corners:
    """Each piece as high up as there is room for it within `w`, beside what is taken or below it."""
    areas = [*taken]
    found: Corners = {}
    for i in order:
        wide, tall = sizes[i]
        starts = sorted({GAP, *(right + GAP for _, _, right, _ in areas)})
        fitting = [x for x in starts if x + wide <= w] or [GAP]
        lows = [
            max(
                (b for a, _, right, b in areas if a < x + wide + GAP and x < right + GAP),
                default=0.0,
            )
            for x in fitting
        ]
        low = min(lows)
        x = fitting[lows.index(low)]
        found[i] = x, low + GAP
        areas.append((x, low + GAP, x + wide, low + GAP + tall))
    return found


def _moved(corners: Corners, x: float, y: float) -> Corners:
    return {i: (x + a, y + b) for i, (a, b) in corners.items()}


def _turned(corners: Corners) -> Corners:
    return {i: (b, a) for i, (a, b) in corners.items()}


def _in_order(sizes: Sequence[Size], length: float) -> Corners:
    """Pieces on shelves of a length, one shelf after the other, the order kept."""
    found: Corners = {}
    along, across, deep = 0.0, 0.0, 0.0
    for i, (a, b) in enumerate(sizes):
        if along and along + a > length:
            along, across, deep = 0.0, across + deep + GAP, 0.0
        found[i] = (along, across)
        along, deep = along + a + GAP, max(deep, b)
    return found
