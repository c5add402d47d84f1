"""One spelling for what ONNX has spelt differently in its opsets: axes, bounds and splits as attributes."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import replace
from typing import Any

import numpy as np

from netspec.importing.files.program import Array, Node

# Inputs that today hold what older opsets have as attributes, by the attribute's name.
_GIVEN: dict[str, tuple[str, ...]] = {
    "Squeeze": ("", "axes"),
    "Unsqueeze": ("", "axes"),
    "ReduceSum": ("", "axes"),
    "ReduceMean": ("", "axes"),
    "ReduceMax": ("", "axes"),
    "ReduceMin": ("", "axes"),
    "ReduceL1": ("", "axes"),
    "ReduceL2": ("", "axes"),
    "ReduceSumSquare": ("", "axes"),
    "ReduceProd": ("", "axes"),
    "Slice": ("", "starts", "ends", "axes", "steps"),
    "Pad": ("", "pads", "value", "axes"),
    "Clip": ("", "min", "max"),
    "Split": ("", "split"),
    "Reshape": ("", "shape"),
    "Expand": ("", "shape"),
    "Tile": ("", "repeats"),
    "TopK": ("", "k"),
    "Upsample": ("", "scales"),
}


def normalised(node: Node, opset: int, constants: MutableMapping[str, Array]) -> list[Node]:
    """The node as today's operators would say it; what is given by constants, as attributes.

    What is not is added to the constants.
    """
    slots = _GIVEN.get(node.op)
    given: dict[str, Any] = dict(node.attributes)
    inputs = list(node.inputs)
    if slots is not None:
        for name, slot in zip(node.inputs[1:], slots[1:], strict=False):
            if name in constants:
                given[slot] = _plain(constants[name])
            elif name:
                return [node]  # computed while it runs: nothing that a spec can say
        inputs = inputs[:1]
    if node.op == "Clip":
        given = {key: value for key, value in given.items() if not _endless(value)}
    if node.op in ("Softmax", "Hardmax") and opset < 13:
        # Over all axes from this one on: the same where it is the last.
        given["axis"] = given.get("axis", 1)
        given["flattened"] = 1
    if node.op == "RoiAlign" and opset < 16:
        given["coordinate_transformation_mode"] = "output_half_pixel"
    places = constants.get(inputs[1]) if node.op == "GatherND" and len(inputs) > 1 else None
    if places is not None and places.shape[-1:] == (1,) and not node.get("batch_dims", 0):
        inputs[1] = f"{node.outputs[0]} places"
        constants[inputs[1]] = places[..., 0]
        node, given = replace(node, op="Gather"), {"axis": 0}
    if node.op == "Upsample":
        node, given = (
            replace(node, op="Resize"),
            {**given, "coordinate_transformation_mode": "asymmetric"},
        )
        given["nearest_mode"] = "floor"
    if node.op == "Resize":
        return [_resize(replace(node, attributes=given), opset, constants)]
    while inputs and not inputs[-1]:
        inputs.pop()
    return [replace(node, inputs=tuple(inputs), attributes=given)]


def _endless(bound: Any) -> bool:
    """Whether a bound bounds no number: infinite, or the largest of single precision."""
    return isinstance(bound, float) and abs(bound) >= float(np.finfo(np.float32).max)


def _resize(node: Node, opset: int, constants: Mapping[str, Array]) -> Node:
    given = dict(node.attributes)
    if opset == 10:
        given.setdefault("coordinate_transformation_mode", "asymmetric")
        given.setdefault("nearest_mode", "floor")
    # Inputs are the map, a region (not of opset 10), scales and sizes.
    scales = constants.get(dict(enumerate(node.inputs)).get(1 if opset == 10 else 2, ""))
    if scales is not None and scales.size:
        given["scales"] = _plain(scales)
    return replace(node, inputs=node.inputs[:1], attributes=given)


def _plain(array: Array) -> Any:
    values = array.tolist()
    if isinstance(values, list):
        return tuple(np.ravel(array).tolist())
    return values
