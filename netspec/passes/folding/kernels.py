"""Kernels that are computed of trained ones, as standardised ones are: deployed, their numbers are known."""

from __future__ import annotations

from netspec.graph.checked import Node
from netspec.ops.declare.linear import Standardised
from netspec.passes.folding.draft import Draft


def kernel_computed(draft: Draft, node: Node) -> bool:
    """A layer that standardises its kernel becomes one that has the standardised kernel."""
    linear = draft.linear(node)
    if linear is None or not any(isinstance(t.tensor, Standardised) for t in linear.kernel.terms):
        return False
    draft.stand(node, draft.refill(node, linear, inputs=draft.inputs(node)))
    return True
