"""Files made by hand, of any opset, types of numbers and domains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

Array = np.ndarray[Any, Any]
node = helper.make_node
RUNTIME = "com.microsoft"


def written(
    path: Path,
    nodes: Sequence[Any],
    arrays: Mapping[str, Array],
    *,
    shape: Sequence[Any] = ("N", 4, 6, 6),
    opset: int = 17,
    kind: int = TensorProto.FLOAT,
    out: Sequence[str] = ("y",),
    out_kind: int | None = None,
    more: Mapping[str, Sequence[Any]] | None = None,
) -> Path:
    """The file of some nodes that make `out` of x, and of further inputs by their shapes in `more`."""
    tensors = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    given = {"x": shape, **(more or {})}
    inputs = [helper.make_tensor_value_info(name, kind, sizes) for name, sizes in given.items()]
    outputs = [helper.make_tensor_value_info(name, out_kind or kind, None) for name in out]
    graph = helper.make_graph(list(nodes), "g", inputs, outputs, tensors)
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid(RUNTIME, 1)]
    made = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    path.write_bytes(made.SerializeToString())
    return path


def numbers(*shape: int, seed: int = 0) -> Array:
    """Drawn numbers in single precision."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def words(found: Any) -> list[str]:
    """The words of what was read, without its inputs."""
    return [n.op.spelling for n in found.graph.nodes if n not in found.graph.inputs]
