"""What a picture is made of, before it is SVG or PDF. Coordinates in points, y down.

Everything is absolute; a group says which place of the spec its members came from.
"""

from __future__ import annotations

from typing import Union

from netspec.diagnostics.source import Span
from netspec.foundation.records import changed, record
from netspec.graph.checked import Node

SIZES = {"title": 18.0, "head": 12.0, "label": 11.0, "note": 10.7}
BOLD = frozenset({"title", "head"})


@record
class Box:
    """A rectangle. `role` is leaf, block, band, stack or key; `look` is its colour class."""

    x: float
    y: float
    w: float
    h: float
    role: str
    look: str
    radius: float = 4


@record
class Words:
    """One line of text on its baseline. `anchor` is start, middle or end."""

    x: float
    y: float
    text: str
    size: str = "label"
    anchor: str = "start"
    look: str = ""


@record
class Wire:
    """A line through points with rounded corners. `look` is `skip` for what passes a block by."""

    points: tuple[tuple[float, float], ...]
    arrow: bool = True
    look: str = ""


@record
class Mark:
    """A merge as a small circle: `+`, `×`, ..."""

    x: float
    y: float
    sign: str
    radius: float = 8


@record
class Polygon:
    """A filled shape through points; `look` is a colour class with the face it is: `conv-side`."""

    points: tuple[tuple[float, float], ...]
    look: str


@record
class Group:
    """What came from one place of the spec, with what hovering over it tells.

    `nodes` are the layers of the graph that its box stands for: of a folded repeat those of all
    its copies, of an open block those that are drawn inside as well.
    """

    members: tuple[Item, ...]
    span: Span | None = None
    path: str = ""
    hint: str = ""
    toggles: str = ""
    nodes: tuple[Node, ...] = ()


Item = Union[Box, Words, Wire, Mark, Polygon, Group]


@record
class Scene:
    """A whole picture: what it shows, its size, its title for those who cannot see it.

    `caption` are those of its items that are words around it: title, paper, legend.
    """

    items: tuple[Item, ...]
    width: float
    height: float
    title: str
    description: str
    file: str = ""
    caption: tuple[Item, ...] = ()


def moved(item: Item, dx: float, dy: float) -> Item:
    """The item, further to the right by `dx` points and further down by `dy`."""
    match item:
        case Wire() | Polygon():
            return changed(item, points=tuple((x + dx, y + dy) for x, y in item.points))
        case Group():
            return changed(item, members=tuple(moved(m, dx, dy) for m in item.members))
    return changed(item, x=item.x + dx, y=item.y + dy)
