"""Two sequences side by side: which items of one are those of the other, in order."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

Pairs = list[tuple[int, int]]

# Insertions and removals between two anchors that are looked for; with more, nothing there is equal.
_MOST_EDITS = 400
# Cells of the table in which items that are not equal are paired.
_MOST_CELLS = 250_000


def aligned(a: Sequence[Hashable], b: Sequence[Hashable], *, ambiguous: int = 0) -> Pairs:
    """Pairs (i, j) with `a[i] == b[j]`, both rising: equal ends, then what is there once (patience),
    then the shortest edit (Myers). Near linear where the sequences are mostly equal.

    Where what is left is there several times, and as `ambiguous` cells would hold, nothing is paired.
    """
    found: Pairs = []
    waiting = [(0, len(a), 0, len(b))]
    while waiting:
        low, high, left, right = waiting.pop()
        while low < high and left < right and a[low] == b[left]:
            found.append((low, left))
            low, left = low + 1, left + 1
        while low < high and left < right and a[high - 1] == b[right - 1]:
            high, right = high - 1, right - 1
            found.append((high, right))
        if low == high or left == right:
            continue
        anchors = _anchors(a, low, high, b, left, right)
        if not anchors:
            if (high - low) * (right - left) > ambiguous:
                found += _shortest(a[low:high], b[left:right], low, left)
            continue
        i, j = low, left
        for x, y in anchors:
            waiting.append((i, x, j, y))
            i, j = x, y
        waiting.append((i, high, j, right))
    return sorted(found)


def _anchors(
    a: Sequence[Hashable], low: int, high: int, b: Sequence[Hashable], left: int, right: int
) -> Pairs:
    once = Counter(a[low:high])
    twice = Counter(b[left:right])
    places = {a[i]: i for i in range(low, high) if once[a[i]] == 1 == twice[a[i]]}
    return rising((places[b[j]], j) for j in range(left, right) if b[j] in places)


def rising(pairs: Iterable[tuple[int, int]]) -> Pairs:
    """The longest part of pairs with rising second numbers whose first numbers rise too."""
    ends: list[int] = []
    last: list[tuple[int, int]] = []
    before: dict[tuple[int, int], tuple[int, int] | None] = {}
    for pair in pairs:
        at = bisect_left(ends, pair[0])
        before[pair] = last[at - 1] if at else None
        ends[at:] = [pair[0], *ends[at + 1 :]]
        last[at:] = [pair, *last[at + 1 :]]
    found: Pairs = []
    current = last[-1] if last else None
    while current is not None:
        found.append(current)
        current = before[current]
    return found[::-1]


def _shortest(a: Sequence[Hashable], b: Sequence[Hashable], low: int, left: int) -> Pairs:
    """Myers' greedy search; nothing is paired where more than `_MOST_EDITS` edits are needed."""
    reached = {1: 0}
    traces = []
    for edits in range(min(len(a) + len(b), _MOST_EDITS) + 1):
        traces.append(dict(reached))
        for k in range(-edits, edits + 1, 2):
            down = k == -edits or (k != edits and reached[k - 1] < reached[k + 1])
            x = reached[k + 1] if down else reached[k - 1] + 1
            while x < len(a) and x - k < len(b) and a[x] == b[x - k]:
                x += 1
            reached[k] = x
            if x >= len(a) and x - k >= len(b):
                return [(low + i, left + j) for i, j in _back(traces, len(a), len(b))]
    return []


def _back(traces: list[dict[int, int]], x: int, y: int) -> Pairs:
    found: Pairs = []
    for edits in range(len(traces) - 1, -1, -1):
        reached, k = traces[edits], x - y
        down = k == -edits or (k != edits and reached[k - 1] < reached[k + 1])
        before = k + 1 if down else k - 1
        start = reached[before]
        first = start if down else start + 1
        while x > max(first, 0) and y > max(first - k, 0):
            x, y = x - 1, y - 1
            found.append((x, y))
        x, y = start, start - before
    return found[::-1]


def paired(
    count: tuple[int, int], score: Callable[[int, int], float], kind: Callable[[int, int], bool]
) -> Pairs:
    """Pairs of items that are alike, in order, with the largest sum of scores; 0 pairs nothing.

    Where the table would be too large, those of one kind are paired from the front.
    """
    rows, columns = count
    if rows * columns > _MOST_CELLS:
        found, j = [], 0
        for i in range(rows):
            match = next((k for k in range(j, min(j + 64, columns)) if kind(i, k)), None)
            if match is not None:
                found.append((i, match))
                j = match + 1
        return found
    best = [[0.0] * (columns + 1) for _ in range(rows + 1)]
    scores = [[score(i, j) for j in range(columns)] for i in range(rows)]
    for i in range(rows - 1, -1, -1):
        for j in range(columns - 1, -1, -1):
            taken = scores[i][j] + best[i + 1][j + 1] if scores[i][j] > 0 else 0.0
            best[i][j] = max(taken, best[i + 1][j], best[i][j + 1])
    found, i, j = [], 0, 0
    while i < rows and j < columns:
        if scores[i][j] > 0 and best[i][j] == scores[i][j] + best[i + 1][j + 1]:
            found.append((i, j))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            i += 1
        else:
            j += 1
    return found


def share(a: Counter[Any], b: Counter[Any]) -> float:
    """How much two bags have in common, from 0 to 1."""
    return (a & b).total() / max(1, (a | b).total())
