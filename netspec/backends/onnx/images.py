"""Files that take the pixels of images: what a spec says of them, in front of the inputs and beside."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from onnx import GraphProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from netspec.analysis.preprocessing import Misfit, Preprocessing, completed
from netspec.analysis.statements import PREPROCESS
from netspec.backends.onnx.model import Model
from netspec.graph.checked import Node

# The key of a file's metadata under which the spec's `preprocess` lines stand, as JSON.
IMAGES = "netspec.preprocess"
# No spec says so much of so many inputs.
_LONGEST = 2**16


def as_text(images: Mapping[str, Preprocessing]) -> str:
    """What a file says of its images: an object for each input, with the keys of a line."""
    return json.dumps({name: how.as_said() for name, how in images.items()})


def said_of_images(text: str) -> dict[str, dict[str, Any]]:
    """What `as_text` wrote: by input, the values of a line's keys. Raises ValueError of what is not."""
    if len(text) > _LONGEST:
        raise ValueError("it is too long")
    found = json.loads(text)
    if not isinstance(found, dict) or not all(isinstance(line, dict) for line in found.values()):
        raise ValueError("it is no object of objects")
    return {name: _said(line) for name, line in found.items()}


def _said(line: dict[str, Any]) -> dict[str, Any]:
    said = {key: tuple(v) if isinstance(v, list) else v for key, v in line.items()}
    for key, value in said.items():
        takes = PREPROCESS.keys.get(key)
        if takes is None or not takes.allows(value):
            raise ValueError(f"{key} is not what it may be")
    return said


def image_of(said: Mapping[str, Any], shape: Sequence[Any], *, pixels: bool) -> Preprocessing:
    """What a file says of an input whose shape, batch included, is this; ValueError of what misfits.

    `pixels` are (N, H, W, C); other inputs are (N, C, H, W).
    """
    sizes = list(shape[1:])
    if pixels and len(sizes) == 3:
        sizes = [sizes[2], sizes[0], sizes[1]]
    try:
        return completed(said, sizes)
    except Misfit as misfit:
        raise ValueError(misfit.reason) from None


def taking_pixels(model: Model, images: Mapping[str, Preprocessing]) -> Model:
    """The model with inputs that take pixels: uint8, batch by height by width by channels.

    They keep their names. Channels come as red, green, blue, and are turned here where the net has
    them the other way round. Nothing is folded into a convolution: its zero padding stands for a
    pixel of the mean, not for a black one.
    """
    graph = GraphProto.FromString(model.graph)
    used = {name for node in graph.node for name in (*node.input, *node.output)}
    used |= {item.name for item in graph.initializer} | {item.name for item in model.weights}
    inputs = {value.node.path: value.node for value in model.values}
    ready: dict[str, str] = {}
    nodes: list[NodeProto] = []
    owners: list[Node | None] = []
    for item in graph.input:
        if item.name in images:
            front = _Front(item.name, used)
            kind = item.type.tensor_type.elem_type
            ready[item.name] = front.prepare(images[item.name], kind)
            nodes += front.nodes
            owners += [inputs[item.name]] * len(front.nodes)
            graph.initializer.extend(front.constants)
            _take_pixels(item)
    kept = [NodeProto.FromString(node.SerializeToString()) for node in graph.node]
    for node in kept:
        for place, name in enumerate(node.input):
            node.input[place] = ready.get(name, name)
    del graph.node[:]
    graph.node.extend([*nodes, *kept])
    return replace(
        model,
        graph=graph.SerializeToString(deterministic=True),
        values={value: ready.get(name, name) for value, name in model.values.items()},
        owners=(*owners, *model.owners),
    )


class _Front:
    """The nodes that make an input of pixels, and their constants; names that nothing else has."""

    def __init__(self, image: str, used: set[str]) -> None:
        self.image, self.used = image, used
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    def prepare(self, how: Preprocessing, kind: int) -> str:
        """Adds what it takes; returns the name of the result, whose numbers are of that kind.

        They are computed as float32, whatever the net computes with.
        """
        value = self._node("cast", "Cast", [self.image], to=TensorProto.FLOAT)
        value = self._node("transpose", "Transpose", [value], perm=(0, 3, 1, 2))
        if how.channels == "bgr":
            order = self._constant("order", np.array([2, 1, 0], np.int64))
            value = self._node("gather", "Gather", [value, order], axis=1)
        scale, shift = (
            self._constant(word, np.array(numbers, np.float32).reshape(1, -1, 1, 1))
            for word, numbers in (("scale", how.scales()), ("shift", how.shifts()))
        )
        value = self._node("add", "Add", [self._node("mul", "Mul", [value, scale]), shift])
        return value if kind == TensorProto.FLOAT else self._node("to", "Cast", [value], to=kind)

    def _node(self, word: str, kind: str, inputs: list[str], **attributes: Any) -> str:
        name = self._free(word)
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def _constant(self, word: str, array: Any) -> str:
        name = self._free(word)
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def _free(self, word: str) -> str:
        # No name that a spec gives holds a slash.
        name = f"{self.image}/{word}"
        while name in self.used:
            name += "."
        self.used.add(name)
        return name


def _take_pixels(item: ValueInfoProto) -> None:
    """Makes an input of (N, C, H, W) one of (N, H, W, C) bytes."""
    kind = item.type.tensor_type
    kind.elem_type = TensorProto.UINT8
    batch, channels, height, width = (
        type(dim).FromString(dim.SerializeToString()) for dim in kind.shape.dim
    )
    del kind.shape.dim[:]
    kind.shape.dim.extend([batch, height, width, channels])
