"""Several nets side by side, each a column of layers, aligned on resolution.

As the figure of the ResNet paper sets VGG-19, a plain net and a ResNet side by side, and the table
of the VGG paper its nets A to E.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import groupby, pairwise
from math import inf, prod

from netspec.diagnostics.messages.draw import CannotDraw, TooManyDrawn
from netspec.diagnostics.raised import NetspecError
from netspec.draw.layout.column import Column, Row
from netspec.draw.layout.paging import SCREEN
from netspec.draw.layout.pieces import (
    SIGNS,
    Piece,
    bar,
    beside,
    chip,
    chip_width,
    led,
    width_of,
)
from netspec.draw.layout.strands import strands
from netspec.draw.layout.structural import Layout, spread
from netspec.draw.layout.ushape import u_shape
from netspec.draw.metrics import total, wrapped
from netspec.draw.scene import SIZES, Box, Group, Item, Scene, Words
from netspec.draw.structure.elements import (
    Block,
    Element,
    Parallel,
    Repeat,
    Series,
    Step,
    Tangle,
    gives,
    leaves_of,
    nodes_of,
)
from netspec.draw.structure.flattened import flattened, is_entered_apart
from netspec.draw.structure.labels import family, resolution, spelling
from netspec.draw.structure.opening import apart
from netspec.draw.structure.reading import flat_steps, structure
from netspec.draw.styles.around import figures
from netspec.draw.styles.fold import MOST_BOXES, refuse_tangles
from netspec.draw.view import View
from netspec.foundation.records import record
from netspec.graph.checked import Graph

_MARGIN, _HEAD, _BAND, _GUTTER, _INSET, _NAME = 16.0, 52.0, 66.0, 40.0, 8.0, 14.0
# More layers than this are taller than a screen.
_MOST_STEPS = 64


@record
class Net:
    """One net and its column."""

    view: View
    column: Column

    @property
    def w(self) -> float:
        """The width of the net's column, in points."""
        return max(self.column.w, *(width_of(text, size) for text, size in self.heading))

    @property
    def heading(self) -> tuple[tuple[str, str], ...]:
        """The lines above the column and their sizes: name, parameters, the other figures."""
        params, _, others = figures(self.view).partition(" · ")
        return (self.view.graph.name, "head"), (params, "note"), (others, "note")


def columns(views: list[View]) -> Scene:
    """The nets side by side, every layer shown; repeats are folded where that takes more than a screen.

    Raises NetspecError for a net whose resolution rises again, and above 2,000 boxes.
    """
    shown = [replace(view, show=("kernel", "shape"), depth=1, followers=False) for view in views]
    for view in shown:
        refuse_tangles("columns", view.graph)
    few = all(len(flat_steps(view.graph)) <= _MOST_STEPS for view in shown)
    scene = _scene([_net(view, structure(view.graph)) for view in shown]) if few else None
    if scene is not None and scene.height <= SCREEN[1]:
        return scene
    return _scene([_net(view, apart(view.graph, view.opening)) for view in shown])


def _scene(nets: list[Net]) -> Scene:
    sizes = {name: _area(name) for net in nets for name in net.column.bands}
    order = sorted(sizes, key=lambda name: (-sizes[name], name == "", name))
    heights = {name: max(net.column.tall(name) for net in nets) for name in order}
    items: list[Item] = []
    tops: dict[str, float] = {}
    y = _MARGIN + _HEAD
    band = max([_BAND, *(width_of(name, "note") + 14 for name in order)])
    width = _MARGIN * 2 + band + total(net.w for net in nets) + _GUTTER * (len(nets) - 1) + _INSET
    foot, foot_w = _foot(nets)
    width = max(width, foot_w + 2 * _MARGIN)
    for i, name in enumerate(order):
        tops[name] = y + _INSET
        h = heights[name] + 2 * _INSET
        look = ("even", "odd")[i % 2]
        items.append(Box(_MARGIN, y, width - 2 * _MARGIN, h, "band", look, 6))
        items.append(Words(_MARGIN + 6, y + 17, name, "note", look="muted"))
        y += h + 4
    x = _MARGIN + band
    headings: list[Item] = []
    for net in nets:
        headings += _heading(net, x)
        items += net.column.draw(x, tops)
        x += net.w + _GUTTER
    if foot:
        items.append(Words(_MARGIN, y + 14, foot, "note", look="muted"))
        y += 20
    cited: list[Item] = []
    for line in _cited(nets, width - 2 * _MARGIN):
        cited.append(Words(_MARGIN, y + 14, line, "note", look="muted"))
        y += 15
    names = [net.view.graph.name for net in nets]
    shown, title = (*headings, *items, *cited), ", ".join(names)
    # Of several nets the headings say which is which.
    caption = (*headings, *cited) if len(nets) == 1 else tuple(cited)
    return Scene(shown, width, y + _MARGIN, title, _description(nets), caption=caption)


def _foot(nets: list[Net]) -> tuple[str, float]:
    """What is left out of the boxes, and how wide the line is that says so."""
    drawn = (step for net in nets for step in _steps(structure(net.view.graph)))
    left_out = dict.fromkeys(spelling(node.op) for step in drawn for node in step.nodes[1:])
    said = [f"left out after layers: {', '.join(left_out)}"] if left_out else []
    said += dict.fromkeys(net.view.unlined for net in nets if net.view.unlined)
    text = "; ".join(said)
    return text, width_of(text, "note")


def _cited(nets: list[Net], room: float) -> list[str]:
    """The papers of the nets in lines of a width; of several nets with the names of those it is that of."""
    named: dict[str, list[str]] = {}
    for net in nets:
        paper = dict(net.view.graph.metadata).get("paper")
        if isinstance(paper, str):
            named.setdefault(paper, []).append(net.view.graph.name)
    several = len(nets) > 1
    said = [f"{', '.join(names)}: {paper}" if several else paper for paper, names in named.items()]
    return [line for text in said for line in wrapped(text, SIZES["note"], room)]


def _steps(series: Series) -> Iterator[Step]:
    """Every layer that has a box of its own, but what normalises and activates by itself."""
    for leaf in leaves_of(series):
        if isinstance(leaf, Block):
            yield from _steps(leaf.body)
        elif family(leaf.node.op) != "minor":
            yield leaf


def _net(view: View, series: Series) -> Net:
    if u_shape(structure(view.graph), view.graph) is not None:
        _refuse(view.graph)
    flat = flattened(series)
    layout = Layout(view)
    count = sum(layout.boxes(item) for item in flat.items)
    if count > MOST_BOXES:
        raise NetspecError(TooManyDrawn("columns", count, MOST_BOXES))
    steps = [item.element if isinstance(item, Repeat) else item for item in flat.items]
    width = max((chip_width(s, view, " ×00") for s in steps if isinstance(s, Step)), default=0.0)
    cuts = [_cuts(item) for item in flat.items]
    if all(len(cut) < 2 for cut in cuts):
        cuts = [{} for _ in flat.items]
    heads: dict[int, list[Block]] = {}
    for at, head in flat.asides:
        heads.setdefault(at, []).append(head)
    rows: list[Row] = []
    name = ""
    for i, (item, cut) in enumerate(zip(flat.items, cuts, strict=True)):
        drawn = list(_pieces(item, cut, layout, width))
        for head in heads.get(i, ()):
            own, piece = drawn[-1]
            boxed = isinstance(item, Step | Repeat | Block)
            last = i + 1 == len(flat.items)
            drawn[-1] = own, beside(piece, layout.head(head, item), boxed=boxed, last=last)
        before = flat.items[i - 1] if i else item
        if i and gives(before) > 1 and not isinstance(item, Tangle):
            rows[-1] = replace(rows[-1], piece=spread(rows[-1].piece, before))
            own, piece = drawn[0]
            drawn[0] = own, spread(piece, item)
        for own, piece in drawn:
            # Wires side by side are where what they come from is.
            name = name if own is None else own
            rows.append(Row(piece, name, i))
    areas = [_area(name) for name, _ in groupby(row.band for row in rows)]
    if any(after >= before for before, after in pairwise(areas)):
        _refuse(view.graph)
    return Net(view, Column(view, tuple(rows), flat.arcs, flat.parts))


def _refuse(graph: Graph) -> None:
    reason = f"columns are aligned on a resolution that falls, and that of {graph.name} rises again"
    raise NetspecError(CannotDraw(reason, "draw it with --style fold"))


def _piece(element: Element, layout: Layout, width: float) -> Piece:
    if isinstance(element, Step):
        if element.joins and element.node.op.spelling not in SIGNS:
            return bar(element, layout.view, width)
        return chip(element, layout.view, width=width)
    if isinstance(element, Repeat) and isinstance(element.element, Step):
        return chip(element.element, layout.view, element, width=width)
    return layout.element(element)


Cuts = dict[str, list[list[Element]]]


def _pieces(
    element: Element, cuts: Cuts, layout: Layout, width: float
) -> Iterator[tuple[str | None, Piece]]:
    """What an element is drawn with, each with its resolution: None where it has none of its own."""
    if not (cuts and isinstance(element, Parallel) and element.join):
        yield _resolution(element), _piece(element, layout, width)
        return
    names = {item: block for branch in element.branches for item, block in _towers(branch)}

    def drawn(item: Element) -> Piece:
        block, piece = names[item], layout.element(item)
        return piece if block is None else _named(piece, block, layout.view)

    pieces = [[list(map(drawn, items)) for items in cut] for cut in cuts.values()]
    merge = partial(bar, element.join, layout.view)
    yield from zip(cuts, strands(pieces, merge, opens=element.opens), strict=True)


def _towers(branch: Series) -> list[tuple[Element, Block | None]]:
    """What a branch and the blocks that it runs through do, and of which block each is the first."""
    found: list[tuple[Element, Block | None]] = []
    for item in branch.items:
        if not isinstance(item, Block) or not _is_chain(item):
            found.append((item, None))
        else:
            found += [(inner, None if i else item) for i, inner in enumerate(item.body.items)]
    return found


def _is_chain(block: Block) -> bool:
    """Whether a block does one thing after another, so that it needs no frame."""
    return not (is_entered_apart(block) or block.body.arcs or block.body.asides)


def _named(piece: Piece, block: Block, view: View) -> Piece:
    """The first piece of a tower with the tower's name beside the wire that leads to it."""
    lower = led(piece, _NAME, 0)

    def draw(x: float, y: float) -> list[Item]:
        name = Words(x + lower.axis + 5, y + 9, block.name, "note", look="muted")
        hint = view.hint(block.path, block, block.type)
        return [Group((name,), block.call.span, block.path, hint), *lower.draw(x, y)]

    w = max(lower.w, lower.axis + 8 + width_of(block.name, "note"))
    return replace(lower, w=w, draw=draw)


def _cuts(element: Element) -> Cuts:
    """The items of each branch by resolution; empty where branches do not go through it in step.

    A net in which some go through several together is drawn as strands throughout.
    """
    if not isinstance(element, Parallel) or element.join is None:
        return {}
    if element.join.node.op.spelling in SIGNS:
        return {}
    found: list[dict[str, list[Element]]] = []
    for branch in element.branches:
        by_name: dict[str, list[Element]] = {}
        items = [] if branch.arcs or branch.asides else [item for item, _ in _towers(branch)]
        for name, members in groupby(items, key=_resolution):
            if name is None or name in by_name:
                return {}
            by_name[name] = list(members)
        found.append(by_name)
    names = list(found[0])
    in_step = all(list(by_name) == names for by_name in found)
    if not in_step or names[-1:] != [resolution(element.join.type)]:
        return {}
    return {name: [by_name[name] for by_name in found] for name in names}


def _resolution(element: Element) -> str | None:
    nodes = nodes_of(element)
    return resolution(nodes[-1].types[0]) if nodes else None


def _area(name: str) -> float:
    """The elements of a resolution; vectors come last, sizes that are formulas first."""
    if not name:
        return 0.0
    parts = name.split("×")
    return float(prod(map(int, parts))) if all(p.isdigit() for p in parts) else inf


def _heading(net: Net, x: float) -> Iterator[Item]:
    for (text, size), y in zip(net.heading, (12.0, 27.0, 41.0), strict=True):
        look = "" if size == "head" else "muted"
        yield Words(x, _MARGIN + y, text, size, look=look)


def _description(nets: list[Net]) -> str:
    return "; ".join(": ".join(("net", *(text for text, _ in net.heading))) for net in nets)
