"""A flat model taken apart: nodes in order, and the arrays that are there before it runs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, helper, numpy_helper

from netspec.diagnostics.records import printable
from netspec.importing.files.reading import as_array, refused
from netspec.system.reading import reading

Array = np.ndarray[Any, Any]
# Beyond these bytes of weights a model is written with its numbers beside it.
_BESIDE = 2**30
# Elements of constants that any file may make.
_MADE = 2**26


class Parts:
    """The nodes of a flat model and its arrays, to be rewritten; constants are arrays too."""

    def __init__(self, path: Path, proto: ModelProto, arrays: dict[str, Array]) -> None:
        self.path, self.proto, self.arrays = path, proto, arrays
        self.nodes: list[NodeProto] = []
        # Elements that may be made: of a file that says one weight over and over, not without end.
        self._room = _MADE + 4 * sum(array.size for array in arrays.values())
        self._taken = {name for node in proto.graph.node for name in node.output} | set(arrays)
        self._taken |= {item.name for item in proto.graph.input}
        for node in proto.graph.node:
            given = [a for a in node.attribute if a.name == "value" and a.HasField("t")]
            if node.op_type == "Constant" and given and len(node.output) == 1:
                if node.output[0] in arrays:
                    raise refused(path, f"{printable(node.output[0])} is made twice")
                arrays[node.output[0]] = as_array(path, given[0].t, node.name)
            else:
                self.nodes.append(node)
        # What makes each tensor in the file itself.
        self.before = self.makers()
        self._numbers: Counter[str] = Counter()

    def naming(self, node: NodeProto) -> AbstractContextManager[None]:
        """What is raised of a node's inputs and attributes is raised with its name."""
        return reading(lambda reason: refused(self.path, f"{called(node)}: {reason}"))

    def array(self, name: str) -> Array | None:
        """A constant's numbers; None for what is computed."""
        return self.arrays.get(name)

    def known(self, node: NodeProto, name: str, what: str) -> Array:
        """The numbers of a constant that a node needs; raises NetspecError where it is computed."""
        array = self.arrays.get(name)
        if array is None:
            raise refused(self.path, f"{called(node)} has {what} that is computed while it runs")
        return array

    def keep(self, like: str, array: Array) -> str:
        """Adds an array; its name, which is new."""
        name = self.fresh(like)
        self.put(name, array)
        return name

    def put(self, name: str, array: Array) -> None:
        """Adds an array by its name; raises NetspecError where a file makes too many of its own."""
        self._room -= array.size
        if self._room < 0:
            raise refused(self.path, "its constants come to too many numbers")
        self.arrays[name] = array

    def fresh(self, like: str) -> str:
        """A name that no tensor has."""
        name = like
        while not name or name in self._taken:
            self._numbers[like] += 1
            name = f"{like}.{self._numbers[like]}"
        self._taken.add(name)
        return name

    def readers(self) -> dict[str, list[NodeProto]]:
        """The nodes that read each tensor."""
        found: dict[str, list[NodeProto]] = {}
        for node in self.nodes:
            for name in dict.fromkeys(node.input):
                found.setdefault(name, []).append(node)
        return found

    def makers(self) -> dict[str, NodeProto]:
        """The node that makes each tensor."""
        return {name: node for node in self.nodes for name in node.output if name}

    def outputs(self) -> set[str]:
        """The names of the model's outputs."""
        return {item.name for item in self.proto.graph.output}

    def drop_unused(self) -> None:
        """Drops nodes that no output depends on; those with graphs may read any tensor."""
        wanted, kept = self.outputs(), []
        graphs = [node for node in self.nodes if any(a.HasField("g") for a in node.attribute)]
        wanted |= {name for node in graphs for name in _read_inside(node)}
        for node in reversed(self.nodes):
            if wanted.intersection(node.output):
                kept.append(node)
                wanted.update(node.input)
        self.nodes = kept[::-1]

    def model(self) -> ModelProto:
        """The model of these nodes, without its arrays."""
        found = ModelProto(ir_version=max(self.proto.ir_version, 4))
        found.opset_import.extend(self.proto.opset_import)
        found.graph.name = self.proto.graph.name
        found.graph.input.extend(i for i in self.proto.graph.input if i.name not in self.arrays)
        found.graph.output.extend(self.proto.graph.output)
        found.graph.node.extend(self.nodes)
        return found


def save(model: ModelProto, arrays: dict[str, Array], path: Path) -> None:
    """Writes a model with its arrays, beside it where they are many."""
    whole = ModelProto()
    whole.CopyFrom(model)
    for node in whole.graph.node:  # what stands for one node has its name several times
        node.name = ""
    for name, array in arrays.items():
        whole.graph.initializer.append(numpy_helper.from_array(np.asarray(array, order="C"), name))
    many = sum(array.nbytes for array in arrays.values()) > _BESIDE
    onnx.save(whole, path, save_as_external_data=many)


def called(node: NodeProto) -> str:
    """What messages call a node."""
    return f"{printable(node.op_type)} {printable(node.name)}".strip()


def node_like(
    node: NodeProto, op: str, inputs: Sequence[str], output: str, *, leave: Iterable[str] = ()
) -> NodeProto:
    """A plain node in the place of another: with its name, and its attributes but those to `leave`."""
    made = helper.make_node(op, list(inputs), [output], name=node.name)
    made.metadata_props.extend(node.metadata_props)
    left = set(leave)
    made.attribute.extend(a for a in node.attribute if a.name not in left)
    return made


def attribute(node: NodeProto, name: str, default: Any = None) -> Any:
    """An attribute's value, or what it is where it is left out."""
    for item in node.attribute:
        if item.name == name:
            value = helper.get_attribute_value(item)
            return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    return default


def dequantized(integers: Array, scale: Array, zero: Array | None, axis: int, block: int) -> Array:
    """What ONNX's DequantizeLinear gives: (integers - zero) times scale, in single precision.

    Scales of one axis lie along `axis`, where each is that of `block` numbers if that is not 0.
    Raises ValueError where the sizes do not go together.
    """
    wide = integers.astype(np.int64)
    if zero is not None:
        wide = wide - _along(zero.astype(np.int64), wide, axis, block)
    found: Array = wide.astype(np.float32) * _along(scale.astype(np.float32), wide, axis, block)
    return found


def quantized(numbers: Array, scale: Array, zero: Array, axis: int, block: int) -> Array:
    """What ONNX's QuantizeLinear gives: numbers over scale, to the nearest even, plus zero, in its range."""
    info = np.iinfo(zero.dtype)
    steps = np.rint(numbers.astype(np.float32) / _along(scale, numbers, axis, block))
    shifted = steps + _along(zero.astype(np.float32), numbers, axis, block)
    found: Array = np.clip(shifted, info.min, info.max).astype(zero.dtype)
    return found


def _along(values: Array, like: Array, axis: int, block: int) -> Array:
    if values.size == 1:
        return values.reshape(())
    if block:
        count = like.shape[axis]
        block = min(block, max(count, 1))  # a block may be longer than what it is of
        if values.ndim != like.ndim or values.shape[axis] != math.ceil(count / block):
            raise ValueError("its scales are not those of its blocks")
        return np.repeat(values, block, axis).take(np.arange(count), axis)
    if not -like.ndim <= axis < like.ndim or values.size != like.shape[axis]:
        raise ValueError("it has another number of scales than its axis has places")
    return values.reshape([-1 if i == axis % like.ndim else 1 for i in range(like.ndim)])


def _read_inside(node: NodeProto) -> Iterable[str]:
    for item in node.attribute:
        if item.HasField("g"):
            for inner in item.g.node:
                yield from inner.input
                yield from _read_inside(inner)
            yield from (out.name for out in item.g.output)
