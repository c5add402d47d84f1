"""One net on one page: title, columns read top to bottom, bands of one resolution, a legend."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from netspec.diagnostics.messages.draw import TooManyDrawn, TooManyJoins
from netspec.diagnostics.raised import NetspecError
from netspec.draw.layout.lattice.drawn import lattice
from netspec.draw.layout.paging import GUTTER, SCREEN, TALLEST, Column, columns, led_on
from netspec.draw.layout.pieces import GAP, Piece
from netspec.draw.layout.shelves import with_details
from netspec.draw.layout.structural import Layout
from netspec.draw.layout.udrawn import u_piece
from netspec.draw.layout.ushape import u_shape
from netspec.draw.scene import Item, Scene
from netspec.draw.structure.elements import Block, Series
from netspec.draw.structure.labels import is_join
from netspec.draw.structure.opening import CLOSED, Opening, apart
from netspec.draw.structure.repeats import shortened
from netspec.draw.styles.around import AROUND, MARGIN, framed
from netspec.draw.styles.inside import insides, parts_shown
from netspec.draw.view import View
from netspec.graph.checked import Graph

MOST_BOXES = 2000
MOST_JOINS = 8000


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
    room = MOST_BOXES - Layout(view).boxes(series)
    details, left_out = insides(view, series, room) if inside else ([], [])
    side = _columns(view, series, narrow=bool(details))
    notes = [f"not shown: the inside of {', '.join(left_out)}"] if left_out else []
    w, h = SCREEN[0] - 2 * MARGIN, SCREEN[1] - AROUND
    main = _side_by_side(side)
    whole = with_details(main, details, w, h)
    more = parts_shown(view) if inside else []
    if more:
        # Layers are said in a word: what they do is shown where there is room.
        fuller = with_details(main, [*details, *more], w, h)
        whole = fuller if fuller.w <= w and fuller.h <= h else whole
    return framed(view, whole, notes, centred=False)


def _columns(view: View, series: Series, *, narrow: bool) -> list[Column]:
    """The columns of a page: one with a U or a lattice where the net is one and that fits a screen."""
    layout = Layout(view)
    piece = _whole(layout, series)
    whole = None if piece is None else Column((piece,))
    if whole is not None and whole.h <= TALLEST and whole.w <= SCREEN[0] - 2 * MARGIN:
        return [whole]
    found = columns(layout.pieces(series, layout.width(series), whole=True), narrow=narrow)
    shorter = whole is None or max(column.h for column in found) <= TALLEST
    return found if shorter or whole is None else [whole]


def _whole(layout: Layout, series: Series) -> Piece | None:
    found = lattice(series, layout, layout.view.graph, whole=True)
    u = None if found else u_shape(series, layout.view.graph)
    return found if u is None else u_piece(u, layout, leaves=False)


def _side_by_side(side: list[Column]) -> Piece:
    """Columns with what flows from the end of each to the next."""
    lefts, at = [], 0.0
    for column in side:
        lefts.append(at + column.band)
        at += column.band + column.w + 10 + GUTTER
    h = max(column.h for column in side) + 2 * GAP

    def draw(left: float, top: float) -> list[Item]:
        items: list[Item] = []
        foot = (0.0, 0.0)
        for i, (column, place) in enumerate(zip(side, lefts, strict=True)):
            x = left + place
            axis = x + column.axis
            items = column.bands(x, top + GAP, x + column.w + 10) + items
            items += column.boxes(axis, top + GAP)
            if i:
                lane, head = x - GUTTER / 2 - column.band, (axis, top + GAP)
                items += led_on(side[i - 1], column, foot, lane, top + 2, head)
            foot = (axis, top + GAP + column.h)
        return items

    return Piece(at - GUTTER - 6, h, 0.0, draw)
