"""A net's chain of pieces in strips of one resolution, and the columns that it is cut into."""

from __future__ import annotations

from functools import cached_property
from itertools import accumulate

from netspec.draw.layout.pieces import LANE, Piece, led, width_of
from netspec.draw.metrics import total
from netspec.draw.scene import SIZES, Box, Group, Item, Words
from netspec.draw.structure.flattened import Part
from netspec.draw.view import View
from netspec.foundation.records import record

GAP = 12.0
# The wires that arcs arrive on and leave from, and how far from the chain's boxes.
_ABOVE, _BELOW = 14.0, 8.0
_BAR, _NEAR = 3.0, 6.0


@record
class Band:
    """Where what gives maps of one resolution stands; the name is empty for vectors.

    What works at several, inputs of a net among them, has a band of its own, named after no resolution:
    it is `of` that net.
    """

    name: str
    of: str = ""


@record
class Row:
    """A piece of the chain, the band it stands in, and which item of the chain it draws."""

    piece: Piece
    band: Band
    item: int


@record(eq=False, slots=False)
class Chain:
    """A net as rows from top to bottom, those of one band together; its arcs and parts by items."""

    view: View
    bare: tuple[Row, ...]
    between: tuple[tuple[int, int], ...]
    parts: tuple[Part, ...]

    @cached_property
    def bands(self) -> tuple[Band, ...]:
        """The resolutions that the chain goes through."""
        return tuple(dict.fromkeys(row.band for row in self.bare))

    @cached_property
    def arcs(self) -> tuple[tuple[int, int], ...]:
        """What passes rows by, from row to row; to as many as there are where it flows out."""
        first = {row.item: i for i, row in reversed(list(enumerate(self.bare)))}
        last = {row.item: i for i, row in enumerate(self.bare)}
        return tuple((last[a], first.get(b, len(self.bare))) for a, b in self.between)

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """The rows with room for the ends of arcs."""
        end = len(self.bare)
        leave = {a for a, _ in self.arcs} | {end - 1 for _, b in self.arcs if b == end}
        arrive = {b for _, b in self.arcs}
        found = []
        for i, row in enumerate(self.bare):
            above, below = _ABOVE * (i in arrive), _BELOW * (i in leave)
            piece = led(row.piece, above, below) if above or below else row.piece
            found.append(Row(piece, row.band, row.item))
        return tuple(found)

    @cached_property
    def lanes(self) -> dict[int, float]:
        """For each row that arcs leave, how far right of the axis they run.

        Right of what they pass and of the shorter arcs beside them.
        """
        reach: dict[int, int] = {}
        for a, b in self.arcs:
            reach[a] = max(b, reach.get(a, b))
        found: dict[int, float] = {}
        for a in sorted(reach, key=lambda a: (reach[a] - a, a)):
            passed = [row.piece for row in self.bare[a + 1 : reach[a]]]
            x = max([0.0, *(p.w - p.axis for p in passed)])
            for other, lane in found.items():
                if other < reach[a] and a < reach[other]:
                    x = max(x, lane)
            found[a] = x + LANE
        return found

    def leads(self, at: int) -> tuple[tuple[float, float], ...]:
        """Where the wires to a row leave the one before it and where they arrive, from the axis on."""
        outs, lanes = self.rows[at - 1].piece.outs, self.rows[at].piece.lanes
        # Wires side by side run straight on, unless what gives them has places of its own.
        return tuple(zip(outs if len(outs) == len(lanes) else lanes, lanes, strict=True))

    def passing(self, at: int) -> list[int]:
        """The rows before one that arcs leave which arrive there or further on, from left to right."""
        found = {a for a, b in self.arcs if a < at <= b}
        return sorted(found, key=lambda a: self.lanes[a])

    @cached_property
    def named(self) -> tuple[tuple[Part, str], ...]:
        """The parts to name: a block and the only block in it share one name."""
        found: list[tuple[Part, str]] = []
        for part in self.parts:
            last = found[-1][0] if found else None
            if last and (last.start, last.end) == (part.start, part.end):
                found[-1] = last, f"{found[-1][1]}: {part.block.call.block}"
            else:
                found.append((part, part.block.name))
        return tuple((part, self.view.titled(part.block, name)) for part, name in found)


@record(eq=False, slots=False)
class Column:
    """The rows of a chain from `start` up to `end`, which stand below each other."""

    chain: Chain
    start: int
    end: int

    @cached_property
    def bands(self) -> dict[Band, tuple[Piece, ...]]:
        """The pieces of each band."""
        found: dict[Band, list[Piece]] = {}
        for row in self.chain.rows[self.start : self.end]:
            found.setdefault(row.band, []).append(row.piece)
        return {band: tuple(pieces) for band, pieces in found.items()}

    @property
    def is_running(self) -> bool:
        """Whether the chain has begun before the column's end and goes on after its start."""
        return self.start < len(self.chain.rows) and self.end > 0

    def tall(self, band: Band) -> float:
        """How high the chain is in a band, in points."""
        pieces = self.bands.get(band, ())
        return total(p.h for p in pieces) + GAP * (len(pieces) - 1) if pieces else 0.0

    def ends(self, band: Band) -> list[float]:
        """How far below the top of a band each of its pieces ends."""
        sums = accumulate(p.h + GAP for p in self.bands.get(band, ()))
        return [end - GAP for end in sums]

    @cached_property
    def axis(self) -> float:
        """Where the line through the boxes is, in points from the left."""
        left = [p.axis for pieces in self.bands.values() for p in pieces]
        return total(self._name_widths.values()) + max([*left, *(-x for x in self._passes)])

    @cached_property
    def w(self) -> float:
        """The width, in points, with names and lanes."""
        boxes = [p.w - p.axis for pieces in self.bands.values() for p in pieces]
        lanes = [
            self.chain.lanes[a] + 2 for a, b in self.chain.arcs if a < self.end and self.start <= b
        ]
        return self.axis + max([*boxes, *lanes, *self._passes])

    @cached_property
    def _passes(self) -> list[float]:
        """Where what leads to the column and from it runs, from the axis on."""
        cuts = [at for at in {self.start, self.end} if 0 < at < len(self.chain.rows)]
        return [x for at in cuts for pair in self.chain.leads(at) for x in pair] or [0.0]

    # --- names

    @cached_property
    def _named(self) -> list[tuple[Part, str, int, int]]:
        """The parts that have rows here, with the first and last of these."""
        rows = self.chain.rows[self.start : self.end]
        found = []
        for part, name in self.chain.named:
            own = [i for i, row in enumerate(rows) if part.start <= row.item < part.end]
            if own:
                found.append((part, name, own[0], own[-1]))
        return found

    @cached_property
    def _name_widths(self) -> dict[int, float]:
        """The room for the names of each level, from the outer level on."""
        widths: dict[int, float] = {}
        for part, name, *_ in self._named:
            need = width_of(name, "note") + 2 * _NEAR + _BAR
            widths[part.level] = max(need, widths.get(part.level, 0.0))
        return dict(sorted(widths.items()))

    def names(self, x: float, tops: list[float], ends: list[float]) -> list[Item]:
        """A bar beside what each block does, with its name at the left."""
        right: dict[int, float] = {}
        at = x
        for level, width in self._name_widths.items():
            at = right[level] = at + width
        found: list[Item] = []
        for part, name, first, last in self._named:
            left = right[part.level] - _NEAR - _BAR
            top, low = tops[first], ends[last]
            members = (
                Box(left, top, _BAR, low - top, "band", "shut", 1.5),
                Words(left - 4, top + SIZES["note"], name, "note", "end", "muted"),
            )
            block = part.block
            hint = self.chain.view.hint(block.path, block, block.type)
            found.append(Group(members, block.call.span, block.path, hint, nodes=block.nodes))
        return found

    def places(self, bands: dict[Band, float]) -> tuple[list[float], list[float]]:
        """Where each row begins and ends, each band of the column from where `bands` says on."""
        tops, ends = [], []
        at = dict(bands)
        for row in self.chain.rows[self.start : self.end]:
            tops.append(at[row.band])
            ends.append(tops[-1] + row.piece.h)
            at[row.band] = ends[-1] + GAP
        return tops, ends
