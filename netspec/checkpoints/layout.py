"""Files whose kernels have their outputs last, as Keras, TensorFlow and Flax store them.

There a matrix is (inputs, outputs), a convolution (*window, inputs, outputs), and channels come
last in what is flattened. The layout is a property of the whole file: layers that fit a graph in
one layout only tell it for those that fit in both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from netspec.checkpoints.formats.tensors import Shape
from netspec.checkpoints.layers import Layer, Module, Signature, plain
from netspec.checkpoints.parsing import parsed_file
from netspec.checkpoints.projections import joined
from netspec.checkpoints.tree import modules_of
from netspec.diagnostics.messages.weights import LayoutUndetermined, UnknownLayout
from netspec.diagnostics.raised import NetspecError
from netspec.foundation.records import record
from netspec.graph.checked import Graph, Node, Value
from netspec.ops.arranging.shape import Flatten, Reshape
from netspec.ops.spatial.conv import Convolution, TransposedConv
from netspec.ops.spatial.unfold import Fold, Unfold
from netspec.ops.vectors.attention import Attention
from netspec.ops.vectors.linear import Linear
from netspec.weights.sources import shape_text

if TYPE_CHECKING:
    from netspec.checkpoints.files import Array


@record
class Turn:
    """What brings a tensor's outputs to the front.

    `flattened` is the map, (C, *sizes), whose elements it has on one axis; empty if there is none.
    """

    flattened: Shape = ()

    def __call__(self, stored: Array, shape: Shape) -> Array:
        """The stored tensor as one of this shape, which is (outputs, inputs, *window)."""
        import numpy as np

        window = self.flattened[1:] or shape[2:]
        if len(shape) == 1:
            return np.moveaxis(stored.reshape(*window, -1), -1, 0).reshape(shape)
        if stored.ndim == 2 and window:
            stored = stored.reshape(*window, -1, stored.shape[-1])
        last = stored.ndim - 1
        # Keras keeps a depthwise kernel as (*window, inputs, outputs of each).
        depthwise = shape[1] == 1 and stored.shape[-2] > 1
        first = (last - 1, last) if depthwise else (last, last - 1)
        return stored.transpose(*first, *range(last - 1)).reshape(shape)


def turned_shape(shape: Shape, wanted: set[Shape]) -> Shape:
    """The shape with outputs first; `wanted` tells a depthwise kernel."""
    *window, inputs, outputs = shape
    turned, depthwise = (outputs, inputs, *window), (inputs * outputs, 1, *window)
    return depthwise if plain(turned) not in wanted and depthwise in wanted else turned


def turns_of(graph: Graph) -> dict[str, Turn]:
    """The tensors of a graph that depend on a file's layout, by name."""
    found = {}
    for node in graph.nodes:
        is_map = isinstance(node.op, Convolution | TransposedConv | Linear | Attention)
        flattened = _flattened(node) or ()
        for weight in node.op.weights(*node.input_types):
            listed = bool(flattened) and weight.shape == (prod(flattened),)
            if len(weight.shape) > 1 if is_map else listed:
                found[f"{node.path}.{weight.name}"] = Turn(flattened)
    return found


def _undetermined(graph: Graph) -> Iterator[tuple[str, str]]:
    """The layers that a file with outputs last does not determine, with the reason."""
    for node in graph.nodes:
        if isinstance(node.op, Reshape):
            yield node.path, "elements are taken in an order that depends on where channels are"
        elif isinstance(node.op, Unfold | Fold):
            yield node.path, "TensorFlow lists the channels of a window's place together"
        elif isinstance(node.op, TransposedConv):
            weight = node.op.weights(*node.input_types)[0]
            if weight.shape[0] == weight.shape[1]:
                yield node.path, "Keras and Flax keep a transposed kernel differently"
        elif _flattened(node) is None:
            yield node.path, "its inputs are elements of several maps"


def _flattened(node: Node) -> Shape | None:
    """The map whose elements the node's inputs are; () if there is none, None if several."""
    if not node.inputs:
        return ()
    if isinstance(node.op, Linear):
        window = node.op.window(*node.input_types)
        sizes = node.input_types[0].spatial if window is None else window.kernel
        return _map((node.input_types[0].channels, *sizes)) or _elements(node.inputs[0])
    return _elements(node.inputs[0])


def _elements(value: Value) -> Shape | None:
    """Of which map a vector has the elements."""
    node = value.node
    if len(value.shape) > 1 or isinstance(node.op, Linear) or not node.inputs:
        return ()
    if isinstance(node.op, Flatten):
        return _map(node.inputs[0].shape) or _elements(node.inputs[0])
    maps = {_elements(source) for source in node.inputs if len(source.shape) == 1}
    if maps <= {()}:
        return ()
    same = len(maps) == 1 and all(source.shape == value.shape for source in node.inputs)
    return maps.pop() if same else None


def _map(shape: tuple[Any, ...]) -> Shape:
    return tuple(shape) if len(shape) > 1 and prod(shape[1:]) > 1 else ()


def as_torch(file: Mapping[str, Shape], layers: Iterable[Layer]) -> dict[str, Shape]:
    """The shapes in a file that has outputs last, with outputs first, but for those of tables."""
    wanted = _wanted(layers)
    signatures = Counter(layer.signature for layer in layers)
    kept = {
        name
        for module, stored, turned in _both(file, wanted, signatures, signatures)
        if stored and not turned
        for tensor in module.tensors
        for name in tensor.names
    }
    turned = _turned(file, wanted)
    return {name: file[name] if name in kept else turned[name] for name in file}


def is_outputs_last(
    graph: Graph, file: Mapping[str, Shape], layers: Sequence[Layer], layout: str | None
) -> bool:
    """Whether a file has outputs last: as `layout` says, `torch` or `keras`, else by shapes.

    Raises NetspecError where shapes tell nothing and kernels are called `kernel`, where they tell
    both and a tensor fits both ways, and where a layer of the graph is not determined by a file
    with outputs last.
    """
    kernels = turns_of(graph).keys()
    signatures = Counter(layer.signature for layer in layers)
    own = {layer.signature for layer in layers if any(t.name in kernels for t in layer.tensors)}
    last = layout == "keras"
    if layout is None:
        fits = _both(file, _wanted(layers), signatures, own)
        told = {(stored, turned) for _, stored, turned in fits if stored != turned}
        last = told == {(False, True)}
        either = [m for m, stored, turned in fits if stored and turned]
        if not told:
            either = [m for m in either if _is_called_kernel(m)]
        if either and len(told) != 1:
            tensor = next(t for t in either[0].tensors if len(t.shape) > 1)
            raise NetspecError(UnknownLayout(tensor.name, shape_text(tensor.shape)))
    if last:
        for path, reason in _undetermined(graph):
            raise NetspecError(LayoutUndetermined(path, reason))
    return last


def _is_called_kernel(module: Module) -> bool:
    return any(t.name.removesuffix(":0").endswith("kernel") for t in module.tensors)


def _both(
    file: Mapping[str, Shape],
    wanted: set[Shape],
    signatures: Counter[Signature],
    own: Container[Signature],
) -> list[tuple[Module, bool, bool]]:
    """Each layer of a file, whether it is one of `own` as stored, and with outputs brought to the front.

    Queries, keys and values that are one of those together are so each, by their kernels.
    """
    stored, turned = modules_of(file, wanted), modules_of(_turned(file, wanted), wanted)
    fitting: list[set[str]] = []
    for modules in (stored, turned):
        fit = [m for m in joined(modules, signatures) if m.signature in own]
        fitting.append({name for m in fit for t in m.tensors for name in t.names})
    return [
        (module, names <= fitting[0], names <= fitting[1])
        for module in stored
        for names in ({tensor.name for tensor in module.tensors if tensor.role != "bias"},)
    ]


def _turned(file: Mapping[str, Shape], wanted: set[Shape]) -> dict[str, Shape]:
    parsed = parsed_file(file)
    return {
        name: turned_shape(shape, wanted)
        if len(shape) > 1 and parsed[name].role == "weight" and not parsed[name].bare
        else shape
        for name, shape in file.items()
    }


def _wanted(layers: Iterable[Layer]) -> set[Shape]:
    return {plain(tensor.shape) for layer in layers for tensor in layer.tensors}
