"""What the charts share: colours, a figure with a caption above and small print below."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from textwrap import wrap
from typing import Any

from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from netspec.graph.checked import Graph

# Okabe and Ito's blue and vermilion, told apart without red-green vision.
PAIR = ("#0072b2", "#d55e00")
# Inches that a line of 8 points takes, and characters of it to an inch; and of 10 points.
_LINE, CHARACTERS = 0.155, 15.5
_CAPTION_LINE, _CAPTION_CHARACTERS = 0.2, 12.0
_UNITS = ((1e9, "G", "billions"), (1e6, "M", "millions"), (1e3, "k", "thousands"), (1.0, "", ""))
_MOST_LINES, _MOST_SOURCES = 2, 3


def unit_of(highest: float) -> tuple[float, str, str]:
    """What an axis up to this number counts in: how many that is, its letter and its word."""
    return next(unit for unit in _UNITS if highest >= unit[0] or unit[0] == 1)


def captioned(width: float, height: float, below: str, caption: str = "") -> Figure:
    """A figure of this size in inches, made taller by a caption above and small print below.

    What two lines above do not hold of the caption comes first below.
    """
    room = round((width - 0.2) * _CAPTION_CHARACTERS)
    said = [line for each in caption.splitlines() for line in wrap(each, room)]
    caption, rest = "\n".join(said[:_MOST_LINES]), " ".join(said[_MOST_LINES:])
    lines = wrap(f"{rest}. {below}" if rest else below, _printed(width))
    foot = _LINE * len(lines) + 0.15
    above = _CAPTION_LINE * len(said[:_MOST_LINES]) + 0.15 if caption else 0.0
    whole = height + foot + above
    share = foot / whole
    layout = ConstrainedLayoutEngine(rect=(0, share, 1, height / whole))
    figure = Figure(figsize=(width, whole), layout=layout)
    left, under = 0.1 / width, share - 0.05 / whole
    figure.text(left, under, "\n".join(lines), fontsize=8, va="top")
    if caption:
        figure.text(left, 1 - 0.08 / whole, caption, fontsize=10, va="top")
    return figure


def uncaptioned(figure: Figure) -> None:
    """Takes caption and small print away, and the height that they took."""
    for text in list(figure.texts):
        text.remove()
    layout: Any = figure.get_layout_engine()
    width, whole = figure.get_size_inches()
    figure.set_size_inches(width, whole * layout.get()["rect"][3])
    layout.set(rect=(0, 0, 1, 1))


def small_print(
    shown: Iterable[tuple[str, str]], given: Sequence[Graph], without: str, width: float
) -> str:
    """Where each figure was published, and which of the given nets have none and are left out.

    `shown` are names, each with the source of its figure; `without` is what the others lack. Sources
    that take more than a few lines of a figure of this width are left to the specs.
    """
    groups: dict[str, list[str]] = {}
    names = set()
    for name, source in shown:
        groups.setdefault(source, []).append(name)
        names.add(name)
    # Each group has several papers: that of each net.
    own = ' ("paper": that of the net)' if any("paper" in source for source in groups) else ""
    printed = ". ".join(f"{source}: {', '.join(of)}" for source, of in groups.items())
    sources = f"Sources{own}. {printed}."
    if len(wrap(sources, _printed(width))) > _MOST_SOURCES:
        sources = "Sources: the lines `error` and `entry` of the specs, `netspec show NAME`."
    missing = dict.fromkeys(graph.name for graph in given if graph.name not in names)
    left_out = f" Left out, without {without}: {', '.join(missing)}." if missing else ""
    return f"{sources}{left_out}"


def _printed(width: float) -> int:
    """How many characters of small print a line of a figure of this width has."""
    return round((width - 0.2) * CHARACTERS)
