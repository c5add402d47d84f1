"""Nodes run on numbers, to see what they do in whatever words a file has it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from onnx import helper

from netspec.importing.files.program import Array, Node

Shape = tuple[int, ...]


def run(
    nodes: Sequence[Node],
    values: Mapping[str, Array],
    constants: Mapping[str, Array],
    shapes: Mapping[str, Shape],
) -> dict[str, Array] | None:
    """What nodes of `RUN`, in order, make of these values; those are among what is given back.

    None where the nodes are of other sizes than these.
    """
    found = dict(values)
    for node in nodes:
        inputs = [found[n] if n in found else constants[n] for n in node.inputs]
        try:
            made = RUN[node.op](node, inputs, shapes)
        except ValueError:
            return None
        found |= zip(node.outputs, made, strict=False)
    return found


def _cut(node: Node, array: Array) -> Array:
    starts, ends = node.get("starts"), node.get("ends")
    axes = node.get("axes") or tuple(range(len(starts)))
    where = [slice(None)] * array.ndim
    for start, end, axis, step in zip(
        starts, ends, axes, node.get("steps") or (1,) * len(starts), strict=True
    ):
        where[axis] = slice(start, end if end > -(2**31) else None, step)
    return array[tuple(where)]


def _split(node: Node, array: Array, shapes: Mapping[str, Shape]) -> list[Array]:
    axis = node.get("axis", 0)
    ends = np.cumsum([shapes[name][axis] for name in node.outputs])[:-1]
    return list(np.split(array, ends, axis))


def _run_along(node: Node, array: Array, axis: Array) -> Array:
    if node.get("exclusive", 0) or node.get("reverse", 0):
        raise ValueError
    return np.cumsum(array, int(axis.item()), dtype=array.dtype)


def _function(function: Callable[..., Any]) -> Any:
    return lambda node, x, shapes: [function(*x)]


# By operator: what a node makes of its inputs, the sizes of tensors being known.
RUN: dict[str, Any] = {
    "Add": _function(np.add),
    "Sub": _function(np.subtract),
    "Mul": _function(np.multiply),
    "Neg": _function(np.negative),
    "Concat": lambda node, x, shapes: [np.concatenate(x, node.get("axis"))],
    "Split": lambda node, x, shapes: _split(node, x[0], shapes),
    "CumSum": lambda node, x, shapes: [_run_along(node, *x)],
    "Slice": lambda node, x, shapes: [_cut(node, x[0])],
    "Gather": lambda node, x, shapes: [x[0].take(x[1], node.get("axis", 0))],
    "Transpose": lambda node, x, shapes: [x[0].transpose(node.get("perm"))],
    **dict.fromkeys(
        ("Flatten", "Reshape", "Squeeze", "Unsqueeze"),
        lambda node, x, shapes: [x[0].reshape(shapes[node.output])],
    ),
    # Of truth values and whole numbers, as masks are made.
    "And": _function(np.logical_and),
    "Or": _function(np.logical_or),
    "Xor": _function(np.logical_xor),
    "Not": _function(np.logical_not),
    "Equal": _function(np.equal),
    "Greater": _function(np.greater),
    "GreaterOrEqual": _function(np.greater_equal),
    "Less": _function(np.less),
    "LessOrEqual": _function(np.less_equal),
    "Where": _function(np.where),
    "Max": _function(lambda *x: np.maximum.reduce(np.broadcast_arrays(*x))),
    "Min": _function(lambda *x: np.minimum.reduce(np.broadcast_arrays(*x))),
    "Cast": lambda node, x, shapes: [x[0].astype(helper.tensor_dtype_to_np_dtype(node.get("to")))],
    "Expand": lambda node, x, shapes: [np.broadcast_to(x[0], shapes[node.output])],
    "Tile": lambda node, x, shapes: [np.tile(x[0], node.get("repeats"))],
}
