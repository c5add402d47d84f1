"""Arithmetic on one tensor: by constants, by trained numbers, and the powers norms are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netspec.diagnostics.messages.shapes import OutOfRange
from netspec.diagnostics.raised import Rejection
from netspec.ops.declare.checks import fixed_channels
from netspec.ops.declare.interfaces import Builder, Operand
from netspec.ops.declare.linear import Constant, Scaling, Tensor
from netspec.ops.declare.operator import Elementwise
from netspec.ops.declare.params import choice, count, flag, real, scheme_of
from netspec.ops.declare.schemes import Ones, Zeros
from netspec.ops.declare.weight import Scheme, Weight
from netspec.sizes.shapes import TensorType


class Scaled(Elementwise):
    """factor * x + shift, both constant: Inception-ResNet scales its residuals by 0.1 to 0.3."""

    spelling = "scaled"
    order = ("factor", "shift")
    examples = (("3x4x5", "scaled(0.17)"), ("4", "scaled(2, -1)"))

    factor: float = real(doc="what is multiplied")
    shift: float = real(0.0, doc="what is added")

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        product = -inputs[0] if self.factor == -1 else inputs[0] * self.factor
        return product + self.shift if self.shift else product

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        import numpy as np

        product = graph.scaled(inputs[0].name, self.factor)
        if not self.shift:
            return product
        return graph.node("Add", [product, graph.constant(np.float32(self.shift))])

    def scaling(self, own: Mapping[str, Tensor], *inputs: TensorType) -> Scaling:
        return Scaling(Constant(self.factor), Constant(self.shift) if self.shift else None)


class Affine(Elementwise):
    """weight * x + bias, trained, one of each for every channel, or for all.

    ConvNeXt's layer scale is `affine(bias=no, init=1e-6)`, StarReLU (Yu et al. 2022) is
    `relu; square; affine(per=layer)`. `affine-8` makes 8 channels of a single one.
    (C, *sizes) to the same shape, or (1, *sizes) to (width, *sizes).
    """

    spelling = "affine"
    order = ("width",)
    examples = (
        ("3x4x5", "affine"),
        ("4", "affine(bias=no, init=1e-6)"),
        ("2x3x3x3", "affine"),
        ("1x4x5", "affine-6"),
        ("3x4", "affine(per=layer, init=0.75, bias_init=0.5)"),
    )
    either = ("width", "per")

    width: int | None = count(None, doc="output channels; as many as flow in")
    per: str = choice("channel", "layer", default="channel", doc="what has values of its own")
    bias: bool = flag(True, doc="adds a trained value")
    init: Scheme | None = scheme_of(None, doc="initialisation of the factors; one by default")
    bias_init: Scheme | None = scheme_of(None, doc="initialisation of the bias; zero by default")

    def infer(self, *inputs: TensorType) -> TensorType:
        channels = fixed_channels(self.spelling, inputs[0])
        if channels != 1 and self.width not in (None, channels):
            allowed = f"{channels}, as many as flow in; only one channel makes several"
            raise Rejection(OutOfRange(self.spelling, "width", allowed, self.width))
        return inputs[0].with_shape(self.width or channels, *inputs[0].spatial)

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        channels = self.width or fixed_channels(self.spelling, inputs[0])
        shape = (1 if self.per == "layer" else channels,)
        factors = Weight("weight", shape, self.init or Ones())
        return (factors, Weight("bias", shape, self.bias_init or Zeros()))[: 1 + self.bias]

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        ends = (1,) * (inputs[0].dim() - 2)
        product = inputs[0] * weights["weight"].view(-1, *ends)
        return product + weights["bias"].view(-1, *ends) if self.bias else product

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        rank = len(inputs[0].type.spatial)
        product = graph.node("Mul", [inputs[0].name, graph.channel_weight("weight", rank)])
        if not self.bias:
            return product
        return graph.node("Add", [product, graph.channel_weight("bias", rank)])

    def scaling(self, own: Mapping[str, Tensor], *inputs: TensorType) -> Scaling | None:
        if self.infer(*inputs) != inputs[0]:
            return None
        return Scaling(own["weight"], own.get("bias"))


class Square(Elementwise):
    """x * x."""

    spelling = "square"
    examples = (("3x4", "square"),)

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        return inputs[0] * inputs[0]

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        return graph.node("Mul", [inputs[0].name, inputs[0].name])


class Sqrt(Elementwise):
    """The square root; not a number where negative."""

    spelling = "sqrt"
    examples = (("3x4", "square; sqrt"), ("2x4x4", "square; avgpool2; sqrt"))

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        return inputs[0].sqrt()

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        return graph.node("Sqrt", [inputs[0].name])


class Abs(Elementwise):
    """|x|: the rectification of Jarrett et al. 2009."""

    spelling = "abs"
    examples = (("3x4", "abs"),)

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        return inputs[0].abs()

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        return graph.node("Abs", [inputs[0].name])
