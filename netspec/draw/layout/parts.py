"""What an operator does inside, as papers draw it: Figure 2 of Vaswani et al. 2017 for attention.

The operator says what its parts are; nothing here knows which operators have some.
"""

from __future__ import annotations

from collections.abc import Sequence

from netspec.draw.layout.layered import layered
from netspec.draw.layout.pieces import (
    BETWEEN,
    CHIP,
    GAP,
    HEADER,
    LANE,
    PAD,
    Heading,
    Piece,
    baseline,
    stack,
    width_of,
    wire,
)
from netspec.draw.metrics import total
from netspec.draw.scene import Box, Group, Item, Words
from netspec.draw.structure.elements import Step
from netspec.draw.structure.labels import like
from netspec.draw.structure.words import plain
from netspec.draw.view import View
from netspec.graph.checked import Node
from netspec.ops.declare.part import Part


def parts_of(step: Step) -> tuple[Part, ...]:
    """What the layer of a step does inside; nothing for most."""
    return step.node.op.figure(*step.node.input_types)


def parts_card(step: Step, view: View, title: str, note: Sequence[str] = ()) -> Piece:
    """A card with all that a layer does: what is done for each of its heads in a stack of its own."""
    parts = parts_of(step)
    inner = _whole(step.node, parts)
    heading = Heading(title, view.numbers(step, step.type), tuple(note))
    w = max(inner.w, heading.w) + 2 * PAD
    h, axis = heading.h + inner.h + PAD, (w - inner.w) / 2 + inner.axis

    def draw(x: float, y: float) -> list[Item]:
        members: list[Item] = [Box(x, y, w, h, "block", "open", 8), *heading.draw(x, y, w)]
        members += inner.draw(x + axis - inner.axis, y + heading.h)
        hint = view.hint(step.node.name, step, step.type)
        return [Group(tuple(members), step.node.span, step.node.path, hint, nodes=step.nodes)]

    return Piece(w, h, axis, draw)


def _whole(node: Node, parts: Sequence[Part]) -> Piece:
    """What comes before what is done many times, that as one, and what follows one by one below it.

    What alone flows in has no box.
    """
    each = [i for i, part in enumerate(parts) if part.each]
    entry = {i for i, part in enumerate(parts) if part.like == "input" and not part.text}
    lanes = list(dict.fromkeys(k for i in each for k in parts[i].reads if not parts[k].each))
    before = [i for i in range(each[0]) if i not in entry]
    number = {i: at for at, i in enumerate(before)} | dict.fromkeys(entry, -1)
    edges = [(number[k], number[i], 0) for i in before for k in parts[i].reads]
    edges += [(number[k], len(before), lane) for lane, k in enumerate(lanes)]
    below = [_chip(node, part) for part in parts[each[-1] + 1 :]]
    pieces = [_chip(node, parts[i]) for i in before]
    pieces.append(stack([_heads(node, parts, each, lanes), *below]))
    links = [(a, b) for a, b, _ in edges]
    return layered(pieces, links, [(0, into) for _, _, into in edges])


def _heads(node: Node, parts: Sequence[Part], each: Sequence[int], lanes: Sequence[int]) -> Piece:
    """What is done for each of several, once, with how many these are."""
    inner = _spine(node, parts, each, lanes)
    title = parts[each[0]].each
    w = max(inner.w, width_of(title, "head")) + 2 * PAD
    h, axis = HEADER + inner.h + PAD, (w - inner.w) / 2 + inner.axis

    def draw(x: float, y: float) -> list[Item]:
        members = (
            *(Box(x + d, y + d, w, h, "stack", "", 8) for d in (6, 3)),
            Box(x, y, w, h, "block", "open", 8),
            Words(x + PAD, baseline(y, HEADER, "head"), title, "head"),
            *inner.draw(x + axis - inner.axis, y + HEADER),
        )
        return [Group(members, node.span, f"{node.path}.heads", title)]

    return Piece(w + 6, h + 6, axis, draw, lanes=inner.lanes)


def _spine(node: Node, parts: Sequence[Part], each: Sequence[int], lanes: Sequence[int]) -> Piece:
    """Parts one below the other: those that join what flows in above, what joins later from the right.

    What joins first is nearest, so that no line crosses another.
    """
    spine = [each[-1]]
    while parts[spine[0]].reads[0] in each and len(_inner(parts, spine[0])) == 1:
        spine.insert(0, parts[spine[0]].reads[0])
    ways = [_way(parts, k) for k in parts[spine[0]].reads]
    above = [[_chip(node, parts[i]) for i in way[1:]] for way in ways]
    boxes = [_chip(node, parts[i]) for i in spine]
    # From the top of the first box on the spine, what it joins is as far apart as its chips need.
    apart = max([boxes[0].w / 2, *(p.w + BETWEEN for chips in above for p in chips)])
    places = {way[0]: apart * (k - (len(ways) - 1) / 2) for k, way in enumerate(ways)}
    tall = max(total(p.h + GAP for p in chips) for chips in above) + GAP
    side = max([*(p.w / 2 for p in boxes), apart * len(ways) / 2]) + BETWEEN
    joins = {k: i for i in spine[1:] for k in parts[i].reads if not parts[k].each}
    places |= {k: side + LANE * n for n, k in enumerate(joins)}
    left, right = side - BETWEEN, max([side - BETWEEN, *places.values()])
    h = tall + total(p.h for p in boxes) + GAP * (len(boxes) - 1)

    def draw(x: float, y: float) -> list[Item]:
        axis, found = x + left, list[Item]()
        for way, chips in zip(ways, above, strict=True):
            at, low = axis + places[way[0]], y
            for chip in chips:
                found.append(wire((at, low), (at, low + GAP)))
                found += chip.draw(at - chip.axis, low + GAP)
                low += GAP + chip.h
            found.append(wire((at, low), (at, y + tall)))
        low = y + tall
        for i, box in zip(spine, boxes, strict=True):
            if i != spine[0]:
                found.append(wire((axis, low - GAP), (axis, low)))
            found += box.draw(axis - box.axis, low)
            for k in (k for k, reader in joins.items() if reader == i):
                at, level = axis + places[k], low + box.h / 2
                found.append(wire((at, y), (at, level), (axis + box.w / 2, level)))
            low += box.h + GAP
        return found

    return Piece(left + right, h, left, draw, lanes=tuple(places[k] for k in lanes))


def _inner(parts: Sequence[Part], i: int) -> list[int]:
    return [k for k in parts[i].reads if parts[k].each]


def _way(parts: Sequence[Part], k: int) -> list[int]:
    """What leads to a part from outside of the heads, that first."""
    found = [k]
    while parts[found[0]].each:
        found.insert(0, parts[found[0]].reads[0])
    return found


def _chip(node: Node, part: Part) -> Piece:
    """A part as a small box: coloured as the operator that does the same alone."""
    text = plain(part.text) if part.text == part.like else part.text
    w = max(34.0, width_of(text) + 16)
    is_input = part.like == "input"
    h, radius = (18.0, 9.0) if is_input else (CHIP, 4.0)

    def draw(x: float, y: float) -> list[Item]:
        look = like(part.like)
        members = (
            Box(x, y, w, h, "leaf", look, radius),
            Words(x + w / 2, baseline(y, h), text, anchor="middle", look=look),
        )
        return [Group(members, node.span, f"{node.path}.{part.text}", part.text)]

    return Piece(w, h, w / 2, draw)
