"""Eight bits taken out: a rounding gives what it reads, weights are the numbers that they stand for.

A range that begins at zero is a clip of what can be negative, as quantisers leave out a ReLU that it
makes needless: there a Relu stays, a Clip to 6 where the range ends there too. Where a range ends is
otherwise where samples ended, and no part of the net.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from onnx import NodeProto, helper

from netspec.foundation.records import record
from netspec.importing.files.meaning.integers import spelt_out
from netspec.importing.files.meaning.parts import (
    Array,
    Parts,
    attribute,
    called,
    dequantized,
    node_like,
    quantized,
)
from netspec.importing.files.reading import refused

_ROUNDINGS = frozenset({"QuantizeLinear", "DequantizeLinear"})
_INTEGERS = frozenset(
    """
    ConvInteger DynamicQuantizeLSTM DynamicQuantizeLinear DynamicQuantizeMatMul MatMulInteger
    MatMulIntegerToFloat QGemm QLinearAdd QLinearAveragePool QLinearConcat QLinearConv
    QLinearGlobalAveragePool QLinearLeakyRelu QLinearMatMul QLinearMul QLinearReduceMean QLinearSigmoid
    QLinearSoftmax
    """.split()
)
# Give numbers of what they read, and no others.
_MOVES = frozenset(
    """
    Concat DepthToSpace Dropout Expand Flatten Gather GatherElements GatherND Identity MaxPool Pad Reshape
    Resize Slice SpaceToDepth Split Squeeze Tile Transpose Unsqueeze
    """.split()
)
_MEANS = frozenset(
    "AveragePool GlobalAveragePool GlobalMaxPool ReduceMax ReduceMean ReduceMin".split()
)
# Constants that are turned or shaped before they are rounded, or after.
_SHAPED = frozenset({"Identity", "Reshape", "Transpose"})
_SIX = 1e-5
Bounds = tuple[float, float]
_ANY: Bounds = (-math.inf, math.inf)
# Constants that are looked at for their least and largest number.
_COUNTED = 2**20
# Tensors that rows of a table are followed through.
_FAR = 64


@record(eq=False)
class Scale:
    """By what a tensor was rounded."""

    scale: Array
    zero: Array
    axis: int
    block: int

    def same(self, other: Scale) -> bool:
        """Whether integers of one mean the same by the other."""
        return (
            np.array_equal(self.scale, other.scale)
            and np.array_equal(self.zero, other.zero)
            and (self.scale.size == 1 or (self.axis, self.block) == (other.axis, other.block))
        )


def is_rounded(nodes: Iterable[NodeProto]) -> bool:
    """Whether any of the nodes computes in integers of few bits."""
    return any(node.op_type in _ROUNDINGS or node.op_type in _INTEGERS for node in nodes)


def unrounded(parts: Parts) -> None:
    """Takes the roundings out of a model, in place."""
    spelt_out(parts)
    _TakingOut(parts).run()


class _TakingOut:
    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.readers = parts.readers()
        self.scales: dict[str, Scale] = {}
        # Between what numbers tensors lie whatever is read; what an input only was moved to be.
        self.bounds: dict[str, Bounds] = {}
        self.given = {item.name for item in parts.proto.graph.input}

    def run(self) -> None:
        found: list[NodeProto] = []
        for node in self.parts.nodes:
            with self.parts.naming(node):
                made = self._taken_out(node)
                if made is not None:
                    found.append(made)
                    self._bound(made)
        for name in self.parts.outputs() & set(self.scales):
            raise refused(self.parts.path, f"its output {name} is integers")
        self.parts.nodes = found

    def _taken_out(self, node: NodeProto) -> NodeProto | None:
        """A node of numbers in the place of one; None where it is a constant now."""
        kind = node.op_type if node.domain in ("", "ai.onnx", "com.microsoft") else ""
        if kind in _ROUNDINGS:
            return self._rounding(node)
        if kind in _SHAPED and self._shaped(node):
            return None
        self._follow(node)
        return node

    def _rounding(self, node: NodeProto) -> NodeProto | None:
        """A node without its rounding; None where it is a constant now."""
        parts, (data, scale), out = self.parts, node.input[:2], node.output[0]
        factor = parts.known(node, scale, "a scale").astype(np.float32)
        given = node.input[2] if len(node.input) > 2 else ""
        zero = parts.known(node, given, "a zero point") if given else None
        axis, block = attribute(node, "axis", 1), attribute(node, "block_size", 0)
        array = parts.array(data)
        to_integers = node.op_type == "QuantizeLinear"
        if to_integers and zero is None:
            zero = np.zeros((), np.uint8)
        if zero is not None and zero.dtype.kind not in "iu":
            raise refused(parts.path, f"{called(node)} rounds to what are no integers")
        if array is not None:
            if to_integers:
                assert zero is not None
                parts.put(out, quantized(array, factor, zero, axis, block))
            else:
                parts.put(out, dequantized(array, factor, zero, axis, block))
            return None
        if to_integers:
            assert zero is not None
            self.scales[out] = Scale(factor, zero, axis, block)
            return self._clip(node, factor, zero)
        by = self.scales.get(data)
        if by is None:
            raise refused(parts.path, f"{called(node)} reads integers that nothing rounded")
        if not by.same(Scale(factor, zero if zero is not None else by.zero * 0, axis, block)):
            raise refused(parts.path, f"{called(node)} reads by another scale than was rounded by")
        return node_like(node, "Identity", [data], out, leave=("axis", "block_size"))

    def _clip(self, node: NodeProto, scale: Array, zero: Array) -> NodeProto:
        """What a rounding does besides: nothing, or the ReLU that its range stands for."""
        data, out = node.input[0], node.output[0]
        lowest = np.iinfo(zero.dtype).min
        highest = np.iinfo(zero.dtype).max
        begins = scale.size == 1 and zero.size == 1 and int(zero.item()) == lowest
        low, high = self._bounds_of(data)
        if not begins or data in self.given:
            return node_like(node, "Identity", [data], out, leave=[a.name for a in node.attribute])
        end = float(scale.item()) * (highest - lowest)
        six = math.isclose(end, 6, rel_tol=_SIX)
        if six and high > 6:
            ends = [self.parts.keep(f"{out}.end", np.array(value, np.float32)) for value in (0, 6)]
            return helper.make_node("Clip", [data, *ends], [out])
        return helper.make_node("Relu" if low < 0 else "Identity", [data], [out])

    def _shaped(self, node: NodeProto) -> bool:
        """Shapes a constant; whether it did."""
        arrays = [self.parts.array(name) for name in node.input]
        if not node.input or any(array is None for array in arrays):
            return False
        array = arrays[0]
        assert array is not None
        if node.op_type == "Transpose":
            array = array.transpose(attribute(node, "perm"))
        elif node.op_type == "Reshape":
            wanted = arrays[1] if len(arrays) > 1 else attribute(node, "shape")
            sizes = np.array(wanted).ravel().tolist()
            zeros = attribute(node, "allowzero", 0)
            kept = [array.shape[i] if s == 0 and not zeros else s for i, s in enumerate(sizes)]
            array = array.reshape(kept)
        self.parts.put(node.output[0], array)
        return True

    def _follow(self, node: NodeProto) -> None:
        """Integers that are moved mean by the scale that they were rounded by; nothing else reads them."""
        if node.op_type == "Gather" and node.input[0] in self.parts.arrays:
            self._rows(node)
            return
        read = [self.scales[name] for name in node.input if name in self.scales]
        if not read:
            return
        others = node.input if node.op_type == "Concat" else node.input[:1]
        whole = all(name in self.scales for name in others)
        if node.op_type not in _MOVES or not whole or not all(s.same(read[0]) for s in read):
            raise refused(self.parts.path, f"{called(node)} computes with integers")
        if read[0].scale.size > 1:
            raise refused(self.parts.path, f"{called(node)} moves integers of several scales")
        self.scales |= dict.fromkeys(filter(None, node.output), read[0])

    def _rows(self, node: NodeProto) -> None:
        """Rows of a table of integers: of its numbers, by the scale that they are read by further on."""
        parts, data = self.parts, node.input[0]
        reader = self._reader(node.output[0])
        if parts.arrays[data].dtype.itemsize > 1 or reader is None:
            return
        scale = parts.known(reader, reader.input[1], "a scale").astype(np.float32)
        given = reader.input[2] if len(reader.input) > 2 else ""
        zero = parts.known(reader, given, "a zero point") if given else np.zeros((), np.uint8)
        if scale.size > 1:
            raise refused(parts.path, f"{called(node)} takes rows of several scales")
        table = dequantized(parts.arrays[data], scale, zero, 0, 0)
        node.input[0] = parts.keep(f"{data}.numbers", table)
        self.scales[node.output[0]] = Scale(scale, zero, 1, 0)

    def _reader(self, name: str) -> NodeProto | None:
        """The node that reads integers as numbers, at once or after they were moved."""
        todo, seen = [name], {name}
        while todo and len(seen) < _FAR:
            for node in self.readers.get(todo.pop(), ()):
                if node.op_type == "DequantizeLinear" and node.input[0] in seen:
                    return node
                if node.op_type in _MOVES and node.output[0] not in seen:
                    seen.add(node.output[0])
                    todo.append(node.output[0])
        return None

    def _bound(self, node: NodeProto) -> None:
        """Notes between what numbers a node's lie, and whether they are an input's."""
        outputs = [name for name in node.output if name]
        found = self._between(node)
        if found is not None:
            self.bounds |= dict.fromkeys(outputs, found)
        names = node.input if node.op_type == "Concat" else node.input[:1]
        if node.op_type in _MOVES and names and all(name in self.given for name in names):
            self.given.update(outputs)

    def _between(self, node: NodeProto) -> Bounds | None:
        read = [self._bounds_of(name) for name in node.input if name]
        low, high = read[0] if read else _ANY
        match node.op_type:
            case "Relu":
                return max(low, 0.0), max(high, 0.0)
            case "Clip":
                least, most = self._limit(node, 1, "min"), self._limit(node, 2, "max")
                return max(low, least), min(high, most)
            case "Softmax" | "Sigmoid" | "HardSigmoid":
                return 0.0, 1.0
            case "Tanh" | "Erf":
                return -1.0, 1.0
            case "Exp" | "Softplus" | "Abs" | "Sqrt":
                return 0.0, math.inf
            case "Concat" | "Max" | "Min":
                return min(r[0] for r in read), max(r[1] for r in read)
            case "Add" | "Sum":
                return sum(r[0] for r in read), sum(r[1] for r in read)
            case "Mul" if len(read) == 2:
                if node.input[0] == node.input[1]:
                    return 0.0, math.inf
                ends = [a * b if a and b else 0.0 for a in read[0] for b in read[1]]
                return min(ends), max(ends)
            case "Pad":
                return min(low, 0.0), max(high, 0.0)
            case op if op in _MOVES or op in _MEANS:
                return low, high
        return None

    def _bounds_of(self, name: str) -> Bounds:
        array = self.parts.array(name)
        if array is not None and 0 < array.size <= _COUNTED and array.dtype.kind == "f":
            return float(array.min()), float(array.max())
        return self.bounds.get(name, _ANY)

    def _limit(self, node: NodeProto, index: int, word: str) -> float:
        array = self.parts.array(node.input[index]) if len(node.input) > index else None
        open_end = -math.inf if word == "min" else math.inf
        return float(array.item()) if array is not None else float(attribute(node, word, open_end))
