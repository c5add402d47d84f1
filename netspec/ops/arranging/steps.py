"""A sequence and its steps: taken apart, and joined again."""

from __future__ import annotations

from typing import Any

from netspec.diagnostics.messages.shapes import OutOfRange, ShapesDiffer, UnknownSize, WrongRank
from netspec.diagnostics.raised import Rejection
from netspec.ops.arranging.merge import Merge, listed
from netspec.ops.declare.checks import fixed_channels, need_spatial
from netspec.ops.declare.interfaces import Builder, Operand
from netspec.ops.declare.operator import Operator
from netspec.ops.declare.reach import Reach, Unsupported
from netspec.sizes.conditions import equal
from netspec.sizes.dims import Dim
from netspec.sizes.shapes import TensorType

MOST_STEPS = 4096


def time_axis(sequence: TensorType) -> int:
    """The axis of time in a type: behind the channels, and of ids (T,) the first."""
    return min(1, len(sequence.shape) - 1)


def one_step(sequence: TensorType) -> TensorType:
    """The type of one step of a sequence."""
    axis = time_axis(sequence)
    shape = (*sequence.shape[:axis], *sequence.shape[axis + 1 :])
    return TensorType(shape, sequence.batch, sequence.ids)


class Unstack(Operator):
    """The steps of a sequence, each a tensor of its own: a bundle.

    (C, T, *sizes) to T tensors of (C, *sizes). T must be a number; the steps of an image are its
    rows. Ids (T,) are taken apart into single ones.
    """

    spelling = "unstack"
    moves = True
    examples = (
        ("3x4", "unstack; add"),
        ("2x3x4", "unstack; concat"),
        ("3x1", "unstack"),
    )

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        axis = time_axis(inputs[0])
        if inputs[0].ids is None or axis:
            need_spatial(self, inputs[0], 1, 2, 3)
        steps = inputs[0].shape[axis]
        if not isinstance(steps, int):
            advice = "each step is one of a bundle: give their number, or go over them by `for` with a state"
            raise Rejection(UnknownSize(self.spelling, str(inputs[0]), advice))
        if steps > MOST_STEPS:
            raise Rejection(OutOfRange(self.spelling, "steps", f"at most {MOST_STEPS}", steps))
        return (one_step(inputs[0]),) * int(steps)

    def macs(self, *inputs: TensorType) -> Dim:
        return 0

    def reach(self, *inputs: TensorType) -> Reach:
        return Unsupported("a step has no axis of time")

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        return torch.unbind(inputs[0], dim=min(2, inputs[0].dim() - 1))

    def onnx(self, graph: Builder, *inputs: Operand) -> tuple[str, ...]:
        axis = 1 + time_axis(inputs[0].type)
        steps = int(inputs[0].type.shape[axis - 1])  # type: ignore[arg-type]
        whole = (inputs[0].name,)
        pieces = graph.split(whole[0], [1] * steps, axis=axis) if steps > 1 else whole
        return tuple(graph.node("Squeeze", [piece, graph.integers([axis])]) for piece in pieces)


class Stack(Merge):
    """Joins tensors of one shape as the steps of a sequence: the inverse of `unstack`.

    T tensors of (C, *sizes) to (C, T, *sizes).
    """

    spelling = "stack"
    examples = (("3", "stack { | relu | tanh }"), ("3x4x5", "unstack; stack"))

    def _shape(self, inputs: tuple[TensorType, ...]) -> tuple[Dim, ...]:
        if not inputs[0].shape:
            raise Rejection(WrongRank(self.spelling, "vectors or maps", str(inputs[0])))
        channels, *sizes = inputs[0].shape
        fixed_channels(self.spelling, inputs[0])
        for tensor in inputs:
            ranks = len(tensor.shape) == len(inputs[0].shape)
            if not (ranks and all(map(equal, tensor.shape, inputs[0].shape))):
                raise Rejection(
                    ShapesDiffer(self.spelling, listed(inputs), "stack needs one shape")
                )
        return (channels, len(inputs), *sizes)

    def reach(self, *inputs: TensorType) -> Reach:
        return Unsupported("what is stacked has no axis of time")

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        return torch.stack(inputs, dim=2)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        joined = graph.node("Concat", [operand.name for operand in inputs], axis=1)
        channels = fixed_channels(self.spelling, inputs[0].type)
        shape = graph.integers([0, len(inputs), channels])
        rank = len(inputs[0].type.shape)
        if rank > 1:
            shape = graph.node("Concat", [shape, graph.sizes(joined, 2)], axis=0)
        apart = graph.node("Reshape", [joined, shape])
        return graph.node("Transpose", [apart], perm=[0, 2, 1, *range(3, rank + 2)])
