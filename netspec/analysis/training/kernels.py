"""Layers that torch computes by kernels of their own: products of matrices, and what slides."""

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
from netspec.analysis.training.tensors import INT64, Tape, Tensor
from netspec.analysis.training.views import (
    broadcast,
    reshape,
    spread,
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
    """Keeps the input, copied where its rows do not lie in order, and the weight."""
    rows = x
    if x.dim() > 2 and weight.needs:
        # Rows that do not lie in order are copied, and the copy is kept.
        rows = reshape(tape, x, -1, x.shape[-1])
    added = [] if bias is None else [bias]
    return product(tape, rows, weight, (*x.shape[:-1], weight.shape[0]), *added)


@known("matmul")
def matmul(tape: Tape, x: Tensor, y: Tensor) -> Tensor:
    """A product of matrices, in batches: each is kept where the other needs it."""
    if x.dim() == 2 and y.dim() == 2:
        return product(tape, x, y, (x.shape[0], y.shape[1]))
    batch = broadcast(x.shape[:-2], y.shape[:-2])
    left, right = (
        reshape(tape, spread(t, (*batch, *t.shape[-2:])), elements(batch), *t.shape[-2:])
        for t in (x, y)
    )
    found = product(tape, left, right, (elements(batch), x.shape[-2], y.shape[-1]))
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
    KNOWN[f"max_pool{_rank}d"] = KNOWN[f"max_pool{_rank}d_with_indices"] = _max_pool
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
    """Interpolation to sizes, or by factors: keeps nothing."""
    sizes = (
        [int(old * factor) for old, factor in zip(x.shape[2:], scale_factor, strict=True)]
        if size is None
        else list(size)
    )
    found: Tensor = tape.call(f"upsample_{mode}{len(sizes)}d", x, sizes)
    return found


@known("upsample_linear1d", "upsample_bilinear2d", "upsample_bicubic2d", "upsample_trilinear3d")
def upsample(tape: Tape, x: Tensor, sizes: Sequence[int]) -> Tensor:
    """Interpolation to sizes: keeps nothing."""
    shape = (*x.shape[:2], *sizes)
    return tape.result([x], shape, strides=like_map(shape, x.layout_of))


@known("grid_sample")
def grid_sample(tape: Tape, x: Tensor, grid: Tensor, *args: Any, **named: Any) -> Tensor:
    """Values between a map's elements: keeps map and places."""
    found: Tensor = tape.call("grid_sampler", x, grid)
    return found


@known("grid_sampler")
def grid_sampler(tape: Tape, x: Tensor, grid: Tensor) -> Tensor:
    """Keeps the map and the places that are read."""
    shape = (*x.shape[:2], *grid.shape[1:-1])
    strides = like_map(shape, x.layout_of)
    return tape.result([x, grid], shape, strides=strides, keep=[x, grid])


@known("unfold")
def unfold(
    tape: Tape, x: Tensor, kernel: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Tensor:
    """What windows see, laid in the channels: keeps nothing."""
    given = (_tuple(each, 2) for each in (kernel, dilation, padding, stride))
    axes = zip(x.shape[2:], *given, strict=True)
    places = [
        (size + 2 * pad - step * (taps - 1) - 1) // stride + 1
        for size, taps, step, pad, stride in axes
    ]
    return tape.result(
        [x], (x.shape[0], x.shape[1] * elements(_tuple(kernel, 2)), elements(places))
    )


@known("fold")
def fold(tape: Tape, x: Tensor, size: Any, kernel: Any, *args: Any, **named: Any) -> Tensor:
    """Windows put back where they were: keeps nothing."""
    channels = x.shape[1] // elements(_tuple(kernel, 2))
    return tape.result([x], (x.shape[0], channels, *_tuple(size, 2)))
