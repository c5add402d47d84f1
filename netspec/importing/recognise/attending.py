"""Attention as exporters write it out: a product, scaled, with scores added, a softmax, a product."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from netspec.foundation.records import record
from netspec.importing.files.program import Array, Node

Shape = tuple[int, ...]
# What a length is at least, where that is to hold for none.
_SMALL = 1e-6
# What stands for minus infinity in masks that are added.
_LOW = -1e4
# What is added to scores where a choice replaced them.
_MASKED = -1e9


def attended(
    node: Node,
    makers: Mapping[str, Node],
    constants: dict[str, Array],
    shapes: Mapping[str, Shape],
) -> Node | None:
    """The attention whose last product is this node; None where it is another product.

    It reads queries, keys, values (..., S, E) and all that is added to the scores. Its attributes:
    `query_order` and `key_order`, which make (..., T, D) and (..., D, S) of queries and keys; `scale` and
    `scales`, a factor of the products and one for each head; `added`, the shapes that the scores had where
    each was added; `causal`, whether only a causal mask was; `turned`, whether it makes (..., E, T) of
    values (..., E, S); `unit`, whether each query and key is divided by its length.
    """
    weights, values, turned = node.inputs[0], node.inputs[1], 0
    soft = _softmax(weights, makers, constants)
    if soft is None and (back := makers.get(values)) is not None and _swaps(back, shapes):
        weights, values, turned = back.inputs[0], node.inputs[0], 1
        soft = _softmax(weights, makers, constants)
    if soft is None:
        return None
    rank = len(shapes.get(soft.output, ())) or 4
    if soft.get("axis", -1) % rank != rank - 1:
        return None
    scale, scales, name, causal = 1.0, None, soft.inputs[0], 0
    added: list[tuple[str, Shape]] = []
    while (found := makers.get(name)) is not None and found.op != "MatMul":
        if found.op == "Reshape" and _keeps_pairs(found, shapes):
            name = found.inputs[0]
            continue
        if found.op == "Where":
            hidden = _hidden(found, constants)
            if hidden is None:
                return None
            if _lower(~hidden):
                causal = 1
            else:
                mask_name = f"{found.output} hidden"
                constants[mask_name] = np.where(hidden, np.float32(_MASKED), np.float32(0))
                added.append((mask_name, shapes.get(found.output, ())))
            name = next(n for n in found.inputs[1:] if n not in constants)
            continue
        if found.op not in ("Mul", "Div", "Add") or len(found.inputs) != 2:
            return None
        own = [n for n in found.inputs if n not in constants]
        if found.op == "Add":
            scored = [n for n in found.inputs if _is_scores(n, makers)]
            if not scored:
                return None
            other = found.inputs[0] if scored[0] == found.inputs[1] else found.inputs[1]
            name, mask = scored[0], constants.get(other)
            if mask is not None and _causal(mask):
                causal = 1
            elif mask is None or mask.any():
                if scale != 1 or scales is not None:
                    return None  # it is multiplied too
                added.append((other, shapes.get(found.output, ())))
            continue
        if len(own) != 1:
            return None
        (value,) = (constants[n] for n in found.inputs if n in constants)
        if found.op == "Div" and found.inputs[1] not in constants:
            return None
        if value.size != 1:
            if scales is not None or value.shape[-3:] != (value.size, 1, 1):
                return None
            scales = value.reshape(-1, 1, 1) if found.op == "Mul" else 1 / value.reshape(-1, 1, 1)
        else:
            scale = scale * value.item() if found.op == "Mul" else scale / value.item()
        name = own[0]
    if found is None or node.inputs[0] in constants:
        return None
    query, key = (_source(name, rank, makers, constants) for name in found.inputs)
    factor = scale * query.scale * key.scale
    given: dict[str, Any] = {"scale": factor, "scales": scales, "causal": causal}
    if len(added) == 1 and (mask := constants.get(added[0][0])) is not None and _causal(mask):
        added, given["causal"] = [], 1
    bare = (_before_length(query, -1, makers), _before_length(key, -2, makers))
    if bare[0] is not None and bare[1] is not None:
        query, key, given["unit"] = bare[0], bare[1], 1
    given |= {"added": tuple(shape for _, shape in added), "turned": turned}
    given |= {"query_order": query.order, "key_order": key.order}
    names = (query.name, key.name, values, *(name for name, _ in added))
    return Node("Attend", names, node.outputs, given, node.name, node.scopes)


def _softmax(name: str, makers: Mapping[str, Node], constants: Mapping[str, Array]) -> Node | None:
    """The softmax that makes a tensor."""
    soft = makers.get(name)
    if soft is not None and soft.op == "Where":  # rows of which everything is masked: NaN made zero
        soft = makers.get(soft.inputs[2]) if soft.inputs[1] in constants else soft
    return soft if soft is not None and soft.op == "Softmax" else None


def _swaps(node: Node, shapes: Mapping[str, Shape]) -> bool:
    """Whether a node only swaps the last two axes."""
    rank = len(shapes.get(node.output, ()))
    order = (*range(rank - 2), rank - 1, rank - 2)
    return node.op == "Transpose" and rank > 1 and tuple(node.get("perm", ())) == order


def _keeps_pairs(node: Node, shapes: Mapping[str, Shape]) -> bool:
    """Whether a reshape leaves queries and keys as they are, and takes apart or joins the axes before."""
    before, after = shapes.get(node.inputs[0], ()), shapes.get(node.output, ())
    return len(before) > 2 < len(after) and before[-2:] == after[-2:]


@record
class _Source:
    """What queries or keys are made of: a tensor, how its axes are put in order, and a factor."""

    name: str
    order: tuple[int, ...]
    scale: float


def _source(
    name: str, rank: int, makers: Mapping[str, Node], constants: Mapping[str, Array]
) -> _Source:
    order, scale = tuple(range(rank)), 1.0
    while (node := makers.get(name)) is not None:
        if node.op == "Transpose":
            perm = node.get("perm") or tuple(reversed(range(rank)))
            order, name = tuple(perm[i] for i in order), node.inputs[0]
        elif node.op == "Mul" and (one := _factor(node, constants)) is not None:
            name, scale = next(n for n in node.inputs if n not in constants), scale * one
        else:
            break
    return _Source(name, order, scale)


def _factor(node: Node, constants: Mapping[str, Array]) -> float | None:
    """The one number that a product is with; None for others."""
    values = [constants[n] for n in node.inputs if n in constants]
    return float(values[0].item()) if len(values) == 1 and values[0].size == 1 else None


def _before_length(part: _Source, at: int, makers: Mapping[str, Node]) -> _Source | None:
    """What is divided by the length of each head's channels, which are at this place of the order."""
    unit = makers.get(part.name)
    if unit is None or unit.op != "UnitLength" or unit.get("axis") != part.order[at]:
        return None
    return replace(part, name=unit.inputs[0]) if unit.get("epsilon") <= _SMALL else None


def _is_scores(name: str, makers: Mapping[str, Node]) -> bool:
    node = makers.get(name)
    while node is not None and node.op in ("Mul", "Div", "Add", "Reshape", "Where") and node.inputs:
        read = [makers[name] for name in node.inputs if name in makers]
        node = read[0] if read else None
    return node is not None and node.op == "MatMul"


def _hidden(node: Node, constants: Mapping[str, Array]) -> Array | None:
    """Where a choice takes what is very low instead of scores; None for other choices."""
    chosen, *ways = node.inputs
    for way, low in enumerate(constants.get(name) for name in ways):
        if low is not None and chosen in constants and low.size == 1 and low.item() <= _LOW:
            seen = constants[chosen].astype(bool)
            return None if ways[1 - way] in constants else (~seen if way else seen)
    return None


def _square(mask: Array) -> Array | None:
    """A mask that is the same for all samples and heads, if it is of as many places as it looks at."""
    if mask.ndim < 2 or not mask.size or mask.shape[-1] != mask.shape[-2]:
        return None
    many = mask.reshape(-1, *mask.shape[-2:])
    return many[0] if (many == many[:1]).all() else None


def _lower(seen: Array) -> bool:
    """Whether what is seen is each place and those before it."""
    square = _square(seen)
    return square is not None and bool((square == np.tri(len(square), dtype=bool)).all())


def _causal(mask: Array) -> bool:
    """Whether an added mask is 0 up to the diagonal and very low beyond."""
    square = _square(mask)
    if square is None:
        return False
    upper = np.triu(np.ones(square.shape, bool), 1)
    return (
        bool((square[upper] <= _LOW).all() and (square[~upper] == 0).all()) and square.shape[0] > 1
    )
