"""Channels of zeros taken out, such as netspec's files in eight bits have for the sake of faster kernels.

They stand behind a map's own: weights of zero make them, or padding, and weights of zero read them, so
that nothing counts them.
"""

from __future__ import annotations

import math

import numpy as np
from onnx import NodeProto, helper

from netspec.foundation.merging import Merged
from netspec.importing.files.meaning.parts import Array, Parts, attribute, node_like

# Give each channel of what they read, and read no other.
_ALIKE = frozenset("Add Clip Identity LeakyRelu MaxPool Mul Relu Sigmoid".split())


def narrowed(parts: Parts) -> None:
    """Takes channels of zeros that nothing counts out of a model, in place."""
    _Narrowing(parts).run()


class _Narrowing:
    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.alike = Merged[str]()
        # The most channels that each map, by its root, can do without; none is said to be endless.
        self.spare: dict[str, float] = {}
        # What several convolutions share they share afterwards.
        self.made: dict[tuple[str, tuple[int, ...]], str] = {}

    def run(self) -> None:
        for node in self.parts.nodes:
            if self._is_alike(node):
                first, *others = self._maps(node)
                for name in others:
                    self.alike.join(name, first)
        for name in self.parts.outputs():
            self._limit(name, 0)
        for item in self.parts.proto.graph.input:
            self._limit(item.name, 0)
        for node in self.parts.nodes:
            self._count(node)
        self.parts.nodes = [self._cut(node) for node in self.parts.nodes]

    def _limit(self, name: str, count: float) -> None:
        root = self.alike.root(name)
        self.spare[root] = min(self.spare.get(root, math.inf), count)

    def _less(self, name: str) -> int:
        """How many channels a map loses."""
        found = self.spare.get(self.alike.root(name), 0)
        return int(found) if math.isfinite(found) else 0

    def _maps(self, node: NodeProto) -> list[str]:
        """The maps that a node gives and reads, without constants."""
        read = node.input[:1] if node.op_type == "Conv" else node.input
        return [*node.output, *(n for n in read if n and n not in self.parts.arrays)]

    def _weight(self, node: NodeProto) -> Array | None:
        """A convolution's weight, if it is one of maps whose numbers are all known."""
        if node.op_type != "Conv" or any(n and n not in self.parts.arrays for n in node.input[1:]):
            return None
        array = self.parts.array(node.input[1])
        return array if array is not None and array.ndim > 2 else None

    def _is_alike(self, node: NodeProto) -> bool:
        weight = self._weight(node)
        if weight is not None:
            return bool(attribute(node, "group", 1) == weight.shape[0] > 1 == weight.shape[1])
        if node.op_type not in _ALIKE or len(node.output) > 1:
            return False
        # A clip's bounds are single numbers; a constant among operands may have channels of its own.
        return node.op_type == "Clip" or not any(n in self.parts.arrays for n in node.input)

    def _count(self, node: NodeProto) -> None:
        """Says how many channels a node can do without, of what it gives and of what it reads."""
        weight = self._weight(node)
        if weight is not None and attribute(node, "group", 1) == 1:
            self._limit(node.input[0], _tail(np.any(weight, (0, *range(2, weight.ndim)))))
            self._limit(node.output[0], _tail(self._rows(node, weight)))
        elif weight is not None and self._is_alike(node):
            self._limit(node.output[0], _tail(self._rows(node, weight)))
        elif node.op_type == "Pad" and (added := self._added(node)):
            self._limit(node.input[0], 0)
            self._limit(node.output[0], added)
        elif not self._is_alike(node):
            for name in (*node.input, *node.output):
                self._limit(name, 0)

    def _rows(self, node: NodeProto, weight: Array) -> Array:
        """Which channels that a convolution gives are of other weights and bias than zero."""
        found = weight.any(tuple(range(1, weight.ndim)))
        bias = self.parts.array(node.input[2]) if len(node.input) > 2 and node.input[2] else None
        return np.asarray(found if bias is None else found | (bias != 0))

    def _added(self, node: NodeProto) -> int:
        """How many channels of zeros a node puts behind those of a map, if that is all that it does."""
        pads = self.parts.array(node.input[1]) if len(node.input) > 1 else None
        given = self.parts.array(node.input[2]) if len(node.input) > 2 and node.input[2] else None
        axes = len(node.input) > 3 and bool(node.input[3])
        plain = attribute(node, "mode", b"constant") == b"constant" and not axes
        if pads is None or not plain or (given is not None and given.any()) or pads.size < 6:
            return 0
        added = int(pads[pads.size // 2 + 1])
        return added if added > 0 and np.count_nonzero(pads) == 1 else 0

    def _cut(self, node: NodeProto) -> NodeProto:
        """A node without the channels that nothing counts."""
        weight = self._weight(node)
        if node.op_type == "Pad" and self._less(node.output[0]):
            left = self._added(node) - self._less(node.output[0])
            if not left:
                return node_like(node, "Identity", node.input[:1], node.output[0], leave=["mode"])
            pads = self.parts.arrays[node.input[1]].copy()
            pads[pads.size // 2 + 1] = left
            node.input[1] = self.parts.keep(node.input[1], pads)
        if weight is None:
            return node
        alike = self._is_alike(node)
        into, out = (0 if alike else self._less(node.input[0])), self._less(node.output[0])
        if not into and not out:
            return node
        rows, columns = weight.shape[0] - out, weight.shape[1] - into
        node.input[1] = self._kept(node.input[1], (rows, columns))
        if len(node.input) > 2 and node.input[2]:
            node.input[2] = self._kept(node.input[2], (rows,))
        if alike:
            kept = [a for a in node.attribute if a.name != "group"]
            del node.attribute[:]
            node.attribute.extend([*kept, helper.make_attribute("group", rows)])
        return node

    def _kept(self, name: str, sizes: tuple[int, ...]) -> str:
        """The name of so much of a constant, from its start."""
        if (name, sizes) not in self.made:
            part = self.parts.arrays[name][tuple(map(slice, sizes))]
            self.made[name, sizes] = self.parts.keep(name, part)
        return self.made[name, sizes]


def _tail(used: Array) -> int:
    """How many at the end are unused, of those of which some are used."""
    places = np.flatnonzero(used)
    return int(len(used) - 1 - places[-1]) if places.size else 0
