"""Pixels moved between channels and space."""

from __future__ import annotations

from typing import Any

from netspec.diagnostics.messages.shapes import NotDivisible
from netspec.diagnostics.raised import Rejection
from netspec.ops.declare.checks import fixed_channels, need_spatial
from netspec.ops.declare.interfaces import Builder, Operand
from netspec.ops.declare.operator import Operator
from netspec.ops.declare.params import count
from netspec.ops.declare.reach import Reach, Upsampling, Window
from netspec.sizes.conditions import equal
from netspec.sizes.dims import Dim
from netspec.sizes.shapes import TensorType


class PixelShuffle(Operator):
    """Channels to pixels: the sub-pixel convolution's last step (Shi et al. 2016).

    (C * factor^rank, *sizes) to (C, *(size * factor)).
    """

    spelling = "pixel_shuffle"
    order = ("factor",)
    examples = (
        ("8x3x4", "pixel_shuffle(2)"),
        ("6x5", "pixel_shuffle(3)"),
        ("16x2x3x2", "pixel_shuffle(2)"),
    )

    factor: int = count(low=2, high=64, doc="new size over old")

    def infer(self, *inputs: TensorType) -> TensorType:
        rank = need_spatial(self, inputs[0])
        channels, block = fixed_channels(self.spelling, inputs[0]), self.factor**rank
        if channels % block:
            raise Rejection(NotDivisible(self.spelling, "channels", block, channels))
        sizes = (size * self.factor for size in inputs[0].spatial)
        return inputs[0].with_shape(channels // block, *sizes)

    def macs(self, *inputs: TensorType) -> Dim:
        return 0

    def reach(self, *inputs: TensorType) -> Reach:
        factors = (self.factor,) * len(inputs[0].spatial)
        return Upsampling(factors, factors, (0,) * len(factors))

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        tensor, rank = inputs[0], inputs[0].dim() - 2
        blocks = tensor.unflatten(1, (-1, *((self.factor,) * rank)))
        turned = blocks.permute(0, 1, *_interleaved(rank))
        sizes = (size * self.factor for size in tensor.shape[2:])
        return turned.reshape(*turned.shape[:2], *sizes)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        name, rank = inputs[0].name, len(inputs[0].type.spatial)
        if rank == 2:
            return graph.node("DepthToSpace", [name], blocksize=self.factor, mode="CRD")
        channels = fixed_channels(self.spelling, inputs[0].type) // self.factor**rank
        sizes = graph.sizes(name, 2)
        split = graph.integers([0, channels, *((self.factor,) * rank)])
        name = graph.node("Reshape", [name, graph.node("Concat", [split, sizes], axis=0)])
        name = graph.node("Transpose", [name], perm=[0, 1, *_interleaved(rank)])
        larger = graph.node("Mul", [sizes, graph.integers([self.factor])])
        shape = graph.node("Concat", [graph.integers([0, channels]), larger], axis=0)
        return graph.node("Reshape", [name, shape])


class PixelUnshuffle(Operator):
    """Pixels to channels: the inverse of `pixel_shuffle`, nothing is lost.

    (C, *sizes) to (C * factor^rank, *(size / factor)).
    """

    spelling = "pixel_unshuffle"
    order = ("factor",)
    examples = (
        ("2x6x4", "pixel_unshuffle(2)"),
        ("3x9", "pixel_unshuffle(3)"),
        ("1x2x4x2", "pixel_unshuffle(2)"),
    )

    factor: int = count(low=2, high=64, doc="old size over new")

    def infer(self, *inputs: TensorType) -> TensorType:
        rank, channels = need_spatial(self, inputs[0]), fixed_channels(self.spelling, inputs[0])
        for size in inputs[0].spatial:
            if not equal(size // self.factor * self.factor, size):
                raise Rejection(NotDivisible(self.spelling, "sizes", self.factor, size))
        sizes = (size // self.factor for size in inputs[0].spatial)
        return inputs[0].with_shape(channels * self.factor**rank, *sizes)

    def macs(self, *inputs: TensorType) -> Dim:
        return 0

    def reach(self, *inputs: TensorType) -> Reach:
        factors, rank = (self.factor,) * len(inputs[0].spatial), len(inputs[0].spatial)
        return Window(factors, factors, (1,) * rank, (0,) * rank)

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        tensor = inputs[0]
        for axis in reversed(range(2, tensor.dim())):
            tensor = tensor.unflatten(axis, (-1, self.factor))
        rank = inputs[0].dim() - 2
        steps, blocks = range(2, 2 + 2 * rank, 2), range(3, 3 + 2 * rank, 2)
        return tensor.permute(0, 1, *blocks, *steps).flatten(1, 1 + rank)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        rank = len(inputs[0].type.spatial)
        parts = [graph.integers([0, 0])]
        factor = graph.integers([self.factor])
        smaller = []
        for axis in range(2, rank + 2):
            smaller.append(graph.node("Div", [graph.size(inputs[0], axis), factor]))
            parts += [smaller[-1], factor]
        split = graph.node("Concat", parts, axis=0)
        name = graph.node("Reshape", [inputs[0].name, split])
        steps, blocks = range(2, 2 + 2 * rank, 2), range(3, 3 + 2 * rank, 2)
        name = graph.node("Transpose", [name], perm=[0, 1, *blocks, *steps])
        channels = fixed_channels(self.spelling, inputs[0].type) * self.factor**rank
        shape = graph.node("Concat", [graph.integers([0, channels]), *smaller], axis=0)
        return graph.node("Reshape", [name, shape])


def _interleaved(rank: int) -> list[int]:
    """Axes of (N, C, *blocks, *sizes) as (size, block) for each."""
    return [axis for i in range(rank) for axis in (2 + rank + i, 2 + i)]
