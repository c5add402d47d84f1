"""Operations against accuracy; areas are parameters, colours are years.

After Canziani, Paszke and Culurciello (2016), Figure 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

from netspec.analysis.costs import costs
from netspec.analysis.published import Published, published
from netspec.diagnostics.messages.draw import CannotDraw
from netspec.diagnostics.raised import NetspecError
from netspec.draw.styles.charts.callouts import annotate
from netspec.draw.styles.charts.frame import captioned, sources
from netspec.graph.checked import Graph

# Square points a million parameters takes; the smallest bubble can still be seen.
_AREA, _SMALLEST = 8.0, 14.0
_KEY = (5, 50, 150)


def bubble(graphs: Sequence[Graph]) -> Figure:
    """Every net that states a top-1 error. Raises NetspecError where none does.

    The scale of the accuracy is that of the logarithm of the error, so that halving the error is
    the same step anywhere: near 100 percent, where nets crowd, there is the most room.
    """
    stated = published(graphs, "top1")
    nets = [item for item in stated if isinstance(costs(item.graph).macs, int)]
    if not nets:
        reason = f"the multiply-adds of {stated[0].graph.name} are a formula"
        raise NetspecError(CannotDraw(reason, "give sizes: --input 3x224x224"))
    figure = captioned(12.5, 7.8, sources(nets, graphs))
    axis = figure.add_subplot()
    millions = [c.params + c.params_frozen for c in (costs(item.graph) for item in nets)]
    areas = np.array([max(_SMALLEST, _AREA * count / 1e6) for count in millions])
    xs = [float(costs(item.graph).macs) / 1e9 for item in nets]  # type: ignore[arg-type]
    ys = [100 - item.error for item in nets]
    _axes(axis, nets, xs, ys)
    _bubbles(figure, axis, nets, (xs, ys), areas)
    figure.draw_without_rendering()
    annotate(axis, [item.graph.name for item in nets], xs, ys, np.sqrt(areas / np.pi))
    return figure


def _axes(axis: Any, nets: Sequence[Published], xs: list[float], ys: list[float]) -> None:
    axis.set_xscale("log")
    axis.set_xlim(min(xs) / 1.6, max(xs) * 1.6)
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set_xlabel("multiply-adds, billions, for one sample (logarithmic)")
    axis.set_yscale("function", functions=(_stretched, _accuracy))
    low, high = _stretched(np.array([min(ys), max(ys)]))
    pad = 0.08 * (high - low) + 0.05
    axis.set_ylim(*_accuracy(np.array([low - pad, high + pad])))
    axis.yaxis.set_major_locator(FixedLocator(_ticks(*axis.get_ylim())))
    axis.yaxis.set_minor_locator(NullLocator())
    axis.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.set_ylabel(f"top-1 accuracy, percent, {nets[0].dataset} (logarithmic in the error)")
    axis.grid(True, which="major")


def _stretched(accuracy: Any) -> Any:
    return -np.log(np.maximum(100 - accuracy, 1e-6))


def _accuracy(stretched: Any) -> Any:
    return 100 - np.exp(-stretched)


def _ticks(low: float, high: float) -> list[float]:
    """Round accuracies, closer together where the error is small."""
    steps = (*range(0, 50, 10), *range(50, 90, 5), *range(90, 96), *np.arange(96, 100, 0.5))
    return [float(at) for at in steps if low <= at <= high]


def _bubbles(
    figure: Figure,
    axis: Any,
    nets: Sequence[Published],
    where: tuple[list[float], list[float]],
    areas: Any,
) -> None:
    years = [item.year for item in nets]
    look: dict[str, Any] = {"cmap": "cividis", "linewidths": 0.5, "edgecolors": "#555555"}
    drawn = axis.scatter(*where, s=areas, c=years, alpha=0.6, **look)
    if len({*years} - {0}) > 1:
        ticks = range(min(years), max(years) + 1)
        bar = figure.colorbar(drawn, ax=axis, label="year", ticks=list(ticks), aspect=40, pad=0.01)
        bar.ax.yaxis.set_major_formatter(lambda value, _: f"{value:.0f}")
    for count in _KEY:
        axis.scatter([], [], s=_AREA * count, color="#999999", alpha=0.6, label=f"{count} M")
    axis.legend(title="parameters", loc="lower right", borderpad=1.2, handletextpad=1.6, ncols=3)
