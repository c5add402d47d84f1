"""What layers compute beyond torch's own, and which functions say what its modules do.

Functions are given `torch`, and the layer of torch's that they are about: as an operator's `compute` they
can so be run, be written down, or be followed without torch.
"""

from __future__ import annotations

from math import prod
from typing import Any

from netspec.ops.declare.checks import type_of
from netspec.ops.declare.geometry import Geometry

# Modules that own nothing and are the same in training, by the function that says the same.
FUNCTIONS = {
    "ReLU": "F.relu",
    "ReLU6": "F.relu6",
    "GELU": "F.gelu",
    "SiLU": "F.silu",
    "SELU": "F.selu",
    "ELU": "F.elu",
    "CELU": "F.celu",
    "Mish": "F.mish",
    "Hardswish": "F.hardswish",
    "Hardsigmoid": "F.hardsigmoid",
    "Hardtanh": "F.hardtanh",
    "LeakyReLU": "F.leaky_relu",
    "Softplus": "F.softplus",
    "Softsign": "F.softsign",
    "Sigmoid": "torch.sigmoid",
    "Tanh": "torch.tanh",
    "Softmax": "F.softmax",
    "LogSoftmax": "F.log_softmax",
    "LocalResponseNorm": "F.local_response_norm",
    **{f"MaxPool{n}d": f"F.max_pool{n}d" for n in (1, 2, 3)},
    **{f"AvgPool{n}d": f"F.avg_pool{n}d" for n in (1, 2, 3)},
    **{
        f"Adaptive{kind}Pool{n}d": f"F.adaptive_{kind.lower()}_pool{n}d"
        for kind in ("Avg", "Max")
        for n in (1, 2, 3)
    },
}


def flat_linear(torch: Any, layer: Any, input: Any) -> Any:
    """A linear layer over all elements of a map, channels first."""
    return layer(input.flatten(1))


def window_linear(torch: Any, layer: Any, kernel: tuple[int, ...], out: int, input: Any) -> Any:
    """A linear layer over the elements of every window, channels first."""
    if prod(kernel) == 1:
        return layer(input.movedim(1, -1)).movedim(-1, 1)
    convolve = getattr(torch.nn.functional, f"conv{len(kernel)}d")
    return convolve(input, layer.weight.reshape(out, -1, *kernel), layer.bias)


def padded(
    torch: Any, layer: Any, window: Geometry, input: Any, mode: str = "zeros", value: float = 0.0
) -> Any:
    """A window that slides over a map with a border of its own on each side."""
    how = {"value": value} if value else {"mode": mode} if mode != "zeros" else {}
    result = layer(torch.nn.functional.pad(input, window.torch_pads, **how))
    if not window.ceil:
        return result
    sizes = window.output("pool", type_of(input))
    pieces = (..., *(slice(size) for size in sizes))
    if isinstance(result, tuple):
        return tuple(tensor[pieces] for tensor in result)
    return result[pieces]


def max_padded(torch: Any, layer: Any, window: Geometry, input: Any) -> Any:
    """A maximum that no border is, and the places where it is found, counted without the border."""
    result = padded(torch, layer, window, input, value=float("-inf"))
    if not isinstance(result, tuple):
        return result
    # torch counts places in the padded plane; they are those of the plane without.
    pooled, places = result
    found = torch.zeros_like(places)
    factor = 1
    axes = zip(input.shape[2:], window.pads, strict=True)
    for size, (before, after) in reversed(list(axes)):
        whole = size + before + after
        found = found + (places % whole - before) * factor
        places, factor = places // whole, factor * size
    return pooled, found


def cropped(torch: Any, layer: Any, window: Geometry, input: Any) -> Any:
    """What a transposed convolution makes, without its border."""
    result = layer(input)
    for axis, (before, after) in enumerate(window.pads, start=2):
        result = result.narrow(axis, before, result.shape[axis] - before - after)
    return result


def pads_itself(kind: str, window: Geometry) -> bool:
    """Whether torch's module, `Conv`, `ConvTranspose` or `MaxPool`, has a window's border itself."""
    halves = zip(window.before, window.kernel, strict=True)
    return window.symmetric and not ("Pool" in kind and any(2 * b > k for b, k in halves))


def over_channels_first(
    layer: Any, shape: tuple[int, bool, bool, bool], input: Any, *states: Any
) -> Any:
    """What torch's layer gives for a sequence (N, C, T) or a step (N, C), and states as vectors.

    `shape` says how many layers it has, whether of both directions, and whether it gives the `last`
    state only and the final states too.
    """
    layers, both, last, several = shape
    parts = layers * (2 if both else 1)
    step = input.dim() == 2
    sequence = (input.unsqueeze(2) if step else input).permute(2, 0, 1)
    start = tuple(
        state.reshape(state.shape[0], parts, -1).transpose(0, 1).contiguous() for state in states
    )
    steps, final = layer(sequence, *((start,) if len(start) > 1 else start))
    finals = final if isinstance(final, tuple) else (final,)
    ending = _vector(finals[0][-2 if both else -1 :]) if last or step else None
    found = steps.permute(1, 2, 0) if ending is None else ending
    return (found, *(_vector(state) for state in finals)) if several else found


def _vector(state: Any) -> Any:
    """A state of torch's, (layers x directions, N, H), as one vector for each sample."""
    return state.transpose(0, 1).flatten(1)
