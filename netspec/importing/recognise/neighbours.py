"""Local response normalisation as it is written out: by a band over the channels, or by windows along them.

netspec writes a convolution of the squares, and PyTorch's exporters an average over a map in which the
channels are an axis. Both are ONNX's LRN, but for even sizes, which that centres otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from netspec.importing.files.program import Array
from netspec.importing.recognise.patterns import Match, scalar
from netspec.ops.elementwise.response import neighbours

Shape = tuple[int, ...]

# How the base is raised to beta and divided by, with the beta that a form says itself.
_POWERS = {
    "Div(x, {})": 1.0,
    "Div(x, Sqrt({}))": 0.5,
    "Div(x, Mul(Sqrt({}), Sqrt(Sqrt({}))))": 0.75,
    "Div(x, Pow({}, $p))": None,
    "Mul(x, Pow({}, $p))": None,
}
_MEANS = (
    "Reshape(AveragePool(Reshape(Mul(x, x))))",
    "Squeeze(AveragePool(Reshape(Mul(x, x))))",
    "Squeeze(AveragePool(Unsqueeze(Mul(x, x))))",
    "Reshape(Squeeze(AveragePool(Reshape(Mul(x, x)))))",
)
_BASES = ["Add(Conv(Mul(x, x), $w), $k)"]
_BASES += [form.format(mean) for mean in _MEANS for form in ("Add(Mul({}, $a), $k)", "Add({}, $k)")]
# Every way that it is written, by the beta that it says.
FORMS = {
    beta: [
        form.replace("{}", base)
        for form, said in _POWERS.items()
        if said == beta
        for base in _BASES
    ]
    for beta in _POWERS.values()
}


def response(
    match: Match, constants: Mapping[str, Array], shapes: Mapping[str, Shape], beta: float | None
) -> dict[str, Any] | None:
    """The attributes of the LRN that a pattern is; None where it is something else.

    `beta` is what its form says, None where a constant does.
    """
    shape = shapes.get(match.tensors["x"], ())
    if len(shape) < 3:
        return None
    if beta is None:
        power = scalar(match.tensors["$p"], constants)
        if power is None:
            return None
        beta = -power if match.nodes[0].op == "Mul" else power
    banded = any(node.op == "Conv" for node in match.nodes)
    found = _band(match, constants, shape) if banded else _windows(match, constants, shapes)
    return None if found is None else {**found, "beta": beta}


def _band(match: Match, constants: Mapping[str, Array], shape: Shape) -> dict[str, Any] | None:
    """A kernel of one place whose numbers are equal near the diagonal, and none elsewhere."""
    conv, channels = match.node("Conv"), shape[1]
    kernel, bias = constants[match.tensors["$w"]], scalar(match.tensors["$k"], constants)
    if kernel.shape != (channels, channels, *[1] * (len(shape) - 2)) or conv.get("group", 1) != 1:
        return None
    moved = (*conv.get("pads", ()), *(s - 1 for s in conv.get("strides", ())))
    if any(moved) or conv.get("auto_pad", "NOTSET") not in ("", "NOTSET"):
        return None
    weights = kernel.reshape(channels, channels)
    weight = weights[0, 0]
    size = _reach(weights[0]) + _reach(weights[:, 0]) + 1
    if not weight or bias is None:
        return None
    if np.any(weights != np.where(neighbours(channels, size), weight, np.float32(0))):
        return None
    return {"size": size, "alpha": _whole(weight, size), "bias": bias}


def _reach(line: Array) -> int:
    """How far from the diagonal the band goes."""
    return int(np.nonzero(line)[0].max(initial=0))


def _whole(weight: Any, size: int) -> float:
    """The shortest alpha that gives this weight over `size` channels."""
    exact = float(weight) * size
    for digits in range(1, 10):
        short = float(f"{exact:.{digits}g}")
        if np.float32(short / size) == weight:
            return short
    return exact


def _windows(
    match: Match, constants: Mapping[str, Array], shapes: Mapping[str, Shape]
) -> dict[str, Any] | None:
    """A mean over some channels at one place, of a map whose first axis of places they are."""
    pool, shape = match.node("AveragePool"), shapes[match.tensors["x"]]
    inner, kernel = shapes.get(pool.inputs[0], ()), pool.get("kernel_shape", ())
    rank = len(inner) - 2
    if rank < 1 or inner[:3] != (shape[0], 1, shape[1]) or set(kernel[1:]) - {1}:
        return None
    size = kernel[0]
    ends = (size // 2, *[0] * (rank - 1), (size - 1) // 2, *[0] * (rank - 1))
    if tuple(pool.get("pads", ()) or (0,) * 2 * rank) != ends or pool.get("ceil_mode", 0):
        return None
    if set(pool.get("strides", ())) - {1} or (size > 1 and not pool.get("count_include_pad", 0)):
        return None
    factor, bias = (
        scalar(match.tensors[name], constants) if name in match.tensors else 1.0
        for name in ("$a", "$k")
    )
    if factor is None or bias is None:
        return None
    return {"size": size, "alpha": factor, "bias": bias}
