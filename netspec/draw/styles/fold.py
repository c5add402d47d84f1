"""One net on one page: title, columns read top to bottom, bands of one resolution, a legend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from itertools import groupby

from netspec.diagnostics.messages.draw import TooManyDrawn, TooManyJoins
from netspec.diagnostics.raised import NetspecError
from netspec.draw.layout.pieces import GAP, Piece, wire
from netspec.draw.layout.shelves import with_details
from netspec.draw.layout.structural import Layout
from netspec.draw.layout.ushape import u_piece, u_shape
from netspec.draw.metrics import fit, total, wrapped
from netspec.draw.scene import SIZES, Box, Item, Scene, Words
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
from netspec.draw.structure.labels import is_join, resolution
from netspec.draw.structure.reading import structure
from netspec.draw.structure.repeats import fold, shortened
from netspec.draw.structure.sharing import sharing
from netspec.draw.styles.around import AROUND, MARGIN, framed
from netspec.draw.styles.inside import insides
from netspec.draw.view import View
from netspec.foundation.records import record
from netspec.graph.checked import Graph, Node

SCREEN = (1600.0, 1000.0)
MOST_BOXES = 2000
MOST_JOINS = 8000
_BAND, _GUTTER = 58.0, 20.0
_MOST_COLUMNS = 6
_ASPECT = 1.5


@record
class Column:
    """Pieces one below the other, with the resolution of each."""

    pieces: tuple[Piece, ...]
    bands: tuple[str, ...]

    @property
    def axis(self) -> float:
        """Where the line through the boxes is, in points from the column's left."""
        return max(p.axis for p in self.pieces)

    @property
    def w(self) -> float:
        """The column's width in points."""
        return self.axis + max(p.w - p.axis for p in self.pieces)

    @property
    def h(self) -> float:
        """The column's height in points, gaps included."""
        return total(p.h for p in self.pieces) + GAP * (len(self.pieces) - 1)


def folded(view: View) -> Scene:
    """The net with its repeats folded, blocks opened as far as one screen allows.

    Of a net that takes more than 2,000 boxes, the middle of long chains is left out; raises
    NetspecError where that is not enough.
    """
    series = _outline(view.graph, view.marks) if view.marks else outline(view.graph)
    chosen = view.depth is not None or view.expand or view.only is not None
    closed = replace(view, depth=0, expand=(), only=None)
    if Layout(closed if not chosen else view).boxes(series) > MOST_BOXES:
        series = shortened(series)
    if chosen:
        return page(view if _is_drawable(view, series) else _drawable(closed, series), series)
    choices = (
        view,
        replace(view, first=True),
        replace(view, depth=2),
        replace(view, depth=1),
        replace(closed, wrappers=True),
    )
    pages = []
    for choice in choices:
        if _is_drawable(choice, series):
            found = page(choice, series, inside=True)
            if on_screen(found):
                return found
            pages.append(found)
    if not pages:
        _drawable(closed, series)
    # What is too much for a screen grows downwards.
    return min(pages, key=lambda found: (max(found.width, SCREEN[0]), found.height))


def refuse_tangles(style: str, graph: Graph) -> None:
    """Raises NetspecError where branches meet at more places than are worth taking apart."""
    count = sum(is_join(node) for node in graph.nodes)
    if count > MOST_JOINS:
        raise NetspecError(TooManyJoins(style, count, MOST_JOINS))


@lru_cache(maxsize=16)
def outline(graph: Graph) -> Series:
    """What `folded` draws: the net's structure with repeats folded, without a block around all."""
    return _outline(graph, {})


def _outline(graph: Graph, marks: Mapping[Node, str]) -> Series:
    """The outline of a net whose repeats are not folded over what is marked otherwise."""
    refuse_tangles("fold", graph)
    # Layers that share weights are told apart from those that are like them otherwise.
    both = sharing(graph).marks(graph.nodes)
    both |= {node: both.get(node, "") + mark for node, mark in marks.items()}
    return _unwrapped(fold(structure(graph), both))


def _is_drawable(view: View, series: Series) -> bool:
    return Layout(view).boxes(series) <= MOST_BOXES


def _drawable(view: View, series: Series) -> View:
    count = Layout(view).boxes(series)
    if count > MOST_BOXES:
        advice = "write the graph as text (--style flow --format dot)"
        raise NetspecError(TooManyDrawn("fold", count, MOST_BOXES, advice))
    return view


def _unwrapped(series: Series) -> Series:
    """A net that is one block is shown as what that block does."""
    while len(series.items) == 1 and isinstance(series.items[0], Block) and not series.asides:
        series = series.items[0].body
    return series


def on_screen(scene: Scene) -> bool:
    """Whether a scene fits one screen at full size."""
    return scene.width <= SCREEN[0] and scene.height <= SCREEN[1]


def page(view: View, series: Series, *, inside: bool = False) -> Scene:
    """A series as a page of columns; with what is `inside` of the blocks that are closed."""
    layout = Layout(view)
    room = MOST_BOXES - layout.boxes(series)
    details, left_out = insides(view, series, room) if inside else ([], [])
    u = u_shape(series, view.graph)
    if u is not None:
        columns = [Column((u_piece(u, layout, leaves=False),), ("",))]
    else:
        columns = _columns(layout.pieces(series, layout.width(series)), narrow=bool(details))
    notes = [f"not shown: the inside of {', '.join(left_out)}"] if left_out else []
    w, h = SCREEN[0] - 2 * MARGIN, SCREEN[1] - AROUND
    whole = with_details(_side_by_side(columns), details, w, h)
    return framed(view, whole, notes, centred=False)


def _side_by_side(columns: list[Column]) -> Piece:
    """Columns with what flows from the end of each to the next."""
    bands = [_BAND if any(column.bands) else 0.0 for column in columns]
    lefts, at = [], 0.0
    for column, band in zip(columns, bands, strict=True):
        lefts.append(at + band)
        at += band + column.w + 10 + _GUTTER
    h = max(column.h for column in columns) + 2 * GAP

    def draw(left: float, top: float) -> list[Item]:
        items: list[Item] = []
        before: tuple[float, float] | None = None
        for column, place, band in zip(columns, lefts, bands, strict=True):
            x = left + place
            axis = x + column.axis
            items = _band_items(column, x, top + GAP, x + column.w + 10) + items
            items += _column_items(column, axis, top + GAP)
            if before is not None:
                lane, entry = x - _GUTTER / 2 - band, top + 2
                low = before[1] + GAP - 4
                points = (before, (before[0], low), (lane, low), (lane, entry), (axis, entry))
                arrow = not column.pieces[0].wired
                items.append(wire(*points, (axis, top + GAP), arrow=arrow))
            before = (axis, top + GAP + column.h)
        return items

    return Piece(at - _GUTTER - 6, h, 0.0, draw)


def _column_items(column: Column, axis: float, y: float) -> list[Item]:
    found: list[Item] = []
    for i, piece in enumerate(column.pieces):
        if i:
            found.append(wire((axis, y - GAP), (axis, y), arrow=not piece.wired))
        found += piece.draw(axis - piece.axis, y)
        y += piece.h + GAP
    return found


def _band_items(column: Column, x: float, y: float, right: float) -> list[Item]:
    """A tinted strip behind what has one resolution, named at its left."""
    found: list[Item] = []
    runs = groupby(zip(column.bands, column.pieces, strict=True), key=lambda pair: pair[0])
    for i, (band, members) in enumerate(runs):
        heights = [piece.h for _, piece in members]
        h = total(heights) + GAP * (len(heights) - 1)
        if band:
            left = x - _BAND
            look = "even" if i % 2 == 0 else "odd"
            found.append(Box(left, y - 5, right - left, h + 10, "band", look, 6))
            lines = wrapped(band, SIZES["note"], _BAND - 8)
            if len(lines) > 2:
                lines = [fit(band, SIZES["note"], _BAND - 8)]
            for line, text in enumerate(lines):
                found.append(Words(left + 6, y + 12 + 12 * line, text, "note", look="muted"))
        y += h + GAP
    return found


def _band(element: Element) -> str:
    """The resolution an element works at: that of what it gives."""
    match element:
        case Step() | Block():
            return resolution(element.type)
        case Repeat():
            return _band(element.element)
        case Parallel() if element.join is not None and element.opens:
            return resolution(element.join.type)
        case Parallel() | Series() | Tangle():
            return _common_resolution(nodes_of(element))
    return ""


@lru_cache(maxsize=1024)
def _common_resolution(nodes: tuple[Node, ...]) -> str:
    found = {resolution(node.types[0]) for node in nodes}
    return found.pop() if len(found) == 1 else ""


# --- columns


def _columns(found: list[tuple[Piece, Element]], *, narrow: bool) -> list[Column]:
    """The division into columns whose page comes closest to a screen's shape.

    A `narrow` page, which has something beside it, has as few columns as the height allows.
    """
    pieces, bands = [piece for piece, _ in found], [_band(element) for _, element in found]
    best: tuple[float, list[Column]] | None = None
    for count in range(1, min(_MOST_COLUMNS, len(pieces)) + 1):
        columns = [Column(tuple(pieces[a:b]), tuple(bands[a:b])) for a, b in _divide(pieces, count)]
        w = total(c.w + 10 + _GUTTER + _BAND for c in columns)
        h = max(c.h for c in columns) + AROUND + 38
        # The size at which the page fits a screen, with a taste for few columns.
        cost = max(w / SCREEN[0], h / SCREEN[1], 0.62) + 0.02 * count
        if narrow:
            cost = max(h / SCREEN[1], 1.0) + 0.02 * count
        if best is None or cost < best[0]:
            best = cost, columns
    assert best is not None
    return best[1]


def _divide(pieces: list[Piece], count: int) -> list[tuple[int, int]]:
    """Where to break so that the tallest of `count` columns is as short as it can be."""
    heights = [p.h + GAP for p in pieces]
    low, high = max(heights), total(heights)
    while high - low > 1:
        middle = (low + high) / 2
        if len(_breaks(heights, middle)) <= count:
            high = middle
        else:
            low = middle
    return _breaks(heights, high)


def _breaks(heights: list[float], limit: float) -> list[tuple[int, int]]:
    found, start, total = [], 0, 0.0
    for i, h in enumerate(heights):
        if total + h > limit and i > start:
            found.append((start, i))
            start, total = i, 0.0
        total += h
    return [*found, (start, len(heights))]
