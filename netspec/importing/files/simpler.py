"""ONNX's own operators that say more than a step does, as simpler ones: products with factors, norms.

What a rule says nothing of, it leaves: most products have no factors.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np

from netspec.importing.files.runtime import Apart

# The first opset in which the axes of a reduction are an input.
_AXES_GIVEN = {"ReduceSum": 13, "ReduceL1": 18, "ReduceL2": 18}
# The first opset in which the bounds of a slice are inputs.
_BOUNDS_GIVEN = 10
# What norms are at least that something is divided by, and what is added to variances.
_LEAST, _ADDED = 1e-12, 1e-9


def _reduced(apart: Apart, op: str, name: str, axes: list[int], opset: int, keep: int = 1) -> str:
    """A reduction along these axes."""
    if opset < _AXES_GIVEN[op]:
        return apart.add(op, name, axes=axes, keepdims=keep)
    return apart.add(op, name, apart.whole(axes), keepdims=keep)


def _gemm(apart: Apart, opset: int) -> bool:
    """A product whose first matrix is turned, or that is scaled, as its bias may be."""
    alpha, beta = (apart.given.get(word, 1.0) for word in ("alpha", "beta"))
    turned, name, other = apart.given.get("transA", 0), apart.input(0), apart.input(2)
    if alpha == 1 and not turned and (beta == 1 or not other):
        return False
    if turned:
        name = apart.add("Transpose", name, perm=[1, 0])
    matrix = apart.input(1)
    if alpha != 1:
        matrix = apart.add("Mul", matrix, apart.number(alpha))
    if other and beta != 1:
        other = apart.add("Mul", other, apart.number(beta))
    given = [name, matrix, *[other] * bool(other)]
    apart.add("Gemm", *given, to=apart.output(0), transB=apart.given.get("transB", 0))
    return True


def _softmax(apart: Apart, opset: int) -> bool:
    """Over all axes from one on, as before opset 13, where several have more than one place."""
    shape = apart.shape(apart.input(0))
    axis = apart.given.get("axis", 1)
    if opset >= 13 or shape is None:
        return False
    axis = axis % len(shape) if shape else 0
    if not axis or prod(shape[axis + 1 :]) == 1:
        return False
    flat = apart.add("Reshape", apart.input(0), apart.whole([0, *shape[1:axis], -1]))
    found = apart.add(apart.node.op_type, flat, axis=axis)
    apart.add("Reshape", found, apart.whole([0, *shape[1:]]), to=apart.output(0))
    return True


def _divided(apart: Apart, opset: int) -> bool:
    """A tensor divided by its norm along an axis; what is nothing stays nothing."""
    op = {1: "ReduceL1", 2: "ReduceL2"}.get(apart.given.get("p", 2))
    if op is None:
        return False
    norm = _reduced(apart, op, apart.input(0), [apart.given.get("axis", -1)], opset)
    least = apart.add("Max", norm, apart.number(_LEAST))
    apart.add("Div", apart.input(0), least, to=apart.output(0))
    return True


def _standard(apart: Apart, opset: int) -> bool:
    """Mean nothing and variance one over all places of each channel."""
    shape = apart.shape(apart.input(0))
    axes = apart.given.get("axes", (0, 2, 3))
    if shape is None or len(shape) < 3:
        return False
    if sorted(axis % len(shape) for axis in axes) != list(range(2, len(shape))):
        return False
    ones, zeros = (apart.constant(np.full(shape[1], x, np.float32)) for x in (1, 0))
    read = (apart.input(0), ones, zeros)
    apart.add("InstanceNormalization", *read, to=apart.output(0), epsilon=_ADDED)
    return True


def _pooled(apart: Apart, opset: int) -> bool:
    """The norm of all places of each channel."""
    shape, op = (
        apart.shape(apart.input(0)),
        {1: "ReduceL1", 2: "ReduceL2"}.get(apart.given.get("p", 2)),
    )
    if shape is None or len(shape) < 3 or op is None:
        return False
    apart.end(_reduced(apart, op, apart.input(0), list(range(2, len(shape))), opset))
    return True


def _logarithm(apart: Apart, opset: int) -> bool:
    """The logarithm of a sum, of exponentials where it says so."""
    shape, axes = apart.shape(apart.input(0)), list(apart.given.get("axes", ()))
    if shape is None or apart.given.get("noop_with_empty_axes", 0):
        return False
    name = apart.input(0)
    if apart.node.op_type == "ReduceLogSumExp":
        name = apart.add("Exp", name)
    keep = apart.given.get("keepdims", 1)
    if apart.input(1):
        total = apart.add("ReduceSum", name, apart.input(1), keepdims=keep)
    else:
        total = _reduced(apart, "ReduceSum", name, axes or list(range(len(shape))), opset, keep)
    apart.add("Log", total, to=apart.output(0))
    return True


def _grouped(apart: Apart, opset: int) -> bool:
    """A norm whose weights are one for each group, as before opset 21."""
    shape, groups = apart.shape(apart.input(0)), apart.given.get("num_groups", 0)
    given = apart.shape(apart.input(1))
    if opset >= 21 or shape is None or len(shape) < 2 or given != (groups,) or groups == shape[1]:
        return False
    rows = apart.whole([channel * groups // shape[1] for channel in range(shape[1])])
    own = [apart.add("Gather", apart.input(i), rows, axis=0) for i in (1, 2)]
    more = {"num_groups": groups, "epsilon": apart.given.get("epsilon", 1e-5)}
    apart.add("GroupNormalization", apart.input(0), *own, to=apart.output(0), **more)
    return True


def _put(apart: Apart, opset: int) -> bool:
    """Values put in the place of a part of a tensor, as `x[:, 1:] = y` is written: joined to what is around.

    The places are a range along each of the first axes.
    """
    shape, places = apart.shape(apart.input(0)), apart.known(apart.input(1))
    if shape is None or places is None or apart.text("reduction", "none") != "none":
        return False
    count = places.shape[-1] if places.ndim else 0
    if not 0 < count <= len(shape) or places.ndim != count + 1 or not places.size:
        return False
    first = places.reshape(-1, count)[0]
    row = np.indices(places.shape[:-1]).reshape(count, -1).T + first
    if first.min() < 0 or not np.array_equal(places.reshape(-1, count), row):
        return False
    ends = [int(start) + many for start, many in zip(first, places.shape, strict=False)]
    if any(end > size for end, size in zip(ends, shape, strict=False)):
        return False
    found, around = apart.input(0), []
    for axis, (start, end, size) in enumerate(zip(first.tolist(), ends, shape, strict=False)):
        if (start, end) != (0, size):
            before = _range(apart, found, axis, 0, start, opset)
            after = _range(apart, found, axis, end, size, opset)
            found = _range(apart, found, axis, start, end, opset)
            around.append((axis, before, after))
    found = apart.input(2)
    for axis, before, after in reversed(around):
        found = apart.add("Concat", *filter(None, (before, found, after)), axis=axis)
    apart.end(found)
    return True


def _range(apart: Apart, name: str, axis: int, start: int, end: int, opset: int) -> str:
    """A part of a tensor along an axis; empty for none of it."""
    if start == end:
        return ""
    if opset < _BOUNDS_GIVEN:
        return apart.add("Slice", name, axes=[axis], starts=[start], ends=[end])
    return apart.add("Slice", name, *(apart.whole([value]) for value in (start, end, axis)))


SIMPLER: dict[str, Callable[[Apart, int], bool]] = {
    "Gemm": _gemm,
    "Softmax": _softmax,
    "LogSoftmax": _softmax,
    "Hardmax": _softmax,
    "LpNormalization": _divided,
    "MeanVarianceNormalization": _standard,
    "GlobalLpPool": _pooled,
    "ReduceLogSum": _logarithm,
    "ReduceLogSumExp": _logarithm,
    "GroupNormalization": _grouped,
    "ScatterND": _put,
}
