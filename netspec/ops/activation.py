"""Activations: one function of one number, and softmax."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netspec.initial import Constant, Scheme
from netspec.ops.base import Elementwise, Weight
from netspec.ops.conv import fixed_channels
from netspec.ops.params import choice, real, scheme_of

if TYPE_CHECKING:
    from netspec.backends.onnx import Builder, Operand
    from netspec.backends.torch import Modules
    from netspec.shapes import TensorType


class Relu(Elementwise):
    """max(x, 0)."""

    spelling = "relu"
    examples = (("3x4", "relu"),)

    def torch(self, modules: Modules, *inputs: TensorType) -> Any:
        return modules.nn.ReLU()

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        return graph.node("Relu", [inputs[0].name])


class Relu6(Elementwise):
    """min(max(x, 0), 6)."""

    spelling = "relu6"
    examples = (("3x4", "relu6"),)

    def torch(self, modules: Modules, *inputs: TensorType) -> Any:
        return modules.nn.ReLU6()

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        import numpy as np

        low, high = graph.constant(np.float32(0)), graph.constant(np.float32(6))
        return graph.node("Clip", [inputs[0].name, low, high])


class LeakyRelu(Elementwise):
    """x where positive, slope * x elsewhere."""

    spelling = "leaky"
    order = ("slope",)
    examples = (("3x4", "leaky(0.2)"),)

    slope: float = real(0.01, doc="factor of negative values")

    def torch(self, modules: Modules, *inputs: TensorType) -> Any:
        return modules.nn.LeakyReLU(self.slope)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        return graph.node("LeakyRelu", [inputs[0].name], alpha=self.slope)


class Prelu(Elementwise):
    """x where positive, slope * x elsewhere, the slope trained (He et al. 2015, equation 1)."""

    spelling = "prelu"
    examples = (
        ("3x4x5", "prelu"),
        ("4", "prelu(per=layer)"),
        ("3x4", "prelu(init=0.1)"),
    )

    per: str = choice("channel", "layer", default="channel", doc="what has a slope of its own")
    init: Scheme | None = scheme_of(None, doc="initialisation of the slopes; 0.25 by default")

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        slopes = fixed_channels(self.spelling, inputs[0]) if self.per == "channel" else 1
        return (Weight("weight", (slopes,), self.init or Constant(0.25)),)

    def torch(self, modules: Modules, *inputs: TensorType) -> Any:
        return modules.nn.PReLU(self.weights(*inputs)[0].size)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        slopes, rank = graph.weight("weight"), len(inputs[0].type.spatial)
        if self.per == "channel" and rank:
            slopes = graph.node("Unsqueeze", [slopes, graph.integers(list(range(1, rank + 1)))])
        return graph.node("PRelu", [inputs[0].name, slopes])


class Sigmoid(Elementwise):
    """1 / (1 + exp(-x))."""

    spelling = "sigmoid"
    examples = (("3x4", "sigmoid"),)

    def torch(self, modules: Modules, *inputs: TensorType) -> Any:
        return modules.nn.Sigmoid()

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        return graph.node("Sigmoid", [inputs[0].name])


class Tanh(Elementwise):
    """Hyperbolic tangent; `scale * tanh(slope * x)` with LeCun's 1.7159 and 2/3 where given."""

    spelling = "tanh"
    order = ("scale", "slope")
    examples = (("3x4", "tanh"), ("3x4", "tanh(1.7159, 0.6667)"))

    scale: float = real(1.0, doc="factor of the result")
    slope: float = real(1.0, doc="factor of the input")

    def torch(self, modules: Modules, *inputs: TensorType) -> Any:
        if self.scale == 1 and self.slope == 1:
            return modules.nn.Tanh()
        return modules.apply(self, *inputs)

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        return self.scale * torch.tanh(self.slope * inputs[0])

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        import numpy as np

        name = inputs[0].name
        if self.slope != 1:
            name = graph.node("Mul", [name, graph.constant(np.float32(self.slope))])
        name = graph.node("Tanh", [name])
        if self.scale != 1:
            name = graph.node("Mul", [name, graph.constant(np.float32(self.scale))])
        return name


class Softmax(Elementwise):
    """Probabilities over the channels, or over the last axis."""

    spelling = "softmax"
    order = ("over",)
    examples = (("5", "softmax"), ("5x3x4", "softmax"), ("5x3", "softmax(over=last)"))

    over: str = choice("channels", "last", default="channels", doc="what sums to one")

    def torch(self, modules: Modules, *inputs: TensorType) -> Any:
        return modules.nn.Softmax(dim=1 if self.over == "channels" else -1)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        axis = 1 if self.over == "channels" else -1
        return graph.node("Softmax", [inputs[0].name], axis=axis)
