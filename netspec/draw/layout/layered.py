"""A layered layout for what is neither chain nor branches: rows of boxes, edges between the rows.

Longest-path layers, places held free for edges that pass a row, and sweeps by the median; after
Sugiyama, Tagawa and Toda (1981). Within a row, places are as near as can be to what they are
connected with: a least-squares fit that keeps their order and distance.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from netspec.diagnostics.messages.draw import CannotDraw
from netspec.diagnostics.raised import NetspecError
from netspec.draw.layout.diagram import PIN, Diagram, Edge, Placed, Point, Shape
from netspec.draw.layout.pieces import Piece, wire
from netspec.draw.layout.straight import Port, Strand, straightened
from netspec.draw.metrics import total
from netspec.draw.scene import Item

_BETWEEN, _SWEEPS = 16.0, 6
_TIGHT = 18.0
_FLATTEST = 0.06
_MOST_PASSING = 20_000
_STRAIGHT = 4.0


class _Grid:
    """Rows of places: those of the shapes, and one in each row that an edge passes."""

    def __init__(self, diagram: Diagram) -> None:
        self.shapes = list(diagram.shapes)
        self.row = rows_of(diagram)
        self.gap = diagram.gap
        ends = range(len(diagram.shapes))[len(diagram.shapes) - diagram.exits :]
        self.fixed = {*range(diagram.entries), *ends} if diagram.fixed else set()
        count = _passing(diagram, self.row)
        if count > _MOST_PASSING:
            reason = f"its connections pass {count:,} layers, the limit is {_MOST_PASSING:,}"
            raise NetspecError(
                CannotDraw(reason, "write the graph as text (--style flow --format dot)")
            )
        self.rows: list[list[int]] = [[] for _ in range(max(self.row, default=-1) + 1)]
        for v, r in enumerate(self.row):
            self.rows[r].append(v)
        self.chains: list[list[int]] = []
        # For each place, what it is linked to above and below: the place, its port, the own port.
        self.above: list[list[tuple[int, float, float]]] = [[] for _ in self.shapes]
        self.below: list[list[tuple[int, float, float]]] = [[] for _ in self.shapes]
        self.edges = diagram.edges
        for edge in diagram.edges:
            self._chain(edge)

    def _chain(self, edge: Edge) -> None:
        chain = [edge.tail]
        for r in range(self.row[edge.tail] + 1, self.row[edge.head]):
            chain.append(len(self.shapes))
            self.rows[r].append(len(self.shapes))
            self.shapes.append(PIN)
            self.above.append([])
            self.below.append([])
        chain.append(edge.head)
        self.chains.append(chain)
        for v, w in pairwise(chain):
            out = self.shapes[v].outs[edge.out if v == edge.tail else 0]
            into = self.shapes[w].ins[edge.into if w == edge.head else 0]
            self.below[v].append((w, into, out))
            self.above[w].append((v, out, into))

    def order(self) -> None:
        """Sweeps down and up, each row by the median of its neighbours in the row before.

        The order with the fewest crossings is kept: a sweep may make more of them.
        """
        best = self._crossings(), [[*row] for row in self.rows]
        for sweep in range(_SWEEPS):
            down = sweep % 2 == 0
            links = self.above if down else self.below
            rows = self.rows if down else self.rows[::-1]
            for before, here in pairwise(rows):
                if self.fixed and any(v in self.fixed for v in here):
                    continue
                place = {v: float(i) for i, v in enumerate(before)}
                stay = {v: i for i, v in enumerate(here)}
                here.sort(key=lambda v: (self._median(links[v], place, stay[v]), stay[v]))
            count = self._crossings()
            if count <= best[0]:
                best = count, [[*row] for row in self.rows]
        self.rows = best[1]

    def _crossings(self) -> int:
        """How many pairs of lines between neighbouring rows cross."""
        count = 0
        for above, here in pairwise(self.rows):
            place = {v: i for i, v in enumerate(here)}
            lines = sorted(
                ((i, own), (place[w], into))
                for i, v in enumerate(above)
                for w, into, own in self.below[v]
            )
            # Each line crosses those before it that end further right; ends in common do not count.
            ends: list[tuple[int, float]] = []
            for _, end in lines:
                count += len(ends) - bisect_right(ends, end)
                insort(ends, end)
        return count

    def _median(
        self, links: list[tuple[int, float, float]], place: dict[int, float], stay: int
    ) -> float:
        # Ports of one shape are told apart by how far right they are in it.
        near = sorted(place[w] + port / (self.shapes[w].w + 1) for w, port, _ in links)
        if not near:
            return float(stay)
        middle = len(near) // 2
        return near[middle] if len(near) % 2 else (near[middle - 1] + near[middle]) / 2

    def places(self) -> list[float]:
        """The left side of each place."""
        left = [0.0] * len(self.shapes)
        for r in self.rows:
            at = -total(self.shapes[v].w + _BETWEEN for v in r) / 2
            for v in r:
                left[v] = at
                at += self.shapes[v].w + _BETWEEN
        for sweep in range(_SWEEPS):
            for r in self.rows if sweep % 2 else reversed(self.rows):
                self._relax(r, left)
        widths = [shape.w for shape in self.shapes]
        strands = [*self._straight_on(), *self._lines()]
        left = straightened(self.rows, widths, left, strands, _BETWEEN)
        least = min((left[v] for r in self.rows for v in r[:1]), default=0.0)
        return [x - least for x in left]

    def _lines(self) -> Iterator[Strand]:
        """The lines that pass rows, from where they leave a shape to where they arrive."""
        for edge, (tail, *places, head) in zip(self.edges, self.chains, strict=True):
            if places:
                ends = (
                    Port(tail, self.shapes[tail].outs[edge.out]),
                    Port(head, self.shapes[head].ins[edge.into]),
                )
                yield Strand(tuple(map(Port, places)), ends)

    def _straight_on(self) -> Iterator[Strand]:
        """Boxes of which each alone reads the one above it, but for what passes rows."""
        near = [
            (
                edge.tail,
                self.shapes[edge.tail].outs[edge.out],
                edge.head,
                self.shapes[edge.head].ins[edge.into],
            )
            for edge, chain in zip(self.edges, self.chains, strict=True)
            if len(chain) == 2
        ]
        tails, heads = (Counter(edge[i] for edge in near) for i in (0, 2))
        on = {v: (w, into - out) for v, out, w, into in near if tails[v] == heads[w] == 1}
        for v in sorted({*on} - {w for w, _ in on.values()}):
            found = [Port(v)]
            while found[-1].place in on:
                w, shift = on[found[-1].place]
                found.append(Port(w, found[-1].at + shift))
            yield Strand(tuple(found))

    def _relax(self, row: list[int], left: list[float]) -> None:
        wanted, weights, offsets, at = [], [], [], 0.0
        for v in row:
            links = self.above[v] + self.below[v]
            near = [left[w] + port - own for w, port, own in links]
            passing = v >= self.shapes_given
            weights.append((_STRAIGHT if passing else 1.0) * max(len(near), 0.1))
            wanted.append((total(near) / len(near) if near else left[v]) - at)
            offsets.append(at)
            at += self.shapes[v].w + _BETWEEN
        fitted = _rising(wanted, weights)
        for v, x, offset in zip(row, fitted, offsets, strict=True):
            left[v] = x + offset

    @property
    def shapes_given(self) -> int:
        return len(self.row)


def passing(diagram: Diagram) -> int:
    """How many rows of boxes the edges pass: what a layered layout takes its time for."""
    return _passing(diagram, rows_of(diagram))


def _passing(diagram: Diagram, row: list[int]) -> int:
    return sum(row[edge.head] - row[edge.tail] - 1 for edge in diagram.edges)


def rows_of(diagram: Diagram) -> list[int]:
    """The row of each shape: below all it reads, and pins where they belong."""
    count = len(diagram.shapes)
    above: list[list[int]] = [[] for _ in range(count)]
    below: list[list[int]] = [[] for _ in range(count)]
    for edge in diagram.edges:
        above[edge.head].append(edge.tail)
        below[edge.tail].append(edge.head)
    inner = range(diagram.entries, count - diagram.exits)
    row = [0] * count
    for v in inner:
        row[v] = max((row[a] + 1 for a in above[v]), default=int(diagram.entries > 0))
    end = max((row[v] + 1 for v in inner), default=0)
    row[count - diagram.exits :] = [end] * diagram.exits
    # A chain that begins here moves down to just above what reads it.
    begins = [False] * count
    for v in inner:
        begins[v] = len(below[v]) == 1 and len(above[v]) < 2 and all(begins[a] for a in above[v])
    for v in reversed(inner):
        if begins[v]:
            row[v] = row[below[v][0]] - 1
    return row


def _rising(wanted: list[float], weights: list[float]) -> list[float]:
    """The rising sequence nearest to `wanted` by weighted least squares (pool adjacent violators)."""
    blocks: list[tuple[float, float, int]] = []
    for value, weight in zip(wanted, weights, strict=True):
        block = (value, weight, 1)
        while blocks and blocks[-1][0] > block[0]:
            mean, mass, length = blocks.pop()
            total = mass + block[1]
            block = (mean * mass + block[0] * block[1]) / total, total, length + block[2]
        blocks.append(block)
    return [mean for mean, _, length in blocks for _ in range(length)]


def place(diagram: Diagram) -> Placed:
    """The diagram in rows."""
    grid = _Grid(diagram)
    grid.order()
    left = grid.places()
    heights = [max(grid.shapes[v].h for v in r) for r in grid.rows]
    tops, at = [], 0.0
    for r, height in enumerate(heights):
        tops.append(at)
        at += height + _gap(grid, left, r)
    where = {v: r for r, members in enumerate(grid.rows) for v in members}
    lines = tuple(
        _line(grid, edge, chain, left, [(tops[where[v]], heights[where[v]]) for v in chain])
        for edge, chain in zip(diagram.edges, grid.chains, strict=True)
    )
    w = max((left[v] + shape.w for v, shape in enumerate(grid.shapes)), default=0.0)
    corners = tuple((left[v], tops[grid.row[v]]) for v in range(len(diagram.shapes)))
    return Placed(w, tops[-1] + heights[-1] if tops else 0.0, corners, lines)


def _gap(grid: _Grid, left: list[float], r: int) -> float:
    """The room below a row: more where wires go far to the side."""
    sides = (
        abs(left[v] + own - left[w] - port) for v in grid.rows[r] for w, port, own in grid.below[v]
    )
    return max(grid.gap, min(_FLATTEST * max(sides, default=0.0), 3 * grid.gap))


def _line(
    grid: _Grid, edge: Edge, chain: list[int], left: list[float], bounds: list[tuple[float, float]]
) -> tuple[Point, ...]:
    """Upright along each row, slanted between rows."""
    points: list[Point] = []
    for v, (top, height) in zip(chain, bounds, strict=True):
        shape = grid.shapes[v]
        if v != edge.tail:
            points.append((left[v] + shape.ins[edge.into if v == edge.head else 0], top))
        if v != edge.head:
            x = left[v] + shape.outs[edge.out if v == edge.tail else 0]
            points += [(x, top + y) for y in ((shape.h, height) if v == edge.tail else (height,))]
    return tuple(bends(points))


def bends(points: list[Point]) -> Iterable[Point]:
    """The points without those that lie on the straight line between their neighbours."""
    kept = points[:1]
    for here, after in pairwise(points[1:]):
        if here != kept[-1] and not kept[-1][0] == here[0] == after[0]:
            kept.append(here)
    return [*kept, points[-1]]


def layered(
    pieces: Sequence[Piece],
    edges: Sequence[tuple[int, int]],
    ports: Sequence[tuple[int, int]],
    entries: int = 1,
    exits: int = 1,
) -> Piece:
    """The pieces in rows. An edge from -1 comes in at the top, one to len(pieces) leaves below.

    `ports` say at which of several places an edge leaves and arrives, `entries` and `exits` how
    many wires come in and leave side by side.
    """
    first = entries if any(a < 0 for a, _ in edges) else 0
    last = exits if any(b == len(pieces) for _, b in edges) else 0
    shapes = [Shape(p.w, p.h, _places(p, p.lanes), _places(p, p.outs)) for p in pieces]
    after = first + len(pieces)
    pinned = []
    for (a, b), (out, into) in zip(edges, ports, strict=True):
        tail, out = (out, 0) if a < 0 else (a + first, min(out, len(pieces[a].outs) - 1))
        ends = b == len(pieces)
        head, into = (after + into, 0) if ends else (b + first, min(into, len(pieces[b].lanes) - 1))
        pinned.append(Edge(tail, out, head, into))
    pins = (PIN,) * first, (PIN,) * last
    whole = Diagram((*pins[0], *shapes, *pins[1]), tuple(pinned), first, last, True, _TIGHT)
    placed = place(whole)
    entered = [x for x, _ in placed.corners[:first]]
    left = [x for x, _ in placed.corners[after:]]
    axis = total(entered) / first if first else placed.w / 2
    down = _TIGHT / 2 if last == 1 else 0.0

    def draw(x: float, y: float) -> list[Item]:
        found: list[Item] = []
        for piece, (px, py) in zip(pieces, placed.corners[first:], strict=False):
            found += piece.draw(x + px, y + py)
        for (_, b), line in zip(edges, placed.lines, strict=True):
            points = [(x + px, y + py) for px, py in line]
            if b == len(pieces) and last == 1:
                points += [(x + axis, y + placed.h + down)]
            found.append(wire(*points, arrow=b < len(pieces)))
        return found

    lanes = tuple(x - axis for x in entered) or (0.0,)
    outs = tuple(x - axis for x in left) if last > 1 else (0.0,)
    return Piece(placed.w, placed.h + down, axis, draw, bool(first), lanes, outs)


def _places(piece: Piece, offsets: Sequence[float]) -> tuple[float, ...]:
    return tuple(piece.axis + offset for offset in offsets)
