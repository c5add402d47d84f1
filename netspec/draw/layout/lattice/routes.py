"""Which channels between the cells of a grid the lines go along."""

from __future__ import annotations

from collections.abc import Callable

from netspec.draw.layout.lattice.grid import Grid
from netspec.draw.structure.wiring import Link, Wiring
from netspec.foundation.records import record

Net = tuple[int, int]
# In which row the source of a link, or its target, has the tensor that the link carries.
Row = Callable[[Link, bool], int | None]


@record
class Route:
    """The way of a link: the upright channel it goes into, a level one, the upright one it leaves.

    A channel has the number of the column, or of the row, that follows it. Without a level channel both
    upright ones are the same.
    """

    link: Link
    start: int
    level: int | None
    end: int

    @property
    def net(self) -> Net:
        """What the line carries: lines that carry the same share their way as far as they can."""
        return self.link.source, self.link.out


def routes(grid: Grid, wires: Wiring, rows: int, row: Row) -> list[Route]:
    """The ways of all links but those that lead straight up or down.

    `row` is None for what is in no row, as all of an element that works in several and fills none of them.
    """
    end = len(wires.items)
    passing: dict[tuple[int, int], Net] = {}
    found = []
    for link in wires.links:
        inner = link.source >= 0 and link.target < end
        within = inner and grid.home[link.source] == grid.home[link.target]
        if link not in grid.rises and not within:
            found.append(_route(grid, link, end, rows, row, passing))
    return found


def _route(
    grid: Grid, link: Link, end: int, rows: int, row: Row, passing: dict[tuple[int, int], Net]
) -> Route:
    left = row(link, True) if link.source >= 0 else None
    right = row(link, False) if link.target < end else None
    start = grid.columns[grid.home[link.source]] + 1 if link.source >= 0 else 0
    stop = grid.columns[grid.home[link.target]] if link.target < end else grid.width
    if start == stop:
        return Route(link, stop, None, stop)
    # Over empty places a line goes straight on: in the row that it comes from, or in that it leads to.
    for at, channel in ((left, stop), (right, start)):
        if at is not None:
            places = [(at, column) for column in range(start, stop)]
            net = link.source, link.out
            if all(p not in grid.slots and passing.get(p, net) == net for p in places):
                passing |= dict.fromkeys(places, net)
                return Route(link, channel, None, channel)
    if link.target == end:
        return Route(link, start, rows, stop)
    if right is None:
        right = grid.cells[grid.home[link.target]].span.top
    wanted = right + 1 if left is not None and left > right else right
    levels = sorted(range(rows + 1), key=lambda level: abs(level - wanted))
    level = next(at for at in levels if _passes(grid, at, start, stop))
    return Route(link, start, level, stop)


def _passes(grid: Grid, level: int, start: int, stop: int) -> bool:
    """Whether nothing stands across a level channel between two columns; above and below all nothing does."""
    across = (
        cell.span.top < level <= cell.span.bottom
        for cell, column in zip(grid.cells, grid.columns, strict=True)
        if start <= column < stop
    )
    return not any(across)
