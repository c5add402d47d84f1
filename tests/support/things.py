"""The boxes, frames and lines of a picture, and which layers of the graph they stand for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from support.spots import Point

from netspec.draw.scene import Box, Group, Item, Mark, Wire, Words
from netspec.graph.checked import Node

_NEAR = 0.6
_CELL = 40.0


@dataclass(eq=False)
class Thing:
    """A box that stands for layers, or a frame around others; `around` are the frames it is in."""

    number: int
    nodes: frozenset[Node]
    areas: list[tuple[float, float, float, float]]
    words: list[str]
    around: tuple[int, ...]
    frame: bool

    def touches(self, p: Point) -> bool:
        return any(
            left - _NEAR <= p[0] <= right + _NEAR and top - _NEAR <= p[1] <= bottom + _NEAR
            for left, top, right, bottom in self.areas
        )


@dataclass(eq=False)
class Line:
    points: list[Point]
    around: tuple[int, ...]


@dataclass
class Read:
    """Everything in a picture, or in a panel of it, that says how layers are connected."""

    things: list[Thing] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)

    def visit(self, items: tuple[Item, ...], around: tuple[int, ...] = ()) -> None:
        for item in items:
            if isinstance(item, Wire):
                self.lines.append(Line(list(item.points), around))
            elif isinstance(item, Group):
                self._group(item, around)

    def _group(self, group: Group, around: tuple[int, ...]) -> None:
        areas = [area for member in group.members for area in _areas(member)]
        if areas:
            words = [member.text for member in group.members if isinstance(member, Words)]
            # A layer that shows what it does inside is one box: its parts are no layers.
            parts = bool(group.nodes) and not any(_has_nodes(m) for m in group.members)
            number, frame = len(self.things), _holds(group.members) and not parts
            nodes = frozenset(group.nodes)
            self.things.append(Thing(number, nodes, areas, words, around, frame))
            if parts:
                return
            around = (*around, number) if frame else around
        self.visit(group.members, around)


def _has_nodes(item: Item) -> bool:
    """Whether something in an item stands for layers."""
    if not isinstance(item, Group):
        return False
    return bool(item.nodes) or any(_has_nodes(member) for member in item.members)


def _areas(item: Item) -> Iterator[tuple[float, float, float, float]]:
    if isinstance(item, Box) and item.role in ("leaf", "block", "stack"):
        yield item.x, item.y, item.x + item.w, item.y + item.h
    elif isinstance(item, Mark):
        r = item.radius
        yield item.x - r, item.y - r, item.x + r, item.y + r


def _holds(members: tuple[Item, ...]) -> bool:
    """Whether a group has others in it, so that its box is a frame."""
    groups = [member for member in members if isinstance(member, Group)]
    return any(
        any(True for member in group.members for _ in _areas(member)) or _holds(group.members)
        for group in groups
    )


class Cells:
    """Things by the square cells that they touch."""

    def __init__(self, areas: list[tuple[Thing, tuple[float, float, float, float]]]) -> None:
        self.cells: dict[tuple[int, int], list[Thing]] = {}
        for thing, (left, top, right, bottom) in areas:
            for column in range(int((left - 1) // _CELL), int((right + 1) // _CELL) + 1):
                for row in range(int((top - 1) // _CELL), int((bottom + 1) // _CELL) + 1):
                    self.cells.setdefault((column, row), []).append(thing)

    def touched(self, p: Point, line: Line) -> Thing | None:
        """The outermost thing at a point that the line is not inside of."""
        near = self.cells.get((int(p[0] // _CELL), int(p[1] // _CELL)), ())
        found = [t for t in near if t.number not in line.around and t.touches(p)]
        return min(found, key=lambda thing: len(thing.around), default=None)
