"""Whether two ONNX files hold the same nodes, constants and wires, whatever these are called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper


def same_files(one: Path, other: Path) -> bool:
    """Whether each output is made of the inputs in the same way in both."""
    first, second = _Made(one), _Made(other)
    outputs = [[first.of(o.name) for o in first.graph.output] for _ in "x"][0]
    return outputs == [second.of(o.name) for o in second.graph.output]


class _Made:
    """What the tensors of a file are made of; what is made in the same way is one object."""

    known: dict[Any, int] = {}

    def __init__(self, path: Path) -> None:
        self.graph = onnx.load(path).graph
        self.tensors: dict[str, int] = {}
        for place, item in enumerate(self.graph.input):
            self.tensors[item.name] = self._number(("input", place))
        for array in self.graph.initializer:
            self.tensors[array.name] = self._number(_numbers(numpy_helper.to_array(array)))
        for node in self.graph.node:
            given = tuple(sorted((a.name, _value(a)) for a in node.attribute))
            read = tuple(self.tensors[name] if name else -1 for name in node.input)
            for place, name in enumerate(node.output):
                self.tensors[name] = self._number((node.op_type, given, read, place))

    def of(self, name: str) -> int:
        return self.tensors[name]

    def _number(self, key: Any) -> int:
        return self.known.setdefault(key, len(self.known))


def _value(attribute: onnx.AttributeProto) -> Any:
    found = onnx.helper.get_attribute_value(attribute)
    if isinstance(found, onnx.TensorProto):
        return _numbers(numpy_helper.to_array(found))
    return (
        tuple(found)
        if isinstance(found, list) or hasattr(found, "__len__") and not isinstance(found, bytes)
        else found
    )


def _numbers(array: np.ndarray[Any, Any]) -> Any:
    return "numbers", array.dtype.str, array.shape, array.tobytes()
