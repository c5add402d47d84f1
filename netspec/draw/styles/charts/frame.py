"""What the charts share: colours, a figure with a caption below, the words of the caption."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from netspec.analysis.published import Published
from netspec.graph.checked import Graph

# Okabe and Ito's blue and vermilion, told apart without red-green vision.
PAIR = ("#0072b2", "#d55e00")
# Inches that a line of 8 points takes, and characters of it to an inch.
_LINE, _CHARACTERS = 0.155, 15.5


def captioned(width: float, height: float, caption: str) -> Figure:
    """A figure of this size in inches, made taller by what the caption below it takes."""
    lines = wrap(caption, round((width - 0.2) * _CHARACTERS))
    foot = _LINE * len(lines) + 0.15
    share = foot / (height + foot)
    layout = ConstrainedLayoutEngine(rect=(0, share, 1, 1 - share))
    figure = Figure(figsize=(width, height + foot), layout=layout)
    figure.text(0.1 / width, share - 0.05 / (height + foot), "\n".join(lines), fontsize=8, va="top")
    return figure


def sources(shown: Sequence[Published], given: Sequence[Graph]) -> str:
    """Where each error was published, and which of the given nets the chart leaves out."""
    groups: dict[str, list[str]] = {}
    for item in shown:
        groups.setdefault(item.source, []).append(item.graph.name)
    text = "Errors as published, with different crops. " + ". ".join(
        f"{source}: {', '.join(names)}" for source, names in groups.items()
    )
    names = {item.graph.name for item in shown}
    missing = [graph.name for graph in given if graph.name not in names]
    if missing:
        text += f". Not shown, without such an error on {shown[0].dataset}: {', '.join(missing)}"
    return f"{text}."
