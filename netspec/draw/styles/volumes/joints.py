"""What lies between volumes: the kernel on one narrowing to a point of the next, or an arrow."""

from __future__ import annotations

from netspec.draw.layout.pieces import wire
from netspec.draw.scene import Item, Polygon, Wire
from netspec.draw.styles.volumes.parts import Window
from netspec.draw.styles.volumes.solids import Face, Point
from netspec.foundation.records import record

_SMALLEST = 3.5
# Where on a face a kernel lies, and where the point is that another narrows to.
_PLACE = 0.7, 0.25
_POINT = 0.2, 0.6


@record
class Exit:
    """Where wires leave: the points that lead out, and the face that a kernel can lie on."""

    points: tuple[Point, ...]
    face: Face | None = None

    def led(self, x: float) -> Exit:
        """The same with a level line to a place further to the right."""
        return Exit((*self.points, (x, self.points[-1][1])), self.face)

    def moved(self, dx: float, dy: float) -> Exit:
        """The same at another place."""
        points = tuple((x + dx, y + dy) for x, y in self.points)
        return Exit(points, self.face and moved_face(self.face, dx, dy))


@record
class Entry:
    """Where wires arrive: the point, and the face that a kernel spreads over or narrows to."""

    point: Point
    face: Face | None = None
    window: Window | None = None

    def moved(self, dx: float, dy: float) -> Entry:
        """The same at another place."""
        x, y = self.point
        return Entry((x + dx, y + dy), self.face and moved_face(self.face, dx, dy), self.window)


def moved_face(face: Face, dx: float, dy: float) -> Face:
    """A face at another place."""
    return Face((face.corner[0] + dx, face.corner[1] + dy), face.across, face.along)


def joints(exits: tuple[Exit, ...], entries: tuple[Entry, ...]) -> list[Item]:
    """What leads from all of `exits` to all of `entries`: a kernel from one volume, else arrows.

    To something far above or below, an arrow leads around the words of where it comes from.
    """
    found: list[Item] = []
    for entry in entries:
        for leaving in exits:
            out, into, window = leaving.face, entry.face, entry.window
            beside = out is not None and _is_beside(out, entry.point)
            if len(exits) == 1 and out and into and window and beside:
                aslant = entry.point if len(entries) > 1 and not window.grows else None
                found += frustum(out, into, window, aslant)
            else:
                found.append(wire(*leaving.points, entry.point))
    return found


def _is_beside(face: Face, point: Point) -> bool:
    """Whether a point is as high as something of a face."""
    ends = [face.at(u, v)[1] for u in (0.0, 1.0) for v in (0.0, 1.0)]
    return min(ends) <= point[1] <= max(ends)


def frustum(out: Face, into: Face, window: Window, tip: Point | None = None) -> list[Item]:
    """The kernel as a small square, and lines from its corners to one point, the `tip`."""
    wide, narrow = (into, out) if window.grows else (out, into)
    corners = _square(wide, window)
    end = tip or narrow.at(*(_PLACE if window.grows else _POINT))
    lines: list[Item] = [Wire((corner, end), False, "thin") for corner in dict.fromkeys(corners)]
    return [*lines, Polygon(corners, "kernel")]


def _square(face: Face, window: Window) -> tuple[Point, ...]:
    u, v = (_share(share, side) for share, side in _sides(face, window))
    left, top = (place * (1 - share) for place, share in zip(_PLACE, (u, v), strict=True))
    pairs = ((left, top), (left + u, top), (left + u, top + v), (left, top + v))
    return tuple(face.at(*pair) for pair in pairs)


def _sides(face: Face, window: Window) -> tuple[tuple[float, Point], tuple[float, Point]]:
    return (window.across, face.across), (window.along, face.along)


def _share(share: float, side: Point) -> float:
    """A kernel's share of a side, large enough to be seen."""
    length = max(abs(side[0]), abs(side[1]))
    return min(1.0, max(share, _SMALLEST / length)) if length else 0.0
