"""Writes `docs/lectures.md` from the shipped specs.

    python docs/make_lectures.py

Nothing in the page is typed but what the lectures print; a test holds that it is current.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

from lecture_figures import LECTURES, SECTIONS
from lecture_measures import macs, net, summary, weights

from netspec.analysis.layers import Layer, calls_of
from netspec.analysis.quantities import grouped, shape
from netspec.ops.spatial.conv import Conv
from netspec.syntax.files import shipped_names

TARGET = Path(__file__).parent / "lectures.md"

VGG_MEMORY = (
    "3.2M 3.2M 800K 1.6M 1.6M 400K 800K 800K 800K 200K 400K 400K 400K 100K "
    "100K 100K 100K 25K 4096 4096 1000"
).split()
VGG_PARAMS = (
    "1,728 36,864 0 73,728 147,456 0 294,912 589,824 589,824 0 1,179,648 2,359,296 2,359,296 0 "
    "2,359,296 2,359,296 2,359,296 0 102,760,448 16,777,216 4,096,000"
).split()
GOOGLENET_PARAMS = "2.7K 112K 159K 380K 364K 437K 463K 580K 840K 1072K 1388K 1000K".split()
GOOGLENET_OPS = "34M 360M 128M 304M 73M 88M 100M 119M 170M 54M 71M 1M".split()
GOOGLENET_WHY = {
    "conv1": "a separable convolution with 8 outputs per channel has exactly 2.7K and 34M",
    "5a": "a 5x5 reduction of 48 in place of 32 gives 1081K and 54M",
}
RESNETS = {"resnet18": "1.8", "resnet34": "3.6", "resnet50": "3.8", "resnet101": "7.6"}
RESNETS |= {"resnet152": "11.3"}
INCEPTIONS = {"inception_naive": "854M", "inception_reduced": "358M"}


def main() -> None:
    TARGET.write_text(page(), encoding="utf-8")


def page() -> str:
    parts = [
        "# The lectures' tables, exactly",
        "Written by `docs/make_lectures.py` from the shipped specs. Multiply-adds (MACs) are those "
        "of convolutions and fully connected layers for one image; what the lectures call an "
        "operation or a FLOP is one of them. Figures are those of:",
        "\n".join(f"- *{key}*: {title}" for key, title in LECTURES.items()),
        "## VGG-16, layer by layer",
        "Memory is the number of values a layer makes, parameters are counted without biases, as "
        "in *stanford*, whose own figures stand beside.",
        _table("layer|output|memory|printed|parameters|printed", _vgg()),
        "## GoogLeNet's layers",
        "As in the paper's Table 1, shown in *lse* and *koc*. Printed parameters are in units of "
        "1024 and leave biases out.",
        _table(
            "type|patch/stride|output|depth|1x1|3x3 reduce|3x3|5x5 reduce|5x5|pool proj|"
            "weights|in 1024|printed|MACs|printed|",
            _googlenet(),
        ),
        "\n".join(f"- {name}: {why}" for name, why in GOOGLENET_WHY.items()),
        "## The residual nets of ImageNet",
        "As in the paper's Table 1, shown in *lse*; FLOPs in billions.",
        _table("stage|output|" + "|".join(RESNETS), _resnets()),
        "## The inception module, naive and reduced",
        "On 256 maps of 28x28, as calculated in *stanford*.",
        *(_table(f"{name}|kernel|maps in|maps out|MACs", _module(name)) for name in INCEPTIONS),
        "## Every figure",
        "A figure agrees if it is the exact one rounded to its own precision.",
    ]
    for title, figures in SECTIONS.items():
        lines = (
            (
                figure.spec,
                figure.lecture,
                figure.says,
                figure.exact(),
                figure.verdict(),
                figure.reason,
            )
            for figure in figures
            if figure.spec in shipped_names()
        )
        parts += [f"### {title}", _table("spec|lecture|it says|exactly|verdict|because", lines)]
    return "\n\n".join(parts) + "\n"


def _table(titles: str, lines: Iterable[Iterable[object]]) -> str:
    head = titles.split("|")
    rows = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    rows += [f"| {' | '.join(str(cell) for cell in line)} |" for line in lines]
    return "\n".join(rows)


def _vgg() -> Iterator[tuple[object, ...]]:
    found = summary("vgg16")
    given = found.inputs[0].shape
    layers = [layer for layer in found.layers if layer.op in ("conv", "maxpool", "fc")]
    total = sum(_numel(layer.output) for layer in layers) + _numel(given)
    yield "input", shape(given), f"{_numel(given):,}", "150K", 0, 0
    for layer, memory, count in zip(layers, VGG_MEMORY, VGG_PARAMS, strict=True):
        made, own = f"{_numel(layer.output):,}", f"{_weights([layer]):,}"
        yield layer.path, shape(layer.output), made, memory, own, count
    yield "**total**", "", f"**{total:,}**", "24M", f"**{weights('vgg16'):,}**", "138M"


def _numel(sizes: tuple[object, ...]) -> int:
    total = 1
    for size in sizes:
        assert isinstance(size, int)
        total *= size
    return total


def _weights(layers: Iterable[Layer]) -> int:
    every = (w for x in layers for w in x.node.op.weights(*x.node.input_types))
    return sum(weight.size for weight in every if weight.name == "weight")


def _googlenet() -> Iterator[tuple[object, ...]]:
    printed = iter(zip(GOOGLENET_PARAMS, GOOGLENET_OPS, strict=True))
    for kind, layers in _googlenet_rows():
        convs = [layer for layer in layers if layer.op == "conv"]
        last, patch, widths = layers[-1], layers[0].detail.split(" ")[0], [""] * 6
        if kind.startswith("inception"):
            widths, patch = [str(layer.output[0]) for layer in convs], ""
        elif len(convs) == 2:
            widths, patch = (
                ["", str(convs[0].output[0]), str(convs[1].output[0]), "", "", ""],
                "3x3",
            )
        depth = 2 if kind.startswith("inception") else len(convs) or (kind == "linear") * 1
        costs: tuple[str, ...] = ("", "", "", "", "", "")
        if _weights(layers):
            params, operations = next(printed)
            costs = _against(_weights(layers), params, sum(int(x.macs) for x in layers), operations)
        yield kind, patch, shape(last.output), depth, *widths, *costs
    total, every = weights("googlenet"), macs("googlenet")
    yield (
        "**sum**",
        *[""] * 9,
        f"**{total:,}**",
        f"{total / 1024:.1f}K",
        "6797.7K",
        f"**{every:,}**",
        "1502M",
        "",
    )


def _googlenet_rows() -> Iterator[tuple[str, list[Layer]]]:
    """The rows of the paper's table: the two convolutions before the second pool are one."""
    kept = [
        x
        for x in summary("googlenet").layers
        if x.op in ("conv", "maxpool", "avgpool", "fc", "concat")
    ]
    names = {"maxpool": "max pool", "avgpool": "avg pool", "fc": "linear", "conv": "convolution"}

    def row(layer: Layer) -> str:
        calls = calls_of(layer.node)
        if calls and calls[0].component:
            return calls[0].component
        return "conv2" if layer.path in ("conv2", "conv3") else layer.path

    for label, layers in groupby(kept, row):
        found = list(layers)
        block = label.startswith("inception")
        yield (f"inception ({label[9:]})" if block else names[found[0].op]), found


def _against(size: int, params: str, operations: int, ops: str) -> tuple[str, ...]:
    thousands, millions = size / 1024, operations / 1e6
    told = float(params[:-1]), float(ops[:-1])
    wrong = [
        what
        for what, exact, printed in (("params", thousands, told[0]), ("ops", millions, told[1]))
        if abs(printed - exact) > max(0.02 * exact, 0.5)
    ]
    verdict = f"**{' and '.join(wrong)} differ**" if wrong else "agrees to 2 %"
    return f"{size:,}", f"{thousands:.1f}K", params, f"{operations:,}", ops, verdict


def _resnets() -> Iterator[tuple[object, ...]]:
    stages = {name: _stages(name) for name in RESNETS}
    first = next(iter(stages.values()))
    for i, (stage, output, _) in enumerate(first):
        yield stage, output, *(stages[name][i][2] for name in RESNETS)
    yield "**MACs**", "", *(f"**{macs(name):,}**" for name in RESNETS)
    yield "printed FLOPs", "", *(f"{value}e9" for value in RESNETS.values())
    yield "parameters", "", *(grouped(summary(name).params) for name in RESNETS)


def _stages(name: str) -> list[tuple[str, str, str]]:
    """Stage, output and units of a residual net: `[3x3 64, 3x3 64] x2`."""
    found = [("conv1", "112x112", "7x7 64, /2")]
    layers = [layer for layer in summary(name).layers if calls_of(layer.node)]
    for i, (_, inside) in enumerate(groupby(layers, lambda x: calls_of(x.node)[0].component), 2):
        units: dict[str, list[str]] = {}
        output = ""
        for layer in inside:
            unit = str(calls_of(layer.node)[1].component)
            output = shape(layer.output[1:])
            op = layer.node.op
            if isinstance(op, Conv) and "shortcut" not in layer.path:
                kernel = "x".join(map(str, op.window(*layer.node.input_types).kernel))
                units.setdefault(unit, []).append(f"{kernel} {op.width}")
        body = ", ".join(next(iter(units.values())))
        found.append((f"conv{i}_x", output, f"[{body}] x{len(units)}"))
    return found


def _module(name: str) -> Iterator[tuple[object, ...]]:
    for node in net(name).nodes:
        if isinstance(node.op, Conv):
            layer = next(x for x in summary(name).layers if x.node is node)
            kernel = layer.detail.split(" ")[0]
            into, out = node.input_types[0].channels, node.types[0].channels
            yield layer.path, kernel, into, out, grouped(layer.macs)
    made = f"{summary(name).outputs[0].shape[0]}"
    yield "**total**", "", "", made, f"**{macs(name):,}**"
    yield "printed", "", "", "", INCEPTIONS[name]


if __name__ == "__main__":
    main()
