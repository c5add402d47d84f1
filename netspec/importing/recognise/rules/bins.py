"""Adaptive max pooling: along each axis the elements of every bin side by side, and the largest of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from netspec.importing.files.program import Array, Node
from netspec.importing.recognise.patterns import Match
from netspec.importing.recognise.steps import sizes
from netspec.importing.recognise.views import View
from netspec.importing.recognise.writer import Unsaid, Writer
from netspec.ops.spatial.adaptive import bins


def binned(
    match: Match, constants: Mapping[str, Array], shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, Any] | None:
    """How many bins an axis is reduced to; None where it is not reduced by bins."""
    most, taken = match.nodes
    places, axis = constants[match.tensors["$p"]], taken.get("axis", 0)
    shape = shapes.get(match.tensors["x"], ())
    if places.ndim != 2 or not shape or most.get("keepdims", 1):
        return None
    axis %= len(shape)
    if most.get("axes") != (axis + 1,) or axis < 2:
        return None
    return (
        {"bins": ((axis, len(places)),)} if _are_bins(places % shape[axis], shape[axis]) else None
    )


def _are_bins(places: Array, size: int) -> bool:
    """Whether each row has all elements of its bin and no others."""
    return all(
        np.array_equal(np.unique(row), np.arange(start, end))
        for row, (start, end) in zip(places, bins(size, len(places)), strict=True)
    )


def both(match: Match) -> dict[str, Any] | None:
    """The bins of two axes, one reduced after the other."""
    after, before = (node.get("bins") for node in match.nodes)
    if {axis for axis, _ in after} & {axis for axis, _ in before}:
        return None
    return {"bins": (*before, *after)}


def adaptive_pool(writer: Writer, node: Node) -> View:
    """A map reduced to bins."""
    view, out = writer.view(node.inputs[0]), dict(node.get("bins"))
    wire = writer.plain(view)
    if len(wire.sizes) != len(view.axes) - 1 or not 1 < len(wire.sizes) < 5:
        raise Unsaid("it is of no map")
    size = [out.get(axis, whole) for axis, whole in enumerate(wire.sizes[1:], 2)]
    made = writer.step(f"adaptive_maxpool({sizes(size)})", [wire], (wire.sizes[0], *size))
    base = (view.axes[0], *writer.axes(made.sizes))
    return View(made, base, base)


BINS = {"AdaptiveMaxPool": adaptive_pool}
