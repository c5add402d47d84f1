"""What is chosen by its values: the largest, and what stands at their places in other tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from netspec.foundation.records import record
from netspec.importing.files.program import Array, Node
from netspec.importing.recognise.patterns import Match
from netspec.importing.recognise.views import Atom, Axes, Axis, View, flat, size_of
from netspec.importing.recognise.writer import Unsaid, Writer
from netspec.ops.vectors.relative import pair_index


def largest(writer: Writer, node: Node) -> tuple[View, View]:
    """TopK of a vector or of rows: the values, and their places for those that take them."""
    if node.get("k") is None:
        raise Unsaid("how many it takes is computed")
    if not node.get("sorted", 1):
        raise Unsaid("it leaves its values in no order")
    view = writer.view(node.inputs[0])
    axis, count = node.get("axis", -1) % len(view.axes), _one(node.get("k"))
    along = view.axes[axis]
    if set(along) & set(view.base[0]):
        raise Unsaid("it computes along the batch")
    rows = flat(a for i, a in enumerate(view.axes) if i != axis and a != view.base[0])
    whole: Axes = (view.base[0], rows, along)
    if not rows and view.base != whole:
        whole = (view.base[0], along)
    view = writer.arranged(view, whole)
    more = "" if node.get("largest", 1) else ", largest=no"
    shape = (*view.wire.sizes[:-1], count)
    wire = writer.step(f"topk({count}{more})", [view.wire], shape)
    new = (Atom(count),) if count > 1 else ()
    values = View(
        wire,
        (*view.base[:-1], new),
        tuple(new if i == axis else a for i, a in enumerate(view.axes)),
    )
    return values, values.on(wire.beside("gather", shape))


def _one(value: int | Sequence[int]) -> int:
    return value if isinstance(value, int) else value[0]


@record
class Slot:
    """An axis of what is taken: atoms of the tensor, of the places, or the same of both."""

    own: Axis = ()
    place: Axis = ()


def elements(writer: Writer, node: Node) -> View:
    """GatherElements: each row at its own places, or those of one row, or repeated for all rows."""
    data, places = writer.copied(node.inputs[0]), _places(writer, node)
    axis = node.get("axis", 0) % len(data.axes)
    if any(
        size_of(a) != size_of(b)
        for i, (a, b) in enumerate(zip(data.axes, places.axes, strict=True))
        if i != axis
    ):
        raise Unsaid("it takes elements of some rows alone")
    slots = [
        Slot(() if i == axis else _own(data, own), _own(places, place))
        for i, (own, place) in enumerate(zip(data.axes, places.axes, strict=True))
    ]
    return _taken(writer, data, places, data.axes[axis], slots)


def by_samples(writer: Writer, node: Node) -> View:
    """GatherND along one axis, the first ones being those of samples or rows."""
    data, places = writer.copied(node.inputs[0]), _places(writer, node)
    shared = node.get("batch_dims", 0)
    if shared < 1 or places.axes[-1] != ():
        raise Unsaid("it takes elements in several axes")
    slots = [
        Slot(_own(data, a), _own(places, b))
        for a, b in zip(data.axes[:shared], places.axes[:shared], strict=True)
    ]
    slots += [Slot(place=_own(places, a)) for a in places.axes[shared:-1]]
    slots += [Slot(own=_own(data, a)) for a in data.axes[shared + 1 :]]
    return _taken(writer, data, places, data.axes[shared], slots)


def _places(writer: Writer, node: Node) -> View:
    """The places that a node takes elements at, if a step gives them."""
    if node.inputs[1] in writer.constants:
        raise Unsaid("it takes elements in several axes")
    found = writer.copied(node.inputs[1])
    if found.wire.only != "gather":
        raise Unsaid("which elements it takes is computed")
    return found


def _own(view: View, axis: Axis) -> Axis:
    """An axis of a view, without atoms if it only repeats."""
    inside = set(flat(view.base))
    own = tuple(atom for atom in axis if atom in inside)
    if own and own != axis:
        raise Unsaid("it takes elements of rows that repeat within an axis")
    return own


def _taken(writer: Writer, data: View, places: View, along: Axis, slots: Sequence[Slot]) -> View:
    """Elements along some atoms of a tensor, at places of rows: the axes are those of the slots."""
    batch, count = data.base[0], places.base[-1]
    lead = Slot(batch, batch)
    if places.base[0] != batch or lead not in slots:
        raise Unsaid("which elements it takes differs otherwise than from sample to sample")
    others = [slot for slot in slots if slot != lead]
    rows = places.base[1] if len(places.base) > 2 else ()
    both = flat(slot.place for slot in others if slot.own and slot.place)
    alone = flat(slot.place for slot in others if not slot.own)
    ours = flat(slot.own for slot in others if slot.own and not slot.place)
    for atom in count:
        if atom not in alone:
            raise Unsaid("it takes elements of some rows alone")
    every = tuple(atom for atom in alone if atom not in count)
    if both and (every or ours or set(both) != set(rows)):
        raise Unsaid("some of its rows have places of their own, and others have not")
    if set(both) | set(every) != set(rows):
        raise Unsaid("it takes elements of some rows alone")
    if both:
        # Rows in the order that they have in the places.
        pairs = [slot for slot in others if slot.own]
        pairs.sort(key=lambda slot: rows.index(slot.place[0]))
        if flat(slot.place for slot in pairs) != rows:
            raise Unsaid("its rows lie in another order than the places")
        ours = flat(slot.own for slot in pairs)
    target: Axes = (batch, ours, along)
    if not ours and not every and data.base != target:
        target = (batch, along)
    view = writer.arranged(View(data.wire, data.base, data.base), target)
    if every:
        base: Axes = (*view.base[:-1], rows, count)
        given = ["rows=all"]
    else:
        base, given = (*view.base[:-1], count), []
    wire = writer.step("gather", [view.wire, places.wire], [size_of(a) for a in base[1:]], *given)
    return View(wire, base, tuple(slot.own or slot.place for slot in slots))


def hardmax(writer: Writer, node: Node) -> View:
    """Hardmax, or what puts ones where the largest are."""
    view = writer.view(node.inputs[0])
    rank, count = len(view.axes), node.get("count", 1)
    axis = node.get("axis", -1) % rank
    if node.get("flattened") and size_of(flat(view.axes[axis + 1 :])) > 1:
        raise Unsaid("it is over several axes")
    view = writer.channelled(view, axis)
    head = "hardmax" if count == 1 else f"hardmax({count})"
    return view.on(writer.step(head, [view.wire], view.wire.sizes))


def ones(
    match: Match, constants: Mapping[str, Array], shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, Any] | None:
    """The axis of a Hardmax and how many it has: ones put into zeros where the largest are."""
    put, chosen = match.nodes
    zeros, held = (constants[match.tensors[letter]] for letter in ("$z", "$o"))
    shape = shapes.get(match.tensors["x"], ())
    if put.inputs[1] != chosen.outputs[1] or not chosen.get("largest", 1) or not shape:
        return None
    if zeros.shape != shape or zeros.any() or (held != 1).any() or chosen.get("k") is None:
        return None
    axis = chosen.get("axis", -1) % len(shape)
    if put.get("axis", 0) % len(shape) != axis or put.get("reduction", "none") != "none":
        return None
    return {"axis": axis, "count": _one(chosen.get("k"))}


def running(writer: Writer, node: Node) -> View:
    """CumSum along one axis; from the end it runs over what is flipped."""
    held = writer.constants.get(node.inputs[1])
    if held is None:
        raise Unsaid("the axis that it runs along is computed")
    if node.get("exclusive", 0):
        raise Unsaid("it leaves each element out of its own sum")
    view = writer.view(node.inputs[0])
    axis = int(held.reshape(-1)[0]) % len(view.axes)
    along = view.axes[axis]
    if set(along) & set(view.base[0]):
        raise Unsaid("it computes along the batch")
    if len(view.base) < 3 or view.base[-1] != along:
        rows = flat(a for i, a in enumerate(view.axes) if i != axis and a != view.base[0])
        view = writer.arranged(view, (view.base[0], rows, along))
    reverse, flip = bool(node.get("reverse", 0)), "flip" if len(view.base) > 3 else "flip(time)"
    wire = writer.step(flip, [view.wire], view.wire.sizes) if reverse else view.wire
    wire = writer.step("scan", [wire], wire.sizes)
    return view.on(writer.step(flip, [wire], wire.sizes) if reverse else wire)


def pairs(writer: Writer, view: View, axis: int, places: Array) -> View | None:
    """A value for each offset as one for each pair of places; None for all other places."""
    spots = view.base[2:]
    whole = [size_of(spot) for spot in spots]
    if places.ndim != 2 or not spots or flat(spots) != view.axes[axis]:
        return None
    if not all(size % 2 for size in whole):
        return None
    index = pair_index(np, tuple((size + 1) // 2 for size in whole))
    if not np.array_equal(index, places):
        return None
    count = len(places)
    wire = writer.step("pairwise", [view.wire], (view.wire.sizes[0], count, count))
    one, other = ((Atom(count),) if count > 1 else () for _ in range(2))
    axes = (*view.axes[:axis], one, other, *view.axes[axis + 1 :])
    return View(wire, (*view.base[:2], one, other), axes)


CHOOSING: dict[str, Callable[[Writer, Node], View | tuple[View, View]]] = {
    "TopK": largest,
    "GatherElements": elements,
    "GatherND": by_samples,
    "Hardmax": hardmax,
    "CumSum": running,
}
