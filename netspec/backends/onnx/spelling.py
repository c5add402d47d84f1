"""How ONNX is spelt where its opsets differ, or where the reader of a file lacks an operator.

Operators say what they mean and hold no versions: all of those are here. An operator of ONNX that
came late is written out in earlier ones, an attribute that became an input is written as either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import pi, sqrt
from typing import Any, Protocol

import numpy as np

from netspec.backends.onnx.targets import EVERY, Target
from netspec.ops.declare.interfaces import Operand

# The end of a slice that has none.
_FAR = 2**62
# Since when ONNX has what netspec writes, where that is later than the lowest opset.
_SINCE = {
    "DeformConv": 19,
    "Gelu": 20,
    "GridSample": 16,
    "HardSwish": 14,
    "LayerNormalization": 17,
    "Mish": 18,
    "Resize with antialias": 18,
    "RoiAlign by half pixels": 16,
}
# Up to which opset ONNX Runtime has an operator, where it lacks its newer version.
_UNTIL = {"RoiAlign": 21}
# What opset 20 calls the modes of GridSample.
_MODES = {"bilinear": "linear", "bicubic": "cubic"}
_WORDS = {new: old for old, new in _MODES.items()}


def features(
    op_type: str, outputs: int, attributes: Mapping[str, Any], computed: bool
) -> Iterator[str]:
    """What a reader has to know for a node: its operator, and what of it is not everywhere.

    `computed` says that the second input, where that is a kernel, is no weight of the file.
    """
    yield op_type
    if op_type in ("Conv", "ConvTranspose") and computed:
        yield f"{op_type} by a computed kernel"
    pads = attributes.get("pads", ())
    if op_type != "Conv" and list(pads[: len(pads) // 2]) != list(pads[len(pads) // 2 :]):
        yield f"{op_type} of uneven padding"
    if len(attributes.get("perm", ())) > 6:
        yield "Transpose of more than 6 axes"
    if op_type == "MaxPool" and outputs > 1:
        yield "MaxPool with indices"
    if any(size > 1 for size in attributes.get("dilations", ())):
        yield f"{op_type} with dilation"
    if attributes.get("ceil_mode"):
        yield f"{op_type} with ceil_mode"
    if attributes.get("antialias"):
        yield f"{op_type} with antialias"
    if attributes.get("coordinate_transformation_mode") == "half_pixel" and op_type == "RoiAlign":
        yield "RoiAlign by half pixels"
    if op_type == "GridSample":
        yield f"GridSample by {_WORDS.get(attributes['mode'], attributes['mode'])}"
    elif attributes.get("mode") in ("cubic", "edge", "reflect"):
        yield f"{op_type} by mode {attributes['mode']}"


class _Nodes(Protocol):
    """What the spellings are written with: the part of a builder that makes nodes."""

    def node(self, op_type: str, inputs: Sequence[str], **attributes: Any) -> str: ...

    def constant(self, value: Any) -> str: ...


class Spelling:
    """The part of the builder that knows the opset and the reader."""

    def __init__(self, opset: int, target: Target = EVERY) -> None:
        self.opset = opset
        self.target = target

    def node(self, op_type: str, inputs: Sequence[str], **attributes: Any) -> str:
        """Adds one node with one output, or several where it must be written out."""
        written_out = _WRITTEN_OUT.get(op_type)
        if written_out is not None and not self.has(op_type):
            return written_out(self, *inputs, **attributes)
        return self.nodes(op_type, inputs, 1, **attributes)[0]

    def nodes(
        self, op_type: str, inputs: Sequence[str], outputs: int, **attributes: Any
    ) -> tuple[str, ...]:
        """Adds one node with several outputs; returns their names."""
        raise NotImplementedError

    def constant(self, value: Any) -> str:
        """The name of a constant array."""
        raise NotImplementedError

    def has(self, feature: str) -> bool:
        """Whether the opset and the reader have an operator, or a feature of one."""
        spoken = since(feature) <= self.opset <= _UNTIL.get(feature, self.opset)
        return spoken and feature not in self.target.lacks

    def integers(self, values: Sequence[int]) -> str:
        """The name of a constant vector of int64: axes, shapes, indices."""
        return self.constant(np.asarray(list(values), np.int64))

    def scaled(self, name: str, factor: float) -> str:
        """The name of a tensor times a constant."""
        return name if factor == 1 else self.node("Mul", [name, self.constant(np.float32(factor))])

    def reduce(self, op_type: str, name: str, axes: Sequence[int], keep: bool = True) -> str:
        """The name of what a `Reduce...` gives along some axes; `keep` leaves them, of size 1."""
        if list(axes) == [2] and not self.has("Reduce along the last of 3 axes"):
            # What gives the result its shape stands between it and what would be fused with it.
            shaped = "Unsqueeze" if keep else "Squeeze"
            return self.node(
                shaped, [self._reduced(op_type, name, axes, not keep), self.integers(axes)]
            )
        return self._reduced(op_type, name, axes, keep)

    def _reduced(self, op_type: str, name: str, axes: Sequence[int], keep: bool) -> str:
        # The axes are an input of ReduceSum since opset 13, of the others since 18.
        if self.opset >= 18 or op_type == "ReduceSum":
            return self.node(op_type, [name, self.integers(axes)], keepdims=int(keep))
        return self.node(op_type, [name], axes=list(axes), keepdims=int(keep))

    def split(self, name: str, sizes: Sequence[int], axis: int) -> tuple[str, ...]:
        """The names of pieces of these sizes along an axis."""
        return self.nodes("Split", [name, self.integers(sizes)], len(sizes), axis=axis)

    def pad(
        self, name: str, sides: Sequence[tuple[int, int]], value: float = 0.0, mode: str = ""
    ) -> str:
        """The name of a tensor with a border: (before, after) for each axis, the batch first."""
        if mode == "wrap":
            return self._wrapped(name, sides)
        pads = self.integers([*(before for before, _ in sides), *(after for _, after in sides)])
        if mode:
            return self.node("Pad", [name, pads], mode=mode)
        # ONNX Runtime merges a border of zeros into a pooling that follows, whose own border is no
        # zero and counts otherwise. A negative zero it leaves alone.
        border = self.constant(np.float32(value or -0.0))
        return self.node("Pad", [name, pads, border], mode="constant")

    def _wrapped(self, name: str, sides: Sequence[tuple[int, int]]) -> str:
        """A border of what is at the other end, by slices: Pad has it since opset 19."""
        for axis, (before, after) in enumerate(sides):
            parts = [name]
            for count, first, last in ((before, -before, _FAR), (after, 0, after)):
                if count:
                    bounds = (self.integers([bound]) for bound in (first, last, axis))
                    parts.append(self.node("Slice", [name, *bounds]))
            if before:
                parts = [parts[1], parts[0], *parts[2:]]
            if len(parts) > 1:
                name = self.node("Concat", parts, axis=axis)
        return name

    def grid_sample(self, name: str, grid: str, mode: str, padding: str, align: bool) -> str:
        """The name of a map (N, C, H, W) read at a grid (N, H', W', 2), where there is GridSample.

        `mode` is `bilinear`, `nearest` or `bicubic`.
        """
        word = _MODES.get(mode, mode) if self.opset >= 20 else mode
        return self.node(
            "GridSample", [name, grid], mode=word, padding_mode=padding, align_corners=int(align)
        )

    def mapped(self, name: str, rank: int, axis: int, matrix: Any) -> str:
        """The name of a tensor of `rank` axes, one of them multiplied by a matrix (size, new size)."""
        order = list(range(rank))
        order[axis], order[-1] = order[-1], order[axis]
        last = name if axis == rank - 1 else self.node("Transpose", [name], perm=order)
        product = self.node("MatMul", [last, self.constant(np.asarray(matrix, np.float32))])
        return product if axis == rank - 1 else self.node("Transpose", [product], perm=order)

    def sizes(self, name: str, start: int, end: int | None = None) -> str:
        """The name of a vector: the sizes of a tensor from axis `start` on, before axis `end`."""
        if self.opset >= 15:
            ends = {} if end is None else {"end": end}
            return self.node("Shape", [name], start=start, **ends)
        bounds = (start, _FAR if end is None else end, 0)
        shape = self.node("Shape", [name])
        return self.node("Slice", [shape, *(self.integers([bound]) for bound in bounds)])

    def size(self, operand: Operand, axis: int) -> str:
        """The name of a vector of one: the operand's size along an axis, batch included."""
        dim = operand.type.shape[axis - 1] if axis else None
        if isinstance(dim, int):
            return self.integers([dim])
        return self.sizes(operand.name, axis, axis + 1)

    def steps(self, operand: Operand, axis: int) -> str:
        """The name of a vector of int64: 0, 1, ... below the operand's size along an axis."""
        dim = operand.type.shape[axis - 1]
        if isinstance(dim, int):
            return self.integers(range(dim))
        zero, one = (self.constant(np.asarray(i, np.int64)) for i in (0, 1))
        return self.node("Range", [zero, self.node("Squeeze", [self.size(operand, axis)]), one])

    def shape(self, operand: Operand) -> str:
        """The name of a shape for Reshape: the operand's own, its batch kept."""
        if all(isinstance(size, int) for size in operand.type.shape):
            return self.constant(np.asarray([0, *operand.type.shape], np.int64))
        return self.node("Shape", [operand.name])

    def layer_norm(self, name: str, scale: str, shift: str, eps: float) -> str:
        """The name of a tensor of mean 0 along its last axis, normalised there and scaled."""
        if self.has("LayerNormalization"):
            return self.node("LayerNormalization", [name, scale, shift], axis=-1, epsilon=eps)
        variance = self.reduce("ReduceMean", self.node("Mul", [name, name]), [-1])
        root = self.node("Sqrt", [self.node("Add", [variance, self.constant(np.float32(eps))])])
        normal = self.node("Div", [name, root])
        return self.node("Add", [self.node("Mul", [normal, scale]), shift])


def since(feature: str) -> int:
    """The opset that brought an operator or a feature of one; 0 for those of the lowest."""
    return _SINCE.get(feature, 0)


# --- written out


def _gelu(nodes: _Nodes, name: str, *, approximate: str) -> str:
    half, one = nodes.constant(np.float32(0.5)), nodes.constant(np.float32(1))
    if approximate == "tanh":
        # The cube as a product with a sum: OpenCV 5.0 dies of x * x * x.
        inner = nodes.node("Mul", [name, name])
        inner = nodes.node("Mul", [inner, nodes.constant(np.float32(0.044715))])
        inner = nodes.node("Mul", [name, nodes.node("Add", [inner, one])])
        inner = nodes.node("Mul", [inner, nodes.constant(np.float32(sqrt(2 / pi)))])
        bent = nodes.node("Tanh", [inner])
    else:
        bent = nodes.node("Erf", [nodes.node("Mul", [name, nodes.constant(np.float32(sqrt(0.5)))])])
    share = nodes.node("Mul", [nodes.node("Add", [bent, one]), half])
    return nodes.node("Mul", [name, share])


def _hard_swish(nodes: _Nodes, name: str) -> str:
    return nodes.node("Mul", [name, nodes.node("HardSigmoid", [name], alpha=1 / 6, beta=0.5)])


def _mish(nodes: _Nodes, name: str) -> str:
    return nodes.node("Mul", [name, nodes.node("Tanh", [nodes.node("Softplus", [name])])])


def _prelu(nodes: _Nodes, name: str, slope: str) -> str:
    below = nodes.node("Relu", [nodes.node("Neg", [name])])
    return nodes.node("Sub", [nodes.node("Relu", [name]), nodes.node("Mul", [below, slope])])


_WRITTEN_OUT: Mapping[str, Callable[..., str]] = {
    "Gelu": _gelu,
    "HardSwish": _hard_swish,
    "Mish": _mish,
    "PRelu": _prelu,
}
