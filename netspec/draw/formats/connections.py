"""What each line of a picture joins, read off where it begins and ends.

A line that begins where another ends, or on it, goes on with what that one carries; one that begins in an
open block where nothing is carries what enters the block. The same holds for ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from netspec.draw.scene import Box, Group, Item, Mark, Polygon, Scene, Wire
from netspec.foundation.records import record

_NEAR = 1.5
_CELL = 80.0

Point = tuple[float, float]
Cell = tuple[int, int]
Ends = tuple[str, ...]


@record(eq=False)
class _Shape:
    """What has a path and a border; `bounds` are left, top, right and bottom. `around` has it inside."""

    path: str
    bounds: tuple[float, float, float, float]
    around: tuple[_Shape, ...]

    def is_met(self, at: Point) -> bool:
        """Whether a point is on the border, or as good as on it."""
        left, top, right, bottom = self.bounds
        x, y = at
        inside = left - _NEAR <= x <= right + _NEAR and top - _NEAR <= y <= bottom + _NEAR
        deep = left + _NEAR < x < right - _NEAR and top + _NEAR < y < bottom - _NEAR
        return inside and not deep


@record(eq=False)
class _Line:
    """A wire and the open blocks it is in, outermost first."""

    wire: Wire
    around: tuple[_Shape, ...]

    @property
    def ends(self) -> tuple[Point, Point]:
        """Where the line begins and ends."""
        return self.wire.points[0], self.wire.points[-1]


@record
class Connection:
    """The paths a wire comes from and leads to, and those of the open blocks it is in, outermost first.

    Without any path it comes from outside the innermost of these blocks, or leads out of it.
    """

    sources: Ends
    targets: Ends
    around: Ends


def connections(scene: Scene) -> dict[int, Connection]:
    """What each wire of a picture joins, by the wire's identity."""
    found = _Picture(scene)
    return {
        id(line.wire): Connection(
            found.sources(line), found.targets(line), tuple(shape.path for shape in line.around)
        )
        for line in found.lines
    }


class _Picture:
    def __init__(self, scene: Scene) -> None:
        self.lines: list[_Line] = []
        self.shapes: dict[Cell, list[_Shape]] = {}
        self._visit(scene.items, ())
        # What each end of a line is on the border of, and the lines that end on that of a shape.
        self.met = {
            (line, end): [*self._shapes(at)]
            for line in self.lines
            for end, at in enumerate(line.ends)
        }
        self.bordering: dict[tuple[_Shape, int], list[_Line]] = {}
        for (line, end), shapes in self.met.items():
            for shape in shapes:
                self.bordering.setdefault((shape, end), []).append(line)
        # The lines in a block, by the cells that they pass.
        self.within: dict[tuple[tuple[_Shape, ...], Cell], list[_Line]] = {}
        for line in self.lines:
            for cell in _passed(line.wire.points):
                self.within.setdefault((line.around[-1:], cell), []).append(line)
        self.begins = _by_cell(self.lines, 0)
        self.stops = _by_cell(self.lines, 1)
        self._known: dict[tuple[_Line, int], Ends] = {}

    def sources(self, line: _Line) -> Ends:
        """The paths of what the line carries."""
        return self._follow(line, 0)

    def targets(self, line: _Line) -> Ends:
        """The paths of what the line leads to."""
        return self._follow(line, 1)

    def _visit(self, items: Sequence[Item], around: tuple[_Shape, ...]) -> None:
        for item in items:
            if isinstance(item, Wire):
                self.lines.append(_Line(item, around))
            elif isinstance(item, Group):
                shape = _shape(item, around)
                if shape is not None:
                    for cell in _cells(shape.bounds):
                        self.shapes.setdefault(cell, []).append(shape)
                self._visit(item.members, (*around, shape) if shape else around)

    def _follow(self, line: _Line, end: int) -> Ends:
        """The paths at one end of a line, 0 for where it comes from and 1 for where it leads."""
        key = line, end
        if key not in self._known:
            # A line that leads back to itself ends here.
            self._known[key] = ()
            self._known[key] = self._at(line, end)
        return self._known[key]

    def _at(self, line: _Line, end: int) -> Ends:
        at = line.ends[end]
        met = [shape for shape in self.met[line, end] if shape not in line.around]
        if met:
            # What is met from outside is what the line leads to, not what that holds.
            outer = [s for s in met if not any(other in s.around for other in met)]
            return tuple(dict.fromkeys(shape.path for shape in outer))
        # Lines that end here go on in those that begin here.
        others = [
            o for o in self._near((self.stops, self.begins)[end], at, 1 - end) if o is not line
        ]
        others = others or [o for o in self._across(at, line.around) if o is not line]
        for block in reversed(() if others else line.around):
            # The first in a block is where what enters that goes.
            others = [o for o in self.bordering.get((block, 1 - end), ()) if block not in o.around]
            if others:
                break
        return tuple(dict.fromkeys(path for other in others for path in self._follow(other, end)))

    def _shapes(self, at: Point) -> Iterator[_Shape]:
        for shape in self.shapes.get(_cell(at), ()):
            if shape.is_met(at):
                yield shape

    def _near(self, lines: dict[Cell, list[_Line]], at: Point, end: int) -> list[_Line]:
        x, y = at
        around = (_cell((x + dx, y + dy)) for dx, dy in _CORNERS)
        found = dict.fromkeys(line for cell in around for line in lines.get(cell, ()))
        return [line for line in found if _close(line.ends[end], at)]

    def _across(self, at: Point, around: tuple[_Shape, ...]) -> list[_Line]:
        """The lines in the same block that a point lies on."""
        passing = self.within.get((around[-1:], _cell(at)), ())
        return [line for line in passing if _is_on(line.wire.points, at)]


_CORNERS = tuple((dx, dy) for dx in (-_NEAR, _NEAR) for dy in (-_NEAR, _NEAR))


def _shape(group: Group, around: tuple[_Shape, ...]) -> _Shape | None:
    """What is drawn around a group's members, with the edges of those stacked behind it."""
    boxes = [
        m for m in group.members if isinstance(m, Box) and m.role in ("leaf", "block", "stack")
    ]
    bounds = [(b.x, b.y, b.x + b.w, b.y + b.h) for b in boxes]
    for m in group.members:
        if isinstance(m, Mark):
            bounds.append((m.x - m.radius, m.y - m.radius, m.x + m.radius, m.y + m.radius))
        elif isinstance(m, Polygon):
            xs, ys = zip(*m.points, strict=True)
            bounds.append((min(xs), min(ys), max(xs), max(ys)))
    if not bounds or not group.path:
        return None
    left, top, right, bottom = zip(*bounds, strict=True)
    return _Shape(group.path, (min(left), min(top), max(right), max(bottom)), around)


def _cell(at: Point) -> Cell:
    return int(at[0] // _CELL), int(at[1] // _CELL)


def _cells(bounds: tuple[float, float, float, float]) -> Iterator[Cell]:
    left, top, right, bottom = bounds
    for column in range(int((left - _NEAR) // _CELL), int((right + _NEAR) // _CELL) + 1):
        for row in range(int((top - _NEAR) // _CELL), int((bottom + _NEAR) // _CELL) + 1):
            yield column, row


def _passed(points: Sequence[Point]) -> dict[Cell, None]:
    """The cells that a line goes through, or near to."""
    found: dict[Cell, None] = {}
    for (ax, ay), (bx, by) in pairwise(points):
        found |= dict.fromkeys(_cells((min(ax, bx), min(ay, by), max(ax, bx), max(ay, by))))
    return found


def _by_cell(lines: list[_Line], end: int) -> dict[Cell, list[_Line]]:
    found: dict[Cell, list[_Line]] = {}
    for line in lines:
        found.setdefault(_cell(line.ends[end]), []).append(line)
    return found


def _close(a: Point, b: Point) -> bool:
    return abs(a[0] - b[0]) <= _NEAR and abs(a[1] - b[1]) <= _NEAR


def _is_on(points: Sequence[Point], at: Point) -> bool:
    """Whether a point lies on a line, but not at where it begins or ends."""
    if _close(points[0], at) or _close(points[-1], at):
        return False
    return any(_is_between(a, b, at) for a, b in pairwise(points))


def _is_between(a: Point, b: Point, at: Point) -> bool:
    (ax, ay), (bx, by), (x, y) = a, b, at
    if not (min(ax, bx) - _NEAR <= x <= max(ax, bx) + _NEAR):
        return False
    if not (min(ay, by) - _NEAR <= y <= max(ay, by) + _NEAR):
        return False
    dx, dy = bx - ax, by - ay
    length = (dx * dx + dy * dy) ** 0.5 or 1.0
    return abs(dx * (y - ay) - dy * (x - ax)) / length <= _NEAR
