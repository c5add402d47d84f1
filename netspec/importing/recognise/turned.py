"""Pads behind the transposition that reads them, so that they meet what slides over the map.

TensorFlow pads with the channels last, and its convolutions are written with the channels first.
"""

from __future__ import annotations

from dataclasses import replace

from netspec.importing.files.program import Node, Program


def turned(program: Program) -> None:
    """Puts each Pad that only a Transpose reads behind it, in place."""
    makers, readers = program.makers(), program.readers()
    found: list[Node] = []
    for node in program.nodes:
        pad = makers.get(node.inputs[0]) if node.op == "Transpose" and node.inputs else None
        shape = program.shapes.get(pad.inputs[0]) if pad is not None and pad.inputs else None
        perm = tuple(node.get("perm") or ())
        alone = pad is not None and len(readers.get(pad.output, ())) == 1
        if pad is None or pad.op != "Pad" or shape is None or not alone:
            found.append(node)
            continue
        amounts, rank = tuple(pad.get("pads", ())), len(shape)
        whole = len(amounts) == 2 * rank and not pad.get("axes") and len(pad.inputs) == 1
        if pad.output in program.outputs or sorted(perm) != list(range(rank)) or not whole:
            found.append(node)
            continue
        name = f"{node.output}.before"
        while name in program.shapes or name in program.constants:
            name += "."
        program.shapes[name] = tuple(shape[axis] for axis in perm)
        moved = tuple(amounts[axis] for axis in perm) + tuple(amounts[rank + axis] for axis in perm)
        found.append(replace(node, inputs=pad.inputs, outputs=(name,)))
        given = {**pad.attributes, "pads": moved}
        found.append(replace(pad, inputs=(name,), outputs=node.outputs, attributes=given))
    program.nodes[:] = found
    program.nodes[:] = program.used()
