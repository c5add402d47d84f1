"""Steps that give what they are given: `scaled(1)`, a merge of one branch."""

from __future__ import annotations

from netspec.graph.checked import Node
from netspec.ops.arranging.merge import Merge
from netspec.ops.declare.linear import Constant, Scaling
from netspec.passes.folding.draft import Draft

_UNCHANGED = Scaling(Constant(1.0), None)


def drop_idle(draft: Draft, node: Node) -> bool:
    """Leaves out a step that does nothing."""
    merge = isinstance(node.op, Merge) and len(node.inputs) == 1
    if not (merge or draft.scaling(node) == _UNCHANGED):
        return False
    if node.types != node.input_types:
        return False
    draft.drop(node)
    return True
