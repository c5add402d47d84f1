"""Local response normalisation spelled out: sums of shifted squares, in place of ONNX's LRN.

ONNX Runtime's LRN runs on one thread and takes as long as all of GoogLeNet's convolutions in eight
bits, and no transpose between its layouts passes it. These nodes take a quarter of the time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import NodeProto, helper

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]


def spelled(
    proto: NodeProto, channels: int, rank: int, constant: Callable[[str, Array], str]
) -> list[NodeProto]:
    """The nodes that give what an LRN over (N, channels, ...) gives; `constant` names an array."""
    values: dict[str, Any] = {a.name: helper.get_attribute_value(a) for a in proto.attribute}
    size, beta = values["size"], values.get("beta", 0.75)
    factor, bias = np.float32(values.get("alpha", 1e-4) / size), np.float32(values.get("bias", 1.0))
    name, path = proto.output[0], proto.name
    before = (size - 1) // 2
    found: list[NodeProto] = []

    def node(kind: str, inputs: list[str], last: bool = False) -> str:
        made = name if last else f"{name}.{kind.lower()}{len(found) + 1}"
        label = path if last else f"{path}.{kind.lower()}{len(found) + 1}"
        found.append(helper.make_node(kind, inputs, [made], name=label))
        return made

    def whole(label: str, numbers: list[int]) -> str:
        return constant(f"{name}.{label}", np.array(numbers, np.int64))

    pads = [0] * (2 * rank)
    pads[1], pads[rank + 1] = before, size - 1 - before
    square = node("Mul", [proto.input[0], proto.input[0]])
    padded = node("Pad", [square, whole("pads", pads)])
    axis = whole("axis", [1])
    shifted = [
        node("Slice", [padded, whole(f"start{i}", [i]), whole(f"end{i}", [i + channels]), axis])
        for i in range(size)
    ]
    total = node("Sum", shifted) if size > 1 else shifted[0]
    scaled = node("Mul", [total, constant(f"{name}.factor", np.array(factor))])
    base = node("Add", [scaled, constant(f"{name}.bias", np.array(bias))])
    if abs(beta - 0.75) < 1e-6:
        # x^0.75 by roots, which processors have.
        root = node("Sqrt", [base])
        power = node("Mul", [root, node("Sqrt", [root])])
    else:
        power = node("Pow", [base, constant(f"{name}.beta", np.array(beta, np.float32))])
    node("Div", [proto.input[0], power], last=True)
    return found
