"""Inputs of whole numbers that are read as numbers, not as ids: the steps of a diffusion, images of bytes."""

from __future__ import annotations

from dataclasses import replace
from math import prod

from onnx import TensorProto

from netspec.importing.files.program import Node, Program

_MOVES = frozenset(
    {"Identity", "Reshape", "Unsqueeze", "Squeeze", "Flatten", "Transpose", "Expand"}
)


def counted(program: Program) -> Program:
    """The program whose inputs of a whole number for each sample, or of bytes, are numbers if cast at once.

    Of other whole numbers for each place, masks among them, it is told what is computed of each.
    """
    readers = program.readers()
    whole: set[str] = set()
    # What is cast, by what that is then called.
    same: dict[str, str] = {}
    for item in program.inputs:
        moved = _moved(item.name, readers)
        last = [node for name in moved for node in readers.get(name, ()) if node.op not in _MOVES]
        numbers = all(n.op == "Cast" and n.get("to") == TensorProto.FLOAT for n in last)
        given = {*moved, *(node.output for node in last)} & {*program.outputs}
        alone = prod(item.of_sample(program.shapes)) == 1
        if item.integers and (alone or item.bytes) and last and numbers and not given:
            whole |= moved
            same |= {node.output: node.inputs[0] for node in last}
    nodes = [
        replace(node, inputs=tuple(same.get(name, name) for name in node.inputs))
        for node in program.nodes
        if node.output not in same
    ]
    inputs = tuple(
        replace(item, integers=False, counted=True) if item.name in whole else item
        for item in program.inputs
    )
    return replace(program, nodes=nodes, integers=program.integers - whole, inputs=inputs)


def _moved(name: str, readers: dict[str, list[Node]]) -> set[str]:
    """A tensor and all that is the same numbers in other axes."""
    found, waiting = {name}, [name]
    while waiting:
        for node in readers.get(waiting.pop(), ()):
            if node.op in _MOVES and node.inputs[0] in found and node.output not in found:
                found.add(node.output)
                waiting.append(node.output)
    return found
