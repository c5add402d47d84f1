"""Attention as exporters write it out: a product, scaled, with scores added, a softmax, a product."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

import numpy as np

from netspec.importing.files.program import Array, Node
from netspec.importing.recognise.rules.masks import Hidden, Masks, by_place
from netspec.importing.recognise.rules.sides import sides

Shape = tuple[int, ...]
# What scores are scaled, changed and hidden by.
_AROUND = frozenset({"Mul", "Div", "Add", "Sub", "Reshape", "Where", "Tanh"})
# What is added to scores where a choice replaced them.
_MASKED = -1e9


def attended(
    node: Node,
    makers: Mapping[str, Node],
    constants: dict[str, Array],
    shapes: Mapping[str, Shape],
    integers: Set[str],
) -> Node | None:
    """The attention whose last product is this node; None where it is another product.

    It reads queries, keys, values (..., S, E) and all that is added to the scores. Its attributes:
    `query_order` and `key_order`, which make (..., T, D) and (..., D, S) of queries and keys; `scale` and
    `scales`, a factor of the products and one for each head; `added`, the shapes that the scores had where
    each was added; `causal` and `within`, whether and how far a place sees others; `mask`, the ids that hide
    keys where they are 0; `softcap`, how large scores may be before; `turned`, whether it makes (..., E, T)
    of values (..., E, S); `norm` and `weights`, how each head's queries and keys are normalised; `turning`,
    by how much they are then turned.
    """
    weights, values, turned = node.inputs[0], node.inputs[1], 0
    soft = _softmax(weights, makers, constants, shapes)
    if soft is None and (back := makers.get(values)) is not None and _swaps(back, shapes):
        weights, values, turned = back.inputs[0], node.inputs[0], 1
        soft = _softmax(weights, makers, constants, shapes)
    if soft is None:
        return None
    rank = len(shapes.get(soft.output, ())) or 4
    if soft.get("axis", -1) % rank != rank - 1:
        return None
    masks = Masks(makers, constants, shapes, integers)
    given: dict[str, Any] = {"causal": 0}
    scale, scales, name = 1.0, None, soft.inputs[0]
    added: list[tuple[str, Shape]] = []
    while (found := makers.get(name)) is not None and found.op != "MatMul":
        if found.op == "Reshape" and _keeps_pairs(found, shapes):
            name = found.inputs[0]
            continue
        if found.op == "Tanh" and "softcap" not in given and scales is None and scale > 0:
            given["softcap"], scale, name = scale, 1.0, found.inputs[0]
            continue
        if "softcap" in given and found.op not in ("Mul", "Div"):
            return None
        if found.op == "Where":
            chosen = masks.chosen(found)
            if chosen is None:
                return None
            hidden, name = chosen
            if not _noted(hidden, given, found.output, added, constants, shapes):
                return None
            continue
        if found.op == "Sub" and found.inputs[1] in constants and scale == 1 and scales is None:
            less = f"{found.output} taken off"
            constants[less] = -constants[found.inputs[1]]
            added.append((less, shapes.get(found.output, ())))
            name = found.inputs[0]
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
            seen = masks.added(other)
            hides = seen is not None and (seen.ids or (seen.bias is None and by_place(seen.places)))
            times = scale != 1 or scales is not None
            if seen is not None and hides and not (times and seen.bias is not None):
                if not _noted(seen, given, found.output, added, constants, shapes):
                    return None
            elif mask is None or mask.any():
                if times:
                    return None  # it is multiplied too
                added.append((other, shapes.get(found.output, ())))
            continue
        if len(own) != 1:
            return None
        (value,) = (constants[n] for n in found.inputs if n in constants)
        if found.op == "Div" and found.inputs[1] not in constants:
            return None
        if value.size != 1:
            if found.op == "Mul" and _is_hidden(value, given):
                name = own[0]
                continue
            if scales is not None or value.shape[-3:] != (value.size, 1, 1):
                return None
            scales = value.reshape(-1, 1, 1) if found.op == "Mul" else 1 / value.reshape(-1, 1, 1)
        else:
            scale = scale * value.item() if found.op == "Mul" else scale / value.item()
        name = own[0]
    if found is None or node.inputs[0] in constants:
        return None
    rank = len(shapes.get(found.output, ())) or rank
    query, key = sides(found.inputs, rank, makers, constants, shapes)
    each = (query.scales, key.scales, scales)
    if sum(item is not None for item in each) > 1:
        return None
    scales = next((item for item in each if item is not None), None)
    scale *= given.get("softcap", 1.0)
    given |= {"scale": scale * query.scale * key.scale, "scales": scales, **query.given(key)}
    given |= {"added": tuple(shape for _, shape in added), "turned": turned}
    given |= {"query_order": query.order, "key_order": key.order}
    names = (query.name, key.name, values, *(name for name, _ in added))
    names += (given["mask"],) if "mask" in given else ()
    return Node("Attend", names, node.outputs, given, node.name, node.scopes)


def _noted(
    hidden: Hidden,
    given: dict[str, Any],
    name: str,
    added: list[tuple[str, Shape]],
    constants: dict[str, Array],
    shapes: Mapping[str, Shape],
) -> bool:
    """Notes what is hidden: by places, by one tensor of ids, or as numbers that are added."""
    if hidden.ids and given.setdefault("mask", hidden.ids) != hidden.ids:
        return False
    bias = hidden.bias
    place = by_place(hidden.places) if hidden.places.any() else {}
    if place is None:
        bias = np.where(hidden.places, np.float32(_MASKED), 0 if bias is None else bias)
    if bias is not None:
        constants[f"{name} hidden"] = bias.astype(np.float32)
        added.append((f"{name} hidden", shapes.get(name, ())))
    if place:
        given["causal"] |= place["causal"]
        if "within" in place:
            given["within"] = min(given.get("within", place["within"]), place["within"])
    return True


def _is_hidden(factors: Array, given: Mapping[str, Any]) -> bool:
    """Whether scores are multiplied by 1, and by 0 where they are hidden all the same, by their places."""
    zeros = factors == 0
    place = by_place(zeros) if zeros.any() and (zeros | (factors == 1)).all() else None
    return place is not None and all(given.get(key, 0) == value for key, value in place.items())


def _softmax(
    name: str,
    makers: Mapping[str, Node],
    constants: Mapping[str, Array],
    shapes: Mapping[str, Shape],
) -> Node | None:
    """The softmax that makes a tensor."""
    soft = makers.get(name)
    while soft is not None and soft.op == "Reshape" and _keeps_pairs(soft, shapes):
        soft = makers.get(soft.inputs[0])
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


def _is_scores(name: str, makers: Mapping[str, Node]) -> bool:
    """Whether a tensor is a product, or one that was scaled and hidden in parts."""
    waiting = [name]
    while waiting:
        node = makers.get(waiting.pop())
        if node is not None and node.op == "MatMul":
            return True
        if node is not None and node.op in _AROUND:
            waiting += node.inputs[1:] if node.op == "Where" else node.inputs
    return False
