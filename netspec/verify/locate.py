"""Which layer of an ONNX file goes wrong first."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.backends.onnx import Model
from netspec.backends.runtime import Session, check_model
from netspec.graph import Graph, Node, Value
from netspec.ops.source import Input
from netspec.shapes import numel
from netspec.verify.compare import Reference, allowed, error

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

# Values of at most this many bytes are looked at in one run.
_AT_ONCE = 256 * 2**20
_NODE_IN_MESSAGE = re.compile(r"[Nn]ame:'([^']+)'|[Nn]ode[ :(]+([\w.]+)")


def first_wrong(
    graph: Graph,
    model: Model,
    path: Path,
    reference: Reference,
    inputs: Mapping[str, Array],
    *,
    device: str = "cpu",
    tf32: bool = False,
) -> tuple[Node, float] | None:
    """The first node, in the order they run, whose values in the file exceed what is allowed.

    Every node before it was compared and agrees. None where all values agree.
    """
    held = {name for node in check_model(path).graph.node for name in node.output}
    for nodes in _portions(graph, inputs):
        names = {v: model.values[v] for node in nodes for v in _values(node) if v in model.values}
        shown = {value: name for value, name in names.items() if name in held}
        results = _exposed(path, list(shown.values()), inputs, device, tf32)
        double, single = reference.values(inputs, nodes)
        for node in nodes:
            for value in _values(node):
                if value in shown and value in double:
                    limit = allowed(error(single[value], double[value]), tf32=tf32)
                    off = error(results[shown[value]], double[value])
                    if off > limit:
                        return node, off
    return None


def _values(node: Node) -> list[Value]:
    return [Value(node, i) for i in range(len(node.types))]


def _portions(graph: Graph, inputs: Mapping[str, Array]) -> Iterator[list[Node]]:
    """The nodes in order, in portions whose values fit in memory together."""
    batch = max(len(array) for array in inputs.values())
    portion: list[Node] = []
    size = 0
    for node in graph.nodes:
        if isinstance(node.op, Input):
            continue
        elements = [numel(tensor.shape) for tensor in node.types]
        known = sum(e if isinstance(e, int) else 2**20 for e in elements)
        if portion and size + 12 * batch * known > _AT_ONCE:
            yield portion
            portion, size = [], 0
        portion.append(node)
        size += 12 * batch * known
    if portion:
        yield portion


def _exposed(
    path: Path, names: list[str], inputs: Mapping[str, Array], device: str, tf32: bool
) -> dict[str, Array]:
    """The values of these names in the model. The copy stands beside it, where its data file is."""
    proto = check_model(path)
    present = {output.name for output in proto.graph.output}
    for name in names:
        if name not in present:
            proto.graph.output.add(name=name)
    handle, copy = tempfile.mkstemp(prefix=".ns-", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(proto.SerializeToString())
        session = Session(Path(copy), device=device, tf32=tf32)
        return session.run(inputs).outputs
    finally:
        Path(copy).unlink(missing_ok=True)


def named_in(message: str, graph: Graph) -> Node | None:
    """The node that ONNX Runtime names in an error message."""
    paths = {node.path: node for node in graph.nodes}
    for match in _NODE_IN_MESSAGE.finditer(message):
        name = match[1] or match[2]
        while name:
            if name in paths:
                return paths[name]
            name = name.rpartition(".")[0]
    return None
