"""What sequences are made of: embedding, position, a token in front."""

from __future__ import annotations

from typing import Any

from netspec.diagnostics.messages.shapes import OutOfRange, UnknownSize
from netspec.diagnostics.raised import Rejection
from netspec.ops.declare.checks import fixed_channels, need_spatial
from netspec.ops.declare.interfaces import Builder, Operand
from netspec.ops.declare.operator import Elementwise, Operator
from netspec.ops.declare.params import count, scheme_of
from netspec.ops.declare.reach import POINTWISE, Reach, Window
from netspec.ops.declare.schemes import Gaussian
from netspec.ops.declare.weight import Scheme, Weight
from netspec.sizes.conditions import at_least
from netspec.sizes.dims import Dim
from netspec.sizes.shapes import TensorType


class Embedding(Operator):
    """Lookup table: each id becomes a vector of `width` values; `frozen=yes` keeps it fixed.

    (T,) of ids to (width, T). The table has a row for each id the input can hold, or `rows`.
    """

    spelling = "embedding"
    order = ("width",)
    takes_ids = True
    examples = (("7 ids(11)", "embedding-5"), ("2x3 ids(4)", "embedding-6(rows=9)"))

    width: int = count(doc="values per id")
    rows: int | None = count(None, doc="rows of the table; the input's ids by default")
    init: Scheme | None = scheme_of(None, doc="initialisation of the table; gaussian(1) by default")

    def _rows(self, tensor: TensorType) -> int:
        assert tensor.ids is not None
        if self.rows is not None and self.rows < tensor.ids:
            allowed = f"at least the {tensor.ids} ids of the input"
            raise Rejection(OutOfRange(self.spelling, "rows", allowed, self.rows))
        return self.rows or tensor.ids

    def infer(self, *inputs: TensorType) -> TensorType:
        self._rows(inputs[0])
        return inputs[0].with_shape(self.width, *inputs[0].shape)

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        shape = (self._rows(inputs[0]), self.width)
        return (Weight("weight", shape, self.init or Gaussian(1.0)),)

    def macs(self, *inputs: TensorType) -> Dim:
        return 0

    def reach(self, *inputs: TensorType) -> Reach:
        return POINTWISE

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        found = torch.nn.functional.embedding(inputs[0], weights["weight"])
        return found.movedim(-1, 1)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        rank = len(inputs[0].type.shape)
        found = graph.node("Gather", [graph.weight("weight"), inputs[0].name], axis=0)
        return graph.node("Transpose", [found], perm=[0, rank + 1, *range(1, rank + 1)])


class Position(Elementwise):
    """Adds a learned vector for each step (Gehring et al. 2017).

    (C, T) to the same shape; its table is (T, C), so T must be a number, or (rows, C): then a sequence
    has at most so many steps, as in BERT and GPT. The fixed waves of Vaswani et al. 2017 are
    `position(init=sinusoids, frozen=yes)`, or `waves` without a table.
    """

    spelling = "position"
    order = ("rows",)
    examples = (
        ("4x6", "position"),
        ("4x6", "position(init=sinusoids)"),
        ("4xT", "position(9)"),
    )

    rows: int | None = count(None, doc="steps there are vectors for; as many as flow in by default")
    init: Scheme | None = scheme_of(None, doc="initialisation; gaussian(0.02) by default")

    def infer(self, *inputs: TensorType) -> TensorType:
        self._rows(inputs[0])
        return super().infer(*inputs)

    def _rows(self, tensor: TensorType) -> int:
        need_spatial(self, tensor, 1)
        steps = tensor.spatial[0]
        if self.rows is not None:
            if not at_least(self.rows, steps):
                allowed = f"at most {self.rows}, the rows of its table"
                raise Rejection(OutOfRange(self.spelling, "steps", allowed, steps))
            return self.rows
        if not isinstance(steps, int):
            advice = "it has a vector for each step: say how many at most, `position(512)`"
            raise Rejection(UnknownSize(self.spelling, str(tensor), advice))
        return steps

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        channels = fixed_channels(self.spelling, inputs[0])
        shape = (self._rows(inputs[0]), channels)
        return (Weight("weight", shape, self.init or Gaussian(0.02)),)

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        return inputs[0] + weights["weight"][: inputs[0].shape[2]].T

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        table, steps = graph.weight("weight"), inputs[0].type.spatial[0]
        if self._rows(inputs[0].type) != steps:
            bounds = (graph.integers([0]), graph.size(inputs[0], 2), graph.integers([0]))
            table = graph.node("Slice", [table, *bounds])
        table = graph.node("Transpose", [table], perm=[1, 0])
        return graph.node("Add", [inputs[0].name, table])


class Token(Operator):
    """Puts learned vectors before the first step: the class token (Dosovitskiy et al. 2021).

    (C, T) to (C, T + 1), or as many more as there are tokens: DeiT's second, registers.
    """

    spelling = "token"
    order = ("tokens",)
    examples = (("4x6", "token"), ("4xT", "token(3)"))

    tokens: int = count(1, doc="how many")
    init: Scheme | None = scheme_of(None, doc="initialisation; gaussian(0.02) by default")

    def infer(self, *inputs: TensorType) -> TensorType:
        need_spatial(self, inputs[0], 1)
        return inputs[0].with_shape(inputs[0].channels, inputs[0].spatial[0] + self.tokens)

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        channels = fixed_channels(self.spelling, inputs[0])
        shape = (channels,) if self.tokens == 1 else (self.tokens, channels)
        return (Weight("weight", shape, self.init or Gaussian(0.02)),)

    def macs(self, *inputs: TensorType) -> Dim:
        return 0

    def reach(self, *inputs: TensorType) -> Reach:
        return Window((1,), (1,), (1,), (self.tokens,))

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        tensor = inputs[0]
        first = weights["weight"].reshape(self.tokens, -1).T
        return torch.cat([first.expand(tensor.shape[0], -1, -1), tensor], dim=2)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        channels = fixed_channels(self.spelling, inputs[0].type)
        columns = graph.weight("weight")
        if self.tokens == 1:
            columns = graph.node("Unsqueeze", [columns, graph.integers([1])])
        else:
            columns = graph.node("Transpose", [columns], perm=[1, 0])
        batch = graph.size(inputs[0], 0)
        shape = graph.node("Concat", [batch, graph.integers([channels, self.tokens])], axis=0)
        first = graph.node("Expand", [columns, shape])
        return graph.node("Concat", [first, inputs[0].name], axis=2)
