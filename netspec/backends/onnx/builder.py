"""What operators add their ONNX nodes to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from onnx import AttributeProto, GraphProto, NodeProto, TensorProto, TypeProto, ValueInfoProto

from netspec.backends.onnx.constants import Constants
from netspec.backends.onnx.fences import Fences
from netspec.backends.onnx.legal import where_the_net_runs, zero_if_legal
from netspec.backends.onnx.places import places
from netspec.backends.onnx.spelling import Spelling, features, since
from netspec.backends.onnx.targets import EVERY, Target, feature_of
from netspec.backends.onnx.types import inner_types, value_type, weight_type
from netspec.diagnostics.messages.backends import StepNeedsOpset, TargetLacks
from netspec.diagnostics.raised import Collector
from netspec.diagnostics.records import Diagnostic
from netspec.diagnostics.source import Span
from netspec.foundation.records import record
from netspec.graph.checked import Graph, Head, Node, Output, Value
from netspec.graph.loops import loops
from netspec.ops.declare.interfaces import Operand
from netspec.ops.declare.source import Input
from netspec.ops.declare.weight import Weight
from netspec.sizes.batch import SHARED


@record
class Initializer:
    """A weight of the net, to be filled when the file is written; `dtype` is numpy's word."""

    name: str
    weight: Weight
    dtype: str = "float32"

    @property
    def nbytes(self) -> int:
        """How many bytes its numbers take."""
        return self.weight.size * np.dtype(self.dtype).itemsize


class Builder(Spelling):
    """The `Builder` that an operator's `onnx` hook adds nodes with.

    Tensors are named after the step that makes them: its first value `stage1.conv1`, the second
    `stage1.conv1.2`, what stands between its nodes `stage1.layernorm1.sub2`, by the operator and its
    number in the step. An output of the net has its own name. So a name depends on one step alone;
    where an input or an output of the net has it already, a dot is added, in which no name ends that a
    spec gives. A node is called as its first tensor, but by the step's path where that is an output.

    `needs` is the opset that the net needs and `needs_at` the step that does; `faults` are the steps
    that the opset or the reader cannot have.
    """

    def __init__(
        self, graph: Graph, opset: int, target: Target = EVERY, batch: int | None = None
    ) -> None:
        super().__init__(opset, target)
        self.graph = graph
        self.needs = 0
        self.needs_at: Span | None = None
        self.faults = Collector()
        self._place: Span | None = None
        # Each step's part of the graph's message: as messages they would take ten times the memory.
        self.encoded: list[bytes] = []
        self.described: list[bytes] = []
        # The node of the net that each node of the file is for.
        self.owners: list[Node] = []
        self.weights: dict[str, Initializer] = {}
        self.values: dict[Value, str] = {}
        self.constants = Constants()
        self._batch = batch
        self._outputs = [(item.name, item.value) for item in outputs_of(graph)]
        self._named = {value: name for name, value in reversed(self._outputs)}
        self._outside = {node.path for node in graph.inputs} | {name for name, _ in self._outputs}
        self._taken = set(self._outside)
        self._node: Node
        self._own: dict[str, Weight] = {}
        self._emitted: list[NodeProto] = []
        self._read = {value for node in graph.nodes for value in node.inputs}
        self._fences = Fences(target)

    # for operators

    def nodes(
        self, op_type: str, inputs: Sequence[str], outputs: int, **attributes: Any
    ) -> tuple[str, ...]:
        """Adds one node with several outputs; returns their names."""
        held = len(inputs) > 1 and (inputs[1] in self.weights or inputs[1] in self.constants)
        computed = len(inputs) > 1 and not held
        for feature in features(op_type, outputs, attributes, computed):
            self.want(feature)
        if op_type == "Conv" and any(kind.batch == SHARED for kind in self._node.input_types[:1]):
            self.want("Conv of no input")
        apart = self._fences.between(op_type, inputs)
        fenced = {one: self.node("Identity", [one]) for one in inputs if one in apart}
        inputs = [fenced.get(one, one) for one in inputs]
        name = f"{self._node.path}.{op_type.lower()}{len(self._emitted) + 1}"
        names = (self._free(name), *(self._free(f"{name}.{i + 1}") for i in range(1, outputs)))
        proto = NodeProto(op_type=op_type, name=name, input=inputs, output=names)
        proto.attribute.extend(_attribute(key, value) for key, value in attributes.items())
        self._emitted.append(proto)
        self._fences.add(proto)
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
        return self.constants.add(value)

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
        value = Value(self._node, index)
        return value in self._read or value in self._named

    # for the back-end

    def lower(self) -> None:
        """Adds every step's part to `encoded` and `described`."""
        for node in self.graph.inputs:
            self.values[node.output] = node.path
        self._refuse_illegal_sizes()
        for loop in loops(self.graph):
            self._place = loop.call.span
            self.want(feature_of(loop))
        for node in self.graph.nodes:
            if not isinstance(node.op, Input):
                self._lower_node(node)
        for name, value in self._outputs:
            # What a step or none passed on unchanged, and a value's second name.
            if self.values[value] != name:
                self._start(value.node)
                copy = self.node("Identity", [self.values[value]])
                self._finish({copy: (name, f"{name}.identity")}, {})

    def _refuse_illegal_sizes(self) -> None:
        """Adds what refuses illegal sizes of symbols, where there are such sizes."""
        if not self.graph.symbols:
            return
        read = [node for node in self.graph.inputs if node.output in self._read]
        if not read:
            return
        operands = [Operand(node.path, node.types[0]) for node in read]
        self._start(read[0])
        constants = self.constants.copy()
        zero = zero_if_legal(self.graph, self, operands)
        if zero is None:
            self.constants = constants
            return
        # A runtime that refuses names the node: its name says why. No path has a blank in it.
        for i, proto in enumerate(self._emitted):
            proto.name = f"legal sizes {i + 1}"
        proto.name = f"legal sizes: {'; '.join(self.graph.legality.describe())}"
        zero = where_the_net_runs(self, zero)
        if operands[0].type.ids is not None:
            zero = self.node("Cast", [zero], to=TensorProto.INT64)
        checked = self.node("Add", [operands[0].name, zero])
        name = f"{read[0].path}.legal"
        final = {checked: (self._free(name), name)}
        self._finish(final, {node.output: node.path for node in read})
        self.values[read[0].output] = final[checked][0]

    def _lower_node(self, node: Node) -> None:
        self._start(node)
        self._place = node.span
        operands = [Operand(self.values[value], value.type) for value in node.inputs]
        result = node.op.onnx(self, *operands)
        made = {name for proto in self._emitted for name in proto.output}
        # What may be no output of the net itself: a copy is one.
        apart = set[str]()
        if not self.has("Outputs that are one of several"):
            several = (proto for proto in self._emitted if len(proto.output) > 1)
            apart = {name for proto in several for name in proto.output}
        final: dict[str, tuple[str, str]] = {}
        for i, name in enumerate((result,) if isinstance(result, str) else result):
            value = Value(node, i)
            if name in made and name not in final:
                plain = f"{node.path}.{i + 1}" if i else node.path
                again = value in self._read and not self.has("Outputs that are read again")
                own = None if again or name in apart else self._named.get(value)
                final[name] = own or self._free(plain), plain
            self.values[value] = final[name][0] if name in final else name
        self._finish(final, {value: self.values[value] for value in node.inputs})

    def _start(self, node: Node) -> None:
        self._node, self._own, self._emitted = node, {}, []

    def _finish(self, final: Mapping[str, tuple[str, str]], read: Mapping[Value, str]) -> None:
        """Encodes the nodes added; `final` has the names of tensors, and of the nodes that make them."""
        said = places(self.graph, self._node)
        for proto in self._emitted:
            proto.name = next((final[n][1] for n in proto.output if n in final), proto.name)
            for field in (proto.input, proto.output):
                field[:] = [final[name][0] if name in final else name for name in field]
            proto.metadata_props.extend(said)
            self._fences.add(proto)
        graph = GraphProto(node=self._emitted)
        self.encoded.append(graph.SerializeToString(deterministic=True))
        self.owners += [self._node] * len(self._emitted)
        self._describe(read)

    def _describe(self, read: Mapping[Value, str]) -> None:
        """Encodes the types of what the nodes make, but of outputs, which the graph describes."""
        made = [name for proto in self._emitted for name in proto.output]
        values = [value for value in self._node.outputs if value in self.values]
        types = {self.values[value]: value_type(value, self._batch) for value in values}
        if any(name not in types and name not in self._outside for name in made):
            types = {**self._inner_types(read), **types}
        items = [
            ValueInfoProto(name=name, type=types[name])
            for name in made
            if name not in self._outside and name in types
        ]
        graph = GraphProto(value_info=items)
        self.described.append(graph.SerializeToString(deterministic=True))

    def _inner_types(self, read: Mapping[Value, str]) -> dict[str, TypeProto]:
        known = {name: value_type(value, self._batch) for value, name in read.items()}
        used = {name for proto in self._emitted for name in proto.input}
        constants = [self.constants[name] for name in used if name in self.constants]
        for name in used & self.weights.keys():
            known[name] = weight_type(self.weights[name].weight.shape)
        return inner_types(self._emitted, known, constants, self.opset)

    def _free(self, name: str) -> str:
        while name in self._taken:
            name += "."
        self._taken.add(name)
        return name


def outputs_of(graph: Graph) -> tuple[Output | Head, ...]:
    """The outputs of a graph's file, those of its training-only heads last."""
    return (*graph.outputs, *graph.heads)


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
