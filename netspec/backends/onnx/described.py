"""What stages after the lowering leave unsaid: types of the tensors they add, and whose nodes they are."""

from __future__ import annotations

import numpy as np
from onnx import GraphProto, TypeProto, ValueInfoProto, helper

from netspec.backends.onnx.model import Model
from netspec.backends.onnx.places import places
from netspec.backends.onnx.types import inner_types, weight_type
from netspec.graph.checked import Graph


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
