"""What volumes are and how they are made, in words on common lines below a row or over it."""

from __future__ import annotations

from itertools import accumulate, groupby

from netspec.draw.scene import Words
from netspec.draw.styles.volumes.parts import Fork
from netspec.draw.styles.volumes.places import Spot
from netspec.draw.styles.volumes.words import LINE

_APART = 6.0


def labels_of(spots: list[Spot], *, over: bool) -> tuple[list[Words], float, float]:
    """The words of each run between forks, and how far the row then reaches up and down."""
    found: list[Words] = []
    up = max(spot.laid.up for spot in spots)
    down = max(spot.laid.down for spot in spots)
    at = 0
    for is_fork, run in groupby(spots, key=lambda spot: isinstance(spot.member, Fork)):
        members = list(run)
        if not is_fork:
            before = spots[at - 1] if at else None
            words, end = _run(members, before, over)
            found += words
            up, down = (max(up, end), down) if over else (up, max(down, end))
        at += len(members)
    return found, up, down


def _run(spots: list[Spot], before: Spot | None, over: bool) -> tuple[list[Words], float]:
    """The words of volumes side by side: first how they are made, below the gaps before them."""
    edge = max(spot.laid.up if over else spot.laid.down for spot in spots)
    rows = max(len(spot.made) for spot in spots)
    depths = [0, *accumulate(_depths(spots))]
    tall = LINE * (rows + depths[-1])
    if not tall:
        return [], edge
    found: list[Words] = []
    top = -edge - _APART - tall if over else edge + _APART
    for spot in spots:
        middle = spot.middle
        if spot.inline and before is not None:
            middle = (before.right + spot.x) / 2
        for i, line in enumerate(spot.made):
            found.append(Words(middle, top + LINE * i + 10, line, "note", "middle", "muted"))
        for i, line in enumerate(spot.told):
            y = top + LINE * (rows + depths[spot.level] + i) + 10
            found.append(Words(spot.middle, y, line, "note", "middle"))
        before = spot
    return found, edge + _APART + tall


def _depths(spots: list[Spot]) -> list[int]:
    """The lines that each level of captions takes."""
    return [
        max((len(spot.told) for spot in spots if spot.level == level), default=0)
        for level in range(1 + max(spot.level for spot in spots))
    ]
