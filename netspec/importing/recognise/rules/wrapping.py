"""Tensors put round at their border: what is cut off at one end, joined at the other, is padding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from netspec.importing.files.program import Node
from netspec.importing.recognise.rules.cuts import cuts

Shape = tuple[int, ...]


def wrapped(node: Node, makers: Mapping[str, Node], shapes: Mapping[str, Shape]) -> Node | None:
    """The node that pads a tensor by what stands at its other end; None where a join is of others.

    What was padded so along other axes is padded along all of them at once.
    """
    whole = [name for name in node.inputs if name not in makers or makers[name].op != "Slice"]
    shape = shapes.get(whole[0], ()) if len(whole) == 1 else ()
    if not shape or not 1 < len(node.inputs) < 4:
        return None
    source, axis = whole[0], node.get("axis", 0) % len(shape)
    place, amounts = node.inputs.index(source), [0, 0]
    for i, name in enumerate(node.inputs):
        if i == place:
            continue
        made = makers[name]
        found = cuts(made, shape) if made.inputs[0] == source else None
        if found is None or found.keys() != {axis} or amounts[i > place]:
            return None
        start, end, step = found[axis]
        # What comes in front was the end, what comes behind the start.
        at_end = (start if i > place else shape[axis] - end) == 0
        if step != 1 or not at_end:
            return None
        amounts[i > place] = end - start
    pads = [0] * (2 * len(shape))
    pads[axis], pads[axis + len(shape)] = amounts
    inner = makers.get(source)
    if inner is not None and inner.op == "Pad" and inner.get("mode") == "wrap":
        before = inner.get("pads")
        if len(before) == len(pads) and not any(a and b for a, b in zip(pads, before, strict=True)):
            pads = [a + b for a, b in zip(pads, before, strict=True)]
            source = inner.inputs[0]
    return replace(
        node, op="Pad", inputs=(source,), attributes={"pads": tuple(pads), "mode": "wrap"}
    )
