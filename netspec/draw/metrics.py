"""How wide text is, and how lengths add up.

Text is measured in the fonts that draw it: Netspec Sans, which is shipped, has the widths of Liberation
Sans, and in ASCII of Helvetica and Arial too. It has neither kerning nor ligatures, so a text is as
wide as its letters.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from unicodedata import combining, east_asian_width

from netspec.draw.truetype import widths

FAMILY = "Netspec Sans"


def font_path(*, bold: bool = False) -> Traversable:
    """Where the shipped font is, a TrueType file."""
    style = "Bold" if bold else "Regular"
    return files("netspec.draw").joinpath(f"fonts/NetspecSans-{style}.ttf")


@cache
def letters(*, bold: bool = False) -> dict[str, int]:
    """The characters that the shipped font has, with their widths in thousandths of its size."""
    return widths(font_path(bold=bold).read_bytes())


@lru_cache(maxsize=4096)
def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """The width of one line of text in the units of `size`."""
    table = letters(bold=bold)
    return sum(table[ch] if ch in table else _foreign(ch) for ch in text) * size / 1000


def _foreign(ch: str) -> int:
    """About how wide a character is that the font does not have: another one will draw it."""
    if combining(ch):
        return 0
    return 1000 if east_asian_width(ch) in "WF" else 667


def is_drawable(text: str) -> bool:
    """Whether the shipped fonts have every character of a text."""
    return letters().keys() >= set(text)


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
