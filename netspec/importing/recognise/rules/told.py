"""What is computed of each id alone is looked up in a table: a mask of ids as factors, lengths of texts."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from netspec.importing.files.program import Array, Node, Program
from netspec.importing.recognise.parts.running import RUN, run

# Ids of an input that no table looks up: of a mask.
_TRUTHS = 2
# Nodes that make such a number, and numbers that are run through them.
_MOST_NODES = 32
_MOST = 2**22
_MOVES = frozenset({"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose"})


def of_ids(program: Program) -> None:
    """Puts a table in place of what is computed of ids, one number for each, and read with other tensors."""
    made, makers = made_of_ids(program), program.makers()
    new: dict[int, list[Node]] = {}
    waiting = [*_ends(program, made)]
    known = set()
    while waiting:
        name, node = waiting.pop()
        if name in known:
            continue
        known.add(name)
        found = _looked_up(program, name, made)
        if found is not None:
            new[id(node)] = found
        else:
            # What is made of places too may be made of what is looked up.
            before = (n for n in node.inputs if n in made and n not in program.integers)
            waiting += [(n, makers[n]) for n in before if n in makers]
    if new:
        nodes = (new.get(id(node), [node]) for node in program.nodes)
        program.nodes[:] = [node for several in nodes for node in several]
        program.nodes[:] = program.used()


def made_of_ids(program: Program) -> dict[str, tuple[str, list[Node]]]:
    """By tensor: the one input of ids that it is made of, and by which nodes, in order."""
    found: dict[str, tuple[str, list[Node]]] = {
        item.name: (item.name, []) for item in program.inputs if item.integers
    }
    for node in program.nodes:
        read = [name for name in node.inputs if name not in program.constants]
        sources = {found[name][0] if name in found else "" for name in read}
        looks_up = node.op == "Gather" and node.inputs[0] in program.constants
        if node.op in RUN and not looks_up and len(sources) == 1 and "" not in sources:
            before = {id(n): n for name in read for n in found[name][1]}
            if len(before) < _MOST_NODES:
                made = (next(iter(sources)), [*before.values(), node])
                found |= dict.fromkeys(node.outputs, made)
    return found


def _ends(program: Program, made: dict[str, tuple[str, list[Node]]]) -> Iterator[tuple[str, Node]]:
    """Numbers made of ids that other nodes read, or that are given out, and what makes them."""
    readers = program.readers()
    for node in program.nodes:
        for name in node.outputs:
            outside = any(not set(n.outputs) <= made.keys() for n in readers.get(name, ()))
            whole = name in program.integers
            if name in made and not whole and (outside or name in program.outputs):
                yield name, node


def _looked_up(
    program: Program, name: str, made: dict[str, tuple[str, list[Node]]]
) -> list[Node] | None:
    """The nodes that look a tensor up in a table by ids (N, S); None where it is no function of each id."""
    source, nodes = made[name]
    own, shape = program.shapes.get(source, ()), program.shapes.get(name, ())
    sizes = [program.shapes.get(n, ()) for node in nodes for n in node.outputs]
    if len(own) != 2 or len(shape) < 2 or shape[0] != own[0] or not all(sizes):
        return None
    if sum(int(np.prod(size)) for size in sizes) > _MOST:
        return None
    rows = rows_of(program, source)
    ids = np.random.default_rng(0).integers(0, rows, own)
    whole = _run(program, nodes, source, ids, name)
    lines = [_run(program, nodes, source, np.full(own, row), name) for row in range(rows)]
    if whole is None or whole.dtype != np.float32 or any(line is None for line in lines):
        return None
    table = np.array([line.flat[0] for line in lines if line is not None], np.float32)
    for axis in (i for i in range(1, len(shape)) if shape[i] == own[1]):
        wide = [n if i in (0, axis) else 1 for i, n in enumerate(shape)]
        if np.array_equal(np.broadcast_to(table[ids].reshape(wide), shape), whole):
            return _nodes(program, name, source, table, wide)
    return None


def rows_of(program: Program, source: str) -> int:
    """How many ids an input can hold: the rows of the smallest table that it is looked up in."""
    same = _moved(program, source)
    tables = [
        program.constants[n.inputs[0]].shape[0]
        for n in program.nodes
        if n.op == "Gather" and n.inputs[1] in same and n.inputs[0] in program.constants
    ]
    return min(tables, default=_TRUTHS)


def _moved(program: Program, source: str) -> set[str]:
    """An input of ids, and the tensors that it is in other axes."""
    found = {source}
    for node in program.nodes:
        if node.op in _MOVES and node.inputs[0] in found:
            found.add(node.output)
    return found


def _run(program: Program, nodes: list[Node], source: str, ids: Array, name: str) -> Array | None:
    values = run(nodes, {source: ids}, program.constants, program.shapes)
    return None if values is None else values[name]


def _nodes(program: Program, name: str, source: str, table: Array, wide: list[int]) -> list[Node]:
    names = [f"{name} {word}" for word in ("table", "looked up", "laid out")]
    program.constants[names[0]] = table[:, None]
    program.shapes.update({names[1]: (*program.shapes[source], 1), names[2]: tuple(wide)})
    return [
        Node("Gather", (names[0], source), (names[1],)),
        Node("Reshape", (names[1],), (names[2],), {"shape": tuple(wide)}),
        Node("Expand", (names[2],), (name,), {"shape": program.shapes[name]}),
    ]
