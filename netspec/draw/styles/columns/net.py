"""A net taken apart into a chain: what each row shows, and which resolution it stands in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import groupby

from netspec.diagnostics.messages.draw import CannotDraw, TooManyDrawn
from netspec.diagnostics.raised import NetspecError
from netspec.draw.layout.lattice.drawn import lattice
from netspec.draw.layout.pieces import SIGNS, Piece, bar, beside, chip, chip_width, led, width_of
from netspec.draw.layout.strands import strands
from netspec.draw.layout.structural import Layout, ended, spread
from netspec.draw.layout.ushape import u_shape
from netspec.draw.scene import Group, Item, Words
from netspec.draw.structure.elements import (
    Block,
    Element,
    Parallel,
    Repeat,
    Series,
    Step,
    Tangle,
    gives,
    nodes_of,
)
from netspec.draw.structure.flattened import flattened, is_entered_apart
from netspec.draw.structure.labels import resolution
from netspec.draw.structure.opening import apart
from netspec.draw.structure.reading import structure
from netspec.draw.styles.columns.chain import Band, Chain, Row
from netspec.draw.styles.fold import MOST_BOXES
from netspec.draw.view import View
from netspec.graph.checked import Graph

_NAME = 14.0


def refuse_risen(view: View) -> None:
    """Raises NetspecError for a net whose resolution falls and rises again: a U, or back and forth."""
    graph = view.graph
    series, layout = apart(graph, view.opening, named=False), Layout(replace(view, depth=0))
    rises = u_shape(structure(graph), graph) is not None
    if rises or lattice(series, layout, graph, whole=True) is not None:
        _refuse(f"columns go from one resolution to the next, and that of {graph.name} rises again")


def chain_of(view: View, series: Series) -> Chain:
    """The chain of a net, of which `series` is the structure.

    Raises NetspecError for a net that comes back to a resolution, and above 2,000 boxes.
    """
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
    band = Band("")
    for i, (item, cut) in enumerate(zip(flat.items, cuts, strict=True)):
        shown = ended(item) if i + 1 == len(flat.items) else item
        drawn = list(_pieces(shown, cut, layout, width))
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
            band = band if own is None else own
            rows.append(Row(piece, band, i))
    bands = [band for band, _ in groupby(row.band for row in rows)]
    again = next((band for i, band in enumerate(bands) if band in bands[:i]), None)
    if again is not None:
        what = f"comes back to {again.name or 'vectors'}"
        _refuse(f"columns have one strip for each resolution, and {view.graph.name} {what}")
    return Chain(view, tuple(rows), flat.arcs, flat.parts)


def _refuse(reason: str) -> None:
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
) -> Iterator[tuple[Band | None, Piece]]:
    """What an element is drawn with, each with its band: None where it has none of its own."""
    if not (cuts and isinstance(element, Parallel) and element.join):
        yield _band(element, layout.view.graph), _piece(element, layout, width)
        return
    names = {item: block for branch in element.branches for item, block in _towers(branch)}

    def drawn(item: Element) -> Piece:
        block, piece = names[item], layout.element(item)
        return piece if block is None else _named(piece, block, layout.view)

    pieces = [[list(map(drawn, items)) for items in cut] for cut in cuts.values()]
    merge = partial(bar, element.join, layout.view)
    yield from zip(map(Band, cuts), strands(pieces, merge, opens=element.opens), strict=True)


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
    title = view.titled(block, block.name)

    def draw(x: float, y: float) -> list[Item]:
        name = Words(x + lower.axis + 5, y + 9, title, "note", look="muted")
        hint = view.hint(block.path, block, block.type)
        return [Group((name,), block.call.span, block.path, hint), *lower.draw(x, y)]

    w = max(lower.w, lower.axis + 8 + width_of(title, "note"))
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


def _band(element: Element, graph: Graph) -> Band | None:
    """The band of what an element gives; its own where it has inputs of the net of other resolutions."""
    name = _resolution(element)
    inputs = [node for node in nodes_of(element) if node in graph.inputs]
    if any(resolution(node.types[0]) not in ("", name) for node in inputs):
        return Band("", graph.name)
    return None if name is None else Band(name)


def _resolution(element: Element) -> str | None:
    nodes = nodes_of(element)
    return resolution(nodes[-1].types[0]) if nodes else None
