"""Products of matrices, for what is written out: dot-product attention, non-local blocks."""

from __future__ import annotations

from typing import Any

from netspec.diagnostics.messages.shapes import ShapesDiffer, WrongRank
from netspec.diagnostics.raised import Rejection
from netspec.ops.arranging.merge import Merge, listed
from netspec.ops.declare.interfaces import Builder, Operand
from netspec.ops.declare.reach import EVERYWHERE, Reach
from netspec.sizes.conditions import equal
from netspec.sizes.dims import Dim
from netspec.sizes.shapes import TensorType, numel


class MatMul(Merge):
    """The product of two matrices: the last two axes of each; the axes before must agree.

    (*sizes, M, K) and (*sizes, K, N) to (*sizes, M, N). The scores of queries (C, T) for keys
    (C, S) are `matmul { | @keys; transpose | @queries }`, (S, T); `softmax` then sums to one over
    the keys, and `matmul { | @values | identity }` is what each query reads of values (V, S).
    """

    spelling = "matmul"
    arity = 2
    batches = "broadcast"
    examples = (
        ("3x4", "matmul { | conv1-5 | transpose }"),
        ("2x3x4", "matmul { | relu | transpose((0, 2, 1)) }"),
        (
            "4xT",
            "relu as x; matmul { | transpose | identity }; softmax; matmul { | @x | identity }",
        ),
    )

    def _shape(self, inputs: tuple[TensorType, ...]) -> tuple[Dim, ...]:
        left, right = inputs
        for tensor in inputs:
            if len(tensor.shape) < 2:
                raise Rejection(WrongRank(self.spelling, "two axes or more", str(tensor)))
        *before, rows, inner = left.shape
        *others, same, columns = right.shape
        fits = len(before) == len(others) and equal(inner, same)
        if not fits or not all(map(equal, before, others)):
            advice = "the last axis of the first is the one before the last of the second"
            raise Rejection(ShapesDiffer(self.spelling, listed(inputs), advice))
        return (*before, rows, columns)

    def macs(self, *inputs: TensorType) -> Dim:
        left, right = inputs
        return numel(left.shape) * right.shape[-1]

    def reach(self, *inputs: TensorType) -> Reach:
        return EVERYWHERE

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        return inputs[0] @ inputs[1]

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        return graph.node("MatMul", [operand.name for operand in inputs])
