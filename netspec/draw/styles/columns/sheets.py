"""Nets that are too tall for a screen, cut into sheets that stand beside each other.

All nets are cut at one height, so that on each sheet they stay aligned. It is cut where few lines are, and
where a resolution or a block ends, as long as the sheets are about as high as each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from netspec.draw.layout.paging import SCREEN
from netspec.draw.metrics import total
from netspec.draw.styles.columns.chain import Band, Chain, Column
from netspec.foundation.records import record

Sheet = tuple[Column, ...]

_MOST_SHEETS = 12
# Places to cut that are looked at: of more, the best of each stretch.
_MOST_CUTS = 240
_PER_ARC, _IN_BAND, _AT_EDGE, _IN_PART, _PER_WIRE = 0.06, 0.02, 0.05, 0.015, 0.03
_PER_SHEET, _PER_COST, _LEAST = 0.02, 0.4, 0.5
_LOWEST, _HIGHEST = 0.4, 1.5


@record
class Cut:
    """A height at which the nets are cut, the row of each that comes after it, and how bad that is."""

    y: float
    rows: tuple[int, ...]
    cost: float


def sheets(
    chains: Sequence[Chain], order: Sequence[Band], inset: float, size: Callable[[Sheet], float]
) -> list[Sheet]:
    """The nets on as many sheets as come closest to the shape of a screen together.

    `inset` is what a band takes beyond what stands in it, `size` says how wide a sheet is.
    """
    cuts = [Cut(0.0, tuple(0 for _ in chains), 0.0), *_thinned(list(_cuts(chains, order, inset)))]
    choices = []
    for count in range(1, min(_MOST_SHEETS, len(cuts) - 1) + 1):
        chosen = _division(cuts, count)
        if chosen is not None:
            choices.append(chosen)

    def cost(chosen: Sequence[Cut]) -> float:
        w = total(map(size, _sheets(chains, chosen)))
        h = max(b.y - a.y for a, b in pairwise(chosen))
        taste = _PER_SHEET * len(chosen) + _PER_COST * total(cut.cost for cut in chosen[1:-1])
        return max(w / SCREEN[0], h / SCREEN[1], _LEAST) + taste

    return _sheets(chains, min(choices, key=cost))


def _sheets(chains: Sequence[Chain], chosen: Sequence[Cut]) -> list[Sheet]:
    return [
        tuple(Column(*each) for each in zip(chains, above.rows, below.rows, strict=True))
        for above, below in pairwise(chosen)
    ]


def _cuts(chains: Sequence[Chain], order: Sequence[Band], inset: float) -> Iterator[Cut]:
    """Every place to cut, from top to bottom, and the end."""
    wholes = [Column(chain, 0, len(chain.rows)) for chain in chains]
    y = 0.0
    rows = tuple(0 for _ in chains)
    for band in order:
        ends = [whole.ends(band) for whole in wholes]
        tallest = max(ends, key=lambda each: each[-1:])
        for low in tallest[:-1]:
            passed = (sum(end <= low for end in each) for each in ends)
            at = tuple(row + n for row, n in zip(rows, passed, strict=True))
            # Better in the middle than behind or before a single layer.
            edge = abs(2 * low / tallest[-1] - 1)
            yield Cut(y + low, at, _cost(chains, at) + _IN_BAND + _AT_EDGE * edge)
        y += tallest[-1] + inset
        rows = tuple(row + len(each) for row, each in zip(rows, ends, strict=True))
        yield Cut(y, rows, _cost(chains, rows))


def _cost(chains: Sequence[Chain], at: Sequence[int]) -> float:
    """How bad it is to cut the chains before these rows."""
    found = 0.0
    for chain, row in zip(chains, at, strict=True):
        if 0 < row < len(chain.rows):
            before, item = chain.rows[row - 1].item, chain.rows[row].item
            parts = sum(part.start <= before and item < part.end for part in chain.parts)
            found += _PER_ARC * len(chain.passing(row)) + _IN_PART * parts
            found += _PER_WIRE * (len(chain.leads(row)) - 1)
    return found


def _thinned(cuts: list[Cut]) -> list[Cut]:
    """The cuts, or the least bad of as many stretches as are looked at, and the end."""
    if len(cuts) <= _MOST_CUTS:
        return cuts
    *others, end = cuts
    best: dict[int, Cut] = {}
    for cut in others:
        stretch = int(_MOST_CUTS * cut.y / end.y)
        if stretch not in best or cut.cost < best[stretch].cost:
            best[stretch] = cut
    return [*best.values(), end]


def _division(cuts: Sequence[Cut], count: int) -> list[Cut] | None:
    """The first and the last cut and those between that make `count` sheets of about one height.

    None where one piece is too high for that.
    """
    mean = cuts[-1].y / count
    # What it costs to have so many sheets up to a cut, and the cut before it.
    level: dict[int, tuple[float, tuple[int, ...]]] = {0: (0.0, (0,))}
    for _ in range(count):
        following: dict[int, tuple[float, tuple[int, ...]]] = {}
        for i, (cost, way) in level.items():
            for j in range(i + 1, len(cuts)):
                share = (cuts[j].y - cuts[i].y) / mean
                if share > _HIGHEST:
                    break
                if share >= _LOWEST:
                    whole = cost + cuts[j].cost + (share - 1) ** 2
                    if j not in following or whole < following[j][0]:
                        following[j] = whole, (*way, j)
        level = following
    end = level.get(len(cuts) - 1)
    return None if end is None else [cuts[i] for i in end[1]]
