"""Charts over nets, by matplotlib: cost per layer, cost against accuracy, depth by year.

Published errors are those the specs state, each with its source under the chart.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from netspec.analysis.costs import costs
from netspec.diagnostics import NetspecError
from netspec.draw.labels import family
from netspec.draw.structure import Step, flat_steps
from netspec.draw.theme import paint
from netspec.draw.view import View
from netspec.errors.draw import CannotDraw
from netspec.graph import Graph

_FAMILIES = ("conv", "pool", "fc", "rnn")
_MOST_LAYERS = 200
# Okabe and Ito's blue and vermilion.
_PAIR = ("#0072b2", "#d55e00")


def chart(graphs: Sequence[Graph], style: str, theme: str, format: str) -> str | bytes:
    """One chart as SVG text, or as PNG or PDF bytes; the same graphs give the same SVG and PDF."""
    colours = "dark" if theme == "dark" else "light"
    page, ink = paint(colours, "page").fill, paint(colours, "").ink
    setting: dict[Any, Any] = {
        "svg.fonttype": "none",
        "svg.hashsalt": "netspec",
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        **dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), page),
        **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor"), ink),
        **dict.fromkeys(("xtick.color", "ytick.color"), ink),
    }
    with mpl.rc_context(setting):
        figure = {"bars": _bars, "bubble": _bubble, "depth": _depth}[style](graphs)
        return _saved(figure, format)


def _saved(figure: Figure, format: str) -> str | bytes:
    dates: dict[str, Any] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}
    buffer = io.BytesIO()
    figure.savefig(buffer, format=format, metadata=dates[format], dpi=200, bbox_inches="tight")
    data = buffer.getvalue()
    return data.decode("utf-8") if format == "svg" else data


# --- per layer


def _bars(graphs: Sequence[Graph]) -> Figure:
    """Bytes, parameters and multiply-adds of each layer; a second net points down."""
    if len(graphs) > 2:
        reason = f"bars compare two nets, not {len(graphs)}"
        raise NetspecError(CannotDraw(reason), status=2)
    layers = [_layers(graph) for graph in graphs]
    count = max(len(found) for found in layers)
    if not count or count > _MOST_LAYERS:
        reason = f"bars need 1 to {_MOST_LAYERS} layers, and there are {count}"
        raise NetspecError(CannotDraw(reason, "draw it with --heat macs"))
    figure = Figure(figsize=(max(7.0, 1.5 + 0.26 * count), 8.2), layout="constrained")
    axes = figure.subplots(3, 1)
    measures = (
        ("memory", "activations, MB", 1e6),
        ("params", "parameters, millions", 1e6),
        ("macs", "multiply-adds, billions", 1e9),
    )
    for axis, (heat, title, unit) in zip(axes, measures, strict=True):
        _mirrored(axis, graphs, layers, heat, unit)
        axis.set_ylabel(title)
    # The first net's names stand where its bars point, the second's below its own.
    _layer_names(axes[0].secondary_xaxis("top") if len(graphs) == 2 else axes[2], layers[0])
    if len(graphs) == 2:
        _layer_names(axes[2], layers[1])
    figure.legend(
        *axes[0].get_legend_handles_labels(), frameon=False, loc="outside upper center", ncols=2
    )
    figure.supxlabel("layers, in order; one sample, float32", fontsize=9)
    return figure


def _mirrored(
    axis: Any, graphs: Sequence[Graph], layers: list[list[Step]], heat: str, unit: float
) -> None:
    for sign, graph, steps, colour in zip((1, -1), graphs, layers, _PAIR, strict=False):
        view = View(graph, heat=heat)
        values = [sign * view.weight(step.nodes) / unit for step in steps]
        axis.bar(range(len(steps)), values, color=colour, label=graph.name, width=0.8)
    axis.axhline(0, color=axis.spines["left"].get_edgecolor(), linewidth=0.8)
    axis.yaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
    axis.set_xticks([])
    axis.set_xlim(-0.8, max(map(len, layers)) - 0.2)


def _layer_names(axis: Any, steps: list[Step]) -> None:
    axis.set_xticks(range(len(steps)), [s.node.path for s in steps], rotation=90, fontsize=8)


def _layers(graph: Graph) -> list[Step]:
    steps = (step for step in flat_steps(graph) if step.node.head is None)
    return [step for step in steps if family(step.node.op) in _FAMILIES]


# --- published errors


@dataclass(frozen=True, slots=True)
class Published:
    """What a spec states: its year, an error in percent, and where that was published."""

    graph: Graph
    year: int
    error: float
    source: str

    @property
    def dataset(self) -> str:
        """What was tested on: the first word of the source. ILSVRC's set is ImageNet's."""
        word = self.source.split()[0].rstrip(",;:")
        return "ImageNet" if word == "ILSVRC" else word


def published(graphs: Sequence[Graph], measure: str) -> list[Published]:
    """The nets that state this error (`top1` or `top5`), by year and name.

    Only those of the data set that most were tested on: errors on others do not compare.
    """
    found = []
    for graph in graphs:
        facts = [dict(value) for key, value in graph.metadata if key == "error"]  # type: ignore[call-overload]
        stated = next((pairs for pairs in facts if measure in pairs), None)
        year = dict(graph.metadata).get("year", 0)
        if stated is not None and isinstance(year, int):
            source = str(stated.get("source", "no source given"))
            found.append(Published(graph, year, float(stated[measure]), source))
    kinds = Counter(item.dataset for item in found)
    most = max(kinds, key=lambda kind: kinds[kind]) if kinds else ""
    found = [item for item in found if item.dataset == most]
    if not found:
        advice = 'a spec states one as `error top1=22.85, top5=6.71, source="..."`'
        raise NetspecError(CannotDraw(f"none of these specs states a {measure} error", advice))
    return sorted(found, key=lambda item: (item.year, item.graph.name))


def _bubble(graphs: Sequence[Graph]) -> Figure:
    """Multiply-adds against top-1 accuracy; areas are parameters."""
    nets = [item for item in published(graphs, "top1") if isinstance(costs(item.graph).macs, int)]
    figure = Figure(figsize=(12.5, 8.5))
    axis = figure.add_subplot()
    xs = [float(costs(item.graph).macs) / 1e9 for item in nets]  # type: ignore[arg-type]
    ys = [100 - item.error for item in nets]
    params = [costs(item.graph).params + costs(item.graph).params_frozen for item in nets]
    areas = [max(12.0, 9.0 * count / 1e6) for count in params]
    axis.scatter(xs, ys, s=areas, color=_PAIR[0], alpha=0.35, edgecolors=_PAIR[0])
    axis.set_xscale("log")
    axis.set_xlabel("multiply-adds, billions, one sample (logarithmic)")
    axis.set_ylabel(f"top-1 accuracy, percent, {nets[0].dataset}")
    for count in (5, 50, 150):
        axis.scatter([], [], s=9.0 * count, color=_PAIR[0], alpha=0.35, label=f"{count} M")
    axis.legend(
        title="parameters", frameon=False, loc="lower right", labelspacing=2.2, borderpad=1.2
    )
    axis.margins(0.12)
    figure.canvas.draw()
    _spread_labels(axis, [item.graph.name for item in nets], xs, ys)
    _sources(figure, nets)
    return figure


def _spread_labels(axis: Any, names: list[str], xs: list[float], ys: list[float]) -> None:
    """Names near their points, at the nearest place where none covers another."""
    scale = axis.figure.dpi / 72
    points = [axis.transData.transform(pair) for pair in zip(xs, ys, strict=True)]
    taken = [(px - 2, py, 4.0, 4.0) for px, py in points]
    for name, (px, py), x, y in sorted(zip(names, points, xs, ys, strict=True), key=_crowd(points)):
        width, height = 4.9 * len(name) * scale, 10.0 * scale
        places = ((px + dx if dx > 0 else px + dx - width, py + dy) for dx, dy in _offsets())
        left, low = next(at for at in places if _is_free((*at, width, height), taken))
        taken.append((left, low, width, height))
        offset = ((left - px) / scale, (low - py) / scale)
        far = max(abs(offset[1]), abs(offset[0])) > 14
        axis.annotate(
            name,
            (x, y),
            xytext=offset,
            textcoords="offset points",
            va="center",
            fontsize=8,
            arrowprops={"arrowstyle": "-", "linewidth": 0.4, "alpha": 0.6} if far else None,
        )


def _crowd(points: list[Any]) -> Any:
    """Orders points with many near them last, so that lone ones keep their label close."""

    def count(item: Any) -> tuple[int, str]:
        name, (px, py), _, _ = item
        near = sum(abs(px - ox) < 120 and abs(py - oy) < 40 for ox, oy in points)
        return near, name

    return count


def _offsets() -> Iterator[tuple[float, float]]:
    """Places around a point, the near ones first, to the right before the left."""
    for reach in range(0, 2000, 6):
        for dy in (reach, -reach):
            for side in (1, -1):
                yield side * (6.0 + reach / 2), float(dy)


def _is_free(
    box: tuple[float, float, float, float], taken: list[tuple[float, float, float, float]]
) -> bool:
    x, y, w, h = box
    return not any(
        x < ox + ow and ox < x + w and abs(y - oy) < (h + oh) / 2 for ox, oy, ow, oh in taken
    )


def _depth(graphs: Sequence[Graph]) -> Figure:
    """The revolution of depth: top-5 error as bars, layers as points above, by year."""
    nets = published(graphs, "top5")
    figure = Figure(figsize=(max(7.0, 0.42 * len(nets) + 2), 5.6))
    axis = figure.add_subplot()
    places = range(len(nets))
    axis.bar(places, [item.error for item in nets], color=_PAIR[0], width=0.7, label="top-5 error")
    axis.set_xticks(
        places, [f"{item.graph.name}\n{item.year or ''}" for item in nets], rotation=90, fontsize=8
    )
    axis.set_ylabel(f"top-5 error, percent, {nets[0].dataset}")
    layers = axis.twinx()
    layers.spines["right"].set_visible(True)
    depths = [costs(item.graph).depth for item in nets]
    layers.plot(places, depths, "o-", color=_PAIR[1], linewidth=1, markersize=4, label="layers")
    for place, count in zip(places, depths, strict=True):
        layers.annotate(
            str(count), (place, count), (0, 5), textcoords="offset points", ha="center", fontsize=8
        )
    layers.set_ylabel("weight layers on the longest path")
    layers.set_ylim(0, 1.15 * max(depths))
    figure.legend(frameon=False, loc="upper center", ncols=2)
    _sources(figure, nets)
    return figure


def _sources(figure: Figure, nets: list[Published]) -> None:
    """Where each error was published, under the chart."""
    groups: dict[str, list[str]] = {}
    for item in nets:
        groups.setdefault(item.source, []).append(item.graph.name)
    text = "Errors as published, with different crops: " + ". ".join(
        f"{', '.join(names)}: {source}" for source, names in groups.items()
    )
    width = round(figure.get_figwidth() * 17)
    boxes = [axis.get_tightbbox() for axis in figure.axes]
    lowest = min(box.y0 for box in boxes if box is not None) / figure.bbox.height
    figure.text(0.02, lowest - 0.03, "\n".join(wrap(text, width)), fontsize=8, va="top")
