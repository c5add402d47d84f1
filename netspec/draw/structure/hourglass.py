"""Chains whose resolution falls and rises again, without skips, divided into the levels of a U."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from netspec.draw.structure.elements import Element, Repeat, Series, Tangle, nodes_of
from netspec.foundation.records import record
from netspec.graph.checked import Node

_STEP = 1.5

Side = tuple[Element, ...]


@record
class _Run:
    """Elements that work at one resolution."""

    area: float
    items: Side


def hourglass(
    series: Series, area: Callable[[Node], float]
) -> tuple[list[tuple[Side, Side]], Side] | None:
    """The sides of each level, from the top, and the bottom; None for what is no encoder-decoder.

    The resolution must fall, and rise in two steps or more, and nowhere by more
    than a step inside one element. A resolution that only one side has
    belongs to the level above.
    """
    nodes = [nodes_of(item) for item in series.items]
    if not nodes or series.arcs or series.asides or not all(nodes):
        return None
    if not all(_is_level(item, area) for item in series.items):
        return None
    areas = [area(each[-1]) for each in nodes]
    low = areas.index(min(areas))
    left = _runs(series.items[: low + 1], areas[: low + 1])
    right = _runs(series.items[low + 1 :], areas[low + 1 :])
    bottom = left.pop().items
    if right and right[0].area < areas[low] * _STEP:
        bottom += right.pop(0).items
    inner = [area(node) for each in nodes[low + 1 :] for node in each]
    rises = sum(b >= a * _STEP for a, b in pairwise([areas[low], *inner]))
    falling = all(a.area > b.area for a, b in pairwise(left))
    rising = all(a.area < b.area for a, b in pairwise(right))
    if not (left and right and falling and rising and rises > 1):
        return None
    return _paired(left, right[::-1]), bottom


def _is_level(item: Element, area: Callable[[Node], float]) -> bool:
    """Whether what the item does is at one resolution, up to one step; a tangle has no direction."""
    once = item.element if isinstance(item, Repeat) else item
    sizes = [area(node) for node in nodes_of(once)]
    steps = sum(max(a, b) >= _STEP * min(a, b) for a, b in pairwise(sizes))
    return steps <= 1 and not isinstance(item, Tangle)


def _runs(items: Sequence[Element], areas: Sequence[float]) -> list[_Run]:
    found: list[_Run] = []
    for item, size in zip(items, areas, strict=True):
        last = found[-1].area if found else 0.0
        if found and max(size, last) < _STEP * min(size, last):
            found[-1] = _Run(size, (*found[-1].items, item))
        else:
            found.append(_Run(size, (item,)))
    return found


def _paired(left: list[_Run], right: list[_Run]) -> list[tuple[Side, Side]]:
    """Runs of one resolution opposite each other; both sides from the top."""
    levels: list[tuple[Side, Side]] = [((), ())]
    while left or right:
        sizes = [side[0].area if side else 0.0 for side in (left, right)]
        near = max(sizes) < _STEP**2 * min(sizes)
        down = left.pop(0).items if near or sizes[0] > sizes[1] else ()
        up = right.pop(0).items if near or sizes[0] < sizes[1] else ()
        above = levels[-1]
        if all(above) and near:
            levels.append((down, up))
        else:
            # The right side runs upwards: what is lower comes first.
            levels[-1] = above[0] + down, up + above[1]
    return levels
