"""Queries and keys before their product: in which order their axes are, scaled, turned and normalised how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from typing import Any

import numpy as np

from netspec.foundation.records import record
from netspec.importing.files.program import Array, Node

# What a length is at least, where that is to hold for none.
_SMALL = 1e-6
# What attention's normalisations of heads add to what they divide by.
_EPS = 1e-6
_NORMS = {
    "RootMeanSquare": "rmsnorm",
    "RootMeanSquareScaled": "rmsnorm",
    "RMSNormalization": "rmsnorm",
    "LayerNormalization": "layernorm",
    "NormalShifted": "layernorm",
    "UnitLength": "l2norm",
}


@record
class Side:
    """What queries or keys are made of: a tensor, how its axes are put in order, and factors.

    `norm` is what each head is normalised by and `weights` with which numbers; `turning` is then how far
    each pair of its channels is turned.
    """

    name: str
    order: tuple[int, ...]
    scale: float = 1.0
    scales: Array | None = None
    norm: str = ""
    weights: tuple[Array, ...] = ()
    turning: Mapping[str, Any] = field(default_factory=dict)

    def given(self, key: Side) -> dict[str, Any]:
        """What is done with queries and with keys alike."""
        names = ("weight", "bias")[: len(self.weights)]
        pairs = (("q", self), ("k", key))
        found = {
            f"{letter}_norm.{name}": array
            for letter, side in pairs
            for name, array in zip(names, side.weights, strict=True)
        }
        return {"norm": self.norm, "turning": self.turning, "weights": found}


def sides(
    names: Sequence[str],
    rank: int,
    makers: Mapping[str, Node],
    constants: Mapping[str, Array],
    shapes: Mapping[str, tuple[int, ...]],
) -> tuple[Side, Side]:
    """Queries (..., T, D) and keys (..., D, S) from as far back as both are treated alike."""
    order = tuple(range(rank))
    whole = [
        _before(Side(name, order), at, makers, constants, shapes)
        for name, at in zip(names, (-1, -2), strict=True)
    ]
    query, key = whole
    # Positions along a sequence are a step; those of a map are said by attention alone.
    alone = bool(query.norm) or "size" in query.turning
    if alone and query.norm == key.norm and query.turning == key.turning:
        return query, key
    near = [_moved(Side(name, order), makers, constants) for name in names]
    return near[0], near[1]


def _moved(side: Side, makers: Mapping[str, Node], constants: Mapping[str, Array]) -> Side:
    """The side before its axes were moved and it was multiplied by constants."""
    while (node := makers.get(side.name)) is not None:
        if node.op == "Transpose":
            perm = node.get("perm") or tuple(reversed(range(len(side.order))))
            side = replace(side, order=tuple(perm[i] for i in side.order), name=node.inputs[0])
        elif node.op == "Mul" and (value := _factor(node, constants)) is not None:
            name = next(n for n in node.inputs if n not in constants)
            if value.size == 1:
                side = replace(side, name=name, scale=side.scale * float(value.item()))
            elif side.scales is None and value.shape[-3:] == (value.size, 1, 1):
                side = replace(side, name=name, scales=value.reshape(-1, 1, 1))
            else:
                break
        else:
            break
    return side


def _before(
    side: Side,
    at: int,
    makers: Mapping[str, Node],
    constants: Mapping[str, Array],
    shapes: Mapping[str, tuple[int, ...]],
) -> Side:
    """The side before it was turned and normalised along its channels, at this place of its order."""
    side = _moved(side, makers, constants)
    side = _moved(
        replace(side, name=_single(side.name, makers, constants, shapes)), makers, constants
    )
    swapped = _swapped(side.name, makers, shapes)
    if swapped is not None:
        last = len(side.order) - 1
        order = tuple({last: last - 1, last - 1: last}.get(i, i) for i in side.order)
        side = _moved(replace(side, name=swapped, order=order), makers, constants)
    node = makers.get(side.name)
    if node is not None and node.op == "Rotary" and side.order[at] == len(side.order) - 1:
        own = ("base", "share", "neighbours", "size", "factor", "length")
        turning = {key: value for key, value in node.attributes.items() if key in own}
        side = replace(side, name=node.inputs[0], turning=turning)
        side = _moved(side, makers, constants)
        node = makers.get(side.name)
    word = _NORMS.get(node.op, "") if node is not None else ""
    if node is None or not word:
        return side
    rank = len(side.order)
    least = _SMALL if word == "l2norm" else _EPS
    epsilon = node.get("epsilon", 1e-5)
    same = epsilon <= least if word == "l2norm" else np.float32(epsilon) == np.float32(least)
    weights = [constants.get(name) for name in node.inputs[1:]]
    if not same or node.get("axis", -1) % rank != side.order[at] or side.order[at] != rank - 1:
        return side
    if any(array is None for array in weights):
        return side
    given = [array.reshape(-1) for array in weights if array is not None]
    return replace(side, name=node.inputs[0], norm=word, weights=tuple(given))


def _single(
    name: str,
    makers: Mapping[str, Node],
    constants: Mapping[str, Array],
    shapes: Mapping[str, tuple[int, ...]],
) -> str:
    """The heads that a tensor repeats, each several times before the next; the tensor itself if none."""
    node = makers.get(name)
    taken = constants.get(node.inputs[1]) if node is not None and node.op == "Gather" else None
    if node is not None and taken is not None and taken.ndim == 1:
        own = shapes.get(node.inputs[0], ())
        axis = node.get("axis", 0) % max(len(own), 1)
        heads = own[axis] if 0 < axis < len(own) - 1 else 0
        many = len(taken) // heads if heads else 0
        return node.inputs[0] if many and taken.tolist() == _repeated(heads, many) else name
    chain, inner = [], name
    for op in ("Reshape", "Expand", "Unsqueeze"):
        node = makers.get(inner)
        if node is None or node.op != op:
            return name
        chain.append(shapes.get(inner, ()))
        inner = node.inputs[0]
    (whole, wide, apart), own = chain, shapes.get(inner, ())
    for axis in range(1, len(own) - 1):
        many = wide[axis + 1] if len(wide) > axis + 1 else 0
        head, tail = own[: axis + 1], own[axis + 1 :]
        repeats = apart == (*head, 1, *tail) and wide == (*head, many, *tail)
        if repeats and whole == (*own[:axis], own[axis] * many, *tail):
            return inner
    return name


def _repeated(heads: int, many: int) -> list[int]:
    return [head for head in range(heads) for _ in range(many)]


def _swapped(
    name: str, makers: Mapping[str, Node], shapes: Mapping[str, tuple[int, ...]]
) -> str | None:
    """The tensor whose last two axes were swapped while those before were one; None for others."""
    chain = []
    for op in ("Reshape", "Transpose", "Reshape"):
        node = makers.get(name)
        if node is None or node.op != op:
            return None
        chain.append(node)
        name = node.inputs[0]
    made, turned, before = shapes.get(chain[0].output, ()), chain[1], shapes.get(name, ())
    kept = len(made) == len(before) > 2 and made == (*before[:-2], before[-1], before[-2])
    whole = shapes.get(turned.output, ())[-2:] == made[-2:]
    return name if kept and whole and tuple(turned.get("perm") or ()) == (0, 2, 1) else None


def _factor(node: Node, constants: Mapping[str, Array]) -> Array | None:
    """The numbers that a product is with; None for a product of two tensors."""
    values = [constants[n] for n in node.inputs if n in constants]
    return values[0] if len(values) == 1 else None
