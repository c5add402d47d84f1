"""Parameters, multiply-adds and depth of a checked graph, exactly."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from netspec.dims import Dim
from netspec.graph import Graph, Node
from netspec.ops.base import Weight
from netspec.passes.deploy import deploy


@dataclass(frozen=True, slots=True)
class NodeCost:
    """One node: its own trained and frozen parameters, BatchNorm statistics, constants and MACs."""

    params: int
    params_frozen: int
    buffers: int
    constants: int
    macs: Dim


@dataclass(frozen=True, slots=True)
class Costs:
    """Totals of a net, for one sample. `macs` is an int unless a size is symbolic.

    Parameters are trained elements; buffers are BatchNorm running statistics; constants are
    tensors the architecture fixes. `depth` is the longest path counted in weight layers.
    """

    params: int
    params_frozen: int
    buffers: int
    constants: int
    macs: Dim
    depth: int


def weights_of(node: Node) -> tuple[Weight, ...]:
    """The tensors a node uses, its own or shared ones."""
    return node.op.weights(*node.input_types)


def node_cost(graph: Graph, node: Node) -> NodeCost:
    """One node's cost. Shared weights count once, where they are owned.

    Multiply-adds are those of one sample: a node over another leading symbol (regions of
    interest) counts its nominal size times.
    """
    params = frozen = buffers = constants = 0
    if node.owner == node.path:
        for weight in weights_of(node):
            if weight.kind == "statistic":
                buffers += weight.size
            elif weight.kind == "constant":
                constants += weight.size
            elif node.frozen:
                frozen += weight.size
            else:
                params += weight.size
    macs: Dim = 0
    if node.inputs:
        macs = node.op.macs(*node.input_types)
        batch = node.types[0].batch
        if batch != "N":
            macs = macs * graph.nominal_sizes.get(batch, 1)
    return NodeCost(params, frozen, buffers, constants, macs)


@lru_cache(maxsize=256)
def costs(graph: Graph, *, heads: bool = False) -> Costs:
    """Totals of the deployed net, or with what acts in training only."""
    net = graph if heads else deploy(graph)
    each = {node: node_cost(net, node) for node in net.nodes}
    macs: Dim = 0
    for cost in each.values():
        macs = macs + cost.macs
    return Costs(
        params=sum(cost.params for cost in each.values()),
        params_frozen=sum(cost.params_frozen for cost in each.values()),
        buffers=sum(cost.buffers for cost in each.values()),
        constants=sum(cost.constants for cost in each.values()),
        macs=macs,
        depth=_depth(net, each),
    )


def _depth(graph: Graph, each: dict[Node, NodeCost]) -> int:
    """Weight layers on the longest path to an output.

    A weight layer multiplies: convolutions, fully connected and recurrent layers.
    """
    longest: dict[Node, int] = {}
    for node in graph.nodes:
        before = max((longest[value.node] for value in node.inputs), default=0)
        longest[node] = before + (each[node].macs != 0)
    return max((longest[output.value.node] for output in graph.outputs), default=0)
