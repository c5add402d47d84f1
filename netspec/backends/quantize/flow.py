"""A model's nodes with who makes and who reads each tensor, and which step of the net each is of."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import NodeProto, helper, numpy_helper

from netspec.backends.onnx.recurring.scans import stepwise
from netspec.foundation.records import record

if TYPE_CHECKING:
    from netspec.backends.onnx.model import Model
    from netspec.graph.checked import Node

    Array = np.ndarray[Any, Any]

# A kernel has a number for each channel and place: for larger windows it is no small one.
_PLACES = 25


@record
class Matrix:
    """The weight or constant that a node multiplies by: the tensor's name, and how it is turned and shaped.

    It is `held` in one shape and has another once it is so; `axis` is that of its output channels then.
    What is `fixed` is no weight of the net.
    """

    name: str
    held: tuple[int, ...]
    shape: tuple[int, ...]
    turned: bool
    axis: int
    fixed: bool

    def of(self, array: Array) -> Array:
        """The tensor's numbers as the node has them."""
        return np.ascontiguousarray(array.T if self.turned else array).reshape(self.shape)


@record(eq=False)
class Work:
    """One ONNX node, the step of the net it is of, and its weight where it multiplies by one.

    An average over few places that all count is a product too; `window` is the extent of those. A node of a
    recurrence is `stepwise`: ranges of what it makes at all steps are not measured, and it stays as it is.
    """

    index: int
    proto: NodeProto
    step: Node
    matrix: Matrix | None = None
    window: tuple[int, ...] = ()
    stepwise: bool = False

    @property
    def kind(self) -> str:
        """ONNX's word for what it does; none that says more of what runs at every step."""
        return "" if self.stepwise else str(self.proto.op_type)

    @property
    def is_fixed(self) -> bool:
        """Whether what it multiplies by is no weight of the net."""
        return bool(self.window) or (self.matrix is not None and self.matrix.fixed)

    @property
    def multiplies(self) -> bool:
        """Whether it is a product with a weight or a constant, or can be written as one."""
        return self.matrix is not None or bool(self.window) or self.kind == "BatchNormalization"


class Flow:
    """The nodes of a model, in order, and what its tensors are."""

    def __init__(self, model: Model) -> None:
        proto = model.proto.graph
        self.inputs = tuple(item.name for item in proto.input)
        self.outputs = tuple(item.name for item in proto.output)
        self.weights = {item.name: item.weight for item in model.weights}
        self.constants: dict[str, Array] = {
            tensor.name: numpy_helper.to_array(tensor) for tensor in proto.initializer
        }
        self.readers: dict[str, list[Work]] = {}
        self.makers: dict[str, Work] = {}
        self._protos = {name: node for node in proto.node for name in node.output}
        self.shapes = {name: v.shape for v, name in model.values.items()}
        self.stepwise = stepwise(model)
        self.nodes = self._nodes(model, list(proto.node))
        for node in self.nodes:
            for name in dict.fromkeys(node.proto.input):
                self.readers.setdefault(name, []).append(node)
            for name in node.proto.output:
                self.makers[name] = node
        self.ranks = {name: 1 + len(shape) for name, shape in self.shapes.items()}

    def _nodes(self, model: Model, protos: list[NodeProto]) -> tuple[Work, ...]:
        """Each node with its step: nodes of one follow each other, and the last makes its value."""
        steps: Mapping[str, Node] = {name: v.node for v, name in model.values.items()}
        found: list[Work] = []
        # What follows the last value only gives outputs a second name.
        step = list(model.values)[-1].node
        for index in range(len(protos) - 1, -1, -1):
            proto = protos[index]
            made = [steps[name] for name in proto.output if name in steps]
            step = made[0] if made else step
            if not self.stepwise.isdisjoint(proto.output):
                found.append(Work(index, proto, step, stepwise=True))
                continue
            found.append(Work(index, proto, step, self._matrix(proto), self._window(proto)))
        return tuple(reversed(found))

    def is_constant(self, name: str) -> bool:
        """Whether a tensor is a weight or a constant of the model."""
        return name in self.weights or name in self.constants

    def _matrix(self, proto: NodeProto) -> Matrix | None:
        """What a convolution or a matrix product multiplies by, where it is the same for every input."""
        if proto.op_type not in ("Conv", "Gemm", "MatMul"):
            return None
        if proto.op_type == "Gemm":
            values = {a.name: helper.get_attribute_value(a) for a in proto.attribute}
            if not values.get("transB") or values.get("transA"):
                return None
        name, turned = proto.input[1], False
        shape: tuple[int, ...] | None = None
        while name in self._protos:
            before = self._protos[name]
            if before.op_type == "Transpose" and not turned and shape is None:
                if list(before.attribute[0].ints) != [1, 0]:
                    return None
                turned = True
            elif before.op_type == "Reshape" and shape is None and not turned:
                if before.input[1] not in self.constants:
                    return None
                shape = tuple(int(size) for size in self.constants[before.input[1]])
            else:
                return None
            name = before.input[0]
        # What resamples by products of constants is small, and rounds what is exact without it.
        if name not in self.weights and (name not in self.constants or proto.op_type != "Conv"):
            return None
        tensor = self.weights[name] if name in self.weights else self.constants[name]
        held = tuple(tensor.shape)
        sizes = shape or (held[::-1] if turned else held)
        if prod(sizes) != tensor.size or (proto.op_type == "MatMul" and len(sizes) != 2):
            return None
        axis = 1 if proto.op_type == "MatMul" else 0
        return Matrix(name, held, sizes, turned, axis, name in self.constants)

    def _window(self, proto: NodeProto) -> tuple[int, ...]:
        """The extent of an average's window where a kernel of one number does the same, else nothing."""
        if proto.op_type != "AveragePool" or proto.input[0] not in self.shapes:
            return ()
        values = {a.name: helper.get_attribute_value(a) for a in proto.attribute}
        window = tuple(values["kernel_shape"])
        partly = any(values.get("pads", ())) and not values.get("count_include_pad", 0)
        return () if partly or values.get("ceil_mode", 0) or prod(window) > _PLACES else window
