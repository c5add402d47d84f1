"""Encoder-decoder nets as a U: down on the left, up on the right, skips across."""

from __future__ import annotations

from functools import lru_cache
from math import inf
from typing import Protocol

from netspec.draw.layout.pieces import GAP, Piece, framed, wire
from netspec.draw.metrics import total
from netspec.draw.scene import Box, Item
from netspec.draw.structure.elements import Element, Parallel, Series, Tangle, begins, nodes_of
from netspec.draw.structure.hourglass import hourglass
from netspec.draw.structure.labels import is_join
from netspec.foundation.records import record
from netspec.graph.checked import Graph, Node
from netspec.sizes.shapes import TensorType, numel

_INDENT, _ROWS, _MIDDLE = 26.0, 30.0, 90.0


@record
class Level:
    """One resolution: what runs before the way down, what crosses, what runs after the way up."""

    left: tuple[Element, ...]
    skips: tuple[Series, ...]
    right: tuple[Element, ...]


@record
class U:
    """A net that goes down and up again: its levels from the top, and what lies below them."""

    levels: tuple[Level, ...]
    bottom: tuple[Element, ...]


def u_shape(series: Series, graph: Graph) -> U | None:
    """The series as a U, or None where it does not go down and up again."""
    levels: list[Level] = []
    while True:
        at = next((i for i, x in enumerate(series.items) if _dips(x, graph)), None)
        if at is None or series.arcs or series.asides:
            break
        parallel = series.items[at]
        assert isinstance(parallel, Parallel)
        deep = _deep(parallel, graph)
        join = () if parallel.join is None else (parallel.join,)
        right = (*join, *series.items[at + 1 :])
        if not series.items[:at] or not right:
            break
        skips = tuple(b for b in parallel.branches if b is not deep)
        levels.append(Level(series.items[:at], skips, right))
        assert deep is not None
        series = deep
    if not levels:
        found = hourglass(series, lambda node: _finite(node, graph))
        if found is None:
            return None
        sides, bottom = found
        return U(tuple(Level(left, (), right) for left, right in sides), bottom)
    if not series.items or series.arcs:
        return None
    return U(tuple(levels), series.items)


def _dips(element: Element, graph: Graph) -> bool:
    return isinstance(element, Parallel) and _deep(element, graph) is not None


def _deep(parallel: Parallel, graph: Graph) -> Series | None:
    """The one branch that goes down in resolution and comes up again."""
    found = [b for b in parallel.branches if b.items and _returns(b, graph)]
    return found[0] if len(found) == 1 and len(parallel.branches) > 1 else None


def _returns(series: Series, graph: Graph) -> bool:
    repeated = _repeated(graph)
    areas = [_area(node.types[0], graph) for node in nodes_of(series) if node not in repeated]
    return bool(areas) and areas[-1] < inf and min(areas) * 1.5 < areas[-1]


@lru_cache(maxsize=8)
def _repeated(graph: Graph) -> frozenset[Node]:
    """What a merge repeats over a larger map, as a squeeze's gates: no way down and up again."""
    found: set[Node] = set()
    for node in reversed(graph.nodes):
        area, readers = _area(node.types[0], graph), graph.consumers[node]
        if readers and all(
            reader in found or (is_join(reader) and _area(reader.types[0], graph) > area)
            for reader in readers
        ):
            found.add(node)
    return frozenset(found)


def _finite(node: Node, graph: Graph) -> float:
    """The area of what a node gives; a vector is smaller than any map."""
    area = _area(node.types[0], graph)
    return area if area < inf else 0.5


def _area(kind: TensorType, graph: Graph) -> float:
    size = graph.nominal(numel(kind.spatial)) if kind.spatial else inf
    if isinstance(size, int | float):
        return size
    # Symbols that stay open count alike: their nominal size does not matter for a comparison.
    from netspec.sizes.dims import substitute, symbols_of

    value = substitute(size, dict.fromkeys(symbols_of(size), 1024))
    return value if isinstance(value, int) else inf


class Layout(Protocol):
    """What lays out the elements of a side."""

    def width(self, series: Series) -> float:
        """How wide the boxes of a series are."""

    def element(self, element: Element, width: float = 0.0) -> Piece:
        """The piece of one element, at least `width` wide."""


def u_piece(u: U, layout: Layout, *, leaves: bool) -> Piece:
    """The U as one piece; what `leaves` it is led around its right side to the bottom."""
    return _Drawn(u, layout, leaves).piece()


def _boxed(element: Element, layout: Layout, width: float = 0.0) -> Piece:
    """The piece of an element that is not entered from above: in a frame, if it is no box."""
    piece = layout.element(element, width)
    return framed(piece, element) if isinstance(element, Parallel | Tangle | Series) else piece


class _Drawn:
    def __init__(self, u: U, layout: Layout, leaves: bool) -> None:
        series = [Series(side) for level in u.levels for side in (level.left, level.right)]
        width = max(layout.width(s) for s in (*series, Series(u.bottom)))
        self.leaves = leaves
        self.entered = leaves and not begins(u.levels[0].left[0])
        self.left = [[layout.element(e, width) for e in level.left] for level in u.levels]
        self.right = [[_boxed(e, layout, width) for e in level.right] for level in u.levels]
        self.left.append([layout.element(e, width) for e in u.bottom])
        self.skips = [
            [[_boxed(e, layout) for e in skip.items] for skip in level.skips] for level in u.levels
        ]
        self.heights = [
            max(_tall(left), _tall(self.right[i]) if i < len(self.right) else 0.0)
            for i, left in enumerate(self.left)
        ]
        self.axis = max(_left(side) - _INDENT * i for i, side in enumerate(self.left)) + 8
        self.far = max(self._across(i) for i in range(len(self.left)))
        right = max(_right(side) - _INDENT * i for i, side in enumerate(self.right))
        self.w = self.far + right + 8 + (12 if leaves else 0)
        self.h = total(self.heights) + _ROWS * (len(self.heights) - 1) + 2 * GAP

    def _across(self, i: int) -> float:
        """How far right the upper right axis must be for level `i`."""
        near = self.axis + _INDENT * i + _right(self.left[i])
        if i == len(self.right):
            return near + GAP + _INDENT * i
        rooms = [total(p.w + 24 for p in skip) for skip in self.skips[i]]
        return near + max([_MIDDLE, *rooms]) + _left(self.right[i]) + _INDENT * i

    def piece(self) -> Piece:
        return Piece(self.w, self.h, self.axis, self.draw, self.leaves)

    def draw(self, x: float, y: float) -> list[Item]:
        bands: list[Item] = []
        found: list[Item] = []
        at = y + GAP
        for i, height in enumerate(self.heights):
            look = ("even", "odd")[i % 2]
            wide = self.w - (12 if self.leaves else 0)
            bands.append(Box(x, at - 9, wide, height + 18, "band", look, 6))
            found += _downwards(self.left[i], self._down(i, x), at + height)
            found += self._level(i, x, at) if i < len(self.right) else self._turn(x, at)
            at += height + _ROWS
        if self.entered:
            top = self._down(0, x), y + GAP + self.heights[0] - _tall(self.left[0])
            found.append(wire((x + self.axis, y), top, arrow=not self.left[0][0].wired))
        if self.leaves:
            found.append(self._way_out(x, y))
        return bands + found

    def _down(self, i: int, x: float) -> float:
        return x + self.axis + _INDENT * i

    def _up(self, i: int, x: float) -> float:
        return x + self.far - _INDENT * i

    def _way_out(self, x: float, y: float) -> Item:
        up, edge, low = self._up(0, x), x + self.w - 4, y + self.h - 4
        start = (up, y + GAP + self.heights[0] - _tall(self.right[0]))
        points = (start, (up, y + 2), (edge, y + 2), (edge, low), (x + self.axis, low))
        return wire(*points, (x + self.axis, y + self.h), arrow=False)

    def _level(self, i: int, x: float, top: float) -> list[Item]:
        """The way down from level `i`, its skips across, and the way up to it."""
        left, right = self.left[i], self.right[i]
        down, up = self._down(i, x), self._up(i, x)
        low = top + self.heights[i]
        middle, below = low + _ROWS / 2, low + _ROWS
        next_down = below + self.heights[i + 1] - _tall(self.left[i + 1])
        found = _upwards(right, up, low)
        way = ((down, low), (down, middle), (down + _INDENT, middle), (down + _INDENT, next_down))
        found.append(wire(*way, arrow=not self.left[i + 1][0].wired))
        if i + 1 < len(self.right):
            under = self._up(i + 1, x)
            start = below + self.heights[i + 1] - _tall(self.right[i + 1])
            found.append(wire((under, start), (under, middle), (up, middle), (up, low)))
        for k, skip in enumerate(self.skips[i]):
            level = low - min(right[0].h, left[-1].h) / 2 + 7 * k
            found += self._skip(skip, down + _right(left[-1:]), level, up - right[0].axis)
        return found

    def _skip(self, pieces: list[Piece], at: float, level: float, edge: float) -> list[Item]:
        """From the left side to the join on the right, through what the skip does."""
        found: list[Item] = []
        gap = (edge - at - total(p.w for p in pieces)) / (len(pieces) + 1)
        for piece in pieces:
            found.append(wire((at, level), (at + gap, level), look="skip"))
            found += piece.draw(at + gap, level - piece.h / 2)
            at += gap + piece.w
        found.append(wire((at, level), (edge, level), look="skip"))
        return found

    def _turn(self, x: float, top: float) -> list[Item]:
        """From the bottom to the right side."""
        i = len(self.right)
        side = self.left[i]
        up = self._up(i - 1, x)
        level = top + self.heights[i] - side[-1].h / 2
        edge = self._down(i, x) + _right(side[-1:])
        return [wire((edge, level), (up, level), (up, top - _ROWS))]


def _downwards(pieces: list[Piece], axis: float, low: float) -> list[Item]:
    """The last piece lowest, its bottom at `low`."""
    found: list[Item] = []
    y = low - _tall(pieces)
    for i, piece in enumerate(pieces):
        if i:
            found.append(wire((axis, y - GAP), (axis, y), arrow=not piece.wired))
        found += piece.draw(axis - piece.axis, y)
        y += piece.h + GAP
    return found


def _upwards(pieces: list[Piece], axis: float, y: float) -> list[Item]:
    """The first piece lowest, its bottom at `y`."""
    found: list[Item] = []
    for i, piece in enumerate(pieces):
        if i:
            found.append(wire((axis, y + GAP), (axis, y)))
        found += piece.draw(axis - piece.axis, y - piece.h)
        y -= piece.h + GAP
    return found


def _tall(pieces: list[Piece]) -> float:
    return total(p.h for p in pieces) + GAP * (len(pieces) - 1)


def _left(pieces: list[Piece]) -> float:
    return max(p.axis for p in pieces)


def _right(pieces: list[Piece]) -> float:
    return max(p.w - p.axis for p in pieces)
