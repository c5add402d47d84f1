"""The net without its final softmax: for losses and comparisons that want logits."""

from __future__ import annotations

from dataclasses import replace

from netspec.graph.checked import Graph, Value
from netspec.ops.elementwise.activation import Softmax
from netspec.passes.rewrite import rewrite


def logits(graph: Graph) -> Graph:
    """Drops a softmax that is an output, of the net or of a training-only head; a tap stays."""

    def before(value: Value) -> Value:
        return value.node.inputs[0] if isinstance(value.node.op, Softmax) else value

    outputs = [o if o.tap else replace(o, value=before(o.value)) for o in graph.outputs]
    heads = tuple(replace(head, value=before(head.value)) for head in graph.heads)
    return rewrite(graph, lambda _: None, outputs=outputs, heads=heads)
