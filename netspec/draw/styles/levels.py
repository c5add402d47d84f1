"""What a block, or the net, holds in the style flow: layers and closed blocks as boxes, blocks in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Union

from netspec.draw.layout.diagram import Shape
from netspec.draw.layout.pieces import baseline, width_of
from netspec.draw.scene import Box, Group, Item, Words
from netspec.draw.structure.choosing import telling
from netspec.draw.structure.elements import (
    Block,
    Element,
    Parallel,
    Repeat,
    Series,
    Step,
    Tangle,
    nodes_of,
)
from netspec.draw.structure.labels import family
from netspec.draw.structure.standing import ALONE, leaving, outside, standing
from netspec.draw.view import View
from netspec.foundation.records import record
from netspec.graph.checked import Node

# What has a box, or a frame around what it holds; a series makes what is read by its name.
Member = Union[Step, Block, Repeat, Series]
# How far the copies behind a frame stand out.
STACKED = 6.0


@record
class Made:
    """Something that can be drawn, and where wires arrive and leave."""

    shape: Shape
    draw: Callable[[float, float], list[Item]]


class Level:
    """What one block, one copy of a repeat, or the net, holds: layers, closed blocks, levels of their own.

    `entries` are the nodes outside that it reads, `exits` those of its own that others read. Where it is
    not `folded`, what is repeated is shown copy by copy. `again` is what stands in a repeat.
    """

    def __init__(
        self,
        view: View,
        body: Element,
        around: Member | None = None,
        depth: int = 0,
        *,
        folded: bool = False,
        again: bool = False,
    ) -> None:
        self.view, self.around, self.depth, self.folded = view, around, depth, folded
        self.again = again or isinstance(around, Repeat)
        self.title, self.note = _heading(around, view) if around else ("", "")
        self.nodes = nodes_of(around) if around else view.graph.nodes
        repeat = around if isinstance(around, Repeat) else None
        members = list(self._members(body))
        while isinstance(around, Block | Repeat) and len(members) == 1:
            only = members[0]
            if not self._is_open(only, depth) or (repeat and isinstance(only, Repeat)):
                break
            repeat = repeat or (only if isinstance(only, Repeat) else None)
            title, note = _heading(only, view, called=True)
            self.title, self.note = f"{self.title}: {title}", self.note or note
            members, depth = list(self._members(_body(only))), depth + 1
        self.times = repeat is not None
        self.again = self.again or self.times
        self._stands = (standing(view.graph, repeat) if repeat else None) or ALONE
        members.sort(key=lambda member: nodes_of(member)[0].index)
        self.members = [
            Level(view, _body(member), member, depth + 1, folded=folded, again=self.again)
            if self._is_open(member, depth)
            else member
            for member in members
        ]
        self.home = {node: i for i, m in enumerate(members) for node in nodes_of(m)}
        read = (node for m in members for node in outside(view.graph, nodes_of(m)))
        self.entries = list(
            dict.fromkeys(entry for node in read for entry in self.comes(node) or ())
        )
        ends = leaving(view.graph, self.nodes) if around else []
        self.exits = list(dict.fromkeys(self._stands.leaves.get(node, node) for node in ends))

    def comes(self, node: Node) -> tuple[Node, ...] | None:
        """What comes in where a member reads a node; None where it is made in here."""
        if node in self._stands.comes:
            return self._stands.comes[node]
        return None if node in self.home else (node,)

    def exit(self, node: Node) -> int:
        """By which of the exits a node's tensor leaves."""
        return self.exits.index(self._stands.leaves.get(node, node))

    def _members(self, element: Element) -> Iterator[Member]:
        """What has a box or a frame of its own, in no order."""
        match element:
            case Step() | Block():
                yield element
            case Repeat():
                if self.folded and standing(self.view.graph, element) is not None:
                    yield element
                    return
                for copy in element.copies:
                    yield from self._members(copy)
            case Series():
                for item in (*element.items, *(block for _, block in element.asides)):
                    yield from self._members(item)
                yield from element.makers
            case Parallel():
                for branch in element.branches:
                    yield from self._members(branch)
                if element.join is not None:
                    yield element.join
            case Tangle():
                for item in element.items:
                    yield from self._members(item)

    def _is_open(self, member: Member, depth: int) -> bool:
        shown = member.element if isinstance(member, Repeat) else member
        if not isinstance(shown, Block):
            return not isinstance(shown, Step)
        if self.view.depth is None and self.view.only is None:
            # What has the weights of another does what that shows, if that is in no copy left out.
            same = self.folded and not self.again and self.view.weights(member, shown.path)
            return not same or isinstance(member, Repeat)
        first = member.copies[0] if isinstance(member, Repeat) else shown
        abreast = isinstance(member, Repeat) and member.abreast
        path = first.path if isinstance(first, Block) else shown.path
        return self.view.is_open(shown, path, depth, abreast=abreast)

    @cached_property
    def boxes(self) -> dict[int, Made]:
        """What is no level of its own, drawn, by its place among the members."""
        members = enumerate(self.members)
        return {i: _box(m, self.view) for i, m in members if not isinstance(m, Level)}

    @property
    def inner(self) -> list[Level]:
        """The levels among the members."""
        return [member for member in self.members if isinstance(member, Level)]

    @property
    def count(self) -> int:
        """How many boxes it takes, those of the levels in it included."""
        return len(self.members) + sum(level.count for level in self.inner)


def _body(member: Member) -> Element:
    """What the frame around a member holds."""
    shown = member.element if isinstance(member, Repeat) else member
    return shown.body if isinstance(shown, Block) else shown


def _heading(member: Member, view: View, *, called: bool = False) -> tuple[str, str]:
    """What a frame is called, for a block alone by its own name unless as `called`; and a note below."""
    match member:
        case Repeat(element=Block() as block):
            return f"{block.call.block} ×{member.count}", _note(member, view)
        case Repeat():
            return f"×{member.count}", member.note
        case Block():
            return view.titled(member, member.call.block if called else view.called(member)), ""
        case Series():
            nodes, names = set(nodes_of(member)), telling(view.graph).names
            return ", ".join(name for value, name in names.items() if value.node in nodes), ""
    return "", ""


def _note(repeat: Repeat, view: View) -> str:
    """How the copies of a repeat differ, and whose weights they use."""
    block = repeat.element
    weights = view.weights(repeat, block.path) if isinstance(block, Block) else ""
    return "; ".join(filter(None, (repeat.note, weights)))


def _box(member: Member, view: View) -> Made:
    """A layer, or a closed block, as a box with two lines of text, or three where copies differ."""
    element = member.element if isinstance(member, Repeat) else member
    times = f" ×{member.count}" if isinstance(member, Repeat) else ""
    note = _note(member, view) if isinstance(member, Repeat) else ""
    if isinstance(element, Step):
        repeat = member if isinstance(member, Repeat) else None
        look, node = view.look(element, repeat), element.node
        text = view.label(element) + times
        ink = look if look != family(node.op) else ""
        span, path, role, size, opens = node.span, node.path, "leaf", "label", ""
    else:
        assert isinstance(element, Block)
        block = element.call.block
        known = not element.is_named or element.name == block
        named = view.called(element) if known else f"{element.name}: {block}"
        text = block + times if times else view.titled(element, named)
        look, ink = "head" if element.head else "shut", ""
        span, path, role, size = element.call.span, element.path, "block", "head"
        opens = block
    figures = view.numbers(member, element.type)
    below = [line for line in (figures, note) if line]
    w = max(width_of(text, size), *(width_of(line, "note") for line in below), 0.0) + 18
    h = 22.0 + 14.0 * len(below)

    def draw(x: float, y: float) -> list[Item]:
        middle = x + w / 2
        stacked = (
            [Box(x + d, y + d, w, h, "stack", "", 8) for d in (6, 3)] if opens and times else []
        )
        items: list[Item] = [
            *stacked,
            Box(x, y, w, h, role, look),
            Words(middle, baseline(y, 22), text, size, "middle", ink),
        ]
        for i, line in enumerate(below):
            items.append(Words(middle, y + 29 + 14 * i, line, "note", "middle", ink or "muted"))
        hint = view.hint(path, member, element.type)
        return [Group(tuple(items), span, path, hint, opens, nodes=nodes_of(member))]

    spare = STACKED if opens and times else 0.0
    return Made(Shape(w + spare, h + spare, (w / 2,), (w / 2,)), draw)
