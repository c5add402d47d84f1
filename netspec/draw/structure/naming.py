"""Names that the author of a spec gave to steps, and which of them a picture needs."""

from __future__ import annotations

from functools import lru_cache

from netspec.draw.structure.choosing import telling
from netspec.draw.structure.elements import Block, Step
from netspec.draw.structure.labels import data_inputs, is_given
from netspec.foundation.records import record
from netspec.graph.checked import Call, Graph, Node
from netspec.ops.declare.source import Input

# A connection over so many layers is not followed by eye.
_FAR = 12


@record(eq=False)
class Naming:
    """The names of steps that are read far away, and of what each layer reads from far."""

    named: dict[Node, str]
    read: dict[Node, tuple[str, ...]]


def name_of(step: Step) -> str:
    """The name that was given to a step, or nothing: `conv1` is none."""
    for node in reversed(step.nodes):
        if is_given(node):
            return node.name
    return ""


def called(graph: Graph, block: Block) -> str:
    """What a block is called: its name, without its number where no second stands beside it."""
    alone = not block.is_named and len(_beside(graph)[_place(block.call)]) == 1
    return block.call.block if alone else block.name


@lru_cache(maxsize=16)
def _beside(graph: Graph) -> dict[tuple[Call | None, str], set[Call]]:
    """The calls of one block that stand beside each other in a path, by where that is."""
    found: dict[tuple[Call | None, str], set[Call]] = {}
    for node in graph.nodes:
        for call in node.call.ancestors() if node.call else ():
            if call.component:
                found.setdefault(_place(call), set()).add(call)
    return found


def _place(call: Call) -> tuple[Call | None, str]:
    around = call.parent.ancestors() if call.parent else ()
    return next((outer for outer in around if outer.component), None), call.block


@lru_cache(maxsize=16)
def naming(graph: Graph) -> Naming:
    """Which steps are named by default: those that a layer far behind reads, or that are told by name."""
    found = telling(graph)
    at = {node: i for i, node in enumerate(graph.nodes)}
    named = {v.node: name for v, name in found.names.items() if not isinstance(v.node.op, Input)}
    read: dict[Node, tuple[str, ...]] = {}
    for node in graph.nodes:
        if node.head is not None:
            continue
        lined = found.lined(node)
        far = [v.node for v in lined if at[node] - at[v.node] > _FAR]
        if len(lined) == 1 and all(len(graph.consumers[source]) == 1 for source in far):
            # One follows the other, whatever else is made between them.
            continue
        ported = _ported(graph, node)
        given = [
            source for source in dict.fromkeys(far) if is_given(source) and source not in ported
        ]
        named.update({source: source.name for source in given})
        if given:
            read[node] = tuple(source.name for source in given)
    return Naming(named, read)


def _ported(graph: Graph, node: Node) -> frozenset[Node]:
    """What flows into the block around a node from outside: drawn as an input of the block."""
    call = next((c for c in node.call.ancestors() if c.component), None) if node.call else None
    return _arrivals(graph).get(call, frozenset()) if call else frozenset()


@lru_cache(maxsize=16)
def _arrivals(graph: Graph) -> dict[Call, frozenset[Node]]:
    found: dict[Call, set[Node]] = {}
    for node in graph.nodes:
        around = [c for c in node.call.ancestors() if c.component] if node.call else []
        for value in data_inputs(node):
            inside = set(value.node.call.ancestors()) if value.node.call else set()
            for call in around:
                if call not in inside:
                    found.setdefault(call, set()).add(value.node)
    return {call: frozenset(nodes) for call, nodes in found.items()}
