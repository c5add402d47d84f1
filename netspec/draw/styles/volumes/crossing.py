"""What leads where among items side by side whose connections cross."""

from __future__ import annotations

from netspec.draw.structure.elements import Parallel, Series, Tangle, nodes_of
from netspec.draw.structure.labels import data_inputs
from netspec.graph.checked import Graph

Edges = list[tuple[int, int]]


def edges_of(tangle: Tangle) -> Edges:
    """The connections of a tangle; what begins in it has one as if it read what flows in."""
    inside = set(nodes_of(tangle))

    def is_fed(i: int) -> bool:
        own = nodes_of(tangle.items[i]) if i < len(tangle.items) else ()
        return not own or any(v.node not in inside for n in own for v in data_inputs(n))

    return [(a, b) for a, b in tangle.edges if a >= 0 or is_fed(b)]


def is_open(tangle: Tangle, graph: Graph) -> bool:
    """Whether what follows reads something that an item of the tangle reads too, of it or from before."""
    inside = set(nodes_of(tangle))
    read = {a for a, b in tangle.edges if a >= 0 and b < len(tangle.items)}
    shared = {node for a in read for node in nodes_of(tangle.items[a])}
    if (-1, len(tangle.items)) in tangle.edges:
        shared |= {v.node for node in inside for v in data_inputs(node)} - inside
    users = {user for node in shared for user in graph.consumers[node]}
    return any(user not in inside and user.head is None for user in users)


def leading_on(parallel: Parallel, graph: Graph) -> Edges | None:
    """The edges of branches of which not all lead on, as one that only gives a size; else None."""
    nodes, count = set(nodes_of(parallel)), len(parallel.branches)
    outputs = {output.value.node for output in graph.outputs}

    def leads_on(branch: Series) -> bool:
        own = nodes_of(branch)
        users = {user for node in own for user in graph.consumers[node]} - nodes
        read = {value.node for user in users for value in data_inputs(user)}
        return not own or not {*read, *outputs}.isdisjoint(own)

    live = [i for i, branch in enumerate(parallel.branches) if leads_on(branch)]
    if not live or len(live) == count:
        return None
    return [*((-1, i) for i in range(count)), *((i, count) for i in live)]
