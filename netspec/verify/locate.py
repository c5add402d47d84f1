"""Which layer of an ONNX file goes wrong first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import ModelProto

from netspec.backends.onnx.blocks.inlining import inline
from netspec.backends.onnx.compile import FOLDED, optimized
from netspec.backends.onnx.guard import check_model
from netspec.backends.onnx.lowering import lowered_as
from netspec.backends.onnx.recurring.scans import reads
from netspec.backends.runtime import Session
from netspec.backends.switches import Switches
from netspec.diagnostics.messages.backends import RuntimeFailed
from netspec.diagnostics.raised import NetspecError
from netspec.foundation.records import record
from netspec.graph.checked import Graph, Node, Value
from netspec.graph.loops import around, loops
from netspec.ops.declare.source import Input
from netspec.sizes.shapes import numel
from netspec.system.atomic import draft
from netspec.verify.compare import Reference
from netspec.verify.numbers import error
from netspec.verify.samples import Images

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]

# Values of at most this many bytes are looked at in one run: each run reads the whole file anew.
_AT_ONCE = 2**30
# Bytes of each element: of the file's values alone, and with PyTorch's in both precisions.
_FILED, _COMPARED = 4, 16


@record(slots=False)
class Locator:
    """Looks into an ONNX file that was written from a graph, beside PyTorch's values."""

    graph: Graph
    path: Path
    reference: Reference
    device: str
    tf32: bool
    images: Images = Images({})

    @cached_property
    def _known(self) -> Mapping[Value, str]:
        """The names that values have in the file, those that it still has where it is folded."""
        written = check_model(self.path)
        entries = {entry.key for entry in written.metadata_props}
        folded = optimized(self.graph, optimize=FOLDED in entries)
        names = lowered_as(folded.graph, written).values
        places = folded.places.items()
        return {value: names[place] for value, place in places if place in names}

    def first_wrong(self, inputs: Mapping[str, Array]) -> tuple[Node, float] | None:
        """The first node, in the order they run, whose values exceed what is allowed.

        Every node before it was compared and agrees. None where all values agree.
        """
        for nodes in _portions(self.graph, inputs, _COMPARED):
            found = self._first(nodes, inputs)
            if found is not None:
                return found
        return None

    def worst_layer(self, inputs: Mapping[str, Array]) -> tuple[Node, float, float]:
        """The node that is nearest to its limit, or exceeds it by most: its error and PyTorch's.

        Every node is given the values that the file gives it, so that no difference reaches the
        next one. Nodes that a file has folded into one count as the last of them. A node whose
        values the file lacks is infinitely wrong.
        """
        portions = _portions(self.graph, inputs, _FILED)
        every = (item for nodes in portions for item in self._each(nodes, inputs))
        return max(every, key=lambda item: item[1] / self.reference.limits.allowed(item[2]))

    def _first(self, nodes: list[Node], inputs: Mapping[str, Array]) -> tuple[Node, float] | None:
        """The first of some nodes that is wrong; what comes after them is left out of the model."""
        known = self._known
        names = {v: known[v] for v in _read_for(nodes) if v in known}
        try:
            exposed = self._exposed(set(names.values()), inputs)
        except NetspecError as refusal:
            if not isinstance(refusal.diagnostics[0].problem, RuntimeFailed):
                raise
            if len(nodes) == 1:
                return nodes[0], float("inf")
            half = len(nodes) // 2
            return self._first(nodes[:half], inputs) or self._first(nodes[half:], inputs)
        results = self._placed(names, exposed)
        double, rounded = self.reference.values(inputs, nodes)
        for node in nodes:
            for value in node.outputs:
                if value in results and value in double:
                    limit = self.reference.limits.allowed(error(rounded[value], double[value]))
                    off = error(results[value], double[value])
                    if off > limit:
                        return node, off
        return None

    def _each(
        self, nodes: list[Node], inputs: Mapping[str, Array]
    ) -> Iterator[tuple[Node, float, float]]:
        """Each node by itself, with its error and PyTorch's."""
        known = self._known
        # What runs at every step is a loop of the file: as a whole, `first_wrong` looks at it.
        looped = _of_recurrences(self.graph)
        alone = (node for node in nodes if node not in looped)
        parts = [part for node in alone if (part := _part(node, known))]
        needed = [*_read_for(nodes), *(v for part in parts for n in part for v in n.inputs)]
        needed += _read_for([value.node for value in needed if value.index])
        names = {value: known[value] for value in needed if value in known}
        values = self._placed(names, {**inputs, **self._exposed(set(names.values()), inputs)})
        for part in parts:
            node = part[-1]
            double, rounded = self.reference.part(part, values)
            off, torch_error = 0.0, self._error(node, rounded, double)
            for value, exact in zip(node.outputs, double, strict=False):
                if value in known:
                    found = values.get(value)
                    off = max(off, float("inf") if found is None else error(found, exact))
            if self.reference.limits.allowed(torch_error) < off < float("inf"):
                nudged = self.reference.nudged_part(part, values)
                errors = (self._error(node, moved, double) for moved in nudged)
                torch_error = max(torch_error, *errors)
            yield node, off, torch_error

    def _error(self, node: Node, found: list[Array], exact: list[Array]) -> float:
        """The largest error of what a node gives and the file has."""
        outputs = zip(node.outputs, found, exact, strict=False)
        return max((error(f, e) for value, f, e in outputs if value in self._known), default=0.0)

    def _placed(self, names: Mapping[Value, str], found: Mapping[str, Array]) -> dict[Value, Array]:
        """The file's values, with places counted as PyTorch counts them: in each plane from 0.

        ONNX counts places through batch and channels.
        """
        placed = {value: found[name] for value, name in names.items() if name in found}
        for value, array in placed.items():
            pooled = placed.get(value.node.inputs[0]) if value.index else None
            if pooled is not None and array.dtype.kind == "i":
                planes = np.arange(array.shape[0] * array.shape[1]) * prod(pooled.shape[2:])
                shape = (*array.shape[:2], *[1] * (array.ndim - 2))
                placed[value] = array - planes.reshape(shape)
        return placed

    def _exposed(self, names: set[str], inputs: Mapping[str, Array]) -> dict[str, Array]:
        """The values of these names in the model. The copy stands beside it, with its data file."""
        proto = inline(check_model(self.path))
        _cut(proto, names)
        with draft(self.path.parent) as copy:
            copy.file.write(proto.SerializeToString())
            copy.file.flush()
            session = Session(
                copy.path, device=self.device, switches=Switches(tf32=self.tf32), most=None
            )
            return session.run(self.images.taken(inputs)).outputs


def _cut(proto: ModelProto, names: set[str]) -> None:
    """Makes these values the model's outputs, and drops what they do not need."""
    needed = set(names)
    kept = []
    for node in reversed(proto.graph.node):
        if needed.intersection(node.output):
            needed.update(reads(node))
            kept.append(node)
    held = {name for node in kept for name in node.output}
    nodes = list(reversed(kept))
    tensors = [tensor for tensor in proto.graph.initializer if tensor.name in needed]
    for field, items in ((proto.graph.node, nodes), (proto.graph.initializer, tensors)):
        copies = [type(item).FromString(item.SerializeToString()) for item in items]
        del field[:]
        field.extend(copies)
    del proto.graph.output[:]
    for name in sorted(names & held):
        proto.graph.output.add(name=name)


def _of_recurrences(graph: Graph) -> set[Node]:
    """The nodes of recurrences that are not written out, those that begin and end them too."""
    found = set(around(graph))
    for loop in loops(graph):
        found |= {loop.each, loop.last, *loop.joined}
    return found


def _part(node: Node, known: Mapping[Value, str]) -> list[Node]:
    """The nodes that the file has as one with this: it, after those whose values are nowhere.

    None where its own are nowhere: it is part of what comes after.
    """
    if not any(value in known for value in node.outputs):
        return []
    part: list[Node] = []
    pending = [node]
    while pending:
        found = pending.pop()
        if found not in part:
            part.append(found)
            pending += [value.node for value in found.inputs if value not in known]
    return sorted(part, key=lambda node: node.index)


def _read_for(nodes: list[Node]) -> list[Value]:
    """What the nodes compute, and the map whose places a node tells beside its values."""
    found = [value for node in nodes for value in node.outputs]
    return found + [value.node.inputs[0] for value in found if value.index]


def _portions(graph: Graph, inputs: Mapping[str, Array], width: int) -> Iterator[list[Node]]:
    """The nodes in order, in portions whose values fit in memory together."""
    batch = max(len(array) for array in inputs.values())
    portion: list[Node] = []
    size = 0
    for node in graph.nodes:
        if isinstance(node.op, Input):
            continue
        elements = [numel(tensor.shape) for tensor in node.types]
        known = sum(e if isinstance(e, int) else 2**20 for e in elements)
        if portion and size + width * batch * known > _AT_ONCE:
            yield portion
            portion, size = [], 0
        portion.append(node)
        size += width * batch * known
    if portion:
        yield portion
