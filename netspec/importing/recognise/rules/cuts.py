"""What slices of a file cut, axis by axis."""

from __future__ import annotations

from netspec.importing.files.program import Node

Cut = dict[int, tuple[int, int, int]]


def cuts(node: Node, shape: tuple[int, ...]) -> Cut | None:
    """For each axis that a slice cuts from a tensor of this shape: start, end and step."""
    starts, ends = node.get("starts"), node.get("ends")
    if starts is None or ends is None:
        return None
    axes = node.get("axes") or tuple(range(len(starts)))
    steps = node.get("steps") or (1,) * len(starts)
    found: Cut = {}
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        if step < 1 or axis % len(shape) in found:
            return None
        bounds = slice(start, end, step).indices(shape[axis % len(shape)])
        if bounds[0] >= bounds[1]:
            return None
        found[axis % len(shape)] = bounds
    return found
