"""Layers that torch computes by kernels of their own: products, windows, normalisation, attention."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from typing import Any

from netspec.analysis.training.known import KNOWN, known
from netspec.analysis.training.layout import (
    contiguous,
    elements,
    like_map,
    suggests_channels_last,
)
from netspec.analysis.training.pointwise import add, mul
from netspec.analysis.training.tensors import FLOAT32, INT64, Tape, Tensor
from netspec.analysis.training.views import (
    as_contiguous,
    broadcast,
    preserved,
    reshape,
    spread,
    squeeze,
    transpose,
    unsqueeze,
    view,
)


def _tuple(value: Any, rank: int) -> tuple[int, ...]:
    return (value,) * rank if isinstance(value, int) else tuple(value)


# --- products


def product(tape: Tape, x: Tensor, y: Tensor, shape: Sequence[int], *more: Tensor) -> Tensor:
    """A product of matrices: each is kept where the other's gradient needs it."""
    keep = [*([x] if y.needs else []), *([y] if x.needs else [])]
    return tape.result([x, y, *more], shape, keep=keep)


@known("linear")
def linear(tape: Tape, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    rows = x
    if x.dim() > 2 and weight.needs:
        # Rows that do not lie in order are copied, and the copy is kept.
        rows = reshape(tape, x, -1, x.shape[-1])
    added = [] if bias is None else [bias]
    return product(tape, rows, weight, (*x.shape[:-1], weight.shape[0]), *added)


@known("matmul")
def matmul(tape: Tape, x: Tensor, y: Tensor) -> Tensor:
    if x.dim() == 2 and y.dim() == 2:
        return product(tape, x, y, (x.shape[0], y.shape[1]))
    batch = broadcast(x.shape[:-2], y.shape[:-2])
    parts = [
        reshape(tape, spread(t, (*batch, *t.shape[-2:])), elements(batch), *t.shape[-2:])
        for t in (x, y)
    ]
    found = product(tape, *parts, (elements(batch), x.shape[-2], y.shape[-1]))
    return view(tape, found, *batch, x.shape[-2], y.shape[-1])


# --- windows


def _convolution(rank: int) -> Callable[..., Tensor]:
    def function(
        tape: Tape,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> Tensor:
        steps, pads, spaces = (_tuple(v, rank) for v in (stride, padding, dilation))
        sizes = [
            (size + 2 * pad - space * (kernel - 1) - 1) // step + 1
            for size, pad, space, kernel, step in zip(
                x.shape[2:], pads, spaces, weight.shape[2:], steps, strict=True
            )
        ]
        return _slid(tape, x, weight, bias, (x.shape[0], weight.shape[0], *sizes))

    return function


def _transposed(rank: int) -> Callable[..., Tensor]:
    def function(
        tape: Tape,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        dilation: Any = 1,
    ) -> Tensor:
        options = (_tuple(v, rank) for v in (stride, padding, output_padding, dilation))
        sizes = [
            (size - 1) * step - 2 * pad + space * (kernel - 1) + more + 1
            for size, kernel, step, pad, more, space in zip(
                x.shape[2:], weight.shape[2:], *options, strict=True
            )
        ]
        return _slid(tape, x, weight, bias, (x.shape[0], weight.shape[1] * groups, *sizes))

    return function


def _slid(
    tape: Tape, x: Tensor, weight: Tensor, bias: Tensor | None, shape: tuple[int, ...]
) -> Tensor:
    last = any(suggests_channels_last(*t.layout_of) for t in (x, weight))
    strides = like_map(shape, x.layout_of) if last else contiguous(shape)
    inputs = [x, weight, *([] if bias is None else [bias])]
    return tape.result(inputs, shape, strides=strides, keep=[x, weight])


def _pooled(sizes: Sequence[int], kernel: Any, stride: Any, padding: Any, ceil: bool) -> list[int]:
    rank, found = len(sizes), []
    steps = _tuple(kernel if stride in (None, ()) else stride, rank)
    for size, window, step, pad in zip(
        sizes, _tuple(kernel, rank), steps, _tuple(padding, rank), strict=True
    ):
        room = size + 2 * pad - window
        count = (-(-room // step) if ceil else room // step) + 1
        # A last window that would start behind the border is none.
        found.append(count - (ceil and (count - 1) * step >= size + pad))
    return found


def _max_pool(
    tape: Tape,
    x: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    rank = x.dim() - 2
    reach = [
        space * (size - 1) + 1
        for size, space in zip(_tuple(kernel_size, rank), _tuple(dilation, rank), strict=True)
    ]
    step = kernel_size if stride is None else stride
    sizes = _pooled(x.shape[2:], tuple(reach), step, padding, ceil_mode)
    return _chosen(tape, x, sizes, return_indices)


def _chosen(tape: Tape, x: Tensor, sizes: Sequence[int], return_indices: bool) -> Any:
    """Maxima of a map and their places, which are kept with the map."""
    shape = (*x.shape[:2], *sizes)
    strides = like_map(shape, x.layout_of)
    places = tape.fresh(shape, INT64, strides)
    found = tape.result([x], shape, strides=strides, keep=[x, places])
    return (found, places) if return_indices else found


def _avg_pool(
    tape: Tape,
    x: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    sizes = _pooled(x.shape[2:], kernel_size, stride, padding, ceil_mode)
    shape = (*x.shape[:2], *sizes)
    return tape.result([x], shape, strides=like_map(shape, x.layout_of), keep=[x])


def _adaptive_avg_pool(tape: Tape, x: Tensor, output_size: Any) -> Tensor:
    rank = x.dim() - 2
    sizes = _tuple(output_size, rank)
    shape = (*x.shape[:2], *sizes)
    if rank > 1 and sizes == (1,) * rank:
        return tape.result([x], shape)
    keep = [] if rank == 1 and sizes == (1,) else [x]
    return tape.result([x], shape, strides=like_map(shape, x.layout_of), keep=keep)


def _adaptive_max_pool(
    tape: Tape, x: Tensor, output_size: Any, return_indices: bool = False
) -> Any:
    return _chosen(tape, x, _tuple(output_size, x.dim() - 2), return_indices)


for _rank in (1, 2, 3):
    KNOWN[f"conv{_rank}d"] = _convolution(_rank)
    KNOWN[f"conv_transpose{_rank}d"] = _transposed(_rank)
    KNOWN[f"max_pool{_rank}d"] = _max_pool
    KNOWN[f"avg_pool{_rank}d"] = _avg_pool
    KNOWN[f"adaptive_avg_pool{_rank}d"] = _adaptive_avg_pool
    KNOWN[f"adaptive_max_pool{_rank}d"] = _adaptive_max_pool


@known("interpolate")
def interpolate(
    tape: Tape,
    x: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    **named: Any,
) -> Tensor:
    sizes = (
        [int(old * factor) for old, factor in zip(x.shape[2:], scale_factor, strict=True)]
        if size is None
        else list(size)
    )
    found: Tensor = tape.call(f"upsample_{mode}{len(sizes)}d", x, sizes)
    return found


@known(
    "upsample_linear1d", "upsample_bilinear2d", "upsample_bicubic2d", "upsample_trilinear3d"
)
def upsample(tape: Tape, x: Tensor, sizes: Sequence[int]) -> Tensor:
    shape = (*x.shape[:2], *sizes)
    return tape.result([x], shape, strides=like_map(shape, x.layout_of))


@known("grid_sample")
def grid_sample(tape: Tape, x: Tensor, grid: Tensor, *args: Any, **named: Any) -> Tensor:
    found: Tensor = tape.call("grid_sampler", x, grid)
    return found


@known("grid_sampler")
def grid_sampler(tape: Tape, x: Tensor, grid: Tensor) -> Tensor:
    shape = (*x.shape[:2], *grid.shape[1:-1])
    strides = like_map(shape, x.layout_of)
    return tape.result([x, grid], shape, strides=strides, keep=[x, grid])


# --- normalisation


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
    rows, channels = x.shape[:2]
    copies = [
        None if own is None else tape.result([own], (rows * channels,))
        for own in (mean, variance, weight, bias)
    ]
    flat = reshape(tape, as_contiguous(tape, x), 1, rows * channels, *x.shape[2:])
    found = batch_norm(tape, flat, *copies, training or mean is None)
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
    kept = x if suggests_channels_last(*x.layout_of) else as_contiguous(tape, x)
    shape = (x.shape[0], groups)
    keep = [kept, weight, *(_statistics(tape, x, shape, weight) for _ in range(2))]
    inputs = [tensor for tensor in (kept, weight, bias) if tensor is not None]
    return tape.result(inputs, x.shape, strides=like_map(x.shape, kept.layout_of), keep=keep)


@known("rms_norm")
def rms_norm(
    tape: Tape,
    x: Tensor,
    shape: Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:
    axes = [-1 - i for i in range(len(shape))]
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
    return tape.call("div", x, base)


# --- attention


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
    parts = (query, key, value)
    fused = (
        query.dim() == 4
        and len({(*part.shape[:2], part.shape[3]) for part in parts}) == 1
        and all(part.strides[-1] == 1 for part in parts)
        and (attn_mask is None or not attn_mask.needs)
    )
    if fused:
        sums = tape.fresh(query.shape[:-1], FLOAT32)
        keep = [*parts, attn_mask, sums]
        return tape.result(
            parts, query.shape, strides=preserved(query), keep=keep, itself=True
        )
    # Scores of half precision are computed in float32.
    query, key, value = (tape.call("to", part, FLOAT32) for part in parts)
    scores = matmul(
        tape, mul(tape, query, 0.5), mul(tape, transpose(tape, key, -2, -1), 0.5)
    )
    if attn_mask is not None:
        scores = add(tape, scores, tape.call("to", attn_mask, FLOAT32))
    found = matmul(tape, tape.call("softmax", scores, -1), value)
    kept: Tensor = tape.call("to", found, parts[0].dtype)
    return kept
