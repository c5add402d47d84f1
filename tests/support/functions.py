"""Files with functions, held to the flat files of the same nets."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from onnx.inliner import inline_local_functions

from netspec.backends.onnx.blocks.inlining import inline
from netspec.backends.onnx.compile import Written, compile_graph
from netspec.backends.onnx.options import FileOptions
from netspec.graph.checked import Graph
from netspec.verify.samples import sample_inputs


def identities(proto: onnx.ModelProto) -> list[str]:
    """What each node computes, whatever it is called: a hash of all that it follows from, sorted.

    A net's inputs, weights and constants are known by their names, which inlining keeps.
    """
    known = {item.name: item.name for item in (*proto.graph.input, *proto.graph.initializer)}
    known[""] = ""
    found = []
    # A file's nodes stand in an order in which each is made before it is read.
    for node in proto.graph.node:
        attributes = sorted(a.SerializeToString(deterministic=True) for a in node.attribute)
        inputs = [known[name] for name in node.input]
        said = repr((node.domain, node.op_type, inputs, attributes, len(node.output)))
        found.append(hashlib.sha256(said.encode()).hexdigest())
        known |= {name: f"{found[-1]}:{i}" for i, name in enumerate(node.output)}
    outputs = [f"{item.name} {known[item.name]}" for item in proto.graph.output]
    return [*sorted(found), *outputs]


def as_sets(proto: onnx.ModelProto) -> set[bytes]:
    """A flat model's nodes with all their names, without their metadata."""
    found = set()
    for node in proto.graph.node:
        copy = onnx.NodeProto.FromString(node.SerializeToString())
        del copy.metadata_props[:]
        found.add(copy.SerializeToString(deterministic=True))
    assert len(found) == len(proto.graph.node)
    return found


def values(path: Path, feeds: dict[str, Any]) -> list[bytes]:
    """What a file gives of some arrays, as bytes."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return [np.ascontiguousarray(array).tobytes() for array in session.run(None, feeds)]


def compared(
    graph: Graph, folder: Path, *globs: str, run: bool = True, named: bool = True, **options: Any
) -> tuple[onnx.ModelProto, Written]:
    """The file with functions, which computes what the flat one does, bit by bit and node by node.

    With `named` the nodes that netspec writes out have the flat file's names too.
    """
    flat, nested = folder / "flat.onnx", folder / "blocks.onnx"
    given = {key: options.pop(key) for key in ("measure", "quantize") if key in options}
    compile_graph(graph, flat, FileOptions(**options), **given)
    written = compile_graph(graph, nested, FileOptions(**options, blocks=globs), **given)
    plain, proto = onnx.load(flat), onnx.load(nested)
    onnx.checker.check_model(proto)
    assert identities(inline_local_functions(proto)) == identities(plain)
    inner = inline(onnx.load(nested))
    assert identities(inner) == identities(plain)
    if named:
        assert as_sets(inner) == as_sets(plain)
    tensors = {tensor.name: tensor.SerializeToString() for tensor in plain.graph.initializer}
    assert {t.name: t.SerializeToString() for t in proto.graph.initializer} == tensors
    names = [node.name for node in proto.graph.node]
    assert len({*names}) == len(names)
    functions = [function.name for function in proto.functions]
    assert len({*functions}) == len(functions)
    called = {
        node.op_type
        for nodes in (proto.graph.node, *(f.node for f in proto.functions))
        for node in nodes
        if node.domain == "netspec"
    }
    assert called == set(functions)
    assert {item.name for item in proto.graph.value_info} <= {
        name for node in proto.graph.node for name in node.output
    }
    if run:
        feeds = sample_inputs(graph)
        assert values(nested, feeds) == values(flat, feeds)
    return proto, written
