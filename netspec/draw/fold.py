"""Repeats folded, with what differs said: `×3, first: /2, + projection`."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import replace

from netspec.draw.labels import family, label, spelling
from netspec.draw.structure import (
    Block,
    Element,
    Omitted,
    Parallel,
    Repeat,
    Series,
    Step,
    Tangle,
    nodes_of,
)
from netspec.graph import Call, Node

_LONGEST_PERIOD = 6
_MOST_NOTES = 3
_KEPT = 12


def fold(series: Series) -> Series:
    """The series with runs of equal elements, at every level, as repeats."""
    items = tuple(_inside(item, fold) for item in series.items)
    keys = [signature(item) for item in items]
    found: list[Element] = []
    where: dict[int, int] = {}
    ordered = sorted(series.arcs)
    at = 0
    while at < len(items):
        period, count, note = _run(items, keys, at, ordered)
        for k in range(period * count):
            where[at + k] = len(found) + (k if count == 1 else 0)
        copies = items[at : at + period * count]
        if count > 1:
            # The last copy is the typical one: a first that differs is what the note is about.
            body = copies[-period:]
            element = body[0] if period == 1 else fold(Series(body))
            found.append(Repeat(element, count, note, copies))
        else:
            found += copies
        at += period * count
    where[-1], where[len(items)] = -1, len(found)
    arcs = {(where[a], where[b]): None for a, b in series.arcs if where[b] - where[a] > 1}
    asides = tuple((where[i], replace(b, body=fold(b.body))) for i, b in series.asides)
    return Series(tuple(found), tuple(arcs), asides)


def shortened(series: Series) -> Series:
    """The series with the middle of long chains left out, at every level."""
    items = tuple(_inside(item, shortened) for item in series.items)
    spare = len(items) - 2 * _KEPT
    if spare < _KEPT or series.arcs or series.asides:
        return replace(series, items=items)
    left_out = tuple(node for item in items[_KEPT:-_KEPT] for node in nodes_of(item))
    return Series((*items[:_KEPT], Omitted(left_out), *items[-_KEPT:]))


def _inside(element: Element, change: Callable[[Series], Series]) -> Element:
    match element:
        case Block():
            return replace(element, body=change(element.body))
        case Series():
            return change(element)
        case Parallel():
            return replace(element, branches=tuple(change(b) for b in element.branches))
        case Tangle():
            return replace(element, items=tuple(_inside(item, change) for item in element.items))
        case Repeat():
            return replace(element, element=_inside(element.element, change))
    return element


def _run(
    items: tuple[Element, ...], keys: list[object], at: int, arcs: list[tuple[int, int]]
) -> tuple[int, int, str]:
    """The period, the count and the note of the repeat that starts here.

    With a count of 1, the period is of elements that stay as they are.
    """
    best = (1, 1)
    for period in range(1, 2 if arcs else min(_LONGEST_PERIOD, (len(items) - at) // 2) + 1):
        body = keys[at : at + period]
        count = 1
        while keys[at + count * period : at + (count + 1) * period] == body:
            count += 1
        # Several layers in turn are only a pattern from the third time on.
        if count > min(period, 2) and period * count > best[0] * best[1]:
            best = (period, count)
    notes = []
    if best[1] == 1 and at + 1 < len(items):
        note = difference(items[at], items[at + 1])
        if note is not None:
            notes = [note] if note else []
            count = 1
            while at + count < len(items) and keys[at + count] == keys[at + 1]:
                count += 1
            best = (1, count)
    if arcs and best[1] > 1:
        if not isinstance(items[at], Block):
            return best[1], 1, ""
        inside = _within(arcs, at, at + best[1])
        reads = _ladder(at, best[1], inside)
        if reads is None:
            # Nothing that starts before the last of these connections can be a run.
            return max((a + 1 - at for a, _ in inside), default=1), 1, ""
        notes = [reads, *notes] if reads else notes
    return *best, "; ".join(notes)


def _within(arcs: list[tuple[int, int]], start: int, end: int) -> set[tuple[int, int]]:
    """The arcs, which are sorted, that start and end among these items."""
    near = arcs[bisect_left(arcs, (start, 0)) : bisect_left(arcs, (end, 0))]
    return {(a, b) for a, b in near if b < end}


def _ladder(at: int, count: int, inside: set[tuple[int, int]]) -> str | None:
    """How the arcs inside a run read in words; None where they follow no rule."""
    if not inside:
        return ""
    if inside == {(i, i + 2) for i in range(at, at + count - 2)}:
        return "each also reads the one before the last"
    if 2 * len(inside) == (count - 1) * (count - 2):
        return "each reads all before it"
    return None


def signature(element: Element) -> object:
    """Equal for elements that do the same, whatever the sizes of what flows in."""
    match element:
        case Step():
            return tuple(_says(node) for node in element.nodes)
        case Block():
            return (element.call.block, signature(element.body))
        case Series():
            return (tuple(signature(item) for item in element.items), element.arcs)
        case Parallel():
            join = signature(element.join) if element.join else None
            return ("parallel", tuple(signature(b) for b in element.branches), join)
        case Tangle():
            return ("tangle", tuple(signature(item) for item in element.items), element.edges)
        case Repeat():
            return ("repeat", element.count, element.note, signature(element.element))
        case Omitted():
            return ("omitted", element.nodes)
    return ("port", element.number)


def _says(node: Node) -> object:
    # An input is like no other layer, so that two inputs of a net stay apart. Fully connected
    # layers of one width are not alike where one of them reads a whole map.
    reads = node.input_types if family(node.op) == "fc" else ()
    return (node.op if node.inputs else node.path), reads, node.frozen, node.owner != node.path


def difference(first: Element, rest: Element) -> str | None:
    """How the first of a run differs from the others; None if they are not of one kind."""
    if not (isinstance(first, Block) and isinstance(rest, Block)):
        return None
    if first.call.block != rest.call.block or first.type.shape != rest.type.shape:
        return None
    ours, theirs = _major(first), _major(rest)
    notes: dict[str, None] = {}
    widths = False
    for name in sorted(set(ours) | set(theirs), key=lambda key: (key not in theirs, key)):
        mine, other = ours.get(name), theirs.get(name)
        if other is None and mine is not None:
            notes[f"+ {_role(mine)}"] = None
        elif mine is None and other is not None:
            notes[f"no {_role(other)}"] = None
        elif mine is not None and other is not None and label(mine) != label(other):
            stride = _stride(mine)
            if stride != _stride(other):
                notes[stride] = None
            widths = widths or _width(mine) != _width(other)
    if widths and not _extends(first.call, rest.call):
        return None
    order = sorted(notes, key=lambda note: not note.startswith("/"))
    if len(order) > _MOST_NOTES:
        return "first differs"
    return "first: " + ", ".join(order) if order else ""


def _extends(first: Call, rest: Call) -> bool:
    """Whether the first call says all that the others say, and perhaps a stride more."""
    return first.arguments == rest.arguments or first.arguments.startswith(rest.arguments + ",")


def _major(block: Block) -> dict[str, Node]:
    inside = len(block.path) + 1
    kept = (n for n in nodes_of(block) if family(n.op) != "minor")
    return {node.path[inside:]: node for node in kept}


def _stride(node: Node) -> str:
    stride = node.op.__dict__.get("stride", 1)
    if stride == 1:
        return "stride 1"
    return "/" + ("×".join(map(str, stride)) if isinstance(stride, tuple) else str(stride))


def _width(node: Node) -> object:
    return node.op.__dict__.get("width")


def _role(node: Node) -> str:
    """What an extra layer is for: the inline block that made it, or what it is."""
    for call in node.call.ancestors() if node.call else ():
        if call.component is not None:
            break
        if call.block != "residual":
            return call.block
    return {"add": "shortcut"}.get(spelling(node.op), spelling(node.op))


__all__ = ["difference", "fold", "signature"]
