"""The whole graph: every layer a box, every connection a line, every block a frame around its own.

Each block is laid out by itself, the innermost first, and is then one box of what is around it. So
frames never overlap and no line runs through one, and blocks that are alike are laid out once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise
from math import inf, sqrt

from netspec.diagnostics.messages.draw import TooManyDrawn
from netspec.diagnostics.raised import NetspecError
from netspec.draw.layout import dot
from netspec.draw.layout.diagram import PIN, Diagram, Edge, Placed, Shape
from netspec.draw.layout.layered import passing, place
from netspec.draw.layout.paging import SCREEN, TALLEST
from netspec.draw.layout.pieces import HEADER, PAD, Piece, baseline, width_of, wire
from netspec.draw.layout.wrapped import Place, rough, wrapped
from netspec.draw.scene import Box, Group, Item, Scene, Words
from netspec.draw.structure.choosing import telling
from netspec.draw.structure.elements import Block, Repeat, Series, nodes_of
from netspec.draw.structure.opening import apart
from netspec.draw.structure.reading import flat_steps, structure
from netspec.draw.structure.standing import outside, standing
from netspec.draw.styles.around import framed
from netspec.draw.styles.fold import MOST_BOXES
from netspec.draw.styles.levels import STACKED, Level, Made, Member
from netspec.draw.view import View
from netspec.graph.checked import Graph, Node

_MOST_FOR_DOT = 1500
_BETWEEN = 22.0
# Heights of columns that are tried, as shares of the ideal one: of equal pages, that of the fewest.
_SHARES = (1.6, 1.4, 1.2, 1.1, 1.0, 0.9, 0.8, 0.7, 0.6, 0.5)


def flow(view: View) -> Scene:
    """Every layer and every connection, laid out by Graphviz where it is installed.

    Blocks that the view's depth closes are one box; of a net that takes more than a screen what is repeated
    is shown once. Raises NetspecError above 2,000 boxes.
    """
    whole = Level(view, outline(view), folded=is_large(view.graph))
    if whole.count > MOST_BOXES:
        raise NetspecError(TooManyDrawn("flow", whole.count, MOST_BOXES))
    limit, _ = _best_limit(whole)
    if dot.has_dot():
        return framed(view, _laid_out(whole, _by_graphviz, limit), ["laid out by Graphviz"])
    note = "laid out without Graphviz; install Graphviz for its layout"
    return framed(view, _laid_out(whole, _by_ourselves, limit), [note])


def outline(view: View) -> Series:
    """What `flow` draws: the net's structure, of a large net with what is repeated as one."""
    told = telling(view.graph)
    if not is_large(view.graph):
        return structure(view.graph, telling=told)
    return apart(view.graph, replace(view.opening, names=frozenset()))


def is_one(repeat: Repeat, graph: Graph) -> bool:
    """Whether `flow` draws a repeat once: in a large net, where one copy can stand for the others."""
    return is_large(graph) and standing(graph, repeat) is not None


@lru_cache(maxsize=16)
def is_large(graph: Graph) -> bool:
    """Whether a net takes more than a screen, or too many boxes, where every copy of all is drawn."""
    if len(flat_steps(graph)) > MOST_BOXES:
        return True
    whole = Level(View(graph), structure(graph, telling=telling(graph)))
    return _best_limit(whole)[1] > 1


def _by_ourselves(diagrams: Sequence[Diagram]) -> list[Placed]:
    return [place(diagram) for diagram in diagrams]


def _by_graphviz(diagrams: Sequence[Diagram]) -> list[Placed]:
    """Laid out by `dot`, but for what would take it many seconds."""
    easy = [d for d in diagrams if len(d.shapes) + passing(d) <= _MOST_FOR_DOT]
    placed = dict(zip(easy, dot.place(easy) if easy else (), strict=True))
    return [placed.get(diagram) or place(diagram) for diagram in diagrams]


def _best_limit(whole: Level) -> tuple[float, float]:
    """How high columns should be for the page to come closest to a screen's shape, in points.

    And how many times as large as a screen it is then, about.
    """

    def scale(limit: float) -> float:
        page = _laid_out(whole, rough, limit)
        return max(page.w / SCREEN[0], page.h / TALLEST, 1.0)

    natural = _laid_out(whole, rough, inf)
    if natural.h <= max(TALLEST, natural.w * TALLEST / SCREEN[0]):
        return inf, scale(inf)
    ideal = max(sqrt(natural.w * natural.h * TALLEST / SCREEN[0]), TALLEST)
    best = min([*(ideal * share for share in _SHARES), inf], key=scale)
    return best, scale(best)


# --- layout


def _laid_out(whole: Level, place: Place, limit: float) -> Piece:
    """The level as a piece; `place` is asked for all blocks of one height of nesting together.

    What is higher than `limit` is in columns, a frame around it included.
    """
    made: dict[Level, Made] = {}
    for levels in _by_height(whole):
        parts = [_parts(level, made) for level in levels]
        diagrams = [_diagram(level, part) for level, part in zip(levels, parts, strict=True)]
        limits = [limit - level.depth * (HEADER + PAD) for level in levels]
        different = list(dict.fromkeys(zip(diagrams, limits, strict=True)))
        placed = dict(zip(different, wrapped(different, place), strict=True))
        for level, part, key in zip(levels, parts, zip(diagrams, limits, strict=True), strict=True):
            made[level] = _level(level, part, key[0], placed[key])
    top = made[whole]
    return Piece(top.shape.w, top.shape.h, top.shape.w / 2, top.draw)


def _by_height(whole: Level) -> list[list[Level]]:
    """The levels that hold no others, then those that hold such only, and so on."""
    found: list[list[Level]] = []

    def visit(level: Level) -> int:
        height = max((visit(inner) for inner in level.inner), default=-1) + 1
        found.extend([] for _ in range(height + 1 - len(found)))
        found[height].append(level)
        return height

    visit(whole)
    return found


def _parts(level: Level, made: dict[Level, Made]) -> list[Made]:
    return [
        made[member] if isinstance(member, Level) else level.boxes[i]
        for i, member in enumerate(level.members)
    ]


def _diagram(level: Level, parts: list[Made]) -> Diagram:
    shapes = [PIN] * len(level.entries) + [part.shape for part in parts] + [PIN] * len(level.exits)
    ends = len(level.entries), len(level.exits)
    return Diagram(tuple(shapes), tuple(_edges(level)), *ends, gap=_BETWEEN)


def _edges(level: Level) -> list[Edge]:
    first = len(level.entries)
    pins = {node: i for i, node in enumerate(level.entries)}

    def tails(node: Node) -> list[tuple[int, int]]:
        comes = level.comes(node)
        if comes is not None:
            return [(pins[entry], 0) for entry in comes]
        return [made(node)]

    def made(node: Node) -> tuple[int, int]:
        member = level.members[level.home[node]]
        return first + level.home[node], member.exit(node) if isinstance(member, Level) else 0

    found: list[Edge] = []
    for i, member in enumerate(level.members):
        if isinstance(member, Level):
            reads = list(enumerate(member.entries))
        else:
            reads = [(0, node) for node in outside(level.view.graph, nodes_of(member))]
        for into, node in reads:
            found += [Edge(*tail, first + i, into) for tail in tails(node)]
    for i, node in enumerate(level.exits):
        found.append(Edge(*made(node), first + len(level.members) + i, 0))
    return list(dict.fromkeys(found))


def _level(level: Level, parts: list[Made], diagram: Diagram, placed: Placed) -> Made:
    """The level drawn, with a frame around it where it is a block."""
    entries, exits = diagram.entries, diagram.exits
    corners = placed.corners[entries : len(diagram.shapes) - exits]
    ends = len(diagram.shapes) - exits

    def draw(x: float, y: float, above: float = 0.0, below: float = 0.0) -> list[Item]:
        found: list[Item] = []
        for edge, line in zip(diagram.edges, placed.lines, strict=True):
            points = [(x + px, y + py) for px, py in line]
            if edge.tail < entries and line[0] == placed.corners[edge.tail]:
                points.insert(0, (points[0][0], y - above))
            if edge.head >= ends:
                points.append((points[-1][0], y + placed.h + below))
            member = level.members[edge.head - entries] if edge.head < ends else level
            found.append(wire(*points, arrow=not isinstance(member, Level)))
        # Above the lines, so that on a page none covers what opens a block.
        for part, (px, py) in zip(parts, corners, strict=True):
            found += part.draw(x + px, y + py)
        return found

    if level.around is None:
        return Made(Shape(placed.w, placed.h, (), ()), draw)
    ins = tuple(x for x, _ in placed.corners[:entries])
    outs = tuple(x for x, _ in placed.corners[ends:])
    return _framed(level, level.around, Shape(placed.w, placed.h, ins, outs), draw)


def _framed(
    level: Level,
    around: Member,
    inner: Shape,
    draw: Callable[[float, float, float, float], list[Item]],
) -> Made:
    """A frame, stacked for what is repeated; its name stands where no wire comes in."""
    words = [(level.title, "head"), *([(level.note, "note")] if level.note else [])]
    need = max(width_of(text, size) for text, size in words) + 2 * PAD
    at, left, w = _title_place(need, inner)
    top = _header(level)
    h = top + inner.h + PAD
    shown = around.element if isinstance(around, Repeat) else around
    block = shown if isinstance(shown, Block) else None
    look = "head" if block and block.head else "open"
    spare = STACKED if level.times else 0.0

    def framed(x: float, y: float) -> list[Item]:
        stacked = [Box(x + d, y + d, w, h, "stack", "", 8) for d in (6, 3)] if spare else []
        title = [Words(x + at + PAD, baseline(y, HEADER, "head"), level.title, "head")]
        if level.note:
            title.append(Words(x + at + PAD, y + HEADER + 9, level.note, "note", look="muted"))
        members = (
            *stacked,
            Box(x, y, w, h, "block", look, 8),
            *title,
            *draw(x + left, y + top, top, PAD),
        )
        if block is None:
            return [Group(members, level.nodes[0].span, level.nodes[0].path, nodes=level.nodes)]
        hint, word = level.view.hint(block.path, around, block.type), block.call.block
        return [Group(members, block.call.span, block.path, hint, word, nodes=level.nodes)]

    ins, outs = (tuple(left + x for x in ports) for ports in (inner.ins, inner.outs))
    return Made(Shape(w + spare, h + spare, ins, outs), framed)


def _header(level: Level) -> float:
    """The height of what a frame says above what it holds, in points."""
    return HEADER + (14.0 if level.note else 0.0)


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
