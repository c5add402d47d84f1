"""Slices along one axis of a map after another, which are one crop."""

from __future__ import annotations

import re
from collections import Counter

from netspec.importing.recognise.layers import sides
from netspec.importing.recognise.steps import Step

_SLICE = re.compile(r"slice\((\d+)(?:, (\d+))?, axis=(depth|height|width)\)")
_AXES = {2: ("height", "width"), 3: ("depth", "height", "width")}


def cropped(steps: list[Step]) -> None:
    """Makes crops of slices, in place; what they leave is unused."""
    reads = Counter(id(wire) for step in steps for wire in (*step.inputs, *step.named.values()))
    cut: dict[int, dict[int, tuple[int, int]]] = {}
    for step in steps:
        found = _SLICE.fullmatch(step.head)
        if found is None or step.given:
            continue
        before, axes = step.inputs[0], _AXES[len(step.inputs[0].sizes) - 1]
        place = axes.index(found[3])
        size = before.sizes[place + 1]
        own = {place: (int(found[1]), size - int(found[2] or size))}
        first = cut.get(id(before.step), {})
        if first and reads[id(before)] == 1 and place not in first and before.step is not None:
            own |= first
            step.inputs = before.step.inputs
            pairs = [own.get(i, (0, 0)) for i in range(len(axes))]
            step.head = f"crop({sides(pairs)})"
        cut[id(step)] = own
