"""Sums over an axis: over time or space, and over the channels."""

from __future__ import annotations

from typing import Any

from netspec.ops.declare.interfaces import Builder, Operand
from netspec.ops.declare.operator import Operator
from netspec.ops.declare.params import choice
from netspec.ops.declare.reach import POINTWISE, Reach
from netspec.ops.spatial.pool import GlobalPool
from netspec.sizes.dims import Dim
from netspec.sizes.shapes import TensorType


class GlobalSumPool(GlobalPool):
    """The sum of each channel over time or space: the output of TDNN (Waibel et al. 1989).

    (C, *sizes) to (C,).
    """

    spelling = "gsp"
    aliases = ("sum_over_time",)
    examples = (("3x7", "sum_over_time"), ("3x5x6", "gsp(keep=yes)"))

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        return inputs[0].sum(dim=self._axes(inputs[0].dim() - 2), keepdim=self.keep)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        axes = self._axes(len(inputs[0].type.spatial))
        return graph.reduce("ReduceSum", inputs[0].name, axes, self.keep)


class OverChannels(Operator):
    """One channel from all: their sum, mean or largest value at each place.

    (C, *sizes) to (1, *sizes): what spatial attention and the neocognitron's inhibition read.
    """

    spelling = "over_channels"
    order = ("take",)
    examples = (
        ("3x5x6", "over_channels(sum)"),
        ("3x5", "over_channels(mean)"),
        ("4", "over_channels(max)"),
    )

    take: str = choice("sum", "mean", "max", doc="what is taken of the channels")

    def infer(self, *inputs: TensorType) -> TensorType:
        return inputs[0].with_shape(1, *inputs[0].spatial)

    def macs(self, *inputs: TensorType) -> Dim:
        return 0

    def reach(self, *inputs: TensorType) -> Reach:
        return POINTWISE

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        word = {"sum": "sum", "mean": "mean", "max": "amax"}[self.take]
        return getattr(inputs[0], word)(dim=1, keepdim=True)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        return graph.reduce(f"Reduce{self.take.capitalize()}", inputs[0].name, [1])
