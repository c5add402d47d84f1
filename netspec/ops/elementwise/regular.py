"""Regularisation: layers that act in training and vanish when deployed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netspec.diagnostics.messages.shapes import ShapesDiffer
from netspec.diagnostics.raised import Rejection
from netspec.ops.declare.interfaces import Builder, Modules, Operand, V
from netspec.ops.declare.operator import Elementwise, Operator
from netspec.ops.declare.params import choice, real
from netspec.ops.declare.reach import POINTWISE, Reach
from netspec.sizes.dims import Dim
from netspec.sizes.shapes import TensorType


class _TrainingOnly(Elementwise):
    """Acts in training; deployed, what flows in flows out."""

    random = True

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        return inputs[0].name

    def deployed(self) -> int | None:
        return 0


class Dropout(_TrainingOnly):
    """Zeroes each value with probability `rate` in training; nothing when deployed.

    What stays is divided by 1 - rate (Srivastava et al. 2014). `over=channels` zeroes whole
    channels (Tompson et al. 2015).
    """

    spelling = "dropout"
    order = ("rate",)
    examples = (("3x4", "dropout(0.5)"), ("3x4x5", "dropout(0.2, over=channels)"))

    rate: float = real(0.5, low=0.0, high=1.0, doc="probability of zero")
    over: str = choice("values", "channels", default="values", doc="what is zeroed together")

    def torch(self, modules: Modules, *inputs: TensorType) -> Any:
        rank = len(inputs[0].spatial)
        if self.over == "values" or rank == 0:
            return modules.nn.Dropout(self.rate)
        return getattr(modules.nn, f"Dropout{rank}d")(self.rate)


class DropPath(_TrainingOnly):
    """Zeroes a whole sample with probability `rate` in training; nothing when deployed.

    Stochastic depth (Huang et al. 2016) on the branch of a residual, scheduled drop-path on those
    of a cell (Zoph et al. 2018). What stays is divided by 1 - rate.
    """

    spelling = "droppath"
    order = ("rate",)
    examples = (("3x4x5", "droppath(0.2)"), ("4", "droppath(0.5)"))

    rate: float = real(low=0.0, high=1.0, doc="probability of zero")

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        return inputs[0]

    def train(self, torch: Any, draws: Mapping[str, Any], *inputs: Any, **weights: Any) -> Any:
        tensor = inputs[0]
        sizes = tensor.shape[0], *((1,) * (tensor.dim() - 1))
        kept = torch.rand(sizes, device=tensor.device) >= self.rate
        return tensor * kept / (1 - self.rate) if self.rate < 1 else tensor * 0


class Sample(Operator):
    """Draws from a Gaussian in training, `mu + exp(log_var / 2) * noise`; its mean when deployed.

    The reparameterisation of Kingma and Welling 2014. Two tensors of one shape, mean and logarithm
    of the variance, from the wire or by reference: `sample(@mu, @log_var)`; to the same shape.
    """

    spelling = "sample"
    arity = 2
    random = True
    examples = (
        ("6", "{ | fc-2 as mu | fc-2 as log_var }; sample(@mu, @log_var)"),
        ("3x4x4", "{ | conv1-2 | conv1-2 }; sample"),
    )

    def connect(self, wire: tuple[V, ...], references: tuple[V, ...]) -> tuple[V, ...]:
        return references if len(references) == 2 else (*wire, *references)

    def infer(self, *inputs: TensorType) -> TensorType:
        if inputs[0] != inputs[1]:
            raise Rejection(ShapesDiffer(self.spelling, f"{inputs[0]} and {inputs[1]}"))
        return inputs[0]

    def macs(self, *inputs: TensorType) -> Dim:
        return 0

    def reach(self, *inputs: TensorType) -> Reach:
        return POINTWISE

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        return inputs[0]

    def train(self, torch: Any, draws: Mapping[str, Any], *inputs: Any, **weights: Any) -> Any:
        mu, log_var = inputs
        return mu + (log_var / 2).exp() * torch.randn_like(mu)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        return inputs[0].name

    def deployed(self) -> int | None:
        return 0
