"""What operators add their ONNX nodes to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import AttributeProto, GraphProto, NodeProto, TensorProto

from netspec.backends.onnx.legal import zero_if_legal
from netspec.backends.onnx.spelling import Spelling, features, since
from netspec.backends.onnx.targets import EVERY, Target
from netspec.diagnostics.messages.backends import StepNeedsOpset, TargetLacks
from netspec.diagnostics.raised import Collector
from netspec.diagnostics.records import Diagnostic
from netspec.diagnostics.source import Span
from netspec.foundation.records import record
from netspec.graph.checked import Graph, Node, Value
from netspec.ops.declare.interfaces import Operand
from netspec.ops.declare.source import Input
from netspec.ops.declare.weight import Weight


@record
class Initializer:
    """A weight of the net, to be filled when the file is written."""

    name: str
    weight: Weight


class Builder(Spelling):
    """The `Builder` that an operator's `onnx` hook adds nodes with.

    Names of values come from a counter, never from the spec, and make way for those of inputs and
    outputs, which do; node names are block paths. `needs` is the opset that the net needs and
    `needs_at` the step that does; `faults` are the steps that the opset or the reader cannot have.
    """

    def __init__(self, graph: Graph, opset: int, target: Target = EVERY) -> None:
        super().__init__(opset, target)
        self.graph = graph
        self.needs = 0
        self.needs_at: Span | None = None
        self.faults = Collector()
        self._place: Span | None = None
        # Each node's part of the graph's message: as messages they would take ten times the memory.
        self.encoded: list[bytes] = []
        self.weights: dict[str, Initializer] = {}
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._names: dict[Value, str] = {}
        self.values: dict[Value, str] = {}
        self._counter = 0
        self._outside = {node.path for node in graph.inputs}
        self._outside |= {output.name for output in graph.outputs}
        self._outside |= {head.name for head in graph.heads}
        self._node: Node
        self._own: dict[str, Weight] = {}
        self._emitted: list[NodeProto] = []
        self._read = {value for node in graph.nodes for value in node.inputs}

    # for operators

    def nodes(
        self, op_type: str, inputs: Sequence[str], outputs: int, **attributes: Any
    ) -> tuple[str, ...]:
        """Adds one node with several outputs; returns their names."""
        computed = len(inputs) > 1 and inputs[1] not in self.weights
        for feature in features(op_type, outputs, attributes, computed):
            self.want(feature)
        proto = NodeProto(op_type=op_type)
        proto.input.extend(inputs)
        names = tuple(self._fresh(op_type) for _ in range(outputs))
        proto.output.extend(names)
        proto.attribute.extend(_attribute(key, value) for key, value in attributes.items())
        self._emitted.append(proto)
        return names

    def weight(self, name: str) -> str:
        """The name of one of the operator's own tensors."""
        if not self._own:
            weights = self._node.op.weights(*self._node.input_types)
            self._own = {weight.name: weight for weight in weights}
        full = f"{self._node.owner}.{name}"
        if full not in self.weights:
            self.weights[full] = Initializer(full, self._own[name])
        return full

    def channel_weight(self, name: str, rank: int) -> str:
        """One of the operator's vectors over channels, shaped for `rank` spatial axes."""
        vector = self.weight(name)
        if not rank:
            return vector
        return self.node("Unsqueeze", [vector, self.integers(range(1, rank + 1))])

    def constant(self, value: Any) -> str:
        """The name of a constant array; equal constants are one."""
        array = np.ascontiguousarray(value) if np.ndim(value) else np.asarray(value)
        key = (str(array.dtype), array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = self._free(f"c{len(self._constants):06d}")
        return self._constants[key]

    def want(self, feature: str) -> None:
        """Says that the step needs a feature; it is refused where the opset or the reader lacks it."""
        if since(feature) > self.needs:
            self.needs, self.needs_at = since(feature), self._place
        if since(feature) > self.opset:
            late = StepNeedsOpset(feature, since(feature), self.opset)
            self.faults.add(Diagnostic(late, self._place))
        elif reason := self.target.lacks.get(feature):
            lack = TargetLacks(self.target.title, feature, reason)
            self.faults.add(Diagnostic(lack, self._place))

    def is_read(self, index: int) -> bool:
        """Whether anything reads this output of the operator."""
        return Value(self._node, index) in self._read

    # for the back-end

    def lower(self) -> GraphProto:
        """The graph without its weights and its nodes, which are in `encoded`."""
        for node in self.graph.nodes:
            if isinstance(node.op, Input):
                self._names[node.output] = node.path
        self._refuse_illegal_sizes()
        for node in self.graph.nodes:
            if not isinstance(node.op, Input):
                self._lower_node(node)
        outputs = [(o.name, o.value) for o in self.graph.outputs]
        outputs += [(head.name, head.value) for head in self.graph.heads]
        self._name_outputs(outputs)
        proto = GraphProto(name=self.graph.name)
        for (dtype, shape, data), name in self._constants.items():
            kind = TensorProto.INT64 if dtype == "int64" else TensorProto.FLOAT
            tensor = TensorProto(dims=shape, data_type=kind, name=name, raw_data=data)
            proto.initializer.append(tensor)
        return proto

    def _refuse_illegal_sizes(self) -> None:
        """Adds what refuses illegal sizes of symbols, where there are such sizes."""
        if not self.graph.symbols:
            return
        read = [node for node in self.graph.inputs if node.output in self._read]
        operands = [Operand(node.path, node.types[0]) for node in read]
        self._emitted, constants = [], dict(self._constants)
        zero = zero_if_legal(self.graph, self, operands)
        if zero is None:
            self._constants = constants
            return
        # A runtime that refuses names the node: its name says why. No path has a blank in it.
        for i, proto in enumerate(self._emitted):
            proto.name = f"legal sizes {i + 1}"
        proto.name = f"legal sizes: {'; '.join(self.graph.legality.describe())}"
        if operands[0].type.ids is not None:
            zero = self.node("Cast", [zero], to=TensorProto.INT64)
        self._names[read[0].output] = self.node("Add", [operands[0].name, zero])
        self._encode(self._emitted)

    def _fresh(self, word: str) -> str:
        self._counter += 1
        return self._free(f"n{self._counter:06d}_{word.lower()}")

    def _free(self, name: str) -> str:
        # No name that a spec gives ends in a dot.
        return f"{name}." if name in self._outside else name

    def _lower_node(self, node: Node) -> None:
        self._node, self._own, self._emitted = node, {}, []
        self._place = node.span
        operands = [Operand(self._names[value], value.type) for value in node.inputs]
        result = node.op.onnx(self, *operands)
        names = (result,) if isinstance(result, str) else result
        for i, name in enumerate(names):
            self._names[Value(node, i)] = name
        for i, proto in enumerate(self._emitted):
            last = i == len(self._emitted) - 1
            proto.name = node.path if last else f"{node.path}.{proto.op_type.lower()}{i + 1}"
        self._encode(self._emitted)

    def _encode(self, nodes: list[NodeProto]) -> None:
        self.encoded.append(GraphProto(node=nodes).SerializeToString(deterministic=True))

    def _name_outputs(self, outputs: list[tuple[str, Value]]) -> None:
        """Gives the outputs their names in place of the counters'."""
        renamed: dict[str, str] = {}
        inputs = {node.path for node in self.graph.inputs}
        for name, value in outputs:
            held = self._names[value]
            if held in renamed or held in inputs:
                proto = NodeProto(op_type="Identity", name=f"{name}.identity")
                proto.input.append(renamed.get(held, held))
                proto.output.append(name)
                self._encode([proto])
            else:
                renamed[held] = name
        marks = [name.encode() for name in renamed]
        for at, encoded in enumerate(self.encoded):
            if any(mark in encoded for mark in marks):
                self.encoded[at] = _renamed(encoded, renamed)
        self.values = {v: renamed.get(name, name) for v, name in self._names.items()}


def _renamed(encoded: bytes, names: dict[str, str]) -> bytes:
    graph = GraphProto.FromString(encoded)
    for node in graph.node:
        for field in (node.input, node.output):
            for i, name in enumerate(field):
                field[i] = names.get(name, name)
    found: bytes = graph.SerializeToString(deterministic=True)
    return found


def _attribute(name: str, value: Any) -> AttributeProto:
    proto = AttributeProto(name=name)
    if isinstance(value, bool | int | np.integer):
        proto.type, proto.i = AttributeProto.INT, int(value)
    elif isinstance(value, float):
        proto.type, proto.f = AttributeProto.FLOAT, value
    elif isinstance(value, str):
        proto.type, proto.s = AttributeProto.STRING, value.encode()
    elif value and isinstance(value[0], str):
        proto.type = AttributeProto.STRINGS
        proto.strings.extend(item.encode() for item in value)
    else:
        proto.type = AttributeProto.INTS
        proto.ints.extend(value)
    return proto
