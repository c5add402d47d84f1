"""Operations against accuracy; areas are parameters, colours are years.

After Canziani, Paszke and Culurciello (2016), Figure 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor, log10, sqrt
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

from netspec.analysis.costs import costs
from netspec.analysis.published import Protocol, comparable
from netspec.draw.structure.labels import human
from netspec.draw.styles.assumed import is_counted, uncounted
from netspec.draw.styles.charts.callouts import annotate
from netspec.draw.styles.charts.frame import captioned, small_print, unit_of
from netspec.graph.checked import Graph

# Square points that the largest net takes; the smallest bubble can still be seen.
_LARGEST, _SMALLEST = 1150.0, 14.0
# The areas of the key, as shares of a round number.
_KEY = (0.03, 0.3, 1.0)
# A figure is larger where it names more nets, up to a screen.
_CROWD, _LARGEST_FIGURE = 36, 1.5
# Years that are told beside their colours, at most.
_MOST_YEARS = 12


def bubble(graphs: Sequence[Graph]) -> Figure:
    """Every net with a top-1 error by the protocol that most of them share.

    Raises NetspecError where none states one. The scale of the accuracy is that of the logarithm of
    the error, so that halving the error is the same step anywhere: near 100 percent, where nets
    crowd, there is the most room.
    """
    stated = comparable(graphs, "top1")
    nets = [(graph, item) for graph, item in stated if is_counted(graph)]
    if not nets:
        raise uncounted(stated[0][0])
    protocol = nets[0][1].protocol
    without = "such an error" if len(nets) == len(stated) else "such an error or a fixed size"
    size = min(max(1.0, sqrt(len(nets) / _CROWD)), _LARGEST_FIGURE)
    width, sources = 12.5 * size, ((graph.name, item.source) for graph, item in nets)
    below = small_print(sources, graphs, without, width)
    figure = captioned(width, 7.8 * size, below, _caption(protocol))
    axis = figure.add_subplot()
    shown = [graph for graph, _ in nets]
    counts = [c.params + c.params_frozen for c in map(costs, shown)]
    scale = _LARGEST / max(*counts, 1)
    areas = np.array([max(_SMALLEST, scale * count) for count in counts])
    macs = [float(costs(graph).macs) for graph in shown]  # type: ignore[arg-type]
    unit, _, word = unit_of(max(macs))
    xs = [count / unit for count in macs]
    ys = [100 - item.value("top1") for _, item in nets]  # type: ignore[operator]
    _axes(axis, xs, ys)
    counted = f"multiply-adds, {word}".rstrip(", ")
    axis.set_xlabel(f"{counted}, for one sample (logarithmic)")
    _bubbles(figure, axis, [_year(graph) for graph in shown], (xs, ys), areas)
    _key(axis, max(*counts, 1), scale)
    figure.draw_without_rendering()
    annotate(axis, [graph.name for graph in shown], xs, ys, np.sqrt(areas / np.pi))
    return figure


def _year(graph: Graph) -> int:
    year = dict(graph.metadata).get("year", 0)
    return year if isinstance(year, int) else 0


def _caption(protocol: Protocol) -> str:
    """Two lines: what is drawn, and how every one of the nets was measured."""
    how = ", ".join((protocol.on or "data set not said", "1 model", *protocol.how()))
    return f"Top-1 accuracy against multiply-adds. An area is the parameters of a net\n{how}"


def _axes(axis: Any, xs: list[float], ys: list[float]) -> None:
    axis.set_xscale("log")
    axis.set_xlim(min(xs) / 1.6, max(xs) * 1.6)
    axis.xaxis.set_major_locator(FixedLocator(_decades(*axis.get_xlim())))
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set_yscale("function", functions=(_stretched, _accuracy))
    low, high = _stretched(np.array([min(ys), max(ys)]))
    pad = 0.08 * (high - low) + 0.05
    axis.set_ylim(*_accuracy(np.array([low - pad, high + pad])))
    axis.yaxis.set_major_locator(FixedLocator(_ticks(*axis.get_ylim())))
    axis.yaxis.set_minor_locator(NullLocator())
    axis.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.set_ylabel("top-1 accuracy, percent (logarithmic in the error)")
    axis.grid(True, which="major")


def _stretched(accuracy: Any) -> Any:
    return -np.log(np.maximum(100 - accuracy, 1e-6))


def _accuracy(stretched: Any) -> Any:
    return 100 - np.exp(-stretched)


def _decades(low: float, high: float) -> list[float]:
    """Powers of ten, or, where fewer than three of them are seen, twice and five times these too."""
    found: list[float] = []
    for steps in ((1,), (1, 2, 5), range(1, 10)):
        powers = range(floor(log10(low)), ceil(log10(high)) + 1)
        found = [step * 10.0**power for power in powers for step in steps]
        found = [at for at in found if low <= at <= high]
        if len(found) > 2:
            break
    return found


def _ticks(low: float, high: float) -> list[float]:
    """Round accuracies, closer together where the error is small; at least three of them."""
    crowding = (*range(0, 50, 10), *range(50, 90, 5), *range(90, 96), *np.arange(96, 100, 0.5))
    found: list[float] = []
    for steps in (crowding, range(100), np.arange(0, 100, 0.1)):
        found = [float(at) for at in steps if low <= at <= high]
        if len(found) > 2:
            break
    return found


def _bubbles(
    figure: Figure,
    axis: Any,
    years: list[int],
    where: tuple[list[float], list[float]],
    areas: Any,
) -> None:
    look: dict[str, Any] = {"cmap": "cividis", "linewidths": 0.5, "edgecolors": "#555555"}
    drawn = axis.scatter(*where, s=areas, c=years, alpha=0.6, **look)
    if len({*years} - {0}) > 1:
        step = ceil((max(years) - min(years) + 1) / _MOST_YEARS)
        ticks = range(max(years), min(years) - 1, -step)
        bar = figure.colorbar(drawn, ax=axis, label="year", ticks=list(ticks), aspect=40, pad=0.01)
        bar.ax.yaxis.set_major_formatter(lambda value, _: f"{value:.0f}")


def _key(axis: Any, largest: int, scale: float) -> None:
    """What three areas stand for, the last not more than the largest net has."""
    power = 10 ** floor(log10(largest))
    top = max(step * power for step in (1, 2, 5) if step * power <= largest)
    for count in (round(share * top) for share in _KEY if share * top >= 1):
        axis.scatter([], [], s=scale * count, color="#999999", alpha=0.6, label=human(count))
    # Above the axis, where no bubble can be.
    place: dict[str, Any] = {"loc": "lower right", "bbox_to_anchor": (1, 1)}
    axis.legend(title="parameters", borderpad=1.2, handletextpad=1.6, ncols=3, **place)
