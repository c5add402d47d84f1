"""Pieces that are in no order, arranged on shelves."""

from __future__ import annotations

from collections.abc import Sequence

from netspec.draw.layout.pieces import GAP, Piece
from netspec.draw.metrics import total

Placed = tuple[Piece, float, float]


def arranged(pieces: Sequence[Piece], w: float, h: float) -> list[Placed]:
    """Pieces in columns or in rows, whichever keeps more of them within `w` by `h`.

    The first pieces matter most; those without room are left out.
    """
    columns = _shelved([(p.h, p.w) for p in pieces], h, w)
    rows = _shelved([(p.w, p.h) for p in pieces], w, h)
    in_columns = [(pieces[i], across, along) for i, along, across in columns]
    in_rows = [(pieces[i], along, across) for i, along, across in rows]
    return max(in_columns, in_rows, key=lambda found: total(p.w * p.h for p, _, _ in found))


def _shelved(
    sizes: list[tuple[float, float]], length: float, depth: float
) -> list[tuple[int, float, float]]:
    """For each piece that fits: its index, its place along its shelf, and that of the shelf.

    A piece goes on the shelf that it makes deeper by least, or on one of its own.
    """
    shelves: list[list[int]] = []
    for i, (along, across) in enumerate(sizes):
        deep = [max(sizes[k][1] for k in shelf) for shelf in shelves]
        room = depth - total(d + GAP for d in deep)
        best, least = None, across + GAP
        for shelf, d in zip(shelves, deep, strict=True):
            fits = total(sizes[k][0] + GAP for k in shelf) + along + GAP <= length
            if fits and max(0.0, across - d) < least:
                best, least = shelf, max(0.0, across - d)
        if least <= room and along + GAP <= length:
            if best is None:
                shelves.append([i])
            else:
                best.append(i)
    found, at = [], 0.0
    for shelf in shelves:
        place = 0.0
        for k in shelf:
            found.append((k, place, at))
            place += sizes[k][0] + GAP
        at += max(sizes[k][1] for k in shelf) + GAP
    return found
