"""What only moves elements: views, slices, pieces, joins, attention's heads, tables of ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from math import prod

import numpy as np

from netspec.importing.files.program import Array, Node
from netspec.importing.recognise.parts.rows import with_rows
from netspec.importing.recognise.rules.chains import nearest
from netspec.importing.recognise.rules.choosing import pairs
from netspec.importing.recognise.steps import MISFIT, Wire
from netspec.importing.recognise.views import Atom, View, flat, size_of
from netspec.importing.recognise.writer import Unsaid, Writer
from netspec.ops.spatial.upsample import nearest_places

# The words for a value's axes, by how many it has.
_WORDS = {
    1: ("channels",),
    2: ("channels", "time"),
    3: ("channels", "height", "width"),
    4: ("channels", "depth", "height", "width"),
}

# Values that a list has at most.
_MOST = 4096


def reshape(writer: Writer, node: Node) -> View:
    """Reshape, Flatten, Squeeze and Unsqueeze: of sizes that are all known."""
    shape = writer.shapes[node.output]
    if prod(shape) != prod(writer.shapes[node.inputs[0]]):
        raise Unsaid(MISFIT)
    found = writer.copied(node.inputs[0]).reshaped(shape)
    if found is not None:
        return found.apart()
    view = writer.view(node.inputs[0])
    wire = writer.plain(view)
    if not shape or shape[0] != size_of(view.axes[0]):
        raise Unsaid("it mixes the batch with other axes")
    # The value as it lies: what it was made of may be cut otherwise than this cuts it.
    if (found := writer.whole(wire, view.axes[0]).reshaped(shape)) is not None:
        return found
    if tuple(shape[1:]) != wire.sizes:
        wire = writer.step(f"reshape({'x'.join(map(str, shape[1:]))})", [wire], shape[1:])
    return writer.whole(wire, view.axes[0])


def transpose(writer: Writer, node: Node) -> View:
    """Transpose."""
    view = writer.copied(node.inputs[0])
    return view.moved(node.get("perm") or tuple(reversed(range(len(view.axes)))))


def expand(writer: Writer, node: Node) -> View:
    """Expand: axes of size 1 repeated, which many steps do by themselves."""
    view, shape = writer.copied(node.inputs[0]), writer.shapes[node.output]
    axes = ((),) * (len(shape) - len(view.axes)) + view.axes
    found = tuple(
        (Atom(size),) if size > 1 and size_of(axis) == 1 else axis
        for size, axis in zip(shape, axes, strict=True)
    )
    if not set(view.base[0]) <= set(flat(found)):
        raise Unsaid("it repeats the batch")
    return View(view.wire, view.base, found)


def _place(view: View, atoms: tuple[Atom, ...]) -> tuple[int, int]:
    """The base axis that some atoms lead, and how many elements each of theirs is."""
    for i, axis in enumerate(view.base):
        if atoms and axis[: len(atoms)] == atoms and not axis[0].batch:
            return i, prod(atom.size for atom in axis[len(atoms) :])
    raise Unsaid("it takes elements of an axis that lies inside another")


def sliced(
    writer: Writer, view: View, axis: int, start: int, end: int, step: int, drop: bool
) -> View:
    """Elements of one axis, which is left out where one is taken and `drop` says so."""
    atoms, size = view.axes[axis], size_of(view.axes[axis])
    start, end, step = slice(start, end, step).indices(size)
    count = len(range(start, end, step))
    if step == -1 and count == size:
        view = _mirrored(writer, view, axis) if size > 1 else view
        return _dropped(view, axis) if drop else view
    if count < 1 or step < 1:
        raise Unsaid("it takes nothing, or backwards")
    if count < size:
        picked = _rows(writer, view, axis, range(start, end, step))
        if picked is not None:
            return _dropped(picked, axis) if drop else picked
        try:
            place, each = _place(view, atoms)
            if place == 0 or (step > 1 and each > 1) or len(view.base) - 1 not in _WORDS:
                raise Unsaid("")
        except Unsaid:
            view = writer.channelled(view, axis)
            atoms = view.axes[axis]
            place, each = _place(view, atoms)
        word = _WORDS[len(view.base) - 1][place - 1]
        shape = list(view.wire.sizes)
        shape[place - 1] = count * each
        last = end * each if end < size else None
        given = [str(start * each)] + [str(last)] * (last is not None)
        given += [f"step={step}"] * (step > 1) + [f"axis={word}"] * (word != "channels")
        head = f"slice({', '.join(given)})"
        if word == "time" and step == 1 and view.base[place] == atoms and start == size - end:
            head = f"crop({start})"
        wire = writer.step(head, [view.wire], shape)
        new = (Atom(count),) if count > 1 else ()
        rest = view.base[place][len(atoms) :]
        base = tuple((*new, *rest) if i == place else a for i, a in enumerate(view.base))
        axes = tuple(new if i == axis else a for i, a in enumerate(view.axes))
        view = View(wire, base, axes)
    return _dropped(view, axis) if drop else view


def _dropped(view: View, axis: int) -> View:
    return replace(view, axes=tuple(a for i, a in enumerate(view.axes) if i != axis))


def _rows(writer: Writer, view: View, axis: int, taken: Sequence[int]) -> View | None:
    """Some channels of a layer at every place that lie apart, as of queries, keys and values by heads.

    They are such a layer of their own. None for others, and for channels side by side.
    """
    atoms, channels = view.axes[axis], view.base[1] if len(view.base) > 1 else ()
    if len(atoms) != 1 or atoms[0] not in channels or channels[0] is atoms[0]:
        return None
    at = channels.index(atoms[0])
    order = np.arange(size_of(channels)).reshape([a.size for a in channels]).take(taken, at)
    wire = with_rows(writer, view.wire, order.reshape(-1))
    if wire is None:
        return None
    new = (Atom(len(taken)),) if len(taken) > 1 else ()
    base = (view.base[0], (*channels[:at], *new, *channels[at + 1 :]), *view.base[2:])
    return View(wire, base, tuple(new if i == axis else a for i, a in enumerate(view.axes)))


def _mirrored(writer: Writer, view: View, axis: int) -> View:
    """A tensor whose last element of an axis comes first."""
    atoms = view.axes[axis]
    if atoms not in view.base[1:] or len(view.base) - 1 not in _WORDS:
        view = writer.channelled(view, axis)
    word = _WORDS[len(view.base) - 1][view.base.index(atoms) - 1]
    more = "" if word == "width" else f"({word})"
    return view.on(writer.step(f"flip{more}", [view.wire], view.wire.sizes))


def tile(writer: Writer, node: Node) -> View:
    """Tile of axes of one place: copies; right after an axis of a map's places, those, one by one."""
    view, repeats = writer.view(node.inputs[0]), node.get("repeats", ())
    wide = [size_of(a) for a, times in zip(view.axes, repeats, strict=True) if times > 1]
    beside = any(
        times > 1 and axis and view.axes[axis - 1] in view.base[2:]
        for axis, times in enumerate(repeats)
    )
    if set(wide) <= {1} and not (beside and len(view.axes) > len(view.base)):
        return expand(writer, node)
    for axis, times in enumerate(repeats):
        if times == 1:
            continue
        before = view.axes[axis - 1] if axis else ()
        place = next((i for i, a in enumerate(view.base) if i > 1 and before and a == before), None)
        if view.axes[axis] or place is None:
            raise Unsaid("it repeats an axis that is no map's, or as a whole")
        factors = [times if i == place else 1 for i in range(2, len(view.base))]
        shape = [n * f for n, f in zip(view.wire.sizes[1:], factors, strict=True)]
        head = f"upsample({'x'.join(map(str, factors))})"
        wire = writer.step(head, [view.wire], (view.wire.sizes[0], *shape))
        repeat = (Atom(times),)
        base = tuple((*a, *repeat) if i == place else a for i, a in enumerate(view.base))
        axes = tuple(repeat if i == axis else a for i, a in enumerate(view.axes))
        view = View(wire, base, axes)
    return view


def split(writer: Writer, node: Node) -> tuple[View, ...]:
    """Split: pieces of the channels are a bundle, and so are all steps of a sequence; others are slices."""
    view = writer.view(node.inputs[0])
    axis = node.get("axis", 0) % len(view.axes)
    pieces = [writer.shapes[name][axis] for name in node.outputs]
    if axis == 1 and view.axes[0] == view.base[0]:
        view = writer.channelled(view, axis)
    atoms = view.axes[axis]
    equal = len(set(pieces)) == 1
    every = all(name in writer.readers or name in writer.program.outputs for name in node.outputs)
    whole = len(pieces) > 1 and len(view.base) > 1 and view.base[1] == atoms
    if whole and (equal or every):
        head = f"split({len(pieces)})" if equal else f"split(sizes=({', '.join(map(str, pieces))}))"
        first = writer.step(head, [view.wire], view.wire.sizes, outputs=len(pieces))
        assert first.step is not None
        found = []
        for wire, size in zip(first.step.made, pieces, strict=True):
            wire.sizes = (size, *view.wire.sizes[1:])
            new = (Atom(size),) if size > 1 else ()
            base = (view.base[0], new, *view.base[2:])
            axes = tuple(new if i == axis else a for i, a in enumerate(view.axes))
            found.append(View(wire, base, axes))
        return tuple(found)
    if set(pieces) == {1} and every and len(pieces) > 1 and view.base[2:3] == (atoms,):
        shape = (view.wire.sizes[0], *view.wire.sizes[2:])
        first = writer.step("unstack", [view.wire], shape, outputs=len(pieces))
        assert first.step is not None
        base = (*view.base[:2], *view.base[3:])
        axes = tuple(() if i == axis else a for i, a in enumerate(view.axes))
        return tuple(View(wire, base, axes) for wire in first.step.made)
    found, start = [], 0
    for size in pieces:
        found.append(sliced(writer, view, axis, start, start + size, 1, drop=False))
        start += size
    return tuple(found)


def gather(writer: Writer, node: Node) -> View:
    """Gather: one element or several of an axis, or rows of a table by the ids of an input."""
    table = writer.constants.get(node.inputs[0])
    if table is not None:
        return _embedding(writer, node, table)
    view = writer.view(node.inputs[0])
    places = writer.constants.get(node.inputs[1])
    if places is None:
        raise Unsaid("which elements it takes is computed")
    axis = node.get("axis", 0) % len(view.axes)
    size = size_of(view.axes[axis])
    if places.ndim == 0:
        start = int(places) % size
        return sliced(writer, view, axis, start, start + 1, 1, drop=True)
    if (found := pairs(writer, view, axis, places)) is not None:
        return found
    if (found := _unfolded(view, axis, places % size)) is not None:
        return found
    if places.ndim != 1 and len(view.axes) == 1:
        return _strided(writer, view, axis, places)
    if places.ndim != 1:
        return _in_a_row(writer, view, axis, places % size)
    wanted = [int(p) % size for p in places]
    if size == 1 < len(wanted) and not view.plain:
        # One head of keys for all of the queries'.
        many = (Atom(len(wanted)),)
        return replace(view, axes=tuple(many if i == axis else a for i, a in enumerate(view.axes)))
    inside = bool(wanted) and view.axes[axis] not in view.base[1:]
    if inside and wanted == [*range(wanted[0], wanted[0] + len(wanted))]:
        # Some heads of those that a layer makes, side by side.
        return sliced(writer, view, axis, wanted[0], wanted[-1] + 1, 1, drop=False)
    place, each = _place(view, view.axes[axis])
    times, left = divmod(len(wanted), size)
    if each > 1 and not left and wanted == [i // times for i in range(len(wanted))]:
        # Heads of keys, once for each of the queries' that share them.
        many = (*view.axes[axis], Atom(times))
        return View(
            view.wire, view.base, tuple(many if i == axis else a for i, a in enumerate(view.axes))
        )
    if each > 1 or place == 0 or len(view.base) - 1 not in _WORDS:
        raise Unsaid("it takes elements of an axis that lies inside another")
    word = _WORDS[len(view.base) - 1][place - 1]
    shape = list(view.wire.sizes)
    shape[place - 1] = len(wanted)
    ids = view.wire.step is None and node.inputs[0] in writer.program.integers
    if place > 1 and not ids and _are_nearest(wanted, size):
        head = nearest(view.wire.sizes[1:], shape[1:])
        return _taken(view, axis, place, writer.step(head, [view.wire], shape))
    given = [f"({', '.join(map(str, wanted))})" if len(wanted) > 1 else f"[{wanted[0]}]"]
    given += [f"axis={word}"] * (word != "channels")
    return _taken(view, axis, place, writer.step(f"pick({', '.join(given)})", [view.wire], shape))


def _are_nearest(places: Sequence[int], size: int) -> bool:
    """Whether elements of an axis are those nearest to the places of another number of them."""
    return len(places) > size > 1 and np.array_equal(places, nearest_places(size, len(places)))


def _taken(view: View, axis: int, place: int, wire: Wire) -> View:
    """The view on a value of other elements of an axis."""
    size = wire.sizes[place - 1]
    new = (Atom(size),) if size > 1 else ()
    base = tuple(new if i == place else a for i, a in enumerate(view.base))
    axes = tuple(new if i == axis else a for i, a in enumerate(view.axes))
    return View(wire, base, axes)


def _unfolded(view: View, axis: int, places: Array) -> View | None:
    """Each element of an axis once, by rows or by columns: the axis as two; None for other choices."""
    if places.ndim != 2 or places.size != size_of(view.axes[axis]) or 1 in places.shape:
        return None
    every = np.arange(places.size)
    by_columns = np.array_equal(places.T.reshape(-1), every)
    if not by_columns and not np.array_equal(places.reshape(-1), every):
        return None
    pair = places.shape[::-1] if by_columns else places.shape
    before, after = view.shape[:axis], view.shape[axis + 1 :]
    found = view.reshaped((*before, *pair, *after))
    if found is None or not by_columns:
        return found
    order = list(range(len(found.axes)))
    order[axis : axis + 2] = [axis + 1, axis]
    return found.moved(order)


def _in_a_row(writer: Writer, view: View, axis: int, places: Array) -> View:
    """Elements along one axis in several, as the offsets between places are: taken in a row."""
    along, batch = view.axes[axis], view.base[0]
    if set(along) & set(batch) or not 1 < places.size <= _MOST:
        raise Unsaid("it takes elements in several axes")
    rows = flat(a for i, a in enumerate(view.axes) if i != axis and a != batch)
    view = writer.arranged(view, (batch, rows, along) if rows else (batch, along))
    wire, each = view.wire, [(Atom(count),) if count > 1 else () for count in places.shape]
    given = ", ".join(str(int(place)) for place in places.reshape(-1))
    more = ", axis=time" if rows else ""
    shape = (*wire.sizes[:-1], places.size)
    wire = writer.step(f"pick(({given}){more})", [wire], shape)
    axes = (*view.axes[:axis], *each, *view.axes[axis + 1 :])
    return View(wire, (*view.base[:-1], flat(each)), axes)


def _strided(writer: Writer, view: View, axis: int, places: Array) -> View:
    """Elements of a vector in steps along several axes, as torch's as_strided takes them."""
    start, sizes = int(places.reshape(-1)[0]), places.shape
    many = [i for i, size in enumerate(sizes) if size > 1]
    steps = {i: int(places.take(1, i).reshape(-1)[0]) - start for i in many}
    many.sort(key=lambda i: -steps[i])
    formed = start + sum(
        steps[i] * np.arange(sizes[i]).reshape([-1 if j == i else 1 for j in range(len(sizes))])
        for i in many
    )
    if not many or not np.array_equal(places, formed):
        raise Unsaid("it takes elements in several axes")
    # Each step is over all that lies inside of it.
    whole = [size_of(view.axes[0]), *(steps[i] for i in many)]
    if steps[many[-1]] < 1 or any(a % b for a, b in pairwise(whole)):
        raise Unsaid("it takes elements in several axes")
    inner = [a // b for a, b in pairwise(whole)] + [whole[-1]]
    # A batch of one sample stands for itself.
    found = view.reshaped((1, *inner))
    if found is None:
        raise Unsaid("it takes elements in several axes")
    for place, (i, step) in enumerate(zip((*many, -1), (*whole[1:], 1), strict=True)):
        first, count = start // step % inner[place], sizes[i] if i >= 0 else 1
        found = sliced(writer, found, place + 1, first, first + count, 1, drop=False)
    order = sorted(range(len(many)), key=lambda place: many[place])
    found = found.moved([0, *(i + 1 for i in order), len(many) + 1]).reshaped(sizes)
    assert found is not None
    return found


def _embedding(writer: Writer, node: Node, table: Array) -> View:
    view = writer.view(node.inputs[1])
    if table.ndim != 2 or node.get("axis", 0) or table.dtype.kind != "f":
        raise Unsaid("it is no table of vectors")
    if view.wire.source.step is not None and view.wire.only != "embedding":
        raise Unsaid("its ids are no input")
    rows, width = table.shape
    wire = writer.step(
        f"embedding-{width}",
        [view.wire],
        (width, *view.wire.sizes),
        f"rows={rows}",
        weights={"weight": table},
    )
    new = (Atom(width),) if width > 1 else ()
    if len(view.axes) == 1 and view.wire.sizes:  # one id for each sample
        return View(
            writer.step("flatten", [wire], (width,)), (view.base[0], new), (*view.axes, new)
        )
    # However the ids were moved, their vectors lie as they do.
    return View(wire, (view.base[0], new, *view.base[1:]), (*view.axes, new))


def depth_to_space(writer: Writer, node: Node) -> View:
    """DepthToSpace and SpaceToDepth."""
    view = writer.view(node.inputs[0])
    wire = writer.plain(view)
    shape, factor = writer.shapes[node.output][1:], node.get("blocksize")
    if node.op == "DepthToSpace":
        more = "" if node.get("mode", "DCR") == "CRD" else ", layout=rows"
        wire = writer.step(f"pixel_shuffle({factor}{more})", [wire], shape)
    else:
        wire = writer.step(f"pixel_unshuffle({factor}, layout=rows)", [wire], shape)
    return writer.whole(wire, view.axes[0])


ARRANGING = {
    "Reshape": reshape,
    "Flatten": reshape,
    "Squeeze": reshape,
    "Unsqueeze": reshape,
    "Transpose": transpose,
    "Tile": tile,
    "Split": split,
    "Gather": gather,
    "DepthToSpace": depth_to_space,
    "SpaceToDepth": depth_to_space,
    "Expand": expand,
}
