"""Which elements of a tensor another one is, through all that only moves them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from netspec.importing.files.program import Array, Node, Program

Move = Callable[[Array, Node, int, Mapping[str, Array]], "Array | None"]


def elements_of(
    name: str, source: str, makers: Mapping[str, Node], program: Program
) -> Array | None:
    """The number of the element of `source` that each of a tensor is; None where it is computed."""
    path: list[tuple[Node, int]] = []
    while name != source:
        node = makers.get(name)
        if node is None or node.op not in _MOVES:
            return None
        path.append((node, node.outputs.index(name)))
        name = node.inputs[0]
    shape = program.shapes[source]
    found: Array | None = np.arange(np.prod(shape)).reshape(shape)
    for node, output in reversed(path):
        if found is None:
            return None
        found = _MOVES[node.op](found, node, output, program.constants)
        shape = program.shapes.get(node.outputs[output], ())
        found = None if found is None or found.size != np.prod(shape) else found.reshape(shape)
    return found


def _same(array: Array, node: Node, output: int, constants: Mapping[str, Array]) -> Array:
    return array


def _turned(array: Array, node: Node, output: int, constants: Mapping[str, Array]) -> Array:
    return array.transpose(node.get("perm"))


def _piece(array: Array, node: Node, output: int, constants: Mapping[str, Array]) -> Array | None:
    axis, count = node.get("axis", 0), len(node.outputs)
    split = node.get("split")
    if split is None:
        return (
            np.array_split(array, count, axis)[output] if array.shape[axis] % count == 0 else None
        )
    return np.split(array, np.cumsum(split)[:-1], axis)[output]


def _cut(array: Array, node: Node, output: int, constants: Mapping[str, Array]) -> Array | None:
    starts, ends = node.get("starts"), node.get("ends")
    if starts is None or ends is None:
        return None
    axes = node.get("axes") or range(len(starts))
    steps = node.get("steps") or (1,) * len(starts)
    taken = [slice(None)] * array.ndim
    for axis, *bounds in zip(axes, starts, ends, steps, strict=True):
        taken[axis] = slice(*bounds)
    return array[tuple(taken)]


def _picked(array: Array, node: Node, output: int, constants: Mapping[str, Array]) -> Array | None:
    places = constants.get(node.inputs[1])
    return None if places is None else array.take(places, node.get("axis", 0))


_MOVES: Mapping[str, Move] = {
    **dict.fromkeys(("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Cast"), _same),
    "Transpose": _turned,
    "Split": _piece,
    "Slice": _cut,
    "Gather": _picked,
}


def with_regions(program: Program) -> None:
    """Has each RoiAlign read whole regions where it is given their columns, in place."""
    makers = program.makers()
    sources = [item.name for item in program.inputs if item.regions]
    for i, node in enumerate(program.nodes):
        if node.op != "RoiAlign" or len(node.inputs) != 3:
            continue
        for source in sources:
            columns = np.arange(5 * program.shapes[source][0]).reshape(-1, 5)
            read = [elements_of(name, source, makers, program) for name in node.inputs[1:]]
            wanted = (columns[:, 1:], columns[:, 0])
            if all(
                a is not None and np.array_equal(a, b) for a, b in zip(read, wanted, strict=True)
            ):
                program.nodes[i] = replace(node, inputs=(node.inputs[0], source))
    program.nodes[:] = program.used()
