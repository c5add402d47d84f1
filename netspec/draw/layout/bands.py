"""Strips behind what has one resolution, and their names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from netspec.draw.layout.pieces import GAP, Piece, Strip, width_of
from netspec.draw.metrics import fit, wrapped
from netspec.draw.scene import SIZES, Box, Item, Words

_LEAST, _MOST = 58.0, 150.0


def name_room(names: Iterable[str]) -> float:
    """The room beside the boxes that the names of strips take, in points; 0 without names."""
    widths = [width_of(name, "note") for name in names if name]
    return min(max(_LEAST, max(widths) + 14), _MOST) if widths else 0.0


def band(
    strip: Strip, number: int, left: float, right: float, *, at_right: bool = False
) -> list[Item]:
    """A tinted strip with its name at one end; nothing where it has none."""
    if not strip.name:
        return []
    look = ("even", "odd")[number % 2]
    h = strip.bottom - strip.top + 10
    room = _MOST - 8
    lines = wrapped(strip.name, SIZES["note"], room)
    if len(lines) > 2:
        lines = [fit(strip.name, SIZES["note"], room)]
    x, anchor = (right - 6, "end") if at_right else (left + 6, "start")
    return [
        Box(left, strip.top - 5, right - left, h, "band", look, 6),
        *(
            Words(x, strip.top + 12 + 12 * i, text, "note", anchor, "muted")
            for i, text in enumerate(lines)
        ),
    ]


def merged(strips: Iterable[Strip]) -> list[Strip]:
    """Strips from top to bottom; those of one name that follow each other are one."""
    runs = [list(run) for _, run in groupby(strips, key=lambda strip: strip.name)]
    return [Strip(run[0].top, run[-1].bottom, run[0].name) for run in runs]


def side_bands(
    pieces: Sequence[Piece], names: Sequence[str], low: float, *, last_lowest: bool
) -> list[Strip]:
    """The strips of a side whose lowest piece ends at `low`."""
    found: list[Strip] = []
    pairs = [*zip(pieces, names, strict=True)]
    for piece, name in reversed(pairs) if last_lowest else pairs:
        found.append(Strip(low - piece.h, low, name))
        low -= piece.h + GAP
    return merged(reversed(found))
