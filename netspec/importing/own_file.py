"""Whether a file is what is written of a net: the same nodes and constants, whatever its weights are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from onnx import GraphProto, NodeProto, ValueInfoProto, numpy_helper

from netspec.backends.onnx.builder import Initializer
from netspec.backends.onnx.lowering import lowered_as
from netspec.diagnostics.raised import NetspecError
from netspec.importing.files.reading import read_flat
from netspec.passes.folding.draft import Folded
from netspec.weights.derived import Derived
from netspec.weights.sources import Seeded, whole

Array = np.ndarray[Any, Any]


def own_names(path: Path, folded: Folded) -> dict[str, str] | None:
    """What the file at `path` calls the weights of a deployed net, if it is what is written of that net.

    Names are no difference but for those of inputs and outputs, nor are the numbers of weights but for those
    that the net itself says. The file's opset and reader are those that it says it was written for.
    """
    file, arrays = read_flat(path)
    try:
        model = lowered_as(folded.graph, file)
    except NetspecError:
        # What the file was written for cannot have this net.
        return None
    given = {
        item.name: whole(Derived(Seeded(), folded.recipes), item.name, item.weight)
        for item in model.weights
        if item.weight.known
    }
    made = GraphProto.FromString(model.graph)
    given |= {tensor.name: numpy_helper.to_array(tensor) for tensor in made.initializer}
    drawn = {item.name: item for item in model.weights if not item.weight.known}
    pairs = _Pairs(_Side(made, given, drawn), _Side(file.graph, arrays, {}))
    if not pairs.agree():
        return None
    return {name: pairs.ahead[name] for name in drawn if name in pairs.ahead}


class _Side:
    """A graph's tensors by name: what makes each, or the numbers that it is."""

    def __init__(
        self, graph: GraphProto, arrays: dict[str, Array], drawn: dict[str, Initializer]
    ) -> None:
        self.arrays, self.drawn = arrays, drawn
        known = arrays.keys() | drawn.keys()
        # An older file lists its weights as inputs too.
        self.inputs = {x.name: _sizes(x) for x in graph.input if x.name not in known}
        self.outputs = [item.name for item in graph.output]
        self.makers = {
            name: (node, i) for node in graph.node for i, name in enumerate(node.output) if name
        }

    def knows(self, name: str) -> bool:
        """Whether a tensor is one of the graph's own, and none of a graph inside of it."""
        known = (self.arrays, self.drawn, self.inputs, self.makers)
        return any(name in names for names in known)


class _Pairs:
    """Which tensor of a file is which of what is written of a net, followed from the outputs."""

    def __init__(self, ours: _Side, theirs: _Side) -> None:
        self.ours, self.theirs = ours, theirs
        self.ahead: dict[str, str] = {}
        self._back: dict[str, str] = {}
        self._waiting = [(name, name) for name in ours.outputs]

    def agree(self) -> bool:
        """Whether each output has its like, and every tensor that it is made of has one."""
        ours, theirs = self.ours, self.theirs
        if ours.inputs != theirs.inputs or ours.outputs != theirs.outputs:
            return False
        while self._waiting:
            mine, other = self._waiting.pop()
            if (mine in self.ahead or other in self._back) and self._is_tensor(mine):
                if self.ahead.get(mine) != other or self._back.get(other) != mine:
                    return False
                continue
            self.ahead[mine], self._back[other] = other, mine
            if not self._alike(mine, other):
                return False
        return True

    def _is_tensor(self, mine: str) -> bool:
        """Whether it is something of its own: constants of one value may be one tensor or several."""
        return mine not in self.ours.arrays

    def _alike(self, mine: str, other: str) -> bool:
        ours, theirs = self.ours, self.theirs
        if mine in ours.makers and other in theirs.makers:
            (node, i), (like, j) = ours.makers[mine], theirs.makers[other]
            if i != j or not _same_node(node, like):
                return False
            self._waiting += zip(node.input, like.input, strict=True)
            inner = (name for name in _read_inside(node) if ours.knows(name))
            self._waiting += ((name, name) for name in inner)
            return True
        if mine in ours.inputs or not mine:
            return mine == other
        array = theirs.arrays.get(other)
        if array is None:
            return False
        if mine in ours.drawn:
            item = ours.drawn[mine]
            return bool(array.shape == item.weight.shape and array.dtype == np.dtype(item.dtype))
        own = ours.arrays.get(mine)
        if own is None:
            return False
        return own.dtype == array.dtype and bool(np.array_equal(own, array))


def _sizes(item: ValueInfoProto) -> tuple[object, ...]:
    """An input's type and its sizes but for the batch."""
    tensor = item.type.tensor_type
    sizes = [dim.dim_param or dim.dim_value for dim in tensor.shape.dim]
    return tensor.elem_type, len(sizes), *sizes[1:]


def _read_inside(node: NodeProto) -> Iterator[str]:
    """What the graphs that a node holds read."""
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            yield from (item.name for item in graph.output)
            for inner in graph.node:
                yield from inner.input
                yield from _read_inside(inner)


def _same_node(one: NodeProto, other: NodeProto) -> bool:
    """Whether two nodes do the same with what they read."""
    if (one.domain, one.op_type) != (other.domain, other.op_type):
        return False
    if (len(one.input), len(one.output)) != (len(other.input), len(other.output)):
        return False
    mine, theirs = ({a.name: a for a in node.attribute} for node in (one, other))
    return mine.keys() == theirs.keys() and all(
        mine[name].SerializeToString(deterministic=True)
        == theirs[name].SerializeToString(deterministic=True)
        for name in mine
    )
