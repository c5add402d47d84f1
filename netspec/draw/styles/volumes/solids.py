"""Volumes as solids in oblique projection: faces, and where wires and kernels touch them.

Heights stand upright, thickness lies level, widths recede to the upper right. Coordinates are in
points from the solid's left and from the axis through its middle, y down.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from operator import itemgetter

from netspec.draw.scene import Box, Group, Item, Polygon, Wire, moved
from netspec.draw.styles.volumes.parts import Source, Volume
from netspec.draw.styles.volumes.scale import MOST_FRAMES, Scale
from netspec.foundation.records import record

Point = tuple[float, float]

_SLANT = 0.28
_BAR, _RIBBON = 7.0, 5.0
_APART, _MOST_COPIES = 2.5, 4
_FRAME, _PLANE, _STACK = 3.0, 4.0, 40.0
_ARC, _MARK = 9.0, 3.0


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

    `out` is the face that the next kernel lies on, `into` that of a kernel that makes it, `foot` the
    left and the right of what stands in front.
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
    foot: tuple[float, float]


def solid(volume: Volume, scale: Scale) -> Solid:
    """The volume as a solid, at the scale of the picture, on its colour where weights are shared."""
    drawn = _plain(volume, scale)
    if not volume.shared:
        return drawn
    (left, right), low = drawn.foot, drawn.bottom[1] + 1.5
    mark = share_mark(left, low, right - left, volume.shared)
    return replace(drawn, items=(*drawn.items, *mark), down=max(drawn.down, low + _MARK))


def share_mark(x: float, y: float, w: float, look: str) -> tuple[Item, ...]:
    """A strip in the colour of weights that are shared; nothing without a colour."""
    return (Box(x, y, w, _MARK, "key", look, 1),) if look else ()


def _plain(volume: Volume, scale: Scale) -> Solid:
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
    frames = min(max(before[0], 1), MOST_FRAMES) if len(volume.sides) == 3 else 1
    widths = [scale.thickness(part.channels) for part in volume.parts]
    depth = scale.length(across) * _SLANT if len(volume.sides) > 1 else _RIBBON
    return _slab(volume, scale.length(height), depth, widths, frames)


def _bars(volume: Volume) -> list[float]:
    """The widths of the parts of a bar, which it has where vectors are put together in a block."""
    return [max(_BAR / len(volume.parts), 3.0)] * len(volume.parts)


def _slab(
    volume: Volume, height: float, depth: float, widths: list[float], frames: int = 1
) -> Solid:
    """A box for each part, one behind the other, all of them for each copy; a part is cut in frames."""
    top = -(height + depth) / 2 + depth
    boxes: list[tuple[Source, list[Item]]] = []
    x = 0.0
    for copy in range(min(volume.copies, _MOST_COPIES)):
        x += _APART if copy else 0.0
        for part, w in zip(volume.parts, widths, strict=True):
            each = max(w / frames, _FRAME)
            for _ in range(frames):
                boxes.append((part.source, _box(x, top, each, height, depth, part.look)))
                x += each
            if frames > 1 and part is not volume.parts[-1]:
                x += _APART / 2
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
        foot=(0.0, x),
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
        foot=(spread, spread + w),
    )


def group(source: Source, members: tuple[Item, ...]) -> Group:
    """Items that come from one place of the spec."""
    return Group(members, source.span, source.path, source.hint)


def shifted(items: tuple[Item, ...] | list[Item], dx: float, dy: float = 0.0) -> list[Item]:
    """The items at another place."""
    return [moved(item, dx, dy) for item in items]
