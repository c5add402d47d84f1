"""Layers each of which reads all before it: a chain with an arc from each to each, as papers have it.

Huang et al. (2017), Figure 1. What is written as a block that puts what it makes beside what it
reads, many times over, is drawn so where it is open.
"""

from __future__ import annotations

from collections.abc import Sequence

from netspec.draw.layout.arcs import chain_with_arcs
from netspec.draw.layout.pieces import HEADER, PAD, Piece, baseline, width_of
from netspec.draw.scene import Box, Group, Item, Words
from netspec.draw.structure.elements import Block, Element, Parallel, Repeat, Series, Step, nodes_of
from netspec.draw.structure.labels import spelling
from netspec.foundation.records import record
from netspec.graph.checked import Node

_CHIP, _LEAST, _MOST = 20.0, 3, 5


@record
class Growth:
    """What each of `layers` puts beside all before it; `join` is where the last does."""

    layers: tuple[Series, ...]
    join: Step

    @property
    def shown(self) -> int:
        """How many boxes the layers take: a few of the first, and the last."""
        return min(len(self.layers), _MOST)


def growth(element: Element) -> Growth | None:
    """A repeat as a dense block; None where its layers do not put what they make beside the rest."""
    if not isinstance(element, Repeat) or element.count < _LEAST or element.note:
        return None
    found = [_layer(copy) for copy in element.copies]
    layers = tuple(layer for layer, _ in filter(None, found))
    last = found[-1]
    return Growth(layers, last[1]) if last and len(layers) == element.count else None


def _layer(copy: Element) -> tuple[Series, Step] | None:
    """What one copy puts beside all that it reads, and the join."""
    items = copy.body.items if isinstance(copy, Block) else ()
    if len(items) != 1 or not isinstance(items[0], Parallel) or items[0].join is None:
        return None
    made = [branch for branch in items[0].branches if branch.items]
    one = len(made) == 1 and len(items[0].branches) == 2
    return (made[0], items[0].join) if one and spelling(items[0].join.node.op) == "concat" else None


def dense_piece(grown: Growth, first: Piece, join: Piece) -> Piece:
    """The first layer open, the next ones and the last as boxes, an arc from each to all later."""
    layers = grown.layers
    pieces = [_framed(first, "layer 1", layers[0])]
    hidden = len(layers) - grown.shown
    for i in range(1, grown.shown):
        number = i + 1 + (hidden if i + 1 == grown.shown else 0)
        name = f"layer {number}"
        if hidden and i + 2 == grown.shown:
            name = f"layers {number} to {number + hidden}"
        more = hidden if name.startswith("layers") else 0
        pieces.append(_box(name, layers[number - 1 : number + more], dashed=bool(more)))
    pieces.append(join)
    arcs = [(a, b) for b in range(len(pieces)) for a in range(-1, b - 1)]
    return chain_with_arcs(pieces, tuple(arcs), most=len(pieces))


def _source(layer: Series) -> Node:
    return nodes_of(layer)[0]


def _box(name: str, layers: Sequence[Series], *, dashed: bool) -> Piece:
    w = width_of(name) + 24

    def draw(x: float, y: float) -> list[Item]:
        members = (
            Box(x, y, w, _CHIP, "block", "loop" if dashed else "shut", 8),
            Words(x + w / 2, baseline(y, _CHIP), name, anchor="middle"),
        )
        node = _source(layers[0])
        nodes = tuple(node for layer in layers for node in nodes_of(layer))
        return [Group(members, node.span, node.path, name, nodes=nodes)]

    return Piece(w, _CHIP, w / 2, draw)


def _framed(inner: Piece, name: str, layer: Series) -> Piece:
    node, nodes = _source(layer), nodes_of(layer)
    w, h = inner.w + 2 * PAD, inner.h + HEADER + PAD

    def draw(x: float, y: float) -> list[Item]:
        members = (
            Box(x, y, w, h, "block", "open", 8),
            Words(x + PAD, baseline(y, HEADER, "note"), name, "note", look="muted"),
            *inner.draw(x + PAD, y + HEADER),
        )
        return [Group(members, node.span, node.path, name, nodes=nodes)]

    return Piece(w, h, inner.axis + PAD, draw)
