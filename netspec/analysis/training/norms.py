"""Normalisation: what is kept of a map beside it, and what is copied for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from netspec.analysis.training.known import known
from netspec.analysis.training.layout import like_map, same
from netspec.analysis.training.pointwise import add, div, mul
from netspec.analysis.training.tensors import FLOAT32, Tape, Tensor
from netspec.analysis.training.views import (
    as_contiguous,
    reshape,
    squeeze,
    unsqueeze,
    view,
)


def _statistics(tape: Tape, x: Tensor, shape: Sequence[int], *own: Tensor | None) -> Tensor:
    """A vector that is kept beside a norm: in float32 where weights are."""
    wide = any(weight is not None and weight.dtype is FLOAT32 for weight in own)
    return tape.fresh(shape, FLOAT32 if wide else x.dtype)


@known("batch_norm")
def batch_norm(
    tape: Tape,
    x: Tensor,
    mean: Tensor | None,
    variance: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    *args: Any,
) -> Tensor:
    """Keeps the input, and a mean and a deviation of each channel while it trains."""
    keep = [x, weight, mean, variance]
    if training:
        keep += [_statistics(tape, x, (x.shape[1],), weight, mean) for _ in range(2)]
    inputs = [tensor for tensor in (x, weight, bias) if tensor is not None]
    return tape.result(inputs, x.shape, strides=like_map(x.shape, x.layout_of), keep=keep)


@known("instance_norm")
def instance_norm(
    tape: Tape,
    x: Tensor,
    mean: Tensor | None = None,
    variance: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = True,
) -> Tensor:
    """Keeps a contiguous input, weights copied for each sample, and statistics of each channel."""
    rows, channels = x.shape[:2]
    # Without weights, statistics are copied in the input's type.
    kind = x.dtype if weight is None else None
    means, variances, weights, biases = (
        None if own is None else tape.result([own], (rows * channels,), dtype=kind)
        for own in (mean, variance, weight, bias)
    )
    flat = reshape(tape, as_contiguous(tape, x), 1, rows * channels, *x.shape[2:])
    every = training or mean is None
    found = batch_norm(tape, flat, means, variances, weights, biases, every)
    return view(tape, found, *x.shape)


@known("layer_norm")
def layer_norm(
    tape: Tape,
    x: Tensor,
    shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Keeps the input, and a mean and a deviation of each place."""
    places = (*x.shape[: x.dim() - len(shape)], *(1 for _ in shape))
    keep = [x, weight, bias, *(_statistics(tape, x, places, weight) for _ in range(2))]
    inputs = [tensor for tensor in (x, weight, bias) if tensor is not None]
    return tape.result(inputs, x.shape, keep=keep)


@known("group_norm")
def group_norm(
    tape: Tape,
    x: Tensor,
    groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Keeps a dense input, and a mean and a deviation of each group."""
    strides = like_map(x.shape, x.layout_of)
    kept = x if same(x.shape, x.strides, strides) else tape.result([x], x.shape, strides=strides)
    shape = (x.shape[0], groups)
    keep = [kept, weight, *(_statistics(tape, x, shape, weight) for _ in range(2))]
    inputs = [tensor for tensor in (kept, weight, bias) if tensor is not None]
    return tape.result(inputs, x.shape, strides=strides, keep=keep)


@known("rms_norm")
def rms_norm(
    tape: Tape,
    x: Tensor,
    shape: Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:
    """Keeps, by parts on a CPU, the input twice and its rates; by one kernel on CUDA once."""
    axes = [-1 - i for i in range(len(shape))]
    if tape.device == "cuda":
        rates = tape.fresh((*x.shape[: x.dim() - len(shape)], *(1 for _ in shape)), FLOAT32)
        inputs = [x] if weight is None else [x, weight]
        return tape.result(inputs, x.shape, keep=[*inputs, rates])
    wide = tape.call("to", x, FLOAT32)
    square = tape.call("mean", tape.call("pow", wide, 2), axes, True)
    found = mul(tape, wide, tape.call("rsqrt", add(tape, square, eps)))
    if weight is not None:
        found = mul(tape, found, weight)
    return as_contiguous(tape, tape.call("to", found, x.dtype))


@known("local_response_norm")
def local_response_norm(
    tape: Tape, x: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """Keeps what its parts do: input, padded squares, their mean and its power."""
    squares = unsqueeze(tape, mul(tape, x, x), 1)
    ends = (size // 2, (size - 1) // 2)
    if x.dim() == 3:
        padded = tape.call("pad", squares, (0, 0, *ends))
        mean = squeeze(tape, tape.call("avg_pool2d", padded, (size, 1), 1), 1)
    else:
        flat = view(tape, squares, x.shape[0], 1, *x.shape[1:3], -1)
        padded = tape.call("pad", flat, (0, 0, 0, 0, *ends))
        mean = squeeze(tape, tape.call("avg_pool3d", padded, (size, 1, 1), 1), 1)
        mean = view(tape, mean, *x.shape)
    base = tape.call("pow", add(tape, mul(tape, mean, alpha), k), beta)
    return div(tape, x, base)
