"""Where the largest of a row stands, and what stands there in another tensor: as TopK and GatherND have it.

ArgMax is a TopK of one. Rows that are told by their sample are those of each sample: `x[arange(N), places]`.
"""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from netspec.importing.files.program import Array, Node, Program

_FLOAT = TensorProto.FLOAT
_ARITHMETIC = frozenset({"Add", "Sub", "Mul"})
_FLAT = frozenset({"Flatten", "Reshape"})
# Whole numbers up to here are the same in single precision.
_EXACT = 2**24


def by_largest(program: Program) -> None:
    """Puts TopK in place of ArgMax and ArgMin along the last axis, and GatherND along samples, in place."""
    makers = program.makers()
    found: list[Node] = []
    for node in program.nodes:
        found += _as_topk(program, node, makers) or _by_samples(program, node, makers) or [node]
    program.nodes[:] = found
    program.nodes[:] = program.used()


def _fresh(program: Program, like: str, word: str, shape: tuple[int, ...]) -> str:
    name = f"{like} {word}"
    while name in program.shapes or name in program.constants:
        name += "."
    program.shapes[name] = shape
    return name


def _as_topk(program: Program, node: Node, makers: dict[str, Node]) -> list[Node] | None:
    shape = program.shapes.get(node.inputs[0], ()) if node.inputs else ()
    if node.op not in ("ArgMax", "ArgMin") or not shape or node.get("select_last_index", 0):
        return None
    if node.get("axis", 0) % len(shape) != len(shape) - 1 or node.output in program.outputs:
        return None
    source, before = _numbers(program, node.inputs[0], makers)
    one = (*shape[:-1], 1)
    values, places = (_fresh(program, node.output, word, one) for word in ("value", "place"))
    largest = int(node.op == "ArgMax")
    given = {"k": 1, "axis": -1, "largest": largest, "sorted": 1}
    topk = Node("TopK", (source,), (values, places), given, node.name, node.scopes)
    whole = {"shape": program.shapes[node.output]}
    return [*before, topk, Node("Reshape", (places,), node.outputs, whole, node.name, node.scopes)]


def _numbers(program: Program, name: str, makers: dict[str, Node]) -> tuple[str, list[Node]]:
    """A tensor of whole numbers as one of numbers, sums and products with constants as such of numbers."""
    if name not in program.integers:
        return name, []
    shape = program.shapes[name]
    new = _fresh(program, name, "as numbers", shape)
    maker = makers.get(name)
    arrays = [program.constants.get(n) for n in maker.inputs] if maker is not None else []
    held = [array for array in arrays if array is not None]
    if maker is None or maker.op not in _ARITHMETIC or len(held) != 1 or not _small(held[0]):
        return new, [Node("Cast", (name,), (new,), {"to": _FLOAT})]
    (other,) = (n for n in maker.inputs if n not in program.constants)
    source, before = _numbers(program, other, makers)
    constant = _fresh(program, name, "constant", held[0].shape)
    program.constants[constant] = held[0].astype(np.float32)
    inputs = tuple(constant if n in program.constants else source for n in maker.inputs)
    return new, [*before, Node(maker.op, inputs, (new,), {}, maker.name, maker.scopes)]


def _small(array: Array) -> bool:
    return array.size > 0 and np.abs(array).max() < _EXACT


def _by_samples(program: Program, node: Node, makers: dict[str, Node]) -> list[Node] | None:
    """Rows of each sample at places of its own, in whatever words; None for others."""
    if node.op == "Gather" and not node.get("axis", 0):
        flat, added = (makers.get(name) for name in node.inputs)
        if flat is None or added is None or flat.op not in _FLAT or added.op != "Add":
            return None
        data, whole = flat.inputs[0], program.shapes.get(flat.output, ())
        told = [name for name in added.inputs if name not in program.constants]
        firsts = [program.constants[n] for n in added.inputs if n in program.constants]
    elif node.op == "GatherND" and not node.get("batch_dims", 0):
        joined = makers.get(node.inputs[1])
        if joined is None or joined.op != "Concat" or len(joined.inputs) != 2:
            return None
        data, whole = node.inputs[0], ()
        told = [name for name in joined.inputs[1:] if name not in program.constants]
        firsts = [program.constants[n] for n in joined.inputs[:1] if n in program.constants]
    else:
        return None
    shape = program.shapes.get(data, ())
    if len(told) != 1 or len(firsts) != 1 or len(shape) < 2:
        return None
    samples, steps = shape[:2]
    if whole and whole != (samples * steps, *shape[2:]):
        return None
    each = np.arange(samples) * (steps if whole else 1)
    if firsts[0].size != samples or not np.array_equal(firsts[0].reshape(-1), each):
        return None
    if np.prod(program.shapes.get(told[0], ())) != samples:
        return None
    places = _fresh(program, told[0], "of samples", (samples, 1))
    column = Node("Reshape", (told[0],), (places,), {"shape": (samples, 1)})
    given = {"batch_dims": 1}
    return [column, Node("GatherND", (data, places), node.outputs, given, node.name, node.scopes)]
