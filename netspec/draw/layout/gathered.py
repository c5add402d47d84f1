"""A U several of whose steps at one resolution are kept for the way up: each side folded.

Diffusion's U-Nets keep what every unit gives, and join the last of it before every unit on the way up.
Their papers draw a level as so many units down and so many up.
"""

from __future__ import annotations

from collections.abc import Callable

from netspec.draw.layout.ushape import Level, U
from netspec.draw.structure.elements import Block, Element, Parallel, Repeat, Series, Step, nodes_of
from netspec.draw.structure.labels import resolution
from netspec.draw.structure.repeats import difference, signature

Opens = Callable[[Element], bool]


def gathered(u: U, opens: Opens) -> U:
    """The U with levels of one resolution that do the same as one; what `opens` is not folded."""
    more, bottom = _kept(u.bottom)
    rest, levels = [*u.levels, *more], list[Level]()
    while rest:
        count = _run(rest, opens)
        levels.append(_folded(rest[:count]) if count > 1 else rest[0])
        del rest[:count]
    if len(levels) == len(u.levels) + len(more):
        return u
    return U(tuple(levels), bottom)


def _kept(bottom: tuple[Element, ...]) -> tuple[list[Level], tuple[Element, ...]]:
    """Levels at the bottom's own resolution, where it keeps something twice or more, and what is below."""
    levels: list[Level] = []
    items = bottom
    while (at := next((i for i, x in enumerate(items) if _keeps(x)), None)) is not None:
        parallel = items[at]
        assert isinstance(parallel, Parallel)
        assert parallel.join is not None
        inner, *skips = sorted(parallel.branches, key=lambda branch: not branch.items)
        if not items[:at] or inner.arcs or inner.asides:
            break
        levels.append(Level(items[:at], (*skips,), (parallel.join, *items[at + 1 :])))
        items = inner.items
    return (levels, items) if len(levels) > 1 else ([], bottom)


def _keeps(element: Element) -> bool:
    """Whether an element puts what flows in beside what it makes of it."""
    if not isinstance(element, Parallel) or element.join is None or len(element.branches) != 2:
        return False
    empty = [branch for branch in element.branches if not branch.items]
    return len(empty) == 1 and element.join.node.op.spelling == "concat"


def _run(levels: list[Level], opens: Opens) -> int:
    """How many levels from the first on are one: each one block down, and one up behind what is joined."""
    first, found = levels[0], 1
    pair = first.right[:2]
    if len(pair) < 2 or not _is_pair(pair, opens) or not _is_crossed(first):
        return 1
    size = _size(first.left[-1])
    for level in levels[1:]:
        block = level.left[0]
        plain = len(level.left) == 1 and _is_closed(block, opens)
        # Only the first on the way down may differ, as in a projection.
        same = found < 3 or signature(block) == signature(levels[found - 1].left[0])
        alike = found < 2 or same or difference(levels[1].left[0], block) is not None
        if not (plain and alike and _size(block) == size and _is_crossed(level)):
            break
        if len(level.right) != 2 or not _is_pair(level.right, opens):
            break
        if [*map(signature, level.right)] != [*map(signature, pair)]:
            break
        found += 1
    return found


def _is_pair(pair: tuple[Element, ...], opens: Opens) -> bool:
    join, block = pair
    return isinstance(join, Step) and _is_closed(block, opens)


def _is_closed(element: Element, opens: Opens) -> bool:
    """Whether an element is a closed block, or one that holds nothing but such a block."""
    if not isinstance(element, Block):
        return False
    return not opens(element) or (element.only is not None and _is_closed(element.only, opens))


def _is_crossed(level: Level) -> bool:
    """Whether nothing but what its left side gives crosses a level."""
    return len(level.skips) == 1 and not level.skips[0].items


def _size(element: Element) -> str:
    return resolution(nodes_of(element)[-1].types[0])


def _folded(levels: list[Level]) -> Level:
    first = levels[0]
    blocks = tuple(level.left[0] for level in levels[1:])
    down: Element = blocks[0]
    if len(blocks) > 1:
        alike = signature(blocks[0]) == signature(blocks[-1])
        notes = ["" if alike else difference(blocks[0], blocks[-1]), "each crosses"]
        down = Repeat(blocks[-1], len(blocks), "; ".join(filter(None, notes)), blocks)
    # What comes up meets the last level first.
    pairs = [Series(level.right[:2]) for level in reversed(levels)]
    up = Repeat(pairs[-1], len(pairs), "each joins one", (*pairs,))
    return Level((*first.left, down), first.skips, (up, *first.right[2:]), kept=2)
