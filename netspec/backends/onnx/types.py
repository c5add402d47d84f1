"""Types of tensors as a file states them: of a step's values, and of what stands inside a step.

A step's own values have the types that the spec was checked with. Between the nodes of one step ONNX's
rules for shapes say them, from the types around it: they carry symbols on, as they carry numbers. What
they cannot say stays open, since a runtime shares memory between tensors whose sizes have one name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from onnx import (
    GraphProto,
    ModelProto,
    NodeProto,
    OperatorSetIdProto,
    TensorProto,
    TypeProto,
    ValueInfoProto,
)
from onnx.shape_inference import infer_shapes

from netspec.graph.checked import Value

# Operators that keep their first input's type; ONNX infers none for what it defines by other nodes.
KEEPING = frozenset({"GroupNormalization"})
_DTYPES = {"float32": TensorProto.FLOAT, "int64": TensorProto.INT64}


def value_type(value: Value, batch: int | None) -> TypeProto:
    """The type of a step's value with its leading dimension, which is `batch` or a symbol.

    What does not flow on is places: where a pooling found its maxima.
    """
    tensor, carried = value.type, value.node.op.carried
    proto = TypeProto()
    kind = proto.tensor_type
    flows = carried is None or value.index < carried
    kind.elem_type = _DTYPES[tensor.dtype] if flows else TensorProto.INT64
    dims = kind.shape.dim
    for size in (
        tensor.batch.size(batch),
        *tensor.shape,
    ):
        if isinstance(size, int):
            dims.add(dim_value=size)
        else:
            dims.add(dim_param=str(size))
    return proto


def weight_type(shape: Sequence[int], kind: int = TensorProto.FLOAT) -> TypeProto:
    """The type of a weight, whose numbers are of a kind of ONNX's."""
    proto = TypeProto()
    proto.tensor_type.elem_type = kind
    for size in shape:
        proto.tensor_type.shape.dim.add(dim_value=size)
    return proto


def inner_types(
    nodes: Iterable[NodeProto],
    known: Mapping[str, TypeProto],
    constants: Iterable[TensorProto],
    opset: int,
) -> dict[str, TypeProto]:
    """The types of what some nodes make, by name, from those of what they read.

    A size that does not follow is open, and a tensor of unknown rank has no shape.
    """
    nodes = [_keeping(node) if node.op_type in KEEPING else node for node in nodes]
    graph = GraphProto(name="step", node=nodes, initializer=constants)
    graph.input.extend(ValueInfoProto(name=name, type=kind) for name, kind in known.items())
    model = ModelProto(graph=graph, opset_import=[OperatorSetIdProto(version=opset)])
    model.ir_version = 10
    symbols = {d.dim_param for kind in known.values() for d in kind.tensor_type.shape.dim}
    found = {}
    for item in infer_shapes(model, data_prop=True).graph.value_info:
        for dim in item.type.tensor_type.shape.dim:
            # ONNX makes up names for sizes that it does not know.
            if dim.dim_param not in symbols:
                dim.ClearField("dim_param")
        found[item.name] = item.type
    return found


def _keeping(node: NodeProto) -> NodeProto:
    return NodeProto(op_type="Identity", input=node.input[:1], output=node.output)
