"""Functions of one number by their mathematical names: what boxes, angles and means are made of."""

from __future__ import annotations

from typing import Any, ClassVar

from netspec.diagnostics.messages.shapes import OutOfRange
from netspec.diagnostics.raised import Rejection
from netspec.ops.declare.interfaces import Builder, Operand
from netspec.ops.declare.operator import Elementwise
from netspec.ops.declare.params import real
from netspec.sizes.shapes import TensorType


class _Named(Elementwise):
    """A function that torch and ONNX have under names of their own."""

    _torch: ClassVar[str]
    _onnx: ClassVar[str]

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        return getattr(torch, self._torch)(inputs[0])

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        return graph.node(self._onnx, [inputs[0].name])


class Exp(_Named):
    """e to the power of x: a box's size from its regressed logarithm."""

    spelling = "exp"
    examples = (("3x4", "exp"),)
    _torch, _onnx = "exp", "Exp"


class Log(_Named):
    """The natural logarithm: minus infinity at 0, not a number where negative."""

    spelling = "log"
    examples = (("3x4", "square; log"),)
    _torch, _onnx = "log", "Log"


class Sin(_Named):
    """The sine of an angle in radians."""

    spelling = "sin"
    examples = (("3x4", "sin"),)
    _torch, _onnx = "sin", "Sin"


class Cos(_Named):
    """The cosine of an angle in radians."""

    spelling = "cos"
    examples = (("3x4", "cos"),)
    _torch, _onnx = "cos", "Cos"


class Reciprocal(_Named):
    """1 / x, infinite at 0."""

    spelling = "reciprocal"
    examples = (("3x4", "exp; reciprocal"),)
    _torch, _onnx = "reciprocal", "Reciprocal"


class Power(Elementwise):
    """x to a constant power; not a number where x is negative and the power is not whole.

    The generalised mean of Radenovic et al. 2018 is `clip(low=1e-6); pow(3); gap; pow(1/3)`.
    """

    spelling = "pow"
    order = ("exponent",)
    examples = (("3x4", "pow(3)"), ("3x4x5", "clip(low=0.01); pow(3); gap; pow(1/3)"))

    exponent: float = real(doc="the power")

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        return inputs[0].pow(self.exponent)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        import numpy as np

        return graph.node("Pow", [inputs[0].name, graph.constant(np.float32(self.exponent))])


class Clip(Elementwise):
    """x held within two bounds, either of which may be left out.

    As an activation with both, it is `hardtanh`.
    """

    spelling = "clip"
    order = ("low", "high")
    examples = (("3x4", "clip(-0.5, 1)"), ("3x4", "clip(low=0)"), ("3x4x5", "clip(high=0.3)"))

    low: float | None = real(None, doc="smallest result; none for no bound")
    high: float | None = real(None, doc="largest result; none for no bound")

    def infer(self, *inputs: TensorType) -> TensorType:
        if self.low is None and self.high is None:
            raise Rejection(OutOfRange(self.spelling, "low", "given, or else high", "none"))
        if self.low is not None and self.high is not None and self.low > self.high:
            allowed = f"at most high={self.high:g}"
            raise Rejection(OutOfRange(self.spelling, "low", allowed, self.low))
        return super().infer(*inputs)

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        return inputs[0].clamp(self.low, self.high)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        import numpy as np

        # Both bounds: not all readers know a node with one of them.
        low = graph.constant(np.float32("-inf" if self.low is None else self.low))
        high = graph.constant(np.float32("inf" if self.high is None else self.high))
        return graph.node("Clip", [inputs[0].name, low, high])
