"""Where lines meet: at their ends, and where they run along each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import hypot

_NEAR = 0.6
_CELL = 40.0
# How far two directions are apart at most, as a sine, that are one.
_STRAIGHT = 0.01

Point = tuple[float, float]


class Spots:
    """The ends and corners of all lines.

    What ends at a place meets all that is there. Corners meet where lines run along each other, and
    are a crossing where they do not.
    """

    def __init__(self, lines: Sequence[Sequence[Point]]) -> None:
        self.places: list[Point] = []
        # For each place the ways that lines go from it; none where a line ends, which meets all.
        self.ways: list[list[Point] | None] = []
        self.cells: dict[tuple[int, int], list[int]] = {}
        self.spots: dict[tuple[int, int], int] = {}
        for number, line in enumerate(lines):
            for i in (0, len(line) - 1):
                self.spots[number, i] = self._add(line[i], None)
        for number, line in enumerate(lines):
            for i, (a, p, b) in enumerate(zip(line, line[1:], line[2:], strict=False)):
                self.spots[number, i + 1] = self._add(p, [_way(p, a), _way(p, b)])

    def _add(self, p: Point, ways: list[Point] | None) -> int:
        for spot in self._around((*p, *p)):
            x, y = self.places[spot]
            near = abs(x - p[0]) <= _NEAR and abs(y - p[1]) <= _NEAR
            if near and (ways is None or any(self._meets(spot, way) for way in ways)):
                self.ways[spot] = self.ways[spot] and ways and [*self.ways[spot], *ways]
                return spot
        self.cells.setdefault((int(p[0] // _CELL), int(p[1] // _CELL)), []).append(len(self.places))
        self.places.append(p)
        self.ways.append(ways)
        return len(self.places) - 1

    def _meets(self, spot: int, way: Point) -> bool:
        """Whether a line that goes this way from, or over, a place runs along one that is there."""
        ways = self.ways[spot]
        return ways is None or any(abs(way[0] * y - way[1] * x) < _STRAIGHT for x, y in ways)

    def _around(self, box: tuple[float, float, float, float]) -> Iterator[int]:
        left, top, right, bottom = box
        for column in range(int((left - 1) // _CELL), int((right + 1) // _CELL) + 1):
            for row in range(int((top - 1) // _CELL), int((bottom + 1) // _CELL) + 1):
                yield from self.cells.get((column, row), ())

    def of(self, number: int, i: int) -> int:
        """The spot of a line's point."""
        return self.spots[number, i]

    def along(self, number: int, i: int, line: Sequence[Point]) -> list[int]:
        """The spots on a straight piece of line, the one after point `i`, from its start to its end."""
        a, b = line[i], line[i + 1]
        box = (min(a[0], b[0]), min(a[1], b[1]), max(a[0], b[0]), max(a[1], b[1]))
        dx, dy = _way(a, b)
        length = hypot(b[0] - a[0], b[1] - a[1])
        found = [(0.0, self.of(number, i)), (length, self.of(number, i + 1))]
        for spot in set(self._around(box)):
            x, y = self.places[spot][0] - a[0], self.places[spot][1] - a[1]
            at, off = x * dx + y * dy, abs(x * dy - y * dx)
            if off <= _NEAR and _NEAR < at < length - _NEAR and self._meets(spot, (dx, dy)):
                found.append((at, spot))
        return [spot for _, spot in sorted(found)]


def _way(a: Point, b: Point) -> Point:
    """The direction from one point to another, of length 1."""
    length = hypot(b[0] - a[0], b[1] - a[1]) or 1.0
    return (b[0] - a[0]) / length, (b[1] - a[1]) / length
