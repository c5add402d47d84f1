"""Layers of the first convolutional nets: LeCun et al. 1989 and 1998."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import prod
from typing import Any

from netspec.diagnostics.messages.shapes import OutOfRange, UnknownSize
from netspec.diagnostics.raised import Rejection
from netspec.ops.declare.checks import fixed_channels, flat_size, need_spatial, type_of
from netspec.ops.declare.geometry import Geometry, geometry
from netspec.ops.declare.interfaces import Builder, Modules, Operand
from netspec.ops.declare.linear import Linear, Tensor
from netspec.ops.declare.operator import Elementwise, Operator
from netspec.ops.declare.params import count, integers, known, per_axis, scheme_of
from netspec.ops.declare.plain import plain
from netspec.ops.declare.reach import EVERYWHERE, Reach
from netspec.ops.declare.schemes import Codes, Constant, Zeros
from netspec.ops.declare.weight import Scheme, Weight
from netspec.ops.spatial.conv import Convolution
from netspec.sizes.dims import Dim
from netspec.sizes.shapes import TensorType, numel


@plain
def table_places(torch: Any, table: tuple[tuple[int, ...], ...], into: int) -> Any:
    """Where the maps that each row lists stand among all of (rows, into), row by row."""
    places = [row * into + i for row, maps in enumerate(table) for i in maps]
    return torch.tensor(places)


class TableConv(Convolution):
    """Convolution whose output maps read some of the input maps only, listed in a table.

    C3 of LeNet-5 (LeCun et al. 1998, Table I). The weight holds the connections that exist, in the
    table's order, (connections, *kernel); only they count. Defaults for `conv` apply.
    (C, *sizes) to (width, *sizes').
    """

    spelling = "tableconv"
    order = ("kernel", "width", "stride")
    defaults_of = "conv"
    examples = (
        ("3x7x8", "tableconv3-2(table=[[0, 2], [1]])"),
        ("3x9x9", "tableconv3-4/2(pad=((1, 0), (1, 2)), table=[[0], [0, 1], [0, 1, 2], [2]])"),
        ("2x8", "tableconv3(table=[[1], [0, 1]], bias=no)"),
        ("2x6x6", "tableconv(table=[[0, 1], [1]], fixed=[[1, 2], [3, 4]])"),
    )

    width: int | None = count(None, doc="output channels; as many as the table has rows")
    table: tuple[tuple[int, ...], ...] = integers(nested=True, doc="input maps of each output map")

    def _channels(self, tensor: TensorType) -> tuple[int, int, int]:
        into = fixed_channels(self.spelling, tensor)
        if self.width not in (None, len(self.table)):
            allowed = f"{len(self.table)}, the rows of the table"
            raise Rejection(OutOfRange(self.spelling, "width", allowed, self.width))
        for row in self.table:
            if not row or len(set(row)) < len(row) or not all(0 <= i < into for i in row):
                allowed = f"lists of different maps from 0 to {into - 1}"
                raise Rejection(OutOfRange(self.spelling, "table", allowed, list(row)))
        return into, len(self.table), 1

    @property
    def _connections(self) -> int:
        return sum(len(row) for row in self.table)

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        kernel = self._geometry(inputs[0]).kernel
        # A map's units read as many numbers as its row lists maps, and maps differ.
        fans = [len(row) * prod(kernel) for row in self.table]
        most = max(fans)
        each = tuple(fan for fan, row in zip(fans, self.table, strict=True) for _ in row)
        shape = (self._connections, *kernel)
        owned = self._owned(len(fans), shape, kernel, most, most)
        rows = (each, tuple(fans))[: len(owned)]
        return tuple(replace(own, row_fans=fan) for own, fan in zip(owned, rows, strict=True))

    def macs(self, *inputs: TensorType) -> Dim:
        window = self._geometry(inputs[0])
        places = numel(window.output(self.spelling, inputs[0]))
        return places * (self._connections * prod(window.kernel))

    def torch(self, modules: Modules, *inputs: TensorType) -> Any:
        return modules.apply(self, *inputs)

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        tensor, weight = inputs[0], weights["weight"]
        window = self._geometry(type_of(tensor))
        into, out = tensor.shape[1], len(self.table)
        empty = weight.new_zeros(out * into, *weight.shape[1:])
        index = table_places(torch, tuple(map(tuple, self.table)), into).to(weight.device)
        kernel = empty.index_copy(0, index, weight).unflatten(0, (out, into))
        padded = torch.nn.functional.pad(tensor, window.torch_pads)
        convolve = getattr(torch.nn.functional, f"conv{len(window.kernel)}d")
        bias = weights.get("bias")
        return convolve(padded, kernel, bias, stride=window.stride, dilation=window.dilation)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        import numpy as np

        window = self._geometry(inputs[0].type)
        into, out, _ = self._channels(inputs[0].type)
        # Connections that do not exist are the row of zeros after those that do.
        rows = np.full((out, into), self._connections, np.int64)
        number = 0
        for o, row in enumerate(self.table):
            for i in row:
                rows[o, i] = number
                number += 1
        zero = graph.constant(np.zeros((1, *window.kernel), np.float32))
        known = graph.node("Concat", [graph.weight("weight"), zero], axis=0)
        kernel = graph.node("Gather", [known, graph.constant(rows)], axis=0)
        return self._slid(graph, "Conv", inputs[0], kernel, self._geometry(inputs[0].type))

    def linear(self, own: Mapping[str, Tensor], *inputs: TensorType) -> Linear | None:
        return None  # its planes are those of the table


class UnitBias(Elementwise):
    """A trained value added to every single unit, none shared (LeCun et al. 1989).

    (C, *sizes) to the same shape.
    """

    spelling = "unit_bias"
    examples = (("2x3x4", "unit_bias"), ("5", "unit_bias"))

    init: Scheme | None = scheme_of(None, doc="initialisation; zero by default")

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        shape = tuple(size for size in inputs[0].shape if isinstance(size, int))
        if len(shape) < len(inputs[0].shape):
            advice = "it has a value for every unit, so their number must be known"
            raise Rejection(UnknownSize(self.spelling, str(inputs[0]), advice))
        return (Weight("bias", shape, self.init or Zeros()),)

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        return inputs[0] + weights["bias"]

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        return graph.node("Add", [inputs[0].name, graph.weight("bias")])


class Subsampling(Operator):
    """Trainable subsampling: a coefficient times the sum of each window, plus a bias, per channel.

    S2 and S4 of LeNet-5 (LeCun et al. 1998, section II.B). Coefficients start as means.
    (C, *sizes) to (C, *sizes'); multiply-adds of pooling do not count.
    """

    spelling = "subsampling"
    order = ("kernel", "stride")
    examples = (("3x6x8", "subsampling2"), ("2x9", "subsampling3/2"), ("2x4x4x5", "subsampling2"))

    kernel: int | tuple[int, ...] = per_axis(2, doc="window size")
    stride: int | tuple[int, ...] | None = per_axis(None, doc="step; the kernel's size by default")
    init: Scheme | None = scheme_of(None, doc="initialisation of the coefficients")
    bias_init: Scheme | None = scheme_of(None, doc="initialisation of the bias; zero by default")

    def _geometry(self, tensor: TensorType) -> Geometry:
        need_spatial(self, tensor)
        stride = self.kernel if self.stride is None else self.stride
        return geometry(self.spelling, tensor, self.kernel, stride)

    def infer(self, *inputs: TensorType) -> TensorType:
        sizes = self._geometry(inputs[0]).output(self.spelling, inputs[0])
        return inputs[0].with_shape(inputs[0].channels, *sizes)

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        shape = (fixed_channels(self.spelling, inputs[0]),)
        taps = prod(self._geometry(inputs[0]).kernel)
        init, bias_init = self.init or Constant(1 / taps), self.bias_init or Zeros()
        return (
            Weight("weight", shape, init, "param", taps, 1),
            Weight("bias", shape, bias_init, "param", taps, 1),
        )

    def macs(self, *inputs: TensorType) -> Dim:
        return 0

    def window(self, *inputs: TensorType) -> Geometry:
        return self._geometry(inputs[0])

    def reach(self, *inputs: TensorType) -> Reach:
        return self._geometry(inputs[0]).window()

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        window = self._geometry(type_of(inputs[0]))
        rank = len(window.kernel)
        pool = getattr(torch.nn.functional, f"avg_pool{rank}d")
        sums = pool(inputs[0], window.kernel, window.stride) * prod(window.kernel)
        ends = (1,) * rank
        return sums * weights["weight"].view(-1, *ends) + weights["bias"].view(-1, *ends)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        window = self._geometry(inputs[0].type)
        kernel, rank = list(window.kernel), len(window.kernel)
        means = graph.node(
            "AveragePool", [inputs[0].name], kernel_shape=kernel, strides=list(window.stride)
        )
        sums = graph.scaled(means, prod(kernel))
        product = graph.node("Mul", [sums, graph.channel_weight("weight", rank)])
        return graph.node("Add", [product, graph.channel_weight("bias", rank)])


class RBF(Operator):
    """Squared distances to `width` fixed patterns: the output of LeNet-5 (LeCun et al. 1998).

    (*sizes) to (width,). The table (width, inputs) is fixed, unless `init` starts one to be trained.
    The paper draws its patterns as 7x12 bitmaps of characters; ours are the Walsh patterns of `codes`.
    """

    spelling = "rbf"
    order = ("width",)
    examples = (("12", "rbf-5"), ("2x3x2", "rbf-4(init=gaussian(1))"))

    width: int = count(doc="patterns")
    fixed: Scheme | None = known(None, doc="the patterns, not trained; codes by default")
    init: Scheme | None = scheme_of(None, doc="initialisation of patterns that are trained")

    either = ("fixed", "init")

    def infer(self, *inputs: TensorType) -> TensorType:
        flat_size(self.spelling, inputs[0])
        return inputs[0].with_shape(self.width)

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        into = flat_size(self.spelling, inputs[0])
        kind = "param" if self.init else "constant"
        patterns = self.init or self.fixed or Codes()
        return (Weight("weight", (self.width, into), patterns, kind, into, self.width),)

    def macs(self, *inputs: TensorType) -> Dim:
        return 0

    def reach(self, *inputs: TensorType) -> Reach:
        return EVERYWHERE

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        return (inputs[0].flatten(1).unsqueeze(1) - weights["weight"]).square().sum(2)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        flat = graph.node("Flatten", [inputs[0].name], axis=1)
        apart = graph.node("Unsqueeze", [flat, graph.integers([1])])
        distance = graph.node("Sub", [apart, graph.weight("weight")])
        return graph.reduce("ReduceSumSquare", distance, [2], keep=False)
