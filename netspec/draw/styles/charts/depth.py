"""The revolution of depth: top-5 error as bars, layers as a line above them.

After He's tutorial at ICML 2016, slide 5: the entries of ILSVRC, which average several nets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from netspec.analysis.published import Milestone, milestones, winners
from netspec.draw.styles.charts.frame import CHARACTERS, PAIR, captioned, small_print
from netspec.graph.checked import Graph

_UPRIGHT = 12
# Inches of a figure, at least, and what the scales at its sides take.
_LEAST, _SCALES = 7.5, 1.8
# Inches of a bar with its name below, at most, where there are so many.
_WIDEST = 1.7
# Inches of the chart with names of two lines, or turned names of one inch.
_HIGH = 4.6
# How a bar of an error that is no entry is filled.
_PALE = 0.45


def depth(graphs: Sequence[Graph], challenge: str = "") -> Figure:
    """Each net's entry of a challenge, or else its top-5 error, in the order given.

    With a challenge its entries by year that won or are a net's own, predecessors among them.
    Raises NetspecError where no net states such a figure.
    """
    shown = winners(graphs, challenge) if challenge else milestones(graphs)
    names = [_label(item) for item in shown]
    wide = max(len(line) for name in names for line in name.split("\n")) / CHARACTERS + 0.1
    # Names that would meet beside each other are turned too.
    many = len(shown) > _UPRIGHT or wide > max(_WIDEST, (_LEAST - _SCALES) / len(shown))
    step = 0.3 if many else max(1.15, wide)
    width = max(_LEAST, _SCALES + step * len(shown))
    below = small_print(
        ((_caller(item), _source(item)) for item in shown),
        () if challenge else graphs,
        "a top-5 error to compare",
        width,
    )
    # Names that are turned take height, which bars and line do not lose.
    figure = captioned(width, _HIGH + (max(0.0, wide - 1) if many else 0.0), below, _caption(shown))
    errors = figure.add_subplot()
    _error_bars(errors, shown)
    errors.set_xticks(range(len(shown)), names, rotation=90 if many else 0, fontsize=8)
    errors.tick_params(axis="x", length=0)
    errors.set_xlim(-0.7, len(shown) - 0.3)
    if any(item.layers is not None for item in shown):
        _layer_line(errors.twinx(), shown, few=not many)
    return figure


def _caller(item: Milestone) -> str:
    """What the small print calls a bar: its net, or the team without one."""
    return item.net or item.stated.team


def _source(item: Milestone) -> str:
    """How the figure was measured and where it is printed."""
    stated = item.stated
    how = ", ".join((stated.protocol.on, *stated.protocol.how()) if not stated.team else ())
    return f"{how}; {stated.source}" if how else stated.source


def _label(item: Milestone) -> str:
    """Two lines below a bar: the net, its team and year."""
    stated, year = item.stated, str(item.year or "")
    if not item.net:
        return f"{stated.team}\n{year}"
    return f"{item.net}\n{stated.team} {year}".rstrip() if stated.team else f"{item.net}\n{year}"


def _caption(shown: Sequence[Milestone]) -> str:
    """Two lines at most: what the bars are, and what pale ones are."""
    entries = [item.stated.challenge for item in shown if item.stated.team]
    others = [item for item in shown if not item.stated.team]
    if not entries:
        return "Top-5 error of single nets and their layers"
    of = " and ".join(dict.fromkeys(entries))
    first = f"Top-5 error of entries of {of}, which average several nets, and their layers"
    return f"{first}\nPale: no entry, but one net's own error" if others else first


def _error_bars(axis: Any, shown: Sequence[Milestone]) -> None:
    values = [item.error for item in shown]
    drawn = axis.bar(range(len(shown)), values, 0.62, color=PAIR[0])
    if any(item.stated.team for item in shown):
        for bar, item in zip(drawn, shown, strict=True):
            bar.set_alpha(1 if item.stated.team else _PALE)
    axis.bar_label(drawn, [f"{value:.3g}" for value in values], padding=2, fontsize=9)
    axis.set_ylabel("top-5 error, percent (bars)", color=PAIR[0])
    # The line has the upper part of the figure to itself, so that neither covers the other.
    axis.set_ylim(0, 2.2 * (max(values) or 1))
    axis.set_yticks([tick for tick in axis.get_yticks() if tick <= max(values)])


def _layer_line(axis: Any, shown: Sequence[Milestone], *, few: bool) -> None:
    depths = [item.layers for item in shown]
    known = [(place, count) for place, count in enumerate(depths) if count is not None]
    axis.plot(*zip(*known, strict=True), "o-", color=PAIR[1], linewidth=1.6, markersize=5)
    counts = [count for _, count in known]
    for i, (place, count) in enumerate(known):
        text = _layers(count, few=few)
        align, up = _free_side(counts, i, few=few)
        offset = {"right": -1, "left": 4, "center": 0}[align], 7 if up else -7
        axis.annotate(
            text,
            (place, count),
            offset,
            textcoords="offset points",
            ha=align,
            va="baseline" if up else "top",
            fontsize=9,
        )
    most = max(counts) or 1
    axis.set_ylabel("weight layers on the longest path (line)", color=PAIR[1])
    axis.set_ylim(-1.35 * most, 1.15 * most)
    axis.yaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set_yticks([tick for tick in axis.get_yticks() if 0 <= tick <= most])


def _layers(count: int, *, few: bool) -> str:
    """What stands above a point; without layers it is no deep net."""
    if not few:
        return str(count)
    return f"{count} layer{'s' * (count > 1)}" if count else "shallow"


def _free_side(depths: Sequence[int], place: int, *, few: bool) -> tuple[str, bool]:
    """How a label is set so that the line does not run through it, and whether above its point.

    Where points are close, one beside its point meets that of the next unless this is higher or lower.
    """
    slope = 0.1 * max(depths)
    here = depths[place]
    before = depths[place - 1] - here if place else 0
    after = depths[place + 1] - here if place + 1 < len(depths) else 0
    rises, falls = after > slope, before > slope
    alone = before < -slope if rises else after < -slope
    if (rises and falls) or ((rises or falls) and not few and not alone):
        return "center", False
    return "right" if rises else "left" if falls else "center", True
