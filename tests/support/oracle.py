"""Operators written out in numpy from their definitions, one number at a time.

Shares nothing with netspec but the operators' parameters: padding words, window counts and groups
are worked out again here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np

from netspec.ops.declare.operator import Operator
from netspec.ops.registry import REGISTRY

Array = np.ndarray[Any, Any]
Weights = dict[str, Array]
Taps = list[list[int]]


def each(value: Any, rank: int) -> list[Any]:
    return [value] * rank if not isinstance(value, tuple) else list(value)


def kernel_of(op: Any, rank: int) -> Any:
    """The window's sizes, as they are said or as the numbers that are given have them."""
    if op.kernel is not None:
        return op.kernel
    return (op.fixed or op.init).shape[-rank:]


def pads_of(op: Any, sizes: tuple[int, ...]) -> list[tuple[int, int]]:
    """(before, after) for each axis."""
    rank = len(sizes)
    sizes_of = kernel_of(op, rank)
    stride = sizes_of if op.stride is None else op.stride
    axes = zip(
        sizes,
        each(sizes_of, rank),
        each(stride, rank),
        each(getattr(op, "dilation", 1), rank),
        strict=True,
    )
    found = []
    for axis, (size, kernel, step, dilation) in enumerate(axes):
        spread = dilation * (kernel - 1)
        if op.pad == "valid":
            found.append((0, 0))
        elif op.pad == "full":
            found.append((spread, spread))
        elif op.pad == "same":
            found.append((spread // 2, spread - spread // 2))
        elif op.pad == "tf_same":
            places = -(-size // step)
            total = max((places - 1) * step + spread + 1 - size, 0)
            found.append((total // 2, total - total // 2))
        elif isinstance(op.pad, int):
            found.append((op.pad, op.pad))
        elif rank == 1 and len(op.pad) == 2 and isinstance(op.pad[0], int):
            found.append(op.pad)
        else:
            given = op.pad[axis]
            found.append(given if isinstance(given, tuple) else (given, given))
    return found


def taps_of(op: Any, sizes: tuple[int, ...]) -> list[Taps]:
    """For each axis and each window, where its taps fall; below 0 and beyond the end is padding."""
    rank = len(sizes)
    sizes_of = kernel_of(op, rank)
    stride = sizes_of if op.stride is None else op.stride
    found = []
    pads = pads_of(op, sizes)
    for axis, size in enumerate(sizes):
        kernel, step = each(sizes_of, rank)[axis], each(stride, rank)[axis]
        dilation = each(getattr(op, "dilation", 1), rank)[axis]
        before, after = pads[axis]
        windows = []
        start = -before
        while True:
            end = start + dilation * (kernel - 1)
            fits = end < size + after
            # Caffe's rule: the last window may overhang if it starts before the input's end.
            overhangs = (
                getattr(op, "ceil", False)
                and start < size
                and start - step + dilation * (kernel - 1) < size + after - 1
            )
            if not fits and not overhangs:
                break
            windows.append([start + tap * dilation for tap in range(kernel)])
            start += step
        found.append(windows)
    return found


def windows(taps: list[Taps]) -> Any:
    """(place, [taps of each axis]) of every window."""
    for place in product(*[range(len(axis)) for axis in taps]):
        yield place, [axis[i] for axis, i in zip(taps, place, strict=True)]


def convolution(op: Any, x: Array, weights: Weights) -> Array:
    weight = weights["weight"].astype(np.float64)
    if op.standardise is not None:
        weight = np.stack([(k - k.mean()) / math.sqrt(k.var() + op.standardise) for k in weight])
    if op.gain is not None:
        gains = weights["gain"].astype(np.float64) * op.gain / math.sqrt(weight[0].size)
        weight = np.stack([k * gain for k, gain in zip(weight, gains, strict=True)])
    taps = taps_of(op, x.shape[2:])
    if op.pad_mode != "zeros":
        pads = pads_of(op, x.shape[2:])
        mode = {"replicate": "edge", "circular": "wrap"}.get(op.pad_mode, op.pad_mode)
        x = np.pad(x, ((0, 0), (0, 0), *pads), mode)
        taps = [
            [[place + before for place in window] for window in axis]
            for axis, (before, _) in zip(taps, pads, strict=True)
        ]
    groups = getattr(op, "groups", x.shape[1])
    assert weight.shape[1] * groups == x.shape[1]
    width = weight.shape[0] // groups
    out = np.zeros((len(x), len(weight), *map(len, taps)))
    for place, inside in windows(taps):
        for offsets in product(*[range(len(axis)) for axis in inside]):
            where = [axis[i] for axis, i in zip(inside, offsets, strict=True)]
            if any(not 0 <= i < size for i, size in zip(where, x.shape[2:], strict=True)):
                continue
            for channel in range(len(weight)):
                group = channel // width
                seen = slice(group * weight.shape[1], (group + 1) * weight.shape[1])
                column = x[(slice(None), seen, *where)]
                out[(slice(None), channel, *place)] += (
                    column @ weight[(channel, slice(None), *offsets)]
                )
    if "bias" in weights:
        out += weights["bias"].reshape(-1, *[1] * len(taps))
    return out


def fully_connected(op: Any, x: Array, weights: Weights) -> Array:
    """The matrix times the elements of each window, the first channel's first."""
    if op.over == "channels" and x.ndim > 2:
        kernel = [1] * (x.ndim - 2)
    else:
        kernel = list(x.shape[2:]) if isinstance(op.over, str) else each(op.over, x.ndim - 2)
    places = [n - k + 1 for n, k in zip(x.shape[2:], kernel, strict=True)]
    out = np.zeros((len(x), op.width, *places))
    for place in product(*map(range, places)):
        seen = x[(..., *(slice(p, p + k) for p, k in zip(place, kernel, strict=True)))]
        product_ = seen.reshape(len(x), -1) @ weights["weight"].astype(np.float64).T
        out[(..., *place)] = product_ + weights.get("bias", 0.0)
    return out[(..., *[0] * len(kernel))] if op.over == "all" else out


def transposed(op: Any, x: Array, weights: Weights) -> Array:
    weight = weights["weight"].astype(np.float64)
    rank, sizes = x.ndim - 2, x.shape[2:]
    stride, dilation = each(op.stride, rank), each(op.dilation, rank)
    spread = [d * (k - 1) + 1 for d, k in zip(dilation, weight.shape[2:], strict=True)]
    whole = [(n - 1) * s + r for n, s, r in zip(sizes, stride, spread, strict=True)]
    per_group = weight.shape[1]
    groups = op.groups
    into = x.shape[1] // groups
    full = np.zeros((len(x), per_group * groups, *whole))
    for place in product(*map(range, sizes)):
        for tap in product(*map(range, weight.shape[2:])):
            there = [p * s + t * d for p, s, t, d in zip(place, stride, tap, dilation, strict=True)]
            for channel in range(x.shape[1]):
                first = channel // into * per_group
                target = (slice(None), slice(first, first + per_group), *there)
                row = weight[(channel, slice(None), *tap)]
                full[target] += x[(slice(None), channel, *place)][:, None] * row
    extra = each(op.output_pad, rank)
    if op.pad in ("same", "tf_same"):
        goal = [n * s + e for n, s, e in zip(sizes, stride, extra, strict=True)]
        before = [max(r - s, 0) // 2 for r, s in zip(spread, stride, strict=True)]
    else:
        pads = pads_of(op, sizes)
        before = [b for b, _ in pads]
        goal = [w - b - a + e for w, (b, a), e in zip(whole, pads, extra, strict=True)]
    out = np.zeros((len(x), full.shape[1], *goal))
    kept = [slice(b, b + g) for b, g in zip(before, goal, strict=True)]
    cropped = full[(..., *kept)]
    out[tuple(slice(n) for n in cropped.shape)] = cropped
    if "bias" in weights:
        out += weights["bias"].reshape(-1, *[1] * rank)
    return out


def pooling(reduce: Callable[[Any, Array, int], Array]) -> Callable[..., Array]:
    """A pooling from what it makes of the values in a window and the window's padded size."""

    def pooled(op: Any, x: Array, weights: Weights) -> Array:
        taps, pads = taps_of(op, x.shape[2:]), pads_of(op, x.shape[2:])
        out = np.zeros((*x.shape[:2], *map(len, taps)))
        for place, inside in windows(taps):
            real, counted = x, 1
            for axis, (wanted, size, (before, after)) in enumerate(
                zip(inside, x.shape[2:], pads, strict=True)
            ):
                real = real.take([i for i in wanted if 0 <= i < size], axis=axis + 2)
                counted *= sum(-before <= i < size + after for i in wanted)
            out[(..., *place)] = reduce(op, real.reshape(*x.shape[:2], -1), counted)
        return out

    return pooled


def mean_of(op: Any, values: Array, counted: int) -> Array:
    return values.sum(-1) / (counted if op.count_pad else values.shape[-1])


def response_norm(op: Any, x: Array, weights: Weights) -> Array:
    out = np.zeros_like(x)
    for channel in range(x.shape[1]):
        first = max(0, channel - op.size // 2)
        last = min(x.shape[1] - 1, channel + (op.size - 1) // 2)
        total = (x[:, first : last + 1] ** 2).sum(1)
        squares = total / op.size if op.average else total
        out[:, channel] = x[:, channel] / (op.k + op.alpha * squares) ** op.beta
    return out


def normalised(x: Array, axes: tuple[int, ...], eps: float) -> Array:
    centred = x - x.mean(axes, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axes, keepdims=True) + eps)


def trained(x: Array, weights: Weights) -> Array:
    ends = [1] * (x.ndim - 2)
    for name, function in (("weight", np.multiply), ("bias", np.add)):
        if name in weights:
            x = function(x, weights[name].astype(np.float64).reshape(-1, *ends))
    return x


def batch_norm(op: Any, x: Array, weights: Weights) -> Array:
    ends = [1] * (x.ndim - 2)
    mean = weights["running_mean"].astype(np.float64).reshape(-1, *ends)
    variance = weights["running_var"].astype(np.float64).reshape(-1, *ends)
    return trained((x - mean) / np.sqrt(variance + op.eps), weights)


def instance_norm(op: Any, x: Array, weights: Weights) -> Array:
    if op.track:
        return batch_norm(op, x, weights)
    return trained(normalised(x, tuple(range(2, x.ndim)), op.eps), weights)


def group_norm(op: Any, x: Array, weights: Weights) -> Array:
    groups = x.reshape(len(x), op.groups, -1)
    return trained(normalised(groups, (2,), op.eps).reshape(x.shape), weights)


def layer_norm(op: Any, x: Array, weights: Weights) -> Array:
    return trained(normalised(x, (1,), op.eps), from_offset(op, weights))


def rms_norm(op: Any, x: Array, weights: Weights) -> Array:
    root = np.sqrt((x**2).mean(1, keepdims=True) + op.eps)
    return trained(x / root, from_offset(op, weights))


def from_offset(op: Any, weights: Weights) -> Weights:
    """The weights with the scale that is kept from a number on."""
    scale = {n: w.astype(np.float64) + op.offset for n, w in weights.items() if n == "weight"}
    return {**weights, **scale}


def adaptive(reduce: Callable[[Array], Array]) -> Callable[..., Array]:
    def pooled(op: Any, x: Array, weights: Weights) -> Array:
        sizes = x.shape[2:]
        wanted = each(op.size, len(sizes))
        out = np.zeros((*x.shape[:2], *wanted))
        for place in product(*map(range, wanted)):
            bins = [
                slice(int(np.floor(i * size / n)), int(np.ceil((i + 1) * size / n)))
                for i, n, size in zip(place, wanted, sizes, strict=True)
            ]
            out[(..., *place)] = reduce(x[(..., *bins)].reshape(*x.shape[:2], -1))
        return out

    return pooled


def elementwise(function: Callable[[Any, Array], Array]) -> Callable[..., Array]:
    return lambda op, x, weights: function(op, x)


def prelu(op: Any, x: Array, weights: Weights) -> Array:
    slopes = weights["weight"].astype(np.float64)
    return np.where(x > 0, x, x * slopes.reshape(-1, *[1] * (x.ndim - 2)))


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def gelu(op: Any, x: Array) -> Array:
    if op.form == "tanh":
        return x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
    return x / 2 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def softmax(op: Any, x: Array) -> Array:
    axis = 1 if op.over == "channels" else -1
    powers = np.exp(x)
    return powers / powers.sum(axis, keepdims=True)


FUNCTIONS: dict[str, Callable[[Any, Array], Array]] = {
    "relu": lambda op, x: np.maximum(x, 0),
    "relu6": lambda op, x: np.minimum(np.maximum(x, 0), 6),
    "leaky": lambda op, x: np.where(x > 0, x, op.slope * x),
    "sigmoid": lambda op, x: sigmoid(x),
    "hardsigmoid": lambda op, x: np.clip(x / 6 + 0.5, 0, 1),
    "silu": lambda op, x: x * sigmoid(x),
    "hardswish": lambda op, x: x * np.clip(x + 3, 0, 6) / 6,
    "tanh": lambda op, x: op.scale * np.tanh(op.slope * x),
    "hardtanh": lambda op, x: np.clip(x, op.low, op.high),
    "elu": lambda op, x: np.where(x > 0, x, op.alpha * (np.exp(x) - 1)),
    "celu": lambda op, x: np.where(x > 0, x, op.alpha * (np.exp(x / op.alpha) - 1)),
    "selu": lambda op, x: (
        1.0507009873554804934193349852946
        * np.where(x > 0, x, 1.6732632423543772848170429916717 * (np.exp(x) - 1))
    ),
    "gelu": gelu,
    "mish": lambda op, x: x * np.tanh(np.log1p(np.exp(x))),
    "softplus": lambda op, x: np.log1p(np.exp(op.beta * x)) / op.beta,
    "softsign": lambda op, x: x / (1 + np.abs(x)),
    "softmax": softmax,
    "log_softmax": lambda op, x: np.log(softmax(op, x)),
    "scaled": lambda op, x: op.factor * x + op.shift,
    "square": lambda op, x: x**2,
    "abs": lambda op, x: np.abs(x),
    "exp": lambda op, x: np.exp(x),
    "sin": lambda op, x: np.sin(x),
    "cos": lambda op, x: np.cos(x),
    "pow": lambda op, x: x**op.exponent,
    "clip": lambda op, x: np.clip(x, op.low, op.high),
    "flip": lambda op, x: np.flip(x, {"channels": 1, "depth": -3, "height": -2}.get(op.axis, -1)),
    "dropout": lambda op, x: x,
    "droppath": lambda op, x: x,
}

Reference = Callable[[Any, Array, Weights], Array]
REFERENCES: dict[type[Operator], Reference] = {
    REGISTRY[word]: reference
    for word, reference in {
        "conv": convolution,
        "dwconv": convolution,
        "deconv": transposed,
        "fc": fully_connected,
        "maxpool": pooling(lambda op, values, counted: values.max(-1)),
        "avgpool": pooling(mean_of),
        "lppool": pooling(
            lambda op, values, counted: (np.abs(values) ** op.p).sum(-1) ** (1 / op.p)
        ),
        "adaptive_avgpool": adaptive(lambda values: values.mean(-1)),
        "adaptive_maxpool": adaptive(lambda values: values.max(-1)),
        "lrn": response_norm,
        "bn": batch_norm,
        "groupnorm": group_norm,
        "layernorm": layer_norm,
        "instancenorm": instance_norm,
        "rmsnorm": rms_norm,
        "l2norm": lambda op, x, w: x / np.maximum(np.sqrt((x**2).sum(1, keepdims=True)), op.eps),
        "affine": lambda op, x, w: trained(x, w),
        "prelu": prelu,
        **{word: elementwise(function) for word, function in FUNCTIONS.items()},
    }.items()
}
