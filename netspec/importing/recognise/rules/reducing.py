"""Means, maxima and sums over axes: of all places, of windows, of pieces of the channels, of the channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from netspec.importing.files.program import Node
from netspec.importing.recognise.steps import sizes
from netspec.importing.recognise.views import Atom, Axes, View, flat, size_of
from netspec.importing.recognise.writer import Unsaid, Writer


def reduce(writer: Writer, node: Node) -> View:
    """Means, maxima and sums over all places, or over the channels."""
    view = writer.copied(node.inputs[0])
    rank = len(view.axes)
    whole = node.op.startswith("Global")
    axes = (
        tuple(range(2, rank))
        if whole
        else tuple(a % rank for a in node.get("axes", ()) or range(rank))
    )
    keep = whole or bool(node.get("keepdims", 1))
    word = {"GlobalAveragePool": "mean", "GlobalMaxPool": "max"}.get(node.op, node.op[6:].lower())
    if any(view.axes[axis] for axis in axes):
        view = writer.view(node.inputs[0])
    taken = [atom for axis in axes for atom in view.axes[axis]]
    left = tuple(() if i in axes else axis for i, axis in enumerate(view.axes))
    if not keep:
        left = tuple(axis for i, axis in enumerate(view.axes) if i not in axes)
    places = flat(view.base[2:])
    if word in _OVER_PLACES and not taken:
        return View(view.wire, view.base, left)
    if word in _OVER_PLACES and set(taken) == set(places):
        # What the file pools is the map itself, not its places in a row.
        alike = len(view.axes) == len(view.base)
        kept = keep and alike and _read_as_map(writer, node.output)
        shape = (view.wire.sizes[0], *(1,) * (len(view.base) - 2)) if kept else view.wire.sizes[:1]
        given = ["keep=yes"] * kept
        wire = writer.step(_OVER_PLACES[word], [view.wire], shape, *given)
        return View(wire, (*view.base[:2], *((),) * (len(shape) - 1)), left)
    if word not in _OVER_PLACES or set(taken) & set(view.base[0]):
        raise Unsaid("it reduces the batch")
    if (pooled := _pooled(writer, view, taken, left, word)) is not None:
        return pooled
    if (merged := _parts(writer, view, taken, left, word)) is not None:
        return merged
    if len(view.base) < 2 or set(taken) != set(view.base[1]):
        # However many axes: they are the channels of what is left.
        own = tuple(atom for atom in flat(view.base) if atom in taken)
        others = (tuple(a for a in axis if a not in view.base[0]) for axis in left)
        view = writer.arranged(view, (view.base[0], own, *filter(None, others)))
    wire = writer.step(f"over_channels({word})", [view.wire], (1, *view.wire.sizes[1:]))
    return View(wire, (view.base[0], (), *view.base[2:]), left)


def _pooled(
    writer: Writer, view: View, taken: Sequence[Atom], left: Axes, word: str
) -> View | None:
    """A mean or maximum over the inner places of each axis of a map: windows beside each other."""
    pool = {"mean": "avgpool", "max": "maxpool"}.get(word)
    gone, places = set(taken), view.base[2:]
    if pool is None or not gone <= set(flat(places)):
        return None
    kept = tuple(tuple(atom for atom in axis if atom not in gone) for axis in places)
    pairs = list(zip(places, kept, strict=True))
    # An axis that goes as a whole has no windows.
    if any(axis[: len(outer)] != outer or len(axis) > len(outer) == 0 for axis, outer in pairs):
        return None
    kernel = [size_of(axis) // size_of(outer) for axis, outer in pairs]
    shape = (view.wire.sizes[0], *map(size_of, kept))
    wire = writer.step(f"{pool}{sizes(kernel)}/{sizes(kernel)}", [view.wire], shape)
    writer.parts.pooled[id(wire)] = places
    return View(wire, (*view.base[:2], *kept), left)


# As many pieces of the channels are written as branches of a merge.
_PIECES = 16


def _parts(writer: Writer, view: View, taken: Sequence[Atom], left: Axes, word: str) -> View | None:
    """A sum, mean or maximum over equal pieces of the channels: a merge of these; None for others."""
    merge = {"sum": "add", "mean": "mean", "max": "maximum"}[word]
    channels = view.base[1] if len(view.base) > 1 else ()
    count = len(taken)
    if channels[:count] != tuple(taken) or count == len(channels):
        return None
    many, kept = size_of(channels[:count]), channels[count:]
    if not 1 < many <= _PIECES:
        return None
    shape = (size_of(kept), *view.wire.sizes[1:])
    pieces = writer.step(f"split({many})", [view.wire], shape, outputs=many)
    assert pieces.step is not None
    wire = writer.step(merge, pieces.step.made, shape)
    return View(wire, (view.base[0], kept, *view.base[2:]), left)


_OVER_PLACES = {"mean": "gap", "max": "gmp", "sum": "gsp"}


def norm(writer: Writer, node: Node) -> View:
    """Sums of squares or of magnitudes, and roots of such sums."""
    before, after = _NORMS[node.op]
    view = writer.view(node.inputs[0])
    wire = writer.step(before, [view.wire], view.wire.sizes)
    inner = f"{node.inputs[0]} {before}"
    writer.views[inner] = view.on(wire)
    made = reduce(writer, replace(node, op="ReduceSum", inputs=(inner, *node.inputs[1:])))
    return made.on(writer.step(after, [made.wire], made.wire.sizes)) if after else made


_NORMS = {
    "ReduceSumSquare": ("square", ""),
    "ReduceL1": ("abs", ""),
    "ReduceL2": ("square", "sqrt"),
}


def _read_as_map(writer: Writer, name: str) -> bool:
    """Whether something slides over what global pooling gives, or what follows it element by element."""
    todo, seen = [name], set()
    while todo:
        for node in writer.readers.get(todo.pop(), ()):
            if node.op in ("Conv", "ConvTranspose", "Resize", "MaxPool", "AveragePool"):
                return True
            if (
                node.op
                in (
                    "Relu",
                    "Sigmoid",
                    "Swish",
                    "HardSigmoid",
                    "HardSwish",
                    "Clip",
                    "BatchNormalization",
                )
                and node.output not in seen
            ):
                seen.add(node.output)
                todo.append(node.output)
    return False


REDUCING = {
    **dict.fromkeys(
        ("GlobalAveragePool", "GlobalMaxPool", "ReduceMean", "ReduceMax", "ReduceSum"), reduce
    ),
    **dict.fromkeys(_NORMS, norm),
}
