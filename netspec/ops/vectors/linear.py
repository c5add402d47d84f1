"""Fully connected layers and what feeds them."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

from netspec.diagnostics.messages.shapes import WrongRank
from netspec.diagnostics.raised import Rejection
from netspec.ops.declare.checks import fixed_channels, flat_size, need_spatial
from netspec.ops.declare.geometry import Geometry, geometry
from netspec.ops.declare.interfaces import Builder, Modules, Operand
from netspec.ops.declare.linear import Layout, Tensor, own_kernel
from netspec.ops.declare.linear import Linear as LinearLayer
from netspec.ops.declare.operator import Operator
from netspec.ops.declare.params import count, flag, layer, per_axis, scheme_of
from netspec.ops.declare.reach import EVERYWHERE, POINTWISE, Reach
from netspec.ops.declare.schemes import He, Zeros
from netspec.ops.declare.values import Layer
from netspec.ops.declare.weight import Scheme, Weight
from netspec.sizes.dims import Dim
from netspec.sizes.shapes import TensorType, numel


class Linear(Operator):
    """Fully connected: `fc-1000`. A map is flattened first, or the layer applied to every window.

    (*sizes) to (width,); with over=7, (C, *sizes) to (width, *sizes - 6), by the matrix that it has
    on a map of 7x7: a classifier evaluated densely (Sermanet et al. 2014). over=channels is a window
    of one place.
    """

    spelling = "fc"
    aliases = ("linear",)
    order = ("width",)
    follows = ("norm", "act")
    examples = (
        ("12", "fc-5"),
        ("3x4x5", "fc-7(bias=no)"),
        ("6x5", "fc-4(over=channels)"),
        ("3x6x7", "fc-4(over=3)"),
        ("3xHxW", "fc-4(over=2x3)"),
        ("3x4", "fc-5(over=4, bias=no)"),
        ("2x3x4x5", "fc-3(over=2)"),
    )

    width: int = count(doc="outputs")
    bias: bool = flag(True, doc="adds one trained value per output")
    over: str | int | tuple[int, ...] = per_axis(
        "all", words=("all", "channels"), doc="what it connects: all, each place or each window"
    )
    norm: Layer | None = layer(None, doc="layer that follows, before the activation")
    act: Layer | None = layer(None, doc="layer that follows last")
    init: Scheme | None = scheme_of(None, doc="initialisation of the matrix; He by default")
    bias_init: Scheme | None = scheme_of(None, doc="initialisation of the bias; zero by default")

    def window(self, *inputs: TensorType) -> Geometry | None:
        tensor = inputs[0]
        if self.over == "all" or (self.over == "channels" and not tensor.spatial):
            return None
        if self.over == "channels":
            return geometry(self.spelling, tensor, 1)
        assert not isinstance(self.over, str)
        if not tensor.spatial:
            advice = "leave `over` out: a vector has no windows"
            expected = "channels and 1 to 3 spatial axes"
            raise Rejection(WrongRank(self.spelling, expected, str(tensor), advice))
        need_spatial(self, tensor)
        return geometry(self.spelling, tensor, self.over)

    def _inputs(self, tensor: TensorType) -> int:
        window = self.window(tensor)
        if window is None:
            return flat_size(self.spelling, tensor)
        return fixed_channels(self.spelling, tensor) * prod(window.kernel)

    def _places(self, tensor: TensorType) -> tuple[Dim, ...]:
        window = self.window(tensor)
        return window.output(self.spelling, tensor) if window else ()

    def infer(self, *inputs: TensorType) -> TensorType:
        self._inputs(inputs[0])
        return inputs[0].with_shape(self.width, *self._places(inputs[0]))

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        into = self._inputs(inputs[0])
        init, bias_init = self.init or He(), self.bias_init or Zeros()
        fans = (into, self.width)
        weight = Weight("weight", (self.width, into), init, "param", *fans)
        bias = Weight("bias", (self.width,), bias_init, "param", *fans)
        return (weight, bias)[: 1 + self.bias]

    def macs(self, *inputs: TensorType) -> Dim:
        return numel(self._places(inputs[0])) * (self.width * self._inputs(inputs[0]))

    def reach(self, *inputs: TensorType) -> Reach:
        window = self.window(*inputs)
        if window is None:
            return EVERYWHERE
        return POINTWISE if prod(window.kernel) == 1 else window.window()

    def torch(self, modules: Modules, *inputs: TensorType) -> Any:
        window = self.window(*inputs)
        sizes = (self._inputs(inputs[0]), self.width, self.bias)
        if window is not None:
            return modules.linear("windows", *sizes, window.kernel)
        return modules.linear("flat" if inputs[0].spatial else "plain", *sizes)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        weight = graph.weight("weight")
        biases = [graph.weight("bias")] if self.bias else []
        name, rank = inputs[0].name, len(inputs[0].type.shape)
        window = self.window(inputs[0].type)
        if window is None:
            flat = name if rank == 1 else graph.node("Flatten", [name], axis=1)
            return graph.node("Gemm", [flat, weight, *biases], transB=1)
        if prod(window.kernel) > 1:
            channels = fixed_channels(self.spelling, inputs[0].type)
            shape = graph.integers([self.width, channels, *window.kernel])
            kernel = graph.node("Reshape", [weight, shape])
            return graph.node("Conv", [name, kernel, *biases], kernel_shape=list(window.kernel))
        last = graph.node("Transpose", [name], perm=[0, *range(2, rank + 1), 1])
        turned = graph.node("Transpose", [weight], perm=[1, 0])
        mapped = graph.node("MatMul", [last, turned])
        if biases:
            mapped = graph.node("Add", [mapped, *biases])
        return graph.node("Transpose", [mapped], perm=[0, rank, *range(1, rank)])

    def linear(self, own: Mapping[str, Tensor], *inputs: TensorType) -> LinearLayer:
        tensor = inputs[0]
        window = self.window(tensor)
        if window is None:
            sizes = tuple(size for size in tensor.spatial if isinstance(size, int))
            window = geometry(self.spelling, tensor, sizes)
        into = fixed_channels(self.spelling, tensor)
        kernel = own_kernel(own["weight"], Layout(self.width, into, 1, window.kernel))
        return LinearLayer(kernel, own.get("bias"), window, padded=False)
