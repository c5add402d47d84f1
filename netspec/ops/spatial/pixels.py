"""Pixels moved between channels and space."""

from __future__ import annotations

from typing import Any

from netspec.diagnostics.messages.shapes import NotDivisible
from netspec.diagnostics.raised import Rejection
from netspec.ops.declare.checks import fixed_channels, need_spatial
from netspec.ops.declare.filling import filled, filled_onnx
from netspec.ops.declare.interfaces import Builder, Operand
from netspec.ops.declare.operator import Operator
from netspec.ops.declare.params import choice, count, flag
from netspec.ops.declare.reach import Reach, Upsampling, Window
from netspec.sizes.conditions import equal
from netspec.sizes.dims import Dim
from netspec.sizes.shapes import TensorType


def _layout() -> Any:
    return choice(
        "channels",
        "rows",
        "columns",
        default="channels",
        doc="how the pixels of a block lie in the channels: those of each channel together, or all"
        " channels of a pixel, pixels row by row or column by column",
    )


class PixelShuffle(Operator):
    """Channels to pixels: the sub-pixel convolution's last step (Shi et al. 2016).

    (C * factor^rank, *sizes) to (C, *(size * factor)). `layout` as in `pixel_unshuffle`.
    """

    spelling = "pixel_shuffle"
    order = ("factor",)
    examples = (
        ("8x3x4", "pixel_shuffle(2)"),
        ("6x5", "pixel_shuffle(3)"),
        ("16x2x3x2", "pixel_shuffle(2)"),
        ("8x3x4", "pixel_shuffle(2, layout=columns)"),
    )

    factor: int = count(low=2, high=64, doc="new size over old")
    layout: str = _layout()

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
        channels = tensor.shape[1] // self.factor**rank
        split = tensor.unflatten(1, _split(self.layout, rank, channels, self.factor))
        turned = split.permute(0, *_pixels(self.layout, rank))
        sizes = (size * self.factor for size in tensor.shape[2:])
        return turned.reshape(*turned.shape[:2], *sizes)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        name, rank = inputs[0].name, len(inputs[0].type.spatial)
        mode = {"channels": "CRD", "rows": "DCR"}.get(self.layout)
        if rank == 2 and mode:
            return graph.node("DepthToSpace", [name], blocksize=self.factor, mode=mode)
        channels = fixed_channels(self.spelling, inputs[0].type) // self.factor**rank
        sizes = graph.sizes(name, 2)
        split = graph.integers([0, *_split(self.layout, rank, channels, self.factor)])
        name = graph.node("Reshape", [name, graph.node("Concat", [split, sizes], axis=0)])
        name = graph.node("Transpose", [name], perm=[0, *_pixels(self.layout, rank)])
        larger = graph.node("Mul", [sizes, graph.integers([self.factor])])
        shape = graph.node("Concat", [graph.integers([0, channels]), larger], axis=0)
        return graph.node("Reshape", [name, shape])


class PixelUnshuffle(Operator):
    """Pixels to channels: the inverse of `pixel_shuffle`, nothing is lost.

    (C, *sizes) to (C * factor^rank, *(size / factor)). `layout=rows` is TensorFlow's and ONNX's
    SpaceToDepth, `columns` the order of Swin's patch merging and YOLOv5's focus. Sizes are multiples of
    the factor, or `fill` makes them so.
    """

    spelling = "pixel_unshuffle"
    order = ("factor",)
    examples = (
        ("2x6x4", "pixel_unshuffle(2)"),
        ("3x9", "pixel_unshuffle(3)"),
        ("1x2x4x2", "pixel_unshuffle(2)"),
        ("2x6x4", "pixel_unshuffle(2, layout=rows)"),
        ("2xHxW", "pixel_unshuffle(2, layout=columns)"),
        ("2x5xW", "pixel_unshuffle(2, fill=yes)"),
    )

    factor: int = count(low=2, high=64, doc="old size over new")
    layout: str = _layout()
    fill: bool = flag(False, doc="zeros after the last places make whole blocks")

    def _factors(self, rank: int) -> tuple[int, ...]:
        return (self.factor,) * rank

    def infer(self, *inputs: TensorType) -> TensorType:
        rank, channels = need_spatial(self, inputs[0]), fixed_channels(self.spelling, inputs[0])
        for size in inputs[0].spatial:
            if not self.fill and not equal(size // self.factor * self.factor, size):
                raise Rejection(NotDivisible(self.spelling, "sizes", self.factor, size))
        more = self.factor - 1 if self.fill else 0
        sizes = ((size + more) // self.factor for size in inputs[0].spatial)
        return inputs[0].with_shape(channels * self.factor**rank, *sizes)

    def macs(self, *inputs: TensorType) -> Dim:
        return 0

    def reach(self, *inputs: TensorType) -> Reach:
        factors, rank = (self.factor,) * len(inputs[0].spatial), len(inputs[0].spatial)
        return Window(factors, factors, (1,) * rank, (0,) * rank)

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        tensor, rank = inputs[0], inputs[0].dim() - 2
        if self.fill:
            tensor = filled(torch, tensor, self._factors(rank))
        for axis in reversed(range(2, tensor.dim())):
            tensor = tensor.unflatten(axis, (-1, self.factor))
        return tensor.permute(0, *_channels(self.layout, rank)).flatten(1, 1 + rank)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        rank = len(inputs[0].type.spatial)
        parts = [graph.integers([0, 0])]
        factor = graph.integers([self.factor])
        smaller = []
        name = inputs[0].name
        if self.fill:
            name = filled_onnx(graph, inputs[0], self._factors(rank))
        for axis in range(2, rank + 2):
            length = graph.size(inputs[0], axis)
            if self.fill:
                length = graph.node("Add", [length, graph.integers([self.factor - 1])])
            smaller.append(graph.node("Div", [length, factor]))
            parts += [smaller[-1], factor]
        split = graph.node("Concat", parts, axis=0)
        name = graph.node("Reshape", [name, split])
        name = graph.node("Transpose", [name], perm=[0, *_channels(self.layout, rank)])
        channels = fixed_channels(self.spelling, inputs[0].type) * self.factor**rank
        shape = graph.node("Concat", [graph.integers([0, channels]), *smaller], axis=0)
        return graph.node("Reshape", [name, shape])


def _order(layout: str, rank: int) -> list[int]:
    """What the channels are made of, outermost first: -1 for channels, i for a block's axis i."""
    axes = list(range(rank))
    return {"channels": [-1, *axes], "rows": [*axes, -1], "columns": [*axes[::-1], -1]}[layout]


def _split(layout: str, rank: int, channels: int, factor: int) -> list[int]:
    """Sizes that the channels are split into."""
    return [channels if part < 0 else factor for part in _order(layout, rank)]


def _pixels(layout: str, rank: int) -> list[int]:
    """From (N, split channels, *sizes): channels, then (size, block) for each axis."""
    at = {part: 1 + i for i, part in enumerate(_order(layout, rank))}
    return [at[-1], *(axis for i in range(rank) for axis in (2 + rank + i, at[i]))]


def _channels(layout: str, rank: int) -> list[int]:
    """From (N, C, and (size, block) for each axis): the split channels, then sizes."""
    parts = (1 if part < 0 else 3 + 2 * part for part in _order(layout, rank))
    return [*parts, *range(2, 2 + 2 * rank, 2)]
