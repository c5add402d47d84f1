"""How wide text is, from a built-in table, and how lengths add up: no font is opened to draw.

Widths in thousandths of the font size, from Adobe's metrics of Helvetica and Helvetica-Bold, which
Arial and Liberation Sans share.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from unicodedata import combining, east_asian_width

REGULAR = (
    *(278, 278, 355, 556, 556, 889, 667, 222, 333, 333, 389, 584, 278, 333, 278, 278),
    *(556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556),
    *(1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778),
    *(667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556),
    *(222, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556),
    *(556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584),
)
BOLD = (
    *(278, 333, 474, 556, 556, 889, 722, 278, 333, 333, 389, 584, 278, 333, 278, 278),
    *(556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 333, 333, 584, 584, 584, 611),
    *(975, 722, 722, 722, 722, 667, 611, 778, 722, 278, 556, 722, 611, 833, 722, 778),
    *(667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 333, 278, 333, 584, 556),
    *(278, 556, 611, 556, 611, 556, 333, 611, 611, 278, 278, 556, 278, 889, 611, 611),
    *(611, 611, 389, 556, 333, 611, 556, 778, 556, 556, 500, 389, 280, 389, 584),
)
_OTHERS = {"×": 584, "·": 278, "…": 1000, "–": 556, "→": 1000, "−": 584, "±": 584}


@lru_cache(maxsize=4096)
def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """The width of one line of text in the units of `size`."""
    table = BOLD if bold else REGULAR
    return sum(_width(ch, table) for ch in text) * size / 1000


def _width(ch: str, table: tuple[int, ...]) -> int:
    code = ord(ch)
    if 32 <= code < 127:
        return table[code - 32]
    if ch in _OTHERS:
        return _OTHERS[ch]
    if combining(ch):
        return 0
    return 1000 if east_asian_width(ch) in "WF" else 667


def total(lengths: Iterable[float]) -> float:
    """The sum, added up one by one.

    The builtin compensates for rounding from Python 3.12 on, and where a place lies between two
    tenths the picture would depend on the version that drew it.
    """
    found = 0.0
    for length in lengths:
        found += length
    return found


def fit(text: str, size: float, room: float, *, bold: bool = False) -> str:
    """The text, shortened with an ellipsis where it is wider than `room`."""
    if text_width(text, size, bold=bold) <= room:
        return text
    kept = text
    while kept and text_width(kept.rstrip() + "…", size, bold=bold) > room:
        kept = kept[:-1]
    return kept.rstrip(" ,;.:·-") + "…"


# A word with the space behind it; a number keeps its unit, and a dot stays with what it follows.
_WORD = re.compile(r"(?:[\d.,]+\s[kMGT]\s)?\S+(?:\s·)?\s*")


def wrapped(text: str, size: float, room: float, *, bold: bool = False) -> list[str]:
    """The text in lines of at most `room`, none of it lost; long words break after `_`, `/` and such."""
    lines: list[str] = [""]
    for word in _WORD.findall(text):
        for part in _broken(word, size, room, bold):
            if lines[-1] and text_width((lines[-1] + part).rstrip(), size, bold=bold) > room:
                lines.append("")
            lines[-1] += part
    return [line.rstrip() for line in lines]


def _broken(word: str, size: float, room: float, bold: bool) -> list[str]:
    """A word that is wider than a line, in parts that are not."""
    found = [""]
    if text_width(word.rstrip(), size, bold=bold) <= room:
        return [word]
    for part in re.findall(r"[^_/.×-]+[_/.×-]*|[_/.×-]+", word):
        for ch in part if text_width(part, size, bold=bold) > room else [part]:
            if found[-1] and text_width(found[-1] + ch, size, bold=bold) > room:
                found.append("")
            found[-1] += ch
    return found
