"""Colours and type. The hues are Okabe and Ito's (2008), told apart without red-green vision.

Colour only repeats what the words say.
"""

from __future__ import annotations

FONT = "Helvetica,Arial,'Liberation Sans','DejaVu Sans',sans-serif"

# fill, border
_LIGHT = {
    "conv": ("#d9ebf8", "#4a90c2"),
    "pool": ("#fbe0d0", "#d0743c"),
    "fc": ("#f3dcea", "#b4679a"),
    "rnn": ("#f3dcea", "#b4679a"),
    "join": ("#d5efe6", "#2f9a7a"),
    "minor": ("#eeeeee", "#9a9a9a"),
    "op": ("#ececf4", "#8a8aa8"),
    "in": ("#ffffff", "#777777"),
    "out": ("#fdf3c4", "#c2a32b"),
}
_DARK = {
    "conv": ("#1d3a52", "#5aa5d8"),
    "pool": ("#52301c", "#e08b54"),
    "fc": ("#4a2a40", "#cc7fb2"),
    "rnn": ("#4a2a40", "#cc7fb2"),
    "join": ("#17443a", "#3fb894"),
    "minor": ("#303236", "#7d828a"),
    "op": ("#2d2f42", "#8a8fb8"),
    "in": ("#1b1e24", "#9aa0a8"),
    "out": ("#4a4216", "#d8bd4a"),
}
# One hue from light to dark, with the ink that reads on it.
_HEAT = ("#f7f4ea", "#fbe3a8", "#f9bd63", "#e98a3c", "#c2562b", "#7f2a1f")
_HEAT_INK = ("#1f2328",) * 4 + ("#ffffff",) * 2
_PAGE = {
    "light": {
        "page": "#ffffff",
        "ink": "#1f2328",
        "muted": "#59636e",
        "wire": "#59636e",
        "open": ("#fbfcfd", "#aab4be"),
        "shut": ("#eef2f6", "#8796a5"),
        "even": "#f1f4f8",
        "odd": "#f7f5f0",
    },
    "dark": {
        "page": "#0f1319",
        "ink": "#e6e9ee",
        "muted": "#a4adb8",
        "wire": "#9aa4b0",
        "open": ("#161b22", "#4d5866"),
        "shut": ("#202833", "#64748a"),
        "even": "#151b25",
        "odd": "#1b1a17",
    },
}
THEMES = ("light", "dark", "auto")


def css(theme: str, used: frozenset[str]) -> str:
    """The style sheet; `auto` follows what the reader prefers."""
    if theme != "auto":
        return _shapes() + _colours(theme, used)
    dark = _colours("dark", used)
    return _shapes() + _colours("light", used) + f"@media(prefers-color-scheme:dark){{{dark}}}"


def _shapes() -> str:
    return (
        f"text{{font:11px {FONT}}}.t{{font:bold 18px {FONT}}}.b{{font:bold 12px {FONT}}}"
        f".s{{font-size:10.7px}}.w,.sign{{fill:none;stroke-width:1.2}}.skip{{stroke-width:1.6}}"
        ".side,rect.head,.loop{stroke-dasharray:4 3}"
    )


def _colours(theme: str, used: frozenset[str]) -> str:
    page = _PAGE[theme]
    muted, line = page["muted"], page["wire"]
    text = (
        f".page{{fill:{page['page']}}}text{{fill:{page['ink']}}}.muted{{fill:{muted}}}"
        f".w,.sign{{stroke:{line}}}.tip{{fill:{line}}}"
    )
    for name, (fill, border) in (_LIGHT if theme == "light" else _DARK).items():
        if name in used:
            text += f".{name}{{fill:{fill};stroke:{border}}}"
    for name in ("open", "shut"):
        if name in used:
            text += f".{name}{{fill:{page[name][0]};stroke:{page[name][1]}}}"
    if used & {"loop", "head", "stack"}:
        text += f".loop{{fill:none;stroke:{page['shut'][1]}}}"
        text += f".stack,rect.head{{fill:{page['open'][0]};stroke:{page['open'][1]}}}"
    if "skip" in used:
        text += f".skip{{stroke:{(_LIGHT if theme == 'light' else _DARK)['join'][1]}}}"
    for name in ("even", "odd"):
        if name in used:
            text += f".{name}{{fill:{page[name]}}}"
    for i, (fill, ink) in enumerate(zip(_HEAT, _HEAT_INK, strict=True)):
        if f"h{i}" in used:
            text += f"rect.h{i}{{fill:{fill};stroke:#8a6a3a}}text.h{i}{{fill:{ink}}}"
    return text
