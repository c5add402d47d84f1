"""The net as it is deployed: no training-only heads, nothing that acts in training only."""

from __future__ import annotations

from netspec.graph.checked import Graph, Node
from netspec.passes.rewrite import rewrite


def deploy(graph: Graph, *, heads: bool = False) -> Graph:
    """Drops dropout and its like, and the training-only heads unless `heads`."""

    def bypass(node: Node) -> int | None:
        return node.op.deployed()

    return rewrite(graph, bypass, heads=None if heads else ())
