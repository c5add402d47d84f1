"""What counts as an operation: `mac`, and the conventions of torchinfo and fvcore.

Each preset is a rule for one node, and a net's total is the sum over its deployed nodes. That holds
for all three: where a tool counts a layer with shared weights once per call, so does the rule.
The totals are held to what the tools themselves report (`benchmarks/count_tools.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import prod

from netspec.analysis.costs import node_cost
from netspec.diagnostics.arguments import BadChoice
from netspec.diagnostics.messages.draw import UnknownChoice
from netspec.foundation.records import record
from netspec.graph.checked import Graph, Node
from netspec.graph.loops import times
from netspec.ops.declare.operator import Operator
from netspec.ops.elementwise.norm import BatchNorm, GroupNorm, InstanceNorm, LayerNorm
from netspec.ops.spatial.adaptive import AdaptiveAvgPool
from netspec.ops.spatial.conv import Conv, DepthwiseConv, TransposedConv
from netspec.ops.spatial.deform import DeformableConv
from netspec.ops.spatial.historic import TableConv
from netspec.ops.spatial.pool import GlobalAvgPool
from netspec.ops.spatial.sampling import GridSample
from netspec.ops.spatial.upsample import Upsample
from netspec.ops.vectors.attend import Attend
from netspec.ops.vectors.attention import Attention
from netspec.ops.vectors.product import MatMul
from netspec.ops.vectors.recurrent import GRU, LSTM, RNN
from netspec.sizes.dims import Dim
from netspec.sizes.shapes import numel


@record
class Preset:
    """A convention: its name, what it says in one line, and the count of one node.

    `equals` is what a tool reports of the same net, but of one with operators of `unless`.
    """

    name: str
    says: str
    count: Callable[[Graph, Node], Dim]
    equals: str = ""
    unless: tuple[type[Operator], ...] = ()

    def convention(self, operators: Iterable[Operator]) -> str:
        """What is counted in a net of these operators, in one line."""
        holds = self.equals and not any(isinstance(op, self.unless) for op in operators)
        return f"{self.says}; {self.equals}" if holds else self.says


def _macs(graph: Graph, node: Node) -> Dim:
    """Multiply-adds, which is half of what torch's FlopCounterMode reports.

    Except for connection tables: PyTorch runs them as full convolutions, here only the connections
    of the table count.
    """
    return node_cost(graph, node).macs


def _torchinfo(graph: Graph, node: Node) -> Dim:
    """torchinfo 1.8: parameters, biases and scales too, times the places they are used at.

    A convolution's parameters count once per output position, also where it is transposed. Those of
    any other module count once per sample, whatever the size of the map; those with a longer name
    than `weight` or `bias`, as recurrent layers have, once per output channel. Modules that hold
    modules, as attention does, count nothing.
    """
    weights = node.op.weights(*node.input_types)
    if _borrows(graph, node) or any("." in weight.name for weight in weights):
        return 0
    output = node.types[0]
    plain = isinstance(node.op, Conv | DepthwiseConv | TransposedConv)
    # A kernel that is standardised first is used by a function, not by torch's module.
    plain = plain and vars(node.op).get("standardise") is None
    places = numel(output.spatial) if plain else 1
    total: Dim = 0
    for weight in weights:
        if weight.kind != "param":
            continue
        if weight.name in ("weight", "bias"):
            total = total + places * weight.size
        elif "weight" in weight.name or "bias" in weight.name:
            total = total + output.channels * weight.size
    return total * _runs(graph, node)


def _borrows(graph: Graph, node: Node) -> bool:
    """Whether the node applies another node's weights in an operator of its own.

    It owns no parameters in PyTorch, so torchinfo sees none; the same operator is called again.
    """
    if node.owner == node.path:
        return False
    owner = next(other for other in graph.nodes if other.path == node.owner)
    return owner.op is not node.op


def _fvcore(graph: Graph, node: Node) -> Dim:
    """fvcore 0.1.5: multiply-adds, and operations per element of what normalises and averages.

    BatchNorm counts 2, without scale and shift 1; other normalisations 5, without them 4. Averages
    over a whole map or to a fixed size count 1, of images only; windows do not. Bilinear
    interpolation of images counts 4 per element made, and so does reading at places. Of attention the
    projections count, its products only where scores have a `softcap`, of recurrent layers nothing, and
    connection tables count as full convolutions. A product counts the first tensor as it is, however
    often the second has more matrices for it.
    """
    rule = _FVCORE.get(type(node.op))
    if rule is None:
        return _macs(graph, node)
    return rule(node) * _runs(graph, node)


def _batch_normalised(node: Node) -> Dim:
    return numel(node.types[0].shape) * (2 if vars(node.op)["affine"] else 1)


def _normalised(node: Node) -> Dim:
    return numel(node.types[0].shape) * (5 if vars(node.op)["affine"] else 4)


def _averaged(node: Node) -> Dim:
    given = node.input_types[0]
    return numel(given.shape) if len(given.spatial) == 2 else 0


def _interpolated(node: Node) -> Dim:
    given = vars(node.op)
    linear = given["mode"] == "bilinear" and not given["antialias"]
    made = node.types[0]
    return numel(made.shape) * 4 if linear and len(made.spatial) == 2 else 0


def _sampled(node: Node) -> Dim:
    return numel(node.types[0].shape) * 4


def _deformed(node: Node) -> Dim:
    window = node.op.window(*node.input_types)
    assert window is not None
    taps = node.input_types[0].channels * prod(window.kernel)
    return node.op.macs(*node.input_types) + numel(node.types[0].spatial) * taps * 4


def _projected(node: Node) -> Dim:
    plain, _ = node.op.apart(node.input_types)
    query, heads = plain[0], vars(node.op)["heads"]
    width = vars(node.op)["head_width"]
    joined = query.channels if width is None else heads * width
    if vars(node.op)["softcap"] is not None:
        return node.op.macs(*node.input_types)
    products = numel(query.spatial) * numel(plain[-1].spatial) * (2 * joined)
    return node.op.macs(*node.input_types) - products


def _attended(node: Node) -> Dim:
    return 0 if vars(node.op)["softcap"] is None else node.op.macs(*node.input_types)


def _connected(node: Node) -> Dim:
    window = node.op.window(*node.input_types)
    assert window is not None
    return numel(node.types[0].shape) * node.input_types[0].channels * prod(window.kernel)


def _multiplied(node: Node) -> Dim:
    left, right = node.input_types
    return numel(left.shape) * right.shape[-1]


def _nothing(node: Node) -> Dim:
    return 0


_FVCORE: dict[type[Operator], Callable[[Node], Dim]] = {
    BatchNorm: _batch_normalised,
    LayerNorm: _normalised,
    GroupNorm: _normalised,
    InstanceNorm: _normalised,
    GlobalAvgPool: _averaged,
    AdaptiveAvgPool: _averaged,
    Upsample: _interpolated,
    GridSample: _sampled,
    DeformableConv: _deformed,
    Attention: _projected,
    Attend: _attended,
    TableConv: _connected,
    MatMul: _multiplied,
    LSTM: _nothing,
    GRU: _nothing,
    RNN: _nothing,
}


def _runs(graph: Graph, node: Node) -> Dim:
    """How often a node's figures count for one sample."""
    return node.types[0].batch.rows(graph.nominal_sizes) * times(graph, node)


PRESETS = {
    preset.name: preset
    for preset in (
        Preset(
            "mac",
            "multiply-adds of convolutions, fully connected and recurrent layers, attention and "
            "products",
            _macs,
            equals="= torch FlopCounter / 2",
            unless=(TableConv,),
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
    """The preset called `name`; raises BadChoice, a ValueError, with the names there are."""
    if name not in PRESETS:
        raise BadChoice(UnknownChoice("count", str(name), ", ".join(PRESETS)), status=2)
    return PRESETS[name]
