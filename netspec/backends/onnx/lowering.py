"""Graph to ONNX: nodes straight from the operators, without tracing and without torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from onnx import GraphProto, ModelProto, TensorProto

from netspec.backends.onnx.builder import Builder, Initializer
from netspec.diagnostics.messages.backends import OpsetUnsupported
from netspec.diagnostics.raised import NetspecError
from netspec.foundation.records import record
from netspec.foundation.version import __version__
from netspec.graph.checked import Graph, Value
from netspec.sizes.dims import Dim
from netspec.sizes.shapes import TensorType

# The lowest that serve: opset 22 is the first whose shape inference knows ceil pooling; IR 10 is
# what that opset needs. ONNX Runtime 1.31 loads opsets to 26 and IR to 13.
IR_VERSION = 10
OPSET = 22
OPSETS = range(22, 27)

_DTYPES = {"float32": TensorProto.FLOAT, "int64": TensorProto.INT64}


@record
class Model:
    """An ONNX model without its weights, the weights it needs in file order, and where values are.

    `graph` is the encoded graph, `head` the model around it; `values` is the name in the model of
    each value of the graph.
    """

    head: ModelProto
    graph: bytes
    weights: tuple[Initializer, ...]
    values: Mapping[Value, str]

    @property
    def proto(self) -> ModelProto:
        """The model as one message, made anew each time."""
        whole = ModelProto()
        whole.CopyFrom(self.head)
        whole.graph.ParseFromString(self.graph)
        return whole

    def with_graph(self, graph: GraphProto, weights: Iterable[Initializer] | None = None) -> Model:
        """The model with another graph, and with other weights where they are given."""
        encoded = graph.SerializeToString(deterministic=True)
        chosen = self.weights if weights is None else tuple(weights)
        return Model(self.head, encoded, chosen, self.values)


def lower(
    graph: Graph,
    *,
    opset: int = OPSET,
    batch: int | None = None,
    metadata: dict[str, str] | None = None,
) -> Model:
    """The ONNX model of a graph as it stands; `netspec.passes` come first.

    `batch` fixes the leading dimension, which is symbolic otherwise.
    """
    if opset not in OPSETS:
        raise NetspecError(OpsetUnsupported(opset, OPSETS.start, OPSETS.stop - 1), status=2)
    builder = Builder(graph)
    proto = builder.lower()
    for node in graph.inputs:
        _describe(proto.input.add(), node.path, node.types[0], batch)
    for output in graph.outputs:
        _describe(proto.output.add(), output.name, output.value.type, batch)
    for head in graph.heads:
        _describe(proto.output.add(), head.name, head.value.type, batch)
    model = ModelProto(ir_version=IR_VERSION, producer_name="netspec", producer_version=__version__)
    model.opset_import.add(domain="", version=opset)
    for key, value in (metadata or {}).items():
        model.metadata_props.add(key=key, value=value)
    encoded = b"".join((*builder.encoded, proto.SerializeToString(deterministic=True)))
    return Model(model, encoded, tuple(builder.weights.values()), builder.values)


def _describe(proto: Any, name: str, tensor: TensorType, batch: int | None) -> None:
    proto.name = name
    kind = proto.type.tensor_type
    kind.elem_type = _DTYPES[tensor.dtype]
    leading = kind.shape.dim.add()
    if batch is not None and tensor.batch == "N":
        leading.dim_value = batch
    else:
        leading.dim_param = tensor.batch
    for dim in tensor.shape:
        _describe_size(kind.shape.dim.add(), dim)


def _describe_size(proto: Any, dim: Dim) -> None:
    if isinstance(dim, int):
        proto.dim_value = dim
    else:
        proto.dim_param = str(dim)
