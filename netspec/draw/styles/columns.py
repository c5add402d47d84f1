"""Several nets side by side, each a column of layers, aligned on resolution.

As the figure of the ResNet paper sets VGG-19, a plain net and a ResNet side by side, and the table
of the VGG paper its nets A to E.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import groupby, pairwise
from math import inf, prod
from operator import itemgetter

from netspec.analysis.costs import costs
from netspec.diagnostics.messages.draw import CannotDraw, TooManyDrawn
from netspec.diagnostics.raised import NetspecError
from netspec.draw.layout.pieces import (
    SIGNS,
    Piece,
    bar,
    chip,
    chip_width,
    width_of,
    wire,
)
from netspec.draw.layout.strands import strands
from netspec.draw.layout.structural import Layout
from netspec.draw.layout.ushape import u_shape
from netspec.draw.metrics import total
from netspec.draw.scene import Box, Item, Scene, Words
from netspec.draw.structure.elements import (
    Block,
    Element,
    Parallel,
    Repeat,
    Series,
    Step,
    nodes_of,
)
from netspec.draw.structure.labels import human, resolution
from netspec.draw.structure.opening import apart
from netspec.draw.structure.reading import flat_steps, structure
from netspec.draw.styles.fold import MOST_BOXES, refuse_tangles
from netspec.draw.view import View
from netspec.foundation.records import record
from netspec.graph.checked import Graph

_MARGIN, _HEAD, _BAND, _GUTTER, _GAP, _INSET = 16.0, 52.0, 66.0, 40.0, 12.0, 8.0
_MOST_STEPS = 64


@record
class Net:
    """One column: its pieces by resolution."""

    view: View
    runs: dict[str, tuple[Piece, ...]]

    @property
    def axis(self) -> float:
        """Where the line through the net's boxes is, in points from its left."""
        return max(p.axis for run in self.runs.values() for p in run)

    @property
    def w(self) -> float:
        """The width of the net's column, in points."""
        right = max(p.w - p.axis for run in self.runs.values() for p in run)
        return max(self.axis + right, *(width_of(text, size) for text, size in self.heading))

    @property
    def heading(self) -> tuple[tuple[str, str], ...]:
        """The lines above the column and their sizes: name, parameters, MACs."""
        total = costs(self.view.graph)
        params = f"{human(total.params + total.params_frozen)} parameters"
        macs = f"{human(total.macs)} MACs · {total.depth} layers"
        return (self.view.graph.name, "head"), (params, "note"), (macs, "note")


def columns(views: list[View]) -> Scene:
    """The nets side by side, every layer shown; nets of more than 64 layers have repeats folded.

    Raises NetspecError for a net whose resolution rises again, and above 2,000 boxes.
    """
    nets = [_net(replace(view, show=("kernel",), depth=1, followers=False)) for view in views]
    sizes = {name: _area(name) for net in nets for name in net.runs}
    order = sorted(sizes, key=lambda name: (-sizes[name], name == "", name))
    heights = {name: max(_tall(net.runs.get(name, ())) for net in nets) for name in order}
    items: list[Item] = []
    tops: dict[str, float] = {}
    y = _MARGIN + _HEAD
    width = _MARGIN * 2 + _BAND + total(net.w for net in nets) + _GUTTER * (len(nets) - 1) + _INSET
    for i, name in enumerate(order):
        tops[name] = y + _INSET
        h = heights[name] + 2 * _INSET
        look = ("even", "odd")[i % 2]
        items.append(Box(_MARGIN, y, width - 2 * _MARGIN, h, "band", look, 6))
        items.append(Words(_MARGIN + 6, y + 17, name, "note", look="muted"))
        y += h + 4
    x = _MARGIN + _BAND
    headings: list[Item] = []
    for net in nets:
        headings += _heading(net, x)
        items += _column(net, x, tops, order)
        x += net.w + _GUTTER
    names = [net.view.graph.name for net in nets]
    shown, title = (*headings, *items), ", ".join(names)
    # Of several nets the headings say which is which.
    caption = tuple(headings) if len(nets) == 1 else ()
    return Scene(shown, width, y + _MARGIN, title, _description(nets), caption=caption)


def _net(view: View) -> Net:
    refuse_tangles("columns", view.graph)
    series = structure(view.graph)
    if u_shape(series, view.graph) is not None:
        _refuse(view.graph)
    if len(flat_steps(view.graph)) > _MOST_STEPS:
        series = apart(view.graph, view.opening)
    elements = [element for item in series.items for element in _unboxed(item)]
    runs: dict[str, tuple[Piece, ...]] = {}
    layout = Layout(view)
    count = sum(layout.boxes(element) for element in elements)
    if count > MOST_BOXES:
        raise NetspecError(TooManyDrawn("columns", count, MOST_BOXES))
    steps = [e.element if isinstance(e, Repeat) else e for e in elements]
    width = max((chip_width(s, view, " ×00") for s in steps if isinstance(s, Step)), default=0.0)
    cuts = [_cuts(element) for element in elements]
    if all(len(cut) < 2 for cut in cuts):
        cuts = [{} for _ in elements]
    drawn = (
        pair
        for element, cut in zip(elements, cuts, strict=True)
        for pair in _pieces(element, cut, layout, width)
    )
    for name, members in groupby(_resolved(drawn), key=itemgetter(0)):
        if name in runs:
            _refuse(view.graph)
        runs[name] = tuple(piece for _, piece in members)
    areas = [_area(name) for name in runs]
    if any(after > before for before, after in pairwise(areas)):
        _refuse(view.graph)
    return Net(view, runs)


def _refuse(graph: Graph) -> None:
    reason = f"columns are aligned on a resolution that falls, and that of {graph.name} rises again"
    raise NetspecError(CannotDraw(reason, "draw it with --style fold"))


def _unboxed(element: Element) -> list[Element]:
    """What a block does, without a box around it; a folded block stays whole."""
    match element:
        case Block():
            return [inner for item in element.body.items for inner in _unboxed(item)]
        case Series() if not element.arcs:
            return [inner for item in element.items for inner in _unboxed(item)]
        case Repeat() if element.count == 1:
            return _unboxed(element.element)
    return [element]


def _piece(element: Element, layout: Layout, width: float) -> Piece:
    if isinstance(element, Step):
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
    drawn = [[list(map(layout.element, items)) for items in cut] for cut in cuts.values()]
    merge = partial(bar, element.join, layout.view)
    yield from zip(cuts, strands(drawn, merge, opens=element.opens), strict=True)


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
        items = [] if branch.arcs or branch.asides else _unboxed(branch)
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


def _resolved(drawn: Iterable[tuple[str | None, Piece]]) -> Iterator[tuple[str, Piece]]:
    """Each piece with its resolution: of wires side by side, that of what they come from."""
    name = ""
    for own, piece in drawn:
        name = name if own is None else own
        yield name, piece


def _area(name: str) -> float:
    """The elements of a resolution; vectors come last, sizes that are formulas first."""
    if not name:
        return 0.0
    parts = name.split("×")
    return float(prod(map(int, parts))) if all(p.isdigit() for p in parts) else inf


def _tall(run: tuple[Piece, ...]) -> float:
    return total(p.h for p in run) + _GAP * (len(run) - 1) if run else 0.0


def _heading(net: Net, x: float) -> Iterator[Item]:
    for (text, size), y in zip(net.heading, (12.0, 27.0, 41.0), strict=True):
        look = "" if size == "head" else "muted"
        yield Words(x, _MARGIN + y, text, size, look=look)


def _column(net: Net, x: float, tops: dict[str, float], order: list[str]) -> list[Item]:
    found: list[Item] = []
    axis = x + net.axis
    end: float | None = None
    for name in order:
        y = tops[name]
        for piece in net.runs.get(name, ()):
            for lane in piece.lanes if end is not None else ():
                ends = (axis + lane, end or 0.0), (axis + lane, y)
                found.append(wire(*ends, arrow=not piece.wired))
            found += piece.draw(axis - piece.axis, y)
            end = y + piece.h
            y = end + _GAP
    return found


def _description(nets: list[Net]) -> str:
    return "; ".join(": ".join(("net", *(text for text, _ in net.heading))) for net in nets)
