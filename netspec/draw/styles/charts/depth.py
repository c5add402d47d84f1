"""The revolution of depth: top-5 error as bars, layers as a line above them, by year."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from netspec.analysis.costs import costs
from netspec.analysis.published import Published, published
from netspec.draw.styles.charts.frame import PAIR, captioned, sources
from netspec.graph.checked import Graph

_UPRIGHT = 12


def depth(graphs: Sequence[Graph]) -> Figure:
    """Every net that states a top-5 error, by year and name. Raises NetspecError where none does."""
    nets = published(graphs, "top5")
    many = len(nets) > _UPRIGHT
    step = 0.3 if many else 1.15
    figure = captioned(max(7.5, 1.8 + step * len(nets)), 4.6, sources(nets, graphs))
    errors = figure.add_subplot()
    _error_bars(errors, nets)
    names = [f"{item.graph.name}\n{item.year or ''}".rstrip() for item in nets]
    errors.set_xticks(range(len(nets)), names, rotation=90 if many else 0, fontsize=8)
    errors.tick_params(axis="x", length=0)
    errors.set_xlim(-0.7, len(nets) - 0.3)
    _layer_line(errors.twinx(), nets)
    return figure


def _error_bars(axis: Any, nets: Sequence[Published]) -> None:
    values = [item.error for item in nets]
    drawn = axis.bar(range(len(nets)), values, 0.62, color=PAIR[0])
    axis.bar_label(drawn, [f"{value:.3g}" for value in values], padding=2, fontsize=9)
    axis.set_ylabel(f"top-5 error, percent, {nets[0].dataset} (bars)", color=PAIR[0])
    # The line has the upper part of the figure to itself, so that neither covers the other.
    axis.set_ylim(0, 2.2 * max(values))
    axis.set_yticks([tick for tick in axis.get_yticks() if tick <= max(values)])


def _layer_line(axis: Any, nets: Sequence[Published]) -> None:
    depths = [costs(item.graph).depth for item in nets]
    axis.plot(range(len(nets)), depths, "o-", color=PAIR[1], linewidth=1.6, markersize=5)
    for place, count in enumerate(depths):
        text = f"{count} layers" if len(nets) <= _UPRIGHT else str(count)
        side = _free_side(depths, place)
        offset = {"right": -1, "left": 4, "center": 0}[side], 7
        axis.annotate(text, (place, count), offset, textcoords="offset points", ha=side, fontsize=9)
    axis.set_ylabel("weight layers on the longest path (line)", color=PAIR[1])
    axis.set_ylim(-1.35 * max(depths), 1.15 * max(depths))
    axis.set_yticks([tick for tick in axis.get_yticks() if 0 <= tick <= max(depths)])


def _free_side(depths: Sequence[int], place: int) -> str:
    """How a label above a point is set so that the line does not run through it."""
    slope = 0.1 * max(depths)
    if place + 1 < len(depths) and depths[place + 1] - depths[place] > slope:
        return "right"
    if place and depths[place - 1] - depths[place] > slope:
        return "left"
    return "center"
