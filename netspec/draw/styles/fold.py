"""One net on one page: title, columns read top to bottom, bands of one resolution, a legend."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from netspec.analysis.costs import costs
from netspec.diagnostics.messages.draw import TooManyDrawn, TooManyJoins
from netspec.diagnostics.raised import NetspecError
from netspec.draw.layout.paging import GUTTER, SCREEN, TALLEST, Column, columns, led_on
from netspec.draw.layout.pieces import GAP, Piece, width_of
from netspec.draw.layout.shelves import arranged
from netspec.draw.layout.structural import Layout
from netspec.draw.layout.udrawn import u_piece
from netspec.draw.layout.ushape import u_shape
from netspec.draw.metrics import fit
from netspec.draw.scene import SIZES, Box, Item, Scene, Words
from netspec.draw.structure.elements import Block, Series, blocks_of
from netspec.draw.structure.labels import human, is_join
from netspec.draw.structure.reading import structure
from netspec.draw.structure.repeats import fold, shortened
from netspec.draw.view import HEAT_STEPS, View
from netspec.graph.checked import Graph

MOST_BOXES = 2000
MOST_JOINS = 8000
_MARGIN, _TITLE, _FOOT = 16.0, 46.0, 26.0
_MOST_DETAIL = 60
_ASPECT = 1.5


def folded(view: View) -> Scene:
    """The net with its repeats folded, blocks opened as far as one screen allows.

    Of a net that takes more than 2,000 boxes, the middle of long chains is left out; raises
    NetspecError where that is not enough.
    """
    series = _marked_outline(view) if view.marks else outline(view.graph)
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


@lru_cache(maxsize=16)
def outline(graph: Graph) -> Series:
    """What `folded` draws: the net's structure with repeats folded, without a block around all."""
    refuse_tangles("fold", graph)
    return _unwrapped(fold(structure(graph)))


def _marked_outline(view: View) -> Series:
    """The outline of a net whose repeats are not folded over what is marked otherwise."""
    refuse_tangles("fold", view.graph)
    return _unwrapped(fold(structure(view.graph), view.marks))


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
    side = _columns(view, series, narrow=bool(details))
    graph = view.graph
    top = _MARGIN + _TITLE
    inner_h = max(column.h for column in side) + 2 * GAP
    items: list[Item] = []
    at = _MARGIN
    foot = (0.0, 0.0)
    for i, column in enumerate(side):
        x = at + column.band
        at = x + column.w + 10 + (GUTTER if i + 1 < len(side) else 0.0)
        axis = x + column.axis
        items = column.bands(x, top + GAP, at - GUTTER * (i + 1 < len(side))) + items
        items += column.boxes(axis, top + GAP)
        if i:
            lane, head = x - GUTTER / 2 - column.band, (axis, top + GAP)
            items += led_on(side[i - 1], column, foot, lane, top + 2, head)
        foot = (axis, top + GAP + column.h)
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


def _columns(view: View, series: Series, *, narrow: bool) -> list[Column]:
    """The columns of a page: one with a U where the net is one and that fits a screen."""
    layout = Layout(view)
    u = u_shape(series, view.graph)
    whole = None if u is None else Column((u_piece(u, layout, leaves=False),))
    if whole is not None and whole.h <= TALLEST:
        return [whole]
    found = columns(layout.pieces(series, layout.width(series)), narrow=narrow)
    shorter = whole is None or max(column.h for column in found) <= TALLEST
    return found if shorter or whole is None else [whole]


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
    rule = view.implied if view.followers else ()
    if rule:
        parts.append(f"each conv is followed by {', '.join(rule)} unless it says otherwise")
    figures = {"shape": "output shape", "params": "parameters", "macs": "multiply-adds (MACs)"}
    shown = [figures[name] for name in ("shape", "params", "macs") if name in view.show]
    if shown:
        parts.append("figures: " + " · ".join(shown))
    text = "; ".join(part for part in (*parts, view.unlined, note) if part)
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
