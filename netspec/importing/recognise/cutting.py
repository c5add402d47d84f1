"""Parts of maps: cuts along several axes are one, those behind a transposed convolution its padding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from netspec.importing.files.program import Node
from netspec.importing.recognise.arranging import sliced
from netspec.importing.recognise.patterns import Match
from netspec.importing.recognise.rules.cuts import Cut, cuts
from netspec.importing.recognise.rules.joining import concat
from netspec.importing.recognise.rules.rolling import roll
from netspec.importing.recognise.steps import sizes
from netspec.importing.recognise.views import Atom, View, size_of
from netspec.importing.recognise.writer import Writer


def twice(match: Match, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any] | None:
    """A slice of a slice along other axes is one."""
    second, first = match.nodes
    shape = shapes.get(match.tensors["x"])
    found = [cuts(node, shape) if shape else None for node in (first, second)]
    one, two = found
    if one is None or two is None or one.keys() & two.keys():
        return None
    both = one | two
    starts, ends, steps = zip(*both.values(), strict=True)
    return {"starts": starts, "ends": ends, "axes": tuple(both), "steps": steps}


def cropped(match: Match, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any] | None:
    """What is cut off a transposed convolution's output is padding of it."""
    node, deconv = match.nodes
    shape = shapes.get(deconv.output, ())
    found = cuts(node, shape) if shape else None
    plain = deconv.get("auto_pad", "NOTSET") in ("", "NOTSET") and not deconv.get("output_shape")
    if not found or min(found) < 2 or any(step != 1 for _, _, step in found.values()) or not plain:
        return None
    rank = len(shape) - 2
    pads = list(deconv.get("pads") or (0,) * (2 * rank))
    extra = list(deconv.get("output_padding") or (0,) * rank)
    for axis, (start, end, _) in found.items():
        off = shape[axis] - end
        pads[axis - 2] += start
        # What the output has more goes first.
        more = min(extra[axis - 2], off)
        extra[axis - 2] -= more
        pads[rank + axis - 2] += off - more
    return {**deconv.attributes, "pads": tuple(pads), "output_padding": tuple(extra)}


def slices(writer: Writer, node: Node) -> View:
    """Slice: of a map a crop or every so manieth place, else along one axis after another."""
    view = writer.view(node.inputs[0]).whole()
    found = cuts(node, writer.shapes[node.inputs[0]])
    if found is not None and (whole := _of_map(writer, view, found)) is not None:
        return whole
    starts, ends = node.get("starts"), node.get("ends")
    axes = node.get("axes") or tuple(range(len(starts)))
    steps = node.get("steps") or (1,) * len(starts)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        view = sliced(writer, view, axis % len(view.axes), start, end, step, drop=False)
    return view


def rolled(writer: Writer, node: Node) -> View:
    """A roll of a map's places, or of its channels, of which the last part then comes first."""
    found = roll(writer, node)
    if found is not None:
        return found
    view, axis = writer.view(node.inputs[0]), node.get("axis")
    size = size_of(view.axes[axis])
    at = -node.get("shift") % size
    parts = {}
    for start, end in ((at, size), (0, at)):
        name = f"{node.output} from {start}"
        parts[name] = sliced(writer, view, axis, start, end, 1, drop=False)
    writer.views.update(parts)
    return concat(writer, replace(node, op="Concat", inputs=tuple(parts)))


def _of_map(writer: Writer, view: View, found: Cut) -> View | None:
    """The cut of a map as one step; None where it is no map's, or a slice says as much."""
    wire = view.wire
    whole = [wire.sizes[0], *wire.sizes[1:]]
    places: dict[int, tuple[int, int, int]] = {}
    for axis, cut in found.items():
        atoms = view.axes[axis]
        if len(range(*cut)) == size_of(atoms):
            continue
        at = [i for i, base in enumerate(view.base) if base and base == atoms]
        if len(at) != 1 or at[0] < 2:
            return None
        places[at[0]] = cut
    spatial = range(2, len(view.base))
    if not places or any(len(view.base[i]) != 1 for i in places):
        return None
    every = [places.get(i, (0, whole[i - 1], 1)) for i in spatial]
    kept = [len(range(*cut)) for cut in every]
    head = _subsampled(every, whole[1:], kept) or _cropped(every, whole[1:], kept, len(places))
    if head is None:
        return None
    made = writer.step(head, [wire], [whole[0], *kept])
    new = {i: (Atom(size),) if size > 1 else () for i, size in zip(spatial, kept, strict=True)}
    base = tuple(new[i] if i in places else axis for i, axis in enumerate(view.base))
    moved = {view.base[i]: new[i] for i in places}
    return View(made, base, tuple(moved.get(axis, axis) for axis in view.axes))


def _subsampled(every: list[tuple[int, int, int]], whole: list[int], kept: list[int]) -> str | None:
    """Every so manieth place from an offset on, to the end."""
    offsets, steps = [start for start, _, _ in every], [step for _, _, step in every]
    after = [
        -(-(size - start) // step) for size, start, step in zip(whole, offsets, steps, strict=True)
    ]
    if max(steps) == 1 or after != kept:
        return None
    offset = f", offset={sizes(offsets)}" if any(offsets) else ""
    return f"subsample({sizes(steps)}{offset})"


def _cropped(
    every: list[tuple[int, int, int]], whole: list[int], kept: list[int], cut: int
) -> str | None:
    """A piece of a map, in as few words as it can be said."""
    if any(step > 1 for _, _, step in every) or cut == 1:
        return None  # one axis alone
    sides = [(start, size - end) for (start, end, _), size in zip(every, whole, strict=True)]
    if all(pair == (sides[0][0],) * 2 for pair in sides):
        return f"crop({sides[0][0]})"
    if all(
        start == (size - size_kept) // 2
        for (start, _), size, size_kept in zip(sides, whole, kept, strict=True)
    ):
        return f"crop(size={sizes(kept)})"
    inner = ", ".join(f"({before}, {after})" for before, after in sides)
    return f"crop(({inner}))"
