"""Graph to ONNX: nodes straight from the operators, without tracing and without torch."""

from __future__ import annotations

from collections.abc import Mapping

from onnx import GraphProto, ModelProto

from netspec.backends.onnx import places
from netspec.backends.onnx.builder import Builder, Initializer, outputs_of
from netspec.backends.onnx.types import value_type
from netspec.diagnostics.messages.backends import OpsetUnsupported
from netspec.diagnostics.raised import NetspecError
from netspec.foundation.records import record
from netspec.foundation.version import __version__
from netspec.graph.checked import Graph, Value

# The lowest that serve: opset 22 is the first whose shape inference knows ceil pooling; IR 10 is
# what that opset needs. ONNX Runtime 1.31 loads opsets to 26 and IR to 13.
IR_VERSION = 10
OPSET = 22
OPSETS = range(22, 27)


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
    builder = Builder(graph, opset, batch, placed=IR_VERSION >= places.FIRST_IR)
    builder.lower()
    proto = GraphProto(name=graph.name, initializer=builder.constants)
    for node in graph.inputs:
        proto.input.add(name=node.path, type=value_type(node.output, batch))
    for item in outputs_of(graph):
        proto.output.add(name=item.name, type=value_type(item.value, batch))
    model = ModelProto(ir_version=IR_VERSION, producer_name="netspec", producer_version=__version__)
    model.opset_import.add(domain="", version=opset)
    for key, value in (metadata or {}).items():
        model.metadata_props.add(key=key, value=value)
    around = proto.SerializeToString(deterministic=True)
    encoded = b"".join((*builder.encoded, around, *builder.described))
    return Model(model, encoded, tuple(builder.weights.values()), builder.values)
