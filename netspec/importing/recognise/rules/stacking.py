"""Tensors stacked along an axis of their own that is then summed over: a merge of them."""

from __future__ import annotations

from collections.abc import Mapping

from netspec.importing.files.program import Node

# What a reduction of a stack is of the tensors themselves.
STACKED = {"ReduceSum": "Sum", "ReduceMean": "Mean", "ReduceMax": "Max", "ReduceMin": "Min"}


def stacked(
    node: Node, makers: Mapping[str, Node], shapes: Mapping[str, tuple[int, ...]]
) -> Node | None:
    """The merge that a reduction over the axis of a stack is; None for other reductions."""
    joined = makers.get(node.inputs[0])
    if joined is None or joined.op != "Concat" or len(joined.inputs) < 2:
        return None
    rank = len(shapes.get(joined.output, ()))
    axis = joined.get("axis", 0)
    if not rank or tuple(a % rank for a in node.get("axes", ())) != (axis % rank,):
        return None
    if any(shapes[name][axis] != 1 for name in joined.inputs):
        return None
    names = tuple(_before(name, shapes[node.output], makers, shapes) for name in joined.inputs)
    if None in names:
        return None
    reads = tuple(name for name in names if name is not None)
    return Node(STACKED[node.op], reads, node.outputs, {}, node.name, node.scopes)


def _before(
    name: str,
    shape: tuple[int, ...],
    makers: Mapping[str, Node],
    shapes: Mapping[str, tuple[int, ...]],
) -> str | None:
    """The tensor of this shape that one is, but for its axes of one place; None where it is not at hand."""
    if shapes[name] == shape:
        return name
    node = makers.get(name)
    if node is None or node.op not in ("Unsqueeze", "Reshape"):
        return None
    return node.inputs[0] if shapes.get(node.inputs[0]) == shape else None
