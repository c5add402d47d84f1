"""What the figures of lectures measure, computed from the specs. Each takes the name of a spec."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import prod

from netspec.analysis.receptive_field import Field, receptive_fields
from netspec.analysis.summary import Summary, summarize
from netspec.elaborate.build import build
from netspec.graph.checked import Graph, Node
from netspec.ops.spatial.conv import Conv
from netspec.syntax.files import read_spec

Measure = Callable[[str], float]


@cache
def net(name: str) -> Graph:
    return build(read_spec(name))


@cache
def summary(name: str) -> Summary:
    return summarize(net(name))


def params(name: str) -> int:
    return summary(name).params


def macs(name: str) -> int:
    found = summary(name).macs
    assert isinstance(found, int)
    return found


def computed_values(name: str, *, pools: bool = False) -> int:
    """Elements that convolutions and fully connected layers make; `pools` adds pools and input."""
    counted = ("conv", "fc", "maxpool") if pools else ("conv", "fc")
    made = sum(prod(layer.output) for layer in summary(name).layers if layer.op in counted)
    return made + (prod(summary(name).inputs[0].shape) if pools else 0)


def weights(name: str) -> int:
    """Parameters without biases."""
    nodes = (node for node in net(name).nodes if node.inputs and node.head is None)
    every = (weight for node in nodes for weight in node.op.weights(*node.input_types))
    return sum(weight.size for weight in every if weight.name == "weight")


def field_size(name: str) -> int:
    graph = net(name)
    seen = receptive_fields(graph)[graph.outputs[0].value.node]["input"]
    assert isinstance(seen, Field)
    return seen.size[0]


def depth(name: str) -> int:
    return summary(name).depth


def neurons(name: str) -> int:
    """Elements that convolutions and fully connected layers make."""
    return computed_values(name)


def activations(name: str) -> float:
    """Bytes of what convolutions and fully connected layers make."""
    return 4.0 * computed_values(name)


def values(name: str) -> int:
    return computed_values(name, pools=True)


def top5(name: str) -> float:
    return float(dict(dict(net(name).metadata)["error"])["top5"])


def one_conv_less(name: str) -> int:
    return macs(name) - 9 * 256 * 256 * 56 * 56


def squeeze_cost(name: str) -> int:
    """8CHW + 2C² + 17C/4: pooling, scaling and activations beside the multiply-adds."""
    return 8 * 64 * 56 * 56 + macs(name) + 17 * 64 // 4


def fewer(name: str) -> Measure:
    return lambda spec: params(name) - params(spec)


def more_error(name: str) -> Measure:
    return lambda spec: top5(spec) - top5(name)


def times(measure: Measure, name: str) -> Measure:
    return lambda spec: measure(spec) / measure(name)


def percent_more(measure: Measure, name: str) -> Measure:
    return lambda spec: 100 * (measure(spec) / measure(name) - 1)


def kernels(name: str) -> list[int]:
    """The largest side of every convolution's kernel in the deployed net."""
    nodes = (n for n in net(name).nodes if isinstance(n.op, Conv) and n.head is None)
    return [max(node.op.window(*node.input_types).kernel) for node in nodes]


def layers_read(name: str) -> dict[str, int]:
    """How many layers with weights each such layer reads the maps of; the same in every tower."""
    found: dict[str, int] = {}
    makers: dict[Node, frozenset[Node]] = {}
    for node in net(name).nodes:
        read = frozenset(maker for value in node.inputs for maker in makers[value.node])
        weighs = bool(node.inputs and node.op.weights(*node.input_types))
        makers[node] = frozenset((node,)) if weighs else read
        if weighs:
            assert found.setdefault(node.name, len(read)) == len(read), node.path
    return found


def widths(name: str) -> list[int]:
    return [node.op.width for node in net(name).nodes if isinstance(node.op, Conv)]


def steps(name: str) -> str:
    kinds = {"conv": "conv", "maxpool": "pool", "avgpool": "pool", "fc": "fc"}
    return "-".join(kinds[layer.op] for layer in summary(name).layers if layer.op in kinds)
