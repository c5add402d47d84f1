"""A chain whose elements also reach over others: lanes at its side, or one bus for many."""

from __future__ import annotations

from netspec.draw.layout.pieces import LANE, Piece, Strip, wire
from netspec.draw.metrics import total
from netspec.draw.scene import Item

_GAP, _STEP = 22.0, 4.0
_MOST_LANES = 4


def chain_with_arcs(
    pieces: list[Piece], arcs: tuple[tuple[int, int], ...], *, most: int = _MOST_LANES
) -> Piece:
    """Pieces one below the other; each arc leaves below one and arrives above a later one.

    All arcs of one source share a lane; more than `most` lanes become one bus, which every source
    joins and every target reads, where each target does read every source before it.
    """
    lanes = _lanes(arcs, most)
    levels = _levels(arcs, lanes)
    deepest = [0] * (len(pieces) + 1)
    for (_, b), level in levels.items():
        deepest[b] = max(deepest[b], level)
    axis = max(p.axis for p in pieces)
    body = axis + max(p.w - p.axis for p in pieces)
    # The room above each piece, and below the last.
    rooms = [_GAP + _STEP * level for level in deepest]
    rooms[0] = _GAP if any(a < 0 for a, _ in arcs) else 0.0
    rooms[-1] = rooms[-1] if any(b == len(pieces) for _, b in arcs) else 0.0
    h = total(p.h for p in pieces) + total(rooms)
    w = body + LANE * (1 + max(lanes.values()))

    strips = []
    at = 0.0
    for room, piece in zip(rooms, pieces, strict=False):
        at += room
        strips += [Strip(at + s.top, at + s.bottom, s.name) for s in piece.strips]
        at += piece.h

    def draw(x: float, y: float) -> list[Item]:
        found: list[Item] = []
        gaps = []
        at = y
        for room, piece in zip(rooms, pieces, strict=False):
            gaps.append(at)
            if room:
                found.append(wire((x + axis, at), (x + axis, at + room), arrow=not piece.wired))
            found += piece.draw(x + axis - piece.axis, at + room)
            at += room + piece.h
        gaps.append(at)
        if rooms[-1]:
            found.append(wire((x + axis, at), (x + axis, at + rooms[-1]), arrow=False))
        for a, b in arcs:
            lane = x + body + LANE * (lanes[a] + 0.5)
            leave, arrive = gaps[a + 1] + 5, gaps[b] + 12 + _STEP * levels[a, b]
            points = ((x + axis, leave), (lane, leave), (lane, arrive), (x + axis, arrive))
            found.append(wire(*points, arrow=False, look="skip"))
        return found

    wired = bool(rooms[0]) or pieces[0].wired
    outs = pieces[-1].outs
    return Piece(w, h, axis, draw, wired, outs=outs, strips=tuple(strips))


def _levels(arcs: tuple[tuple[int, int], ...], lanes: dict[int, int]) -> dict[tuple[int, int], int]:
    """How far down each arc arrives: together with others, unless a lane nearer by goes on below.

    What comes from further out would share a bend with it. That says no more than is true where each
    target reads every source before it.
    """
    if _is_full(arcs):
        return dict.fromkeys(arcs, 0)
    last: dict[int, int] = {}
    into: dict[int, list[int]] = {}
    for a, b in arcs:
        last[a] = max(b, last.get(a, b))
        into.setdefault(b, []).append(a)
    found = {}
    for b, sources in into.items():
        level = 0
        ordered = sorted(sources, key=lambda a: lanes[a])
        for i, a in enumerate(ordered):
            before = ordered[i - 1] if i else a
            level += lanes[before] < lanes[a] and any(last[c] > b for c in ordered[:i])
            found[a, b] = level
    return found


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
