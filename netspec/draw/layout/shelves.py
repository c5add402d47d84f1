"""Pieces beside a larger one and below it, in their order as far as the page allows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from netspec.draw.layout.pieces import GAP, Piece
from netspec.draw.metrics import total
from netspec.draw.scene import Item
from netspec.foundation.records import record

Size = tuple[float, float]


@record
class _Arranged:
    """Where each of some pieces stands, by its number, and how much they take together."""

    corners: dict[int, tuple[float, float]]
    w: float
    h: float
    in_order: bool = True


def with_details(main: Piece, details: Sequence[Piece], w: float, h: float) -> Piece:
    """A piece with others at its right and below it, none left out.

    Within `w` by `h` where that can be, else it grows downwards.
    """
    if not details:
        return main
    w = max(w, main.w)
    best = min(_arranged(main, details, w, h), key=lambda found: _cost(found, w, h))

    def draw(x: float, y: float) -> list[Item]:
        items = main.draw(x, y)
        for i, piece in enumerate(details):
            left, top = best.corners[i]
            items += piece.draw(x + left, y + top)
        return items

    return Piece(best.w, best.h, main.axis, draw, main.wired)


def _cost(found: _Arranged, w: float, h: float) -> tuple[float, float, bool, float]:
    """How much wider than a screen, how much higher, whether the order is lost, how large."""
    return max(found.w / w, 1.0), max(found.h / h, 1.0), not found.in_order, found.w * found.h


def _arranged(main: Piece, details: Sequence[Piece], w: float, h: float) -> Iterator[_Arranged]:
    """The ways to set pieces beside and below."""
    sizes = [(piece.w, piece.h) for piece in details]
    turned = [(b, a) for a, b in sizes]
    left, beside, low = main.w + GAP, w - main.w - GAP, max(main.h - GAP, h - 2 * GAP)
    tall = max(b for _, b in sizes)
    for limit in {max(main.h - GAP, tall): None, max(low, tall): None}:
        yield _placed(main, sizes, left, GAP, _turned(_in_order(turned, limit)))
    yield _placed(main, sizes, left, GAP, _in_order(sizes, max(beside, 1.0)))
    yield _placed(main, sizes, GAP, main.h, _in_order(sizes, w - GAP))
    for corners in (
        _shelved(sizes, beside, low),
        _turned(_shelved(turned, low, beside)),
    ):
        rest = [i for i in range(len(sizes)) if i not in corners]
        found = _placed(main, sizes, left, GAP, corners)
        if rest:
            below = _in_order([sizes[i] for i in rest], w - GAP)
            at = max(found.h, main.h)
            corners = {rest[k]: (x + GAP, y + at) for k, (x, y) in below.items()}
            found = _joined(found, _placed(main, sizes, 0.0, 0.0, corners))
        yield replace(found, in_order=False)
    deepest = sorted(range(len(sizes)), key=lambda i: (-sizes[i][1], i))
    for order in (range(len(sizes)), deepest):
        corners = _filled(main, sizes, order, w)
        yield replace(_placed(main, sizes, 0.0, 0.0, corners), in_order=False)


def _filled(
    main: Piece, sizes: Sequence[Size], order: Sequence[int], w: float
) -> dict[int, tuple[float, float]]:
    """Each piece as high up as there is room for it within `w`, beside the main one or below it."""
    taken = [(0.0, 0.0, main.w, main.h)]
    found: dict[int, tuple[float, float]] = {}
    for i in order:
        wide, tall = sizes[i]
        starts = sorted({GAP, *(right + GAP for _, _, right, _ in taken)})
        fitting = [x for x in starts if x + wide <= w] or [GAP]
        lows = [
            max(
                (b for a, _, right, b in taken if a < x + wide + GAP and x < right + GAP),
                default=0.0,
            )
            for x in fitting
        ]
        low = min(lows)
        x = fitting[lows.index(low)]
        found[i] = x, low + GAP
        taken.append((x, low + GAP, x + wide, low + GAP + tall))
    return found


def _placed(
    main: Piece, sizes: Sequence[Size], x: float, y: float, corners: dict[int, tuple[float, float]]
) -> _Arranged:
    moved = {i: (x + a, y + b) for i, (a, b) in corners.items()}
    right = max([main.w, *(a + sizes[i][0] + 2 for i, (a, _) in moved.items())])
    low = max([main.h, *(b + sizes[i][1] + GAP for i, (_, b) in moved.items())])
    return _Arranged(moved, right, low)


def _joined(a: _Arranged, b: _Arranged) -> _Arranged:
    return _Arranged(a.corners | b.corners, max(a.w, b.w), max(a.h, b.h))


def _turned(corners: dict[int, tuple[float, float]]) -> dict[int, tuple[float, float]]:
    return {i: (b, a) for i, (a, b) in corners.items()}


def _in_order(sizes: Sequence[Size], length: float) -> dict[int, tuple[float, float]]:
    """Pieces on shelves of a length, one shelf after the other, the order kept."""
    found: dict[int, tuple[float, float]] = {}
    along, across, deep = 0.0, 0.0, 0.0
    for i, (a, b) in enumerate(sizes):
        if along and along + a > length:
            along, across, deep = 0.0, across + deep + GAP, 0.0
        found[i] = (along, across)
        along, deep = along + a + GAP, max(deep, b)
    return found


def _shelved(sizes: Sequence[Size], length: float, depth: float) -> dict[int, tuple[float, float]]:
    """Where on shelves the pieces that find room stand: along their shelf, and across.

    A piece goes on the shelf that it makes deeper by least, or on one of its own.
    """
    shelves: list[list[int]] = []
    for i, (along, across) in enumerate(sizes):
        deep = [max(sizes[k][1] for k in shelf) for shelf in shelves]
        room = depth - total(d + GAP for d in deep)
        best, least = None, across
        for shelf, d in zip(shelves, deep, strict=True):
            fits = total(sizes[k][0] + GAP for k in shelf) + along <= length
            if fits and max(0.0, across - d) < least:
                best, least = shelf, max(0.0, across - d)
        if least <= room and along <= length:
            if best is None:
                shelves.append([i])
            else:
                best.append(i)
    found, at = {}, 0.0
    for shelf in shelves:
        place = 0.0
        for k in shelf:
            found[k] = (place, at)
            place += sizes[k][0] + GAP
        at += max(sizes[k][1] for k in shelf) + GAP
    return found
