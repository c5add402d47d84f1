"""Regularisation: layers that act in training and vanish when deployed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netspec.ops.base import Elementwise
from netspec.ops.params import real

if TYPE_CHECKING:
    from netspec.backends.onnx import Builder, Operand
    from netspec.backends.torch import Modules
    from netspec.shapes import TensorType


class Dropout(Elementwise):
    """Zeroes each value with probability `rate` in training; nothing when deployed."""

    spelling = "dropout"
    order = ("rate",)
    random = True
    examples = (("3x4", "dropout(0.5)"),)

    rate: float = real(0.5, low=0.0, high=1.0, doc="probability of zero")

    def torch(self, modules: Modules, *inputs: TensorType) -> Any:
        return modules.nn.Dropout(self.rate)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        return inputs[0].name

    def deployed(self) -> int | None:
        return 0
