"""What counts as an operation: `mac`, and the conventions of torchinfo and fvcore.

Each preset is a rule for one node, and a net's total is the sum over its deployed nodes. That holds
for all three: where a tool counts a layer with shared weights once per call, so does the rule.
The totals are held to what the tools themselves report (`benchmarks/count_tools.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from netspec.analysis.costs import node_cost
from netspec.graph import Graph, Node
from netspec.ops.conv import Conv, DepthwiseConv, TransposedConv
from netspec.ops.norm import BatchNorm, GroupNorm, InstanceNorm, LayerNorm
from netspec.ops.pool import AdaptiveAvgPool, GlobalAvgPool
from netspec.ops.recurrent import GRU, LSTM, RNN
from netspec.ops.upsample import Upsample
from netspec.shapes import Dim, TensorType, numel


@dataclass(frozen=True, slots=True)
class Preset:
    """A convention: its name, what it says in one line, and the count of one node."""

    name: str
    says: str
    count: Callable[[Graph, Node], Dim]


def _macs(graph: Graph, node: Node) -> Dim:
    return node_cost(graph, node).macs


def _torchinfo(graph: Graph, node: Node) -> Dim:
    """torchinfo 1.8: parameters, biases and scales too, times the places they are used at.

    A convolution's parameters count once per output position, also where it is transposed. Those of
    any other module count once per sample, whatever the size of the map; those with a longer name
    than `weight` or `bias`, as recurrent layers have, once per output channel or step.
    """
    if _template(graph, node):
        return 0
    output = node.types[0]
    places: Dim = 1
    if isinstance(node.op, Conv | DepthwiseConv | TransposedConv):
        places = numel(output.spatial)
    total: Dim = 0
    for weight in node.op.weights(*node.input_types):
        if weight.kind != "param":
            continue
        if weight.name in ("weight", "bias"):
            total = total + places * weight.size
        elif "weight" in weight.name or "bias" in weight.name:
            total = total + output.channels * weight.size
    return total * _samples(graph, output)


def _template(graph: Graph, node: Node) -> bool:
    """Whether the node applies another node's weights in an operator of its own.

    It owns no parameters in PyTorch, so torchinfo sees none.
    """
    if node.owner == node.path:
        return False
    owner = next(other for other in graph.nodes if other.path == node.owner)
    return owner.op is not node.op


def _fvcore(graph: Graph, node: Node) -> Dim:
    """fvcore 0.1.5: multiply-adds, and operations per element of what normalises and averages.

    BatchNorm counts 2, without scale and shift 1; other normalisations 5, without them 4. Averages
    over a whole map or to a fixed size count 1, of images only; windows do not. Bilinear
    interpolation of images counts 4 per element made, recurrent layers nothing.
    """
    if not node.inputs:
        return 0
    given = node.input_types[0]
    elements = numel(given.shape) * _samples(graph, given)
    if isinstance(node.op, BatchNorm):
        return elements * (2 if node.op.affine else 1)
    if isinstance(node.op, LayerNorm | GroupNorm | InstanceNorm):
        return elements * (5 if node.op.affine else 4)
    if isinstance(node.op, GlobalAvgPool | AdaptiveAvgPool):
        return elements if len(given.spatial) == 2 else 0
    if isinstance(node.op, Upsample):
        smooth = node.op.mode == "bilinear" and not node.op.antialias and len(given.spatial) == 2
        return numel(node.types[0].shape) * (4 * _samples(graph, given)) if smooth else 0
    if isinstance(node.op, LSTM | GRU | RNN):
        return 0
    return _macs(graph, node)


def _samples(graph: Graph, tensor: TensorType) -> int:
    return 1 if tensor.batch == "N" else graph.nominal_sizes.get(tensor.batch, 1)


PRESETS = {
    preset.name: preset
    for preset in (
        Preset(
            "mac",
            "multiply-adds of convolutions, fully connected and recurrent layers; "
            "= torch FlopCounter / 2",
            _macs,
        ),
        Preset(
            "torchinfo",
            "as torchinfo: parameters, biases and scales included, times where they are used",
            _torchinfo,
        ),
        Preset(
            "fvcore",
            "as fvcore: multiply-adds, 2 per element of BatchNorm, 1 per element of image averages",
            _fvcore,
        ),
    )
}


def preset(name: str) -> Preset:
    """The preset called `name`; raises ValueError with the names there are."""
    if name not in PRESETS:
        raise ValueError(f"no count is called {name!r}; there are {', '.join(PRESETS)}")
    return PRESETS[name]
