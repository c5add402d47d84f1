"""Local response normalisation."""

from __future__ import annotations

from typing import Any

from netspec.ops.declare.checks import fixed_channels, need_spatial
from netspec.ops.declare.interfaces import Builder, Modules, Operand
from netspec.ops.declare.operator import Elementwise
from netspec.ops.declare.params import count, real
from netspec.sizes.shapes import TensorType


class LocalResponseNorm(Elementwise):
    """Local response normalisation over neighbouring channels (Krizhevsky et al. 2012).

    x / (k + alpha / size * sum of squares over `size` channels) ^ beta, (C, *sizes) to the same.
    alpha is divided by `size`, as Caffe and PyTorch do; the paper's formula does not divide.
    """

    spelling = "lrn"
    order = ("size",)
    examples = (
        ("6x5x5", "lrn(5)"),
        ("6x5x5", "lrn(4, alpha=0.5, k=2)"),
        ("7x4", "lrn(3)"),
        ("4x2x3x2", "lrn(3)"),
        ("3x5x5", "lrn(1000001, alpha=10)"),
    )

    size: int = count(5, doc="channels in a window")
    alpha: float = real(1e-4, doc="weight of the sum")
    beta: float = real(0.75, doc="exponent")
    k: float = real(1.0, doc="added to the sum")

    def infer(self, *inputs: TensorType) -> TensorType:
        need_spatial(self, inputs[0])
        fixed_channels(self.spelling, inputs[0])
        return super().infer(*inputs)

    def _window(self, tensor: TensorType) -> tuple[int, float]:
        """The size and alpha: windows past both ends of the channels hold what shorter ones do."""
        most = 2 * fixed_channels(self.spelling, tensor) - 1
        if self.size <= most:
            return self.size, self.alpha
        return most, self.alpha * most / self.size

    def torch(self, modules: Modules, *inputs: TensorType) -> Any:
        size, alpha = self._window(inputs[0])
        return modules.nn.LocalResponseNorm(size, alpha, self.beta, self.k)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        name, tensor = inputs[0].name, inputs[0].type
        size, alpha = self._window(tensor)
        if size % 2 and len(tensor.spatial) == 2 and min(alpha, self.beta, self.k) > 1e-37:
            settings = {"alpha": alpha, "beta": self.beta, "bias": self.k}
            return graph.node("LRN", [name], size=size, **settings)
        # ONNX Runtime refuses even sizes, which ONNX centres differently from PyTorch, all but maps
        # and factors that are zero in float32, and cancels where k is zero: there windows slide
        # along the channels.
        import numpy as np

        rows = graph.integers([0, 1, fixed_channels(self.spelling, tensor), -1])
        mean = graph.node(
            "AveragePool",
            [graph.node("Reshape", [graph.node("Mul", [name, name]), rows])],
            kernel_shape=[size, 1],
            pads=[size // 2, 0, (size - 1) // 2, 0],
            count_include_pad=1,
        )
        mean = graph.node("Reshape", [mean, graph.shape(inputs[0])])
        shifted = graph.node("Add", [graph.scaled(mean, alpha), graph.constant(np.float32(self.k))])
        power = graph.node("Pow", [shifted, graph.constant(np.float32(self.beta))])
        return graph.node("Div", [name, power])
