"""Boxes with connections between them, before and after something has given them places.

Coordinates are in points, y down. Wires arrive at the top of a shape and leave at its bottom.
"""

from __future__ import annotations

from netspec.foundation.records import record

Point = tuple[float, float]


@record
class Shape:
    """The size of a box, and where wires arrive and leave, from its left."""

    w: float
    h: float
    ins: tuple[float, ...]
    outs: tuple[float, ...]


PIN = Shape(0.0, 0.0, (0.0,), (0.0,))


@record
class Edge:
    """From one shape to another, by their numbers, and from which of its outs to which in."""

    tail: int
    out: int
    head: int
    into: int


@record
class Diagram:
    """Shapes in topological order; the first `entries` stay on top, the last `exits` at the end.

    Where they are `fixed`, both stay in their order too. `gap` is the least room between rows.
    """

    shapes: tuple[Shape, ...]
    edges: tuple[Edge, ...]
    entries: int = 0
    exits: int = 0
    fixed: bool = False
    gap: float = 30.0


@record
class Placed:
    """The size of a whole diagram, the top left corner of each shape, the points of each edge."""

    w: float
    h: float
    corners: tuple[Point, ...]
    lines: tuple[tuple[Point, ...], ...]
