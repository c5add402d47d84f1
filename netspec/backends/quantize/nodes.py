"""Writes a plan into a model: QuantizeLinear and DequantizeLinear around what computes in eight bits.

`onnxruntime.quantization.quantize_static` of ONNX Runtime 1.31 was measured on folded files of netspec's:
it gives each input of a Concat and its output a scale of its own, leaves a mean over maps in fp32 with a
pair of nodes around it, and batch normalisation that folds into nothing too, and its files keep less:
by least and largest value, 3 to 9 dB. docs/architecture.md has the figures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import GraphProto, NodeProto, helper, numpy_helper

from netspec.backends.onnx.builder import Initializer
from netspec.backends.quantize.flow import Flow, Work
from netspec.backends.quantize.plan import Plan
from netspec.backends.quantize.spread import Scale
from netspec.backends.quantize.weights import Eight, Factors
from netspec.backends.quantize.widths import is_depthwise
from netspec.foundation.records import record
from netspec.ops.declare.schemes import Zeros
from netspec.ops.declare.weight import Weight

if TYPE_CHECKING:
    from netspec.backends.onnx.model import Model
    from netspec.graph.checked import Node
    from netspec.weights.sources import WeightSource

    Array = np.ndarray[Any, Any]


@record(eq=False)
class Numbers:
    """What a plan is written with: scales of groups, factors of nodes, the largest int8 of a weight.

    `biases` says whether those are integers too, of 32 bits; `widths` has the tensors that are written
    with more channels, of zeros, and how many.
    """

    scales: Mapping[str, Scale]
    factors: Mapping[Work, Factors]
    limit: int = 127
    biases: bool = True
    widths: Mapping[str, int] = field(default_factory=dict)


def written(
    model: Model, flow: Flow, plan: Plan, numbers: Numbers, source: WeightSource
) -> tuple[Model, WeightSource]:
    """The model in eight bits and the source of its weights."""
    writer = _Writer(model, flow, plan, numbers)
    return writer.model(), Eight(source, writer.made)


def apart(
    model: Model, flow: Flow, plan: Plan, numbers: Numbers, source: WeightSource
) -> tuple[Model, WeightSource, dict[Work, str]]:
    """The model in fp32 with each product a second time, in eight bits, on what the net has in fp32.

    With the names of what the second ones give.
    """
    writer = _Writer(model, flow, plan, numbers)
    return writer.doubled(), Eight(source, writer.made), writer.doubles


class _Writer:
    def __init__(self, model: Model, flow: Flow, plan: Plan, numbers: Numbers) -> None:
        self._model, self._flow, self._plan, self._numbers = model, flow, plan, numbers
        self.made: dict[str, Callable[[], Array]] = {}
        self._weights: dict[str, Initializer] = {}
        self._constants: dict[str, Array] = {}
        self._nodes: list[tuple[NodeProto, Node | None]] = []
        # The step that what is added is for.
        self._owner: Node | None = None
        self._rounded = plan.rounded()
        self._doubled: set[str] = set()
        self.doubles: dict[Work, str] = {}

    def model(self) -> Model:
        inputs = {value.node.path: value.node for value in self._model.values}
        for name in self._flow.inputs:
            if name in self._plan.groups:
                self._owner = inputs[name]
                self._round(name, name)
        for node in self._flow.nodes:
            self._add(node)
        return self._finished()

    def doubled(self) -> Model:
        for node in self._flow.nodes:
            self._start(node)
            self._nodes.append((node.proto, self._owner))
            if node not in self._numbers.factors or node not in self._plan.working:
                continue
            name = node.proto.input[0]
            if name not in self._doubled:
                self._doubled.add(name)
                self._round(name, name, f"{name}.dequantized")
            proto = NodeProto()
            proto.CopyFrom(node.proto)
            proto.input[0] = f"{name}.dequantized"
            proto.output[0] = self.doubles[node] = f"{proto.output[0]}.alone"
            self._multiply(node, proto)
            proto.name += ".alone"
            self._nodes.append((proto, self._owner))
        return self._finished(self.doubles.values())

    def _finished(self, more: Iterable[str] = ()) -> Model:
        graph = GraphProto()
        graph.CopyFrom(self._model.proto.graph)
        del graph.node[:]
        self._state(graph)
        needed = self._needed(graph, more)
        graph.node.extend(node for node, _ in needed)
        read = {name for node in graph.node for name in node.input}
        kept = [tensor for tensor in graph.initializer if tensor.name in read]
        del graph.initializer[:]
        graph.initializer.extend(kept)
        for name, array in self._constants.items():
            graph.initializer.append(numpy_helper.from_array(array, name))
        weights = [item for item in self._model.weights if item.name in read]
        written = self._model.with_graph(graph, [*weights, *self._weights.values()])
        return replace(written, owners=tuple(owner for _, owner in needed))

    def _state(self, graph: GraphProto) -> None:
        """Says of tensors with more channels than the net's how many they have."""
        made: dict[str, int] = {}
        for node in self._plan.working:
            width = self._width_of(node)
            if width:
                both = (node, self._plan.fused.get(node, node))
                made |= {name: width for each in both for name in each.proto.output}
        for item in graph.value_info:
            if item.name in made:
                item.type.tensor_type.shape.dim[1].dim_value = made[item.name]

    def _width_of(self, node: Work) -> int:
        """The channels that a node gives, if those are more than the net's, else 0."""
        return self._numbers.widths.get(self._plan.fused.get(node, node).proto.output[0], 0)

    def _start(self, node: Work) -> None:
        self._owner = self._model.owners[node.index]

    def _needed(
        self, graph: GraphProto, more: Iterable[str]
    ) -> list[tuple[NodeProto, Node | None]]:
        """The nodes that something reads: what turned a weight has no reader left."""
        # What flows into the next step is read there, whatever is read of the last.
        needed = {*more, *(item.name for item in graph.output), *self._flow.stepwise}
        found = []
        for node, owner in reversed(self._nodes):
            if needed & set(node.output):
                needed.update(node.input)
                found.append((node, owner))
        return found[::-1]

    def _add(self, node: Work) -> None:
        self._start(node)
        works = node in self._plan.working
        proto = NodeProto()
        proto.CopyFrom(node.proto)
        for i, name in enumerate(proto.input):
            if name in self._plan.groups and (works or name in self._rounded):
                proto.input[i] = self._read(name)
        if works and node in self._numbers.factors:
            self._multiply(node, proto)
        if node.kind == "Pad" and len(node.proto.input) > 3:
            self._pad(node, proto)
        if works and node.kind == "ReduceMean":
            self._pool(node, proto)
        for i, name in enumerate(proto.output):
            if name in self._rounded and name in self._flow.outputs:
                proto.output[i] = f"{name}.exact"
        self._nodes.append((proto, self._owner))
        for name, given in zip(node.proto.output, proto.output, strict=True):
            if name in self._plan.groups:
                self._round(name, given)

    def _read(self, name: str) -> str:
        """The name of a tensor of eight bits for who reads it as numbers."""
        if name in self._rounded and name in self._flow.outputs:
            return name
        return f"{name}.dequantized"

    def _round(self, name: str, given: str, out: str = "", group: str = "") -> None:
        group = group or self._plan.groups[name]
        scale = self._numbers.scales[group]
        parts = [
            self._constant(f"{group}.scale", np.array(scale.scale)),
            self._constant(f"{group}.zero_point", np.array(scale.zero_point, scale.dtype)),
        ]
        if name in self._numbers.widths and name not in self._rounded:
            given = self._widened(name, given)
        self._node("QuantizeLinear", [given, *parts], f"{name}.quantized", f"{name}.quantize")
        self._node(
            "DequantizeLinear",
            [f"{name}.quantized", *parts],
            out or self._read(name),
            f"{name}.dequantize",
        )

    def _widened(self, name: str, given: str) -> str:
        """A tensor in fp32 with channels of zeros behind its own."""
        pads = np.zeros(2 * self._flow.ranks[name], np.int64)
        size = self._flow.shapes[name][0]
        assert isinstance(size, int)
        pads[self._flow.ranks[name] + 1] = self._numbers.widths[name] - size
        wide = f"{name}.wide"
        self._node("Pad", [given, self._constant(f"{wide}.pads", pads)], wide, wide)
        return wide

    def _factors(self, node: Work) -> Factors:
        """What a node multiplies and shifts by, with zeros for the channels that are added."""
        found = self._numbers.factors[node]
        out, into = self._width_of(node), self._numbers.widths.get(node.proto.input[0], 0)
        if is_depthwise(node):
            into = 0
        return found.widened(out, into) if out or into else found

    def _multiply(self, node: Work, proto: NodeProto) -> None:
        """Gives a product its weight and bias in integers."""
        factors, limit = self._factors(node), self._numbers.limit
        scale = self._numbers.scales[self._plan.groups[node.proto.input[0]]].scale
        scales = factors.scales(scale, limit)
        kernel, bias = self._names(node, factors, scales)
        inputs = [proto.input[0], self._kernel(factors, kernel, scales)]
        if factors.bias is not None and not self._numbers.biases:
            # The net's own tensor may have the other name, and another reader.
            inputs.append(self._constant(f"{bias}.exact", factors.bias.astype(np.float32)))
        elif factors.bias is not None:
            steps = scales.astype(np.float64) * np.float64(scale)
            whole = np.rint(factors.bias / steps).clip(-(2**31) + 1, 2**31 - 1).astype(np.int32)
            inputs.append(self._dequantized(bias, whole, steps.astype(np.float32)))
        del proto.input[:]
        proto.input.extend(inputs)
        if is_depthwise(node):
            # One kernel for each channel, of averages and norms too; ONNX Runtime's own pooling takes two
            # to four times as long.
            proto.op_type = "Conv"
            kept = [a for a in proto.attribute if a.name in ("strides", "pads", "dilations")]
            del proto.attribute[:]
            proto.attribute.extend(kept)
            proto.attribute.append(helper.make_attribute("group", factors.shape[0]))
            proto.attribute.append(helper.make_attribute("kernel_shape", list(factors.shape[2:])))

    def _pad(self, node: Work, proto: NodeProto) -> None:
        """Gives the pads of every axis: ONNX Runtime moves a transpose past those of some wrongly."""
        names = node.proto.input
        rank = self._flow.ranks.get(names[0], self._flow.ranks.get(node.proto.output[0]))
        pads, axes = (self._flow.constants.get(names[i]) for i in (1, 3))
        if rank is None or pads is None or axes is None:
            return
        every = np.zeros((2, rank), np.int64)
        every[:, axes] = pads.reshape(2, -1)
        proto.input[1] = self._constant(f"{node.proto.output[0]}.pads", every.reshape(-1))
        del proto.input[3:]

    def _pool(self, node: Work, proto: NodeProto) -> None:
        """Turns a mean over maps into the pooling that there is a kernel of eight bits for."""
        keep = next((a.i for a in proto.attribute if a.name == "keepdims"), 1)
        del proto.input[1:], proto.attribute[:]
        proto.op_type = "GlobalAveragePool"
        if keep:
            return
        pooled = NodeProto()
        pooled.CopyFrom(proto)
        name = proto.output[0]
        pooled.name, pooled.output[0] = f"{proto.name}.pool", f"{name}.pooled"
        self._nodes.append((pooled, self._owner))
        self._round(f"{name}.pooled", f"{name}.pooled", group=self._plan.groups[name])
        proto.op_type, proto.input[0] = "Flatten", f"{name}.pooled.dequantized"

    def _names(self, node: Work, factors: Factors, scales: Array) -> tuple[str, str]:
        """What a node's integers are called: its weight's name, its own where another has that."""
        path = node.proto.name
        base = node.matrix.name if node.matrix is not None else f"{path}.weight"
        turned = node.matrix is not None and node.matrix.held != node.matrix.shape
        held = self._weights.get(f"{base}.quantized")
        if held is not None:
            same = np.array_equal(self._constants[f"{base}.scale"], scales)
            turned |= not same or held.weight.shape != factors.shape
        if turned:
            base = f"{path}.weight"
        return base, f"{path}.bias"

    def _kernel(self, factors: Factors, name: str, scales: Array) -> str:
        limit = self._numbers.limit
        integers = f"{name}.quantized"
        if integers not in self._weights:
            self.made[integers] = lambda: factors.integers(scales, limit)
            weight = Weight(integers, factors.shape, Zeros())
            self._weights[integers] = Initializer(integers, weight, "int8")
            zeros = np.zeros(scales.size, np.int8)
            parts = [
                self._constant(f"{name}.scale", scales),
                self._constant(f"{name}.zero_point", zeros),
            ]
            self._node(
                "DequantizeLinear",
                [integers, *parts],
                f"{name}.dequantized",
                f"{name}.dequantize",
                axis=factors.axis,
            )
        return f"{name}.dequantized"

    def _dequantized(self, name: str, integers: Array, scales: Array) -> str:
        parts = [
            self._constant(f"{name}.quantized", integers),
            self._constant(f"{name}.scale", scales),
            self._constant(f"{name}.zero_point", np.zeros(scales.size, np.int32)),
        ]
        self._node("DequantizeLinear", parts, f"{name}.dequantized", f"{name}.dequantize", axis=0)
        return f"{name}.dequantized"

    def _constant(self, name: str, value: Array) -> str:
        self._constants[name] = value
        return name

    def _node(self, kind: str, inputs: list[str], output: str, name: str, **more: Any) -> None:
        node = helper.make_node(kind, inputs, [output], name=name, **more)
        self._nodes.append((node, self._owner))
