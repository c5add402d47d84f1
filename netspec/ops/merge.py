"""Merges: many tensors into one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from netspec.diagnostics import Rejection
from netspec.errors.shapes import ShapesDiffer
from netspec.ops.base import POINTWISE, Operator, Reach
from netspec.ops.params import choice
from netspec.shapes import Dim, TensorType, equal

if TYPE_CHECKING:
    from netspec.backends.onnx import Builder, Operand


def listed(inputs: tuple[TensorType, ...]) -> str:
    return " and ".join(str(tensor) for tensor in inputs)


class _Merge(Operator):
    """Joins what the wire carries, or its branches."""

    arity = None
    joins = True

    def macs(self, *inputs: TensorType) -> Dim:
        return 0

    def reach(self, *inputs: TensorType) -> Reach:
        return POINTWISE


class Concat(_Merge):
    """Joins along the channels; other sizes must agree. `axis=time` joins along the last axis.

    (C1, *sizes), (C2, *sizes), ... to (C1 + C2 + ..., *sizes).
    """

    spelling = "concat"
    examples = (
        ("3x4x5", "concat { | conv1-2 | relu }"),
        ("3x4", "concat(axis=time) { | relu | sigmoid }"),
    )

    axis: str = choice("channels", "time", default="channels", doc="what is joined")

    def _axis(self, tensor: TensorType) -> int:
        return 0 if self.axis == "channels" else len(tensor.shape) - 1

    def infer(self, *inputs: TensorType) -> TensorType:
        first = inputs[0]
        # A vector joined in time is one step.
        shapes = [self._stepped(tensor).shape for tensor in inputs]
        rank, axis = len(shapes[0]), self._axis(self._stepped(first))
        for shape in shapes:
            others = [i for i in range(rank) if i != axis]
            if len(shape) != rank or not all(equal(shapes[0][i], shape[i]) for i in others):
                advice = "sizes must agree along every axis but the joined one"
                raise Rejection(ShapesDiffer(self.spelling, listed(inputs), advice))
        joined = sum((shape[axis] for shape in shapes[1:]), shapes[0][axis])
        return first.with_shape(*shapes[0][:axis], joined, *shapes[0][axis + 1 :])

    def _stepped(self, tensor: TensorType) -> TensorType:
        if self.axis == "time" and len(tensor.shape) == 1:
            return tensor.with_shape(tensor.shape[0], 1)
        return tensor

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        if self.axis == "channels":
            return torch.cat(inputs, dim=1)
        return torch.cat([x.unsqueeze(-1) if x.dim() == 2 else x for x in inputs], dim=-1)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        names = []
        for operand in inputs:
            name = operand.name
            if self._stepped(operand.type) != operand.type:
                name = graph.node("Unsqueeze", [name, graph.integers([2])])
            names.append(name)
        axis = self._axis(self._stepped(inputs[0].type)) + 1
        return graph.node("Concat", names, axis=axis)


class _Broadcasting(_Merge):
    """Element by element; a vector of C applies to the C channels of a map."""

    _torch: ClassVar[str]
    _onnx: ClassVar[str]

    def infer(self, *inputs: TensorType) -> TensorType:
        largest = max(inputs, key=lambda tensor: len(tensor.shape))
        shape = list(largest.shape)
        for tensor in inputs:
            for axis, size in enumerate(tensor.shape):
                if shape[axis] == 1:
                    shape[axis] = size
                elif size != 1 and not equal(shape[axis], size):
                    raise Rejection(ShapesDiffer(self.spelling, listed(inputs)))
            if 1 < len(tensor.shape) < len(shape):
                raise Rejection(ShapesDiffer(self.spelling, listed(inputs)))
        return largest.with_shape(*shape)

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        rank = max(x.dim() for x in inputs)
        aligned = [x.reshape(*x.shape, *((1,) * (rank - x.dim()))) for x in inputs]
        total = aligned[0]
        for other in aligned[1:]:
            total = getattr(torch, self._torch)(total, other)
        return total

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        rank = max(len(operand.type.shape) for operand in inputs)
        names = []
        for operand in inputs:
            missing = rank - len(operand.type.shape)
            name = operand.name
            if missing:
                axes = graph.integers(list(range(rank + 1 - missing, rank + 1)))
                name = graph.node("Unsqueeze", [name, axes])
            names.append(name)
        total = names[0]
        for other in names[1:]:
            total = graph.node(self._onnx, [total, other])
        return total


class Add(_Broadcasting):
    """Sum, element by element."""

    spelling = "add"
    aliases = ("sum",)
    examples = (("3x4x5", "add { | conv1-3 | relu }"), ("3x4x5", "add { | relu | gap }"))
    _torch, _onnx = "add", "Add"


class Mul(_Broadcasting):
    """Product, element by element."""

    spelling = "mul"
    examples = (("3x4x5", "mul { | relu | gap; sigmoid }"), ("3x4", "mul { | relu | sigmoid }"))
    _torch, _onnx = "mul", "Mul"


class Maximum(_Broadcasting):
    """Maximum, element by element."""

    spelling = "maximum"
    examples = (("3x4x5", "maximum { | conv1-3 | relu }"),)
    _torch, _onnx = "maximum", "Max"
