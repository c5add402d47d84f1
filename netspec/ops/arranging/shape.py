"""The same elements in another shape: flatten, reshape, transpose, sequence, grid."""

from __future__ import annotations

from math import prod
from typing import Any

from netspec.diagnostics.messages.shapes import ElementsDiffer, OutOfRange, WrongRank
from netspec.diagnostics.raised import Rejection
from netspec.ops.declare.checks import flat_size, need_partners, need_spatial, type_of
from netspec.ops.declare.interfaces import Builder, Modules, Operand, V
from netspec.ops.declare.operator import Operator
from netspec.ops.declare.params import integers, per_axis
from netspec.ops.declare.reach import EVERYWHERE, Reach, Unsupported
from netspec.ops.declare.values import show
from netspec.sizes.conditions import equal
from netspec.sizes.dims import Dim
from netspec.sizes.shapes import TensorType, numel


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


class Reshape(Operator):
    """The same elements in another shape, in order: `reshape(64x7x7)`.

    (*sizes) to (*shape) of as many elements. One size may be -1, what the others leave, as where the
    length is open: `reshape((heads, C//heads, -1))`.
    """

    spelling = "reshape"
    order = ("shape",)
    examples = (
        ("24", "reshape(2x3x4)"),
        ("4x6", "reshape(8x3)"),
        ("2x3x4", "reshape(24)"),
        ("2x3x4", "reshape(6x2x1x2)"),
        ("12", "reshape(4x3)"),
        ("6xT", "reshape((2, 3, -1))"),
    )

    shape: int | tuple[int, ...] = per_axis(rest=True, doc="the new shape, without the batch")

    def infer(self, *inputs: TensorType) -> TensorType:
        sizes = (self.shape,) if isinstance(self.shape, int) else self.shape
        shape: tuple[Dim, ...] = sizes
        if -1 in sizes:
            known = -prod(sizes)
            rest = numel(inputs[0].shape) // known
            fits = equal(rest * known, numel(inputs[0].shape))
            shape = tuple(rest if size == -1 else size for size in sizes)
        else:
            fits = flat_size(self.spelling, inputs[0]) == prod(sizes)
        if not fits:
            wanted = "x".join(
                map(str, (self.shape,) if isinstance(self.shape, int) else self.shape)
            )
            raise Rejection(ElementsDiffer(self.spelling, str(inputs[0]), wanted))
        return inputs[0].with_shape(*shape)

    def macs(self, *inputs: TensorType) -> Dim:
        return 0

    def reach(self, *inputs: TensorType) -> Reach:
        return EVERYWHERE

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        shape = (self.shape,) if isinstance(self.shape, int) else self.shape
        return inputs[0].reshape(inputs[0].shape[0], *shape)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        shape = (self.shape,) if isinstance(self.shape, int) else self.shape
        return graph.node("Reshape", [inputs[0].name, graph.integers([0, *shape])])


class Transpose(Operator):
    """Swaps channels and time, or puts the axes in another order; axis 0 is the channels.

    (C, T) to (T, C); with axes=(1, 2, 0), (C, H, W) to (H, W, C).
    """

    spelling = "transpose"
    order = ("axes",)
    examples = (
        ("3x5", "transpose"),
        ("2x3x4", "transpose((1, 2, 0))"),
        ("2x3x4", "transpose((0, 2, 1))"),
        ("2x3x4x5", "transpose((3, 0, 2, 1))"),
    )

    axes: tuple[int, ...] | None = integers(
        None, doc="where each axis comes from; swapped by default"
    )

    def _axes(self, tensor: TensorType) -> tuple[int, ...]:
        rank = len(tensor.shape)
        if self.axes is None:
            if rank != 2:
                advice = "say which: transpose((1, 2, 0))"
                raise Rejection(WrongRank(self.spelling, "channels and time", str(tensor), advice))
            return (1, 0)
        if sorted(self.axes) != list(range(rank)):
            allowed = f"an order of 0 to {rank - 1}"
            raise Rejection(OutOfRange(self.spelling, "axes", allowed, show(self.axes)))
        return self.axes

    def infer(self, *inputs: TensorType) -> TensorType:
        return inputs[0].with_shape(*(inputs[0].shape[axis] for axis in self._axes(inputs[0])))

    def macs(self, *inputs: TensorType) -> Dim:
        return 0

    def reach(self, *inputs: TensorType) -> Reach:
        return Unsupported("transpose changes what the axes mean")

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        axes = self._axes(type_of(inputs[0]))
        return inputs[0].permute(0, *(axis + 1 for axis in axes))

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        perm = [0, *(axis + 1 for axis in self._axes(inputs[0].type))]
        return graph.node("Transpose", [inputs[0].name], perm=perm)


class Sequence(Operator):
    """A map as a sequence, row by row: the patches of a vision transformer.

    (C, *sizes) to (C, product of sizes).
    """

    spelling = "sequence"
    examples = (("2x3x4", "sequence"), ("2x3x4x2", "sequence"))

    def infer(self, *inputs: TensorType) -> TensorType:
        need_spatial(self, inputs[0])
        return inputs[0].with_shape(inputs[0].channels, numel(inputs[0].spatial))

    def macs(self, *inputs: TensorType) -> Dim:
        return 0

    def reach(self, *inputs: TensorType) -> Reach:
        return Unsupported("a sequence has no height and width")

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        return inputs[0].flatten(2)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        channels = inputs[0].type.channels
        # By number where there is one: OpenCV counts a 0 in what a Reshape before this one read.
        known = channels if isinstance(channels, int) else 0
        return graph.node("Reshape", [inputs[0].name, graph.integers([0, known, -1])])


class Grid(Operator):
    """A sequence as a map, row by row: the inverse of `sequence`.

    (C, T) to (C, *sizes): of the size given, `grid(14x14)`, or of another tensor, `grid(@x)`.
    """

    spelling = "grid"
    arity = None
    sized_by = 1
    order = ("size",)
    examples = (
        ("2x12", "grid(3x4)"),
        ("2x8", "grid(2x2x2)"),
        ("2x3x4", "relu as x; sequence; grid(@x)"),
    )

    size: int | tuple[int, ...] | None = per_axis(None, doc="size of the map, one for each axis")

    def connect(self, wire: tuple[V, ...], references: tuple[V, ...]) -> tuple[V, ...]:
        need_partners(self, wire, references, 1 if self.size is None else 0)
        return (*wire, *references)

    def _sizes(self, *inputs: TensorType) -> tuple[Dim, ...]:
        if self.size is None:
            need_spatial(self, inputs[1])
            return inputs[1].spatial
        return (self.size,) if isinstance(self.size, int) else self.size

    def infer(self, *inputs: TensorType) -> TensorType:
        tensor, sizes = inputs[0], self._sizes(*inputs)
        need_spatial(self, tensor, 1)
        if not equal(tensor.spatial[0], numel(sizes)):
            wanted = "x".join(str(size) for size in (tensor.channels, *sizes))
            raise Rejection(ElementsDiffer(self.spelling, str(tensor), wanted))
        return tensor.with_shape(tensor.channels, *sizes)

    def macs(self, *inputs: TensorType) -> Dim:
        return 0

    def reach(self, *inputs: TensorType) -> Reach:
        return Unsupported("a sequence has no height and width")

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        sizes = self._sizes(*(type_of(x) for x in inputs))
        return inputs[0].unflatten(2, sizes)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        sizes = self._sizes(*(operand.type for operand in inputs))
        fixed = [size for size in sizes if isinstance(size, int)]
        if len(fixed) == len(sizes):
            shape = graph.integers([0, 0, *fixed])
        else:
            spatial = graph.sizes(inputs[1].name, 2)
            shape = graph.node("Concat", [graph.integers([0, 0]), spatial], axis=0)
        return graph.node("Reshape", [inputs[0].name, shape])
