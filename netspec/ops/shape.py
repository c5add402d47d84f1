"""Rearranging: flatten, split, shuffle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netspec.diagnostics import Rejection
from netspec.errors.shapes import NotDivisible
from netspec.ops.base import EVERYWHERE, POINTWISE, Elementwise, Operator, Reach
from netspec.ops.conv import fixed_channels
from netspec.ops.linear import flat_size
from netspec.ops.params import count
from netspec.shapes import Dim, TensorType

if TYPE_CHECKING:
    from netspec.backends.onnx import Builder, Operand
    from netspec.backends.torch import Modules


class Flatten(Operator):
    """All elements in one vector, channels first.

    (*sizes) to (product of sizes,).
    """

    spelling = "flatten"
    examples = (("3x4x5", "flatten"),)

    def infer(self, *inputs: TensorType) -> TensorType:
        return inputs[0].with_shape(flat_size(self.spelling, inputs[0]))

    def macs(self, *inputs: TensorType) -> Dim:
        return 0

    def reach(self, *inputs: TensorType) -> Reach:
        return EVERYWHERE

    def torch(self, modules: Modules, *inputs: TensorType) -> Any:
        return modules.nn.Flatten()

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        return graph.node("Flatten", [inputs[0].name], axis=1)


class Split(Operator):
    """Cuts the channels into equal parts: one tensor becomes a bundle.

    (C, *sizes) to `parts` tensors of (C / parts, *sizes).
    """

    spelling = "split"
    order = ("parts",)
    examples = (("6x4x5", "split(3); concat"),)

    parts: int = count(low=2, high=1024, doc="how many")

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        channels = fixed_channels(self.spelling, inputs[0])
        if channels % self.parts:
            raise Rejection(NotDivisible(self.spelling, "channels", self.parts, channels))
        piece = inputs[0].with_shape(channels // self.parts, *inputs[0].spatial)
        return (piece,) * self.parts

    def macs(self, *inputs: TensorType) -> Dim:
        return 0

    def reach(self, *inputs: TensorType) -> Reach:
        return POINTWISE

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        return torch.chunk(inputs[0], self.parts, dim=1)

    def onnx(self, graph: Builder, *inputs: Operand) -> tuple[str, ...]:
        return graph.nodes(
            "Split", [inputs[0].name], self.parts, axis=1, num_outputs=self.parts
        )


class Shuffle(Elementwise):
    """Channel shuffle (Zhang et al. 2018): output channel i*groups + j is input channel j*n + i.

    (C, *sizes) to the same shape; C = groups * n.
    """

    spelling = "shuffle"
    order = ("groups",)
    examples = (("6x4x5", "shuffle(3)"), ("6x4", "shuffle(2)"))

    groups: int = count(doc="groups that are interleaved")

    def infer(self, *inputs: TensorType) -> TensorType:
        channels = fixed_channels(self.spelling, inputs[0])
        if channels % self.groups:
            raise Rejection(NotDivisible(self.spelling, "channels", self.groups, channels))
        return super().infer(*inputs)

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        tensor = inputs[0]
        grouped = tensor.unflatten(1, (self.groups, -1))
        return grouped.transpose(1, 2).flatten(1, 2)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        import numpy as np

        channels = fixed_channels(self.spelling, inputs[0].type)
        order = np.arange(channels).reshape(self.groups, -1).T.reshape(-1)
        return graph.node("Gather", [inputs[0].name, graph.constant(order)], axis=1)
