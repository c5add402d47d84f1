"""Parameters, multiply-adds and depth of a checked graph, exactly."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from netspec.foundation.records import record
from netspec.graph.checked import Graph, Node
from netspec.graph.loops import times
from netspec.ops.declare.operator import Operator
from netspec.passes.deploy import deploy
from netspec.sizes.batch import SAMPLES
from netspec.sizes.dims import Dim
from netspec.sizes.shapes import TensorType


@record(slots=False)
class NodeCost:
    """One node: its own trained and frozen parameters, running statistics, constants and MACs."""

    params: int
    params_frozen: int
    buffers: int
    constants: int
    macs: Dim


@record(slots=False)
class Costs(NodeCost):
    """Totals of a net, for one sample. `macs` is an int unless a size is symbolic.

    Parameters are trained elements; buffers are running statistics; constants are
    tensors the architecture fixes. `depth` is the longest path counted in weight layers.
    """

    depth: int

    @property
    def stored(self) -> int:
        """Every element that is kept, trained or not."""
        return self.params + self.params_frozen + self.buffers + self.constants


class _Figures(NamedTuple):
    """An operator's on some inputs: elements by what they are, multiply-adds, and whether it is `known`."""

    trained: int
    statistic: int
    constant: int
    macs: Dim
    known: bool


@lru_cache(maxsize=4096)
def _figures(op: Operator, inputs: tuple[TensorType, ...]) -> _Figures:
    sizes = {"statistic": 0, "constant": 0, "default": 0}
    trained, known = 0, False
    for weight in op.weights(*inputs):
        known = known or weight.known
        if weight.kind in sizes:
            sizes[weight.kind] += weight.size
        else:
            trained += weight.size
    macs = op.macs(*inputs) if inputs else 0
    fixed = sizes["constant"] + sizes["default"]
    return _Figures(trained, sizes["statistic"], fixed, macs, known)


def node_cost(graph: Graph, node: Node) -> NodeCost:
    """One node's cost. Shared weights count once, where they are owned.

    Multiply-adds are those of one sample: a node over another leading symbol (regions of
    interest) counts its nominal size times, one in a recurrence as often as it runs.
    """
    trained, buffers, constants, macs, _ = _own(graph, node)
    params, frozen = (0, trained) if node.frozen else (trained, 0)
    return NodeCost(params, frozen, buffers, constants, macs)


def _own(graph: Graph, node: Node) -> _Figures:
    """What a node adds to its net."""
    found = _figures(node.op, node.input_types)
    if node.owner != node.path:
        found = found._replace(trained=0, statistic=0, constant=0)
    if found.macs and node.types[0].batch != SAMPLES:
        rows = node.types[0].batch.rows(graph.nominal_sizes)
        found = found._replace(macs=found.macs * rows)
    if found.macs:
        found = found._replace(macs=found.macs * times(graph, node))
    return found


@lru_cache(maxsize=256)
def costs(graph: Graph, *, heads: bool = False) -> Costs:
    """Totals of the deployed net, or with what acts in training only."""
    net = graph if heads else deploy(graph)
    macs: Dim = 0
    params = frozen = buffers = constants = 0
    # Weight layers on the longest path to a node. Those multiply: convolutions, fully connected and
    # recurrent layers, but for those whose kernel is fixed.
    longest: dict[Node, int] = {}
    for node in net.nodes:
        own = _own(net, node)
        if node.frozen:
            frozen += own.trained
        else:
            params += own.trained
        buffers += own.statistic
        constants += own.constant
        if own.macs != 0:
            macs = macs + own.macs
        before = max([longest[value.node] for value in node.inputs], default=0)
        longest[node] = before + (own.macs != 0 and not own.known)
    depth = max((longest[output.value.node] for output in net.outputs), default=0)
    return Costs(params, frozen, buffers, constants, macs, depth)
