"""Normalisation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netspec.initial import Ones, Scheme, Zeros
from netspec.ops.base import Elementwise, Reach, Weight, need_spatial
from netspec.ops.conv import fixed_channels
from netspec.ops.params import count, flag, real, scheme_of
from netspec.shapes import TensorType

if TYPE_CHECKING:
    from netspec.backends.onnx import Builder, Operand
    from netspec.backends.torch import Modules


class BatchNorm(Elementwise):
    """Batch normalisation over the channels, with running statistics when deployed.

    (C, *sizes) to the same shape.
    """

    spelling = "bn"
    aliases = ("batchnorm",)
    examples = (
        ("3x5x6", "bn"),
        ("4", "bn(eps=0.001)"),
        ("4x5", "bn(affine=no)"),
        ("2x3x3x3", "bn"),
    )

    eps: float = real(1e-5, low=0.0, doc="added to the variance")
    momentum: float = real(0.1, low=0.0, high=1.0, doc="weight of a new batch's statistics")
    affine: bool = flag(True, doc="has a trained scale and shift")
    init: Scheme | None = scheme_of(None, doc="initialisation of the scale; one by default")

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        shape = (fixed_channels(self.spelling, inputs[0]),)
        trained = (
            Weight("weight", shape, self.init or Ones()),
            Weight("bias", shape, Zeros()),
        )
        running = (
            Weight("running_mean", shape, Zeros(), "statistic"),
            Weight("running_var", shape, Ones(), "statistic"),
        )
        return (*trained, *running) if self.affine else running

    def torch(self, modules: Modules, *inputs: TensorType) -> Any:
        rank = max(1, len(inputs[0].spatial))
        kind = getattr(modules.nn, f"BatchNorm{rank}d")
        channels = fixed_channels(self.spelling, inputs[0])
        return kind(channels, eps=self.eps, momentum=self.momentum, affine=self.affine)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        import numpy as np

        channels = fixed_channels(self.spelling, inputs[0].type)
        if self.affine:
            scale, shift = graph.weight("weight"), graph.weight("bias")
        else:
            scale = graph.constant(np.ones(channels, np.float32))
            shift = graph.constant(np.zeros(channels, np.float32))
        names = [scale, shift, graph.weight("running_mean"), graph.weight("running_var")]
        return graph.node("BatchNormalization", [inputs[0].name, *names], epsilon=self.eps)


class LocalResponseNorm(Elementwise):
    """Local response normalisation over neighbouring channels (Krizhevsky et al. 2012).

    x / (k + alpha / size * sum of squares over `size` channels) ^ beta, (C, *sizes) to the same.
    alpha is divided by `size`, as Caffe and PyTorch do; the paper's formula does not divide.
    """

    spelling = "lrn"
    order = ("size",)
    examples = (("6x5x5", "lrn(5)"), ("6x5x5", "lrn(4, alpha=0.5, k=2)"), ("7x4", "lrn(3)"))

    size: int = count(5, doc="channels in a window")
    alpha: float = real(1e-4, doc="weight of the sum")
    beta: float = real(0.75, doc="exponent")
    k: float = real(1.0, doc="added to the sum")

    def reach(self, *inputs: TensorType) -> Reach:
        need_spatial(self, inputs[0])
        return super().reach(*inputs)

    def infer(self, *inputs: TensorType) -> TensorType:
        need_spatial(self, inputs[0])
        return super().infer(*inputs)

    def torch(self, modules: Modules, *inputs: TensorType) -> Any:
        return modules.nn.LocalResponseNorm(self.size, self.alpha, self.beta, self.k)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        if self.size % 2:
            return graph.node(
                "LRN",
                [inputs[0].name],
                size=self.size,
                alpha=self.alpha,
                beta=self.beta,
                bias=self.k,
            )
        # ONNX Runtime refuses even sizes, and ONNX centres them differently from PyTorch.
        import numpy as np

        name, rank = inputs[0].name, len(inputs[0].type.spatial)
        one = graph.integers([1])
        square = graph.node("Unsqueeze", [graph.node("Mul", [name, name]), one])
        zeros = [0] * rank
        mean = graph.node(
            "AveragePool",
            [square],
            kernel_shape=[self.size, *([1] * rank)],
            pads=[self.size // 2, *zeros, (self.size - 1) // 2, *zeros],
            count_include_pad=1,
        )
        mean = graph.node("Squeeze", [mean, one])
        scaled = graph.node("Mul", [mean, graph.constant(np.float32(self.alpha))])
        shifted = graph.node("Add", [scaled, graph.constant(np.float32(self.k))])
        power = graph.node("Pow", [shifted, graph.constant(np.float32(self.beta))])
        return graph.node("Div", [name, power])
