"""Attention as exporters write it out: a product, scaled, with scores added, a softmax, a product."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from netspec.importing.files.program import Array, Node

Shape = tuple[int, ...]
# What a length is at least, where that is to hold for none.
_SMALL = 1e-6
# What stands for minus infinity in masks that are added.
_LOW = -1e4


def attended(
    node: Node,
    makers: Mapping[str, Node],
    constants: Mapping[str, Array],
    shapes: Mapping[str, Shape],
) -> Node | None:
    """The attention whose last product is this node; None where it is another product.

    It reads queries (..., T, D), turned keys (..., D, S), values (..., S, E) and all that is added to the
    scores. Its attributes: `scale` and `scales`, a factor of the products and one for each head; `added`,
    the shapes that the scores had where each was added; `causal`, whether only a causal mask was; `turned`,
    whether it makes (..., E, T) of values (..., E, S); `unit`, whether each query and key is divided by its
    length, and then `key_order`, how the keys that are read lie.
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
    chosen = makers.get(name)
    if chosen is not None and chosen.op == "Where" and chosen.inputs[0] in constants:
        seen, (_, name, other) = constants[chosen.inputs[0]], chosen.inputs
        if name in constants:
            seen, name, other = ~seen.astype(bool), other, name
        low = constants.get(other)
        if low is None or low.size != 1 or low.item() > _LOW or not _lower(seen):
            return None
        causal = 1
    while (found := makers.get(name)) is not None and found.op != "MatMul":
        if found.op == "Reshape" and _keeps_pairs(found, shapes):
            name = found.inputs[0]
            continue
        if found.op not in ("Mul", "Div", "Add") or len(found.inputs) != 2:
            return None
        own = [n for n in found.inputs if n not in constants]
        if found.op == "Add":
            scored = [n for n in found.inputs if _is_scores(n, makers)]
            if not scored or scale != 1 or scales is not None:
                return None
            other = found.inputs[0] if scored[0] == found.inputs[1] else found.inputs[1]
            added.append((other, shapes.get(found.output, ())))
            name = scored[0]
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
    if found is None or any(n in constants for n in found.inputs):
        return None
    query, key = found.inputs
    query, by = _unscaled(query, makers, constants)
    key, also = _unscaled(key, makers, constants)
    given: dict[str, Any] = {"scale": scale * by * also, "scales": scales, "causal": causal}
    if len(added) == 1 and (mask := constants.get(added[0][0])) is not None and _causal(mask):
        added, given["causal"] = [], 1
    units = _units(query, key, makers, shapes)
    if units is not None:
        query, key, given["key_order"] = units
        given["unit"] = 1
    given |= {"added": tuple(shape for _, shape in added), "turned": turned}
    names = (query, key, values, *(name for name, _ in added))
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


def _units(
    query: str, key: str, makers: Mapping[str, Node], shapes: Mapping[str, Shape]
) -> tuple[str, str, tuple[int, ...]] | None:
    """Queries and keys that are divided by their lengths, before that, and how these keys lie, turned."""
    one, back = makers.get(query), makers.get(key)
    rank = len(shapes.get(query, ()))
    order = tuple(range(rank))
    if back is not None and back.op == "Transpose":
        order = tuple(back.get("perm") or reversed(range(rank)))
        back = makers.get(back.inputs[0])
    if one is None or back is None or {one.op, back.op} != {"UnitLength"}:
        return None
    if one.get("axis") != rank - 1 or back.get("axis") != order[-2]:
        return None
    if max(one.get("epsilon"), back.get("epsilon")) > _SMALL:
        return None
    return one.inputs[0], back.inputs[0], order


def _is_scores(name: str, makers: Mapping[str, Node]) -> bool:
    node = makers.get(name)
    while node is not None and node.op in ("Mul", "Div", "Add", "Reshape") and node.inputs:
        node = makers.get(node.inputs[0])
    return node is not None and node.op == "MatMul"


def _unscaled(
    name: str, makers: Mapping[str, Node], constants: Mapping[str, Array]
) -> tuple[str, float]:
    node = makers.get(name)
    if node is not None and node.op == "Mul":
        for one, other in (node.inputs, node.inputs[::-1]):
            if one in constants and constants[one].size == 1:
                return other, float(constants[one].item())
    return name, 1.0


def _is_square(mask: Array) -> bool:
    """Whether a mask is one for all samples and heads, of as many places as it looks at."""
    return (
        mask.ndim >= 2
        and all(size == 1 for size in mask.shape[:-2])
        and mask.shape[-1] == mask.shape[-2]
    )


def _lower(seen: Array) -> bool:
    """Whether what is seen is each place and those before it."""
    return _is_square(seen) and bool(
        (seen.reshape(seen.shape[-2:]) == np.tri(seen.shape[-1], dtype=bool)).all()
    )


def _causal(mask: Array) -> bool:
    """Whether an added mask is 0 up to the diagonal and very low beyond."""
    if not _is_square(mask):
        return False
    square = mask.reshape(mask.shape[-2:])
    upper = np.triu(np.ones(square.shape, bool), 1)
    return (
        bool((square[upper] <= _LOW).all() and (square[~upper] == 0).all()) and square.shape[0] > 1
    )
