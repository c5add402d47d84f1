"""Products of matrices, for what is written out: dot-product attention, non-local blocks."""

from __future__ import annotations

from typing import Any

from netspec.diagnostics.messages.shapes import ShapesDiffer, WrongRank
from netspec.diagnostics.raised import Rejection
from netspec.ops.arranging.merge import Merge, listed, meeting
from netspec.ops.declare.interfaces import Builder, Operand
from netspec.ops.declare.reach import EVERYWHERE, Reach
from netspec.sizes.conditions import equal
from netspec.sizes.dims import Dim
from netspec.sizes.shapes import TensorType, numel


class MatMul(Merge):
    """The product of two matrices: the last two axes of each. Axes before repeat where they are 1 or none.

    (*sizes, M, K) and (*sizes, K, N) to (*sizes, M, N). The scores of queries (C, T) for keys
    (C, S) are `matmul { | @keys; transpose | @queries }`, (S, T); `softmax` then sums to one over
    the keys, and `matmul { | @values | identity }` is what each query reads of values (V, S).
    One matrix (K, N) serves all of (heads, M, K): keys that all heads share.
    """

    spelling = "matmul"
    arity = 2
    batches = "broadcast"
    _filled_behind = False
    examples = (
        ("3x4", "matmul { | conv1-5 | transpose }"),
        ("2x3x4", "matmul { | relu | transpose((0, 2, 1)) }"),
        (
            "4xT",
            "relu as x; matmul { | transpose | identity }; softmax; matmul { | @x | identity }",
        ),
        ("6x4", "reshape(2x3x4) as heads; parameter(4x5) as shared; matmul { | @heads | @shared }"),
        ("6x4", "reshape(3x1x2x4) as x; parameter(2x4x5) as y; matmul { | @x | @y }"),
    )

    def _shape(self, inputs: tuple[TensorType, ...]) -> tuple[Dim, ...]:
        left, right = inputs
        for tensor in inputs:
            if len(tensor.shape) < 2:
                raise Rejection(WrongRank(self.spelling, "two axes or more", str(tensor)))
        *before, rows, inner = left.shape
        *others, same, columns = right.shape
        if not equal(inner, same):
            advice = "the last axis of the first is the one before the last of the second"
            raise Rejection(ShapesDiffer(self.spelling, listed(inputs), advice))
        rank = max(len(before), len(others))
        found: list[Dim] = []
        for place in range(-rank, 0):
            one, other = (s[place] if -place <= len(s) else 1 for s in (before, others))
            met = meeting(one, other)
            if met is None:
                advice = "axes before the last two must agree, or be 1 on one side"
                raise Rejection(ShapesDiffer(self.spelling, listed(inputs), advice))
            found.append(met)
        return (*found, rows, columns)

    def macs(self, *inputs: TensorType) -> Dim:
        return numel(self._shape(inputs)) * inputs[0].shape[-1]

    def reach(self, *inputs: TensorType) -> Reach:
        return EVERYWHERE

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        left, right = self._aligned(inputs)
        return left @ right

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        return graph.node("MatMul", self._aligned_names(graph, inputs))
