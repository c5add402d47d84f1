"""Writes netspec/draw/fonts from Liberation Sans 2: `python docs/make_fonts.py FOLDER`.

FOLDER holds LiberationSans-Regular.ttf and LiberationSans-Bold.ttf. What they lose: glyphs of other
scripts, hints, kerning and ligatures, so that text is as wide as its letters; and their name, which the
licence reserves. Needs fontTools.
"""

from __future__ import annotations

import sys
from pathlib import Path

from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont

FONTS = Path(__file__).parent.parent / "netspec" / "draw" / "fonts"
FAMILY = "Netspec Sans"
# Latin with Vietnamese, Greek, Cyrillic, then punctuation, indices, arrows, mathematics and shapes.
RANGES = (
    (0x20, 0x7E),
    (0xA0, 0x24F),
    (0x370, 0x45F),
    (0x1E00, 0x1EFF),
    (0x2010, 0x203A),
    (0x2070, 0x20AC),
    (0x2113, 0x2126),
    (0x2190, 0x2195),
    (0x2200, 0x22FF),
    (0x25A0, 0x25CF),
)
_COPYRIGHT, _FAMILY, _STYLE, _UNIQUE, _FULL, _POSTSCRIPT, _LICENCE, _URL = 0, 1, 2, 3, 4, 6, 13, 14


def subset(path: Path, style: str) -> TTFont:
    """The font with these ranges only, under a name of its own."""
    font = TTFont(path, recalcTimestamp=False)
    options = Options(
        hinting=False, layout_features=[], legacy_kern=False, notdef_outline=True, name_IDs=["*"]
    )
    options.drop_tables += ["kern", "GSUB", "GPOS", "GDEF", "FFTM"]
    subsetter = Subsetter(options)
    subsetter.populate(unicodes=[c for low, high in RANGES for c in range(low, high + 1)])
    subsetter.subset(font)
    names = font["name"]
    joined = FAMILY.replace(" ", "")
    given = {
        _FAMILY: FAMILY,
        _STYLE: style,
        _UNIQUE: f"{joined}-{style}",
        _FULL: f"{FAMILY} {style}",
        _POSTSCRIPT: f"{joined}-{style}",
    }
    kept = {_COPYRIGHT, _LICENCE, _URL}
    names.names = [n for n in names.names if n.platformID == 3 and n.nameID in kept]
    for number, text in given.items():
        names.setName(text, number, 3, 1, 0x409)
    return font


if __name__ == "__main__":
    for style in ("Regular", "Bold"):
        font = subset(Path(sys.argv[1]) / f"LiberationSans-{style}.ttf", style)
        font.save(FONTS / f"NetspecSans-{style}.ttf")
