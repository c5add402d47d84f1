"""The sum of parallel linear layers is one linear layer: RepVGG's deployed form (Ding et al. 2021)."""

from __future__ import annotations

from dataclasses import replace

from netspec.graph.checked import Node, Value
from netspec.ops.arranging.merge import Add
from netspec.ops.declare.geometry import Geometry
from netspec.ops.declare.linear import Kernel, Linear, Term
from netspec.passes.folding.algebra import scaled, total
from netspec.passes.folding.draft import Draft


def into_widest(draft: Draft, node: Node) -> bool:
    """Branches of a sum go into the one whose taps cover theirs, if both read the same.

    A branch may be a linear layer, a scale and shift, or the input itself.
    """
    if not isinstance(node.op, Add) or any(t != node.types[0] for t in node.input_types):
        return False
    values = list(draft.inputs(node))
    before = len(values)
    while (found := _widest(draft, values)) is not None:
        at, linear, merged = found
        base = values[at].node
        gone = tuple(values[i].node for i in merged if values[i] != base.inputs[0])
        whole = len(values) - len(merged) == 1
        values[at] = draft.refill(base, linear, gone=gone, also=node.path if whole else "")
        values = [value for i, value in enumerate(values) if i not in merged]
    if len(values) == before:
        return False
    if len(values) > 1:
        draft.keep(node, tuple(values))
    else:
        draft.stand(node, values[0])
    return True


def _widest(draft: Draft, values: list[Value]) -> tuple[int, Linear, list[int]] | None:
    """A layer that others can go into: where it is, what it becomes, and where those are."""
    for at, value in enumerate(values):
        found = draft.linear(value.node)
        if found is None or not draft.sole(value):
            continue
        merged = []
        for i, other in enumerate(values):
            joined = None if i == at else _joined(draft, found, other, value.node.inputs[0])
            if joined is not None:
                found = joined
                merged.append(i)
        if merged:
            return at, found, merged
    return None


def _joined(draft: Draft, base: Linear, value: Value, source: Value) -> Linear | None:
    """The base with another branch in it; None where that does not fit."""
    branch = _branch(draft, value, base, source)
    offset = None if branch is None else _offset(base.geometry, branch.geometry)
    if branch is None or offset is None:
        return None
    if any(map(any, branch.geometry.pads)) and branch.border != base.border:
        return None
    terms = (*base.kernel.terms, *(_moved(term, offset) for term in branch.kernel.terms))
    kernel = Kernel(base.kernel.layout, terms)
    return replace(base, kernel=kernel, bias=total(base.bias, branch.bias))


def _branch(draft: Draft, value: Value, base: Linear, source: Value) -> Linear | None:
    """A branch as a layer of the base's channels; None where it is none that reads the source."""
    if value == source:
        return _identity(base, source)
    if not draft.sole(value) or value.node.inputs != (source,):
        return None
    scaling = draft.scaling(value.node)
    if scaling is not None:
        identity = _identity(base, source)
        return None if identity is None else scaled(identity, scaling)
    linear = draft.linear(value.node)
    if linear is None:
        return None
    ours, theirs = base.kernel.layout, linear.kernel.layout
    same = replace(theirs, window=ours.window) == ours and not ours.transposed
    return linear if same else None


def _identity(base: Linear, source: Value) -> Linear | None:
    """The input itself as a layer of one tap; None where the base makes other channels of it."""
    layout = base.kernel.layout
    rank = len(layout.window)
    if layout.transposed or layout.out != layout.into or len(source.shape) != rank + 1:
        return None
    ones, zeros = (1,) * rank, (0,) * rank
    kernel = Kernel(replace(layout, window=ones), (Term(None, ones, zeros),))
    return Linear(kernel, None, Geometry(ones, ones, ones, ((0, 0),) * rank), padded=False)


def _offset(base: Geometry, branch: Geometry) -> tuple[int, ...] | None:
    """Where a branch's first tap lies in the base's window; None unless all its taps are there."""
    found = []
    if base.stride != branch.stride:
        return None
    for axis, kernel in enumerate(branch.kernel):
        step = base.dilation[axis]
        if kernel > 1 and branch.dilation[axis] != step:
            return None
        first, rest = divmod(base.pads[axis][0] - branch.pads[axis][0], step)
        if rest or first < 0 or first + kernel > base.kernel[axis]:
            return None
        found.append(first)
    return tuple(found)


def _moved(term: Term, by: tuple[int, ...]) -> Term:
    return replace(term, offset=tuple(a + b for a, b in zip(term.offset, by, strict=True)))
