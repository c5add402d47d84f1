"""One net on one page: title, columns read top to bottom, bands of one resolution, a legend."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

from netspec.diagnostics.messages.draw import TooManyDrawn, TooManyJoins
from netspec.diagnostics.raised import NetspecError
from netspec.draw.layout.abreast import side_by_side
from netspec.draw.layout.lattice.drawn import lattice
from netspec.draw.layout.paging import SCREEN, TALLEST, Column, divisions, unevenness
from netspec.draw.layout.pieces import Piece
from netspec.draw.layout.shelves import arranged, with_details
from netspec.draw.layout.structural import Layout
from netspec.draw.layout.udrawn import u_piece
from netspec.draw.layout.ushape import u_shape
from netspec.draw.scene import Scene
from netspec.draw.structure.elements import Block, Series
from netspec.draw.structure.labels import is_join
from netspec.draw.structure.opening import CLOSED, Opening, apart
from netspec.draw.structure.repeats import shortened
from netspec.draw.styles.around import AROUND, MARGIN, framed
from netspec.draw.styles.inside import insides, parts_shown
from netspec.draw.view import View
from netspec.foundation.records import record
from netspec.graph.checked import Graph

MOST_BOXES = 2000
MOST_JOINS = 8000
# Pages up to this cost are not laid out again, and what a second layout must be better by.
_ROOMY, _TURN = 0.7, 0.05


def folded(view: View) -> Scene:
    """The net with its repeats folded, blocks opened as far as one screen allows.

    Of a net that takes more than 2,000 boxes, the middle of long chains is left out; raises
    NetspecError where that is not enough.
    """
    found = []
    for each in pages(view):
        if on_screen(each):
            return each
        found.append(each)
    return min(found, key=lambda each: max(each.width / SCREEN[0], each.height / SCREEN[1]))


def pages(view: View) -> Iterator[Scene]:
    """The net as `folded` may show it, the pages with the most open blocks first.

    One page where the view itself says what is open. Raises NetspecError as `folded` does.
    """
    series = outline_of(view)
    chosen = view.depth is not None or view.expand or view.only is not None
    closed = replace(view, depth=0, expand=(), only=None)
    if Layout(closed if not chosen else view).boxes(series) > MOST_BOXES:
        series = shortened(series)
    if chosen:
        yield page(view if _is_drawable(view, series) else _drawable(closed, series), series)
        return
    choices = (
        view,
        replace(view, first=True),
        replace(view, depth=2),
        replace(view, depth=1),
        replace(closed, wrappers=True),
    )
    drawable = [choice for choice in choices if _is_drawable(choice, series)]
    if not drawable:
        _drawable(closed, series)
    for turns in (False, True):
        for choice in drawable:
            yield page(choice, series, inside=True, turns=turns)


def refuse_tangles(style: str, graph: Graph) -> None:
    """Raises NetspecError where branches meet at more places than are worth taking apart."""
    count = sum(is_join(node) for node in graph.nodes)
    if count > MOST_JOINS:
        raise NetspecError(TooManyJoins(style, count, MOST_JOINS))


@lru_cache(maxsize=64)
def outline(graph: Graph, opening: Opening = CLOSED, *, named: bool = True) -> Series:
    """What `folded` draws: the net's structure with repeats folded, without a block around all.

    What `opening` shows alone is not folded. Where nothing is `named`, all that is read has a line.
    """
    refuse_tangles("fold", graph)
    return _unwrapped(apart(graph, opening, named=named))


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
        series = replace(series.items[0].body, makers=series.makers)
    return series


def on_screen(scene: Scene) -> bool:
    """Whether a scene fits one screen at full size."""
    return scene.width <= SCREEN[0] and scene.height <= SCREEN[1]


def page(view: View, series: Series, *, inside: bool = False, turns: bool = False) -> Scene:
    """A series as a page of columns; with what is `inside` of the blocks that are closed.

    Tall cards have columns of their own where it `turns`, and where that makes a better page.
    """
    found, left_out = _page(Layout(view, turns=turns), series, inside=inside)
    if found.is_on_screen and found.cost > _ROOMY:
        turned, _ = _page(Layout(view, turns=True), series, inside=inside)
        found = turned if turned.cost < found.cost - _TURN else found
    notes = [f"not shown: the inside of {', '.join(left_out)}"] if left_out else []
    return framed(view, found.piece, notes, centred=False)


@record
class _Page:
    """The contents of a page, and how far they are from what a screen shows best."""

    piece: Piece
    cost: float

    @property
    def is_on_screen(self) -> bool:
        """Whether they fit one screen."""
        w, h = SCREEN[0] - 2 * MARGIN, SCREEN[1] - AROUND
        return self.piece.w <= w and self.piece.h <= h


def _page(layout: Layout, series: Series, *, inside: bool) -> tuple[_Page, list[str]]:
    """The best page for a layout, and the names of blocks whose insides are left out."""
    room = MOST_BOXES - layout.boxes(series)
    details, left_out = insides(layout, series, room) if inside else ([], [])
    details = [*map(layout.maker, series.makers), *details]
    divided = _divisions(layout, series)
    found = _best(divided, details)
    more = parts_shown(layout.view) if inside else []
    if more:
        # Layers are said in a word: what they do is shown where there is room.
        fuller = _best(divided, [*details, *more])
        found = fuller if fuller.is_on_screen else found
    return found, left_out


def _best(divided: Sequence[Sequence[Column]], details: Sequence[Piece]) -> _Page:
    """The division into columns that, with all details, makes the best page."""
    found = []
    for side in divided:
        main, taken = side_by_side(side)
        way = arranged(taken, details)
        found.append((way.cost + unevenness(side), main, way))
    cost, main, way = min(found, key=lambda page: page[0])
    return _Page(with_details(main, details, way), cost)


def _divisions(layout: Layout, series: Series) -> list[list[Column]]:
    """The columns of a page: one with a U or a lattice where the net is one and that fits a screen."""
    piece = _whole(layout, series)
    whole = None if piece is None else Column((piece,))
    if whole is not None and whole.h <= TALLEST and whole.w <= SCREEN[0] - 2 * MARGIN:
        return [[whole]]
    found = divisions(layout.pieces(series, layout.width(series), whole=True))
    shorter = min(max(column.h for column in side) for side in found) <= TALLEST
    return found if shorter or whole is None else [[whole]]


def _whole(layout: Layout, series: Series) -> Piece | None:
    found = lattice(series, layout, layout.view.graph, whole=True)
    u = None if found else u_shape(series, layout.view.graph)
    return found if u is None else u_piece(u, layout, leaves=False)
