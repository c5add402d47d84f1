"""Weights of eight bits that several steps share, apart: ONNX Runtime's exact sums take them so only."""

from __future__ import annotations

from collections import defaultdict
from itertools import count

from onnx import ModelProto, NodeProto, TensorProto

# The number of a node, and of one of its inputs.
_Uses = list[tuple[int, int]]


def shares_bytes(model: ModelProto) -> bool:
    """Whether weights of eight bits are read by several steps; no tensor need have its numbers."""
    return any(len(uses) > 1 for _, uses in _shared(model))


def apart(model: ModelProto) -> ModelProto:
    """A model without functions in which each step has a copy of the weights of eight bits it shares.

    The same model. With `session.x64quantprecision` ONNX Runtime rewrites such weights once for each
    step that reads them, and refuses its own second tensor of the name.
    """
    graph = model.graph
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    taken = {*tensors, *(name for node in graph.node for name in (*node.input, *node.output))}
    copies: dict[int, list[NodeProto]] = defaultdict(list)
    for read, uses in _shared(model):
        for number, place in uses[1:]:
            own = NodeProto.FromString(read.SerializeToString())
            own.ClearField("name")
            for i in (0, 2):
                if i < len(own.input) and own.input[i] in tensors:
                    tensor = TensorProto.FromString(tensors[own.input[i]].SerializeToString())
                    tensor.name = own.input[i] = _free(tensor.name, taken)
                    graph.initializer.append(tensor)
            own.output[0] = _free(own.output[0], taken)
            graph.node[number].input[place] = own.output[0]
            copies[number].append(own)
    nodes = [one for i, node in enumerate(graph.node) for one in (*copies[i], node)]
    placed = [NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(placed)
    return model


def _shared(model: ModelProto) -> list[tuple[NodeProto, _Uses]]:
    """What reads each weight of eight bits, and all places that read what it gives."""
    signed = {t.name for t in model.graph.initializer if t.data_type == TensorProto.INT8}
    weights: dict[str, str] = {}
    found: dict[str, tuple[NodeProto, _Uses]] = {}
    for number, node in enumerate(model.graph.node):
        if node.op_type == "DequantizeLinear" and node.input[0] in signed:
            weights[node.output[0]] = node.input[0]
            found.setdefault(node.input[0], (node, []))
        for place, name in enumerate(node.input):
            if name in weights:
                found[weights[name]][1].append((number, place))
    return list(found.values())


def _free(name: str, taken: set[str]) -> str:
    found = next(tried for i in count(2) if (tried := f"{name}/{i}") not in taken)
    taken.add(found)
    return found
