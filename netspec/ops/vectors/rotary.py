"""Rotary positions as a step of its own."""

from __future__ import annotations

from typing import Any

from netspec.diagnostics.messages.shapes import NotDivisible
from netspec.diagnostics.raised import Rejection
from netspec.ops.declare.checks import fixed_channels, need_spatial
from netspec.ops.declare.interfaces import Builder, Operand
from netspec.ops.declare.operator import Operator
from netspec.ops.declare.params import choice, count, real
from netspec.ops.declare.reach import POINTWISE, Reach
from netspec.ops.vectors.turning import Places, Slowing, Turning
from netspec.sizes.dims import Dim
from netspec.sizes.shapes import TensorType


class Rotary(Operator):
    """Rotary positions (Su et al. 2021): each pair of a head's channels turned by its step.

    (C, T) to the same shape. `halves` pairs channel i of a head with i + width / 2 (Llama), `neighbours`
    with i + 1 (the paper, GPT-J).
    """

    spelling = "rotary"
    order = ("heads", "base")
    examples = (
        ("8x5", "rotary(2)"),
        ("12xT", "rotary(2, 500, part=0.7, pairs=neighbours)"),
        ("32x9", "rotary(2, factor=4, length=24)"),
    )

    heads: int = count(1, doc="heads that the channels are those of")
    base: float = real(10000.0, low=1.0, doc="growth of the wavelengths")
    part: float = real(1.0, low=0.0, high=1.0, doc="share of a head's channels that turn")
    pairs: str = choice(
        "halves", "neighbours", default="halves", doc="which channels turn together"
    )
    factor: float = real(1.0, low=1.0, doc="how many times slower long waves turn (Llama 3.1)")
    length: int = count(8192, doc="steps that long waves are longer than")

    def _turning(self, channels: int) -> Turning:
        width = channels // self.heads
        neighbours, slowing = self.pairs == "neighbours", Slowing(self.factor, self.length)
        return Turning(self.base, width, self.part, neighbours, Places(), slowing)

    def infer(self, *inputs: TensorType) -> TensorType:
        need_spatial(self, inputs[0], 1)
        channels = fixed_channels(self.spelling, inputs[0])
        if channels % self.heads:
            raise Rejection(NotDivisible(self.spelling, "channels", self.heads, channels))
        if self._turning(channels).turned < 2:
            raise Rejection(
                NotDivisible(self.spelling, "channels of a head", 2, channels // self.heads)
            )
        return inputs[0].with_shape(*inputs[0].shape)

    def macs(self, *inputs: TensorType) -> Dim:
        return 0

    def reach(self, *inputs: TensorType) -> Reach:
        return POINTWISE

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        split = inputs[0].unflatten(1, (self.heads, -1)).transpose(2, 3)
        turned = self._turning(inputs[0].shape[1]).torch(torch, split)
        return turned.transpose(2, 3).flatten(1, 2)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        channels = fixed_channels(self.spelling, inputs[0].type)
        shape = graph.integers([0, self.heads, channels // self.heads, -1])
        split = graph.node("Reshape", [inputs[0].name, shape])
        split = graph.node("Transpose", [split], perm=[0, 1, 3, 2])
        turned = self._turning(channels).onnx(graph, split, inputs[0])
        turned = graph.node("Transpose", [turned], perm=[0, 1, 3, 2])
        return graph.node("Reshape", [turned, graph.integers([0, channels, -1])])


def rates_of(op: Rotary, tensor: TensorType) -> tuple[float, ...]:
    """Radians a step of each pair of channels of a head."""
    return tuple(op._turning(fixed_channels(op.spelling, tensor)).rates)
