"""A sequence and its steps: taken apart, and joined again."""

from __future__ import annotations

from typing import Any

from netspec.diagnostics.messages.shapes import OutOfRange, ShapesDiffer, UnknownSize
from netspec.diagnostics.raised import Rejection
from netspec.ops.arranging.merge import Merge, listed
from netspec.ops.declare.checks import fixed_channels, need_spatial
from netspec.ops.declare.interfaces import Builder, Operand
from netspec.ops.declare.operator import Operator
from netspec.ops.declare.reach import Reach, Unsupported
from netspec.sizes.conditions import equal
from netspec.sizes.dims import Dim
from netspec.sizes.shapes import TensorType

_MOST = 4096


class Unstack(Operator):
    """The steps of a sequence, each a tensor of its own: a bundle.

    (C, T, *sizes) to T tensors of (C, *sizes). T must be a number; the steps of an image are its
    rows.
    """

    spelling = "unstack"
    examples = (("3x4", "unstack; add"), ("2x3x4", "unstack; concat"), ("3x1", "unstack"))

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        need_spatial(self, inputs[0], 1, 2, 3)
        steps, *sizes = inputs[0].spatial
        if not isinstance(steps, int):
            advice = "each step is written out: give their number, or use lstm, gru or rnn"
            raise Rejection(UnknownSize(self.spelling, str(inputs[0]), advice))
        if steps > _MOST:
            raise Rejection(OutOfRange(self.spelling, "steps", f"at most {_MOST}", steps))
        return (inputs[0].with_shape(inputs[0].channels, *sizes),) * int(steps)

    def macs(self, *inputs: TensorType) -> Dim:
        return 0

    def reach(self, *inputs: TensorType) -> Reach:
        return Unsupported("a step has no axis of time")

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        return torch.unbind(inputs[0], dim=2)

    def onnx(self, graph: Builder, *inputs: Operand) -> tuple[str, ...]:
        steps = int(inputs[0].type.spatial[0])  # type: ignore[arg-type]
        whole = (inputs[0].name,)
        pieces = graph.split(whole[0], [1] * steps, axis=2) if steps > 1 else whole
        return tuple(graph.node("Squeeze", [piece, graph.integers([2])]) for piece in pieces)


class Stack(Merge):
    """Joins tensors of one shape as the steps of a sequence: the inverse of `unstack`.

    T tensors of (C, *sizes) to (C, T, *sizes).
    """

    spelling = "stack"
    examples = (("3", "stack { | relu | tanh }"), ("3x4x5", "unstack; stack"))

    def _shape(self, inputs: tuple[TensorType, ...]) -> tuple[Dim, ...]:
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
