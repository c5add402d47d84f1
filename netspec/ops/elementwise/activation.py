"""Activations: one function of one number, and softmax."""

from __future__ import annotations

from typing import Any, ClassVar

from netspec.diagnostics.messages.shapes import OutOfRange
from netspec.diagnostics.raised import Rejection
from netspec.ops.declare.checks import fixed_channels
from netspec.ops.declare.interfaces import Builder, Modules, Operand
from netspec.ops.declare.operator import Elementwise
from netspec.ops.declare.params import choice, real, scheme_of
from netspec.ops.declare.schemes import Constant
from netspec.ops.declare.weight import Scheme, Weight
from netspec.sizes.shapes import TensorType


class _Function(Elementwise):
    """A function that both back-ends have under a name, and that has no parameters."""

    _torch: ClassVar[str]
    _onnx: ClassVar[str]

    def torch(self, modules: Modules, *inputs: TensorType) -> Any:
        return getattr(modules.nn, self._torch)()

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        return graph.node(self._onnx, [inputs[0].name])


class Relu(_Function):
    """max(x, 0)."""

    spelling = "relu"
    examples = (("3x4", "relu"),)
    _torch, _onnx = "ReLU", "Relu"


class Sigmoid(_Function):
    """1 / (1 + exp(-x))."""

    spelling = "sigmoid"
    examples = (("3x4", "sigmoid"),)
    _torch, _onnx = "Sigmoid", "Sigmoid"


class Softsign(_Function):
    """x / (1 + |x|). After relu, the saturation of the Neocognitron's C-cells (Fukushima 1980)."""

    spelling = "softsign"
    examples = (("3x4", "softsign"), ("3x4", "relu; softsign"))
    _torch, _onnx = "Softsign", "Softsign"


class HardSwish(_Function):
    """x * hardsigmoid(x) (Howard et al. 2019)."""

    spelling = "hardswish"
    examples = (("3x4", "hardswish"),)
    _torch, _onnx = "Hardswish", "HardSwish"


class Mish(_Function):
    """x * tanh(softplus(x)) (Misra 2020)."""

    spelling = "mish"
    examples = (("3x4", "mish"),)
    _torch, _onnx = "Mish", "Mish"


class Selu(_Function):
    """1.0507 * elu(x, alpha=1.6733): keeps mean 0 and variance 1 (Klambauer et al. 2017)."""

    spelling = "selu"
    examples = (("3x4", "selu"),)
    _torch, _onnx = "SELU", "Selu"


class Silu(Elementwise):
    """x * sigmoid(x), also called swish (Ramachandran et al. 2017)."""

    spelling = "silu"
    aliases = ("swish",)
    examples = (("3x4", "silu"), ("3x4x5", "swish"))

    def torch(self, modules: Modules, *inputs: TensorType) -> Any:
        return modules.nn.SiLU()

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        name = inputs[0].name
        return graph.node("Mul", [name, graph.node("Sigmoid", [name])])


class HardSigmoid(Elementwise):
    """min(max(x / 6 + 1 / 2, 0), 1) (Howard et al. 2019)."""

    spelling = "hardsigmoid"
    examples = (("3x4", "hardsigmoid"),)

    def torch(self, modules: Modules, *inputs: TensorType) -> Any:
        return modules.nn.Hardsigmoid()

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        return graph.node("HardSigmoid", [inputs[0].name], alpha=1 / 6, beta=0.5)


class _Clipped(Elementwise):
    """x within two bounds."""

    def _bounds(self) -> tuple[float, float]:
        raise NotImplementedError

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        import numpy as np

        low, high = (graph.constant(np.float32(bound)) for bound in self._bounds())
        return graph.node("Clip", [inputs[0].name, low, high])


class Relu6(_Clipped):
    """min(max(x, 0), 6)."""

    spelling = "relu6"
    examples = (("3x4", "relu6"),)

    def _bounds(self) -> tuple[float, float]:
        return 0.0, 6.0

    def torch(self, modules: Modules, *inputs: TensorType) -> Any:
        return modules.nn.ReLU6()


class HardTanh(_Clipped):
    """min(max(x, low), high) (Collobert et al. 2011)."""

    spelling = "hardtanh"
    order = ("low", "high")
    examples = (("3x4", "hardtanh"), ("3x4", "hardtanh(-0.5, 2)"))

    low: float = real(-1.0, doc="smallest result")
    high: float = real(1.0, doc="largest result")

    def _bounds(self) -> tuple[float, float]:
        return self.low, self.high

    def infer(self, *inputs: TensorType) -> TensorType:
        if self.low >= self.high:
            raise Rejection(OutOfRange(self.spelling, "low", f"below high={self.high:g}", self.low))
        return super().infer(*inputs)

    def torch(self, modules: Modules, *inputs: TensorType) -> Any:
        return modules.nn.Hardtanh(self.low, self.high)


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
    examples = (("3x4x5", "prelu"), ("4", "prelu(per=layer)"), ("3x4", "prelu(init=0.1)"))

    per: str = choice("channel", "layer", default="channel", doc="what has a slope of its own")
    init: Scheme | None = scheme_of(None, doc="initialisation of the slopes; 0.25 by default")

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        slopes = fixed_channels(self.spelling, inputs[0]) if self.per == "channel" else 1
        return (Weight("weight", (slopes,), self.init or Constant(0.25)),)

    def torch(self, modules: Modules, *inputs: TensorType) -> Any:
        return modules.nn.PReLU(self.weights(*inputs)[0].size)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        rank = len(inputs[0].type.spatial) if self.per == "channel" else 0
        return graph.node("PRelu", [inputs[0].name, graph.channel_weight("weight", rank)])


class _Exponential(Elementwise):
    """Exponential where negative, the identity elsewhere."""

    order = ("alpha",)

    _torch: ClassVar[str]
    _onnx: ClassVar[str]

    alpha: float = real(1.0, low=1e-6, doc="what negative values saturate at, negated")

    def torch(self, modules: Modules, *inputs: TensorType) -> Any:
        return getattr(modules.nn, self._torch)(self.alpha)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        return graph.node(self._onnx, [inputs[0].name], alpha=self.alpha)


class Elu(_Exponential):
    """x where positive, alpha * (exp(x) - 1) elsewhere (Clevert et al. 2016)."""

    spelling = "elu"
    examples = (("3x4", "elu"), ("3x4", "elu(0.5)"))
    _torch, _onnx = "ELU", "Elu"


class Celu(_Exponential):
    """x where positive, alpha * (exp(x / alpha) - 1) elsewhere (Barron 2017)."""

    spelling = "celu"
    examples = (("3x4", "celu"), ("3x4", "celu(2)"))
    _torch, _onnx = "CELU", "Elu"

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        # No node `Celu`: ONNX Runtime has it on the CPU only.
        bent = graph.node("Elu", [graph.scaled(inputs[0].name, 1 / self.alpha)])
        return graph.scaled(bent, self.alpha)


class Gelu(Elementwise):
    """x * P(X <= x) for X standard normal; or its estimate by tanh (Hendrycks 2016)."""

    spelling = "gelu"
    order = ("form",)
    examples = (("3x4", "gelu"), ("3x4", "gelu(tanh)"))

    form: str = choice("exact", "tanh", default="exact", doc="the error function, or its estimate")

    def _approximate(self) -> str:
        return "none" if self.form == "exact" else "tanh"

    def torch(self, modules: Modules, *inputs: TensorType) -> Any:
        return modules.nn.GELU(self._approximate())

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        return graph.node("Gelu", [inputs[0].name], approximate=self._approximate())


class Softplus(Elementwise):
    """log(1 + exp(beta * x)) / beta."""

    spelling = "softplus"
    order = ("beta",)
    examples = (("3x4", "softplus"), ("3x4", "softplus(2)"))

    beta: float = real(1.0, low=1e-6, doc="how sharply it bends")

    def torch(self, modules: Modules, *inputs: TensorType) -> Any:
        return modules.nn.Softplus(self.beta)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        bent = graph.node("Softplus", [graph.scaled(inputs[0].name, self.beta)])
        return graph.scaled(bent, 1 / self.beta)


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
        bent = graph.node("Tanh", [graph.scaled(inputs[0].name, self.slope)])
        return graph.scaled(bent, self.scale)


class Softmax(Elementwise):
    """Probabilities over the channels, or over the last axis."""

    spelling = "softmax"
    order = ("over",)
    examples: ClassVar[tuple[tuple[str, str], ...]] = (
        ("5", "softmax"),
        ("5x3x4", "softmax"),
        ("5x3", "softmax(over=last)"),
    )

    _name: ClassVar[str] = "Softmax"

    over: str = choice("channels", "last", default="channels", doc="what sums to one")

    def torch(self, modules: Modules, *inputs: TensorType) -> Any:
        return getattr(modules.nn, self._name)(dim=1 if self.over == "channels" else -1)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        axis = 1 if self.over == "channels" else -1
        return graph.node(self._name, [inputs[0].name], axis=axis)


class LogSoftmax(Softmax):
    """Logarithms of softmax's probabilities."""

    spelling = "log_softmax"
    examples = (("5", "log_softmax"), ("5x3", "log_softmax(over=last)"))
    _name = "LogSoftmax"
