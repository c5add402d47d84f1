"""Resize and Upsample: where each place of the new map lies in the old one, held against `upsample`'s."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from netspec.importing.files.program import Array, Node
from netspec.importing.recognise.steps import sizes
from netspec.importing.recognise.views import View
from netspec.importing.recognise.writer import Unsaid, Writer
from netspec.ops.spatial.upsample import nearest_places

_MODES = {"nearest": "nearest", "linear": "bilinear", "cubic": "bicubic"}
_NEAREST: dict[str, Callable[[Array], Array]] = {
    "round_prefer_floor": lambda x: np.ceil(x - 0.5),
    "round_prefer_ceil": lambda x: np.floor(x + 0.5),
    "floor": np.floor,
    "ceil": np.ceil,
}


def resize(writer: Writer, node: Node) -> View:
    """Resize and Upsample, to whole factors or to a size."""
    view = writer.view(node.inputs[0])
    wire, shape = writer.plain(view), writer.shapes[node.output][1:]
    if len(shape) != len(wire.sizes) or shape[:1] != wire.sizes[:1]:
        raise Unsaid("it changes the number of channels or of axes")
    old, new = wire.sizes[1:], shape[1:]
    if old == new:
        return writer.whole(wire, view.axes[0])
    exact = all(b % a == 0 for a, b in zip(old, new, strict=True))
    factors = sizes([b // a for a, b in zip(old, new, strict=True)])
    given = [factors if exact else f"size={'x'.join(map(str, new))}", *_way(node, old, new)]
    made = writer.step(f"upsample({', '.join(given)})", [wire], shape)
    return writer.whole(made, view.axes[0])


def _way(node: Node, old: Sequence[int], new: Sequence[int]) -> list[str]:
    """The arguments of the step that reads the same places as the node, in the same shares."""
    mode = _MODES[node.get("mode", "nearest")]
    pairs = list(zip(_places(node, old, new), old, new, strict=True))
    if mode == "nearest":
        rule = node.get("nearest_mode", "round_prefer_floor")
        for places, a, b in pairs:
            taken = np.clip(_NEAREST[rule](places), 0, a - 1)
            if not np.array_equal(taken, nearest_places(a, b)):
                raise Unsaid(f"it takes other places than the nearest, `{rule}` at {_called(node)}")
        return []
    given = [f"mode={mode}"]
    smaller = any(b < a for a, b in zip(old, new, strict=True))
    averages = bool(node.get("antialias", 0)) and (smaller or mode == "bicubic")
    shares = (node.get("cubic_coeff_a", -0.75), bool(node.get("exclude_outside", 0)))
    wanted = (-0.5, True) if averages else (-0.75, False)
    if (mode == "bicubic" and shares != wanted) or (averages and not shares[1]):
        raise Unsaid(
            "what lies around a place has other shares, by its cubic_coeff_a and exclude_outside"
        )
    if all(_alike(mode, places, _centres(a, b), a) for places, a, b in pairs):
        return given + ["antialias=yes"] * averages
    if not averages and all(_alike(mode, places, _corners(a, b), a) for places, a, b in pairs):
        return [*given, "align_corners=yes"]
    raise Unsaid(f"it reads between other places, at {_called(node)}")


def _alike(mode: str, places: Array, others: Array, size: int) -> bool:
    """Whether both lie at the same of so many places; beyond the ends lies the last, where two are read."""
    if mode == "bilinear":
        places, others = (np.clip(found, 0, size - 1) for found in (places, others))
    return bool(np.allclose(places, others, rtol=0, atol=1e-5 * size))


def _centres(old: int, new: int) -> Array:
    return (np.arange(new) + 0.5) * (old / new) - 0.5


def _corners(old: int, new: int) -> Array:
    return np.arange(new) * ((old - 1) / max(new - 1, 1))


def _called(node: Node) -> str:
    """The node's coordinates, and its scales where it has some."""
    how = node.get("coordinate_transformation_mode", "half_pixel")
    scales = node.get("scales", ())
    return f"`{how}`" + (f" and scales {', '.join(f'{s:.4g}' for s in scales)}" if scales else "")


def _places(node: Node, old: Sequence[int], new: Sequence[int]) -> list[Array]:
    """Where, along each axis, the new places lie among the old ones, as ONNX computes it."""
    how = node.get("coordinate_transformation_mode", "half_pixel")
    if node.get("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise Unsaid("its scale keeps the ratio of the sides")
    found = []
    for scale, a, b in zip(_scales(node, old, new), old, new, strict=True):
        steps = np.arange(b, dtype=np.float64)
        middle = (steps + 0.5) / scale - 0.5
        ways = {
            "half_pixel": middle,
            "half_pixel_symmetric": middle + a / 2 * (1 - b / (scale * a)),
            "pytorch_half_pixel": middle if b > 1 else np.zeros(1),
            "align_corners": _corners(a, b),
            "asymmetric": steps / scale,
        }
        if how not in ways:
            raise Unsaid(f"its coordinates are {how}")
        found.append(ways[how])
    return found


def _scales(node: Node, old: Sequence[int], new: Sequence[int]) -> list[float]:
    """How many times larger each axis gets, by the node's own scales where it has some."""
    rank = len(old) + 2
    found = dict(enumerate(b / a for a, b in zip(old, new, strict=True)))
    axes = node.get("axes") or range(rank)
    for axis, scale in zip(axes, node.get("scales", ()), strict=False):
        place = axis % rank - 2
        if place in found:
            found[place] = scale
    return [found[place] for place in range(len(old))]
