"""A diagram in columns, as a long text has: what flows out of one goes on at the head of the next.

It is broken between rows where few connections pass. Each column is a diagram of its own, whose
entries and exits are what passes, so any layout of diagrams lays columns out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from netspec.draw.layout.diagram import PIN, Diagram, Edge, Placed, Point, Shape
from netspec.draw.layout.division import Ranges, breaks, low
from netspec.draw.layout.layered import bends, rows_of
from netspec.draw.metrics import total
from netspec.foundation.records import record

_MOST_PASSING = 16
# A column lower than this share of the tallest joins its neighbour, if that stays below the other.
_LEAST, _OVER = 0.3, 1.3
_TURN, _STEP, _GUTTER, _BETWEEN = 14.0, 6.0, 22.0, 16.0

# What leaves a shape: the shape's number, and at which of its outs.
Value = tuple[int, int]
Place = Callable[[Sequence[Diagram]], Sequence[Placed]]


@record
class Column:
    """Shapes of a diagram, by their numbers, what comes from the column before and what goes on."""

    diagram: Diagram
    shapes: tuple[int, ...]
    comes: tuple[Value, ...]
    leaves: tuple[Value, ...]


def wrapped(diagrams: Sequence[tuple[Diagram, float]], place: Place) -> list[Placed]:
    """Diagrams laid out by `place`, each in columns not much higher than its limit in points."""
    pages = [_columns(diagram, limit) for diagram, limit in diagrams]
    different = list(dict.fromkeys(column.diagram for page in pages for column in page))
    placed = dict(zip(different, place(different), strict=True))
    return [
        _together(diagram, page, [placed[column.diagram] for column in page])
        for (diagram, _), page in zip(diagrams, pages, strict=True)
    ]


def rough(diagrams: Sequence[Diagram]) -> list[Placed]:
    """About how large diagrams will be, without a place for anything in them."""
    return [_rough(diagram) for diagram in diagrams]


def _rough(diagram: Diagram) -> Placed:
    rows = _rows(diagram)
    w = max((_width(_of(diagram, row)) for row in rows), default=0.0)
    h = max(total(_height(diagram, row) for row in rows) - diagram.gap, 0.0)
    corners = ((w / 2, 0.0),) * len(diagram.shapes)
    lines = (((w / 2, 0.0), (w / 2, h)),) * len(diagram.edges)
    return Placed(w, h, corners, lines)


def _width(row: Sequence[Shape]) -> float:
    return total(shape.w for shape in row) + _BETWEEN * (len(row) - 1)


def _of(diagram: Diagram, row: Sequence[int]) -> list[Shape]:
    return [diagram.shapes[v] for v in row]


def _height(diagram: Diagram, row: Sequence[int]) -> float:
    return max(shape.h for shape in _of(diagram, row)) + diagram.gap


def _rows(diagram: Diagram) -> list[list[int]]:
    where = rows_of(diagram)
    rows: list[list[int]] = [[] for _ in range(max(where, default=-1) + 1)]
    for v, r in enumerate(where):
        rows[r].append(v)
    return rows


# --- what stands in which column


def _columns(diagram: Diagram, limit: float) -> list[Column]:
    rows = _rows(diagram)
    heights = [_height(diagram, row) for row in rows]
    if total(heights) <= limit:
        return [_whole(diagram)]
    where = rows_of(diagram)
    values = [_passing(diagram, where, r) for r in range(len(rows) + 1)]
    ranges = _ranges(diagram, heights, [len(v) for v in values], limit)
    if len(ranges) == 1:
        return [_whole(diagram)]
    return [_column(diagram, rows[a:b], values[a], values[b]) for a, b in ranges]


def _whole(diagram: Diagram) -> Column:
    return Column(diagram, tuple(range(len(diagram.shapes))), (), ())


def _passing(diagram: Diagram, where: Sequence[int], r: int) -> tuple[Value, ...]:
    """What comes from above row r and is read in it or below, each once."""
    found = ((e.tail, e.out) for e in diagram.edges if where[e.tail] < r <= where[e.head])
    return tuple(sorted(set(found)))


def _ranges(
    diagram: Diagram, heights: Sequence[float], passing: Sequence[int], limit: float
) -> Ranges:
    """The rows of each column: broken where one connection passes, or as few as it takes."""
    first, last = int(diagram.entries > 0), len(heights) - int(diagram.exits > 0)
    best: list[int] = []
    least = total(heights)
    for most in range(1, _MOST_PASSING + 1):
        cuts = [r for r in range(first + 1, last) if passing[r] <= most]
        parts = [total(heights[a:b]) for a, b in pairwise([0, *cuts, len(heights)])]
        if max(parts) < least:
            best, least = cuts, max(parts)
        if least <= limit:
            break
    bounds = [0, *best, len(heights)]
    parts = [total(heights[a:b]) for a, b in pairwise(bounds)]
    divided = low(parts, len(breaks(parts, limit)))
    return [(bounds[a], bounds[b]) for a, b in _joined(parts, divided)]


def _joined(parts: Sequence[float], ranges: Ranges) -> Ranges:
    """The columns, those that hold next to nothing as parts of a neighbour."""
    ranges = list(ranges)
    while len(ranges) > 1:
        heights = [total(parts[a:b]) for a, b in ranges]
        k = min(range(len(ranges)), key=heights.__getitem__)
        beside = [j for j in (k - 1, k + 1) if 0 <= j < len(ranges)]
        other = min(beside, key=heights.__getitem__)
        if heights[k] > _LEAST * max(heights) or heights[k] + heights[other] > _OVER * max(heights):
            break
        i, j = sorted((k, other))
        ranges[i : j + 1] = [(ranges[i][0], ranges[j][1])]
    return ranges


def _numbers(column: Column) -> dict[int, int]:
    """The shapes' numbers in the column's own diagram."""
    return {v: len(column.comes) + i for i, v in enumerate(column.shapes)}


def _column(
    diagram: Diagram,
    rows: Sequence[Sequence[int]],
    comes: tuple[Value, ...],
    leaves: tuple[Value, ...],
) -> Column:
    own = sorted(v for row in rows for v in row)
    place = {v: len(comes) + i for i, v in enumerate(own)}
    count = len(comes) + len(own)
    edges = []
    for edge in diagram.edges:
        if edge.head in place:
            edges.append(Edge(*_tail(edge, place, comes), place[edge.head], edge.into))
    for k, (tail, out) in enumerate(leaves):
        edges.append(Edge(*_tail(Edge(tail, out, 0, 0), place, comes), count + k, 0))
    shapes = (PIN,) * len(comes), _of(diagram, own), (PIN,) * len(leaves)
    entries = len(comes) or sum(v < diagram.entries for v in own)
    exits = len(leaves) or sum(v >= len(diagram.shapes) - diagram.exits for v in own)
    flat = tuple(shape for part in shapes for shape in part)
    inner = Diagram(flat, tuple(edges), entries, exits, diagram.fixed, diagram.gap)
    return Column(inner, tuple(own), comes, leaves)


def _tail(edge: Edge, place: dict[int, int], comes: Sequence[Value]) -> Value:
    if edge.tail in place:
        return place[edge.tail], edge.out
    return comes.index((edge.tail, edge.out)), 0


# --- the columns side by side


class _Page:
    """Columns side by side, and the ways that connections take between them."""

    def __init__(self, page: Sequence[Column], placed: Sequence[Placed]) -> None:
        self.page, self.placed = page, placed
        self.pairs = [*zip(page, placed, strict=True)]
        most = max(len(column.leaves) for column in page)
        self.top = _TURN + _STEP * (most - 1) if most else 0.0
        self.left: list[float] = []
        x = 0.0
        for column, each in self.pairs:
            self.left.append(x)
            x += each.w + (2 * _GUTTER + _STEP * len(column.leaves) if column.leaves else 0.0)
        self.w = x
        self.h = max(each.h for each in placed) + 2 * self.top
        self.home = {v: i for i, column in enumerate(page) for v in column.shapes}
        self.own = [_numbers(column) for column in page]
        self.line = [dict(zip(c.diagram.edges, p.lines, strict=True)) for c, p in self.pairs]
        self.turns = [self._turns(i) for i in range(len(page) - 1)]

    def corner(self, i: int, number: int) -> Point:
        x, y = self.placed[i].corners[number]
        return self.left[i] + x, self.top + y

    def place(self, v: int) -> Point:
        """Where the top left corner of a shape is."""
        i = self.home[v]
        return self.corner(i, self.own[i][v])

    def _turns(self, i: int) -> dict[Value, list[Point]]:
        """The way of each value from the foot of column i to the head of the next: none meet."""
        above, below = self.page[i], self.page[i + 1]
        first = len(above.diagram.shapes) - len(above.leaves)
        foot = {v: self.corner(i, first + k) for k, v in enumerate(above.leaves)}
        head = {v: self.corner(i + 1, k) for k, v in enumerate(below.comes)}
        lane = self.left[i] + self.placed[i].w + _GUTTER
        last = len(foot) - 1
        ways = {}
        for k, value in enumerate(sorted(foot, key=foot.__getitem__)):
            (x, y), (to, end) = foot[value], head[value]
            under, over = y + _TURN + _STEP * (last - k), end - _TURN - _STEP * k
            at = lane + _STEP * (last - k)
            ways[value] = [(x, y), (x, under), (at, under), (at, over), (to, over), (to, end)]
        return ways

    def ways(self, edges: Sequence[Edge]) -> Iterator[tuple[Point, ...]]:
        """Connections over the columns that they pass.

        What another of the same tensor has come to already begins there, at the head of a column.
        """
        reached: dict[Value, int] = {}
        for edge in edges:
            value = edge.tail, edge.out
            end = self.home[edge.head]
            start = min(reached.get(value, self.home[edge.tail]), end)
            reached[value] = max(reached.get(value, end), end)
            points: list[Point] = []
            for i in range(start, end + 1):
                points += self._inside(i, edge)
                if i < end:
                    points += self.turns[i][value]
            yield tuple(bends(points))

    def _inside(self, i: int, edge: Edge) -> list[Point]:
        """A connection's line in one of the columns."""
        column, own = self.page[i], self.own[i]
        if i == self.home[edge.head]:
            head = own[edge.head], edge.into
        else:
            head = len(column.comes) + len(own) + column.leaves.index((edge.tail, edge.out)), 0
        part = Edge(*_tail(edge, own, column.comes), *head)
        return [(self.left[i] + x, self.top + y) for x, y in self.line[i][part]]


def _together(diagram: Diagram, page: Sequence[Column], placed: Sequence[Placed]) -> Placed:
    if len(page) == 1:
        return placed[0]
    whole = _Page(page, placed)
    corners = tuple(whole.place(v) for v in range(len(diagram.shapes)))
    return Placed(whole.w, whole.h, corners, tuple(whole.ways(diagram.edges)))
