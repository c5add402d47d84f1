"""A net that goes down in resolution and up again, with skips across, as a U."""

from __future__ import annotations

from dataclasses import replace

from netspec.draw.layout.pieces import wire
from netspec.draw.layout.ushape import Level, U
from netspec.draw.scene import Item, Words
from netspec.draw.structure.elements import Series, Step
from netspec.draw.structure.labels import data_inputs
from netspec.draw.styles.volumes.parts import Chain, Fork, Part, Source, Volume
from netspec.draw.styles.volumes.places import Laid
from netspec.draw.styles.volumes.read import Reader
from netspec.draw.styles.volumes.rows import Rows
from netspec.draw.styles.volumes.scale import Scale
from netspec.draw.styles.volumes.solids import group, shifted
from netspec.draw.styles.volumes.words import LINE, width
from netspec.foundation.records import record

_BETWEEN, _INDENT, _ASIDE = 14.0, 18.0, 6.0
_COPIED = "in"


@record(eq=False, slots=False)
class Bend:
    """The rows of a U: the ways down with the bottom, the ways up, what crosses at each level.

    `rising` are the words for how each way up is reached, from the top.
    """

    left: tuple[Chain, ...]
    right: tuple[Chain, ...]
    across: tuple[tuple[str, tuple[Source, ...]], ...]
    rising: tuple[tuple[str, ...], ...]

    @property
    def chains(self) -> tuple[Chain, ...]:
        """Every row."""
        return *self.left, *self.right


def is_bend(u: U | None) -> bool:
    """Whether one skip crosses each level, with nothing on its way but what crops it.

    Where all that crosses is places, and no map, papers draw the net level.
    """
    if u is None or all(map(_says_places, u.levels)):
        return False
    return all(
        len(level.skips) == 1 and all(map(_is_crop, level.skips[0].items)) for level in u.levels
    )


def _says_places(level: Level) -> bool:
    """Whether what crosses says where values go, as the indices of a pool do."""
    first = level.right[0]
    return isinstance(first, Step) and any(value.index for value in data_inputs(first.node))


def _is_crop(item: object) -> bool:
    return isinstance(item, Step) and item.node.op.spelling == "crop"


def read_bend(u: U, reader: Reader) -> Bend | None:
    """The U as rows; None where branches end a row, or something passes over the words of one.

    What leads up to a level is part of the slab that its join makes.
    """
    left = [reader.chain(Series(level.left)) for level in u.levels]
    bottom = reader.chain(Series(u.bottom))
    right: list[Chain] = []
    rising: list[tuple[str, ...]] = []
    for level in reversed(u.levels):
        below = right[-1] if right else bottom
        chain = reader.chain(Series(level.right))
        joined = _with_part(level, below, chain)
        rising.append(())
        if joined is not None:
            up = below.items[-1]
            assert isinstance(up, Volume)
            below = replace(below, items=below.items[:-1])
            chain = replace(chain, items=(joined, *chain.items[1:]))
            rising[-1] = up.made
        if right:
            right[-1] = below
        else:
            bottom = below
        right.append(chain)
    across = tuple(_across(level, reader) for level in u.levels)
    if not all(map(_is_plain, (*left, bottom, *right))):
        return None
    return Bend((*left, bottom), tuple(right[::-1]), across, tuple(rising[::-1]))


def _is_plain(row: Chain) -> bool:
    ends = row.items[:1] + row.items[-1:]
    whole = bool(ends) and not any(isinstance(end, Fork) for end in ends)
    return whole and not row.arcs and not row.asides and not row.breaks


def _with_part(level: Level, below: Chain, chain: Chain) -> Volume | None:
    """The join of a level as what was copied and what came up; None where it adds, or nothing grew."""
    first = level.right[0]
    join, up = (*chain.items[:1], None)[0], (*below.items[-1:], None)[0]
    if not isinstance(join, Volume) or not isinstance(up, Volume) or not isinstance(first, Step):
        return None
    read = data_inputs(first.node)
    grown = up.window is not None and up.window.grows and len(below.items) > 1
    if (
        not grown
        or not _is_loose(below)
        or len(read) != 2
        or up.copies > 1
        or first.node.op.spelling != "concat"
    ):
        return None
    (own,) = join.parts
    copied = Part(own.channels - up.channels, _COPIED, own.source)
    parts = (copied, *up.parts)
    came = up.parts[0].source.path
    return replace(join, parts=parts[::-1] if read[0].node.path == came else parts, made=())


def _is_loose(chain: Chain) -> bool:
    """Whether the last item of a row is under no bracket."""
    last = len(chain.items) - 1
    return all(bracket.end <= last for bracket in chain.brackets)


def _across(level: Level, reader: Reader) -> tuple[str, tuple[Source, ...]]:
    crops = [item for item in level.skips[0].items if isinstance(item, Step)]
    for crop in crops:
        reader.told(crop)
    text = "copy and crop" if crops else "copy"
    text = "indices" if _says_places(level) else text
    return text, tuple(reader.source(crop) for crop in crops)


def bent(bend: Bend, scale: Scale) -> Laid:
    """The U: down on the left, each level further to the right, up on the right."""
    return _Bent(bend, Rows(scale, over=True)).laid()


class _Bent:
    def __init__(self, bend: Bend, rows: Rows) -> None:
        self.bend = bend
        self.left = [rows.chain(chain, lead=False) for chain in bend.left]
        self.right = [rows.chain(chain, lead=False) for chain in bend.right]
        self.falling = [_made(chain) for chain in bend.left]
        self.axes: list[float] = []
        y = 0.0
        for i, left in enumerate(self.left):
            each = [left, *self.right[i : i + 1]]
            y += max(row.up for row in each)
            self.axes.append(y)
            y += max(row.down for row in each) + _BETWEEN
        self.h = y - _BETWEEN
        self.left_x = self._falls()
        self.right_x = self._rises()

    def _falls(self) -> list[float]:
        """Where each way down begins; words for what leads to it stand left of its arrow."""
        room = max((width(line) for lines in self.falling[1:] for line in lines), default=0.0)
        first = self.left[0]
        found = [max(0.0, room + _ASIDE - first.bottom_x)]
        for before, row in zip(self.left, self.left[1:], strict=False):
            down = found[-1] + before.bottom_x
            found.append(down + max(_ASIDE + 2, _INDENT - row.spots[0].x))
        return found

    def _rises(self) -> list[float]:
        """Where each way up begins, from the top: right of all below it and of what crosses."""
        end = self.left_x[-1] + self.left[-1].w
        found: list[float] = []
        for i in reversed(range(len(self.right))):
            row = self.right[i]
            words = width(self.bend.across[i][0])
            room = self.left_x[i] + self.left[i].w + words + 2 * _INDENT
            found.append(max(end + _INDENT / 2 - _start(row), room - row.spots[0].x))
            end = found[-1] + row.w
        return found[::-1]

    def laid(self) -> Laid:
        items: list[Item] = []
        for row, x, axis in zip(self.left, self.left_x, self.axes, strict=True):
            items += shifted(row.items, x, axis)
        for row, x, axis in zip(self.right, self.right_x, self.axes, strict=False):
            items += shifted(row.items, x, axis)
        for i in range(len(self.right)):
            items += [*self._fall(i), *self._rise(i), *self._skip(i)]
        ends = [x + row.w for x, row in zip(self.right_x, self.right, strict=True)]
        ends += [
            self.right_x[i]
            + _start(row)
            + _ASIDE
            + max(map(width, self.bend.rising[i]), default=0.0)
            for i, row in enumerate(self.right)
        ]
        return Laid(
            tuple(shifted(items, 0.0, -self.h / 2)), max(ends), self.h / 2, self.h / 2, (), ()
        )

    def _fall(self, i: int) -> list[Item]:
        last = self.left[i].spots[-1]
        x = self.left_x[i] + self.left[i].bottom_x
        top = self.axes[i] + last.laid.bottom[1]
        (entry,) = self.left[i + 1].entries
        to = entry.moved(self.left_x[i + 1], self.axes[i + 1]).point
        low = self.axes[i] + max(self.left[i].down, self._down(i))
        words = _lines(self.falling[i + 1], x - _ASIDE, low, "end")
        return [wire((x, top), (x, to[1]), to), *words]

    def _down(self, i: int) -> float:
        return self.right[i].down if i < len(self.right) else 0.0

    def _rise(self, i: int) -> list[Item]:
        below, x = self._below(i)
        leave = below.exits[-1].moved(x, self.axes[i + 1])
        at = self.right_x[i] + _start(self.right[i])
        end = self.axes[i] + self.right[i].spots[0].laid.bottom[1]
        points = [p for p in leave.points if p[0] < at]
        low = self.axes[i] + max(self.left[i].down, self.right[i].down)
        words = _lines(self.bend.rising[i], at + _ASIDE, low, "start")
        return [wire(*points, (at, points[-1][1]), (at, end)), *words]

    def _below(self, i: int) -> tuple[Laid, float]:
        if i + 1 < len(self.right):
            return self.right[i + 1], self.right_x[i + 1]
        return self.left[-1], self.left_x[-1]

    def _skip(self, i: int) -> list[Item]:
        text, sources = self.bend.across[i]
        start = self.left[i].exits[-1].moved(self.left_x[i], self.axes[i]).points[0]
        (entry,) = self.right[i].entries
        end = entry.moved(self.right_x[i], self.axes[i]).point
        level = start[1]
        begin = self.left_x[i] + self.left[i].w
        middle = (begin + end[0]) / 2
        line = wire(start, (end[0], level), look="skip")
        words = Words(middle, level - 5, text, "note", "middle", "muted")
        found: tuple[Item, ...] = (line, words)
        for source in sources:
            found = (group(source, found),)
        return list(found)


def _start(row: Laid) -> float:
    """Where what comes up from below enters a row, from its left."""
    first = row.spots[0]
    return first.x + first.laid.bottom[0]


def _made(chain: Chain) -> tuple[str, ...]:
    first = chain.items[0]
    return first.made if isinstance(first, Volume) else ()


def _lines(lines: tuple[str, ...], x: float, low: float, anchor: str) -> list[Item]:
    return [
        Words(x, low + 14 + LINE * i, line, "note", anchor, "muted") for i, line in enumerate(lines)
    ]
