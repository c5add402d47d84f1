"""Recurrences whose output is projected: ONNX has none, so their matrix from step to step is a product."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from netspec.importing.files.program import Array, Node, Program

# How far the matrix may be from the product of two, relative to its largest number.
_CLOSE = 2e-6


def narrowed(program: Program) -> None:
    """Takes the matrices that all of an LSTM's output goes through into it, in place, where it narrows.

    It has them as `projection`, (ways, narrow, wide), and what reads the narrow state as its recurrence.
    """
    readers, taken = program.readers(), set()
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
        found[id(node)] = replace(
            node,
            inputs=(*node.inputs[:2], name, *node.inputs[3:]),
            outputs=tuple(outputs.get(n, n if i > 1 else "") for i, n in enumerate(node.outputs)),
            attributes={**node.attributes, "projection": matrix.transpose(0, 2, 1)},
        )
        taken |= set(map(id, products))
    program.nodes[:] = [found.get(id(n), n) for n in program.nodes if id(n) not in taken]


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


def _apart(product: Array, matrix: Array) -> Array | None:
    """What gives the product (ways, gates, wide) with the matrix (ways, wide, narrow) turned, if anything."""
    turned = matrix.transpose(0, 2, 1).astype(np.float64)
    if len(product) != len(matrix) or product.shape[2] != matrix.shape[1]:
        return None
    back = (product.astype(np.float64) @ np.linalg.pinv(turned)).astype(np.float32)
    off = np.abs(back.astype(np.float64) @ turned - product).max()
    return back if off <= _CLOSE * np.abs(product).max() else None
