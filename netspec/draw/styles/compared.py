"""Two nets side by side with what was removed, added and changed marked, and the changes in words below."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import replace

from netspec.analysis.difference.record import Change, Found
from netspec.draw.layout.pieces import width_of
from netspec.draw.metrics import fit
from netspec.draw.scene import SIZES, Box, Group, Item, Mark, Scene, Words
from netspec.draw.styles.beside import MARGIN, beside
from netspec.draw.styles.fold import folded
from netspec.draw.view import View
from netspec.graph.checked import Node

SIGNS = {"added": "+", "removed": "−", "changed": "~"}
_MEANINGS = {
    "removed": "only in the first net",
    "added": "only in the second net",
    "changed": "told otherwise, or partly new",
}
_LINE = 16.0
# How far a frame is outside of what it is around: notes stand close above.
_OUTSET = 1.0
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
    kinds = {what for page in marked for item in page.items for what in _frames(item)}
    lines = _listed(found.changes)
    key = list(_key(kinds, both.height + 4))
    top = both.height + 4 + (_LINE + 4 if key else 0)
    below = list(_words(lines, top, both.width - 2 * MARGIN))
    height = top + _LINE * len(below) + MARGIN - 4
    return replace(both, items=(*both.items, *key, *below), height=height)


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
    out = _OUTSET
    frame = Box(
        box.x - out, box.y - out, box.w + 2 * out, box.h + 2 * out, "leaf", what, box.radius + out
    )
    # Shortcuts reach what joins them from the side: the sign stands above them.
    below = 8 if isinstance(shape, Box) else 1
    sign = Words(box.x + box.w + 5, box.y + below, SIGNS[what], "head")
    return replace(item, members=(*members, frame, sign))


def _of_layers(nodes: Sequence[Node], marks: Mapping[Node, str]) -> str:
    held = {marks.get(node, "") for node in nodes}
    # What is partly as it was is changed.
    return "".join(held) if len(held) == 1 else "changed" if held else ""


def _frames(item: Item) -> Iterator[str]:
    """What the frames around an item and its members say."""
    if isinstance(item, Group):
        for member in item.members:
            yield from _frames(member)
    elif isinstance(item, Box) and item.look in SIGNS:
        yield item.look


def _around(mark: Mark) -> Box:
    r = mark.radius
    return Box(mark.x - r, mark.y - r, 2 * r, 2 * r, "leaf", "", r)


def _key(kinds: Set[str], y: float) -> Iterator[Item]:
    """What the marks that stand in the picture mean, side by side."""
    x = MARGIN
    for what, words in _MEANINGS.items():
        if what in kinds:
            said = f"{SIGNS[what]} {words}"
            yield Box(x, y, 11, 11, "leaf", what, 2)
            yield Words(x + 18, y + 9.5, said, "note")
            x += 18 + width_of(said, "note") + 24


def _listed(changes: Sequence[Change]) -> list[str]:
    """A line for each change; of many, those of the first and how many are left."""
    if not changes:
        return ["both compute the same"]
    lines = [f"{SIGNS[_kind(change)]} {_said(change)}" for change in changes[:_MOST_LINES]]
    left = len(changes) - len(lines)
    return [*lines, f"and {left} more"] if left else lines


def _words(lines: Iterable[str], y: float, room: float) -> Iterator[Item]:
    for i, line in enumerate(lines):
        yield Words(MARGIN, y + _LINE * i + 9.5, fit(line, SIZES["note"], room), "note")


def _kind(change: Change) -> str:
    if not change.before:
        return "added"
    return "changed" if change.after else "removed"


def _said(change: Change) -> str:
    both = change.before and change.after and change.before != change.after
    text = f"{change.before} → {change.after}" if both else change.after or change.before
    text += " moved" if change.kind == "moved" else ""
    effects = f": {', '.join(change.effects)}" if change.effects else ""
    return f"{text}{effects} ({change.place})"
