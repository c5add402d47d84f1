"""What the statements of lectures measure, computed from the specs.

A net is the name of a shipped spec or the text of one, `input 3x32x32; conv5-6`; `settings` are its
parameters, `input` its input's shape. A step is the path of a layer, `conv1` or `inception3a.conv2`.
Public functions here are the words of formulas.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from functools import cache
from itertools import groupby, pairwise
from math import prod
from typing import Any

from netspec.analysis.layers import Layer
from netspec.analysis.receptive_field import Field, receptive_fields
from netspec.analysis.summary import Summary, summarize
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.graph.checked import Graph, Node
from netspec.ops.spatial.conv import Convolution
from netspec.ops.vectors.linear import Linear
from netspec.syntax.files import read_spec


def graph(net: str, **settings: Any) -> Graph:
    """The net with parameters set; `input=` is a shape, `(64, 56, 56)`."""
    return _graph(net, tuple(sorted((key, _hashed(value)) for key, value in settings.items())))


def _hashed(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


@cache
def _graph(net: str, settings: tuple[tuple[str, Any], ...]) -> Graph:
    given = dict(settings)
    shape = given.pop("input", None)
    inputs = () if shape is None else ("x".join(map(str, shape)),)
    source = Source("<net>", net) if "input " in net else read_spec(net)
    return build(source, given, inputs)


@cache
def _summary(graph: Graph) -> Summary:
    return summarize(graph)


def summary(net: str, **settings: Any) -> Summary:
    return _summary(graph(net, **settings))


# --- costs


def params(net: str, step: str = "", **settings: Any) -> int:
    """Trained elements: of the net, of the layer or of the block call of this path."""
    if not step:
        return summary(net, **settings).params
    return sum(layer.params + layer.params_frozen for layer in layers(net, step, **settings))


def weights(net: str, step: str = "", **settings: Any) -> int:
    """Parameters without biases and without those of norms."""
    return sum(weight.size for layer in layers(net, step, **settings) for weight in _own(layer))


def _own(layer: Layer) -> list[Any]:
    every = layer.node.op.weights(*layer.node.input_types)
    return [weight for weight in every if weight.name == "weight"]


def macs(net: str, step: str = "", **settings: Any) -> int:
    """Multiply-adds of convolutions and fully connected layers, for one sample."""
    if not step:
        return int(summary(net, **settings).macs)  # type: ignore[call-overload]
    return sum(int(layer.macs) for layer in layers(net, step, **settings))  # type: ignore[call-overload]


def depth(net: str, **settings: Any) -> int:
    """Weight layers on the longest path."""
    return summary(net, **settings).depth


def depth_to(net: str, step: str, **settings: Any) -> int:
    """Weight layers on the longest path to what a step makes; none to the input."""
    if step == "input":
        return 0
    longest: dict[Node, int] = {}
    for node in graph(net, **settings).nodes:
        before = max((longest[value.node] for value in node.inputs), default=0)
        longest[node] = before + isinstance(node.op, Convolution | Linear)
    return longest[layer(net, step, **settings).node]


def neurons(net: str, **settings: Any) -> int:
    """Elements that convolutions and fully connected layers make."""
    return sum(_elements(layer) for layer in computing(net, **settings))


def activation_bytes(net: str, **settings: Any) -> int:
    """Bytes, in float32, of what convolutions and fully connected layers make."""
    return 4 * neurons(net, **settings)


def values(net: str, **settings: Any) -> int:
    """Elements of the input and of what convolutions, pools and fully connected layers make."""
    counted = ("conv", "fc", "maxpool", "avgpool")
    made = sum(_elements(layer) for layer in layers(net, **settings) if layer.op in counted)
    return made + prod(summary(net, **settings).inputs[0].shape)


def elements(net: str, step: str = "input", **settings: Any) -> int:
    """Elements of what a step makes, or of the net's input."""
    return prod(_shape(net, step, **settings))


def _elements(layer: Layer) -> int:
    return prod(int(size) for size in layer.output)  # type: ignore[call-overload]


def reads(net: str, step: str, **settings: Any) -> int:
    """Elements of what a layer reads."""
    return prod(int(str(size)) for size in layer(net, step, **settings).node.input_types[0].shape)


# --- layers


def layers(net: str, step: str = "", **settings: Any) -> list[Layer]:
    """The layers of the deployed net, or those of one path and inside it."""
    every = [each for each in summary(net, **settings).layers if not each.training_only]
    found = [x for x in every if not step or x.path == step or x.path.startswith(f"{step}.")]
    if not found:
        raise KeyError(f"{net} has no layer {step}")
    return found


def layer(net: str, step: str, **settings: Any) -> Layer:
    """The layer of a path; of a block call, its last one."""
    return layers(net, step, **settings)[-1]


def computing(net: str, step: str = "", **settings: Any) -> list[Layer]:
    """Convolutions and fully connected layers of the deployed net."""
    return [
        each
        for each in layers(net, step, **settings)
        if isinstance(each.node.op, Convolution | Linear)
    ]


def convolutions(net: str, step: str = "", **settings: Any) -> list[Node]:
    found = computing(net, step, **settings)
    return [each.node for each in found if isinstance(each.node.op, Convolution)]


def count(net: str, op: str, step: str = "", **settings: Any) -> int:
    """How many layers of an operator the deployed net has."""
    return sum(each.op == op for each in summary(net, **settings).layers if not each.training_only)


def operators(net: str, step: str = "", **settings: Any) -> list[str]:
    """The operators of the deployed net in the order of the text."""
    return [each.op for each in layers(net, step, **settings)]


def steps(net: str, **settings: Any) -> str:
    """What there is of convolutions, pools and fully connected layers: `conv-pool-fc`."""
    kinds = {"conv": "conv", "maxpool": "pool", "avgpool": "pool", "subsample": "pool", "fc": "fc"}
    return "-".join(kinds[op] for op in operators(net, **settings) if op in kinds)


def stage(net: str, number: int, **settings: Any) -> str:
    """The layers up to the net's numbered pool as Table 1 of VGG writes them: `conv3-64 x2`.

    After the last pool, the classifier. Activations and dropout are left out.
    """
    parts: list[list[str]] = [[]]
    for each in layers(net, **settings):
        match each.op:
            case "conv":
                size, width = kernels(net, each.path, **settings), each.output[0]
                parts[-1].append(f"conv{size[0]}-{width}")
            case "fc":
                parts[-1].append(f"fc-{each.output[0]}")
            case "maxpool":
                parts.append([])
            case "lrn" | "softmax":
                parts[-1].append(each.op)
    runs = [(name, len(list(same))) for name, same in groupby(parts[number - 1])]
    return " ".join(name if times == 1 else f"{name} x{times}" for name, times in runs)


def units(net: str, step: str, **settings: Any) -> str:
    """A stage of residual units as ResNet's Table 1 writes it: `[3x3 64, 3x3 64] x2`.

    Projections of shortcuts are left out.
    """
    found: dict[str, list[str]] = {}
    for each in computing(net, step, **settings):
        inner = each.path.removeprefix(f"{step}.").split(".")
        if inner[-1] != "shortcut":
            size = kernel(net, each.path, **settings)
            found.setdefault(inner[0], []).append(f"{size} {each.output[0]}")
    (unit,) = {", ".join(parts) for parts in found.values()}
    return f"[{unit}] x{len(found)}"


def setting(net: str, step: str, name: str, **settings: Any) -> Any:
    """What a layer's operator was given."""
    return getattr(layer(net, step, **settings).node.op, name)


def kernel(net: str, step: str, **settings: Any) -> str:
    """The window of a layer: `3x3`."""
    node = layer(net, step, **settings).node
    return "x".join(map(str, node.op.window(*node.input_types).kernel))


def stride(net: str, step: str, **settings: Any) -> int:
    node = layer(net, step, **settings).node
    (found,) = set(node.op.window(*node.input_types).stride)
    return found


def pad(net: str, step: str, **settings: Any) -> int:
    node = layer(net, step, **settings).node
    (found,) = {side for sides in node.op.window(*node.input_types).pads for side in sides}
    return found


def kernels(net: str, step: str = "", **settings: Any) -> list[int]:
    """The largest side of every convolution's kernel."""
    found = convolutions(net, step, **settings)
    return [max(node.op.window(*node.input_types).kernel) for node in found]


def strides(net: str, step: str = "", **settings: Any) -> list[int]:
    found = convolutions(net, step, **settings)
    return [max(node.op.window(*node.input_types).stride) for node in found]


def groups(net: str, step: str = "", **settings: Any) -> list[int]:
    return [node.op.groups for node in convolutions(net, step, **settings)]


def widths(net: str, step: str = "", **settings: Any) -> list[int]:
    """The channels that convolutions make."""
    return [int(str(n.types[0].channels)) for n in convolutions(net, step, **settings)]


def factors(net: str, step: str, **settings: Any) -> str:
    """What a convolution's multiply-adds are the product of: `28x28x192x3x3x256`.

    Positions, filters, the filter's window and its channels.
    """
    node = layer(net, step, **settings).node
    (weight,) = (w for w in node.op.weights(*node.input_types) if w.name == "weight")
    filters, *each = weight.shape
    found = [*node.types[0].spatial, filters, *each[1:], each[0]]
    assert prod(int(str(size)) for size in found) == macs(net, step, **settings)
    return "x".join(map(str, found))


def layers_read(net: str, **settings: Any) -> dict[str, int]:
    """How many layers with weights each such layer reads the maps of; the same in every tower."""
    found: dict[str, int] = {}
    makers: dict[Node, frozenset[Node]] = {}
    for node in graph(net, **settings).nodes:
        read = frozenset(maker for value in node.inputs for maker in makers[value.node])
        weighs = bool(node.inputs and node.op.weights(*node.input_types))
        makers[node] = frozenset((node,)) if weighs else read
        if weighs and found.setdefault(node.name, len(read)) != len(read):
            raise ValueError(f"{node.name} of {net} reads differently in each tower")
    return found


# --- shapes


def _shape(net: str, step: str, **settings: Any) -> tuple[int, ...]:
    if step == "input":
        return tuple(int(size) for size in summary(net, **settings).inputs[0].shape)  # type: ignore[call-overload]
    return tuple(int(str(size)) for size in layer(net, step, **settings).output)


def shape(net: str, step: str = "", **settings: Any) -> str:
    """The shape of what a step makes, channels first; of the net's output without a step."""
    if step:
        return "x".join(map(str, _shape(net, step, **settings)))
    return "x".join(map(str, summary(net, **settings).outputs[0].shape))


def volume(net: str, step: str = "", **settings: Any) -> str:
    """The shape as lectures write it, channels last: `55x55x96`."""
    channels, *spatial = shape(net, step, **settings).split("x")
    return "x".join([*spatial, channels])


def field(net: str, step: str = "", **settings: Any) -> int:
    """The side of what one element of a step, or of the output, sees of the input."""
    (side,) = set(_seen(net, step, **settings).size)
    return side


def jump(net: str, step: str = "", **settings: Any) -> int:
    """How far apart what neighbouring elements see of the input starts."""
    (apart,) = set(_seen(net, step, **settings).stride)
    return int(apart)


def _seen(net: str, step: str, **settings: Any) -> Field:
    found = graph(net, **settings)
    node = layer(net, step, **settings).node if step else found.outputs[0].value.node
    (seen,) = receptive_fields(found)[node].values()
    assert isinstance(seen, Field)
    return seen


# --- what a spec says beside its layers


def fact(net: str, key: str) -> Any:
    """What the spec's line of this key says: `year`, `table`."""
    (found,) = (value for name, value in graph(net).metadata if name == key)
    return found


def weight(net: str, step: str, name: str = "weight", **settings: Any) -> str:
    """The shape of a layer's weight: `6x3x5x5`, maps made, maps read, kernel."""
    node = layer(net, step, **settings).node
    (found,) = (w for w in node.op.weights(*node.input_types) if w.name == name)
    return "x".join(map(str, found.shape))


def initial(net: str, step: str, name: str = "weight", **settings: Any) -> str:
    """How a weight of a layer starts: `gaussian(0.01)`, `constant(1)`."""
    node = layer(net, step, **settings).node
    (found,) = (w for w in node.op.weights(*node.input_types) if w.name == name)
    value = found.init.constant()
    if value is not None:
        return f"constant({value:g})"
    parts = [(part, getattr(found.init, part.name)) for part in fields(found.init)]
    given = ", ".join(
        f"{part.name}={value:g}" if part.kw_only else f"{value:g}"
        for part, value in parts
        if not part.kw_only or value != part.default
    )
    return f"{found.init.word}({given})" if given else found.init.word


def head(net: str, number: int = 0, **settings: Any) -> list[str]:
    """The operators of the net's numbered training-only head."""
    every = summary(net, **settings).training_layers
    names = list(dict.fromkeys(each.head for each in every if each.head))
    return [each.op for each in every if each.head == names[number]]


def errors(net: str, measure: str, **protocol: Any) -> list[float]:
    """The published errors of a net by one measure, in the order of the spec: of one protocol."""
    return [line[measure] for line in _said(net, "error", protocol) if measure in line]


def error(net: str, measure: str, **protocol: Any) -> float:
    """The one published error of a net by a measure and a protocol: `models=1, crops=10`."""
    (found,) = errors(net, measure, **protocol)
    return found


def entry(net: str, **protocol: Any) -> dict[str, Any]:
    """The one entry of a challenge that a spec names: `year=2014, place=1`."""
    (found,) = _said(net, "entry", protocol)
    return found


def entries(net: str, **protocol: Any) -> list[dict[str, Any]]:
    """The entries of challenges that a spec names, in its order."""
    return _said(net, "entry", protocol)


def _said(net: str, key: str, protocol: dict[str, Any]) -> list[dict[str, Any]]:
    lines = [dict(value) for name, value in graph(net).metadata if name == key]  # type: ignore[call-overload]
    # What a line leaves out: one model, crops that are not told, no further data.
    left_out = {"models": 1, "crops": 0, "external_data": ""}
    return [line for line in lines if _covers(left_out | line, protocol)]


def _covers(line: dict[str, Any], protocol: dict[str, Any]) -> bool:
    return all(line.get(name) == value for name, value in protocol.items())


# --- numbers


def shares(parts: Iterable[float], whole: float) -> float:
    """The per cent that parts are of a whole."""
    return 100 * sum(parts) / whole


def rising(values: Sequence[float]) -> bool:
    """Whether no value is below the one before."""
    return all(a <= b for a, b in pairwise(values))
