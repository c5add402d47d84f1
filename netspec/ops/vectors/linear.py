"""Fully connected layers and what feeds them."""

from __future__ import annotations

from typing import Any

from netspec.ops.declare.checks import fixed_channels, flat_size
from netspec.ops.declare.interfaces import Builder, Modules, Operand
from netspec.ops.declare.operator import Operator
from netspec.ops.declare.params import choice, count, flag, layer, scheme_of
from netspec.ops.declare.reach import EVERYWHERE, POINTWISE, Reach
from netspec.ops.declare.schemes import He, Zeros
from netspec.ops.declare.values import Layer
from netspec.ops.declare.weight import Scheme, Weight
from netspec.sizes.dims import Dim
from netspec.sizes.shapes import TensorType, numel


class Linear(Operator):
    """Fully connected: `fc-1000`. A map is flattened first; `over=channels` maps each position.

    (*sizes) to (width,); with over=channels, (C, *sizes) to (width, *sizes).
    """

    spelling = "fc"
    aliases = ("linear",)
    order = ("width",)
    follows = ("norm", "act")
    examples = (
        ("12", "fc-5"),
        ("3x4x5", "fc-7(bias=no)"),
        ("6x5", "fc-4(over=channels)"),
    )

    width: int = count(doc="outputs")
    bias: bool = flag(True, doc="adds one trained value per output")
    over: str = choice("all", "channels", default="all", doc="what it connects")
    norm: Layer | None = layer(None, doc="layer that follows, before the activation")
    act: Layer | None = layer(None, doc="layer that follows last")
    init: Scheme | None = scheme_of(None, doc="initialisation of the matrix; He by default")
    bias_init: Scheme | None = scheme_of(None, doc="initialisation of the bias; zero by default")

    def _inputs(self, tensor: TensorType) -> int:
        if self.over == "channels":
            return fixed_channels(self.spelling, tensor)
        return flat_size(self.spelling, tensor)

    def infer(self, *inputs: TensorType) -> TensorType:
        self._inputs(inputs[0])
        places = inputs[0].spatial if self.over == "channels" else ()
        return inputs[0].with_shape(self.width, *places)

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        into = self._inputs(inputs[0])
        init, bias_init = self.init or He(), self.bias_init or Zeros()
        fans = (into, self.width)
        weight = Weight("weight", (self.width, into), init, "param", *fans)
        bias = Weight("bias", (self.width,), bias_init, "param", *fans)
        return (weight, bias)[: 1 + self.bias]

    def macs(self, *inputs: TensorType) -> Dim:
        places = numel(inputs[0].spatial) if self.over == "channels" else 1
        return places * (self.width * self._inputs(inputs[0]))

    def reach(self, *inputs: TensorType) -> Reach:
        return POINTWISE if self.over == "channels" else EVERYWHERE

    def torch(self, modules: Modules, *inputs: TensorType) -> Any:
        into = self._inputs(inputs[0])
        kind = "flat" if self.over == "all" else "channels"
        if len(inputs[0].shape) == 1:
            kind = "plain"
        return modules.linear(kind, into, self.width, self.bias)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        weight = graph.weight("weight")
        bias = graph.weight("bias") if self.bias else None
        name, rank = inputs[0].name, len(inputs[0].type.shape)
        if self.over == "all" or rank == 1:
            flat = name if rank == 1 else graph.node("Flatten", [name], axis=1)
            return graph.node("Gemm", [flat, weight, *([bias] if bias else [])], transB=1)
        last = graph.node("Transpose", [name], perm=[0, *range(2, rank + 1), 1])
        turned = graph.node("Transpose", [weight], perm=[1, 0])
        mapped = graph.node("MatMul", [last, turned])
        if bias:
            mapped = graph.node("Add", [mapped, bias])
        return graph.node("Transpose", [mapped], perm=[0, rank, *range(1, rank)])
