"""The net as it is deployed: no training-only heads, nothing that acts in training only."""

from __future__ import annotations

from functools import lru_cache

from netspec.graph.checked import Graph, Node
from netspec.passes.rewrite import rewrite


@lru_cache(maxsize=8)
def deploy(graph: Graph, *, heads: bool = False) -> Graph:
    """Drops dropout and its like, and the training-only heads unless `heads`."""

    def bypass(node: Node) -> int | None:
        return node.op.deployed()

    return rewrite(graph, bypass, heads=None if heads else ())


def deployed_paths(graph: Graph) -> set[str]:
    """The paths of the deployed net's nodes, with those that pass one of them on unchanged."""
    found = {node.path for node in deploy(graph).nodes}
    for node in graph.nodes:
        through = node.op.deployed() if node.inputs else None
        if through is not None and node.inputs[through].node.path in found and node.head is None:
            found.add(node.path)
    return found
