"""A family of nets: one cost against another with the Pareto front, or against a parameter."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter

from netspec.draw.cloud import Cloud
from netspec.draw.structure.labels import human
from netspec.draw.styles.charts.callouts import annotate
from netspec.draw.styles.charts.frame import captioned

# Okabe and Ito's colours without yellow, which is too light for points, and black, which is the front's.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#7f7f7f", "#8c510a")
# Where the largest value is so many times the least, steps are factors.
_FACTOR = 20
_MANY = 300
_CLOSE = 8.0


def costs(cloud: Cloud) -> Figure:
    """Every point of the cloud, and a line through its front."""
    names = [name for _, name in cloud.front if name]
    caption = f"{cloud.name}: {cloud.y} against {cloud.x}\n{cloud.sense}"
    figure = captioned(9.5, 6, cloud.note, caption.rstrip())
    axis = figure.add_subplot()
    every = [point for series in cloud.series for point in series.points]
    _scaled(axis.xaxis, axis.set_xscale, [x for x, _ in every], cloud.x)
    _scaled(axis.yaxis, axis.set_yscale, [y for _, y in every], cloud.y)
    size = 30 if len(every) < _MANY else 10
    for i, series in enumerate(cloud.series):
        colour = _COLOURS[i % len(_COLOURS)]
        for line in series.lines:
            axis.plot(*_columns(line), color=colour, linewidth=0.9, alpha=0.7)
        look: dict[str, Any] = {"s": size, "alpha": 0.7, "linewidths": 0, "label": series.label}
        axis.scatter(*_columns(series.points), color=colour, **look)
    axis.grid(True, which="major")
    if cloud.front:
        xs, ys = _columns([point for point, _ in cloud.front])
        ink = axis.xaxis.label.get_color()
        axis.plot(xs, ys, "o-", color=ink, markersize=4, markerfacecolor="none", linewidth=1.2)
    if any(series.label for series in cloud.series):
        place: dict[str, Any] = {"loc": "lower right", "bbox_to_anchor": (1, 1)}
        axis.legend(ncols=min(4, len(cloud.series)), **place)
    if names:
        figure.draw_without_rendering()
        named = [point for point, name in cloud.front if name]
        free = [
            *_along(axis, [point for point, _ in cloud.front]),
            *(every[:: len(every) // _MANY + 1]),
        ]
        xs, ys = _columns([*named, *free])
        annotate(axis, names, xs, ys, np.full(len(xs), 3.0))
    return figure


def _along(axis: Any, line: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Places on a line, a few points of 1/72 inch from each other, so that no name is written across."""
    places = axis.transData.transform(line)
    step = _CLOSE * axis.figure.dpi / 72
    found = [places[:1]]
    for before, after in pairwise(places):
        count = max(1, int(np.hypot(*(after - before)) / step))
        found.append(before + (after - before) * np.arange(1, count + 1)[:, None] / count)
    back = axis.transData.inverted().transform(np.concatenate(found))
    return [(float(x), float(y)) for x, y in back]


def _number(value: float) -> str:
    return human(value) if abs(value) >= 1000 else f"{value:.4g}"


def _columns(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]


def _scaled(side: Any, scale: Any, values: Sequence[float], label: str) -> None:
    """An axis by factors where values differ by many, with numbers as a person writes them."""
    by_factors = min(values) > 0 and max(values) > _FACTOR * min(values)
    if by_factors:
        scale("log")
        side.set_minor_formatter(NullFormatter())
    elif all(float(value).is_integer() for value in values):
        side.set_major_locator(MaxNLocator(integer=True))
    side.set_major_formatter(lambda value, _: _number(value))
    side.set_label_text(f"{label} (logarithmic)" if by_factors else label)
