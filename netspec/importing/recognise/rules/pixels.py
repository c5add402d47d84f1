"""Every second row and column of a map, joined along the channels: a view of pixels made channels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from netspec.importing.files.program import Node
from netspec.importing.recognise.views import View, flat
from netspec.importing.recognise.writer import Unsaid, Writer

Shape = tuple[int, ...]


def unshuffled(node: Node, makers: Mapping[str, Node], shapes: Mapping[str, Shape]) -> Node | None:
    """The node that joins a tensor's strided slices, one from each start; None where it joins others.

    `axes` are those that were sliced, the one whose starts change slowest first, each with its step in
    `steps`; the slices are joined along `axis`.
    """
    rank = len(shapes.get(node.output, ()))
    if not rank:
        return None
    axis = node.get("axis", 0) % rank
    found = [_strided(name, makers, shapes) for name in node.inputs]
    whole = found[0]
    if whole is None or any(f is None or f[0] != whole[0] or f[2] != whole[2] for f in found):
        return None
    steps = whole[2]
    if axis in steps:
        return None
    starts = [f[1] for f in found if f is not None]
    for order in (tuple(sorted(steps)), tuple(sorted(steps, reverse=True))):
        wanted: list[dict[int, int]] = [{}]
        for along in order:
            wanted = [{**done, along: i} for done in wanted for i in range(steps[along])]
        if [{a: s.get(a, 0) for a in steps} for s in starts] == wanted:
            given = {"axis": axis, "axes": order, "steps": tuple(steps[a] for a in order)}
            return replace(node, op="Unshuffle", inputs=(whole[0],), attributes=given)
    return None


def _strided(
    name: str, makers: Mapping[str, Node], shapes: Mapping[str, Shape]
) -> tuple[str, dict[int, int], dict[int, int]] | None:
    """The tensor that slices of slices are of, the start along each axis and the step; None for others."""
    starts: dict[int, int] = {}
    steps: dict[int, int] = {}
    while (node := makers.get(name)) is not None and node.op == "Slice":
        shape = shapes.get(node.inputs[0])
        begins, ends = node.get("starts"), node.get("ends")
        if shape is None or begins is None:
            return None
        axes = node.get("axes") or tuple(range(len(begins)))
        by = node.get("steps") or (1,) * len(begins)
        for begin, end, axis, step in zip(begins, ends, axes, by, strict=True):
            axis, size = axis % len(shape), shape[axis]
            begin, end, step = slice(begin, end, step).indices(size)
            if (begin, end, step) == (0, size, 1):
                continue
            if (
                step < 2
                or size % step
                or begin >= step
                or end <= size - step + begin
                or axis in steps
            ):
                return None
            starts[axis], steps[axis] = begin, step
        name = node.inputs[0]
    return (name, starts, steps) if steps else None


def unshuffle(writer: Writer, node: Node) -> View:
    """Pixels as channels, before those that there are: a view."""
    view = writer.view(node.inputs[0])
    inner: dict[int, int] = dict(zip(node.get("axes"), node.get("steps"), strict=True))
    sizes: list[int] = []
    places: dict[int, int] = {}
    for i, size in enumerate(view.shape):
        places[i] = len(sizes)
        sizes += [size // inner[i], inner[i]] if i in inner else [size]
    apart = view.reshaped(sizes)
    if apart is None:
        raise Unsaid("it takes every second place of an axis that lies inside others")
    joined = node.get("axis")
    first = flat(apart.axes[places[i] + 1] for i in node.get("axes"))
    axes = [apart.axes[places[i]] for i in range(len(view.axes))]
    axes[joined] = (*first, *axes[joined])
    return replace(apart, axes=tuple(axes))


PIXELS = {"Unshuffle": unshuffle}
