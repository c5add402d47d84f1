"""The net without its final softmax: for losses and comparisons that want logits."""

from __future__ import annotations

from netspec.graph.checked import Graph, Node
from netspec.ops.elementwise.activation import Softmax
from netspec.passes.rewrite import rewrite


def logits(graph: Graph) -> Graph:
    """Drops a softmax that is an output, of the net or of a training-only head."""
    ends = {output.value.node for output in graph.outputs} | {h.value.node for h in graph.heads}

    def bypass(node: Node) -> int | None:
        return 0 if node in ends and isinstance(node.op, Softmax) else None

    return rewrite(graph, bypass)
