"""A lowered net: an ONNX model without the numbers of its weights, and what later stages leave unsaid."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
from onnx import GraphProto, ModelProto, TypeProto, ValueInfoProto, helper

from netspec.backends.onnx.builder import Initializer
from netspec.backends.onnx.places import places
from netspec.backends.onnx.types import inner_types, weight_type
from netspec.foundation.records import record
from netspec.graph.checked import Graph, Node, Value


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


def described(model: Model, net: Graph) -> Model:
    """The model with a type for every tensor, and for every node of a step where it comes from."""
    graph = GraphProto.FromString(model.graph)
    said = {item.name for item in (*graph.value_info, *graph.output)}
    untyped = {name for node in graph.node for name in node.output} - said - {""}
    bare = [i for i, node in enumerate(graph.node) if not node.metadata_props]
    if not untyped and not bare:
        return model
    for i in bare:
        owner = model.owners[i]
        if owner is not None:
            graph.node[i].metadata_props.extend(places(net, owner))
    if untyped:
        found = inner_types(
            graph.node, _known(model, graph), graph.initializer, model.head.opset_import[0].version
        )
        graph.value_info.extend(
            ValueInfoProto(name=name, type=found[name]) for name in sorted(untyped & found.keys())
        )
    return model.with_graph(graph)


def _known(model: Model, graph: GraphProto) -> dict[str, TypeProto]:
    """The types of what no node makes, and of what has one already."""
    weights = {
        item.name: weight_type(
            item.weight.shape, helper.np_dtype_to_tensor_dtype(np.dtype(item.dtype))
        )
        for item in model.weights
    }
    made = {name for node in graph.node for name in node.output}
    inputs = {item.name: item.type for item in graph.input if item.name not in made}
    return {**weights, **inputs}
