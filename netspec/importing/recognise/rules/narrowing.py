"""Recurrences whose output is projected: ONNX has none, so their matrix from step to step is a product."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from netspec.importing.files.program import Array, Node, Program

# How far the matrix may be from the product of two, relative to its largest number.
_CLOSE = 2e-6


def narrowed(program: Program) -> None:
    """Takes the matrices that all of an LSTM's output goes through into it, in place, where it narrows.

    It has them as `projection`, (ways, narrow, wide), and what reads the narrow state as its recurrence.
    """
    readers, makers, taken = program.readers(), program.makers(), set()
    found: dict[int, Node] = {}
    for node in program.nodes:
        products = _products(program, readers, node) if node.op == "LSTM" else None
        if products is None:
            continue
        matrix = program.constants[products[0].inputs[1]]
        back = _apart(program.constants[node.inputs[2]], matrix)
        if back is None:
            continue
        name = f"{node.inputs[2]} of {products[0].inputs[1]}"
        program.constants[name] = back
        outputs = {product.inputs[0]: product.output for product in products}
        started = _started(program, makers, node, matrix)
        found[id(node)] = replace(
            node,
            inputs=started or (*node.inputs[:2], name, *node.inputs[3:]),
            outputs=tuple(outputs.get(n, n if i > 1 else "") for i, n in enumerate(node.outputs)),
            attributes={**node.attributes, "projection": matrix.transpose(0, 2, 1)},
        )
        taken |= set(map(id, products))
    if found:
        program.nodes[:] = [found.get(id(n), n) for n in program.nodes if id(n) not in taken]
        program.nodes[:] = program.used()


def _products(program: Program, readers: dict[str, list[Node]], node: Node) -> list[Node] | None:
    """The products with one matrix that alone read an LSTM's output; None for others, and for a state."""
    start = program.constants.get(node.inputs[5]) if len(node.inputs) > 5 else None
    given = len(node.inputs) > 5 and bool(node.inputs[5])
    if node.inputs[2] not in program.constants or (given and (start is None or start.any())):
        return None
    names = [name for name in node.outputs[:2] if name]
    found = [reader for name in names for reader in readers.get(name, ())]
    if not found or any(name in program.outputs for name in names):
        return None
    matrices = {reader.inputs[-1] for reader in found}
    held = program.constants.get(next(iter(matrices)))
    if any(r.op != "MatMul" or r.inputs[0] not in names for r in found) or len(matrices) > 1:
        return None
    if held is None or held.ndim != 3 or held.shape[1] <= held.shape[2]:
        return None
    return found if len({reader.inputs[0] for reader in found}) == len(found) else None


def _started(
    program: Program, makers: Mapping[str, Node], node: Node, matrix: Array
) -> tuple[str, ...] | None:
    """The inputs of an LSTM that starts from a narrow state, where it reads that as channels; else None.

    They are the last ones of what it reads, those of each way: the state at its first step, zero at others.
    Their columns of the matrix for what flows in are the recurrence, which this gives to the bit.
    """
    joined, into = makers.get(node.inputs[0]), program.constants.get(node.inputs[1])
    ways, narrow = len(matrix), matrix.shape[2]
    if joined is None or joined.op != "Concat" or len(joined.inputs) != 1 + ways or into is None:
        return None
    if joined.get("axis") not in (2, -1) or into.shape[2] <= ways * narrow:
        return None
    own, more = np.split(into, [into.shape[2] - ways * narrow], axis=2)
    back = np.stack([more[way, :, way * narrow : (way + 1) * narrow] for way in range(ways)])
    rest = more.reshape(ways, len(more[0]), ways, narrow).copy()
    rest[range(ways), :, range(ways)] = 0
    product = program.constants[node.inputs[2]]
    off = np.abs(back @ matrix.transpose(0, 2, 1) - product).max()
    if rest.any() or off > _CLOSE * np.abs(product).max():
        return None
    parts = [_first(program, makers, name, -way) for way, name in enumerate(joined.inputs[1:])]
    if None in parts:
        return None
    state = _whole(program, makers, [part for part in parts if part is not None])
    if state is None:
        return None
    names = [f"{name} of {node.output}" for name in node.inputs[1:3]]
    program.constants.update(zip(names, (np.ascontiguousarray(own), back), strict=True))
    return (joined.inputs[0], *names, *node.inputs[3:5], state, *node.inputs[6:])


def _first(program: Program, makers: Mapping[str, Node], name: str, end: int) -> str | None:
    """What a tensor is at its first step, or its last if `end` is -1, where it is zero at all others."""
    held, made = program.constants.get(name), makers.get(name)
    if held is not None and held.ndim == 3:
        row = held[[end]]
        state = f"{name} at {end}"
        program.constants[state] = row
        return state if np.count_nonzero(held) == np.count_nonzero(row) else None
    if made is None or made.op != "Mul" or made.inputs[0] not in program.constants:
        return None
    there, shape = program.constants[made.inputs[0]], program.shapes.get(made.inputs[1], ())
    if there.shape[1:] != (1, 1) or len(shape) != 3 or shape[0] != 1:
        return None
    wanted = np.zeros(len(there), there.dtype)
    wanted[end] = 1
    return made.inputs[1] if (there.reshape(-1) == wanted).all() else None


def _whole(program: Program, makers: Mapping[str, Node], parts: Sequence[str]) -> str | None:
    """The tensor that these are the parts of, along its first axis; None where they are of none."""
    made = makers.get(parts[0])
    if len(parts) == 1:
        return parts[0]
    if made is not None and made.op == "Split" and not made.get("axis", 0):
        return made.inputs[0] if list(made.outputs) == list(parts) else None
    if not all(part in program.constants for part in parts):
        return None
    name = f"{parts[0]} and {parts[1]}"
    program.constants[name] = np.concatenate([program.constants[part] for part in parts])
    return name


def _apart(product: Array, matrix: Array) -> Array | None:
    """What gives the product (ways, gates, wide) with the matrix (ways, wide, narrow) turned, if anything."""
    turned = matrix.transpose(0, 2, 1).astype(np.float64)
    if len(product) != len(matrix) or product.shape[2] != matrix.shape[1]:
        return None
    back = (product.astype(np.float64) @ np.linalg.pinv(turned)).astype(np.float32)
    off = np.abs(back.astype(np.float64) @ turned - product).max()
    return back if off <= _CLOSE * np.abs(product).max() else None
