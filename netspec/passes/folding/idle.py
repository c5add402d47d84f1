"""Steps that give what they are given: `scaled(1)`, a merge of one branch, pooling of single elements."""

from __future__ import annotations

from netspec.graph.checked import Node
from netspec.ops.arranging.merge import Merge
from netspec.ops.declare.linear import Constant, Scaling
from netspec.ops.spatial.pool import AvgPool, MaxPool
from netspec.passes.folding.draft import Draft

_UNCHANGED = Scaling(Constant(1.0), None)


def drop_idle(draft: Draft, node: Node) -> bool:
    """Leaves out a step that does nothing."""
    merge = isinstance(node.op, Merge) and len(node.inputs) == 1
    if not (merge or draft.scaling(node) == _UNCHANGED or _pools_nothing(node)):
        return False
    if node.types != node.input_types:
        return False
    draft.drop(node)
    return True


def _pools_nothing(node: Node) -> bool:
    """Whether each window of a pooling is one element, and each element has one."""
    if not isinstance(node.op, AvgPool | MaxPool):
        return False
    window = node.op.window(*node.input_types)
    return window is not None and not any(
        (kernel, stride, before, after) != (1, 1, 0, 0)
        for kernel, stride, (before, after) in zip(
            window.kernel, window.stride, window.pads, strict=True
        )
    )
