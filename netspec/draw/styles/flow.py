"""The whole graph: every layer a box, every connection a line, every block a frame around its own.

Each block is laid out by itself, the innermost first, and is then one box of what is around it. So
frames never overlap and no line runs through one, and blocks that are alike are laid out once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from netspec.diagnostics.messages.draw import TooManyDrawn
from netspec.diagnostics.raised import NetspecError
from netspec.draw.layout import dot
from netspec.draw.layout.diagram import PIN, Diagram, Edge, Placed, Shape
from netspec.draw.layout.layered import passing, place
from netspec.draw.layout.pieces import HEADER, PAD, Piece, baseline, width_of, wire
from netspec.draw.scene import Box, Group, Item, Scene, Words
from netspec.draw.structure.elements import Block, Series, Step, leaves_of
from netspec.draw.structure.labels import data_inputs, family
from netspec.draw.structure.reading import flat_steps, structure
from netspec.draw.styles.around import framed
from netspec.draw.styles.fold import MOST_BOXES
from netspec.draw.view import View
from netspec.foundation.records import record
from netspec.graph.checked import Graph, Node

_MOST_FOR_DOT = 1500


def flow(view: View) -> Scene:
    """Every layer and every connection, laid out by Graphviz where it is installed.

    Blocks that the view's depth closes are one box. Raises NetspecError above 2,000 boxes.
    """
    count = len(flat_steps(view.graph))
    if count > MOST_BOXES:
        raise NetspecError(TooManyDrawn("flow", count, MOST_BOXES))
    whole = _Level(view, structure(view.graph))
    if dot.has_dot():
        return framed(view, _laid_out(whole, _by_graphviz), ["laid out by Graphviz"])
    note = "laid out without Graphviz; install Graphviz for its layout"
    return framed(view, _laid_out(whole, _by_ourselves), [note])


def _by_ourselves(diagrams: Sequence[Diagram]) -> list[Placed]:
    return [place(diagram) for diagram in diagrams]


def _by_graphviz(diagrams: Sequence[Diagram]) -> list[Placed]:
    """Laid out by `dot`, but for what would take it many seconds."""
    easy = [d for d in diagrams if len(d.shapes) + passing(d) <= _MOST_FOR_DOT]
    placed = dict(zip(easy, dot.place(easy) if easy else (), strict=True))
    return [placed.get(diagram) or place(diagram) for diagram in diagrams]


class _Level:
    """What one block, or the net, holds: layers, closed blocks, and levels of their own."""

    def __init__(self, view: View, body: Series, block: Block | None = None, depth: int = 0):
        self.view, self.block = view, block
        self.title = block.name if block else ""
        order = {node: i for i, node in enumerate(block.nodes if block else view.graph.nodes)}
        members = list(leaves_of(body))
        while block and len(members) == 1 and self._is_open(members[0], depth):
            only = members[0]
            assert isinstance(only, Block)
            self.title += f": {only.call.block}"
            members, depth = list(leaves_of(only.body)), depth + 1
        if block:
            self.title = _with_weights(view, block, self.title)
        members.sort(key=lambda member: order[member.nodes[0]])
        self.members = [
            _Level(view, member.body, member, depth + 1)
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

    @property
    def inner(self) -> list[_Level]:
        return [member for member in self.members if isinstance(member, _Level)]


def _with_weights(view: View, block: Block, title: str) -> str:
    """A block's title, with whose weights it uses."""
    weights, _ = view.shared(block.path)
    return f"{title}, {weights}" if weights else title


def _outside(nodes: Sequence[Node]) -> list[Node]:
    """What these nodes read of others, each once."""
    own = set(nodes)
    read = (value.node for node in nodes for value in data_inputs(node))
    return list(dict.fromkeys(node for node in read if node not in own))


def _entries(members: Sequence[Step | Block], home: dict[Node, int]) -> list[Node]:
    read = (node for member in members for node in _outside(member.nodes))
    return list(dict.fromkeys(node for node in read if node not in home))


def _exits(graph: Graph, inside: dict[Node, int]) -> list[Node]:
    """What others read of these nodes."""
    return [node for node in inside if any(user not in inside for user in graph.consumers[node])]


# --- layout


@record
class _Made:
    """Something that can be drawn, and where wires arrive and leave."""

    shape: Shape
    draw: Callable[[float, float], list[Item]]


def _laid_out(whole: _Level, place: Callable[[Sequence[Diagram]], Sequence[Placed]]) -> Piece:
    """The level as a piece; `place` is asked for all blocks of one height of nesting together."""
    made: dict[_Level, _Made] = {}
    for levels in _by_height(whole):
        parts = [_parts(level, made) for level in levels]
        diagrams = [_diagram(level, part) for level, part in zip(levels, parts, strict=True)]
        different = list(dict.fromkeys(diagrams))
        placed = dict(zip(different, place(different), strict=True))
        for level, part, diagram in zip(levels, parts, diagrams, strict=True):
            made[level] = _level(level, part, diagram, placed[diagram])
    top = made[whole]
    return Piece(top.shape.w, top.shape.h, top.shape.w / 2, top.draw)


def _by_height(whole: _Level) -> list[list[_Level]]:
    """The levels that hold no others, then those that hold such only, and so on."""
    found: list[list[_Level]] = []

    def visit(level: _Level) -> int:
        height = max((visit(inner) for inner in level.inner), default=-1) + 1
        found.extend([] for _ in range(height + 1 - len(found)))
        found[height].append(level)
        return height

    visit(whole)
    return found


def _parts(level: _Level, made: dict[_Level, _Made]) -> list[_Made]:
    return [
        made[member] if isinstance(member, _Level) else _box(member, level.view)
        for member in level.members
    ]


def _diagram(level: _Level, parts: list[_Made]) -> Diagram:
    shapes = [PIN] * len(level.entries) + [part.shape for part in parts] + [PIN] * len(level.exits)
    return Diagram(tuple(shapes), tuple(_edges(level)), len(level.entries), len(level.exits))


def _edges(level: _Level) -> Iterator[Edge]:
    first = len(level.entries)
    pins = {node: i for i, node in enumerate(level.entries)}

    def tail(node: Node) -> tuple[int, int]:
        if node in pins:
            return pins[node], 0
        member = level.members[level.home[node]]
        out = member.exits.index(node) if isinstance(member, _Level) else 0
        return first + level.home[node], out

    for i, member in enumerate(level.members):
        if isinstance(member, _Level):
            reads = list(enumerate(member.entries))
        else:
            reads = [(0, node) for node in _outside(member.nodes)]
        for into, node in reads:
            yield Edge(*tail(node), first + i, into)
    for i, node in enumerate(level.exits):
        yield Edge(*tail(node), first + len(level.members) + i, 0)


def _level(level: _Level, parts: list[_Made], diagram: Diagram, placed: Placed) -> _Made:
    """The level drawn, with a frame around it where it is a block."""
    entries, exits = diagram.entries, diagram.exits
    corners = placed.corners[entries : len(diagram.shapes) - exits]
    ends = len(diagram.shapes) - exits

    def draw(x: float, y: float, above: float = 0.0, below: float = 0.0) -> list[Item]:
        found: list[Item] = []
        for part, (px, py) in zip(parts, corners, strict=True):
            found += part.draw(x + px, y + py)
        for edge, line in zip(diagram.edges, placed.lines, strict=True):
            points = [(x + px, y + py) for px, py in line]
            if edge.tail < entries:
                points.insert(0, (points[0][0], y - above))
            if edge.head >= ends:
                points.append((points[-1][0], y + placed.h + below))
            member = level.members[edge.head - entries] if edge.head < ends else level
            found.append(wire(*points, arrow=not isinstance(member, _Level)))
        return found

    if level.block is None:
        return _Made(Shape(placed.w, placed.h, (), ()), draw)
    ins = tuple(x for x, _ in placed.corners[:entries])
    outs = tuple(x for x, _ in placed.corners[ends:])
    return _framed(level, level.block, Shape(placed.w, placed.h, ins, outs), draw)


def _framed(
    level: _Level,
    block: Block,
    inner: Shape,
    draw: Callable[[float, float, float, float], list[Item]],
) -> _Made:
    """A block's frame; its name stands where no wire comes in."""
    need = width_of(level.title, "head") + 2 * PAD
    at, left, w = _title_place(need, inner)
    h = inner.h + HEADER + PAD
    look = "head" if block.head else "open"

    def framed(x: float, y: float) -> list[Item]:
        members = (
            Box(x, y, w, h, "block", look, 8),
            Words(x + at + PAD, baseline(y, HEADER, "head"), level.title, "head"),
            *draw(x + left, y + HEADER, HEADER, PAD),
        )
        hint = level.view.hint(block.path, block, block.type)
        word = block.call.block
        return [Group(members, block.call.span, block.path, hint, word, nodes=block.nodes)]

    ins, outs = (tuple(left + x for x in ports) for ports in (inner.ins, inner.outs))
    return _Made(Shape(w, h, ins, outs), framed)


def _title_place(need: float, inner: Shape) -> tuple[float, float, float]:
    """Where the title begins and the inner shape does, and the width that makes room for both."""
    w = inner.w + 2 * PAD
    stops = [0.0, *sorted(PAD + x for x in inner.ins), w]
    for start, end in pairwise(stops):
        if end - start >= need:
            return start, PAD, w
    before, after = stops[1], w - stops[-2]
    if before >= after:
        return 0.0, PAD + need - before, w + need - before
    return stops[-2], PAD, w + need - after


def _box(member: Step | Block, view: View) -> _Made:
    """A layer, or a closed block, as a box with two lines of text."""
    figures = view.numbers(member, member.type)
    if isinstance(member, Step):
        text, look, node = view.label(member), view.look(member), member.node
        ink = look if look != family(node.op) else ""
        span, path, role, size, opens = node.span, node.path, "leaf", "label", ""
    else:
        named = f"{member.name}: {member.call.block}"
        text, look, ink = _with_weights(view, member, named), "shut", ""
        span, path, role, size = member.call.span, member.path, "block", "head"
        opens = member.call.block
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

    return _Made(Shape(w, h, (w / 2,), (w / 2,)), draw)
