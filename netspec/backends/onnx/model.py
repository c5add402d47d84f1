"""A lowered net: an ONNX model without the numbers of its weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from onnx import GraphProto, ModelProto

from netspec.backends.onnx.builder import Initializer
from netspec.foundation.records import record
from netspec.graph.checked import Node, Value


@record
class Model:
    """An ONNX model without its weights, the weights it needs in file order, and where values are.

    `graph` is the encoded graph, `head` the model around it; `values` is the name in the model of
    each value of the graph, `owners` the node of the graph that each node of the model is for, in
    order: None where it is for none.
    """

    head: ModelProto
    graph: bytes
    weights: tuple[Initializer, ...]
    values: Mapping[Value, str]
    owners: tuple[Node | None, ...] = ()

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
        return replace(self, graph=encoded, weights=chosen)
