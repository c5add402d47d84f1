"""Attention with the layers that project its queries, keys and values, and its result: one step."""

from __future__ import annotations

import re
from collections.abc import Sequence

from netspec.importing.files.places import Joined
from netspec.importing.files.program import Array
from netspec.importing.recognise.parts.rows import is_linear, matrix, rows_of
from netspec.importing.recognise.steps import Step, Wire
from netspec.ops.registry import REGISTRY

_Part = tuple[Wire, Array, "Array | None"]


def projected(steps: list[Step]) -> None:
    """Makes `attention` of `attend` and the layers around it, in place; what they leave is unused."""
    readers: dict[int, list[Step]] = {}
    for step in steps:
        for wire in (*step.inputs, *step.named.values()):
            readers.setdefault(id(wire), []).append(step)
    joined = Joined()
    for step in steps:
        if step.head == "attend":
            _project(step, readers, joined)


def _project(step: Step, readers: dict[int, list[Step]], joined: Joined) -> None:
    query, key = step.inputs[:2]
    value = step.inputs[2] if len(step.inputs) > 2 else key
    turns = [_turned(wire) for wire in (query, key)]
    if turns[0][0] != turns[1][0]:
        return
    wires = (turns[0][1], turns[1][1], value)
    after = readers.get(id(step.made[0]), [])
    out = after[0] if len(after) == 1 and is_linear(after[0]) else None
    # Some of what attention does it does with its projections alone.
    alone = any(item.startswith(_PROJECTED) for item in step.given)
    heads = int(step.given[0]) if step.given and step.given[0].isdigit() else 1
    shared = [int(item[9:]) for item in step.given if item.startswith("kv_heads=")]
    found = projections(wires, heads, shared[0] if shared else heads)
    if found is None or (out is None and not alone):
        return
    # What is added to the scores, or a part of that, may read of the queries their places alone.
    scored = [
        part.step
        for wire in step.named.values()
        for part in (wire, *(wire.step.inputs if wire.step is not None else ()))
        if part.step is not None and any(read is query for read in part.step.inputs)
    ]
    if not all(_sized(part) for part in scored):
        return
    sources, matrices, biases = zip(*found, strict=True)
    rows, channels = len(matrices[0]), sources[0].sizes[0]
    there = [bias is not None for bias in biases]
    given = [str(heads)] * (heads > 1)
    given += [item for item in step.given if not item.isdigit()]
    given += [f"head_width={rows // heads}"] * (rows != channels)
    given += turns[0][0]
    given += ["bias=no"] * (not there[0]) + ["key_bias=no"] * (there[0] and not there[1])
    weights = {**_matrices(sources, matrices, joined), **step.weights}
    if there[0]:
        weights["in_proj_bias"] = joined([b for b in biases if b is not None])
    if out is None:
        given.append("project=no")
    else:
        biased, width = "bias" in out.weights, len(matrix(out))
        given += [f"width={width}"] * (width != channels)
        given += [f"out_bias={'yes' if biased else 'no'}"] * (biased != there[0])
        weights["out_proj.weight"] = matrix(out)
        if biased:
            weights["out_proj.bias"] = out.weights["bias"]
    end = out or step
    end.head, end.given, end.weights = "attention", tuple(given), weights
    end.inputs = (sources[0], *_memory(sources))
    end.named, end.scopes = step.named, step.scopes or end.scopes
    for part in scored:
        part.inputs = (sources[0],)


def _sized(step: Step) -> bool:
    """Whether a step reads nothing but the sizes of one tensor."""
    word = re.split(r"\W", step.head, maxsplit=1)[0]
    return len(step.inputs) == 1 and word in REGISTRY and REGISTRY[word].sized_by == 0


def projections(wires: Sequence[Wire], heads: int, shared: int) -> list[_Part] | None:
    """What queries, keys and values are linear layers of, by which numbers; None if attention has no such.

    They have `heads`, keys and values those that are `shared`.
    """
    parts = [part for part in map(_part, wires) if part is not None]
    if len(parts) < len(wires):
        return None
    sources, matrices, biases = zip(*parts, strict=True)
    rows = len(matrices[0])
    few = rows // heads * shared
    there = [bias is not None for bias in biases]
    if [len(matrix) for matrix in matrices] != [rows, few, few]:
        return None
    if there[0] != there[2] or (there[1] and not there[0]):
        return None
    if any(s.sizes[1:] != w.sizes[1:] for s, w in zip(sources, wires, strict=True)):
        return None
    return parts


# What attention says of heads and `attend` does not.
_TURNED = ("part", "pairs", "factor", "length")
_PROJECTED = ("qk_norm=", "trained_scale=", "rotary")


def _memory(sources: Sequence[Wire]) -> tuple[Wire, ...]:
    """What keys and values are made of, where that is not what queries are."""
    query, key, value = sources
    if key is value:
        return () if key is query else (key,)
    return key, value


def _matrices(
    sources: Sequence[Wire], matrices: Sequence[Array], joined: Joined
) -> dict[str, Array]:
    """The projections, in one where all read as many channels."""
    if len({wire.sizes[0] for wire in sources}) == 1:
        return {"in_proj_weight": joined(matrices)}
    return {f"{letter}_proj_weight": m for letter, m in zip("qkv", matrices, strict=True)}


def _turned(wire: Wire) -> tuple[list[str], Wire]:
    """How attention says the rotary positions that a wire is of, if any, and what they turn."""
    step = wire.step
    if step is None or not step.head.startswith("rotary"):
        return [], wire
    given = dict(item.split("=") for item in step.head[:-1].split(", ") if "=" in item)
    found = [f"rotary={given.get('base', '10000')}"]
    found += [f"rotary_{word}={given[word]}" for word in _TURNED if word in given]
    return found, step.inputs[0]


def _part(wire: Wire) -> _Part | None:
    """What a wire is a linear layer of, by which rows of its matrix and bias."""
    found = rows_of(wire)
    if found is None:
        return None
    step, rows = found
    part, bias = slice(rows.start, rows.stop), step.weights.get("bias")
    return step.inputs[0], matrix(step)[part], None if bias is None else bias[part]
