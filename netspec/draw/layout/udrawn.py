"""A net that goes down and up again as a picture: a row for each level, skips across."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Protocol

from netspec.draw.layout.bands import band, name_room, side_bands
from netspec.draw.layout.gathered import gathered
from netspec.draw.layout.pieces import (
    GAP,
    HEADER,
    PAD,
    ROW,
    Piece,
    Strip,
    baseline,
    framed,
    width_of,
    wire,
)
from netspec.draw.layout.ushape import U
from netspec.draw.metrics import total
from netspec.draw.scene import Box, Group, Item, Words
from netspec.draw.structure.elements import (
    Element,
    Parallel,
    Repeat,
    Series,
    Tangle,
    begins,
    nodes_of,
)
from netspec.foundation.records import record

_INDENT, _ROWS, _MIDDLE, _APART = 26.0, 30.0, 90.0, 6.0


@record
class Bands:
    """The resolutions of a level: of each element of its sides, and of all of it if it has one."""

    left: list[str]
    right: list[str]
    all: str


class Layout(Protocol):
    """What lays out the elements of a side."""

    def width(self, series: Series) -> float:
        """How wide the boxes of a series are."""

    def element(self, element: Element, width: float = 0.0) -> Piece:
        """The piece of one element, at least `width` wide."""

    def maps(self, element: Element) -> frozenset[str]:
        """The resolutions of the maps that the boxes of an element give."""

    def opens(self, element: Element) -> bool:
        """Whether an element is a block that is drawn open."""


def u_piece(u: U, layout: Layout, *, leaves: bool) -> Piece:
    """The U as one piece; what `leaves` it is led around its right side to the bottom."""
    return _Drawn(gathered(u, layout.opens), layout, leaves).piece()


def _boxed(element: Element, layout: Layout, width: float = 0.0) -> Piece:
    """The piece of an element that is not entered from above: in a frame, if it is no box."""
    if isinstance(element, Repeat) and isinstance(element.element, Series):
        return _rising(element, layout, width)
    piece = layout.element(element, width)
    return framed(piece, element) if isinstance(element, Parallel | Tangle | Series) else piece


def _rising(repeat: Repeat, layout: Layout, width: float) -> Piece:
    """What is repeated on the way up, the first of it lowest, which reads what crosses too."""
    assert isinstance(repeat.element, Series)
    pieces = [layout.element(item, width) for item in repeat.element.items]
    title = f"×{repeat.count}"
    side = max(*map(_left, ([piece] for piece in pieces)), width_of(title, "head"))
    other = max(*map(_right, ([piece] for piece in pieces)), width_of(repeat.note, "note") + PAD)
    w, h, axis = side + other + 2 * PAD, HEADER + _tall(pieces) + PAD, side + PAD

    def draw(x: float, y: float) -> list[Item]:
        nodes = nodes_of(repeat)
        members: tuple[Item, ...] = (
            Box(x, y, w, h, "block", "loop", 8),
            Words(x + PAD, baseline(y, HEADER, "head"), title, "head"),
            Words(x + w - PAD, baseline(y, HEADER, "note"), repeat.note, "note", "end", "muted"),
            *_upwards(pieces, x + axis, y + h - PAD),
        )
        return [Group(members, nodes[0].span, nodes[0].path, nodes=nodes)]

    return Piece(w, h, axis, draw)


class _Drawn:
    def __init__(self, u: U, layout: Layout, leaves: bool) -> None:
        series = [Series(side) for level in u.levels for side in (level.left, level.right)]
        width = max(layout.width(s) for s in (*series, Series(u.bottom)))
        self.leaves = leaves
        self.kept = [level.kept for level in u.levels]
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
        lefts = [*(level.left for level in u.levels), u.bottom]
        self.bands = [
            Bands(
                [_name(layout, [e]) for e in left],
                [_name(layout, [e]) for e in level.right] if level else [],
                _name(layout, [*left, *level.right, *level.skips] if level else left),
            )
            for left, level in zip_longest(lefts, u.levels)
        ]
        near = name_room(name for bands in self.bands for name in (bands.all, *bands.left))
        self.beyond = name_room(n for bands in self.bands if not bands.all for n in bands.right)
        self.axis = max(_left(side) - _INDENT * i for i, side in enumerate(self.left)) + 8 + near
        self.far = max(self._across(i) for i in range(len(self.left)))
        right = max(_right(side) - _INDENT * i for i, side in enumerate(self.right))
        self.w = self.far + right + 8 + self.beyond + (12 if leaves else 0)
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
            bands += self._bands(i, x, at)
            found += _downwards(self.left[i], self._down(i, x), at + height)
            found += self._level(i, x, at) if i < len(self.right) else self._turn(x, at)
            at += height + _ROWS
        if self.entered:
            top = self._down(0, x), y + GAP + self.heights[0] - _tall(self.left[0])
            found.append(wire((x + self.axis, y), top, arrow=not self.left[0][0].wired))
        if self.leaves:
            found.append(self._way_out(x, y))
        return bands + found

    def _bands(self, i: int, x: float, top: float) -> list[Item]:
        """One strip where all of a level has one resolution, else those of either side."""
        bands, low = self.bands[i], top + self.heights[i]
        far = x + self.w - (12 if self.leaves else 0)
        if bands.all:
            return band(Strip(top, low, bands.all), i, x, far)
        edge = self._down(i, x) + _right(self.left[i]) + 6
        found = side_bands(self.left[i], bands.left, low, last_lowest=True)
        items = [item for k, strip in enumerate(found) for item in band(strip, i + k, x, edge)]
        if i < len(self.right):
            edge = self._up(i, x) - _left(self.right[i]) - 6
            found = side_bands(self.right[i], bands.right, low, last_lowest=False)
            for k, strip in enumerate(found):
                items += band(strip, i + k, edge, far, at_right=True)
        return items

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
        if self.kept[i] > 1:
            return found + self._crossing(i, x, low)
        for k, skip in enumerate(self.skips[i]):
            level = low - min(right[0].h, left[-1].h) / 2 + 7 * k
            found += self._skip(skip, down + _right(left[-1:]), level, up - right[0].axis)
        return found

    def _crossing(self, i: int, x: float, low: float) -> list[Item]:
        """Lines from the last two boxes of the left side to where the right side begins."""
        left, right, down = self.left[i], self.right[i][0], self._down(i, x)
        edge = self._up(i, x) - right.axis
        found: list[Item] = []
        target, bottom = low - PAD - ROW / 2 + _APART, low
        for piece in left[: -self.kept[i] - 1 : -1]:
            at = min(max(target, bottom - piece.h + _APART), bottom - _APART)
            start, bend = (down + piece.w - piece.axis, at), edge - GAP
            found.append(wire(start, (bend, at), (bend, target), (edge, target), look="skip"))
            target, bottom = target - 2 * _APART, bottom - piece.h - GAP
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


def _name(layout: Layout, elements: Sequence[Element]) -> str:
    """The one resolution of all the maps of some elements; empty where there are several."""
    found = {size for element in elements for size in layout.maps(element)}
    return min(found) if len(found) == 1 else ""
