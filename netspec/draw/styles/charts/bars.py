"""Activations, parameters and multiply-adds of each layer; a second net points down."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from matplotlib.figure import Figure

from netspec.analysis.costs import costs
from netspec.diagnostics.messages.draw import CannotDraw
from netspec.diagnostics.raised import NetspecError
from netspec.draw.structure.labels import human
from netspec.draw.structure.reading import flat_steps
from netspec.draw.styles.assumed import is_counted, uncounted
from netspec.draw.styles.charts.frame import CHARACTERS, PAIR, captioned, unit_of
from netspec.draw.view import View
from netspec.foundation.records import record
from netspec.graph.checked import Graph
from netspec.sizes.shapes import numel

_READABLE, _MOST = 48, 200
# Characters of 8 points to an inch.
_CHARACTERS = 13
# Inches that the scales at the side take.
_SCALE = 0.7


@record
class Bar:
    """A layer with weights, or several: bytes of output, parameters, multiply-adds."""

    name: str
    memory: int
    params: int
    macs: int
    layers: int = 1


def bars(graphs: Sequence[Graph]) -> Figure:
    """Three panels of bars, a bar for each layer with weights, or for each block of a deep net.

    Raises NetspecError for more than two nets, sizes that are symbols, and too many layers.
    """
    if len(graphs) > 2:
        reason = f"bars compare two nets, not {len(graphs)}"
        raise NetspecError(CannotDraw(reason), status=2)
    nets = [bars_of(graph) for graph in graphs]
    count = max(map(len, nets))
    width = max(7.5, 1.5 + 0.24 * count)
    # Names that are turned take height, which bars do not lose.
    turned = (_longest(net) / CHARACTERS for net in nets if not _fits(net, width))
    taken = sum(max(0.0, inches - 1) for inches in turned)
    figure = captioned(width, 7.5 + taken, _caption(graphs, nets))
    panels = figure.subplots(3, 1)
    for axis, (title, memory) in zip(panels, _PANELS.items(), strict=True):
        _panel(axis, graphs, nets, title, memory)
    # The first net's names stand where its bars point, the second's below its own.
    _names(panels[0].secondary_xaxis("top") if len(graphs) == 2 else panels[2], nets[0])
    if len(graphs) == 2:
        _names(panels[2], nets[1])
    figure.align_ylabels()
    handles = panels[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside upper center", ncols=1, fontsize=10)
    return figure


_PANELS = {
    "activations": "memory",
    "parameters": "params",
    "multiply-adds": "macs",
}


def bars_of(graph: Graph) -> list[Bar]:
    """One bar a layer; where those are many, one a block, of the innermost level that is few.

    Where even the outermost are many, those that follow each other and are equal but for their number
    share one, `conv2–19`; where those are many too, all that differ in their number: `dense1–6`.
    """
    if not is_counted(graph):
        raise uncounted(graph)
    layers = _layers(graph)
    levels = max((layer.name.count(".") + 1 for layer in layers), default=1)
    for level in range(levels, 0, -1):
        found = _merged(layers, level)
        if len(found) <= _READABLE:
            break
    else:
        equal = _runs(found, equal=True)
        found = equal if len(equal) <= _READABLE else _runs(found)
    if not 0 < len(found) <= _MOST:
        reason = f"bars need 1 to {_MOST} layers or blocks, and {graph.name} has {len(found)}"
        raise NetspecError(CannotDraw(reason, "draw it with --heat macs"))
    return found


def _layers(graph: Graph) -> list[Bar]:
    view = View(graph)
    found = []
    for step in flat_steps(graph):
        cost = view.cost(step.nodes)
        params = cost.params + cost.params_frozen
        if step.node.head is None and (params or cost.macs):
            size = numel(step.type.shape)
            assert isinstance(size, int)
            assert isinstance(cost.macs, int)
            found.append(Bar(step.node.path, 4 * size, params, cost.macs))
    return found


def _merged(layers: Sequence[Bar], level: int) -> list[Bar]:
    """The layers whose paths agree in their first parts, as one bar each."""
    groups: dict[str, list[Bar]] = {}
    for layer in layers:
        groups.setdefault(".".join(layer.name.split(".")[:level]), []).append(layer)
    return [_sum(name, inner) for name, inner in groups.items()]


def _runs(found: Sequence[Bar], *, equal: bool = False) -> list[Bar]:
    """What follows itself as one bar each: of one name, and of the same figures if those are `equal`."""

    def alike(bar: Bar) -> tuple[str, object]:
        figures = [getattr(bar, part) for part in _PANELS.values()] if equal else None
        return bar.name.rstrip("0123456789"), figures

    merged = []
    for (stem, _), members in groupby(found, key=alike):
        run = list(members)
        name, last = run[0].name, run[-1].name.removeprefix(stem)
        merged.append(_sum(name if len(run) == 1 else f"{name}–{last}", run))
    return merged


def _sum(name: str, inner: Sequence[Bar]) -> Bar:
    parts = (*_PANELS.values(), "layers")
    return Bar(name, *(sum(getattr(bar, part) for bar in inner) for part in parts))


def _panel(
    axis: Any, graphs: Sequence[Graph], nets: list[list[Bar]], title: str, part: str
) -> None:
    highest = max(getattr(bar, part) for net in nets for bar in net)
    scale, letter, word = unit_of(highest)
    axis.set_ylabel(f"{title}, {letter}B" if part == "memory" else f"{title}, {word}".rstrip(", "))
    for sign, graph, net, colour in zip((1, -1), graphs, nets, PAIR, strict=False):
        values = [sign * getattr(bar, part) / scale for bar in net]
        axis.bar(_places(net), values, 0.78 / len(net), color=colour, label=_total(graph))
        _tell_highest(axis, net, part, sign, scale)
    edge = axis.spines["left"].get_edgecolor()
    axis.axhline(0, color=edge, linewidth=0.8)
    axis.yaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
    axis.yaxis.grid(True)
    axis.spines["bottom"].set_visible(False)
    axis.set_xticks([])
    axis.set_xlim(0, 1)
    axis.margins(y=0.14)


def _places(net: Sequence[Bar]) -> list[float]:
    """The middles of the bars: a net takes the whole width, whatever stands across from it."""
    return [(i + 0.5) / len(net) for i in range(len(net))]


def _tell_highest(axis: Any, net: list[Bar], part: str, sign: int, scale: float) -> None:
    values = [getattr(bar, part) for bar in net]
    value = max(values)
    unit = "B" if part == "memory" else ""
    text = f"{human(value)}{unit}" if value >= 1000 or not unit else f"{value} B"
    # It stays clear of the scale at the side.
    edge = (0.5 * len(text) + 1) / _CHARACTERS / (axis.figure.get_figwidth() - _SCALE)
    at = min(max(_places(net)[values.index(value)], edge), 1 - edge)
    axis.annotate(
        text,
        (at, sign * value / scale),
        (0, 3 * sign),
        textcoords="offset points",
        ha="center",
        va="bottom" if sign > 0 else "top",
        fontsize=9,
    )


def _longest(net: Sequence[Bar]) -> int:
    return max(len(_short(bar.name)) for bar in net)


def _fits(net: Sequence[Bar], width: float) -> bool:
    """Whether the names have room side by side in a figure of this width."""
    return len(net) * (_longest(net) + 1) < width * _CHARACTERS


def _names(axis: Any, net: Sequence[Bar]) -> None:
    names = [_short(bar.name) for bar in net]
    fits = _fits(net, axis.figure.get_figwidth())
    axis.set_xticks(_places(net), names, rotation=0 if fits else 90, fontsize=8)
    axis.tick_params(length=0)
    for spine in axis.spines.values():
        spine.set_visible(False)


def _short(path: str) -> str:
    """A path in which a block that stands in itself again and again is said once: `level1 ×3.conv2`."""
    runs = [(part, len([*run])) for part, run in groupby(path.split("."))]
    return ".".join(part if count == 1 else f"{part} ×{count}" for part, count in runs)


def _total(graph: Graph) -> str:
    total = costs(graph)
    params = human(total.params + total.params_frozen)
    return f"{graph.name}: {params} parameters, {human(total.macs)} multiply-adds"


def _caption(graphs: Sequence[Graph], nets: list[list[Bar]]) -> str:
    text = (
        "Layers with weights, in order, for one sample in float32. Activations: the bytes of a "
        "layer's output, after what normalises and activates it."
    )
    if any(node.owner != node.path for graph in graphs for node in graph.nodes):
        text += " Weights that layers share count at the first."
    named = zip(graphs, nets, strict=True)
    blocks = [graph.name for graph, net in named if any(bar.layers > 1 for bar in net)]
    return (
        f"{text} Of {' and '.join(blocks)} a bar is a block or a run of them." if blocks else text
    )
