"""A series as a lattice: rows of one resolution with their bands, columns by depth, lines between boxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from netspec.draw.layout.bands import band, name_room
from netspec.draw.layout.lattice.frame import sizes
from netspec.draw.layout.lattice.grid import Grid, Span, grid
from netspec.draw.layout.lattice.lines import Lines
from netspec.draw.layout.lattice.routes import routes
from netspec.draw.layout.pieces import Piece, Strip, framed, wire
from netspec.draw.layout.ushape import area_of
from netspec.draw.metrics import total
from netspec.draw.scene import Item
from netspec.draw.structure.elements import (
    Block,
    Element,
    Parallel,
    Port,
    Repeat,
    Series,
    Tangle,
    gives,
    nodes_of,
)
from netspec.draw.structure.labels import resolution
from netspec.draw.structure.wiring import Link, Wiring, wiring
from netspec.graph.checked import Graph
from netspec.sizes.shapes import TensorType

_CUT = 4.0
_STEP = 1.5
_LEAST_LEVELS, _MOST_ITEMS, _MOST_LINKS = 3, 150, 400


class Layout(Protocol):
    """What lays out the elements of a lattice."""

    def element(self, element: Element, width: float = 0.0) -> Piece:
        """The piece of one element."""

    def maps(self, element: Element, copy: Element | None = None) -> frozenset[str]:
        """The resolutions of the maps that the boxes of an element give."""

    def opens(self, element: Element) -> bool:
        """Whether an element is a block that is drawn open."""

    def stretched(self, element: Element, h: float) -> Piece:
        """The piece of a closed block, at least so high."""


def lattice(
    series: Series, layout: Layout, graph: Graph, *, whole: bool = False, alone: bool = False
) -> Piece | None:
    """The series as one piece, or None where it does not go back and forth between three levels or more.

    From a `whole` net nothing flows on; what leaves a block that is shown `alone` does so at the right.
    """
    if not (_is_knotted(series) or _is_led_around(series, graph)):
        return None
    wires = wiring(series, lambda parallel: len(layout.maps(parallel)) > 1)
    if len(wires.items) > _MOST_ITEMS or len(wires.links) > _MOST_LINKS:
        return None
    levels = _Levels(wires, layout, graph)
    if len(levels.names) < _LEAST_LEVELS or levels.are_mixed:
        return None
    pieces = [_boxed(item, layout) for item in wires.items]
    found = grid(wires, levels.spans, [piece.h for piece in pieces])
    if levels.returning(found) < _LEAST_LEVELS:
        return None
    return _Drawn(wires, layout, levels, found, pieces, whole, alone).piece()


def _is_knotted(series: Series) -> bool:
    """Whether anything in a series is no chain, or several tensors flow in it side by side."""
    return any(
        isinstance(item, Tangle)
        or gives(item) > 1
        or (isinstance(item, Parallel) and any(map(_is_knotted, item.branches)))
        for item in series.items
    )


def _is_led_around(series: Series, graph: Graph) -> bool:
    """Whether a chain whose maps shrink and grow again has lines around some of it."""
    if not series.arcs:
        return False
    ends = [nodes[-1].types[0] for nodes in map(nodes_of, series.items) if nodes]
    areas = [area_of(kind, graph) for kind in ends if kind.spatial]
    low = min(range(len(areas)), key=areas.__getitem__, default=0)
    sides = areas[: low + 1], areas[low:]
    return all(side and max(side) >= _STEP * areas[low] for side in sides)


def _boxed(element: Element, layout: Layout) -> Piece:
    """The piece of an element that lines come to from all sides: in a frame, if it is no box."""
    piece = layout.element(element)
    bare = isinstance(element, Parallel) or (
        isinstance(element, Repeat) and isinstance(element.element, Parallel)
    )
    return framed(piece, element) if bare else piece


class _Levels:
    """The resolutions of a lattice from the largest on, what has none last, and the rows of each element."""

    def __init__(self, wires: Wiring, layout: Layout, graph: Graph) -> None:
        self.wires = wires
        self.areas: dict[str, float] = {}
        for kind in dict.fromkeys(kind for item in wires.items for kind in _types(item)):
            self.areas.setdefault(resolution(kind), area_of(kind, graph) if kind.spatial else 0.0)
        each = [self._names(item, layout) for item in wires.items]
        every = sorted(
            {name for names in each for name in names}, key=lambda name: (len(name), name)
        )
        # Formulas that are equal where all fits together are one level, by the shortest of them.
        known: dict[object, str] = {}
        level = {name: known.setdefault(self._key(name), name) for name in every}
        self.each = [{level[name] for name in names} for names in each]
        self.names = sorted(
            known.values(), key=lambda name: (not name, -self.areas.get(name, 0.0), name)
        )
        self.rows = {name: self.names.index(level[name]) for name in every}
        found = [sorted(self.rows[name] for name in names) for names in self.each]
        self.spans = [Span(own[0], own[-1]) for own in found]

    def _key(self, name: str) -> object:
        """Equal for sizes of one level; sizes that are known are what they are."""
        if name.replace("×", "").isdigit():
            return name
        return name.count("×"), self.areas.get(name, 0.0)

    def _names(self, item: Element, layout: Layout) -> set[str]:
        if isinstance(item, Port):
            return {resolution(item.value.type)}
        if _streams(item) and not layout.opens(item):
            return {resolution(kind) for kind in (*_read(item), *_given(item))}
        return {*layout.maps(item)} or {""}

    def row(self, link: Link, given: bool) -> int | None:
        """In which row the source, or the target, of a link has the tensor that it carries."""
        number = link.source if given else link.target
        item, span = self.wires.items[number], self.spans[number]
        if span.is_one:
            return span.top
        kinds = _given(item) if given else _read(item)
        at = min(link.out if given else link.into, len(kinds) - 1)
        row = self.rows.get(resolution(kinds[at])) if kinds else None
        return row if row is not None and span.top <= row <= span.bottom else None

    @property
    def are_mixed(self) -> bool:
        """Whether there are three sizes of maps or more, and as many lengths of sequences."""
        ranks = [name.count("×") for name in self.names if name]
        return sum(rank > 0 for rank in ranks) >= _LEAST_LEVELS <= ranks.count(0)

    def returning(self, found: Grid) -> int:
        """In how many levels something stands in more than one column, of what no chain is.

        Maps and sequences are not levels of each other: those of one rank count.
        """
        columns: dict[str, set[int]] = {}
        for cell, column in zip(found.cells, found.columns, strict=True):
            if not cell.span.is_one or any(v in self.wires.knotted for v in cell.members):
                for name in {name for v in cell.members for name in self.each[v]}:
                    columns.setdefault(name, set()).add(column)
        sizes: dict[int, list[float]] = {}
        for name, own in columns.items():
            if name and len(own) > 1:
                sizes.setdefault(name.count("×"), []).append(self.areas.get(name, 0.0))
        return max((_steps(sorted(own)) for own in sizes.values()), default=0)


def _steps(sizes: Sequence[float]) -> int:
    """How many levels sizes are, from the least on: what is only padded or cut is not another."""
    count, last = 0, 0.0
    for size in sizes:
        if not count or size >= last * _STEP:
            count, last = count + 1, size
    return count


def _types(item: Element) -> list[TensorType]:
    if isinstance(item, Port):
        return [item.value.type]
    return [kind for node in nodes_of(item) for kind in (*node.types, *node.input_types)]


def _streams(item: Element) -> bool:
    """Whether an element is a block, or repeats of one, that reads or gives several tensors."""
    return max(len(_read(item)), len(_given(item))) > 1


def _read(item: Element) -> tuple[TensorType, ...]:
    """The types of what a block reads; of repeats, of what the first does."""
    if isinstance(item, Repeat) and item.abreast:
        return tuple(kind for copy in item.copies for kind in _read(copy))
    block = item.copies[0] if isinstance(item, Repeat) and item.copies else item
    return block.opening if isinstance(block, Block) else ()


def _given(item: Element) -> tuple[TensorType, ...]:
    """The types of what a block gives; of repeats, of what the last does."""
    if isinstance(item, Repeat) and item.abreast:
        return tuple(kind for copy in item.copies for kind in _given(copy))
    block = item.element if isinstance(item, Repeat) else item
    if not isinstance(block, Block):
        return ()
    return tuple(value.type for value in block.closing) or (block.type,)


class _Drawn:
    def __init__(
        self,
        wires: Wiring,
        layout: Layout,
        levels: _Levels,
        found: Grid,
        pieces: list[Piece],
        whole: bool,
        alone: bool,
    ) -> None:
        self.wires, self.levels, self.grid, self.pieces = wires, levels, found, pieces
        end = len(wires.items)
        # Closed blocks that work in several rows are as high as all of these.
        filling = {
            v
            for v, (item, span) in enumerate(zip(wires.items, levels.spans, strict=True))
            if not span.is_one and _streams(item) and not layout.opens(item)
        }

        def row(link: Link, given: bool) -> int | None:
            number = link.source if given else link.target
            known = levels.spans[number].is_one or number in filling
            return levels.row(link, given) if known else None

        ways = routes(found, wires, len(levels.names), row)
        self.ways = [way for way in ways if way.link.target < end or not whole]
        room = sizes(found, pieces, len(levels.names))
        self.lines = Lines(
            found, pieces, room, self.ways, levels.row, frozenset(filling), sideways=alone
        )
        for v in filling:
            self.pieces[v] = layout.stretched(wires.items[v], self.lines.height(v))
        self.exits = 0 if whole or alone else wires.exits
        self.left = name_room(levels.names) if any(levels.names) else 0.0

    def piece(self) -> Piece:
        frame, left = self.lines.frame, self.left
        entered = [left + self.lines.entry(k) for k in range(self.wires.entries)]
        exits = self.exits
        leaving: dict[int, float] = {}
        for way in self.ways:
            if way.link.target == len(self.wires.items):
                leaving[way.link.into] = left + self.lines.points(way)[-1][0]
        axis = total(entered) / len(entered) if entered else left + frame.axis(0)
        lanes = tuple(x - axis for x in entered) or (0.0,)
        outs = tuple(leaving.get(k, axis) - axis for k in range(exits)) if exits > 1 else (0.0,)
        foot = 8.0 if exits == 1 else 0.0
        self.axis, self.foot = axis, foot
        return Piece(left + frame.w, frame.h + foot, axis, self.draw, bool(entered), lanes, outs)

    def draw(self, x: float, y: float) -> list[Item]:
        inner = x + self.left
        found = self._bands(x, y)
        for v, piece in enumerate(self.pieces):
            px, py = self.lines.corners[v]
            found += piece.draw(inner + px, y + py)
        for way in self.ways:
            points = [(inner + px, y + py) for px, py in self.lines.points(way)]
            out = way.link.target == len(self.wires.items)
            if out and self.foot:
                low = points[-1][1]
                points += [(x + self.axis, low), (x + self.axis, low + self.foot)]
            skip = self._is_skip(way.link)
            found.append(
                wire(*points, arrow=not out or not self.exits, look="skip" if skip else "")
            )
        return found + self._upright(inner, y)

    def _is_skip(self, link: Link) -> bool:
        """Whether a line runs along a row over others."""
        if link.source < 0 or link.target == len(self.wires.items):
            return False
        cells = [self.grid.home[v] for v in (link.source, link.target)]
        spans = [self.grid.cells[i].span for i in cells]
        return (
            spans[0] == spans[1] and self.grid.columns[cells[1]] - self.grid.columns[cells[0]] > 1
        )

    def _upright(self, x: float, y: float) -> list[Item]:
        """The lines in cells, and from cell to cell in a column."""
        pairs = [(link.source, link.target) for link in self.grid.rises]
        for cell in self.grid.cells:
            pairs += [*zip(cell.members, cell.members[1:], strict=False)]
        found: list[Item] = []
        for v, w in sorted(set(pairs)):
            (a, above), (_, below) = self.lines.corners[v], self.lines.corners[w]
            at = x + a + self.pieces[v].axis
            if above < below:
                start, end = above + self.pieces[v].h, below
            else:
                start, end = above, below + self.pieces[w].h
            arrow = not self.pieces[w].wired or above > below
            found.append(wire((at, y + start), (at, y + end), arrow=arrow))
        return found

    def _bands(self, x: float, y: float) -> list[Item]:
        """A strip behind each row, broken where something stands that works in others too."""
        frame = self.lines.frame
        found: list[Item] = []
        for row, name in enumerate(self.levels.names):
            strip = Strip(y + frame.top(row), y + frame.bottom(row), name)
            left = x
            for cell in sorted(
                self.grid.cells, key=lambda cell: self.lines.corners[cell.members[0]]
            ):
                if not cell.span.is_one and cell.span.top <= row <= cell.span.bottom:
                    start, _, end, _ = self.lines.box(cell.members[0])
                    found += band(strip, row, left, x + self.left + start - _CUT)[
                        : 1 if left > x else None
                    ]
                    left = x + self.left + end + _CUT
            found += band(strip, row, left, x + self.left + frame.w)[: 1 if left > x else None]
        return found
