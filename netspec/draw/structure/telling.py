"""Tensors that so many places read that they are named there, and have no line to each.

The step of a diffusion, a text that every block attends to, maps that every step of an iteration looks
into: papers draw what makes them apart, and write their names where they are read.
"""

from __future__ import annotations

from collections.abc import Iterable

from netspec.draw.structure.labels import data_inputs
from netspec.foundation.records import record
from netspec.graph.checked import Call, Graph, Node, Value

# A tensor that fewer layers read is followed along its lines.
_MANY = 6
# What makes more of a net than this share is no side of it.
_LARGEST = 0.3


@record(eq=False)
class Telling:
    """The names of tensors that are said in place of lines, and the layers that make nothing else."""

    names: dict[Value, str]
    makers: frozenset[Node]

    def lined(self, node: Node) -> tuple[Value, ...]:
        """What a node computes with and has a line from."""
        return tuple(value for value in data_inputs(node) if value not in self.names)

    def told(self, nodes: Iterable[Node]) -> tuple[Value, ...]:
        """What nodes compute with and is said by name, each once."""
        read = (value for node in nodes for value in data_inputs(node))
        return tuple(dict.fromkeys(value for value in read if value in self.names))


NOTHING = Telling({}, frozenset())


def tellable(graph: Graph) -> Telling:
    """What could be told of a net: what many layers read that is made apart from all the rest."""
    readers: dict[Value, set[Node]] = {}
    for node in graph.nodes:
        for value in data_inputs(node):
            readers.setdefault(value, set()).add(node)
    most = _LARGEST * len(graph.nodes)
    many = {value for value, found in readers.items() if len(found) >= _MANY}
    while many:
        makers = {value: _before([value.node], many) for value in many}
        live = _before(_ends(graph), many)
        apart = frozenset(node for found in makers.values() for node in found) - live
        whole = _whole(graph, apart)
        kept = {v for v in many if makers[v] <= whole and _is_aside(makers[v], many, most)}
        if kept == many:
            return Telling(_named(sorted(kept, key=lambda v: (v.node.index, v.index))), apart)
        many = kept
    return NOTHING


def _is_aside(makers: set[Node], told: set[Value], most: float) -> bool:
    """Whether layers are a side of a net: not many, and none that reads what others like them make."""
    read = (value for node in makers for value in data_inputs(node))
    return len(makers) <= most and not any(v in told and v.node.inputs for v in read)


def _ends(graph: Graph) -> list[Node]:
    """Where a net and its training-only heads end."""
    heads = [node for node in graph.nodes if node.head is not None]
    return [*(output.value.node for output in graph.outputs), *heads]


def _before(nodes: list[Node], told: set[Value]) -> set[Node]:
    """These nodes and all that leads to them along lines."""
    found: set[Node] = set()
    todo = [*nodes]
    while todo:
        node = todo.pop()
        if node not in found:
            found.add(node)
            todo += [value.node for value in data_inputs(node) if value not in told]
    return found


def _whole(graph: Graph, apart: frozenset[Node]) -> frozenset[Node]:
    """Those of nodes that are in no block with others."""
    mixed = {call for node in graph.nodes if node not in apart for call in _around(node)}
    return frozenset(node for node in apart if mixed.isdisjoint(_around(node)))


def _around(node: Node) -> list[Call]:
    return [call for call in node.call.ancestors() if call.component] if node.call else []


def _named(values: Iterable[Value]) -> dict[Value, str]:
    """A name for each tensor: what the spec calls it, else its layer's path."""
    found: dict[Value, str] = {}
    for value in values:
        name = value.node.name or value.node.path
        taken = name in found.values() or value.index
        found[value] = f"{value.node.path}.{value.index}" if taken else name
    return found
