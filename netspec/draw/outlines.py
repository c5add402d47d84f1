"""The lines of a scene as every format draws them: corners, tips, widths, dashes, colours."""

from __future__ import annotations

from collections.abc import Iterator

from netspec.draw.scene import Box, Mark, Polygon, Wire
from netspec.draw.theme import FACE_WIDTH, MARK_WIDTH, paint
from netspec.foundation.records import record

Point = tuple[float, float]

# Sizes of scenes are CSS pixels, and paper has points.
PIXEL = 0.75
THIN = 1.2
_WIDTHS = {"skip": 1.6, "thin": FACE_WIDTH}
DASH = (4.0, 3.0)
_CORNER = 5.0
_ARM = 4.0
# The longest side of a page that every reader of PDF takes, and that TeX can count.
_LONGEST = 14_000
# A tip, in widths of the line it ends.
_TIP_LENGTH, _TIP_HALF = 6.125, 2.8


@record
class Pen:
    """A line's colour, width in points and whether it is dashed."""

    colour: str
    width: float
    dashed: bool = False


def pixel(width: float, height: float) -> float:
    """How many points of paper a pixel is: 0.75, and less where the page would be five metres long."""
    return min(PIXEL, _LONGEST / max(width, height))


def border(theme: str, box: Box) -> Pen | None:
    """The line around a box, where it has one."""
    colours = paint(theme, box.look or box.role)
    if not colours.border or box.role in ("band", "key"):
        return None
    return Pen(colours.border, 1 if colours.fill else MARK_WIDTH, box.look in ("head", "loop"))


def pen(theme: str, wire: Wire) -> Pen:
    """The line of a wire."""
    skips = wire.look == "skip"
    colour = paint(theme, "skip" if skips else "wire").border
    return Pen(colour, _WIDTHS.get(wire.look, THIN), wire.look == "side")


def edge(theme: str, polygon: Polygon) -> Pen:
    """The line around a polygon."""
    return Pen(paint(theme, polygon.look).border, FACE_WIDTH)


def rounded(points: tuple[Point, ...]) -> Iterator[tuple[Point, Point, Point]]:
    """The corners of a line: where it starts to turn, the corner, and where it has turned.

    The line goes straight from the first point over these to the last.
    """
    for before, at, after in zip(points, points[1:], points[2:], strict=False):
        r = min(_CORNER, _apart(before, at) / 2, _apart(at, after) / 2)
        yield _towards(at, before, r), at, _towards(at, after, r)


def cubic(start: Point, corner: Point, end: Point) -> tuple[Point, Point]:
    """The two control points of a cubic curve that is the quadratic one around a corner."""
    near, far = (
        (x + (corner[0] - x) * 2 / 3, y + (corner[1] - y) * 2 / 3) for x, y in (start, end)
    )
    return near, far


def tip(wire: Wire, width: float) -> tuple[Point, Point, Point]:
    """The corners of an arrow's tip, the sharp one first."""
    (ax, ay), (bx, by) = wire.points[-2:]
    length = ((bx - ax) ** 2 + (by - ay) ** 2) ** 0.5 or 1.0
    dx, dy = (bx - ax) / length * width, (by - ay) / length * width
    x, y = bx - _TIP_LENGTH * dx, by - _TIP_LENGTH * dy
    left = x - _TIP_HALF * dy, y + _TIP_HALF * dx
    return (bx, by), left, (x + _TIP_HALF * dy, y - _TIP_HALF * dx)


def arms(mark: Mark) -> tuple[tuple[Point, Point], tuple[Point, Point]]:
    """The two strokes of a merge's sign: upright for a sum, slanting for a product."""
    x, y, r = mark.x, mark.y, _ARM
    if mark.sign == "+":
        return ((x - r, y), (x + r, y)), ((x, y - r), (x, y + r))
    return ((x - r, y - r), (x + r, y + r)), ((x - r, y + r), (x + r, y - r))


def _apart(a: Point, b: Point) -> float:
    return max(abs(a[0] - b[0]), abs(a[1] - b[1]))


def _towards(a: Point, b: Point, r: float) -> Point:
    length = ((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2) ** 0.5 or 1.0
    return a[0] + (b[0] - a[0]) * r / length, a[1] + (b[1] - a[1]) * r / length
