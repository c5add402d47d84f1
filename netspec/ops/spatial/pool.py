"""Pooling windows and whole-map pooling, in one, two and three dimensions."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any, ClassVar

from netspec.ops.declare.checks import need_spatial, type_of
from netspec.ops.declare.geometry import Geometry, geometry, refuse_empty_windows
from netspec.ops.declare.interfaces import Builder, Modules, Operand
from netspec.ops.declare.operator import Operator
from netspec.ops.declare.params import count, flag, padding, per_axis
from netspec.ops.declare.reach import EVERYWHERE, Reach
from netspec.sizes.dims import Dim
from netspec.sizes.shapes import TensorType


class _Pool(Operator):
    """A window that reduces what it sees."""

    kernel: int | tuple[int, ...] = per_axis(2, doc="window size")
    stride: int | tuple[int, ...] | None = per_axis(None, doc="step; the kernel's size by default")
    pad: Any = padding(0, doc="border around the input")
    ceil: bool = flag(False, doc="round the number of windows up, as Caffe does")

    order: ClassVar[tuple[str, ...]] = ("kernel", "stride")

    def _geometry(self, tensor: TensorType) -> Geometry:
        need_spatial(self, tensor)
        stride = self.kernel if self.stride is None else self.stride
        window = geometry(
            self.spelling, tensor, self.kernel, stride, self.pad, self._dilation(), self.ceil
        )
        refuse_empty_windows(self.spelling, window, tensor)
        return window

    def _dilation(self) -> int | tuple[int, ...]:
        return 1

    def infer(self, *inputs: TensorType) -> TensorType | tuple[TensorType, ...]:
        tensor = inputs[0]
        sizes = self._geometry(tensor).output(self.spelling, tensor)
        return tensor.with_shape(tensor.channels, *sizes)

    def macs(self, *inputs: TensorType) -> Dim:
        return 0

    def window(self, *inputs: TensorType) -> Geometry:
        return self._geometry(inputs[0])

    def reach(self, *inputs: TensorType) -> Reach:
        return self._geometry(inputs[0]).window()


# The least of float32, which is finite: quantisation makes scales of what it sees.
LEAST = -3.4028234663852886e38


class MaxPool(_Pool):
    """The largest value in each window; padding never wins. NaN inputs are unspecified.

    (C, *sizes) to (C, *sizes'). Its indices are what `unpool(@name)` reads.
    """

    spelling = "maxpool"
    carried = 1
    examples = (
        ("3x9x9", "maxpool3/2(pad=1)"),
        ("3x8x8", "maxpool3/2(ceil=yes)"),
        ("2x9", "maxpool3/2(pad=(0, 1))"),
        ("2x4x6x8", "maxpool1x2x2"),
        ("3x11x11", "maxpool3/1(dilation=2)"),
    )

    dilation: int | tuple[int, ...] = per_axis(1, doc="step between the taps of a window")

    def _dilation(self) -> int | tuple[int, ...]:
        return self.dilation

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        pooled = super().infer(*inputs)
        assert isinstance(pooled, TensorType)
        return pooled, pooled

    def torch(self, modules: Modules, *inputs: TensorType) -> Any:
        window = self._geometry(inputs[0])
        return modules.windowed(
            "MaxPool",
            window,
            window.kernel,
            stride=window.stride,
            dilation=window.dilation,
            ceil_mode=window.ceil,
            return_indices=modules.is_read(1),
        )

    def onnx(self, graph: Builder, *inputs: Operand) -> tuple[str, ...]:
        name, tensor = inputs[0].name, inputs[0].type
        given = self._geometry(tensor)
        window = given.spelt_out(self.spelling, tensor)
        if _wide(window) and graph.is_read(1) and not _wide(given):
            # Places are counted without a border: the last windows stay where rounding up has them.
            window = given
        if _wide(window):
            name = graph.pad(name, [(0, 0), (0, 0), *window.pads], LEAST)
            window = replace(window, pads=((0, 0),) * len(window.pads))
        return graph.nodes(
            "MaxPool",
            [name],
            2 if graph.is_read(1) else 1,
            kernel_shape=list(window.kernel),
            strides=list(window.stride),
            dilations=list(window.dilation),
            pads=window.onnx_pads,
            **({"ceil_mode": 1} if window.ceil else {}),
        )


def wide_pads(pool: MaxPool, tensor: TensorType) -> bool:
    """Whether it pads as much as its undilated kernel, which ONNX Runtime refuses."""
    return _wide(pool.window(tensor))


def _wide(window: Geometry) -> bool:
    return any(max(p) >= k for p, k in zip(window.pads, window.kernel, strict=True))


class AvgPool(_Pool):
    """The mean of each window; `count_pad=no` leaves padding out of the count.

    (C, *sizes) to (C, *sizes').
    """

    spelling = "avgpool"
    examples = (
        ("3x9x9", "avgpool3/2(pad=1)"),
        ("3x8x8", "avgpool3/2(pad=tf_same, count_pad=no)"),
        ("2x9", "avgpool3/2(ceil=yes, pad=1)"),
        ("2x4x6x8", "avgpool2"),
    )

    count_pad: bool = flag(True, doc="whether padding counts as zeros in the mean")

    def torch(self, modules: Modules, *inputs: TensorType) -> Any:
        window = self._geometry(inputs[0])
        axes = list(zip(inputs[0].spatial, window.kernel, window.before, strict=True))
        # torch pads by half a window at most, and takes no volume smaller than its window.
        plain = window.symmetric and all(2 * before <= kernel for _, kernel, before in axes)
        if len(axes) == 3:
            plain = plain and all(
                isinstance(size, int) and size >= kernel for size, kernel, _ in axes
            )
        if not plain:
            return modules.apply(self, *inputs)
        return getattr(modules.nn, f"AvgPool{len(window.kernel)}d")(
            window.kernel,
            stride=window.stride,
            padding=window.before,
            ceil_mode=window.ceil,
            count_include_pad=self.count_pad,
        )

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        tensor, functions = inputs[0], torch.nn.functional
        window = self._geometry(type_of(tensor))
        pool = getattr(functions, f"avg_pool{len(window.kernel)}d")
        ends = window.torch_ends(self.spelling, type_of(tensor))
        value = float(self.count_pad)
        counted = functions.pad(torch.ones_like(tensor[:1, :1]), window.torch_pads, value=value)
        sums, counts = (
            pool(functions.pad(part, ends), window.kernel, window.stride)
            for part in (functions.pad(tensor, window.torch_pads), counted)
        )
        return sums / counts

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        name, tensor = inputs[0].name, inputs[0].type
        given = self._geometry(tensor)
        window, count_pad = given.spelt_out(self.spelling, tensor), self.count_pad
        if any(end > given.after[axis] for axis, end in enumerate(window.after)):
            # What the last windows overhang never counts. Where padding does, it is put there first.
            if count_pad and any(map(any, given.pads)):
                name = graph.pad(name, [(0, 0), (0, 0), *given.pads])
                ends = zip(window.after, given.after, strict=True)
                window = replace(window, pads=tuple((0, max(0, end - at)) for end, at in ends))
            count_pad = False
        return graph.node(
            "AveragePool",
            [name],
            kernel_shape=list(window.kernel),
            strides=list(window.stride),
            pads=window.onnx_pads,
            count_include_pad=int(count_pad),
        )


class LpPool(_Pool):
    """The p-norm of each window: the p-th root of the sum of |x|^p (Sermanet et al. 2012).

    (C, *sizes) to (C, *sizes').
    """

    spelling = "lppool"
    order = ("kernel", "stride", "p")
    examples = (
        ("3x9x9", "lppool3/2(pad=1)"),
        ("3x8x8", "lppool2(p=4)"),
        ("2x9", "lppool3/2(ceil=yes)"),
        ("2x4x6x8", "lppool2"),
    )

    p: int = count(2, high=16, doc="the norm's order")

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        functions = torch.nn.functional
        window = self._geometry(type_of(inputs[0]))
        pool = getattr(functions, f"avg_pool{len(window.kernel)}d")
        powers = functions.pad(inputs[0].abs() ** self.p, window.torch_pads)
        powers = functions.pad(powers, window.torch_ends(self.spelling, type_of(inputs[0])))
        means = pool(powers, window.kernel, window.stride)
        return (means * prod(window.kernel)) ** (1 / self.p)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        import numpy as np

        # No node `LpPool`: ONNX Runtime has it on the CPU only, others have none.
        window = self._geometry(inputs[0].type).spelt_out(self.spelling, inputs[0].type)
        power, root = (graph.constant(np.float32(value)) for value in (self.p, 1 / self.p))
        means = graph.node(
            "AveragePool",
            [graph.node("Pow", [graph.node("Abs", [inputs[0].name]), power])],
            kernel_shape=list(window.kernel),
            strides=list(window.stride),
            pads=window.onnx_pads,
            count_include_pad=1,
        )
        return graph.node("Pow", [graph.scaled(means, prod(window.kernel)), root])


class GlobalPool(Operator):
    """One value for each channel: (C, *sizes) to (C,), or to (C, 1, ...) with `keep`."""

    keep: bool = flag(False, doc="keep the spatial axes, with size 1")

    def infer(self, *inputs: TensorType) -> TensorType:
        rank = need_spatial(self, inputs[0])
        return inputs[0].with_shape(inputs[0].channels, *((1,) * rank if self.keep else ()))

    def macs(self, *inputs: TensorType) -> Dim:
        return 0

    def reach(self, *inputs: TensorType) -> Reach:
        return EVERYWHERE

    def _axes(self, spatial: int) -> tuple[int, ...]:
        """The spatial axes of a batch, of which there are so many."""
        return tuple(range(2, spatial + 2))


class GlobalAvgPool(GlobalPool):
    """Global average pooling: the mean over each channel, whatever the size.

    (C, *sizes) to (C,).
    """

    spelling = "gap"
    examples = (("3x5x6", "gap"), ("3x5", "gap(keep=yes)"), ("2x3x3x3", "gap"))

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        # As the published networks spell it: tools that count operations know this call.
        pool = getattr(torch.nn.functional, f"adaptive_avg_pool{inputs[0].dim() - 2}d")
        pooled = pool(inputs[0], 1)
        return pooled if self.keep else pooled.flatten(1)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        axes = self._axes(len(inputs[0].type.spatial))
        return graph.reduce("ReduceMean", inputs[0].name, axes, self.keep)


class GlobalMaxPool(GlobalPool):
    """Global max pooling, also max over time: the largest value of each channel.

    (C, *sizes) to (C,).
    """

    spelling = "gmp"
    aliases = ("max_over_time",)
    examples = (("3x5x6", "gmp"), ("3x5", "max_over_time"))

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        return inputs[0].amax(dim=self._axes(inputs[0].dim() - 2), keepdim=self.keep)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        axes = self._axes(len(inputs[0].type.spatial))
        return graph.reduce("ReduceMax", inputs[0].name, axes, self.keep)
