"""The order of lines that run side by side in a channel between boxes, and the track of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field

from netspec.foundation.records import record

_NEAR, _APART = 3.0, 20.0
_OVERLAP = 40


@record
class Run:
    """A line along a channel: where lines meet it from one side, and where from the other.

    In an upright channel the sides are left and right, in a level one above and below. `beyond` is where it
    begins or ends without a turn.
    """

    near: list[float] = field(default_factory=list)
    far: list[float] = field(default_factory=list)
    beyond: list[float] = field(default_factory=list)

    @property
    def ends(self) -> tuple[float, float]:
        """Where the line begins and ends."""
        every = (*self.near, *self.far, *self.beyond)
        return min(every), max(every)


def tracks(runs: Sequence[Run]) -> list[int]:
    """The track of each run, from the near side on: few crossings, none on another."""
    count = len(runs)
    costs = [[_crossings(a, b) if a is not b else 0 for b in runs] for a in runs]
    order = sorted(range(count), key=lambda i: (sum(runs[i].ends), i))
    better = True
    rounds = 0
    while better and rounds < count + 4:
        better = False
        rounds += 1
        for i in range(count):
            better |= _moved(order, i, costs)
    found = [0] * count
    for at, i in enumerate(order):
        below = [found[k] + 1 for k in order[:at] if _touch(runs[i], runs[k])]
        found[i] = max(below, default=0)
    return found


def _moved(order: list[int], run: int, costs: list[list[int]]) -> bool:
    """Moves a run to where it crosses the fewest others, if that is less than now."""
    at = order.index(run)
    rest = [k for k in order if k != run]
    total = sum(costs[run][k] for k in rest)
    each = [total]
    for k in rest:
        total += costs[k][run] - costs[run][k]
        each.append(total)
    best = min(range(len(each)), key=lambda i: (each[i], abs(i - at)))
    if each[best] >= each[at]:
        return False
    order[:] = [*rest[:best], run, *rest[best:]]
    return True


def _crossings(a: Run, b: Run) -> int:
    """How often two runs cross where the first is on the near side."""
    (low, high), (start, end) = a.ends, b.ends
    count = sum(start < at < end for at in a.far) + sum(low < at < high for at in b.near)
    return count + _OVERLAP * sum(abs(x - y) < _NEAR for x in a.far for y in b.near)


def _touch(a: Run, b: Run) -> bool:
    (low, high), (start, end) = a.ends, b.ends
    return low < end + _APART and start < high + _APART
