"""Nets side by side, aligned on resolution, as one picture.

As the figure of the ResNet paper sets VGG-19, a plain net and a ResNet side by side, and the table
of the VGG paper its nets A to E.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from netspec.diagnostics.messages.draw import CannotDraw
from netspec.diagnostics.raised import NetspecError
from netspec.draw.layout.paging import SCREEN
from netspec.draw.layout.pieces import width_of
from netspec.draw.metrics import total, wrapped
from netspec.draw.scene import SIZES, Box, Group, Item, Scene, Words
from netspec.draw.structure.elements import Block, Series, Step, leaves_of
from netspec.draw.structure.labels import family, spelling
from netspec.draw.structure.opening import apart
from netspec.draw.structure.reading import flat_steps, structure
from netspec.draw.styles.around import figures, heat_key, papers
from netspec.draw.styles.columns.chain import Band, Chain, Column
from netspec.draw.styles.columns.lines import Bridge, Key, Placed, keys, room
from netspec.draw.styles.columns.net import chain_of, refuse_risen
from netspec.draw.styles.columns.order import ordered
from netspec.draw.styles.columns.sheets import Sheet, sheets
from netspec.draw.styles.fold import refuse_tangles
from netspec.draw.view import View
from netspec.foundation.records import record

_MARGIN, _HEAD, _BAND, _GUTTER, _INSET, _BETWEEN = 16.0, 52.0, 66.0, 40.0, 8.0, 4.0
# How high headings of so many lines are.
_HEADS = {0: 0.0, 1: 18.0, 3: 48.0}
_LINE = 15.0
# More layers than this are taller than a screen.
_MOST_STEPS = 64


def columns(views: Sequence[View]) -> Scene:
    """The nets side by side, every layer shown; repeats are folded where that takes more than a screen.

    What is taller then goes on beside it. Raises NetspecError where a net comes back to a resolution or
    two go through theirs in different orders, and above 2,000 boxes.
    """
    shown = [replace(view, show=("kernel", "shape"), depth=1, followers=False) for view in views]
    if any(view.heat for view in views):
        # One colour is one figure in all nets.
        hottest = max(view.hottest for view in shown)
        shown = [replace(view, peak=hottest) for view in shown]
    for view in shown:
        refuse_tangles("columns", view.graph)
        refuse_risen(view)
    if all(len(flat_steps(view.graph)) <= _MOST_STEPS for view in shown):
        whole = _Page([chain_of(view, structure(view.graph)) for view in shown])
        scene = whole.scene([whole.sheet])
        if scene.height <= SCREEN[1]:
            return scene
    folded = _Page([_folded(view) for view in shown])
    scene = folded.scene([folded.sheet])
    return scene if scene.height <= SCREEN[1] else folded.scene(folded.sheets)


def _folded(view: View) -> Chain:
    """A net's chain with repeats folded; with blocks closed where one piece would take more than a screen."""
    series = apart(view.graph, view.opening, named=False)
    chain = chain_of(view, series)
    if max(row.piece.h for row in chain.bare) <= SCREEN[1] - 2 * _HEAD:
        return chain
    return chain_of(replace(view, depth=0), series)


Lines = list[tuple[int, Key]]


@record(eq=False)
class _Place:
    """A sheet on the page: where it begins, how wide it is, where columns and bands are, where it ends."""

    sheet: Sheet
    left: float
    width: float
    xs: tuple[float, ...]
    tops: dict[Band, float]
    end: float


class _Page:
    def __init__(self, chains: Sequence[Chain]) -> None:
        self.chains = chains
        order = ordered([chain.bands for chain in chains])
        if order is None:
            names = " and ".join(chain.view.graph.name for chain in chains)
            reason = f"{names} go through their resolutions in different orders"
            raise NetspecError(CannotDraw(reason, "draw them with --style fold"))
        self.order = order
        self.room = max([_BAND, *(width_of(band.name, "note") + 14 for band in order)])
        self.sheet = tuple(Column(chain, 0, len(chain.rows)) for chain in chains)

    @property
    def sheets(self) -> list[Sheet]:
        """The nets on sheets that together are about as large as a screen."""
        return sheets(self.chains, self.order, 2 * _INSET + _BETWEEN, self._width)

    def _width(self, sheet: Sheet) -> float:
        """How wide a sheet is, with the way to the next one."""
        widths = [self._column(column) for column in sheet if column.is_running]
        inner = total(widths) + _GUTTER * (len(widths) - 1)
        return self.room + inner + _INSET + room(len(_cut(sheet)))

    def _column(self, column: Column) -> float:
        """How wide a column with its heading is."""
        words = [width_of(text, size) for text, size in self._heading(column)]
        return max(column.w, *words) if words else column.w

    def _heading(self, column: Column) -> list[tuple[str, str]]:
        """The lines above a column and their sizes: where a net begins all of them, then its name.

        A net on its own is named once.
        """
        graph = column.chain.view.graph
        if column.start == 0:
            params, _, others = figures(column.chain.view).partition(" · ")
            return [(graph.name, "head"), (params, "note"), (others, "note")]
        return [(graph.name, "head")] if len(self.chains) > 1 else []

    def scene(self, shown: Sequence[Sheet]) -> Scene:
        """The picture of the nets on these sheets."""
        lines = [_cut(sheet) for sheet in shown]
        places = self._placed(shown, lines)
        width = places[-1].left + places[-1].width + _MARGIN
        foot = max(p.end + room(len(each)) for p, each in zip(places, lines, strict=True))
        nets = [*self._nets(places, lines)]
        below, caption, height = self._below(nets, foot, width - 2 * _MARGIN)
        headings: list[Item] = []
        for place in places:
            for column, x in zip(place.sheet, place.xs, strict=True):
                headings += self._headings(column, x) if column.is_running else []
        strips = [item for place in places for item in self._bands(place)]
        items = (*strips, *headings, *nets, *below)
        # Of several nets the headings say which is which.
        around = (*headings, *caption) if len(self.chains) == 1 else caption
        names = ", ".join(chain.view.graph.name for chain in self.chains)
        return Scene(items, width, height, names, self._description(), caption=tuple(around))

    def _placed(self, shown: Sequence[Sheet], lines: Sequence[Lines]) -> list[_Place]:
        """Where the sheets, their columns and the parts of their bands are."""
        words = [max(len(self._heading(c)) for c in sheet if c.is_running) for sheet in shown]
        # What arrives from the sheet before runs below the headings.
        over = zip(words[1:], lines, strict=False)
        top = _MARGIN + max([_HEAD, *(_HEADS[count] + room(len(each)) for count, each in over)])
        found = []
        left = _MARGIN
        for sheet, leaving in zip(shown, lines, strict=True):
            xs, x = [], left + self.room
            for column in sheet:
                xs.append(x)
                x += self._column(column) + _GUTTER if column.is_running else 0.0
            tops, y = {}, top
            for band in self.order:
                if any(band in column.bands for column in sheet):
                    tops[band] = y + _INSET
                    y += max(column.tall(band) for column in sheet) + 2 * _INSET + _BETWEEN
            width = x - _GUTTER + _INSET - left
            found.append(_Place(sheet, left, width, tuple(xs), tops, y))
            left += width + room(len(leaving))
        return found

    def _headings(self, column: Column, x: float) -> Iterator[Item]:
        for (text, size), y in zip(self._heading(column), (12.0, 27.0, 41.0), strict=False):
            yield Words(x, _MARGIN + y, text, size, look="" if size == "head" else "muted")

    def _bands(self, place: _Place) -> Iterator[Item]:
        """A strip behind each resolution that the sheet has, named at its left."""
        bands = [*place.tops]
        for band, below in zip(bands, [*bands[1:], None], strict=True):
            y = place.tops[band] - _INSET
            end = place.end if below is None else place.tops[below] - _INSET
            look = ("even", "odd")[self.order.index(band) % 2]
            if not band.of:
                yield Box(place.left, y, place.width, end - _BETWEEN - y, "band", look, 6)
                yield Words(place.left + 6, y + 17, band.name, "note", look="muted")

    def _nets(self, places: Sequence[_Place], lines: Sequence[Lines]) -> Iterator[Item]:
        """The names of blocks, the layers, and what leads from each to each."""
        bridges = [
            Bridge(tuple(each), p.end, p.left + p.width, min(after.tops.values()) - _INSET)
            for p, after, each in zip(places, places[1:], lines, strict=False)
        ]
        for n, chain in enumerate(self.chains):
            columns = [place.sheet[n] for place in places]
            axes = [p.xs[n] + c.axis for p, c in zip(places, columns, strict=True)]
            rows: list[tuple[int, float, float]] = []
            for sheet, (place, column) in enumerate(zip(places, columns, strict=True)):
                tops, ends = column.places(place.tops)
                yield from column.names(place.xs[n], tops, ends)
                rows += [(sheet, *each) for each in zip(tops, ends, strict=True)]
            for row, (sheet, top, _) in zip(chain.rows, rows, strict=True):
                yield from row.piece.draw(axes[sheet] - row.piece.axis, top)
            yield from Placed(n, chain, tuple(axes), tuple(rows), tuple(bridges)).lines()

    # --- what stands around

    def _below(
        self, nets: Sequence[Item], y: float, width: float
    ) -> tuple[list[Item], list[Item], float]:
        """What is left out, the papers and the key of the heat; the caption of these; where they end."""
        views = [chain.view for chain in self.chains]
        left_out = self._lines([self._left_out(nets)], y, width)
        y += _LINE * len(left_out)
        caption = self._lines(papers(views), y, width)
        y += _LINE * len(caption)
        if views[0].heat is not None:
            key, _ = heat_key(views[0])
            caption += key(_MARGIN, y)
            y += 20
        return [*left_out, *caption], caption, y + _MARGIN

    def _lines(self, texts: Sequence[str], y: float, width: float) -> list[Item]:
        """Texts wrapped to a width, from `y` on."""
        lines = [line for text in texts if text for line in wrapped(text, SIZES["note"], width)]
        return [
            Words(_MARGIN, y + 14 + _LINE * i, line, "note", look="muted")
            for i, line in enumerate(lines)
        ]

    def _left_out(self, nets: Sequence[Item]) -> str:
        """What of the nets has no box and no line, in words."""
        views = [chain.view for chain in self.chains]
        drawn = (step for view in views for step in _steps(structure(view.graph)))
        names = dict.fromkeys(spelling(node.op) for step in drawn for node in step.nodes[1:])
        said = [f"left out after layers: {', '.join(names)}"] if names else []
        told = {part.block.call.block for chain in self.chains for part in chain.parts}
        boxes = [*_blocks(nets)]
        told |= {name for name, is_open in boxes if is_open}
        closed = dict.fromkeys(name for name, _ in boxes if name not in told)
        said += [f"blocks drawn as one: {', '.join(closed)}"] if closed else []
        return "; ".join([*said, *dict.fromkeys(view.unlined for view in views if view.unlined)])

    def _description(self) -> str:
        whole = (self._heading(column) for column in self.sheet)
        return "; ".join(": ".join(("net", *(text for text, _ in lines))) for lines in whole)


def _blocks(items: Sequence[Item]) -> Iterator[tuple[str, bool]]:
    """The name of each block that has a box, and whether that shows what the block does."""
    for item in items:
        if isinstance(item, Group):
            if item.toggles:
                yield item.toggles, any(isinstance(member, Group) for member in item.members)
            yield from _blocks(item.members)


def _cut(sheet: Sheet) -> Lines:
    """What leads on from a sheet, from left to right: the number of the net and what of it."""
    return [(n, key) for n, c in enumerate(sheet) for key in keys(c.chain, c.end)]


def _steps(series: Series) -> Iterator[Step]:
    """Every layer that has a box of its own, but what normalises and activates by itself."""
    for leaf in leaves_of(series):
        if isinstance(leaf, Block):
            yield from _steps(leaf.body)
        elif family(leaf.node.op) != "minor":
            yield leaf
