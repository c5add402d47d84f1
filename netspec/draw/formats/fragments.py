"""Many pictures of one net as text that holds what they share once.

A group is a part: its text has coordinates relative to its own corner, and where it stands there is
`<u ID X Y>`. Escaped text has no `<`, so the reference cannot be mistaken. What a line carries is a text
too, which the line refers to by number.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field

from netspec.draw.formats.connections import Connection, connections
from netspec.draw.formats.svg import document, markup, number, place
from netspec.draw.scene import Box, Group, Item, Mark, Polygon, Scene, Wire, Words, moved
from netspec.foundation.records import record


@record
class Fragments:
    """The parts of the pictures so far, by their text after `<g`."""

    parts: dict[str, int] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)

    def picture(self, scene: Scene, says: Callable[[Connection], str]) -> str:
        """The scene as an SVG document with references to parts; `says` is what a line carries."""
        joined = {wire: says(found) for wire, found in connections(scene).items()}
        items = [self._text(item, 0, 0, scene.file, joined) for item in scene.items]
        return document(scene, (), items)

    def _text(self, item: Item, x: float, y: float, file: str, joined: dict[int, str]) -> str:
        """An item with coordinates relative to (x, y)."""
        if isinstance(item, Wire):
            line = self.lines.setdefault(joined[id(item)], len(self.lines))
            return markup(moved(item, -x, -y), file).replace("<path", f'<path data-c="{line}"', 1)
        if not isinstance(item, Group):
            return markup(moved(item, -x, -y), file)
        left, top = _corner(item)
        inside = "".join(self._text(member, left, top, file, joined) for member in item.members)
        part = self.parts.setdefault(f"{place(item, file)}{inside}</g>", len(self.parts))
        return f"<u {part} {number(left - x)} {number(top - y)}>"


def _corner(item: Item) -> tuple[float, float]:
    """The place of an item, in tenths, as they are written."""
    match item:
        case Group():
            return _corner(item.members[0])
        case Wire() | Polygon():
            x, y = item.points[0]
        case Box() | Words() | Mark():
            x, y = item.x, item.y
    return round(x, 1), round(y, 1)
