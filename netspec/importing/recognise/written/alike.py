"""Whether what a program computes is what another one does, node by node, whatever the names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from netspec.importing.files.program import Array, Node, Program


def alike(
    ours: Program, theirs: Program, makers: Mapping[str, Node], output: str
) -> dict[str, str] | None:
    """The tensors of `theirs` that the inputs of `ours` are, if `output` is made as ours; else None.

    `makers` are those of theirs. The time is that of the nodes of ours.
    """
    own = ours.makers()
    pairs = {ours.outputs[0]: output}
    todo = [(ours.outputs[0], output)]
    while todo:
        one, other = todo.pop()
        a, b = own.get(one), makers.get(other)
        if a is None:
            continue
        if b is None or a.op != b.op or a.outputs.index(one) != b.outputs.index(other):
            return None
        if len(a.inputs) != len(b.inputs) or not _equal(a.attributes, b.attributes):
            return None
        for x, y in zip(a.inputs, b.inputs, strict=True):
            x, y = (plain(n, m, p.constants) for n, m, p in ((x, own, ours), (y, makers, theirs)))
            x, y = _unturned(x, y, own, theirs.constants)
            if x in ours.constants:
                if y not in theirs.constants or not _same(ours.constants[x], theirs.constants[y]):
                    return None
                continue
            if x not in pairs:
                pairs[x] = y
                todo.append((x, y))
            elif pairs[x] != y:
                return None
    return {item.name: pairs[item.name] for item in ours.inputs if item.name in pairs}


def plain(name: str, makers: Mapping[str, Node], constants: Mapping[str, Array]) -> str:
    """The tensor that one is where it is a sum with 0: what refuses illegal sizes adds that."""
    while (node := makers.get(name)) is not None and node.op == "Add":
        held = constants.get(node.inputs[1])
        if held is None or held.size != 1 or held.any():
            break
        name = node.inputs[0]
    return name


def _unturned(
    name: str, other: str, own: Mapping[str, Node], constants: dict[str, Array]
) -> tuple[str, str]:
    """A weight that is turned, and what its numbers are in a file whose constant is turned already."""
    while (node := own.get(name)) is not None and node.op == "Transpose" and other in constants:
        order = tuple(node.get("perm") or ())
        if len(order) != constants[other].ndim:
            break
        turned = f"{other} turned back {order}"
        constants[turned] = constants[other].transpose(np.argsort(order))
        name, other = node.inputs[0], turned
    return name, other


def _same(one: Array, other: Array) -> bool:
    return one.dtype == other.dtype and np.array_equal(one, other) and one.shape == other.shape


def _equal(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return one.keys() == other.keys() and all(
        np.array_equal(value, other[key])
        if isinstance(value, np.ndarray) or isinstance(other[key], np.ndarray)
        else value == other[key]
        for key, value in one.items()
    )
