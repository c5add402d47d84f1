"""What the statements of lectures measure, computed from the specs.

A net is the name of a shipped spec or the text of one, `input 3x32x32; conv5-6`; `settings` are its
parameters, `input` its input's shape. A step is the path of a layer, `conv1` or `inception3a.conv2`.
Public functions here are the words of formulas.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from itertools import groupby, product
from math import prod
from typing import Any

from netspec.analysis.layers import Layer
from netspec.analysis.receptive_field import Field, receptive_fields
from netspec.analysis.summary import Summary, summarize
from netspec.backends.torch.modules import to_module
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.graph.checked import Graph, Node
from netspec.ops.spatial.conv import Convolution
from netspec.ops.vectors.linear import Linear
from netspec.syntax.files import read_spec
from netspec.weights.sources import Seeded


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
    found = graph(net, **settings)
    node = layer(net, step, **settings).node if step else found.outputs[0].value.node
    (seen,) = receptive_fields(found)[node].values()
    assert isinstance(seen, Field)
    (side,) = set(seen.size)
    return side


# --- what a spec says beside its layers


def initial(net: str, step: str, name: str = "weight", **settings: Any) -> str:
    """How a weight of a layer starts: `gaussian(0.01)`, `constant(1)`."""
    node = layer(net, step, **settings).node
    (found,) = (w for w in node.op.weights(*node.input_types) if w.name == name)
    value = found.init.constant()
    if value is not None:
        return f"constant({value:g})"
    given = ", ".join(f"{getattr(found.init, part):g}" for part in found.init.__dataclass_fields__)
    return f"{found.init.word}({given})" if given else found.init.word


def head(net: str, number: int = 0, **settings: Any) -> list[str]:
    """The operators of the net's numbered training-only head."""
    every = summary(net, **settings).layers
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


def _said(net: str, key: str, protocol: dict[str, Any]) -> list[dict[str, Any]]:
    lines = [dict(value) for name, value in graph(net).metadata if name == key]  # type: ignore[call-overload]
    return [line for line in lines if protocol.items() <= line.items()]


# --- numbers through a net


def run(net: str, *inputs: Any, seed: int = 0, **weights: Any) -> Any:
    """What a net makes of values without a batch, as nested lists; a weight is given by its key.

    Dots of a key are written as two underscores: `conv1__weight=[[[[1, 0]]]]`.
    """
    import torch

    module = to_module(graph(net), Seeded(seed)).eval()
    state = {key.replace("__", "."): value for key, value in weights.items()}
    own = module.state_dict()
    for key, value in state.items():
        own[key] = torch.as_tensor(value, dtype=torch.float32).reshape(own[key].shape)
    module.load_state_dict(own)
    with torch.no_grad():
        found = module(*(torch.as_tensor(x, dtype=torch.float32)[None] for x in inputs))
    return _plain(found[0].tolist())


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return int(value) if value == int(value) else value


def geometric_mean_of_thinned(hidden: int, seed: int = 0) -> float:
    """How far, at most, a net with one hidden layer and half of its outgoing weights is off the mean.

    The mean is the geometric one, renormalised, of what all 2^hidden nets predict of which some
    hidden units are left out.
    """
    import numpy as np

    random = np.random.default_rng(seed)
    seen, matrix = random.normal(size=hidden), random.normal(size=(4, hidden))
    masks = np.array(list(product((0.0, 1.0), repeat=hidden)))
    logs = np.log(_softmax((masks * seen) @ matrix.T))
    return float(np.abs(_softmax(logs.mean(0)) - _softmax(matrix @ seen / 2)).max())


def _softmax(scores: Any) -> Any:
    import numpy as np

    powers = np.exp(scores)
    return powers / powers.sum(-1, keepdims=True)


def shares(parts: Iterable[float], whole: float) -> float:
    """The per cent that parts are of a whole."""
    return 100 * sum(parts) / whole


def rising(values: Sequence[float]) -> bool:
    """Whether no value is below the one before."""
    return all(a <= b for a, b in zip(values, values[1:], strict=False))
