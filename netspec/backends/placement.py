"""Which nodes of a model a device must run: those that read what a sample holds.

ONNX Runtime keeps on the CPU what computes sizes, since the device needs them before it starts. Whatever
else it puts there was asked for elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable

from onnx import ModelProto

# What ONNX Runtime itself adds to what computes sizes: it permutes them where it permutes a tensor.
_ADDED = "Gather"


def strays(model: ModelProto, elsewhere: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Of the nodes that run elsewhere than asked, names of those that read what a sample holds.

    The model is flat and in order; nodes are told as name and operator. A node that the model does not
    have, ONNX Runtime made: it counts, but for those that are made of sizes.
    """
    free = {tensor.name for tensor in model.graph.initializer} | {""}
    sizes: set[str] = set()
    for node in model.graph.node:
        if node.op_type == "Shape" or free.issuperset(node.input):
            free.update(node.output)
            sizes.add(node.name)
    known = {node.name for node in model.graph.node}
    return tuple(
        name for name, kind in elsewhere if name not in sizes and (name in known or kind != _ADDED)
    )
