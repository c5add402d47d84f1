"""Convolutions, in one, two and three dimensions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any

from netspec.diagnostics.messages.names import MissingArgument
from netspec.diagnostics.messages.shapes import NotDivisible, OutOfRange
from netspec.diagnostics.raised import Rejection
from netspec.ops.declare.checks import fixed_channels, need_spatial, type_of
from netspec.ops.declare.geometry import (
    BORDERS,
    ONNX_BORDERS,
    Geometry,
    check_border,
    every_axis,
    geometry,
    positive,
)
from netspec.ops.declare.interfaces import Builder, Modules, Operand
from netspec.ops.declare.known import Values
from netspec.ops.declare.layers import padded, pads_itself
from netspec.ops.declare.linear import (
    Constant,
    Layout,
    Linear,
    Standardised,
    Tensor,
    Vector,
    own_kernel,
)
from netspec.ops.declare.operator import Operator
from netspec.ops.declare.params import (
    choice,
    count,
    flag,
    known,
    layer,
    padding,
    per_axis,
    real,
    scheme_of,
)
from netspec.ops.declare.plain import plain
from netspec.ops.declare.reach import Reach, Upsampling
from netspec.ops.declare.schemes import He, Ones, Zeros
from netspec.ops.declare.values import Layer
from netspec.ops.declare.weight import Scheme, Weight
from netspec.ops.spatial.border import FAR
from netspec.sizes.dims import Dim
from netspec.sizes.shapes import TensorType, numel


class Convolution(Operator):
    """What the convolutions share: the window, the groups and the weights."""

    kernel: int | tuple[int, ...] | None = per_axis(
        implied_by=("fixed", "init"), doc="window size; that of the lists in `fixed` or `init`"
    )
    stride: int | tuple[int, ...] = per_axis(1, doc="step between windows")
    pad: Any = padding(0, doc="zeros around the input")
    dilation: int | tuple[int, ...] = per_axis(1, doc="step between the taps of a window")
    bias: bool = flag(True, doc="adds one trained value per output channel")
    norm: Layer | None = layer(None, doc="layer that follows, before the activation")
    act: Layer | None = layer(None, doc="layer that follows last")
    init: Scheme | None = scheme_of(None, doc="initialisation of the kernel; He by default")
    bias_init: Scheme | None = scheme_of(None, doc="initialisation of the bias; zero by default")
    fixed: Scheme | None = known(None, doc="a kernel that is given and not trained, no parameter")

    follows = ("norm", "act")
    either = ("fixed", "init")

    def _border(self) -> str:
        """What the padding holds: zeros, or a word of BORDERS."""
        return "zeros"

    def _geometry(self, tensor: TensorType) -> Geometry:
        return self._padded(tensor, self.pad)

    def _padded(self, tensor: TensorType, pad: Any) -> Geometry:
        """The window over a tensor with this padding."""
        rank = need_spatial(self, tensor)
        kernel = self.kernel
        if kernel is None:
            lists = self.fixed or self.init
            assert isinstance(lists, Values)
            kernel = lists.shape[-rank:]
        return geometry(self.spelling, tensor, kernel, self.stride, pad, self.dilation)

    def _channels(self, tensor: TensorType) -> tuple[int, int, int]:
        """Input channels, output channels and groups."""
        raise NotImplementedError

    def infer(self, *inputs: TensorType) -> TensorType:
        tensor = inputs[0]
        window = self._geometry(tensor)
        check_border(self.spelling, "pad", tensor, window.pads, self._border())
        _, out, _ = self._channels(tensor)
        sizes = window.output(self.spelling, tensor)
        return tensor.with_shape(out, *sizes)

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        into, out, groups = self._channels(inputs[0])
        kernel = self._geometry(inputs[0]).kernel
        taps = prod(kernel)
        shape = (out, into // groups, *kernel)
        fans = (into // groups * taps, out // groups * taps)
        return self._owned(out, shape, kernel, *fans)

    def _owned(
        self, out: int, shape: tuple[int, ...], kernel: tuple[int, ...], fan_in: int, fan_out: int
    ) -> tuple[Weight, ...]:
        """The kernel, and the bias of `out` channels where there is one."""
        kind = "constant" if self.fixed else "param"
        init = self.fixed or self.init or He()
        weight = Weight("weight", shape, init, kind, fan_in, fan_out, window=len(kernel))
        bias = Weight("bias", (out,), self.bias_init or Zeros(), "param", fan_in, fan_out)
        return (weight, bias)[: 1 + self.bias]

    def macs(self, *inputs: TensorType) -> Dim:
        into, out, groups = self._channels(inputs[0])
        window = self._geometry(inputs[0])
        places = numel(window.output(self.spelling, inputs[0]))
        return places * (out * (into // groups) * prod(window.kernel))

    def window(self, *inputs: TensorType) -> Geometry:
        return self._geometry(inputs[0])

    def reach(self, *inputs: TensorType) -> Reach:
        return self._geometry(inputs[0]).window()

    def torch(self, modules: Modules, *inputs: TensorType) -> Any:
        border = self._border()
        more = {} if border == "zeros" else {"padding_mode": border}
        return self._module(modules, "Conv", inputs[0], **more)

    def _module(self, modules: Modules, kind: str, tensor: TensorType, **more: Any) -> Any:
        """torch's module of this kind, which slides the window over a tensor."""
        into, out, groups = self._channels(tensor)
        window = self._geometry(tensor)
        return modules.windowed(
            kind,
            window,
            into,
            out,
            window.kernel,
            stride=window.stride,
            dilation=window.dilation,
            groups=groups,
            bias=self.bias,
            **more,
        )

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        _, _, groups = self._channels(inputs[0].type)
        window = self._geometry(inputs[0].type)
        return self._slid(graph, "Conv", inputs[0], graph.weight("weight"), window, group=groups)

    def _slid(
        self,
        graph: Builder,
        op_type: str,
        tensor: Operand,
        kernel: str,
        window: Geometry,
        **more: Any,
    ) -> str:
        """Adds the node that slides a kernel of this name over a tensor, and adds the bias."""
        name, pads = tensor.name, window.onnx_pads
        if self._border() != "zeros" and any(pads):
            name = graph.pad(
                name, ((0, 0), (0, 0), *window.pads), mode=ONNX_BORDERS[self._border()]
            )
            pads = [0] * len(pads)
        return graph.node(
            op_type,
            [name, kernel, *([graph.weight("bias")] if self.bias else [])],
            kernel_shape=list(window.kernel),
            strides=list(window.stride),
            dilations=list(window.dilation),
            pads=pads,
            **more,
        )

    def linear(self, own: Mapping[str, Tensor], *inputs: TensorType) -> Linear | None:
        window = self._geometry(inputs[0])
        into, out, groups = self._channels(inputs[0])
        kernel = own_kernel(own["weight"], Layout(out, into, groups, window.kernel))
        padded = any(map(any, window.pads))
        return Linear(kernel, own.get("bias"), window, padded, self._border())


@plain
def standardised(torch: Any, kernel: Any, eps: float) -> Any:
    """A kernel whose output channels each have mean 0 and variance 1."""
    flat = kernel.flatten(1)
    centred = flat - flat.mean(1, keepdim=True)
    variance = centred.square().mean(1, keepdim=True)
    return (centred / (variance + eps).sqrt()).reshape(kernel.shape)


class Sliding(Convolution):
    """A convolution whose kernel lies in memory by output channels: it may be standardised."""

    pad_mode: str = choice("zeros", *BORDERS, default="zeros", doc="what the padding holds")
    standardise: float | None = real(
        None,
        low=1e-12,
        doc="each output channel's kernel gets mean 0 and variance 1; this is added to the variance",
    )
    gain: float | None = real(
        None,
        doc="a standardised kernel over the square root of its size, times this and a trained "
        "factor for each output channel",
    )

    def _border(self) -> str:
        return self.pad_mode

    def infer(self, *inputs: TensorType) -> TensorType:
        if self.gain is not None and self.standardise is None:
            raise Rejection(MissingArgument(self.spelling, "standardise", self.usage()))
        return super().infer(*inputs)

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        found = super().weights(*inputs)
        gain = Weight("gain", found[0].shape[:1], Ones())
        return found if self.gain is None else (*found, gain)

    def _gain(self, shape: Sequence[int]) -> float:
        """What a standardised kernel of a shape is multiplied by besides its trained factors."""
        assert self.gain is not None
        return float(self.gain / prod(shape[1:]) ** 0.5)

    def torch(self, modules: Modules, *inputs: TensorType) -> Any:
        if self.standardise is None:
            return super().torch(modules, *inputs)
        return modules.apply(self, *inputs)

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        assert self.standardise is not None
        tensor = type_of(inputs[0])
        window, groups = self._geometry(tensor), self._channels(tensor)[2]
        kernel = standardised(torch, weights["weight"], self.standardise)
        if self.gain is not None:
            ones = (1,) * (len(window.kernel) + 1)
            gain = weights["gain"] * self._gain(tuple(kernel.shape))
            kernel = kernel * gain.reshape(-1, *ones)
        own = pads_itself("Conv", window) and self._border() == "zeros"

        def slide(x: Any) -> Any:
            convolve = getattr(torch.nn.functional, f"conv{len(window.kernel)}d")
            pad = window.before if own else 0
            return convolve(
                x, kernel, weights.get("bias"), window.stride, pad, window.dilation, groups
            )

        if own:
            return slide(inputs[0])
        return padded(torch, slide, window, inputs[0], self._border())

    def _kernel(self, tensor: TensorType) -> Weight:
        return Convolution.weights(self, tensor)[0]

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        if self.standardise is None:
            return super().onnx(graph, *inputs)
        _, _, groups = self._channels(inputs[0].type)
        window = self._geometry(inputs[0].type)
        kernel = self._standardised(graph, self._kernel(inputs[0].type))
        return self._slid(graph, "Conv", inputs[0], kernel, window, group=groups)

    def _standardised(self, graph: Builder, weight: Weight) -> str:
        """Adds the nodes that make the kernel of the trained one."""
        import numpy as np

        axes = list(range(1, len(weight.shape)))
        name = graph.weight("weight")
        centred = graph.node("Sub", [name, graph.reduce("ReduceMean", name, axes)])
        square = graph.node("Mul", [centred, centred])
        eps = graph.constant(np.float32(self.standardise))
        variance = graph.node("Add", [graph.reduce("ReduceMean", square, axes), eps])
        kernel = graph.node("Div", [centred, graph.node("Sqrt", [variance])])
        if self.gain is None:
            return kernel
        gain = graph.scaled(graph.weight("gain"), self._gain(weight.shape))
        return graph.node("Mul", [kernel, graph.node("Unsqueeze", [gain, graph.integers(axes)])])

    def linear(self, own: Mapping[str, Tensor], *inputs: TensorType) -> Linear | None:
        found = super().linear(own, *inputs)
        if self.standardise is None or found is None:
            return found
        layout, weight = found.kernel.layout, own["weight"]
        rows: tuple[Vector, ...] = ()
        if self.gain is not None:
            rows = (own["gain"], Constant(self._gain(weight.weight.shape)))
        made = Standardised(weight, layout.out, self.standardise)
        return replace(found, kernel=own_kernel(made, layout, rows))


class Grouped(Convolution):
    """A convolution whose channels are divided into groups."""

    width: int = count(doc="output channels")
    groups: int = count(1, doc="groups of channels that see only each other")

    def _channels(self, tensor: TensorType) -> tuple[int, int, int]:
        into = fixed_channels(self.spelling, tensor)
        for what, value in (("input channels", into), ("width", self.width)):
            if value % self.groups:
                raise Rejection(NotDivisible(self.spelling, what, self.groups, value))
        return into, self.width, self.groups


class Conv(Sliding, Grouped):
    """Convolution: `conv3-64/2` slides 64 kernels of size 3 in steps of 2.

    (C, *sizes) to (width, *sizes'). `standardise=1e-5` is weight standardisation (Qiao et al. 2019),
    with `gain=1.7139588` that of nets without norms (Brock et al. 2021), there for relu.
    """

    spelling = "conv"
    order = ("kernel", "width", "stride")
    examples = (
        ("3x9x9", "conv3-8/2(pad=1)"),
        ("4x7x9", "conv1x3-6(pad=same, dilation=2, groups=2)"),
        ("4x11", "conv4-6/3(pad=(1, 2), bias=no)"),
        ("2x5x6x7", "conv3-4(pad=tf_same, stride=2)"),
        ("1x7x8", "conv-2(fixed=[[[[-1, 0, 1]]], [[[1, 0, -1]]]], pad=same, bias=no)"),
        ("3x6x7", "conv3-4/2(pad=((1, 0), (2, 3)), pad_mode=circular)"),
        ("3x6x7", "conv3-4(pad=same, pad_mode=reflect)"),
        ("4x6x7", "conv3-6(pad=same, groups=2, standardise=1e-5)"),
        ("3x6x7", "conv3-4/2(pad=tf_same, standardise=1e-6, gain=1.71)"),
    )


class DepthwiseConv(Sliding):
    """Depthwise convolution: each channel has kernels of its own. Defaults for `conv` apply.

    (C, *sizes) to (C * multiplier, *sizes').
    """

    spelling = "dwconv"
    order = ("kernel", "stride")
    defaults_of = "conv"
    examples = (
        ("4x9x9", "dwconv3/2(pad=1)"),
        ("3x8", "dwconv5(pad=same, multiplier=2)"),
        ("3x9x9", "dwconv(fixed=[[0, 1, 0], [1, -4, 1], [0, 1, 0]], bias=no)"),
        ("2x9x9", "dwconv5/2(fixed=gaussian_window(1.5), pad=2)"),
    )

    multiplier: int = count(1, doc="output channels per input channel")

    def _channels(self, tensor: TensorType) -> tuple[int, int, int]:
        into = fixed_channels(self.spelling, tensor)
        return into, into * self.multiplier, into


class TransposedConv(Grouped):
    """Transposed convolution: `deconv2-64/2` doubles the size. Padding crops its output.

    (C, *sizes) to (width, *sizes'), sizes' = (size - 1) * stride + kernel - pads + output_pad; with
    pad=same or tf_same, sizes' = size * stride, the odd row cropped at the far end.
    """

    spelling = "deconv"
    order = ("kernel", "width", "stride")
    examples = (
        ("4x5x6", "deconv3-6/2(pad=1, output_pad=1)"),
        ("4x5", "deconv4-6/2(pad=(1, 0), groups=2)"),
        ("4x5x6", "deconv3-6/2(pad=same)"),
        ("3x4", "deconv2-3/3(pad=tf_same)"),
        ("2x3x3x3", "deconv2-4/2(bias=no)"),
        ("3x4x4", "deconv4-3/2(pad=1, fixed=bilinear, bias=no)"),
    )

    output_pad: int | tuple[int, ...] = per_axis(0, low=0, doc="extra size at the far end")

    def _geometry(self, tensor: TensorType) -> Geometry:
        if self.pad not in ("same", "tf_same"):
            return super()._geometry(tensor)
        whole = self._padded(tensor, 0)
        surplus = (max(r - s, 0) for r, s in zip(whole.reach, whole.stride, strict=True))
        return replace(whole, pads=tuple((total // 2, total - total // 2) for total in surplus))

    def _output_pad(self, tensor: TensorType) -> tuple[int, ...]:
        extra = every_axis(self.output_pad, len(tensor.spatial), self.spelling, tensor)
        window = self._geometry(tensor)
        if self.pad in ("same", "tf_same"):
            short = (max(s - r, 0) for r, s in zip(window.reach, window.stride, strict=True))
            extra = tuple(given + more for given, more in zip(extra, short, strict=True))
        for size, stride in zip(extra, window.stride, strict=True):
            if size >= stride:
                allowed = f"below the stride {stride}"
                raise Rejection(OutOfRange(self.spelling, "output_pad", allowed, size))
        return extra

    def infer(self, *inputs: TensorType) -> TensorType:
        tensor = inputs[0]
        window = self._geometry(tensor)
        extra = self._output_pad(tensor)
        sizes = tuple(
            (size - 1) * stride + reach - before - after + more
            for size, stride, reach, (before, after), more in zip(
                tensor.spatial, window.stride, window.reach, window.pads, extra, strict=True
            )
        )
        return tensor.with_shape(self.width, *positive(self.spelling, tensor, sizes))

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        into, out, groups = self._channels(inputs[0])
        window = self._geometry(inputs[0])
        taps = prod(window.kernel)
        # Each output element is reached by kernel / stride of the taps.
        fan_in = max(1, into // groups * taps // prod(window.stride))
        shape = (into, out // groups, *window.kernel)
        fan_out = out // groups * taps
        return self._owned(out, shape, window.kernel, fan_in, fan_out)

    def macs(self, *inputs: TensorType) -> Dim:
        into, out, groups = self._channels(inputs[0])
        taps = prod(self._geometry(inputs[0]).kernel)
        return numel(inputs[0].spatial) * (into * (out // groups) * taps)

    def reach(self, *inputs: TensorType) -> Reach:
        window = self._geometry(inputs[0])
        return Upsampling(window.reach, window.stride, window.before)

    def torch(self, modules: Modules, *inputs: TensorType) -> Any:
        extra = self._output_pad(inputs[0])
        return self._module(modules, "ConvTranspose", inputs[0], output_padding=extra)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        # Padding crops, and ONNX Runtime crops both ends alike on a GPU: the rest is sliced off.
        window = self._geometry(inputs[0].type)
        alike = tuple((min(pair), min(pair)) for pair in window.pads)
        name = self._slid(
            graph,
            "ConvTranspose",
            inputs[0],
            graph.weight("weight"),
            replace(window, pads=alike),
            output_padding=list(self._output_pad(inputs[0].type)),
            group=self.groups,
        )
        if window.symmetric:
            return name
        starts = [before - both for before, (both, _) in zip(window.before, alike, strict=True)]
        ends = [both - after or FAR for after, (both, _) in zip(window.after, alike, strict=True)]
        axes = range(2, len(starts) + 2)
        return graph.node("Slice", [name, *map(graph.integers, (starts, ends, axes))])

    def linear(self, own: Mapping[str, Tensor], *inputs: TensorType) -> Linear:
        window = self._geometry(inputs[0])
        into, out, groups = self._channels(inputs[0])
        layout = Layout(out, into, groups, window.kernel, transposed=True)
        return Linear(own_kernel(own["weight"], layout), own.get("bias"), window, padded=True)
