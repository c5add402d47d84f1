"""Whether two ONNX files hold the same nodes, constants and wires, whatever these are called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
from onnx import helper, numpy_helper


def same_files(one: Path, other: Path) -> bool:
    """Whether each output is made of the inputs in the same way in both."""
    known: dict[Any, int] = {}
    return _outputs(one, known) == _outputs(other, known)


def _outputs(path: Path, known: dict[Any, int]) -> list[int]:
    """What the outputs of a file are made of: a number of `known` for each way to make a tensor."""
    graph = onnx.load(path).graph
    made = {"": -1}

    def number(key: Any) -> int:
        return known.setdefault(key, len(known))

    for place, item in enumerate(graph.input):
        made[item.name] = number(("input", place))
    for array in graph.initializer:
        made[array.name] = number(_plain(array))
    for node in graph.node:
        given = tuple(
            sorted((item.name, _plain(helper.get_attribute_value(item))) for item in node.attribute)
        )
        read = tuple(made[name] for name in node.input)
        for place, name in enumerate(node.output):
            made[name] = number((node.op_type, given, read, place))
    return [made[item.name] for item in graph.output]


def _plain(value: Any) -> Any:
    if isinstance(value, onnx.TensorProto):
        array = numpy_helper.to_array(value)
        return array.dtype.str, array.shape, array.tobytes()
    return tuple(value) if not isinstance(value, int | float | bytes) else value
