"""Attention's step: heads out of channels, what is added to the scores, what a shift keeps apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

import numpy as np

from netspec.importing.files.program import Array, Node
from netspec.importing.recognise.parts.parting import Parting, pieces, rolled_by, rolling
from netspec.importing.recognise.parts.rows import with_rows
from netspec.importing.recognise.projecting import projections
from netspec.importing.recognise.sources.distance import by_key
from netspec.importing.recognise.sources.held import for_each, held, widened
from netspec.importing.recognise.sources.offsets import by_offset
from netspec.importing.recognise.steps import Wire, number
from netspec.importing.recognise.turning import given as turning_given
from netspec.importing.recognise.views import Atom, Axes, Axis, View, copies, flat, size_of
from netspec.importing.recognise.writer import Unsaid, Writer
from netspec.ops.vectors.heads import regions

# By how much scores at least are lowered where a mask hides them: exporters write -100, or near infinity.
_HIDDEN = -99.0


def attend(writer: Writer, node: Node) -> View:
    """Attention without its projections, which are layers of their own before and after."""
    found, wires, heads = _attended(writer, node)
    alone = node.get("norm") or node.get("turning") or node.get("scales") is not None
    if alone and projections(wires, *heads) is None:
        raise Unsaid("it normalises, turns or scales heads that no layer projects")
    return found


def _attended(writer: Writer, node: Node) -> tuple[View, tuple[Wire, ...], tuple[int, int]]:
    """The view, queries, keys and values, and how many heads those have, and these."""
    lasts = (
        node.get("query_order")[-1],
        node.get("key_order")[-2],
        -2 if node.get("turned") else -1,
    )
    views = [_settled(writer, *pair) for pair in zip(node.inputs[:3], lasts, strict=True)]
    query, key, value = views
    if len(query.axes) != len(key.axes):
        raise Unsaid("its queries and keys have different axes")
    query, key = query.moved(node.get("query_order")), key.moved(node.get("key_order"))
    key = _turned(key)
    value = _turned(value) if node.get("turned") else value
    if len(query.axes) != len(value.axes):
        # Samples and heads are one axis of some of them.
        query, key, value = map(_joined, (query, key, value))
    query = writer.parts.apart(query, query.axes[:-2])
    # Of a map that is whole no axis is one of parts.
    whole = len(query.base[0]) == 1
    key, value = (
        v if whole and len(v.base[0]) == 1 else writer.parts.apart(v, v.axes[:-2])
        for v in (key, value)
    )
    # Where nothing asks where places lie, they stay in the order that they have.
    free = not any(node.get(word) for word in ("added", "causal", "within", "mask", "turning"))
    orders = [_order(view) for view in (key, value)]
    query, _ = _headed(writer, query, free)
    key, groups = _headed(writer, key, free and orders[0] == orders[1], whole)
    value, others = _headed(writer, value, free and orders[0] == orders[1], whole)
    if groups != others:
        raise Unsaid("its keys and values have different heads")
    many = query.base[1][: len(query.base[1]) - len(query.axes[-1])]
    heads, width = size_of(many), size_of(query.axes[-1])
    given = [str(heads)] * (heads > 1) + ["causal=yes"] * bool(node.get("causal"))
    given += [f"kv_heads={groups}"] * (groups != heads)
    given += [f"within={node.get('within')}"] * ("within" in node.attributes)
    if "softcap" in node.attributes:
        given.append(f"softcap={number(node.get('softcap'))}")
    scale, scales = node.get("scale"), node.get("scales")
    weights = _norms(node, width)
    given += [f"qk_norm={node.get('norm')}"] * bool(node.get("norm"))
    given += turning_given(node.get("turning"), query.wire.sizes[1:])
    if scales is not None:
        each = np.broadcast_to(scales * np.float32(scale), (heads, 1, 1))
        if (each <= 0).any() or (each > 100 * (1 + 1e-6)).any():
            raise Unsaid("the scale of a head is not between 0 and 100")
        given.append("trained_scale=yes")
        weights["logit_scale"] = np.log(each.astype(np.float64)).astype(np.float32)
    elif abs(scale * width**0.5 - 1) > 1e-5:
        given.append(f"scale={number(scale)}")
    added = _added(writer, node, query, many)
    named = {"scores": added} if added else {}
    if "mask" in node.attributes:
        named["mask"] = writer.plain(writer.view(node.get("mask")))
    shape = (heads * size_of(value.axes[-1]), *query.wire.sizes[1:])
    wires = [query.wire, key.wire] + [value.wire] * (value.wire is not key.wire)
    wire = writer.step("attend", wires, shape, *given, named=named, weights=weights)
    across = value.axes[-1]
    axes = (*query.axes[:-1], across)
    found = View(wire, (query.base[0], (*many, *across), *query.base[2:]), axes)
    found = _turned(found) if node.get("turned") else found
    shaped = found.reshaped(writer.shapes[node.output])
    if shaped is None:
        raise Unsaid("its result has other axes than its heads")
    return shaped, (query.wire, key.wire, value.wire), (heads, groups)


def _turned(view: View) -> View:
    """The view with its last two axes swapped."""
    rank = len(view.axes)
    return view.moved((*range(rank - 2), rank - 1, rank - 2))


def _joined(view: View) -> View:
    """The view with all axes but the last two as one."""
    return View(view.wire, view.base, (flat(view.axes[:-2]), *view.axes[-2:]))


def _norms(node: Node, width: int) -> dict[str, Array]:
    """The weights of what normalises each head of queries and keys; what is left out does nothing."""
    kind, found = node.get("norm"), dict(node.get("weights"))
    names = {"rmsnorm": ("weight",), "layernorm": ("weight", "bias")}.get(kind, ())
    for letter in "qk":
        for name in names:
            array = found.setdefault(
                f"{letter}_norm.{name}", np.full(width, float(name == "weight"), np.float32)
            )
            if array.shape != (width,):
                raise Unsaid("it normalises heads by other numbers than one for each channel")
    return found


def _settled(writer: Writer, name: str, across: int) -> View:
    """Queries, keys or values; trained ones, which come from no input, are the same for every sample.

    A constant's first axis may be samples and heads together. The axis `across` is of a head's channels.
    """
    array = writer.constants.get(name)
    if array is None:
        return writer.settled(name, across)
    many = writer.batch.size
    if array.ndim == 3 and many > 1 and len(array) % many == 0:
        whole = array.reshape(many, -1, *array.shape[1:])
        if (whole == whole[:1]).all():
            view = held(writer, whole[:1], writer.batch, name)
            base = ((writer.batch,), *view.base[1:])
            return View(view.wire, base, ((writer.batch, *view.axes[1]), *view.axes[2:]))
    view = held(writer, array, writer.batch, name)
    return for_each(view, (writer.batch,), 0)


def _order(view: View) -> tuple[tuple[int, int], ...]:
    """In which order a value has the places of queries, keys or values (..., T, D), and of which sizes."""
    atoms = view.axes[-2]
    return tuple((atoms.index(a) if a in atoms else -1, a.size) for a in flat(view.base[2:]))


def _headed(writer: Writer, view: View, free: bool, whole: bool = False) -> tuple[View, int]:
    """Queries, keys or values (..., T, D) with their heads in the channels, and how many there are.

    Heads that are copies of others are left out. `free` places may lie in any order; of a map that is
    `whole` heads may be places.
    """
    here = flat(view.base)
    inner = tuple(atom for atom in flat(view.axes[:-2]) if atom not in view.base[0])
    many = tuple(atom for atom in inner if atom in here)
    if whole and inner[: len(many)] == many and not set(many) <= set(view.base[1]):
        target = (view.base[0], (*many, *view.axes[-1]), *_spatial(view, view.axes[-2], free))
        return writer.arranged(view, target), size_of(many)
    if not set(many) <= set(view.base[1]) or inner[: len(many)] != many:
        raise Unsaid("its heads are no part of the channels")
    target = (view.base[0], (*many, *view.axes[-1]), *_spatial(view, view.axes[-2], free))
    return _rowed(writer, view, target), size_of(many)


def _rowed(writer: Writer, view: View, target: Axes) -> View:
    """The view on a value of these axes; channels of a layer at every place are put in order in the layer."""
    own, wanted = view.base[1], target[1]
    if own != wanted and set(own) == set(wanted) and view.base[2:] == target[2:]:
        order = np.arange(size_of(own)).reshape([atom.size for atom in own])
        turned = order.transpose([own.index(atom) for atom in wanted]).reshape(-1)
        wire = with_rows(writer, view.wire, turned)
        if wire is not None:
            return View(wire, target, view.axes)
    return writer.arranged(view, target)


def _spatial(view: View, atoms: Axis, free: bool) -> Axes:
    """The axes that places lie in: as the value has them, where they are those; in order if not `free`."""
    own = view.base[2:]
    same = set(flat(own)) == set(atoms) if free else flat(own) == atoms
    return own if own and same else (atoms,)


# --- what is added to the scores


def _added(writer: Writer, node: Node, query: View, many: Axis) -> Wire | None:
    """The step that gives what is added to the scores; a mask of a shifted map's parts is their shift."""
    part = query.wire.cuts[-1] if query.wire.cuts else None
    pairs = list(zip(node.inputs[3:], node.get("added"), strict=False))
    computed = [pair for pair in pairs if pair[0] not in writer.constants]
    constant = [pair for pair in pairs if pair[0] in writer.constants]
    total = _total(writer, constant, query, many, part) if constant else None
    if total is not None and len(total) > 1:
        if part is None or not _shifted(writer, part, total):
            raise Unsaid("what is added to its scores differs from part to part")
    elif part is not None:
        if any(part.shift):
            raise Unsaid("it attends across what a mask keeps apart elsewhere")
        part.open = True
    wires = [_computed(writer, *pair, query, many) for pair in computed]
    if len({wire.sizes for wire in wires}) > 1:
        raise Unsaid("what is added to its scores has different sizes")
    bias = np.ascontiguousarray(total[0]) if total is not None and total[0].any() else None
    if not wires:
        return None if bias is None else _scores(writer, bias, query, node.get("causal"))
    found = wires[0] if len(wires) < 2 else writer.step("add", wires, wires[0].sizes)
    if bias is None:
        return found
    if found.sizes != bias.shape:
        raise Unsaid("what is added to its scores has different sizes")
    return writer.step("unit_bias", [found], found.sizes, weights={"bias": bias})


def _computed(writer: Writer, name: str, shape: Sequence[int], query: View, many: Axis) -> Wire:
    """What a file computes for each sample and adds to scores of a shape: (heads, T, S), or for all heads."""
    view, (steps, seen) = writer.view(name), shape[-2:]
    rows = size_of(query.base[0])
    view = widened(view, len(shape))
    heads, rest = divmod(size_of(flat(view.axes[:-2])), rows)
    alike = (heads,) if heads > 1 or len(view.base) > 3 else ()
    found = view.reshaped((rows, *alike, *view.shape[-2:]))
    if rest or heads not in (1, size_of(many)) or found is None:
        raise Unsaid("what is added to its scores is computed")
    if found.axes[0] != query.base[0]:
        raise Unsaid("what is added to its scores is computed")
    wide = zip(found.axes[-2:], (steps, seen), strict=True)
    axes = (
        *found.axes[:-2],
        *((Atom(size),) if not axis and size > 1 else axis for axis, size in wide),
    )
    whole = View(found.wire, found.base, axes)
    return writer.plain(writer.repeated(whole) if copies(whole) else whole)


def _total(
    writer: Writer,
    added: Sequence[tuple[str, Sequence[int]]],
    query: View,
    many: Axis,
    part: Parting | None,
) -> Array:
    """All that is added, (1 or parts, 1 or heads, T, S), by the parts of the cut that was last."""
    atoms = tuple(atom for atom in flat(query.axes[:-2]) if atom.size > 1)
    total: Array = np.zeros((1,) * (len(atoms) + 2), np.float32)
    for name, shape in added:
        total = total + _by_atoms(writer.constants[name].astype(np.float32), shape, atoms)
    for i in range(len(atoms)):
        if total.shape[i] > 1 and (total == total.take([0], i)).all():
            total = total.take([0], i)
    counts = [a for axis in part.counts for a in pieces(atoms, axis)] if part else []
    for group in (counts, [atom for atom in many if atom.size > 1]):
        # Whole again where it varies along one of them.
        places = [atoms.index(atom) for atom in group]
        if any(total.shape[i] > 1 for i in places):
            wide = [a.size if i in places else total.shape[i] for i, a in enumerate(atoms)]
            total = np.broadcast_to(total, (*wide, *total.shape[-2:]))
    first = [atoms.index(atom) for atom in counts]
    order = first + [i for i in range(len(atoms)) if i not in first and atoms[i] in many]
    others = [i for i in range(len(atoms)) if i not in order]
    if any(total.shape[i] > 1 for i in others):
        raise Unsaid("what is added to its scores differs from sample to sample")
    parts = prod(total.shape[i] for i in first)
    total = total.transpose(*others, *order, len(atoms), len(atoms) + 1)
    return total.reshape(parts, -1, *total.shape[-2:])


def _by_atoms(array: Array, shape: Sequence[int], atoms: Axis) -> Array:
    """What is added to scores of a shape with an axis for each atom of the shape's outer ones."""
    outer = ((1,) * (len(shape) - array.ndim) + array.shape)[:-2]
    dims: list[int] = []
    left = [atom.size for atom in atoms]
    for size, own in zip(shape[:-2], outer, strict=True):
        run: list[int] = []
        while left and prod(run) < size:
            run.append(left.pop(0))
        if prod(run) != size:
            wide = np.broadcast_to(array, (*shape[:-2], *array.shape[-2:]))
            return wide.reshape(*(atom.size for atom in atoms), *array.shape[-2:])
        dims += run if own > 1 else [1] * len(run)
    return array.reshape(*dims, *array.shape[-2:])


def _shifted(writer: Writer, part: Parting, total: Array) -> bool:
    """Whether what is added hides what rolling the map brings beside each place; notes the shift."""
    counts, sizes = (tuple(map(size_of, axes)) for axes in (part.counts, part.sizes))
    bias = total[:1]
    hidden = (total - bias <= _HIDDEN).all(1)
    if part.open or part.spaced or hidden.shape != (prod(counts), prod(sizes), prod(sizes)):
        return False
    shift = tuple(_hides(hidden, counts, sizes, axis) for axis in range(len(counts)))
    where = regions(np, counts, sizes, shift)
    apart = where[:, :, None] != where[:, None, :]
    if hidden[0].any() or not (hidden == apart).all():
        return False
    if not np.where(apart[:, None], True, total == bias).all():
        return False
    if any(part.shift):
        return part.shift == shift
    if part.joins:
        return False
    if rolled_by(part) == shift:
        part.shifted(shift)
    else:  # the map was not rolled like that: then it is so beforehand, which the cut takes back
        part.shift = shift
        part.whole = writer.ahead(part.cut, rolling(shift), part.whole)
        part.cut.inputs = (part.whole,)
    return True


def _hides(hidden: Array, counts: Sequence[int], sizes: Sequence[int], axis: int) -> int:
    """How many places the first of the last part along an axis does not see along it."""
    at = [0] * len(counts)
    at[axis] = counts[axis] - 1
    seen = hidden[np.ravel_multi_index(at, counts)][0].reshape(sizes)
    return int(np.moveaxis(seen, axis, 0).reshape(sizes[axis], -1)[:, 0].sum())


def _scores(writer: Writer, bias: Array, query: View, causal: int) -> Wire:
    """A table of values by offsets, where the numbers are that; else the numbers."""
    head: str = ""
    weights: Mapping[str, Array] = {}
    steps = prod(query.wire.sizes[1:])
    if bias.shape[1] != steps:
        head = by_key(bias[:, 0]) if causal else ""
        bias = np.ascontiguousarray(np.broadcast_to(bias, (len(bias), steps, bias.shape[2])))
    if not head and (found := by_offset(bias, query.wire.sizes[1:])) is not None:
        head, weights = found

    def make() -> Wire:
        if not head:
            return writer.parameter(bias, query.wire)
        return writer.step(head, [query.wire], bias.shape, weights=weights, shared=True)

    # Parts of a map are no others' places.
    return make() if query.wire.cuts else writer.shared(bias, query.wire, make)


ATTENTION = {"Attend": attend}
