"""Values put back where a max pooling found them: MaxUnpool, and what scatters to its indices.

ONNX's indices count through the whole tensor, samples and channels too. PyTorch's exporter makes those
within a plane of them, by what a pooling of single places counts, and of these the former again.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np

from netspec.importing.files.program import Array, Node
from netspec.importing.recognise.patterns import Match
from netspec.importing.recognise.views import View, flat
from netspec.importing.recognise.writer import Unsaid, Writer

Shapes = Mapping[str, tuple[int, ...]]

# Counted within a plane, and then through the whole tensor again.
FORM = "Add(Sub(p, Slice(q)), $c)"


def counted(
    match: Match, makers: Mapping[str, Node], constants: Mapping[str, Array], shapes: Shapes
) -> dict[str, Any] | None:
    """Whether indices within a plane are counted through the whole tensor again: nothing changes."""
    found, single = (makers.get(match.tensors[letter]) for letter in "pq")
    if found is None or single is None or {found.op, single.op} != {"MaxPool"}:
        return None
    if found.inputs != single.inputs or any(
        node.outputs[1:] != (match.tensors[letter],)
        for node, letter in ((found, "p"), (single, "q"))
    ):
        return None
    shape, cut = shapes.get(found.inputs[0], ()), match.node("Slice")
    rank = len(shape) - 2
    if any(size != 1 for word in ("kernel_shape", "strides") for size in single.get(word) or ()):
        return None
    one = (cut.get("starts"), cut.get("ends"), cut.get("axes"))
    if rank < 1 or one != ((0,) * rank, (1,) * rank, tuple(range(2, rank + 2))):
        return None
    planes = np.arange(prod(shape[:2])).reshape(*shape[:2], *(1,) * rank) * prod(shape[2:])
    offsets = constants[match.tensors["$c"]]
    return {} if np.array_equal(planes, offsets) else None


def places(writer: Writer, node: Node) -> View:
    """Indices that are those that were read."""
    return writer.copied(node.inputs[0])


def unpool(writer: Writer, node: Node) -> View:
    """MaxUnpool, to the size that the pooling had."""
    return _put_back(writer, node.inputs[0], node.inputs[1], writer.shapes[node.output])


def scattered(writer: Writer, node: Node) -> View:
    """ScatterElements and ScatterND of values into zeros, through the whole tensor."""
    zeros = writer.constants.get(node.inputs[0])
    if zeros is None or zeros.any() or node.get("reduction", "none") != "none":
        raise Unsaid("it puts values into others")
    if zeros.ndim != 1:
        raise Unsaid("it puts values into several axes")
    found = _put_back(writer, node.inputs[2], node.inputs[1], zeros.shape)
    return View(found.wire, found.base, (flat(found.base),))


def _put_back(writer: Writer, values: str, where: str, shape: tuple[int, ...]) -> View:
    """The values of a tensor at the maxima of a pooling, in a map of the size that was pooled."""
    if where not in writer.views or writer.copied(where).wire.only != "unpool":
        raise Unsaid("where it puts values is computed")
    held = writer.copied(where)
    pool = held.wire.step
    assert pool is not None
    before = pool.inputs[0]
    batch = prod(writer.shapes[where]) // prod(held.wire.sizes)
    if prod(shape) != batch * prod(before.sizes):
        raise Unsaid("it puts values into a tensor of another size than was pooled")
    lying = (batch, *held.wire.sizes)
    ours, theirs = writer.view(values).reshaped(lying), held.reshaped(lying)
    if ours is None or theirs is None or theirs.axes != theirs.base:
        raise Unsaid("its values lie otherwise than the places that they go to")
    wire = writer.step("unpool", [writer.plain(ours), held.wire], before.sizes)
    return writer.whole(wire, ours.axes[0])


UNPOOLING = {
    "MaxUnpool": unpool,
    "ScatterElements": scattered,
    "ScatterND": scattered,
    "Places": places,
}
