"""Tensors joined along an axis: channels, places, tokens in front, an axis of their own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from netspec.importing.files.program import Array, Node
from netspec.importing.recognise.sources.held import for_each, like
from netspec.importing.recognise.steps import same_along
from netspec.importing.recognise.views import Atom, View, copies, flat, refined, renamed, size_of
from netspec.importing.recognise.writer import Unsaid, Writer


def concat(writer: Writer, node: Node) -> View:
    """Concat along the channels, or the last axis of a value; tokens in front are a layer."""
    tensors = [name for name in node.inputs if name not in writer.constants]
    axis = node.get("axis", 0)
    if not tensors:
        raise Unsaid("it joins constants only")
    first = writer.view(tensors[0])
    axis %= len(first.axes)
    if len(tensors) == 1 and len(node.inputs) == 2 and node.inputs[1] == tensors[0]:
        tokens = _tokens(writer, first, axis, writer.constants[node.inputs[0]])
        if tokens is not None:
            return tokens
    rows = first.base[0]
    place = first.axes.index(rows) if rows in first.axes else 0
    views = [
        writer.view(n)
        if n not in writer.constants
        else _for_samples(writer, first, axis, n) or writer.copied(n, place)
        for n in node.inputs
    ]
    if len({len(view.axes) for view in views}) > 1:
        raise Unsaid("it joins a constant of other axes")
    if rows in first.axes:
        views = [like(writer, for_each(view, rows, place), first) for view in views]
    joined = _alike(views, axis) or _fitted(writer, views, axis)
    if joined is None and (stack := _stack(writer, views, axis)) is not None:
        return stack
    if joined is None:
        views = [writer.arranged(v, (v.base[0], v.axes[axis], *_others(v, axis))) for v in views]
        joined = _alike(views, axis)
    if joined is None:
        raise Unsaid("it joins along an axis that lies inside another")
    place, views = joined
    shape = list(views[0].wire.sizes)
    shape[place - 1] = sum(v.wire.sizes[place - 1] for v in views)
    given = [] if place == 1 else ["axis=time"]
    wire = writer.step("concat", [v.wire for v in views], shape, *given)
    new = (Atom(shape[place - 1]),)
    base = tuple(new if i == place else a for i, a in enumerate(views[0].base))
    axes = tuple(new if i == axis else a for i, a in enumerate(views[0].axes))
    return View(wire, base, axes)


def _for_samples(writer: Writer, first: View, axis: int, name: str) -> View | None:
    """A constant that has rows of samples inside an axis, as heads of all samples are, as what it joins lies.

    None for others: where samples have an axis of their own, they show in the numbers.
    """
    array, rows = writer.constants[name], first.base[0]
    inside = any(set(rows) & set(atoms) and atoms != rows for atoms in first.axes)
    if not inside or array.ndim != len(first.axes) or copies(first):
        return None
    new = (Atom(array.shape[axis]),) if array.shape[axis] > 1 else ()
    axes = tuple(new if i == axis else atoms for i, atoms in enumerate(first.axes))
    base = tuple(new if atoms == first.axes[axis] else atoms for atoms in first.base[1:])
    order = flat(axes)
    if tuple(map(size_of, axes)) != array.shape or set(order) != {*rows, *flat(base)}:
        return None
    array = array.reshape([atom.size for atom in order])
    for atom in rows:
        place = order.index(atom)
        if not same_along(array, place):
            raise Unsaid("a constant of it differs from sample to sample")
        array, order = array.take(0, place), tuple(a for a in order if a is not atom)
    numbers = array.transpose([order.index(atom) for atom in flat(base)])
    wire = writer.parameter(numbers.reshape([size_of(atoms) for atoms in base]), None, name)
    return View(wire, (rows, *base), axes)


def _others(view: View, axis: int) -> list[tuple[Atom, ...]]:
    return [a for i, a in enumerate(view.axes) if i != axis and a != view.base[0]]


def _alike(views: Sequence[View], axis: int) -> tuple[int, list[View]] | None:
    """The base axis that views are joined along, if all lie alike but for its size, and the views."""
    found: list[View] = []
    first = views[0]
    spots = [i for i, a in enumerate(first.base) if a == first.axes[axis] and i]
    if first.axes[axis] == ():
        spots = [i for i, a in enumerate(first.base) if not a and i]
    for place in spots:
        if place not in (1, len(first.base) - 1):
            continue
        found = [first]
        for other in views[1:]:
            if len(other.base) != len(first.base) or len(other.axes) != len(first.axes):
                break
            if other.base[place] != other.axes[axis]:
                break
            cut = [_without(v, place, axis) for v in (found[0], other)]
            pair = refined(*cut)
            named = renamed(*pair) if pair else None
            if (
                named is None
                or pair is None
                or named.base != pair[0].base
                or named.axes != pair[0].axes
            ):
                break
            if pair[0].base != cut[0].base:
                break
            found.append(other)
        else:
            return place, found
    return None


def _fitted(writer: Writer, views: list[View], axis: int) -> tuple[int, list[View]] | None:
    """The same with the others put in the order of the value that was there first, if that says it."""
    several = [view for view in views if view.axes[axis]] or views
    first = several[0]
    for view in several[1:]:
        first = first if writer.earlier(first.wire, view.wire) else view
    spots = [i for i, a in enumerate(first.base) if i and a and a == first.axes[axis]]
    if len(spots) != 1 or spots[0] not in (1, len(first.base) - 1) or copies(first):
        return None
    fitted = [_laid_like(writer, view, first, spots[0], axis) for view in views]
    found = [view for view in fitted if view is not None]
    return (spots[0], found) if len(found) == len(views) else None


def _stack(writer: Writer, views: list[View], axis: int) -> View | None:
    """Values joined along an axis of their own: their channels side by side; None for other joins."""
    first = views[0]
    if any(view.axes[axis] or len(view.base) < 2 for view in views) or copies(first):
        return None
    found = [_laid_like(writer, view, first, -1, axis) for view in views]
    wires = [view.wire for view in found if view is not None]
    if len(wires) < len(views):
        return None
    shape = (len(wires) * wires[0].sizes[0], *wires[0].sizes[1:])
    new = (Atom(len(wires)),)
    base = (first.base[0], (*new, *first.base[1]), *first.base[2:])
    axes = tuple(new if i == axis else a for i, a in enumerate(first.axes))
    return View(writer.step("concat", wires, shape), base, axes)


def _laid_like(writer: Writer, view: View, first: View, place: int, axis: int) -> View | None:
    """The view on a value that lies as the first does, but for its size along one axis; None if it cannot."""
    across = view.axes[axis]
    pair = refined(_without(first, -1, axis), _without(view, -1, axis))
    if pair is None or copies(view):
        return None
    one, other = pair
    own = {
        a: b for x, y in zip(one.axes, other.axes, strict=True) for a, b in zip(x, y, strict=True)
    }
    wanted = [a for i, atoms in enumerate(one.base) if i != place for a in atoms]
    if any(a not in own for a in wanted):
        return None
    target = tuple(
        across if i == place else tuple(own[a] for a in atoms) for i, atoms in enumerate(one.base)
    )
    if set(flat(target)) != set(flat(other.base)) or target[0] != other.base[0]:
        return None
    wire = writer.arranged(View(view.wire, other.base, other.axes), target).wire
    base = tuple(across if i == place else a for i, a in enumerate(first.base))
    return View(wire, base, tuple(across if i == axis else a for i, a in enumerate(first.axes)))


def _without(view: View, place: int, axis: int) -> View:
    base = tuple(() if i == place else a for i, a in enumerate(view.base))
    return View(view.wire, base, tuple(() if i == axis else a for i, a in enumerate(view.axes)))


def _tokens(writer: Writer, view: View, axis: int, array: Array) -> View | None:
    """Vectors before the first step of a sequence, the same for every sample; None for other joins."""
    if array.ndim != len(view.axes) or len(view.base) < 3 or view.base[1] not in view.axes:
        return None
    if set(flat(view.base[2:])) != set(view.axes[axis]):
        return None
    view = writer.arranged(view, (*view.base[:2], view.axes[axis]))
    for i, atoms in enumerate(view.axes):
        if atoms == view.base[0]:
            if not same_along(array, i):
                raise Unsaid("a constant of it differs from sample to sample")
            array = array.take([0], i)
    if size_of(view.base[1]) * array.shape[axis] != array.size:
        return None
    channels = next(i for i, a in enumerate(view.axes) if a == view.base[1])
    count = array.shape[axis]
    numbers = np.moveaxis(array, (axis, channels), (-2, -1)).reshape(count, -1)
    head = "token" if count == 1 else f"token({count})"
    shape = (view.wire.sizes[0], view.wire.sizes[1] + count)
    wire = writer.step(
        head, [view.wire], shape, weights={"weight": numbers[0] if count == 1 else numbers}
    )
    new = (Atom(shape[1]),)
    axes = tuple(new if i == axis else a for i, a in enumerate(view.axes))
    return View(wire, (*view.base[:2], new), axes)


JOINING = {"Concat": concat}
