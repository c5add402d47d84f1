"""One net on one page: title, columns read top to bottom, bands of one resolution, a legend."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import groupby

from netspec.analysis.costs import costs
from netspec.diagnostics.messages.draw import TooManyDrawn, TooManyJoins
from netspec.diagnostics.raised import NetspecError
from netspec.draw.layout.pieces import GAP, Piece, width_of, wire
from netspec.draw.layout.shelves import arranged
from netspec.draw.layout.structural import Layout
from netspec.draw.layout.ushape import u_piece, u_shape
from netspec.draw.metrics import fit, total
from netspec.draw.scene import SIZES, Box, Item, Scene, Words
from netspec.draw.structure.elements import (
    Block,
    Element,
    Parallel,
    Repeat,
    Series,
    Step,
    Tangle,
    blocks_of,
    nodes_of,
)
from netspec.draw.structure.labels import human, is_join, resolution
from netspec.draw.structure.opening import CLOSED, Opening, apart
from netspec.draw.structure.reading import structure
from netspec.draw.structure.repeats import shortened
from netspec.draw.view import HEAT_STEPS, View
from netspec.foundation.records import record
from netspec.graph.checked import Graph, Node

SCREEN = (1600.0, 1000.0)
MOST_BOXES = 2000
MOST_JOINS = 8000
_MARGIN, _TITLE, _FOOT, _BAND, _GUTTER = 16.0, 46.0, 26.0, 58.0, 20.0
_MOST_COLUMNS = 6
_MOST_DETAIL = 60
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
    series = outline_of(view)
    chosen = view.depth is not None or view.expand or view.only is not None
    closed = replace(view, depth=0, expand=(), only=None)
    if Layout(closed if not chosen else view).boxes(series) > MOST_BOXES:
        series = shortened(series)
    if chosen:
        return page(view if _is_drawable(view, series) else _drawable(closed, series), series)
    first = (replace(view, first=True), replace(view, depth=2), replace(view, depth=1))
    for choice in (view, *first):
        if _is_drawable(choice, series):
            scene = page(choice, series)
            if on_screen(scene):
                return scene
    return page(_drawable(closed, series), series, _details(replace(view, depth=1), series))


def refuse_tangles(style: str, graph: Graph) -> None:
    """Raises NetspecError where branches meet at more places than are worth taking apart."""
    count = sum(is_join(node) for node in graph.nodes)
    if count > MOST_JOINS:
        raise NetspecError(TooManyJoins(style, count, MOST_JOINS))


@lru_cache(maxsize=64)
def outline(graph: Graph, opening: Opening = CLOSED) -> Series:
    """What `folded` draws: the net's structure with repeats folded, without a block around all.

    What `opening` shows alone is not folded.
    """
    refuse_tangles("fold", graph)
    return _unwrapped(apart(graph, opening))


def outline_of(view: View) -> Series:
    """The outline of the view's net, whose repeats are not folded over what is marked otherwise."""
    if view.marks:
        refuse_tangles("fold", view.graph)
        return _unwrapped(apart(view.graph, view.opening, view.marks))
    return outline(view.graph, replace(view.opening, names=frozenset()))


def _is_drawable(view: View, series: Series) -> bool:
    return Layout(view).boxes(series) <= MOST_BOXES


def _drawable(view: View, series: Series) -> View:
    count = Layout(view).boxes(series)
    if count > MOST_BOXES:
        advice = "write the graph as text (--style flow --format dot)"
        raise NetspecError(TooManyDrawn("fold", count, MOST_BOXES, advice))
    return view


def _details(view: View, series: Series) -> list[Piece]:
    """Each block once, opened by one level, for beside a picture that has all of them closed.

    Those that are most of the net come first: they are kept where there is not room for all.
    """
    found: dict[str, Block] = {}
    share: Counter[str] = Counter()
    for block in blocks_of(structure(view.graph)):
        share[block.call.block] += len(block.nodes)
    layout = Layout(view)
    for block in blocks_of(series):
        if not block.head and layout.boxes(block) < _MOST_DETAIL:
            found.setdefault(block.call.block, block)
    ordered = sorted(found.values(), key=lambda block: -share[block.call.block])[:_MOST_DETAIL]
    return [layout.block(b, b, 0.0, title=f"inside {b.call.block}") for b in ordered]


def _unwrapped(series: Series) -> Series:
    """A net that is one block is shown as what that block does."""
    while len(series.items) == 1 and isinstance(series.items[0], Block) and not series.asides:
        series = series.items[0].body
    return series


def on_screen(scene: Scene) -> bool:
    """Whether a scene fits one screen at full size."""
    return scene.width <= SCREEN[0] and scene.height <= SCREEN[1]


def page(view: View, series: Series, details: Sequence[Piece] = ()) -> Scene:
    """A series as a page of columns, with details in further ones."""
    layout = Layout(view)
    u = u_shape(series, view.graph)
    if u is not None:
        columns = [Column((u_piece(u, layout, leaves=False),), ("",))]
    else:
        columns = _columns(layout.pieces(series, layout.width(series)), narrow=bool(details))
    graph = view.graph
    top = _MARGIN + _TITLE
    inner_h = max(column.h for column in columns) + 2 * GAP
    items: list[Item] = []
    at = _MARGIN
    before: tuple[float, float] | None = None
    for i, column in enumerate(columns):
        x = at + (_BAND if any(column.bands) else 0.0)
        at = x + column.w + 10 + (_GUTTER if i + 1 < len(columns) else 0.0)
        axis = x + column.axis
        items = _band_items(column, x, top + GAP, at - _GUTTER * (i + 1 < len(columns))) + items
        items += _column_items(column, axis, top + GAP)
        if before is not None:
            lane, entry = x - _GUTTER / 2 - (_BAND if any(column.bands) else 0.0), top + 2
            low = before[1] + GAP - 4
            points = (before, (before[0], low), (lane, low), (lane, entry), (axis, entry))
            arrow = not column.pieces[0].wired
            items.append(wire(*points, (axis, top + GAP), arrow=arrow))
        before = (axis, top + GAP + column.h)
    room = SCREEN[0] - at - _MARGIN, SCREEN[1] - top - GAP - _FOOT - 6
    left = at + GAP
    for piece, x, y in arranged(details, *room):
        items += piece.draw(left + x, top + GAP + y)
        inner_h = max(inner_h, y + piece.h + 2 * GAP)
        at = max(at, left + x + piece.w + 8)
    legend, legend_w = _legend(view, top + inner_h + 4)
    width = max(at + _MARGIN - 6, 2 * _MARGIN + legend_w, 360.0)
    title = _title(graph.name, view, width - 2 * _MARGIN)
    height = top + inner_h + _FOOT + 6
    return _scene(view, (*title, *items, *legend), width, height, (*title, *legend))


def framed(view: View, inner: Piece, note: str) -> Scene:
    """One piece as a page, with the net's title and a note below."""
    top = _MARGIN + _TITLE
    legend, legend_w = _legend(view, top + inner.h + GAP, note)
    width = max(inner.w, legend_w, 328.0) + 2 * _MARGIN
    left = (width - inner.w) / 2
    title = _title(view.graph.name, view, width - 2 * _MARGIN)
    items = (*title, *inner.draw(left, top), *legend)
    height = top + inner.h + GAP + _FOOT
    return _scene(view, items, width, height, (*title, *legend))


def _scene(
    view: View, items: tuple[Item, ...], width: float, height: float, caption: tuple[Item, ...]
) -> Scene:
    graph = view.graph
    file = graph.source.name
    return Scene(items, width, height, graph.name, _description(view), file, caption)


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
            text = fit(band, SIZES["note"], _BAND - 8)
            found.append(Words(left + 6, y + 12, text, "note", look="muted"))
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
        h = max(c.h for c in columns) + _TITLE + _FOOT + 60
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


# --- words around the picture


def _title(name: str, view: View, room: float) -> list[Item]:
    total = costs(view.graph)
    facts = [f"{human(total.params + total.params_frozen)} parameters"]
    if total.macs != 0:
        facts.append(f"{human(total.macs)} MACs")
    facts.append(f"{total.depth} layers")
    numbers = " · ".join(facts)
    paper = dict(view.graph.metadata).get("paper")
    found: list[Item] = [
        Words(_MARGIN, _MARGIN + 16, fit(name, SIZES["title"], room, bold=True), "title"),
        Words(_MARGIN, _MARGIN + 34, fit(numbers, SIZES["note"], room), "note", look="muted"),
    ]
    used = max(width_of(numbers, "note"), width_of(name, "title")) + 24
    if isinstance(paper, str) and room - used > 120:
        text = fit(paper, SIZES["note"], room - used)
        found.append(Words(_MARGIN + room, _MARGIN + 34, text, "note", "end", "muted"))
    return found


def _description(view: View) -> str:
    total = costs(view.graph)
    return f"{view.graph.name}: {total.params:,} parameters, {total.depth} layers"


def _legend(view: View, y: float, note: str = "") -> tuple[list[Item], float]:
    """What the picture leaves out because it holds nearly everywhere, and what numbers mean."""
    parts = []
    rule = view.implied
    if rule:
        parts.append(f"each conv is followed by {', '.join(rule)} unless it says otherwise")
    figures = {"shape": "output shape", "params": "parameters", "macs": "multiply-adds (MACs)"}
    shown = [figures[name] for name in ("shape", "params", "macs") if name in view.show]
    if shown:
        parts.append("figures: " + " · ".join(shown))
    text = "; ".join([*parts, note] if note else parts)
    found: list[Item] = [Words(_MARGIN, y + 14, text, "note", look="muted")] if text else []
    width = width_of(text, "note")
    if view.heat is not None:
        key, key_w = _heat_key(view, _MARGIN + width + 24, y)
        found += key
        width += 24 + key_w
    return found, width


def _heat_key(view: View, x: float, y: float) -> tuple[list[Item], float]:
    units = {"params": "parameters", "macs": "MACs", "memory": "bytes of output"}
    high = f"{human(round(view.hottest))} {units[view.heat or 'params']}"
    found: list[Item] = [Words(x, y + 14, "0", "note", look="muted")]
    for i in range(HEAT_STEPS):
        found.append(Box(x + 12 + 18 * i, y + 4, 18, 12, "key", f"h{i}", 0))
    end = x + 12 + 18 * HEAT_STEPS + 6
    found.append(Words(end, y + 14, high, "note", look="muted"))
    return found, end - x + width_of(high, "note")
