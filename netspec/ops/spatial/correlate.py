"""Convolution whose kernel is a tensor, made by other steps: correlation with what was computed."""

from __future__ import annotations

from math import prod
from typing import Any

from netspec.diagnostics.messages.shapes import NotDivisible, UnknownSize, WrongPartner
from netspec.diagnostics.raised import Rejection
from netspec.ops.declare.checks import fixed_channels, need_partners, need_spatial, type_of
from netspec.ops.declare.geometry import Geometry, geometry
from netspec.ops.declare.interfaces import Builder, Operand, V
from netspec.ops.declare.operator import Operator
from netspec.ops.declare.params import count, padding, per_axis
from netspec.ops.declare.plain import plain
from netspec.ops.declare.reach import Reach
from netspec.ops.spatial.unfold import taps_apart
from netspec.sizes.batch import SHARED
from netspec.sizes.dims import Dim
from netspec.sizes.shapes import TensorType, numel


@plain
def correlated(
    torch: Any,
    x: Any,
    kernel: Any,
    pads: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
    groups: int,
) -> Any:
    """Slides kernels (rows, width, channels / groups, *window) over x; one row is for all samples."""
    functional = torch.nn.functional
    slide = (functional.conv1d, functional.conv2d, functional.conv3d)[x.dim() - 3]
    if any(pads):
        x = functional.pad(x, pads)
    rows = kernel.shape[0]
    if rows > 1:
        # Samples become groups of channels, each with the kernels of its own.
        x = x.expand(rows, *x.shape[1:]).reshape(1, rows * x.shape[1], *x.shape[2:])
    kernels, parts = kernel.flatten(0, 1), rows * groups
    found: Any = slide(x, kernels, None, stride, 0, dilation, parts)
    return torch.unflatten(found.squeeze(0), 0, (rows, -1)) if rows > 1 else found


class Correlate(Operator):
    """Convolution whose kernel is a tensor: `correlate(@kernel, pad=same)`.

    (C, *sizes) and a kernel (width, C / groups, *window) to (width, *sizes'); a kernel (C, *window)
    gives one channel for each group. It is the same for all samples where no input goes into it, as a
    `parameter` that is standardised or demodulated first (Qiao et al. 2019; Karras et al. 2020), or
    each sample's own: what an exemplar looks like (SiamFC, Bertinetto et al. 2016), a mixture of
    experts' kernels (CondConv, Yang et al. 2019). A bias is an `affine` or an `add` behind it.
    """

    spelling = "correlate"
    arity = 2
    batches = "broadcast"
    order = ("stride",)
    examples = (
        ("4x7x8", "crop(size=3x3); waves as k; @input; correlate(@k, pad=same)"),
        ("4x9x9", "crop(size=3x2, offset=1x0); relu as seen; @input; correlate(@seen, groups=4)"),
        (
            "4x11",
            "flatten; slice(0, 24); reshape(6x2x2) as k; @input; "
            "correlate(@k, stride=2, pad=(1, 0), groups=2)",
        ),
        ("2xHxW", "gap; reshape(1x2x1x1) as k; @input; correlate(@k, stride=2)"),
        (
            "4x6x7",
            "crop(size=2x3); waves; groupnorm(1, affine=no) as k; @input; "
            "correlate(@k, dilation=2, pad=2)",
        ),
    )

    stride: int | tuple[int, ...] = per_axis(1, doc="step between windows")
    pad: Any = padding(0, doc="zeros around the input")
    dilation: int | tuple[int, ...] = per_axis(1, doc="step between the taps of a window")
    groups: int = count(1, doc="groups of channels that see only each other")

    def connect(self, wire: tuple[V, ...], references: tuple[V, ...]) -> tuple[V, ...]:
        if len(wire) == 2 and not references:
            return wire
        need_partners(self, wire, references, 1)
        return (*wire, *references)

    def _kernel(self, *inputs: TensorType) -> tuple[int, ...]:
        """The kernel's sizes, (width, channels of a group, *window)."""
        tensor, kernel = inputs
        rank, channels = need_spatial(self, tensor), fixed_channels(self.spelling, tensor)
        if channels % self.groups:
            raise Rejection(NotDivisible(self.spelling, "channels", self.groups, channels))
        sizes = tuple(size for size in kernel.shape if isinstance(size, int))
        if len(sizes) < len(kernel.shape):
            advice = "the sizes of a kernel must be numbers"
            raise Rejection(UnknownSize(self.spelling, str(kernel), advice))
        each = channels // self.groups
        if len(sizes) == rank + 1:
            sizes = (sizes[0] // each, each, *sizes[1:]) if sizes[0] % each == 0 else ()
            fits = bool(sizes) and sizes[0] == self.groups
        else:
            fits = len(sizes) == rank + 2 and sizes[1] == each and sizes[0] % self.groups == 0
        if not fits:
            window = ", ".join(f"k{axis}" for axis in range(1, rank + 1))
            expected = (
                f"a kernel (width, {each}, {window}) or ({channels}, {window}) for {tensor}, "
                f"not {kernel}"
            )
            raise Rejection(WrongPartner(self.spelling, expected))
        return sizes

    def _geometry(self, *inputs: TensorType) -> Geometry:
        window = self._kernel(*inputs)[2:]
        return geometry(self.spelling, inputs[0], window, self.stride, self.pad, self.dilation)

    def infer(self, *inputs: TensorType) -> TensorType:
        width = self._kernel(*inputs)[0]
        sizes = self._geometry(*inputs).output(self.spelling, inputs[0])
        return inputs[0].with_shape(width, *sizes)

    def macs(self, *inputs: TensorType) -> Dim:
        places = numel(self._geometry(*inputs).output(self.spelling, inputs[0]))
        return places * prod(self._kernel(*inputs))

    def window(self, *inputs: TensorType) -> Geometry:
        return self._geometry(*inputs)

    def reach(self, *inputs: TensorType) -> Reach:
        return self._geometry(*inputs).window()

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        x, kernel = inputs
        types = [type_of(tensor) for tensor in inputs]
        window = self._geometry(*types)
        kernel = kernel.reshape(-1, *self._kernel(*types))
        pads = tuple(window.torch_pads)
        return correlated(torch, x, kernel, pads, window.stride, window.dilation, self.groups)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        tensor, kernel = inputs
        types = [operand.type for operand in inputs]
        sizes, window = self._kernel(*types), self._geometry(*types)
        if kernel.type.batch == SHARED:
            name = graph.node("Reshape", [kernel.name, graph.integers(sizes)])
            return self._slid(graph, tensor.name, name, window, self.groups)
        return self._of_samples(graph, tensor, kernel, sizes, window)

    def _slid(self, graph: Builder, name: str, kernel: str, window: Geometry, groups: int) -> str:
        return graph.node(
            "Conv",
            [name, kernel],
            kernel_shape=list(window.kernel),
            strides=list(window.stride),
            dilations=list(window.dilation),
            pads=window.onnx_pads,
            group=groups,
        )

    def _of_samples(
        self,
        graph: Builder,
        tensor: Operand,
        kernel: Operand,
        sizes: tuple[int, ...],
        window: Geometry,
    ) -> str:
        """Kernels of each sample: ONNX's have none, so what a window sees becomes a column of a matrix."""
        width, each, *taps = sizes
        seen, groups = prod(taps), self.groups
        found = taps_apart(graph, tensor.name, window)
        rows = graph.sizes(tensor.name, 0, 1)
        columns = graph.node("Concat", [rows, graph.integers([groups, each * seen, -1])], axis=0)
        matrix = graph.node("Reshape", [found, columns])
        shape = graph.integers([0, groups, width // groups, each * seen])
        product = graph.node("MatMul", [graph.node("Reshape", [kernel.name, shape]), matrix])
        back = graph.node("Concat", [graph.integers([0, width]), graph.sizes(found, 2)], axis=0)
        return graph.node("Reshape", [product, back])
