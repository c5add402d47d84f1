"""A chain whose elements also reach over others: lanes at its side, or one bus for many."""

from __future__ import annotations

from netspec.draw.layout.pieces import LANE, Piece, Strip, wire
from netspec.draw.metrics import total
from netspec.draw.scene import Item

_GAP = 22.0
_MOST_LANES = 4


def chain_with_arcs(
    pieces: list[Piece], arcs: tuple[tuple[int, int], ...], *, most: int = _MOST_LANES
) -> Piece:
    """Pieces one below the other; each arc leaves below one and arrives above a later one.

    All arcs of one source share a lane; more than `most` lanes become one bus, which every source
    joins and every target reads, where each target does read every source before it.
    """
    lanes = _lanes(arcs, most)
    axis = max(p.axis for p in pieces)
    body = axis + max(p.w - p.axis for p in pieces)
    first = _GAP if any(a < 0 for a, _ in arcs) else 0.0
    last = _GAP if any(b == len(pieces) for _, b in arcs) else 0.0
    h = total(p.h for p in pieces) + _GAP * (len(pieces) - 1) + first + last
    w = body + LANE * (1 + max(lanes.values()))

    strips = []
    at = first
    for piece in pieces:
        strips += [Strip(at + s.top, at + s.bottom, s.name) for s in piece.strips]
        at += piece.h + _GAP

    def draw(x: float, y: float) -> list[Item]:
        found: list[Item] = []
        gaps = []
        at = y - _GAP + first
        for i, piece in enumerate(pieces):
            gaps.append(at)
            if i or first:
                found.append(wire((x + axis, at), (x + axis, at + _GAP), arrow=not piece.wired))
            found += piece.draw(x + axis - piece.axis, at + _GAP)
            at += _GAP + piece.h
        gaps.append(at)
        if last:
            found.append(wire((x + axis, at), (x + axis, at + _GAP), arrow=False))
        for a, b in arcs:
            lane = x + body + LANE * (lanes[a] + 0.5)
            leave, arrive = gaps[a + 1] + 5, gaps[b] + 12
            points = ((x + axis, leave), (lane, leave), (lane, arrive), (x + axis, arrive))
            found.append(wire(*points, arrow=False, look="skip"))
        return found

    wired = bool(first) or pieces[0].wired
    outs = pieces[-1].outs
    return Piece(w, h, axis, draw, wired, outs=outs, strips=tuple(strips))


def _lanes(arcs: tuple[tuple[int, int], ...], most: int) -> dict[int, int]:
    """A lane for each source; lanes are free again below the last target of a source."""
    ends: list[int] = []
    found: dict[int, int] = {}
    for source in sorted({a for a, _ in arcs}):
        last = max(b for a, b in arcs if a == source)
        free = next((i for i, end in enumerate(ends) if end <= source), len(ends))
        if free == len(ends):
            ends.append(last)
        ends[free] = last
        found[source] = free
    return found if len(ends) <= most or not _is_full(arcs) else dict.fromkeys(found, 0)


def _is_full(arcs: tuple[tuple[int, int], ...]) -> bool:
    """Whether each target reads every source before it, so that one bus says no more than is true."""
    sources, targets = {a for a, _ in arcs}, {b for _, b in arcs}
    return {(a, b) for a in sources for b in targets if b - a > 1} <= set(arcs)
