"""Windows laid side by side in the channels, and put back where they came from, summed where they overlap."""

from __future__ import annotations

from math import prod
from typing import Any

from netspec.diagnostics.messages.shapes import NotDivisible, ShapesDiffer
from netspec.diagnostics.raised import Rejection
from netspec.ops.declare.checks import fixed_channels, need_partners, need_spatial, type_of
from netspec.ops.declare.geometry import Geometry, geometry
from netspec.ops.declare.interfaces import Builder, Operand, V
from netspec.ops.declare.operator import Operator
from netspec.ops.declare.params import padding, per_axis
from netspec.ops.declare.reach import Reach, Unsupported
from netspec.sizes.conditions import equal
from netspec.sizes.dims import Dim
from netspec.sizes.shapes import TensorType


def taps_apart(graph: Builder, name: str, window: Geometry) -> str:
    """The name of the windows of a tensor (N, C, *sizes), as (N x C, taps, *sizes')."""
    sizes = graph.node("Concat", [graph.integers([-1, 1]), graph.sizes(name, 2)], axis=0)
    return graph.node(
        "Conv",
        [graph.node("Reshape", [name, sizes]), _each_tap(graph, window)],
        kernel_shape=list(window.kernel),
        strides=list(window.stride),
        dilations=list(window.dilation),
        pads=window.onnx_pads,
        group=1,
    )


def _each_tap(graph: Builder, window: Geometry) -> str:
    """The name of kernels that have one tap each, in the order in which the taps lie."""
    import numpy as np

    taps = prod(window.kernel)
    return graph.constant(np.eye(taps, dtype=np.float32).reshape(taps, 1, *window.kernel))


class _Windows(Operator):
    """What laying windows apart and putting them back have in common: which windows there are."""

    order = ("kernel", "stride")

    kernel: int | tuple[int, ...] = per_axis(doc="window size")
    stride: int | tuple[int, ...] = per_axis(1, doc="step between windows")
    pad: Any = padding(0, doc="zeros around the map")
    dilation: int | tuple[int, ...] = per_axis(1, doc="step between the taps of a window")

    def _geometry(self, tensor: TensorType) -> Geometry:
        need_spatial(self, tensor, 1, 2)
        return geometry(self.spelling, tensor, self.kernel, self.stride, self.pad, self.dilation)

    def macs(self, *inputs: TensorType) -> Dim:
        return 0

    def _sides(self, window: Geometry) -> tuple[tuple[int, ...], ...]:
        """Kernel, dilation, no padding and stride, of two axes, as torch's functions take them."""
        axis = len(window.kernel) == 1
        given = (window.kernel, window.dilation, (0,) * len(window.kernel), window.stride)
        return tuple((int(side is not given[2]), *side) if axis else side for side in given)


class Unfold(_Windows):
    """Lays what each window sees in the channels: `unfold3(pad=1)` gives 9 times as many.

    (C, *sizes) to (C * taps, *sizes'), the taps of a channel together, row by row: torch's `unfold`
    kept as a map. `fold` puts windows back. Weighing them place by place is what VOLO (Yuan et al. 2022)
    and involution (Li et al. 2021) do.
    """

    spelling = "unfold"
    examples = (
        ("2x5x6", "unfold3(pad=1)"),
        ("3x7", "unfold3/2(dilation=2, pad=(1, 2))"),
        ("2x6x9", "unfold2x3/2(pad=same)"),
        ("2xHxW", "unfold3(pad=1, stride=2)"),
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        window, channels = (
            self._geometry(inputs[0]),
            fixed_channels(self.spelling, inputs[0]),
        )
        sizes = window.output(self.spelling, inputs[0])
        return inputs[0].with_shape(channels * prod(window.kernel), *sizes)

    def window(self, *inputs: TensorType) -> Geometry:
        return self._geometry(inputs[0])

    def reach(self, *inputs: TensorType) -> Reach:
        return self._geometry(inputs[0]).window()

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        tensor = type_of(inputs[0])
        window = self._geometry(tensor)
        x = torch.nn.functional.pad(inputs[0], window.torch_pads)
        plane = x.unsqueeze(2) if x.dim() == 3 else x
        found = torch.nn.functional.unfold(plane, *self._sides(window))
        return found.unflatten(2, window.output(self.spelling, tensor))

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        window = self._geometry(inputs[0].type)
        found = taps_apart(graph, inputs[0].name, window)
        channels = fixed_channels(self.spelling, inputs[0].type) * prod(window.kernel)
        sizes = [graph.integers([-1, channels]), graph.sizes(found, 2)]
        return graph.node("Reshape", [found, graph.node("Concat", sizes, axis=0)])


class Fold(_Windows):
    """Puts windows back where `unfold` took them, and adds where they overlap: `fold3(@x, pad=1)`.

    (C * taps, *sizes'), and x (D, *sizes) for its sizes, to (C, *sizes): torch's `fold`.
    """

    spelling = "fold"
    arity = 2
    sized_by = 1
    examples = (
        ("2x5x6", "relu as x; unfold3(pad=1); fold3(@x, pad=1)"),
        (
            "3x8",
            "relu as x; unfold3/2(dilation=2, pad=(1, 2)); fold3/2(@x, dilation=2, pad=(1, 2))",
        ),
        ("2x6x9", "relu as x; unfold2x3/2(pad=same); fold2x3/2(@x, pad=same)"),
        ("2xHxW", "relu as x; unfold3/2(pad=1); fold3/2(@x, pad=1)"),
    )

    def connect(self, wire: tuple[V, ...], references: tuple[V, ...]) -> tuple[V, ...]:
        need_partners(self, wire, references, 1)
        return (*wire, *references)

    def infer(self, *inputs: TensorType) -> TensorType:
        tensor, whole = inputs
        window, channels = self._geometry(whole), fixed_channels(self.spelling, tensor)
        taps = prod(window.kernel)
        if channels % taps:
            raise Rejection(NotDivisible(self.spelling, "channels", taps, channels))
        sizes = window.output(self.spelling, whole)
        if len(tensor.spatial) != len(sizes) or not all(map(equal, tensor.spatial, sizes)):
            advice = f"such windows of the second are {'x'.join(map(str, sizes))}"
            raise Rejection(ShapesDiffer(self.spelling, f"{tensor} and {whole}", advice))
        return tensor.with_shape(channels // taps, *whole.spatial)

    def reach(self, *inputs: TensorType) -> Reach:
        return Unsupported("a place is a sum over the windows that it is in")

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        tensor, whole = inputs
        sizes = tuple(whole.shape[2:])
        window = self._geometry(type_of(whole))
        ends = [size + sum(pads) for size, pads in zip(sizes, window.pads, strict=True)]
        plane = ends if len(ends) == 2 else [1, *ends]
        found = torch.nn.functional.fold(tensor.flatten(2), plane, *self._sides(window))
        for axis, (start, size) in enumerate(zip(window.before, sizes, strict=True)):
            found = found.narrow(axis - len(sizes), start, size)
        return found if len(ends) == 2 else found.squeeze(2)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        tensor, whole = inputs
        window = self._geometry(whole.type)
        rank, taps = len(window.kernel), prod(window.kernel)
        sizes = [graph.integers([-1, taps]), graph.sizes(tensor.name, 2)]
        name = graph.node("Reshape", [tensor.name, graph.node("Concat", sizes, axis=0)])
        name = graph.node(
            "ConvTranspose",
            [name, _each_tap(graph, window)],
            kernel_shape=list(window.kernel),
            strides=list(window.stride),
            dilations=list(window.dilation),
            pads=[0] * (2 * rank),
            output_padding=[0] * rank,
            group=1,
        )
        channels = fixed_channels(self.spelling, tensor.type) // taps
        sizes = [graph.integers([-1, channels]), graph.sizes(name, 2)]
        name = graph.node("Reshape", [name, graph.node("Concat", sizes, axis=0)])
        if any(step > 1 for step in window.stride):
            # Places that no window reaches, as many as a step at most leaves.
            rest = [(0, step - 1) for step in window.stride]
            name = graph.pad(name, ((0, 0), (0, 0), *rest))
        start = graph.integers(window.before)
        end = graph.node("Add", [graph.sizes(whole.name, 2), start])
        return graph.node("Slice", [name, start, end, graph.integers(range(2, rank + 2))])
