"""A chain in bands of one resolution: skips in lanes at its right, the names of its blocks at its left."""

from __future__ import annotations

from functools import cached_property
from math import inf

from netspec.draw.layout.pieces import LANE, Piece, led, width_of, wire
from netspec.draw.metrics import total
from netspec.draw.scene import SIZES, Box, Group, Item, Words
from netspec.draw.structure.flattened import Part
from netspec.draw.view import View
from netspec.foundation.records import record

GAP = 12.0
# The wires that arcs arrive on and leave from, and how far from the chain's boxes.
_ABOVE, _BELOW, _ARRIVE, _LEAVE = 14.0, 8.0, 3.0, 4.0
_BAR, _NEAR = 3.0, 6.0


@record
class Row:
    """A piece of the chain, the band it stands in, and which item of the chain it draws."""

    piece: Piece
    band: str
    item: int


@record(eq=False, slots=False)
class Column:
    """A chain whose rows are in the order of their bands, and its arcs and parts by items."""

    view: View
    rows: tuple[Row, ...]
    arcs: tuple[tuple[int, int], ...]
    parts: tuple[Part, ...]

    @cached_property
    def _led(self) -> tuple[Row, ...]:
        """The rows with room for the ends of arcs."""
        first = {row.item: i for i, row in reversed(list(enumerate(self.rows)))}
        last = {row.item: i for i, row in enumerate(self.rows)}
        end = last[self.rows[-1].item]
        arrive = {first[b] for _, b in self.arcs if b in first}
        leave = {last[a] for a, _ in self.arcs} | {end for _, b in self.arcs if b not in first}
        found = []
        for i, row in enumerate(self.rows):
            above, below = _ABOVE * (i in arrive), _BELOW * (i in leave)
            piece = led(row.piece, above, below) if above or below else row.piece
            found.append(Row(piece, row.band, row.item))
        return tuple(found)

    @cached_property
    def bands(self) -> dict[str, tuple[Piece, ...]]:
        """The pieces of each band."""
        found: dict[str, list[Piece]] = {}
        for row in self._led:
            found.setdefault(row.band, []).append(row.piece)
        return {name: tuple(pieces) for name, pieces in found.items()}

    def tall(self, band: str) -> float:
        """How high the chain is in a band, in points."""
        pieces = self.bands.get(band, ())
        return total(p.h for p in pieces) + GAP * (len(pieces) - 1) if pieces else 0.0

    @cached_property
    def axis(self) -> float:
        """Where the line through the boxes is, in points from the left."""
        return total(self._name_widths) + max(row.piece.axis for row in self._led)

    @cached_property
    def w(self) -> float:
        """The width, in points, with names and lanes."""
        boxes = max(row.piece.w - row.piece.axis for row in self._led)
        return self.axis + max([boxes, *(x + 2 for x in self._lanes.values())])

    # --- arcs

    @cached_property
    def _lanes(self) -> dict[int, float]:
        """For each item that arcs leave, how far right of the axis they run.

        Right of what they pass and of the shorter arcs beside them.
        """
        reach: dict[int, int] = {}
        for a, b in self.arcs:
            reach[a] = max(b, reach.get(a, b))
        found: dict[int, float] = {}
        for a in sorted(reach, key=lambda a: (reach[a] - a, a)):
            passed = [row.piece for row in self.rows if a < row.item < reach[a]]
            x = max([0.0, *(p.w - p.axis for p in passed)])
            for other, lane in found.items():
                if other < reach[a] and a < reach[other]:
                    x = max(x, lane)
            found[a] = x + LANE
        return found

    # --- names

    @cached_property
    def _named(self) -> tuple[tuple[Part, str], ...]:
        """The parts to name: a block and the only block in it share one name."""
        found: list[tuple[Part, str]] = []
        for part in self.parts:
            last = found[-1][0] if found else None
            if last and (last.start, last.end) == (part.start, part.end):
                found[-1] = last, f"{found[-1][1]}: {part.block.call.block}"
            else:
                found.append((part, part.block.name))
        return tuple(found)

    @cached_property
    def _name_widths(self) -> list[float]:
        """The room for the names of each level, from the outer level on."""
        widths: dict[int, float] = {}
        for part, name in self._named:
            need = width_of(name, "note") + 2 * _NEAR + _BAR
            widths[part.level] = max(need, widths.get(part.level, 0.0))
        return [widths[level] for level in sorted(widths)]

    def _bars(self, x: float, tops: list[float], ends: list[float]) -> list[Item]:
        """A bar beside what each block does, with its name at the left."""
        levels = sorted({part.level for part, _ in self._named})
        found: list[Item] = []
        for part, name in self._named:
            rows = [i for i, row in enumerate(self.rows) if part.start <= row.item < part.end]
            top, low = tops[rows[0]], ends[rows[-1]]
            at = x + total(self._name_widths[: levels.index(part.level) + 1]) - _NEAR - _BAR
            baseline = top + SIZES["note"]
            members = (
                Box(at, top, _BAR, low - top, "band", "shut", 1.5),
                Words(at - 4, baseline, name, "note", "end", "muted"),
            )
            block = part.block
            hint = self.view.hint(block.path, block, block.type)
            found.append(Group(members, block.call.span, block.path, hint, nodes=block.nodes))
        return found

    # --- drawing

    def draw(self, x: float, bands: dict[str, float]) -> list[Item]:
        """The chain at `x`, each of its bands from where `bands` says on."""
        axis = x + self.axis
        found: list[Item] = []
        tops: list[float] = []
        ends: list[float] = []
        end, at = -inf, dict(bands)
        outs: tuple[float, ...] = (0.0,)
        for row in self._led:
            piece, y = row.piece, at[row.band]
            # Wires side by side run straight on, unless what gives them has places of its own.
            places = outs if len(outs) == len(piece.lanes) else piece.lanes
            for out, lane in zip(places, piece.lanes, strict=True) if tops else ():
                points = (axis + out, end), (axis + lane, y)
                found.append(wire(*points, arrow=not piece.wired))
            found += piece.draw(axis - piece.axis, y)
            end, outs = y + piece.h, piece.outs
            at[row.band] = end + GAP
            tops.append(y)
            ends.append(end)
        return [*self._bars(x, tops, ends), *found, *self._skips(axis, tops, ends)]

    def _skips(self, axis: float, tops: list[float], ends: list[float]) -> list[Item]:
        first = {row.item: tops[i] for i, row in reversed(list(enumerate(self.rows)))}
        last = {row.item: ends[i] for i, row in enumerate(self.rows)}
        found: list[Item] = []
        for a, b in self.arcs:
            lane = axis + self._lanes[a]
            leave = last[a] - _LEAVE
            arrive = first[b] + _ARRIVE if b in first else ends[-1] - _LEAVE / 2
            points = ((axis, leave), (lane, leave), (lane, arrive), (axis, arrive))
            found.append(wire(*points, arrow=False, look="skip"))
        return found
