"""Two nets side by side with what was removed, added and changed marked, and the changes in words below."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from netspec.analysis.difference.record import Change, Found
from netspec.draw.metrics import fit
from netspec.draw.scene import SIZES, Box, Group, Item, Mark, Scene, Words, moved
from netspec.draw.styles.fold import folded
from netspec.draw.view import View
from netspec.graph.checked import Node

SIGNS = {"added": "+", "removed": "−", "changed": "~"}
_MARGIN, _TITLE, _LINE, _GUTTER = 16.0, 30.0, 16.0, 24.0
# Changes that are said below the pictures; the others are counted.
_MOST_LINES = 12


def compared(found: Found) -> Scene:
    """The first net on the left, the second on the right, each folded to a screen."""
    marks = _marks(found)
    pages = [
        folded(View(graph, marks=mark))
        for graph, mark in zip((found.a, found.b), marks, strict=True)
    ]
    items: list[Item] = []
    x = 0.0
    graphs = found.a, found.b
    for page, graph, mark in zip(pages, graphs, marks, strict=True):
        paths = {node.path: mark.get(node, "") for node in graph.nodes}
        items += [moved(_marked(item, paths), x, _TITLE) for item in page.items]
        x += page.width + _GUTTER
    width = max(x - _GUTTER, 360.0)
    names = f"{found.a.source.name} → {found.b.source.name}"
    title = Words(
        _MARGIN, _MARGIN + 14, fit(names, SIZES["title"], width - 2 * _MARGIN, bold=True), "title"
    )
    top = _TITLE + max(page.height for page in pages)
    below = list(_words(found.changes, top + 4, width - 2 * _MARGIN))
    height = top + _LINE * len(below) / 2 + _MARGIN
    description = f"{len(found.changes)} changes between {found.a.name} and {found.b.name}"
    return Scene((title, *items, *below), width, height, names, description)


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


def _marked(item: Item, paths: dict[str, str]) -> Item:
    """An item with a frame and a sign around what is marked; a closed block for what it holds.

    `paths` are what became of each node, empty where it stayed.
    """
    if not isinstance(item, Group):
        return item
    members = tuple(_marked(member, paths) for member in item.members)
    closed = not any(isinstance(member, Group) for member in members)
    what = _of_group(item, paths, closed)
    shape = next((m for m in item.members if isinstance(m, Box | Mark)), None)
    if not what or shape is None:
        return replace(item, members=members)
    box = shape if isinstance(shape, Box) else _around(shape)
    frame = Box(box.x - 3, box.y - 3, box.w + 6, box.h + 6, "leaf", what, box.radius + 3)
    sign = Words(box.x + box.w + 5, box.y + 8, SIGNS[what], "head")
    return replace(item, members=(*members, frame, sign))


def _of_group(group: Group, paths: dict[str, str], closed: bool) -> str:
    if group.path in paths:
        return paths[group.path]
    if not group.toggles or not closed:
        return ""
    inside = f"{group.path}."
    held = {what for path, what in paths.items() if path.startswith(inside)}
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
        yield Box(_MARGIN, at, 11, 11, "leaf", what, 2)
        yield Words(
            _MARGIN + 18, at + 9.5, fit(f"{SIGNS[what]} {text}", SIZES["note"], room), "note"
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
