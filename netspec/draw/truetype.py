"""How wide the letters of a TrueType font are, read from its tables `head`, `hhea`, `hmtx` and `cmap`."""

from __future__ import annotations

from itertools import accumulate
from struct import unpack_from

_WINDOWS_UNICODE = (3, 1)


def widths(font: bytes) -> dict[str, int]:
    """The width of every character that the font has, in thousandths of the font size.

    The font has a character map of format 4, which all fonts of the basic plane have. Raises
    ValueError where it has none.
    """
    tables = _tables(font)
    (em,) = unpack_from(">H", font, tables["head"] + 18)
    (count,) = unpack_from(">H", font, tables["hhea"] + 34)
    # Advance and left side of each glyph; the last advance holds for the glyphs that follow.
    advances = unpack_from(f">{2 * count}H", font, tables["hmtx"])[::2]
    return {
        chr(code): round(advances[min(glyph, count - 1)] * 1000 / em)
        for code, glyph in _glyphs(font, _character_map(font, tables["cmap"]))
    }


def _tables(font: bytes) -> dict[str, int]:
    """Where each table begins."""
    (count,) = unpack_from(">H", font, 4)
    entries = (unpack_from(">4sII", font, 12 + 16 * i) for i in range(count))
    return {tag.decode("ascii"): offset for tag, _, offset in entries}


def _character_map(font: bytes, table: int) -> int:
    """Where the map of format 4 begins."""
    (count,) = unpack_from(">H", font, table + 2)
    for i in range(count):
        platform, encoding, offset = unpack_from(">HHI", font, table + 4 + 8 * i)
        (form,) = unpack_from(">H", font, table + offset)
        if (platform, encoding) == _WINDOWS_UNICODE and form == 4:
            return int(table + offset)
    raise ValueError("the font has no character map of format 4")


def _glyphs(font: bytes, at: int) -> list[tuple[int, int]]:
    """Each character's code and the number of its glyph."""
    (doubled,) = unpack_from(">H", font, at + 6)
    n = doubled // 2
    # Four arrays of n numbers, with two bytes of padding after the first.
    starts_at = accumulate((at + 14, 2 * n + 2, 2 * n, 2 * n))
    kinds = ("H", "H", "h", "H")
    read = [unpack_from(f">{n}{kind}", font, a) for kind, a in zip(kinds, starts_at, strict=True)]
    ranges_at = at + 14 + 2 * n + 2 + 4 * n
    found = []
    for i, (end, start, delta, skip) in enumerate(zip(*read, strict=True)):
        for code in range(start, min(end, 0xFFFE) + 1):
            glyph = code
            if skip:
                (glyph,) = unpack_from(">H", font, ranges_at + 2 * i + skip + 2 * (code - start))
            if not skip or glyph:
                glyph = (glyph + delta) & 0xFFFF
            if glyph:
                found.append((code, glyph))
    return found
