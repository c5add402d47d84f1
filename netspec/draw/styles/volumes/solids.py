"""Volumes as solids in oblique projection: faces, and where wires and kernels touch them.

Heights stand upright, thickness lies level, widths recede to the upper right. Coordinates are in
points from the solid's left and from the axis through its middle, y down.
"""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter

from netspec.draw.scene import Group, Item, Polygon, Wire, moved
from netspec.draw.styles.volumes.parts import Source, Volume
from netspec.draw.styles.volumes.scale import Scale
from netspec.foundation.records import record

Point = tuple[float, float]

_SLANT = 0.28
_BAR, _RIBBON = 7.0, 5.0
_APART, _MOST_COPIES, _MOST_FRAMES = 2.5, 4, 4
_PLANE, _STACK = 4.0, 40.0
_ARC = 9.0


@record
class Face:
    """A parallelogram that a kernel can lie on: its corner and its two sides."""

    corner: Point
    across: Point
    along: Point

    def at(self, u: float, v: float) -> Point:
        """The point at shares of the two sides."""
        (x, y), (ax, ay), (bx, by) = self.corner, self.across, self.along
        return x + u * ax + v * bx, y + u * ay + v * by


@record
class Solid:
    """A drawn volume: its items, its size around the axis, where things meet it.

    `out` is the face that the next kernel lies on, `into` that of a kernel that makes it.
    """

    items: tuple[Item, ...]
    w: float
    up: float
    down: float
    entry: Point
    exit: Point
    top: Point
    bottom: Point
    out: Face
    into: Face


def solid(volume: Volume, scale: Scale) -> Solid:
    """The volume as a solid, at the scale of the picture."""
    if not volume.sides:
        return _slab(volume, scale.bar(volume.channels), _RIBBON, _bars(volume))
    if scale.planes:
        if max(volume.sides) == 1:
            units = volume.channels
            height = scale.side * min(1.0, units / max(scale.units, units)) ** 0.5 * 0.85
            return _slab(volume, max(height, 8.0), _RIBBON, _bars(volume))
        return _planes(volume, scale)
    *before, height, across = (1, *volume.sides) if len(volume.sides) == 1 else volume.sides
    if len(volume.sides) == 1:
        height, across = across, height
    frames = min(max(before[0], 1), _MOST_FRAMES) if len(volume.sides) == 3 else 1
    widths = [scale.thickness(part.channels) for part in volume.parts]
    depth = scale.length(across) * _SLANT if len(volume.sides) > 1 else _RIBBON
    return _slab(volume, scale.length(height), depth, widths, frames)


def _bars(volume: Volume) -> list[float]:
    """The widths of the parts of a bar, which it has where vectors are put together in a block."""
    return [max(_BAR / len(volume.parts), 3.0)] * len(volume.parts)


def _slab(
    volume: Volume, height: float, depth: float, widths: list[float], frames: int = 1
) -> Solid:
    """A box for each part, one behind the other; all of them for each copy and each frame."""
    copies = min(volume.copies, _MOST_COPIES) * frames
    top = -(height + depth) / 2 + depth
    boxes: list[tuple[Source, list[Item]]] = []
    x = 0.0
    for copy in range(copies):
        x += _APART if copy else 0.0
        for part, w in zip(volume.parts, widths, strict=True):
            boxes.append((part.source, _box(x, top, w, height, depth, part.look)))
            x += w
    w = x + depth
    rise = top - depth
    found = _grouped(boxes)
    up = -rise
    if volume.around:
        found = (*found, *_around(volume.parts[0].source, x, depth, rise))
        up += _ARC
    return Solid(
        items=found,
        w=w,
        up=up,
        down=top + height,
        entry=(0.0, min(top + height / 2, max(top, 0.0))),
        exit=(x + depth / 2, 0.0),
        top=((x + depth) / 2, -up),
        bottom=(x / 2, top + height),
        out=Face((x, top), (depth, -depth), (0.0, height)),
        into=Face((0.0, top), (0.0, 0.0), (0.0, height)),
    )


def _box(x: float, y: float, w: float, h: float, d: float, look: str) -> list[Item]:
    """The three faces that are seen of a box whose front is at (x, y)."""
    right, low = x + w, y + h
    upper = ((x, y), (x + d, y - d), (right + d, y - d), (right, y))
    side = ((right, y), (right + d, y - d), (right + d, low - d), (right, low))
    front = ((x, y), (right, y), (right, low), (x, low))
    faces = {"top": upper, "side": side, "front": front}
    return [Polygon(points, f"{look}-{face}") for face, points in faces.items()]


def _grouped(boxes: list[tuple[Source, list[Item]]]) -> tuple[Item, ...]:
    """A group for each run of one source, in the order in which boxes cover each other."""
    return tuple(
        group(source, tuple(item for _, items in run for item in items))
        for source, run in groupby(boxes, key=itemgetter(0))
    )


def _around(source: Source, x: float, depth: float, rise: float) -> tuple[Item, ...]:
    """The skip that passes by what a stack of blocks does."""
    left, right = depth / 2 + 1, max(x + depth / 2 - 1, depth / 2 + 5)
    middle = rise + depth / 2
    level = rise - _ARC + 1
    points = ((left, middle), (left, level), (right, level), (right, middle))
    return (group(source, (Wire(points, look="skip"),)),)


def _planes(volume: Volume, scale: Scale) -> Solid:
    """A plane for each channel, those in front lower and further to the right."""
    h, w = (scale.length(size) for size in volume.sides)
    count, part = volume.channels, volume.parts[0]
    step = min(_PLANE, _STACK / count)
    spread = step * (count - 1)
    top = -(h + spread) / 2
    found: list[Item] = []
    for i in range(count):
        x, y = i * step, top + i * step
        corners = ((x, y), (x + w, y), (x + w, y + h), (x, y + h))
        found.append(Polygon(corners, f"{part.look}-front"))
    front = Face((spread, top + spread), (w, 0.0), (0.0, h))
    return Solid(
        items=(group(part.source, tuple(found)),),
        w=w + spread,
        up=-top,
        down=top + spread + h,
        entry=(0.0, min(0.0, top + h)),
        exit=(spread + w, 0.0),
        top=((spread + w) / 2, top),
        bottom=(spread + w / 2, top + spread + h),
        out=front,
        into=front,
    )


def group(source: Source, members: tuple[Item, ...]) -> Group:
    """Items that come from one place of the spec."""
    return Group(members, source.span, source.path, source.hint)


def shifted(items: tuple[Item, ...] | list[Item], dx: float, dy: float = 0.0) -> list[Item]:
    """The items at another place."""
    return [moved(item, dx, dy) for item in items]
