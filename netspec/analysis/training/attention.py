"""Attention: one kernel where torch has one for what it is given, and else its parts."""

from __future__ import annotations

from netspec.analysis.training.kernels import matmul
from netspec.analysis.training.known import known
from netspec.analysis.training.pointwise import add, mul
from netspec.analysis.training.tensors import FLOAT32, Tape, Tensor
from netspec.analysis.training.views import (
    preserved,
    transpose,
)


@known("scaled_dot_product_attention")
def attention(
    tape: Tape,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
) -> Tensor:
    """Queries, keys, values, mask, result and one sum for each query; by parts, what the parts keep."""
    parts = (query, key, value)
    fused = (
        query.dim() == 4
        and len({part.shape[:2] for part in parts}) == 1
        and all(part.strides[-1] == 1 for part in parts)
    )
    if tape.device == "cpu":
        same = len({part.shape[3] for part in parts}) == 1
        fused = fused and same and (attn_mask is None or not attn_mask.needs)
    if fused:
        sums = tape.fresh(query.shape[:-1], FLOAT32)
        shape = (*query.shape[:-1], value.shape[-1])
        strides = preserved(query) if shape == query.shape else None
        inputs = [*parts, *([] if attn_mask is None else [attn_mask])]
        return tape.result(inputs, shape, strides=strides, keep=[*inputs, sums], itself=True)
    # Scores of half precision are computed in float32.
    query, key, value = (tape.call("to", part, FLOAT32) for part in parts)
    scores = matmul(tape, mul(tape, query, 0.5), mul(tape, transpose(tape, key, -2, -1), 0.5))
    if attn_mask is not None:
        scores = add(tape, scores, tape.call("to", attn_mask, FLOAT32))
    found = matmul(tape, tape.call("softmax", scores, -1), value)
    kept: Tensor = tape.call("to", found, parts[0].dtype)
    return kept
