"""A vector that is added to whatever a table gives is in the table, as that of a kind that all words have."""

from __future__ import annotations

from dataclasses import replace

from netspec.importing.files.program import Node, Program


def in_tables(program: Program) -> None:
    """Adds to tables what is added, the same at every place, to all that is looked up in them, in place."""
    makers, readers = program.makers(), program.readers()
    found: list[Node] = []
    for node in program.nodes:
        tensors = [name for name in node.inputs if name not in program.constants]
        look = makers.get(tensors[0]) if node.op == "Add" and len(tensors) == 1 else None
        table = program.constants.get(look.inputs[0]) if look and look.op == "Gather" else None
        alone = look is not None and len(readers.get(look.output, ())) == 1
        if look is None or table is None or not alone or look.output in program.outputs:
            found.append(node)
            continue
        (vector,) = (program.constants[name] for name in node.inputs if name in program.constants)
        same = (
            vector.ndim > 0
            and vector.size
            and (vector == vector.reshape(-1, vector.shape[-1])[0]).all()
        )
        if table.ndim != 2 or look.get("axis", 0) or not same or vector.shape[-1] != table.shape[1]:
            found.append(node)
            continue
        name = f"{node.output} table"
        program.constants[name] = table + vector.reshape(-1, vector.shape[-1])[0]
        inputs = (name, *look.inputs[1:])
        found.append(replace(look, inputs=inputs, outputs=node.outputs, scopes=look.scopes))
        makers[node.output] = found[-1]
    program.nodes[:] = found
    program.nodes[:] = program.used()
