"""Branches that go through the same resolutions side by side, cut where the resolution changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from netspec.draw.layout.branches import FORK
from netspec.draw.layout.pieces import BETWEEN, Piece, stack, wire
from netspec.draw.metrics import total
from netspec.draw.scene import Item

_GAP = 12.0


def strands(
    cuts: Sequence[Sequence[Sequence[Piece]]], merge: Callable[[float], Piece], *, opens: bool
) -> list[Piece]:
    """One piece for each of `cuts`, which have the pieces of every branch between two cuts.

    The branches are entered at the `lanes` of all pieces but the first, where one tensor forks into
    them, unless they start at inputs. They end in what `merge` gives for their width: a bar.
    """
    every = [[stack([*pieces], gap=_GAP) for pieces in cut] for cut in cuts]
    branches = list(zip(*every, strict=True))
    left = [max(piece.axis for piece in branch) for branch in branches]
    widths = [
        axis + max(piece.w - piece.axis for piece in branch)
        for axis, branch in zip(left, branches, strict=True)
    ]
    inner = total(widths) + BETWEEN * (len(widths) - 1)
    end = merge(inner)
    w = max(inner, end.w)
    places, at = [], (w - inner) / 2
    for axis, width in zip(left, widths, strict=True):
        places.append(at + axis)
        at += width + BETWEEN
    found = []
    for i, row in enumerate(every):
        forks = opens and i == 0
        last = end if i + 1 == len(every) else None
        found.append(_strand(row, w, places, last, forks=forks, lanes=i > 0))
    return found


def _strand(
    row: list[Piece],
    w: float,
    places: list[float],
    merge: Piece | None,
    *,
    forks: bool,
    lanes: bool,
) -> Piece:
    top = FORK if forks else 0.0
    tall = max(piece.h for piece in row)
    axis = w / 2

    def draw(x: float, y: float) -> list[Item]:
        found: list[Item] = []
        low = y + top + tall
        for piece, place in zip(row, places, strict=True):
            px = x + place
            if forks:
                fork = ((x + axis, y), (x + axis, y + 5), (px, y + 5), (px, y + top))
                found.append(wire(*fork, arrow=not piece.wired))
            found += piece.draw(px - piece.axis, y + top)
            end = low + FORK if merge else low
            if end > y + top + piece.h:
                found.append(wire((px, y + top + piece.h), (px, end), arrow=merge is not None))
        if merge is not None:
            found += merge.draw(x + (w - merge.w) / 2, low + FORK)
        return found

    h = top + tall + (FORK + merge.h if merge else 0.0)
    wired = forks or any(piece.wired for piece in row)
    return Piece(w, h, axis, draw, wired, tuple(p - axis for p in places) if lanes else (0.0,))
