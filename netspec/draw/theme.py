"""Colours and type. The hues are Okabe and Ito's (2008), told apart without red-green vision.

Colour only repeats what the words say.
"""

from __future__ import annotations

from netspec.draw.metrics import FAMILY
from netspec.foundation.records import record

# Each of these has the widths of the first, or nearly; the narrow one comes before the wide.
FONT = (
    f"'{FAMILY}',Helvetica,Arial,'Liberation Sans','DejaVu Sans Condensed','DejaVu Sans',sans-serif"
)

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
# Around what a comparison of two nets marks.
_MARKS = {
    "light": {"added": "#007a5a", "removed": "#c2410c", "changed": "#0b63b5"},
    "dark": {"added": "#3fd0a0", "removed": "#ff8a57", "changed": "#6db3f2"},
}
MARK_WIDTH = 2.4
# The faces of a solid, and how much of its border's colour is in each.
_FACES = {"front": 0.0, "top": 0.12, "side": 0.3}
FACE_WIDTH = 0.8
_PAGE = {
    "light": {
        "page": "#ffffff",
        "ink": "#1f2328",
        "muted": "#59636e",
        "wire": "#59636e",
        "open": "#fbfcfd",
        "open_border": "#aab4be",
        "shut": "#eef2f6",
        "shut_border": "#8796a5",
        "even": "#f1f4f8",
        "odd": "#f7f5f0",
    },
    "dark": {
        "page": "#0f1319",
        "ink": "#e6e9ee",
        "muted": "#a4adb8",
        "wire": "#9aa4b0",
        "open": "#161b22",
        "open_border": "#4d5866",
        "shut": "#202833",
        "shut_border": "#64748a",
        "even": "#151b25",
        "odd": "#1b1a17",
    },
}
THEMES = ("light", "dark", "auto")


@record
class Paint:
    """The colours of one look; empty where it has none."""

    fill: str = ""
    border: str = ""
    ink: str = ""


def paint(theme: str, look: str) -> Paint:
    """The colours of a look in a theme, `light` or `dark`."""
    page = _PAGE[theme]
    ink = page["ink"]
    whole, _, face = look.partition("-")
    if face:
        colours = paint(theme, whole)
        return Paint(_mixed(colours.fill, colours.border, _FACES[face]), colours.border, ink)
    families = _LIGHT if theme == "light" else _DARK
    if look in families:
        return Paint(*families[look], ink)
    if len(look) == 2 and look[0] == "h" and look[1].isdigit():
        step = int(look[1])
        return Paint(_HEAT[step], "#8a6a3a", _HEAT_INK[step])
    if look in _MARKS[theme]:
        return Paint(border=_MARKS[theme][look], ink=ink)
    if look == "muted":
        return Paint(ink=page["muted"])
    if look == "skip":
        return Paint(border=families["join"][1])
    if look == "loop":
        return Paint("", page["shut_border"], ink)
    if look in ("open", "head", "stack"):
        return Paint(page["open"], page["open_border"], ink)
    if look == "shut":
        return Paint(page["shut"], page["shut_border"], ink)
    if look in ("page", "even", "odd"):
        return Paint(page[look], ink=ink)
    return Paint(border=page["wire"], ink=ink)


def _mixed(fill: str, border: str, share: float) -> str:
    """The colour that is `share` of the way from one to the other."""
    pairs = [(int(fill[i : i + 2], 16), int(border[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def css(theme: str, used: frozenset[str]) -> str:
    """The style sheet for the looks used; `auto` follows what the reader prefers."""
    if theme != "auto":
        return _SHAPES + _colours(theme, used)
    dark = _colours("dark", used)
    return f"{_SHAPES}{_colours('light', used)}@media(prefers-color-scheme:dark){{{dark}}}"


_SHAPES = (
    f"text{{font:11px {FONT}}}.t,.b{{font-weight:bold;font-size:18px}}.b{{font-size:12px}}"
    ".s{font-size:10.7px}.m{text-anchor:middle}.e{text-anchor:end}.a{marker-end:url(#a)}.w,.sign{fill:none;stroke-width:1.2}.skip{stroke-width:1.6}"
    f"polygon{{stroke-width:{FACE_WIDTH};stroke-linejoin:round}}.thin{{stroke-width:{FACE_WIDTH}}}"
    ".side,rect.head,.loop{stroke-dasharray:4 3}"
)


def _colours(theme: str, used: frozenset[str]) -> str:
    wire = paint(theme, "wire").border
    rules = [
        f".page{{fill:{paint(theme, 'page').fill}}}text{{fill:{paint(theme, '').ink}}}",
        f".muted{{fill:{paint(theme, 'muted').ink}}}.w,.sign{{stroke:{wire}}}.tip{{fill:{wire}}}",
    ]
    for look in sorted(
        used - {"", "leaf", "block", "band", "key", "page", "muted", "side", "thin"}
    ):
        colours = paint(theme, look)
        body = f"fill:{colours.fill or 'none'}" + (
            f";stroke:{colours.border}" if colours.border else ""
        )
        if look in _MARKS[theme]:
            rules.append(f"rect.{look}{{{body};stroke-width:{MARK_WIDTH}}}")
        elif "-" in look or look == "kernel":
            rules.append(f"polygon.{look}{{{body}}}")
        elif look == "skip":
            rules.append(f".skip{{stroke:{colours.border}}}")
        elif look[0] == "h" and look != "head":
            rules.append(f"rect.{look}{{{body}}}text.{look}{{fill:{colours.ink}}}")
        else:
            rules.append(
                f"rect.{look},circle.{look}{{{body}}}"
                if look == "join"
                else f"rect.{look}{{{body}}}"
            )
    return "".join(rules)
