"""A picture without the words around it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from netspec.draw.metrics import text_width
from netspec.draw.scene import (
    BOLD,
    SIZES,
    Box,
    Group,
    Item,
    Mark,
    Polygon,
    Scene,
    Wire,
    Words,
    moved,
)

_MARGIN = 8.0
_RISE, _FALL = 0.75, 0.25


def bare(scene: Scene) -> Scene:
    """The scene without its caption, for a figure that has one of its own, cut to what is left."""
    caption = {id(item) for item in scene.caption}
    kept = [item for item in scene.items if id(item) not in caption]
    places = [place for item in kept for place in _corners(item)]
    left, top = (min(place[axis] for place in places) - _MARGIN for axis in (0, 1))
    right, low = (max(place[axis] for place in places) + _MARGIN for axis in (0, 1))
    items = tuple(moved(item, -left, -top) for item in kept)
    return replace(scene, items=items, caption=(), width=right - left, height=low - top)


def _corners(item: Item) -> Iterator[tuple[float, float]]:
    """Places at the outermost edges of an item."""
    match item:
        case Group():
            for member in item.members:
                yield from _corners(member)
        case Wire() | Polygon():
            yield from item.points
        case Box():
            yield item.x, item.y
            yield item.x + item.w, item.y + item.h
        case Mark():
            yield item.x - item.radius, item.y - item.radius
            yield item.x + item.radius, item.y + item.radius
        case Words():
            size = SIZES[item.size]
            width = text_width(item.text, size, bold=item.size in BOLD)
            left = item.x - {"start": 0.0, "middle": width / 2, "end": width}[item.anchor]
            yield left, item.y - _RISE * size
            yield left + width, item.y + _FALL * size
