"""Attention with the layers that project its queries, keys and values, and its result: one step."""

from __future__ import annotations

import numpy as np

from netspec.importing.files.program import Array
from netspec.importing.recognise.parts.rows import is_linear, matrix, rows_of
from netspec.importing.recognise.steps import Step, Wire

_Part = tuple[Wire, Array, "Array | None"]


def projected(steps: list[Step]) -> None:
    """Makes `attention` of `attend` and the layers around it, in place; what they leave is unused."""
    readers: dict[int, list[Step]] = {}
    for step in steps:
        for wire in (*step.inputs, *step.named.values()):
            readers.setdefault(id(wire), []).append(step)
    for step in steps:
        if step.head == "attend":
            _project(step, readers)


def _project(step: Step, readers: dict[int, list[Step]]) -> None:
    query, key = step.inputs[:2]
    value = step.inputs[2] if len(step.inputs) > 2 else key
    turns = [_turned(wire) for wire in (query, key)]
    if turns[0][0] != turns[1][0]:
        return
    parts = [_part(wire) for wire in (turns[0][1], turns[1][1], value)]
    after = readers.get(id(step.made[0]), [])
    if len(after) != 1 or not is_linear(after[0]) or any(part is None for part in parts):
        return
    sources, matrices, biases = zip(*(part for part in parts if part is not None), strict=True)
    out, channels = after[0], matrices[0].shape[1]
    heads = int(step.given[0]) if step.given and step.given[0].isdigit() else 1
    rows = matrices[0].shape[0]
    shared = [item[9:] for item in step.given if item.startswith("kv_heads=")]
    few = rows // heads * int(shared[0]) if shared else rows
    shapes = [matrix.shape for matrix in matrices]
    if shapes != [(many, channels) for many in (rows, few, few)] or sources[1] is not sources[2]:
        return
    there = [bias is not None for bias in biases]
    if len(set(there)) > 1 or any(
        s.sizes[1:] != w.sizes[1:] for s, w in zip(sources, step.inputs, strict=False)
    ):
        return
    biased = "bias" in out.weights
    given = [str(heads)] * (heads > 1)
    given += [item for item in step.given if not item.isdigit()]
    given += [f"width={len(matrix(out))}"] * (len(matrix(out)) != channels)
    given += [f"head_width={rows // heads}"] * (rows != channels)
    given += [f"rotary={turns[0][0]}"] * bool(turns[0][0])
    given += ["bias=no"] * (not there[0])
    given += [f"out_bias={'yes' if biased else 'no'}"] * (biased != there[0])
    weights = {"in_proj_weight": np.concatenate(matrices), **step.weights}
    if there[0]:
        weights["in_proj_bias"] = np.concatenate([b for b in biases if b is not None])
    weights["out_proj.weight"] = matrix(out)
    if biased:
        weights["out_proj.bias"] = out.weights["bias"]
    out.head, out.given, out.weights = "attention", tuple(given), weights
    out.inputs = (sources[0],) if sources[0] is sources[1] else (sources[0], sources[1])
    out.named, out.scopes = step.named, step.scopes or out.scopes
    for wire in step.named.values():
        # What is added to the scores reads of the queries their places alone.
        if wire.step is not None and wire.step.inputs == (query,):
            wire.step.inputs = (sources[0],)


def _turned(wire: Wire) -> tuple[str, Wire]:
    """The base of the rotary positions that a wire is of, if any, and what they turn."""
    step = wire.step
    if step is None or not step.head.startswith("rotary"):
        return "", wire
    base = step.head.partition("base=")[2].rstrip(")") or "10000"
    return base, step.inputs[0]


def _part(wire: Wire) -> _Part | None:
    """What a wire is a linear layer of, by which rows of its matrix and bias."""
    found = rows_of(wire)
    if found is None:
        return None
    step, rows = found
    bias = step.weights.get("bias")
    return step.inputs[0], matrix(step)[rows], None if bias is None else bias[rows]
