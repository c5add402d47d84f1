"""Concatenations of concatenations, where a file lists again all that one was made of.

Whoever keeps layers in a list and joins it before each of them, as torchvision's DenseNet does, writes a
concatenation of k tensors after one of k - 1. Said of the earlier one and the rest, it is the same tensor.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from netspec.importing.files.program import Node


def chained(nodes: Iterable[Node]) -> list[Node]:
    """The nodes in order, a Concat that begins with all of the last with its first input said of that."""
    last: dict[tuple[object, str], Node] = {}
    found = []
    for node in nodes:
        said = node
        if node.op == "Concat":
            key = (node.get("axis"), node.inputs[0])
            before = last.get(key)
            last[key] = node
            count = len(before.inputs) if before is not None else 0
            longer = len(node.inputs) > count > 1
            if before is not None and longer and node.inputs[:count] == before.inputs:
                said = replace(node, inputs=(before.output, *node.inputs[count:]))
        found.append(said)
    return found
