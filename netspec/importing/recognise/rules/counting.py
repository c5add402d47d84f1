"""Places that files count of ids, what fills sequences up left out, whatever nodes they have for that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from netspec.importing.files.program import Node, Program
from netspec.importing.recognise.parts.running import run
from netspec.importing.recognise.rules.told import made_of_ids, rows_of
from netspec.importing.recognise.steps import MISFIT
from netspec.importing.recognise.views import View
from netspec.importing.recognise.writer import Unsaid, Writer

# Sequences that counting is tried on, and how many of them are filled up.
_DRAWS, _FILLED = 3, 0.4
_MOST = 2**22


def counted(program: Program) -> None:
    """Puts one node in place of those that count ids for a table of positions, in place."""
    made = made_of_ids(program)
    tables: dict[str, int] = {}
    for node in program.nodes:
        table = program.constants.get(node.inputs[0]) if node.op == "Gather" else None
        if table is not None and table.ndim == 2 and node.inputs[1] in made:
            rows = tables.get(node.inputs[1], len(table))
            tables[node.inputs[1]] = min(rows, len(table))
    found = {}
    for name, rows in tables.items():
        given = _given(program, name, *made[name])
        if given is not None:
            found[name] = {"rows": rows, "longest": rows - given["start"] - 1, **given}
    if found:
        program.nodes[:] = [
            Node("PositionIds", (made[n.output][0],), n.outputs, found[n.output], n.name, n.scopes)
            if n.output in found
            else n
            for n in program.nodes
        ]
        program.nodes[:] = program.used()


def _given(program: Program, name: str, source: str, nodes: list[Node]) -> dict[str, int] | None:
    """What fills sequences up, and what becomes of it; None for what is no such count."""
    shape = program.shapes.get(source, ())
    alike = len(shape) == 2 and program.shapes.get(name) == shape
    if not alike or not any(n.op == "CumSum" for n in nodes) or np.prod(shape) > _MOST:
        return None
    held = {n for node in nodes for n in node.inputs if n in program.constants}
    single = (program.constants[n] for n in held if program.constants[n].size == 1)
    random, ids_there = np.random.default_rng(0), rows_of(program, source)
    for padding in sorted({0, *(int(array.item()) for array in single)}):
        values = run(nodes, {source: np.full(shape, padding)}, program.constants, program.shapes)
        if padding < 0 or values is None or values[name].min() < 0:
            continue
        start = int(values[name].flat[0])
        for _ in range(_DRAWS):
            filled = random.random(shape) < _FILLED
            ids = np.where(filled, padding, random.integers(0, ids_there, shape))
            filled = ids == padding
            values = run(nodes, {source: ids}, program.constants, program.shapes)
            told = np.cumsum(~filled, 1) * ~filled + start
            if values is None or not np.array_equal(values[name], told):
                break
        else:
            return {"padding": padding, "start": start}
    return None


def position_ids(writer: Writer, node: Node) -> View:
    """The places of ids of an input, for tables alone."""
    view = writer.view(node.inputs[0])
    if view.wire.step is not None or view.axes != view.base:
        raise Unsaid("it counts what is no sequence of ids")
    padding, start = node.get("padding"), node.get("start")
    if view.wire.sizes[0] > node.get("longest"):
        raise Unsaid(MISFIT)
    given = [str(node.get("rows"))]
    given += [f"padding={padding}"] * (padding != 1)
    given += [f"start={start}"] * (start != padding)
    wire = writer.step("position_ids", [view.wire], view.wire.sizes, *given)
    wire.only = "embedding"
    return view.on(wire)


COUNTING: dict[str, Callable[[Writer, Node], Any]] = {"PositionIds": position_ids}
