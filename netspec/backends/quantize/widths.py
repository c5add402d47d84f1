"""Channels of zeros that maps get besides their own, where ONNX Runtime's kernels are faster for more.

Its convolutions in eight bits read channels by fours, and those of each channel by sixteens. For any
other number there are slower kernels: on a processor with VNNI a 3x3 convolution of 3 channels of 224x224
takes 1.6 ms and one of 4 takes 0.6, a depthwise one of 72 channels of 28x28 43 us and one of 80 takes 18.
"""

from __future__ import annotations

from collections import Counter

from onnx import helper

from netspec.backends.quantize.flow import Flow, Work
from netspec.backends.quantize.plan import Plan
from netspec.foundation.merging import Merged

_READ, _EACH = 4, 16
# A net of fewer channels is small, and more of them cost more than the better kernel saves: so does
# each added input of a convolution with many outputs, as one of large patches has.
_GROWTH, _ADDED = 2, 128
# Give each channel of what they read, and read no other.
_ALIKE = frozenset({"Add", "LeakyRelu", "MaxPool", "Mul", "Sigmoid"})


def widths(flow: Flow, plan: Plan) -> dict[str, int]:
    """How many channels tensors of eight bits are written with, of those that get more.

    What makes one has weights and biases of zero for them, and what reads it has weights of zero.
    """
    return _Widths(flow, plan).found()


def is_depthwise(node: Work) -> bool:
    """Whether a node is written as a convolution of each channel by itself."""
    if node.matrix is None:
        return node.multiplies
    return node.kind == "Conv" and _groups(node) == node.matrix.shape[0] == _channels(node) > 1


def _groups(node: Work) -> int:
    values = {a.name: helper.get_attribute_value(a) for a in node.proto.attribute}
    return int(values.get("group", 1))


def _channels(node: Work) -> int:
    """The channels that a convolution reads."""
    assert node.matrix is not None
    return node.matrix.shape[1] * _groups(node)


class _Widths:
    def __init__(self, flow: Flow, plan: Plan) -> None:
        self.flow, self.plan = flow, plan
        self.rounded = plan.rounded()
        counts = Counter(node.matrix.name for node in flow.nodes if node.matrix is not None)
        # A weight of several steps is written once, as it is.
        self.shared = {name for name, count in counts.items() if count > 1}
        self.alike = Merged[str]()
        self.makers = {
            plan.fused.get(node, node).proto.output[0]: node
            for node in flow.nodes
            if node in plan.working
        }

    def found(self) -> dict[str, int]:
        for node in self.makers.values():
            if self._is_alike(node):
                first, *others = self._tensors(node)
                for name in others:
                    self.alike.join(name, first)
        parts: dict[str, list[str]] = {}
        for name in self.plan.groups:
            parts.setdefault(self.alike.root(name), []).append(name)
        found: dict[str, int] = {}
        for names in parts.values():
            if all(map(self._is_free, names)):
                found |= dict.fromkeys(names, self._width(names))
        return {name: width for name, width in found.items() if width != self._size(name)}

    def _size(self, name: str) -> int:
        """The channels of a map, or 0 for what is none or has an open number."""
        shape = self.flow.shapes.get(name, ())
        maker = self.flow.makers.get(name)
        if not shape and maker is not None:  # it stands inside a step
            if maker.kind in _ALIKE:
                return self._size(maker.proto.input[0])
            if self._mixes(maker) and maker.matrix is not None and len(maker.matrix.shape) == 4:
                return maker.matrix.shape[0]
        return shape[0] if len(shape) == 3 and isinstance(shape[0], int) else 0

    def _tensors(self, node: Work) -> tuple[str, ...]:
        """What a node gives, and what it reads of a net's tensors."""
        out = str(self.plan.fused.get(node, node).proto.output[0])
        read = node.proto.input[:1] if node.multiplies else node.proto.input
        return (out, *read)

    def _is_alike(self, node: Work) -> bool:
        """Whether a node gives as many channels as it reads, each of those at its place."""
        if is_depthwise(node):
            if self._is_shared(node):
                return False
        elif node.kind not in _ALIKE or len(node.proto.output) > 1:
            return False
        names = self._tensors(node)
        return len({self._size(name) for name in names}) == 1 and self.plan.groups.keys() >= set(
            names
        )

    def _mixes(self, node: Work) -> bool:
        """Whether a node is a convolution of all channels."""
        if node.kind != "Conv" or node.matrix is None:
            return False
        return not self._is_shared(node) and _groups(node) == 1

    def _is_shared(self, node: Work) -> bool:
        """Whether a node multiplies by a weight that others multiply by too."""
        return node.matrix is not None and node.matrix.name in self.shared

    def _is_free(self, name: str) -> bool:
        """Whether all that make and read a tensor can do with more channels."""
        if not self._size(name):
            return False
        readers = self.flow.readers.get(name, [])
        if name in self.rounded:
            maker = self.makers.get(name)
            if maker is None or name in self.flow.outputs:
                return False
            if not self._mixes(maker) and not self._is_alike(maker):
                return False
            if any(node not in self.plan.working for node in readers):
                return False
        elif name not in self.flow.shapes:
            return False
        return all(
            self._mixes(node) or self._is_alike(node)
            for node in readers
            if node in self.plan.working
        )

    def _width(self, names: list[str]) -> int:
        """The channels that serve best all that read these tensors, which have equally many."""
        size = self._size(names[0])
        readers = [
            node
            for name in names
            for node in self.flow.readers.get(name, [])
            if node in self.plan.working
        ]
        by = _EACH if any(map(is_depthwise, readers)) else _READ
        width = -(-size // by) * by
        if width > _GROWTH * size:
            return size
        if by == _READ:
            outs = [n.matrix.shape[0] for n in readers if n.matrix is not None]
            if not outs or (width - size) * max(outs) > _ADDED * size:
                return size
        return width
