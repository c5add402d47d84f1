"""Local response normalisation."""

from __future__ import annotations

from typing import Any

from netspec.diagnostics.limits import LARGEST_REAL
from netspec.diagnostics.messages.shapes import OutOfRange
from netspec.diagnostics.raised import Rejection
from netspec.ops.declare.checks import fixed_channels, need_spatial
from netspec.ops.declare.interfaces import Builder, Modules, Operand
from netspec.ops.declare.operator import Elementwise
from netspec.ops.declare.params import count, flag, real
from netspec.sizes.shapes import TensorType

# A band over so many channels takes a MiB, and the time of a layer of the net.
_WIDEST = 512


def neighbours(channels: int, size: int) -> Any:
    """Which channels are in the window of each: booleans, (channels, channels).

    As PyTorch has it, an even window looks one channel further back.
    """
    import numpy as np

    offsets = np.arange(channels) - np.arange(channels)[:, None]
    return (offsets >= -(size // 2)) & (offsets <= (size - 1) // 2)


class LocalResponseNorm(Elementwise):
    """Local response normalisation over neighbouring channels (Krizhevsky et al. 2012).

    x / (k + alpha * mean of squares over `size` channels) ^ beta, (C, *sizes) to the same. The mean
    counts zeros past the ends, as in Caffe, PyTorch and ONNX. The paper's formula has the sum in its
    place: `average=no`; there k=2, alpha=1e-4, beta=0.75, over 5 channels.
    """

    spelling = "lrn"
    order = ("size",)
    examples = (
        ("6x5x5", "lrn(5)"),
        ("6x5x5", "lrn(4, alpha=0.5, k=2)"),
        ("6x5x5", "lrn(5, k=2, alpha=0.5, average=no)"),
        ("5x4x3", "lrn(2, alpha=0.5, average=no)"),
        ("7x4", "lrn(3)"),
        ("4x2x3x2", "lrn(3)"),
        ("3x5x5", "lrn(1000001, alpha=10)"),
    )

    size: int = count(5, doc="channels in a window")
    alpha: float = real(1e-4, doc="weight of the squares")
    beta: float = real(0.75, doc="exponent")
    k: float = real(1.0, doc="added to the mean or the sum")
    average: bool = flag(True, doc="alpha weighs the mean of the squares; no: their sum")

    def infer(self, *inputs: TensorType) -> TensorType:
        need_spatial(self, inputs[0])
        fixed_channels(self.spelling, inputs[0])
        _, alpha = self._window(inputs[0])
        if abs(alpha) > LARGEST_REAL:
            most = f"at most {LARGEST_REAL * abs(self.alpha / alpha):.6g} for a sum of squares"
            raise Rejection(OutOfRange(self.spelling, "alpha", most, self.alpha))
        return super().infer(*inputs)

    def _window(self, tensor: TensorType) -> tuple[int, float]:
        """The size, and the weight of the mean over as many channels.

        Windows past both ends of the channels hold what shorter ones do.
        """
        most = 2 * fixed_channels(self.spelling, tensor) - 1
        size = min(self.size, most)
        if not self.average:
            return size, self.alpha * size
        return size, self.alpha if size == self.size else self.alpha * size / self.size

    def torch(self, modules: Modules, *inputs: TensorType) -> Any:
        size, alpha = self._window(inputs[0])
        return modules.nn.LocalResponseNorm(size, alpha, self.beta, self.k)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        # ONNX's LRN is computed on one thread by ONNX Runtime, which takes half of GoogLeNet's time, and it
        # refuses even sizes, other than two spatial axes and factors that are zero in float32. A
        # convolution of the squares by a band is as fast as any other, and leaves nothing to interpret.
        import numpy as np

        name, tensor = inputs[0].name, inputs[0].type
        squares = graph.node("Mul", [name, name])
        if fixed_channels(self.spelling, tensor) <= _WIDEST:
            mean = self._banded(graph, squares, tensor)
        else:
            mean = self._slid(graph, squares, inputs[0])
        # Not the convolution's bias: rounded with the squares to eight bits it could become zero.
        base = graph.node("Add", [mean, graph.constant(np.float32(self.k))])
        return graph.node("Div", [name, self._power(graph, base)])

    def _banded(self, graph: Builder, squares: str, tensor: TensorType) -> str:
        """The weighted mean of squares, each channel's from those in its window."""
        import numpy as np

        channels = fixed_channels(self.spelling, tensor)
        size, alpha = self._window(tensor)
        kernel = np.where(neighbours(channels, size), np.float32(alpha / size), np.float32(0))
        kernel = kernel.reshape(channels, channels, *[1] * len(tensor.spatial))
        return graph.node("Conv", [squares, graph.constant(kernel)])

    def _slid(self, graph: Builder, squares: str, given: Operand) -> str:
        """The same for channels so many that a band of them is mostly zeros: windows slide along them."""
        size, alpha = self._window(given.type)
        rows = graph.integers([0, 1, fixed_channels(self.spelling, given.type), -1])
        lines = graph.node("Reshape", [squares, rows])
        lines = graph.pad(lines, [(0, 0), (0, 0), (size // 2, (size - 1) // 2), (0, 0)])
        mean = graph.node("AveragePool", [lines], kernel_shape=[size, 1])
        return graph.scaled(graph.node("Reshape", [mean, graph.shape(given)]), alpha)

    def _power(self, graph: Builder, base: str) -> str:
        """`base` to the power of beta; by roots where they say it, which processors have."""
        import numpy as np

        if self.beta == 1:
            return base
        if self.beta not in (0.5, 0.75):
            return graph.node("Pow", [base, graph.constant(np.float32(self.beta))])
        root = graph.node("Sqrt", [base])
        return root if self.beta == 0.5 else graph.node("Mul", [root, graph.node("Sqrt", [root])])
