"""What leads from row to row, in a column and from its foot to the head of the next, and what passes by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netspec.draw.layout.pieces import wire
from netspec.draw.scene import Wire
from netspec.draw.styles.columns.chain import Chain
from netspec.foundation.records import record

# How far from the chain's boxes arcs arrive and leave.
_ARRIVE, _LEAVE = 3.0, 4.0
STEP, _AWAY = 5.0, 7.0

Key = tuple[str, int]


def room(lines: int) -> float:
    """What lines side by side take below columns, between them or above them, in points."""
    return 2 * _AWAY + STEP * (lines - 1) if lines else 0.0


def keys(chain: Chain, at: int) -> list[Key]:
    """What is cut where a column ends before a row: wires to the row, then arcs, from left to right."""
    if not 0 < at < len(chain.rows):
        return []
    wires = [("wire", k) for k in range(len(chain.leads(at)))]
    return [*wires, *(("arc", a) for a in chain.passing(at))]


@record(eq=False)
class Bridge:
    """The way from the columns of one sheet to those of the next: below, up between, and above.

    `lines` are what takes it, from left to right; the first runs lowest, right of all others, so that
    none crosses another.
    """

    lines: tuple[tuple[int, Key], ...]
    foot: float
    left: float
    head: float

    def over(self, line: tuple[int, Key], x: float, to: float) -> list[tuple[float, float]]:
        """The corners of a line that comes down at `x` and goes down again at `to`."""
        number = self.lines.index(line)
        back = STEP * (len(self.lines) - 1 - number)
        low, lane = self.foot + _AWAY + back, self.left + _AWAY + back
        high = self.head - _AWAY - STEP * number
        return [(x, low), (lane, low), (lane, high), (to, high)]


@record(eq=False)
class Placed:
    """A net on the page: the axis of its column on each sheet, and for each row its sheet, top and end."""

    number: int
    chain: Chain
    axes: tuple[float, ...]
    rows: tuple[tuple[int, float, float], ...]
    bridges: tuple[Bridge, ...]

    def lines(self) -> Iterator[Wire]:
        """Everything that leads from one row to another."""
        for i in range(1, len(self.rows)):
            before, _, end = self.rows[i - 1]
            sheet, top, _ = self.rows[i]
            arrow = not self.chain.rows[i].piece.wired
            for k, (out, into) in enumerate(self.chain.leads(i)):
                way = self._over(("wire", k), before, sheet, out, into)
                start, stop = (self.axes[before] + out, end), (self.axes[sheet] + into, top)
                yield wire(start, *way, stop, arrow=arrow)
        for a, b in self.chain.arcs:
            yield self._arc(a, b)

    def _arc(self, a: int, b: int) -> Wire:
        before, _, end = self.rows[a]
        if b < len(self.rows):
            sheet, top, _ = self.rows[b]
            arrive = top + _ARRIVE
        else:
            sheet, _, low = self.rows[-1]
            arrive = low - _LEAVE / 2
        lane, leave = self.chain.lanes[a], end - _LEAVE
        start, stop = self.axes[before], self.axes[sheet]
        way = self._over(("arc", a), before, sheet, lane, lane)
        points = (start, leave), (start + lane, leave), *way, (stop + lane, arrive), (stop, arrive)
        return wire(*points, arrow=False, look="skip")

    def _over(
        self, key: Key, before: int, sheet: int, out: float, into: float
    ) -> Sequence[tuple[float, float]]:
        """The corners of a line on its way from one sheet to another; none where these are the same."""
        found: list[tuple[float, float]] = []
        for at in range(before, sheet):
            x = self.axes[at] + (out if at == before else into)
            found += self.bridges[at].over((self.number, key), x, self.axes[at + 1] + into)
        return found
