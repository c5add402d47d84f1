"""Every total of a net, exactly, without a record for each of its layers."""

from __future__ import annotations

from netspec.analysis.costs import costs, node_cost
from netspec.analysis.memory import peak_memory
from netspec.analysis.presets import preset
from netspec.graph.checked import Graph
from netspec.ops.declare.source import Input
from netspec.passes.deploy import deployed_paths
from netspec.sizes.dims import Dim

# Their names, in the order of every table.
TOTALS = (
    "params",
    "params_frozen",
    "params_total",
    "params_training",
    "buffers",
    "constants",
    "macs",
    "macs_training",
    "depth",
    "layers",
    "weights",
    "activations",
)


def totals(graph: Graph, count: str = "mac") -> dict[str, Dim]:
    """The `TOTALS` of a net, for one sample; `weights` and `activations` are bytes in float32.

    `params` are trained, and like all others those of the deployed net. Those with `_training` have what
    acts in training only besides. `count` is the convention for `macs`. Figures that depend on open sizes
    are formulas. Raises ValueError where `count` is no convention.
    """
    rule, kept = preset(count).count, deployed_paths(graph)
    deployed, peak = costs(graph), peak_memory(graph)
    # What is passed by in the deployed net multiplies nothing.
    macs: Dim = deployed.macs if count == "mac" else 0
    more: Dim = 0
    layers = extra = 0
    for node in graph.nodes:
        if isinstance(node.op, Input):
            continue
        if node.path not in kept:
            more = more + rule(graph, node)
            extra += node_cost(graph, node).params
            continue
        layers += 1
        if count != "mac":
            macs = macs + rule(graph, node)
    found = (
        deployed.params,
        deployed.params_frozen,
        deployed.params + deployed.params_frozen,
        deployed.params + extra,
        deployed.buffers,
        deployed.constants,
        macs,
        macs + more,
        deployed.depth,
        layers,
        4 * deployed.stored,
        peak.size,
    )
    return dict(zip(TOTALS, found, strict=True))
