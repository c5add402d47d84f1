"""Two nets side by side with what was removed, added and changed marked, and the changes in words below."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from netspec.analysis.difference.record import Change, Found
from netspec.draw.metrics import fit
from netspec.draw.scene import SIZES, Box, Group, Item, Mark, Scene, Words
from netspec.draw.styles.beside import MARGIN, beside
from netspec.draw.styles.fold import folded
from netspec.draw.view import View
from netspec.graph.checked import Node

SIGNS = {"added": "+", "removed": "−", "changed": "~"}
_LINE = 16.0
# Changes that are said below the pictures; the others are counted.
_MOST_LINES = 12


def compared(found: Found) -> Scene:
    """The first net on the left, the second on the right, each folded to a screen."""
    marks = _marks(found)
    pages = [
        folded(View(graph, marks=mark))
        for graph, mark in zip((found.a, found.b), marks, strict=True)
    ]
    marked = []
    for page, mark in zip(pages, marks, strict=True):
        marked.append(replace(page, items=tuple(_marked(item, mark) for item in page.items)))
    names = f"{found.a.source.name} → {found.b.source.name}"
    description = f"{len(found.changes)} changes between {found.a.name} and {found.b.name}"
    both = beside(marked, names, description)
    below = list(_words(found.changes, both.height + 4, both.width - 2 * MARGIN))
    height = both.height + _LINE * len(below) / 2 + MARGIN
    return replace(both, items=(*both.items, *below), height=height)


def _marks(found: Found) -> tuple[dict[Node, str], dict[Node, str]]:
    """What became of each node of the first net, and of the second; nothing of those that stayed."""
    back = {y: x for x, y in found.pairs.items()}
    gone = {node: "removed" for node in found.a.nodes if node not in found.pairs}
    come = {node: "added" for node in found.b.nodes if node not in back}
    changed = {path for change in found.changes for path in change.changed}
    for y, x in back.items():
        if y.path in changed:
            gone[x] = come[y] = "changed"
    return gone, come


def _marked(item: Item, marks: Mapping[Node, str]) -> Item:
    """An item with a frame and a sign around what is marked; a box for all layers that it stands for.

    `marks` are what became of nodes that did not stay.
    """
    if not isinstance(item, Group):
        return item
    members = tuple(_marked(member, marks) for member in item.members)
    # What is drawn inside of an open block is marked itself.
    is_open = any(isinstance(member, Group) for member in members)
    what = "" if is_open else _of_layers(item.nodes, marks)
    shape = next((m for m in item.members if isinstance(m, Box | Mark)), None)
    if not what or shape is None:
        return replace(item, members=members)
    box = shape if isinstance(shape, Box) else _around(shape)
    frame = Box(box.x - 3, box.y - 3, box.w + 6, box.h + 6, "leaf", what, box.radius + 3)
    sign = Words(box.x + box.w + 5, box.y + 8, SIGNS[what], "head")
    return replace(item, members=(*members, frame, sign))


def _of_layers(nodes: Sequence[Node], marks: Mapping[Node, str]) -> str:
    held = {marks.get(node, "") for node in nodes}
    # What is partly as it was is changed.
    return "".join(held) if len(held) == 1 else "changed" if held else ""


def _around(mark: Mark) -> Box:
    r = mark.radius
    return Box(mark.x - r, mark.y - r, 2 * r, 2 * r, "leaf", "", r)


def _words(changes: Iterable[Change], y: float, room: float) -> Iterator[Item]:
    """A key, then a line for each change with the colour of its mark."""
    listed = [(_kind(change), _said(change)) for change in changes]
    if len(listed) > _MOST_LINES:
        left = len(listed) - _MOST_LINES
        listed = [*listed[:_MOST_LINES], ("changed", f"and {left} more")]
    for i, (what, text) in enumerate(listed):
        at = y + _LINE * i
        yield Box(MARGIN, at, 11, 11, "leaf", what, 2)
        yield Words(
            MARGIN + 18, at + 9.5, fit(f"{SIGNS[what]} {text}", SIZES["note"], room), "note"
        )


def _kind(change: Change) -> str:
    if not change.before:
        return "added"
    return "changed" if change.after else "removed"


def _said(change: Change) -> str:
    both = change.before and change.after and change.before != change.after
    text = f"{change.before} → {change.after}" if both else change.after or change.before
    effects = f": {', '.join(change.effects)}" if change.effects else ""
    return f"{text}{effects} ({change.place})"
