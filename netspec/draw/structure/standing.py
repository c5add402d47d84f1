"""How the one copy that a repeat is drawn with stands for the others, connection by connection."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from netspec.draw.structure.choosing import telling
from netspec.draw.structure.elements import Repeat, nodes_of
from netspec.draw.structure.opening import copies_of
from netspec.foundation.records import record
from netspec.graph.checked import Graph, Node


@record(eq=False)
class Standing:
    """What flows into the copy that is drawn and out of it, for all copies.

    `comes` says for what this copy reads where that comes from outside: what the first reads in the
    place of what another copy gives. `leaves` says which of its nodes stands for one of another copy.
    """

    comes: dict[Node, tuple[Node, ...]]
    leaves: dict[Node, Node]


ALONE = Standing({}, {})


def outside(graph: Graph, nodes: Iterable[Node]) -> list[Node]:
    """What these nodes read of others along lines, each once."""
    nodes = tuple(nodes)
    own, lined = set(nodes), telling(graph).lined
    read = (value.node for node in nodes for value in lined(node))
    return list(dict.fromkeys(node for node in read if node not in own))


def leaving(graph: Graph, nodes: Iterable[Node]) -> list[Node]:
    """Those of these nodes that others read along lines."""
    nodes = tuple(nodes)
    own, lined = set(nodes), telling(graph).lined
    return [
        node
        for node in nodes
        if any(
            user not in own and any(value.node is node for value in lined(user))
            for user in graph.consumers[node]
        )
    ]


def standing(graph: Graph, repeat: Repeat) -> Standing | None:
    """How the copy that is drawn stands for all; None where what another reads has no place in it."""
    drawn = nodes_of(repeat.element)
    copies = [tuple(n for item in copy for n in nodes_of(item)) for copy in copies_of(repeat)]
    others = [copy for copy in copies if set(copy) != set(drawn)]
    run = {node for copy in copies for node in copy}
    comes = _comes(graph, drawn, others, run, abreast=repeat.abreast)
    ends = leaving(graph, sorted(run, key=lambda node: node.index))
    leaves = _leaves(drawn, others, ends)
    return None if comes is None or leaves is None else Standing(comes, leaves)


def _comes(
    graph: Graph,
    drawn: Sequence[Node],
    others: Sequence[Sequence[Node]],
    run: set[Node],
    *,
    abreast: bool,
) -> dict[Node, tuple[Node, ...]] | None:
    own = outside(graph, drawn)
    found = {node: [] if node in run else [node] for node in own}
    known = {node for node in own if node not in run}
    for copy in others:
        theirs = outside(graph, copy)
        instead = [node for node in own if node not in theirs and (abreast or node in run)]
        for i, node in enumerate(node for node in theirs if node not in own):
            if node in run or node in known:
                continue
            if not instead:
                return None
            found[instead[min(i, len(instead) - 1)]].append(node)
            known.add(node)
    # What reads all before it has one line for them.
    first = next((node for copy in (*others, drawn) for node in outside(graph, copy)), None)
    if first is None or first in run:
        return None if any(not nodes for nodes in found.values()) else _frozen(found)
    return _frozen({node: nodes or [first] for node, nodes in found.items()})


def _frozen(found: dict[Node, list[Node]]) -> dict[Node, tuple[Node, ...]]:
    return {node: tuple(nodes) for node, nodes in found.items()}


def _leaves(
    drawn: Sequence[Node], others: Sequence[Sequence[Node]], ends: Sequence[Node]
) -> dict[Node, Node] | None:
    found: dict[Node, Node] = {}
    for copy in others:
        for i, node in enumerate(copy):
            if node not in ends:
                continue
            if len(copy) == len(drawn):
                twin = drawn[i]
            elif i + 1 == len(copy):
                twin = drawn[-1]
            else:
                return None
            if twin not in ends:
                return None
            found[node] = twin
    return found
