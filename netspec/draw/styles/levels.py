"""What a block, or the net, holds in the style flow: layers and closed blocks as boxes, blocks in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

from netspec.draw.layout.diagram import Shape
from netspec.draw.layout.pieces import baseline, width_of
from netspec.draw.scene import Box, Group, Item, Words
from netspec.draw.structure.elements import Block, Series, Step, leaves_of
from netspec.draw.structure.labels import data_inputs, family
from netspec.draw.view import View
from netspec.foundation.records import record
from netspec.graph.checked import Graph, Node


@record
class Made:
    """Something that can be drawn, and where wires arrive and leave."""

    shape: Shape
    draw: Callable[[float, float], list[Item]]


class Level:
    """What one block, or the net, holds: layers, closed blocks, and levels of their own.

    `entries` are the nodes outside that it reads, `exits` those of its own that others read.
    """

    def __init__(self, view: View, body: Series, block: Block | None = None, depth: int = 0):
        self.view, self.block, self.depth = view, block, depth
        self.title = block.name if block else ""
        order = {node: i for i, node in enumerate(block.nodes if block else view.graph.nodes)}
        members = list(leaves_of(body))
        while block and len(members) == 1 and self._is_open(members[0], depth):
            only = members[0]
            assert isinstance(only, Block)
            self.title += f": {only.call.block}"
            members, depth = list(leaves_of(only.body)), depth + 1
        if block:
            self.title = view.titled(block, self.title)
        members.sort(key=lambda member: order[member.nodes[0]])
        self.members = [
            Level(view, member.body, member, depth + 1)
            if isinstance(member, Block) and self._is_open(member, depth)
            else member
            for member in members
        ]
        self.home = {n: i for i, m in enumerate(members) for n in m.nodes}
        self.entries = _entries(members, self.home)
        self.exits = _exits(view.graph, order) if block else []

    def _is_open(self, member: Step | Block, depth: int) -> bool:
        if isinstance(member, Step):
            return False
        whole = self.view.depth is None and self.view.only is None
        return whole or self.view.is_open(member, member.path, depth)

    @cached_property
    def boxes(self) -> dict[int, Made]:
        """What is no level of its own, drawn, by its place among the members."""
        members = enumerate(self.members)
        return {i: _box(m, self.view) for i, m in members if not isinstance(m, Level)}

    @property
    def inner(self) -> list[Level]:
        """The levels among the members."""
        return [member for member in self.members if isinstance(member, Level)]


def outside(nodes: Sequence[Node]) -> list[Node]:
    """What these nodes read of others, each once."""
    own = set(nodes)
    read = (value.node for node in nodes for value in data_inputs(node))
    return list(dict.fromkeys(node for node in read if node not in own))


def _entries(members: Sequence[Step | Block], home: dict[Node, int]) -> list[Node]:
    read = (node for member in members for node in outside(member.nodes))
    return list(dict.fromkeys(node for node in read if node not in home))


def _exits(graph: Graph, inside: dict[Node, int]) -> list[Node]:
    """What others read of these nodes."""
    return [node for node in inside if any(user not in inside for user in graph.consumers[node])]


def _box(member: Step | Block, view: View) -> Made:
    """A layer, or a closed block, as a box with two lines of text."""
    figures = view.numbers(member, member.type)
    if isinstance(member, Step):
        text, look, node = view.label(member), view.look(member), member.node
        ink = look if look != family(node.op) else ""
        span, path, role, size, opens = node.span, node.path, "leaf", "label", ""
    else:
        block = member.call.block
        known = not member.is_named or member.name == block
        named = member.name if known else f"{member.name}: {block}"
        text, look, ink = view.titled(member, named), "head" if member.head else "shut", ""
        span, path, role, size = member.call.span, member.path, "block", "head"
        opens = block
    w = max(width_of(text, size), width_of(figures, "note")) + 18
    h = 36.0 if figures else 22.0

    def draw(x: float, y: float) -> list[Item]:
        middle = x + w / 2
        members: list[Item] = [
            Box(x, y, w, h, role, look),
            Words(middle, baseline(y, 22), text, size, "middle", ink),
        ]
        if figures:
            members.append(Words(middle, y + 29, figures, "note", "middle", ink or "muted"))
        hint = view.hint(path, member, member.type)
        return [Group(tuple(members), span, path, hint, opens, nodes=member.nodes)]

    return Made(Shape(w, h, (w / 2,), (w / 2,)), draw)
