"""What stands below each other in rows of boxes, led straight on where its neighbours leave room."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import inf

from netspec.draw.metrics import total
from netspec.foundation.records import record

_ROUNDS = 3


@record
class Port:
    """A place of a row, and how far right of its left side something is."""

    place: int
    at: float = 0.0


@record
class Strand:
    """Places in rows that follow each other and belong on one axis, each with where that is in it.

    A line that passes rows is one, from one of its `ends` to the other, and so is a chain of boxes,
    which has none.
    """

    places: tuple[Port, ...]
    ends: tuple[Port, Port] | None = None


def straightened(
    rows: Sequence[Sequence[int]],
    widths: Sequence[float],
    left: Sequence[float],
    strands: Sequence[Strand],
    gap: float,
) -> list[float]:
    """The left side of each place, strands on their axes as far as the order in rows allows.

    A line is led to one of its ends, a chain of boxes to the middle of where they are. Boxes go
    first, and lines make room for them.
    """
    room = _Room(rows, widths, [*left], gap, strands)
    order = sorted(strands, key=lambda strand: (strand.ends is not None, -len(strand.places)))
    for _ in range(_ROUNDS):
        for strand in order:
            is_line = strand.ends is not None
            rooms = [room.of(port, is_line=is_line) for port in strand.places]
            axes = [room.axis(port) for port in strand.places]
            ends = [room.axis(end) for end in strand.ends or ()]
            for first, last, low, high in _runs(rooms):
                reached = ends[: first == 0] + ends[1:] * (last == len(rooms))
                at = _nearest(reached or [total(axes) / len(axes)], low, high)
                for port in strand.places[first:last]:
                    room.move(port, at)
    return room.left


class _Room:
    """Where the places of each row are, and how far each may move."""

    def __init__(
        self,
        rows: Sequence[Sequence[int]],
        widths: Sequence[float],
        left: list[float],
        gap: float,
        strands: Sequence[Strand],
    ) -> None:
        self.widths, self.left, self.gap = widths, left, gap
        self.before = {v: row[i - 1] for row in rows for i, v in enumerate(row) if i}
        self.after = {v: row[i + 1] for row in rows for i, v in enumerate(row[:-1])}
        # What lines hold in a row makes room for a box.
        self.yields = {port.place for strand in strands if strand.ends for port in strand.places}

    def axis(self, port: Port) -> float:
        return self.left[port.place] + port.at

    def of(self, port: Port, *, is_line: bool) -> tuple[float, float]:
        """From where to where the axis may move; what stands closer already keeps its place."""
        v = port.place
        low, high, need = -inf, inf, self.gap
        for u in _outward(v, self.before):
            if is_line or u not in self.yields:
                low = self.left[u] + self.widths[u] + need
                break
            need += self.widths[u] + self.gap
        need = self.widths[v] + self.gap
        for u in _outward(v, self.after):
            if is_line or u not in self.yields:
                high = self.left[u] - need
                break
            need += self.widths[u] + self.gap
        return min(low, self.left[v]) + port.at, max(high, self.left[v]) + port.at

    def move(self, port: Port, axis: float) -> None:
        """Puts a place there; what yields beside it is pushed on."""
        self.left[port.place] = axis - port.at
        edge = self.left[port.place] - self.gap
        for u in _outward(port.place, self.before):
            if u not in self.yields or self.left[u] + self.widths[u] <= edge:
                break
            self.left[u] = edge - self.widths[u]
            edge = self.left[u] - self.gap
        edge = self.left[port.place] + self.widths[port.place] + self.gap
        for u in _outward(port.place, self.after):
            if u not in self.yields or self.left[u] >= edge:
                break
            self.left[u] = edge
            edge += self.widths[u] + self.gap


def _outward(v: int, onward: dict[int, int]) -> Iterator[int]:
    """What stands beside a place in its row, from there on."""
    while v in onward:
        v = onward[v]
        yield v


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
