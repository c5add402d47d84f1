"""ONNX files with something changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx

# How a net is written as a file, by name.
FORMS: dict[str, dict[str, Any]] = {
    "folded": {},
    "plain": {"optimize": False},
    "opset13": {"opset": 13},
    "opset22": {"opset": 22},
    "blocks": {"blocks": True},
}


def with_entry(path: Path, key: str, value: str) -> None:
    """Rewrites the model with another entry where its first external tensor says what its data are."""
    proto = onnx.load(path, load_external_data=False)
    tensor = next(t for t in proto.graph.initializer if t.external_data)
    for entry in tensor.external_data:
        if entry.key == key:
            entry.value = value
    path.write_bytes(proto.SerializeToString())


def _numbered(graph: onnx.GraphProto, names: dict[str, str]) -> None:
    """Replaces the names of a graph, and of those in it, which see those around them."""
    for item in (*graph.input, *graph.output, *graph.initializer):
        item.name = names.setdefault(item.name, f"t{len(names)}")
    for number, node in enumerate(graph.node):
        node.name = f"n{number}"
        del node.metadata_props[:]
        for field in (node.input, node.output):
            field[:] = [names.setdefault(name, f"t{len(names)}") for name in field]
        for attribute in node.attribute:
            if attribute.HasField("g"):
                _numbered(attribute.g, names)
    del graph.value_info[:]


def scrambled(path: Path, to: Path, *, data: bool = True) -> None:
    """Writes a file with every name of nodes and tensors replaced by a number.

    Without its `data`, what says where numbers lie beside it stays as it is.
    """
    model = onnx.load(path, load_external_data=data)
    graph = model.graph
    _numbered(graph, {"": ""})
    # A message of protobuf holds at most 2 GiB.
    large = sum(len(tensor.raw_data) for tensor in graph.initializer) > 2**30
    beside = {"save_as_external_data": True, "location": f"{to.name}.data"} if large else {}
    onnx.save(model, to, **beside)
