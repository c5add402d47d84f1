"""Where the boxes of a lattice stand, and the points of the lines between them."""

from __future__ import annotations

from collections.abc import Sequence

from netspec.draw.layout.diagram import Point
from netspec.draw.layout.lattice.frame import NEXT, Frame, Sizes, height
from netspec.draw.layout.lattice.grid import Grid
from netspec.draw.layout.lattice.routes import Net, Route, Row
from netspec.draw.layout.lattice.tracks import Run, tracks
from netspec.draw.layout.pieces import GAP, Piece
from netspec.draw.metrics import total
from netspec.draw.structure.wiring import Link

_NEXT, _EDGE = 7.0, 9.0


class Lines:
    """Boxes and lines with their coordinates.

    `row` says in which row an element that works in several has the tensor that a link carries. What
    flows out does so below, or `sideways`, at the right. What is `filling` is as high as all its rows.
    """

    def __init__(
        self,
        grid: Grid,
        pieces: Sequence[Piece],
        sizes: Sizes,
        ways: Sequence[Route],
        row: Row,
        filling: frozenset[int] = frozenset(),
        *,
        sideways: bool,
    ) -> None:
        self.grid, self.pieces, self.ways, self.row = grid, pieces, ways, row
        self.filling, self.sideways = filling, sideways
        self.end = len(pieces)
        self.frame = Frame(sizes, [1] * (grid.width + 1), [1] * (len(sizes.heights) + 1))
        self.beside: dict[tuple[int, Net], int] = {}
        self.below: dict[tuple[int, Net], int] = {}
        # The order of the lines in one kind of channel follows from where those in the other are.
        for _ in range(2):
            self._set()
            self.below, below = self._tracks(self._level_runs(), len(sizes.heights) + 1)
            self._set()
            self.beside, beside = self._tracks(self._upright_runs(), grid.width + 1)
        self.frame = Frame(sizes, beside, below)
        self._set()

    # --- boxes

    def _set(self) -> None:
        """The corners of all boxes, and where on their sides lines arrive and leave."""
        self.corners: dict[int, Point] = {}
        for (row, column), cells in self.grid.slots.items():
            cells = [i for i in cells if self.grid.cells[i].span.top == row]
            tall = total(height(self.grid, i, self.pieces) for i in cells) + GAP * (len(cells) - 1)
            last = max((self.grid.cells[i].span.bottom for i in cells), default=row)
            y = (self.frame.top(row) + self.frame.bottom(last) - tall) / 2
            for i in cells:
                cell = self.grid.cells[i]
                for v in cell.members[:: -1 if cell.upward else 1]:
                    piece = self.pieces[v]
                    above = self.frame.top(row) if v in self.filling else y
                    self.corners[v] = self.frame.axis(column) - piece.axis, above
                    y += piece.h + NEXT
                y += GAP - NEXT
        self._leave()
        self._arrive()

    def box(self, v: int) -> tuple[float, float, float, float]:
        """The left, top, right and bottom of a box."""
        x, y = self.corners[v]
        return x, y, x + self.pieces[v].w, y + self.height(v)

    def height(self, v: int) -> float:
        """How high a box is."""
        if v not in self.filling:
            return self.pieces[v].h
        span = self.grid.cells[self.grid.home[v]].span
        return self.frame.bottom(span.bottom) - self.frame.top(span.top)

    def _within(self, v: int, y: float, row: int) -> float:
        """A height on the side of a box, near to one, in a row where the box takes all of it."""
        top, bottom = self._side_of(v)
        if v in self.filling:
            top, bottom = max(top, self.frame.top(row)), min(bottom, self.frame.bottom(row))
        return min(max(y, top), bottom)

    def _side_of(self, v: int) -> tuple[float, float]:
        """Between which heights lines meet the side of a box: not at its corners."""
        _, top, _, bottom = self.box(v)
        edge = min(_EDGE, (bottom - top) / 5)
        return top + edge, bottom - edge

    def _middle(self, link: Link, given: bool) -> tuple[float, int]:
        """About where on the side of a box a tensor leaves, or arrives, and the row."""
        v = link.source if given else link.target
        span = self.grid.cells[self.grid.home[v]].span
        _, top, _, bottom = self.box(v)
        row = span.top if span.is_one else self.row(link, given)
        if row is None or span.is_one:
            return (top + bottom) / 2, span.top
        if v not in self.filling:
            share = (row - span.top + 0.5) / (span.bottom - span.top + 1)
            return top + (bottom - top) * share, row
        return (self.frame.top(row) + self.frame.bottom(row)) / 2, row

    def _leave(self) -> None:
        self.leaves: dict[Net, float] = {}
        straight: dict[int, list[Route]] = {}
        places: dict[tuple[int, float, int], list[Net]] = {}
        for way in self.ways:
            if way.link.source >= 0 and way.net not in self.leaves:
                y, row = self._middle(way.link, True)
                places.setdefault((way.link.source, y, row), []).append(way.net)
                self.leaves[way.net] = y
            if way.level is None and way.link.source >= 0 and way.link.target < self.end:
                straight.setdefault(way.link.source, []).append(way)
        for (v, y, row), nets in places.items():
            for k, net in enumerate(sorted(nets)):
                self.leaves[net] = self._within(v, y + _NEXT * (k - (len(nets) - 1) / 2), row)
            if len(nets) == 1 and v in straight:
                # A line to a box in the same row goes straight where it can.
                ends = [self._middle(way.link, False) for way in straight[v]]
                near = [end for end, other in ends if other == row]
                if near:
                    self.leaves[nets[0]] = self._within(
                        v, min(near, key=lambda at: abs(at - y)), row
                    )

    def _arrive(self) -> None:
        """What comes from above arrives above what comes straight on, what comes from below below it."""
        self.arrives: dict[Link, float] = {}
        places: dict[tuple[int, float, int], list[tuple[tuple[int, float, Net], Link]]] = {}
        for way in self.ways:
            if way.link.target < self.end:
                y, row = self._middle(way.link, False)
                key = self._side(way, y, row), self._order(way), way.net
                places.setdefault((way.link.target, y, row), []).append((key, way.link))
        for (v, y, row), arriving in places.items():
            arriving.sort(key=lambda pair: pair[0])
            nets = list(dict.fromkeys(key for key, _ in arriving))
            above = sum(side < 0 for side, _, _ in nets)
            straight = sum(side == 0 for side, _, _ in nets)
            middle = above + (straight - 1) / 2
            if straight == 1:
                # What comes straight on does not bend for the others.
                y = next(at for (side, at, _), _ in arriving if not side)
            spread = (len(nets) - 1) * _NEXT / 2
            for key, link in arriving:
                at = (nets.index(key) - middle) * _NEXT
                # Where they need more room than the side has on one side of the middle, they are moved.
                top, bottom = self._side_of(v)
                scale = min(1.0, (bottom - top) / 2 / spread) if spread else 1.0
                low, high = y - middle * _NEXT * scale, y + (len(nets) - 1 - middle) * _NEXT * scale
                shift = max(0.0, top - low) + min(0.0, bottom - high)
                self.arrives[link] = self._within(v, y + at * scale + shift, row)

    def _side(self, way: Route, y: float, row: int) -> int:
        """-1 for what comes from above, 1 for what comes from below, 0 for what comes straight on."""
        if way.level is not None:
            return -1 if way.level <= row else 1
        if way.link.source < 0:
            return -1
        start = self.leaves[way.net]
        if abs(start - self._within(way.link.target, start, row)) < 1.0:
            return 0
        return -1 if start < y else 1

    def _order(self, way: Route) -> float:
        """Of what comes from one side, what comes from farther left arrives nearer to the middle."""
        if way.level is not None:
            low = self.row(way.link, False)
            down = low is None or way.level <= low
            column = (
                self.grid.columns[self.grid.home[way.link.source]] if way.link.source >= 0 else -1
            )
            return float(column if down else -column)
        return self.leaves.get(way.net, 0.0)

    # --- channels

    def _level_runs(self) -> dict[int, dict[Net, Run]]:
        found: dict[int, dict[Net, Run]] = {}
        for way in self.ways:
            if way.level is not None:
                run = found.setdefault(way.level, {}).setdefault(way.net, Run())
                y = self.frame.below_at(way.level, 0)
                ends = (self._start(way), way.start), (self._stop(way), way.end)
                for at, channel in ends:
                    (run.near if at < y else run.far).append(self._beside(channel, way.net))
        return found

    def _upright_runs(self) -> dict[int, dict[Net, Run]]:
        found: dict[int, dict[Net, Run]] = {}
        for way in self.ways:
            first = found.setdefault(way.start, {}).setdefault(way.net, Run())
            # What comes from above, or leads down, is on neither side.
            (first.near if way.link.source >= 0 else first.beyond).append(self._start(way))
            last = found.setdefault(way.end, {}).setdefault(way.net, Run())
            down = way.link.target == self.end and not self.sideways
            (last.beyond if down else last.far).append(self._stop(way))
            if way.level is not None:
                y = self._below(way.level, way.net)
                first.far.append(y)
                last.near.append(y)
        return found

    def _tracks(
        self, runs: dict[int, dict[Net, Run]], count: int
    ) -> tuple[dict[tuple[int, Net], int], list[int]]:
        found: dict[tuple[int, Net], int] = {}
        most = [0] * count
        for channel, by_net in runs.items():
            places = tracks(list(by_net.values()))
            found |= {(channel, net): at for net, at in zip(by_net, places, strict=True)}
            most[channel] = max(places) + 1
        return found, most

    def _start(self, way: Route) -> float:
        return 0.0 if way.link.source < 0 else self.leaves[way.net]

    def _stop(self, way: Route) -> float:
        if way.link.target < self.end:
            return self.arrives[way.link]
        if not self.sideways:
            return self.frame.h
        return self._start(way) if way.level is None else self._below(way.level, way.net)

    def _beside(self, channel: int, net: Net) -> float:
        return self.frame.beside_at(channel, self.beside.get((channel, net), 0))

    def _below(self, channel: int, net: Net) -> float:
        return self.frame.below_at(channel, self.below.get((channel, net), 0))

    # --- lines

    def points(self, way: Route) -> list[Point]:
        """The corners of a line, from its source to its target."""
        x, y = self._beside(way.start, way.net), self._start(way)
        found = [] if way.link.source < 0 else [(self.box(way.link.source)[2], y)]
        found.append((x, y))
        if way.level is not None:
            low = self._below(way.level, way.net)
            x, last = self._beside(way.end, way.net), x
            found += [(last, low), (x, low)]
        y = self._stop(way)
        found.append((x, y))
        if way.link.target < self.end:
            found.append((self.box(way.link.target)[0], y))
        elif self.sideways:
            found.append((self.frame.w, y))
        return found

    def entry(self, k: int) -> float:
        """Where a tensor that flows in does so, from the left."""
        return self._beside(0, (-1, k))
