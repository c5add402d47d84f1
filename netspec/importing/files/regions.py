"""Inputs whose rows are regions of images and not samples: they bring the number of their image."""

from __future__ import annotations

from collections.abc import Iterable

from onnx import GraphProto, TensorProto

# How many there are where a file leaves it open: no other number of rows, so that sizes show which they are.
REGIONS = 3
# The number of its image, then x1, y1, x2, y2.
_COLUMNS = 5
# What takes columns apart and changes no number.
_PIECES = frozenset({"Split", "Slice", "Gather"})
_MOVES = _PIECES | {"Squeeze", "Unsqueeze", "Reshape", "Flatten", "Transpose", "Identity"}
_INTEGERS = (TensorProto.INT32, TensorProto.INT64)


def regions_of(graph: GraphProto) -> set[str]:
    """The inputs of five columns that are pooled as regions, or of which a column is cast to an integer."""
    readers: dict[str, list[int]] = {}
    for index, node in enumerate(graph.node):
        for name in node.input:
            readers.setdefault(name, []).append(index)
    wide = (item.name for item in graph.input if _is_wide(item.type.tensor_type.shape.dim))
    return {name for name in wide if _are_regions(graph, readers, name)}


def _is_wide(dims: Iterable[object]) -> bool:
    sizes = [getattr(dim, "dim_value", 0) for dim in dims]
    return len(sizes) == 2 and sizes[1] == _COLUMNS


def _are_regions(graph: GraphProto, readers: dict[str, list[int]], start: str) -> bool:
    todo, known = [(start, False)], {start}
    while todo:
        name, apart = todo.pop()
        for index in readers.get(name, ()):
            node = graph.node[index]
            if node.op_type == "MaxRoiPool" and node.input[1] == name:
                return True
            kind = next((a.i for a in node.attribute if a.name == "to"), 0)
            if apart and node.op_type == "Cast" and kind in _INTEGERS:
                return True
            if node.op_type not in _MOVES or node.input[0] != name:
                continue
            for made in node.output:
                if made not in known:
                    known.add(made)
                    todo.append((made, apart or node.op_type in _PIECES))
    return False
