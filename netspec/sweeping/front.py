"""The Pareto front of rows by two costs: no other row is better in one and as good in the other."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from operator import itemgetter

from netspec.sweeping.variant import Row

_Held = tuple[float, float, Row]


class Front:
    """The front of the rows that were added: less of both is better, but of `most` more is.

    Of rows with the same costs it has the first.
    """

    def __init__(self, x: str, y: str, most: str | None = None) -> None:
        self._names = x, y
        self._signs = tuple(-1 if name == most else 1 for name in self._names)
        self._held: list[_Held] = []

    def add(self, row: Row) -> bool:
        """Whether the row is on the front now; those that it is better than are no longer."""
        cells = row.cells()
        found = [cells.get(name) for name in self._names]
        values = [value for value in found if value is not None]
        if len(values) < len(found):
            return False
        x, y = (sign * value for sign, value in zip(self._signs, values, strict=True))
        at = bisect_left(self._held, x, key=itemgetter(0))
        before = self._held[at - 1] if at else None
        same = self._held[at] if at < len(self._held) and self._held[at][0] == x else None
        if (before and before[1] <= y) or (same and same[1] <= y):
            return False
        end = at
        while end < len(self._held) and self._held[end][1] >= y:
            end += 1
        self._held[at:end] = [(x, y, row)]
        return True

    def rows(self) -> list[Row]:
        """The front, from the best in x to the best in y."""
        return [row for _, _, row in self._held]


def front(rows: Iterable[Row], x: str, y: str, most: str | None = None) -> list[Row]:
    """The rows that no other betters in these columns of the table, from the best in `x` on.

    Less is better, but of the column `most` more is. Rows without such figures are on no front.
    """
    found = Front(x, y, most)
    for row in rows:
        found.add(row)
    return found.rows()
