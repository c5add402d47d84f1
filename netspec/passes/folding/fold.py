"""The rules, in order, over a deployed graph."""

from __future__ import annotations

from netspec.graph.checked import Graph
from netspec.passes.folding.draft import Draft, Folded
from netspec.passes.folding.idle import drop_idle
from netspec.passes.folding.kernels import kernel_computed
from netspec.passes.folding.parallel import into_widest
from netspec.passes.folding.pooling import pooled_first
from netspec.passes.folding.scales import (
    chained,
    into_layer_after,
    into_layer_before,
    into_layers_joined,
)

_RULES = (
    drop_idle,
    into_layer_before,
    into_layers_joined,
    chained,
    into_layer_after,
    into_widest,
    pooled_first,
    kernel_computed,
)


def fold(graph: Graph) -> Folded:
    """A graph of fewer steps that computes the same numbers, up to rounding.

    Outputs keep their names, and steps that stay their paths. `weights.derived` makes its tensors
    from those of the written net.
    """
    kept: frozenset[str] = frozenset()
    while True:
        draft = Draft(graph, kept)
        for node in graph.nodes:
            if not (node.inputs and any(rule(draft, node) for rule in _RULES)):
                draft.keep(node)
        conflicts = draft.conflicts()
        if not conflicts:
            return draft.result()
        kept |= conflicts


def literal(graph: Graph) -> Folded:
    """The graph as it is written: nothing folded, every value in its place."""
    return Folded(graph, places={v: v for node in graph.nodes for v in node.outputs})
