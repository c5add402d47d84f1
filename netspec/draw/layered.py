"""A layered layout for what is neither chain nor branches: rows of boxes, edges between the rows.

Longest-path layers, places held free for edges that pass a row, and sweeps by the median; after
Sugiyama, Tagawa and Toda (1981).
"""

from __future__ import annotations

from itertools import pairwise

from netspec.draw.pieces import Piece, wire
from netspec.draw.scene import Item

_BETWEEN, _ROWS, _SWEEPS, _PASS = 16.0, 34.0, 6, 12.0


class _Grid:
    """Rows of places: a place is an item's index, or a negative number for a passing edge."""

    def __init__(self, count: int, edges: tuple[tuple[int, int], ...]) -> None:
        self.count = count
        self.row = self._layers(count, edges)
        depth = max(self.row.values(), default=0) + 1
        self.row[-1], self.row[count] = -1, depth
        self.chains: list[list[int]] = []
        self.rows: list[list[int]] = [[] for _ in range(depth)]
        for i in range(count):
            self.rows[self.row[i]].append(i)
        self.neighbours: dict[int, set[int]] = {}
        fresh = -2
        for a, b in edges:
            chain = [a]
            for r in range(self.row[a] + 1, self.row[b]):
                self.rows[r].append(fresh)
                self.row[fresh] = r
                chain.append(fresh)
                fresh -= 1
            chain.append(b)
            self.chains.append(chain)
            for v, w in pairwise(chain):
                self.neighbours.setdefault(v, set()).add(w)
                self.neighbours.setdefault(w, set()).add(v)

    @staticmethod
    def _layers(count: int, edges: tuple[tuple[int, int], ...]) -> dict[int, int]:
        row = dict.fromkeys(range(count), 0)
        for a, b in sorted(edges, key=lambda edge: edge[1]):
            if a >= 0 and b < count:
                row[b] = max(row[b], row[a] + 1)
        # Sources move down to just above what first reads them, ports stay on top.
        for v in reversed(range(count)):
            below = [row[b] for a, b in edges if a == v and b < count]
            if below and not any(b == v for _, b in edges):
                row[v] = min(below) - 1
        return row

    def order(self) -> None:
        """Sweeps down and up, each row by the median of its neighbours in the row before."""
        for sweep in range(_SWEEPS):
            down = sweep % 2 == 0
            for r in range(len(self.rows)) if down else reversed(range(len(self.rows))):
                other = r - 1 if down else r + 1
                if not 0 <= other < len(self.rows):
                    continue
                place = {v: i for i, v in enumerate(self.rows[other])}
                here = {v: i for i, v in enumerate(self.rows[r])}
                self.rows[r].sort(key=lambda v: (self._median(v, place, here[v]), here[v]))

    def _median(self, v: int, place: dict[int, int], stay: int) -> float:
        near = sorted(place[w] for w in self.neighbours.get(v, ()) if w in place)
        if not near:
            return float(stay)
        middle = len(near) // 2
        return near[middle] if len(near) % 2 else (near[middle - 1] + near[middle]) / 2


def layered(pieces: list[Piece], edges: tuple[tuple[int, int], ...]) -> Piece:
    """The pieces in rows. An edge from -1 comes in at the top, one to len(pieces) leaves below."""
    grid = _Grid(len(pieces), edges)
    grid.order()
    centre = _places(grid, pieces)
    left = min(centre[v] - _half(v, pieces)[0] for r in grid.rows for v in r)
    right = max(centre[v] + _half(v, pieces)[1] for r in grid.rows for v in r)
    w = right - left
    axis = w / 2
    heights = [max((pieces[v].h for v in r if v >= 0), default=0.0) for r in grid.rows]
    tops, at = [], _ROWS if any(a < 0 for a, _ in edges) else 0.0
    for height in heights:
        tops.append(at)
        at += height + _ROWS
    h = at if any(b == len(pieces) for _, b in edges) else at - _ROWS
    centre[-1] = centre[len(pieces)] = left + axis

    def draw(x: float, y: float) -> list[Item]:
        found: list[Item] = []
        for v, piece in enumerate(pieces):
            found += piece.draw(x + centre[v] - left - piece.axis, y + tops[grid.row[v]])
        for chain in grid.chains:
            points = []
            for v in chain:
                px = x + centre[v] - left
                if v == -1:
                    points.append((px, y))
                elif v == len(pieces):
                    points.append((px, y + h))
                else:
                    top, height = tops[grid.row[v]], heights[grid.row[v]]
                    low = top + (pieces[v].h if v >= 0 else height)
                    if v != chain[0]:
                        points.append((px, y + top))
                    if v != chain[-1] and (v == chain[0] or v < 0):
                        points.append((px, y + low))
                        if low < top + height:
                            points.append((px, y + top + height))
            found.append(wire(*points, arrow=chain[-1] != len(pieces)))
        return found

    return Piece(w, h, axis, draw)


def _half(v: int, pieces: list[Piece]) -> tuple[float, float]:
    """What a place needs to the left and to the right of its axis."""
    if v < 0:
        return _PASS / 2, _PASS / 2
    return pieces[v].axis, pieces[v].w - pieces[v].axis


def _places(grid: _Grid, pieces: list[Piece]) -> dict[int, float]:
    """The axis of each place: packed from the left, then drawn towards its neighbours."""
    centre: dict[int, float] = {}
    for r in grid.rows:
        at = 0.0
        for v in r:
            before, after = _half(v, pieces)
            centre[v] = at + before
            at += before + after + _BETWEEN
    widest = max(centre[r[-1]] + _half(r[-1], pieces)[1] for r in grid.rows if r)
    for r in grid.rows:
        if r:
            spare = widest - centre[r[-1]] - _half(r[-1], pieces)[1]
            for v in r:
                centre[v] += spare / 2
    for sweep in range(_SWEEPS):
        for r in grid.rows if sweep % 2 == 0 else reversed(grid.rows):
            _relax(r, grid, centre, pieces)
    return centre


def _relax(row: list[int], grid: _Grid, centre: dict[int, float], pieces: list[Piece]) -> None:
    """Moves a row's places towards the mean of their neighbours, keeping order and distance."""
    wanted = {}
    for v in row:
        near = [centre[w] for w in grid.neighbours.get(v, ()) if w in centre]
        wanted[v] = sum(near) / len(near) if near else centre[v]
    for v in row:
        centre[v] = wanted[v]
    # Half of what overlaps is settled from the left, the rest from the right.
    for i in range(1, len(row)):
        a, b = row[i - 1], row[i]
        need = _half(a, pieces)[1] + _BETWEEN + _half(b, pieces)[0]
        if centre[b] - centre[a] < need:
            centre[b] = centre[a] + need
    shift = sum(wanted[v] - centre[v] for v in row) / len(row) if row else 0.0
    for v in row:
        centre[v] += shift
