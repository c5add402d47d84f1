"""Attention as exporters write it out: a product, scaled, with scores added, a softmax, a product."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from netspec.importing.files.program import Array, Node

# What stands for minus infinity in masks that are added.
_LOW = -1e4


def attended(node: Node, makers: Mapping[str, Node], constants: dict[str, Array]) -> Node | None:
    """The attention whose last product is this node; None where it is another product.

    It reads queries (..., T, D), turned keys (..., D, S), values (..., S, E) and what is added to the
    scores, if anything is, of constants their sum; `scale` is the factor of the products, `causal` whether
    a causal mask is among what is added.
    """
    soft = makers.get(node.inputs[0])
    if soft is not None and soft.op == "Where":  # rows of which everything is masked: NaN made zero
        soft = makers.get(soft.inputs[2]) if soft.inputs[1] in constants else soft
    if soft is None or soft.op != "Softmax" or soft.get("axis", -1) not in (-1, 3, 2):
        return None
    scale, name, added, causal = 1.0, soft.inputs[0], [], 0
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
            elif (mask is None or mask.any()) and scale != 1:
                return None  # it is multiplied too
            elif mask is None or mask.any():
                added.append(other)
            continue
        if len(own) != 1:
            return None
        (value,) = (constants[n] for n in found.inputs if n in constants)
        if value.size != 1 or (found.op == "Div" and found.inputs[1] not in constants):
            return None
        scale = scale * value.item() if found.op == "Mul" else scale / value.item()
        name = own[0]
    if found is None or any(n in constants for n in found.inputs):
        return None
    if len(added) > 1:
        if not all(n in constants for n in added):
            return None
        total = f"{node.output} scores"
        constants[total] = sum(constants[n] for n in added[::-1])  # type: ignore[assignment]
        added = [total]
    query, key = found.inputs
    query, by = _unscaled(query, makers, constants)
    key, also = _unscaled(key, makers, constants)
    given = {"scale": scale * by * also, "causal": causal}
    return Node(
        "Attend", (query, key, node.inputs[1], *added), node.outputs, given, node.name, node.scopes
    )


def _is_scores(name: str, makers: Mapping[str, Node]) -> bool:
    node = makers.get(name)
    while node is not None and node.op in ("Mul", "Div", "Add") and node.inputs:
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
