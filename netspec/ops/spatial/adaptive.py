"""Adaptive pooling: to a fixed size, whatever the input's."""

from __future__ import annotations

from typing import Any, ClassVar

from netspec.diagnostics.messages.shapes import UnknownSize
from netspec.diagnostics.raised import Rejection
from netspec.foundation.records import record
from netspec.ops.declare.checks import need_spatial
from netspec.ops.declare.geometry import every_axis
from netspec.ops.declare.interfaces import Builder, Modules, Operand
from netspec.ops.declare.operator import Operator
from netspec.ops.declare.params import per_axis
from netspec.ops.declare.reach import EVERYWHERE, Reach, Unsupported, Window
from netspec.sizes.dims import Dim
from netspec.sizes.shapes import TensorType


def bins(size: int, out: int) -> list[tuple[int, int]]:
    """Where each of so many bins of an axis starts and ends."""
    return [(i * size // out, -(-(i + 1) * size // out)) for i in range(out)]


@record
class _Axis:
    """One axis of a tensor of `rank` axes, to be reduced from `size` to `out` bins."""

    place: int
    rank: int
    size: int
    out: int

    @property
    def bins(self) -> list[tuple[int, int]]:
        """Where each bin starts and ends."""
        return bins(self.size, self.out)


class _AdaptivePool(Operator):
    """Bin i of n along an axis of s covers floor(i * s / n) to ceil((i + 1) * s / n)."""

    order = ("size",)

    _kind: ClassVar[str]

    size: int | tuple[int, ...] = per_axis(doc="output size")

    def _outs(self, tensor: TensorType) -> tuple[int, ...]:
        return every_axis(self.size, need_spatial(self, tensor), self.spelling, tensor)

    def _sizes(self, tensor: TensorType) -> tuple[tuple[int, int], ...]:
        """(size, bins) for each axis, an axis of unknown size as the one bin that it must be."""
        pairs = []
        for size, out in zip(tensor.spatial, self._outs(tensor), strict=True):
            if not isinstance(size, int) and out != 1:
                advice = "where the size is a symbol, an axis can be pooled to 1 only"
                raise Rejection(UnknownSize(self.spelling, str(tensor), advice))
            pairs.append((size if isinstance(size, int) else 1, out))
        return tuple(pairs)

    def infer(self, *inputs: TensorType) -> TensorType:
        return inputs[0].with_shape(inputs[0].channels, *(o for _, o in self._sizes(inputs[0])))

    def macs(self, *inputs: TensorType) -> Dim:
        return 0

    def reach(self, *inputs: TensorType) -> Reach:
        if all(out == 1 for out in self._outs(inputs[0])):
            return EVERYWHERE
        if self._whole(inputs[0]):
            return Unsupported("its windows are as large as the input")
        sizes = self._sizes(inputs[0])
        if any(size % out for size, out in sizes):
            return Unsupported("its windows differ in size")
        steps = tuple(size // out for size, out in sizes)
        return Window(steps, steps, (1,) * len(steps), (0,) * len(steps))

    def torch(self, modules: Modules, *inputs: TensorType) -> Any:
        sizes = self._outs(inputs[0])
        return getattr(modules.nn, f"Adaptive{self._kind}Pool{len(sizes)}d")(sizes)

    def _whole(self, tensor: TensorType) -> list[int]:
        """The axes of a batch that are symbols, of which everything goes into one bin."""
        return [i for i, size in enumerate(tensor.spatial, 2) if not isinstance(size, int)]

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        sizes, name = self._sizes(inputs[0].type), inputs[0].name
        if whole := self._whole(inputs[0].type):
            reduce = {"Avg": "ReduceMean", "Max": "ReduceMax"}[self._kind]
            name = graph.reduce(reduce, name, whole)
        if all(size == out for size, out in sizes):
            return name
        if all(size % out == 0 for size, out in sizes):
            steps = [size // out for size, out in sizes]
            return graph.node(
                "AveragePool" if self._kind == "Avg" else "MaxPool",
                [name],
                kernel_shape=steps,
                strides=steps,
            )
        for axis, (size, out) in enumerate(sizes):
            if size != out:
                name = self._binned(graph, name, _Axis(axis + 2, len(sizes) + 2, size, out))
        return name

    def _binned(self, graph: Builder, name: str, axis: _Axis) -> str:
        """Adds the nodes that reduce one axis by bins of unequal width."""
        raise NotImplementedError


class AdaptiveAvgPool(_AdaptivePool):
    """Adaptive average pooling to a fixed size: bin i of n covers floor(i*s/n) to ceil((i+1)*s/n).

    (C, *sizes) to (C, *size). An axis whose size is a symbol can be pooled to 1.
    """

    spelling = "adaptive_avgpool"
    examples = (
        ("3x8x8", "adaptive_avgpool(4)"),
        ("3x7x9", "adaptive_avgpool(3x4)"),
        ("2x5", "adaptive_avgpool(7)"),
        ("2xHx9", "adaptive_avgpool(1x2)"),
    )
    _kind = "Avg"

    def _binned(self, graph: Builder, name: str, axis: _Axis) -> str:
        import numpy as np

        matrix = np.zeros((axis.size, axis.out))
        for i, (start, end) in enumerate(axis.bins):
            matrix[start:end, i] = 1 / (end - start)
        return graph.mapped(name, axis.rank, axis.place, matrix)


class AdaptiveMaxPool(_AdaptivePool):
    """Adaptive max pooling to a fixed size: bin i of n covers floor(i*s/n) to ceil((i+1)*s/n).

    (C, *sizes) to (C, *size). An axis whose size is a symbol can be pooled to 1.
    """

    spelling = "adaptive_maxpool"
    examples = (
        ("3x8x8", "adaptive_maxpool(4)"),
        ("3x7x9", "adaptive_maxpool(3x4)"),
        ("2x5", "adaptive_maxpool(7)"),
        ("2xHxW", "adaptive_maxpool(1)"),
    )
    _kind = "Max"

    def _binned(self, graph: Builder, name: str, axis: _Axis) -> str:
        import numpy as np

        # Narrow bins take their last element more than once, which a maximum does not notice.
        widest = max(end - start for start, end in axis.bins)
        places = [[min(start + i, end - 1) for i in range(widest)] for start, end in axis.bins]
        found = graph.node("Gather", [name, graph.constant(np.asarray(places))], axis=axis.place)
        return graph.reduce("ReduceMax", found, [axis.place + 1], keep=False)
