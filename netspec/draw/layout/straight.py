"""Lines that pass rows of boxes, led straight on where their neighbours leave room."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import inf

from netspec.draw.metrics import total
from netspec.foundation.records import record

_ROUNDS = 3


@record
class Passing:
    """A line: where it begins and ends, from the left, and its places in the rows that it passes."""

    start: float
    end: float
    places: tuple[int, ...]


def straightened(
    rows: Sequence[Sequence[int]],
    widths: Sequence[float],
    left: Sequence[float],
    lines: Sequence[Passing],
    gap: float,
) -> list[float]:
    """The left side of each place, those of a line below each other as far as the order in rows allows."""
    found = [*left]
    before = {v: row[i - 1] for row in rows for i, v in enumerate(row) if i}
    after = {v: row[i + 1] for row in rows for i, v in enumerate(row[:-1])}
    order = sorted((line for line in lines if line.places), key=lambda line: -len(line.places))
    for _ in range(_ROUNDS):
        for line in order:
            rooms = []
            for v in line.places:
                low = found[before[v]] + widths[before[v]] + gap if v in before else -inf
                high = found[after[v]] - gap - widths[v] if v in after else inf
                # What stands closer already keeps its place.
                rooms.append((min(low, found[v]), max(high, found[v])))
            for first, last, low, high in _runs(rooms):
                ends = [line.start] * (first == 0) + [line.end] * (last == len(rooms))
                at = _nearest(
                    ends or [total(found[v] for v in line.places) / len(rooms)], low, high
                )
                for v in line.places[first:last]:
                    found[v] = at
    return found


def _runs(rooms: Sequence[tuple[float, float]]) -> Iterator[tuple[int, int, float, float]]:
    """Stretches, as long as can be from the top on, whose rooms have something in common, and that."""
    first, low, high = 0, -inf, inf
    for i, (start, end) in enumerate(rooms):
        if max(low, start) > min(high, end):
            yield first, i, low, high
            first, low, high = i, -inf, inf
        low, high = max(low, start), min(high, end)
    yield first, len(rooms), low, high


def _nearest(ends: Sequence[float], low: float, high: float) -> float:
    """An end of a line where there is room straight above or below it, else what is next to one."""
    inside = [x for x in ends if low <= x <= high]
    return (
        inside[0]
        if inside
        else min(
            (min(max(x, low), high) for x in ends), key=lambda x: min(abs(x - e) for e in ends)
        )
    )
