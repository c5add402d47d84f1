"""Branches side by side, and what joins them."""

from __future__ import annotations

from netspec.draw.layout.pieces import (
    BETWEEN,
    LANE,
    SIGNS,
    Piece,
    bar,
    baseline,
    mark,
    mark_text,
    width_of,
    wire,
)
from netspec.draw.metrics import total
from netspec.draw.scene import Box, Group, Item, Words
from netspec.draw.structure.elements import Parallel, Step, begins
from netspec.draw.view import View
from netspec.graph.checked import Node

FORK = 15.0


def joined(branches: list[Piece | None], parallel: Parallel, view: View) -> Piece:
    """The branches, None for each that is empty, joined in a circle, in a bar or not at all."""
    if not parallel.closes:
        graph = view.graph
        inner = (o.value.node for o in graph.outputs if graph.consumers[o.value.node])
        node = next(inner, graph.outputs[0].value.node)
        branches = [branch or output(node) for branch in branches]
    join = parallel.join
    entered = [parallel.opens and not begins(b) for b in parallel.branches]
    real = [b for b in branches if b is not None]
    if join is not None and join.node.op.spelling in SIGNS and 1 <= len(real) <= 2:
        return _in_circle(branches, entered, join, view, opens=parallel.opens)
    return _in_bar(branches, entered, parallel, view)


def output(node: Node) -> Piece:
    """The mark of an output that what a node gives is, while more is made of it."""
    w = width_of("output", "note") + 14

    def draw(x: float, y: float) -> list[Item]:
        members: tuple[Item, ...] = (
            Box(x, y, w, 18, "leaf", "in", 9),
            Words(x + w / 2, baseline(y, 18, "note"), "output", "note", "middle"),
        )
        return [Group(members, node.span, node.path, "output")]

    return Piece(w, 18, w / 2, draw)


def _in_circle(
    branches: list[Piece | None], entered: list[bool], join: Step, view: View, *, opens: bool
) -> Piece:
    """The main branch goes straight into the circle, the others bend into it."""
    real = [b for b in branches if b is not None]
    main = max(real, key=lambda piece: piece.h)
    middle_in = entered[branches.index(main)]
    others = [b for b in branches if b is not main]
    sides_in = [is_in for b, is_in in zip(branches, entered, strict=True) if b is not main]
    words = width_of(mark_text(join, view), "note")
    left = max(0.0, words + 16 - main.axis)
    tall = max(p.h for p in real)
    top = FORK if opens else 0.0
    h = top + tall + 14 + 8 + 8
    places, at = [], left + main.w
    for other in others:
        places.append(at + (LANE if other is None else BETWEEN + other.axis))
        at += LANE if other is None else BETWEEN + other.w
    axis = left + main.axis

    def draw(x: float, y: float) -> list[Item]:
        middle = y + h - 8
        found: list[Item] = []
        if middle_in:
            found.append(wire((x + axis, y), (x + axis, y + top), arrow=not main.wired))
        found += main.draw(x + left, y + top)
        found.append(wire((x + axis, y + top + main.h), (x + axis, middle - 8)))
        for other, place, is_in in zip(others, places, sides_in, strict=True):
            start = [(x + axis, y), (x + axis, y + 5), (x + place, y + 5)] if opens else []
            end = ((x + place, middle), (x + axis + 8, middle))
            if other is None:
                found.append(wire(*start, *end, look="skip"))
                continue
            if is_in:
                found.append(wire(*start, (x + place, y + top), arrow=not other.wired))
            found += other.draw(x + place - other.axis, y + top)
            found.append(wire((x + place, y + top + other.h), *end))
        found.append(mark(join, view, x + axis, middle))
        return found

    w = at + (1 if at > left + main.w else 0)
    return Piece(w, h, axis, draw, opens)


def _in_bar(
    branches: list[Piece | None], entered: list[bool], parallel: Parallel, view: View
) -> Piece:
    """Branches end in a bar, or run together where nothing in the picture merges them."""
    widths = [LANE if b is None else b.w for b in branches]
    inner = total(widths) + BETWEEN * (len(branches) - 1)
    merge = None if parallel.join is None else bar(parallel.join, view, inner)
    w = max(inner, merge.w if merge else 0.0)
    top = FORK if parallel.opens else 0.0
    tall = max((b.h for b in branches if b is not None), default=8.0)
    end = (FORK + merge.h) if merge else (FORK if parallel.closes else 0.0)
    axis = w / 2
    places, at = [], (w - inner) / 2
    for branch, width in zip(branches, widths, strict=True):
        places.append(at + (width / 2 if branch is None else branch.axis))
        at += width + BETWEEN

    def draw(x: float, y: float) -> list[Item]:
        found: list[Item] = []
        low = y + top + tall
        for branch, place, is_in in zip(branches, places, entered, strict=True):
            px, look = x + place, "" if branch else "skip"
            start = ((x + axis, y), (x + axis, y + 5), (px, y + 5))
            if merge:
                finish: tuple[tuple[float, float], ...] = ((px, low + FORK),)
            else:
                finish = ((px, low + 6), (x + axis, low + 6), (x + axis, low + FORK))
            if branch is None:
                found.append(wire(*start, *finish, arrow=merge is not None, look=look))
                continue
            if is_in:
                found.append(wire(*start, (px, y + top), arrow=not branch.wired))
            found += branch.draw(px - branch.axis, y + top)
            if end:
                below = (px, y + top + branch.h)
                found.append(wire(below, *finish, arrow=merge is not None))
        if merge:
            found += merge.draw(x + (w - merge.w) / 2, low + FORK)
        return found

    return Piece(w, top + tall + end, axis, draw, parallel.opens)
