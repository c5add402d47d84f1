"""Layers at every place by their rows: what takes some of their channels is such a layer too."""

from __future__ import annotations

import re
from math import prod

import numpy as np

from netspec.importing.files.program import Array
from netspec.importing.recognise.parts.stepping import Steps
from netspec.importing.recognise.steps import Step, Wire

_CONV = re.compile(r"conv1(x1)*-\d+")


def is_linear(step: Step) -> bool:
    """Whether a step is one matrix at every place."""
    if step.head.startswith("fc-"):
        return "over=channels" in step.given
    return bool(_CONV.fullmatch(step.head)) and set(step.given) <= {"bias=no"}


def matrix(step: Step) -> Array:
    """The matrix of a linear step, (outputs, inputs)."""
    weight = step.weights["weight"]
    return weight.reshape(weight.shape[:2])


def rows_of(wire: Wire) -> tuple[Step, range] | None:
    """The linear step that a value is some rows of, and which; None for what is none's."""
    step = wire.step
    if step is None:
        return None
    if (layer := _at_one_place(step)) is not None:
        return layer, range(wire.sizes[0])
    if step.head.startswith("slice(") and "axis" not in step.head and "step" not in step.head:
        numbers = [int(text) for text in step.head[6:-1].split(", ")]
        part = slice(numbers[0], numbers[1] if len(numbers) > 1 else None)
    elif step.head.startswith("split("):
        start = sum(before.sizes[0] for before in step.made[: step.made.index(wire)])
        part = slice(start, start + wire.sizes[0])
    else:
        return (step, range(wire.sizes[0])) if is_linear(step) else None
    whole = step.inputs[0]
    inner = rows_of(whole)
    return None if inner is None else (inner[0], inner[1][part])


def _at_one_place(step: Step) -> Step | None:
    """The layer of all of a value that has one place, if the step only says that its result has one too."""
    layer = step.inputs[0].step if step.head.startswith("reshape(") else None
    if layer is None or not layer.head.startswith("fc-") or "over=channels" in layer.given:
        return None
    source, made = layer.inputs[0], step.made[0]
    return layer if prod(source.sizes[1:]) == 1 and made.sizes[1:] == source.sizes[1:] else None


def with_rows(steps: Steps, wire: Wire, order: Array, source: Wire | None = None) -> Wire | None:
    """A linear step of these channels of a value that is one, normalised or not; None where it is not.

    It reads `source`, what the value is made of if that is not said.
    """
    norm = wire.step
    if norm is not None and re.fullmatch(r"bn(\(.*\))?", norm.head):
        inner = with_rows(steps, norm.inputs[0], order, source)
        if inner is None:
            return None
        own = {name: array[order] for name, array in norm.weights.items()}
        return steps.step(norm.head, [inner], inner.sizes, *norm.given, weights=own)
    found = rows_of(wire)
    if found is None:
        return None
    step, rows = found[0], np.asarray(found[1])[order]
    source = source or step.inputs[0]
    head = f"{step.head.rpartition('-')[0]}-{len(rows)}"
    weights = {name: array[rows] for name, array in step.weights.items()}
    given = [*step.given] if is_linear(step) else ["over=channels", *step.given]
    return steps.step(head, [source], (len(rows), *source.sizes[1:]), *given, weights=weights)
