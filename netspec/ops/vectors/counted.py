"""Places that are counted of ids, where what fills sequences up counts for nothing."""

from __future__ import annotations

from typing import Any

from netspec.diagnostics.messages.shapes import OutOfRange, WrongRank
from netspec.diagnostics.raised import Rejection
from netspec.ops.declare.interfaces import Builder, Operand
from netspec.ops.declare.operator import Operator
from netspec.ops.declare.params import count
from netspec.ops.declare.reach import EVERYWHERE, Reach
from netspec.sizes.conditions import at_least
from netspec.sizes.dims import Dim
from netspec.sizes.shapes import TensorType


class PositionIds(Operator):
    """The places of ids as ids, padding left out: RoBERTa's and OPT's rows of a table of positions.

    (T,) of ids to (T,) of ids below `rows`. Padding is `start`, and what is no padding `start` + 1,
    `start` + 2 and so on: `position_ids(514); embedding-768` (Liu et al. 2019, Zhang et al. 2022).
    """

    spelling = "position_ids"
    takes_ids = True
    order = ("rows", "padding", "start")
    examples = (
        ("7 ids(11)", "{ | embedding-5 | position_ids(9); embedding-5 }; add"),
        ("T ids(2)", "position_ids(64, 0, 1); embedding-3"),
    )

    rows: int = count(doc="what all are below: rows of the table")
    padding: int = count(1, low=0, doc="the id that fills sequences up")
    start: int | None = count(None, low=0, doc="what padding becomes; `padding` by default")

    @property
    def _start(self) -> int:
        return self.padding if self.start is None else self.start

    def infer(self, *inputs: TensorType) -> TensorType:
        tensor = inputs[0]
        if len(tensor.shape) != 1:
            raise Rejection(WrongRank(self.spelling, "a sequence of ids", str(tensor)))
        most = tensor.shape[0] + (self._start + 1)
        if not at_least(self.rows, most):
            raise Rejection(OutOfRange(self.spelling, "rows", f"at least {most}", self.rows))
        return TensorType(tensor.shape, tensor.batch, self.rows)

    def macs(self, *inputs: TensorType) -> Dim:
        return 0

    def reach(self, *inputs: TensorType) -> Reach:
        return EVERYWHERE

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        told = (inputs[0] != self.padding).long()
        return torch.cumsum(told, dim=1) * told + self._start

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        import numpy as np

        padding, start, along = (
            graph.constant(np.asarray(number, np.int64))
            for number in (self.padding, self._start, 1)
        )
        filled = graph.node("Equal", [inputs[0].name, padding])
        told = graph.node("Cast", [graph.node("Not", [filled])], to=7)
        counted = graph.node("CumSum", [told, along], exclusive=0, reverse=0)
        return graph.node("Add", [graph.node("Mul", [counted, told]), start])
