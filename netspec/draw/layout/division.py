"""Where to break a row of heights into columns."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from netspec.draw.metrics import total

Ranges = list[tuple[int, int]]


def low(heights: Sequence[float], count: int) -> Ranges:
    """Where to break so that the tallest of `count` columns is as short as it can be."""
    least, most = max(heights), total(heights)
    while most - least > 1:
        middle = (least + most) / 2
        if len(breaks(heights, middle)) <= count:
            most = middle
        else:
            least = middle
    return breaks(heights, most)


def level(heights: Sequence[float], count: int) -> Ranges:
    """Where to break so that each of `count` columns ends near its share of the whole."""
    ends = list(accumulate(heights))
    cuts = [0]
    for k in range(1, count):
        share = ends[-1] * k / count
        nearest = min(range(len(ends)), key=lambda i: abs(ends[i] - share)) + 1
        if cuts[-1] < nearest < len(heights):
            cuts.append(nearest)
    return [*zip(cuts, [*cuts[1:], len(heights)], strict=True)]


def breaks(heights: Sequence[float], limit: float) -> Ranges:
    """Columns filled one after the other up to a height; what is higher alone has one of its own."""
    found, start, height = [], 0, 0.0
    for i, h in enumerate(heights):
        if height + h > limit and i > start:
            found.append((start, i))
            start, height = i, 0.0
        height += h
    return [*found, (start, len(heights))]
