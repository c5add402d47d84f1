"""Branches of a net: which layers are on which way from where they part to where they meet."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from itertools import combinations

from netspec.checkpoints.function import SYMMETRIC
from netspec.graph.checked import Graph, Node
from netspec.ops.arranging.merge import Add


def shortcuts_of(graph: Graph, weighted: Callable[[Node], object]) -> set[Node]:
    """The layers on the shorter of the two ways from a fork to an addition, in layers with weights."""
    found: set[Node] = set()
    for node in graph.nodes:
        if isinstance(node.op, Add) and len(node.inputs) == 2:
            ways = _ways(node.inputs[0].node, node.inputs[1].node)
            short, long = sorted(
                (sum(1 for n in way if weighted(n)), i) for i, way in enumerate(ways)
            )
            if short[0] < long[0]:
                found.update(ways[short[1]])
    return found


def sides_of(graph: Graph) -> dict[Node, dict[Node, int]]:
    """The branches that nodes alone are on, of merges that do not ask which input is which: for each
    node, the input of each such merge.
    """
    found: dict[Node, dict[Node, int]] = {}
    for node in graph.nodes:
        if isinstance(node.op, SYMMETRIC):
            for (i, first), (j, second) in combinations(enumerate(node.inputs), 2):
                for side, way in zip((i, j), _ways(first.node, second.node), strict=True):
                    for member in way:
                        found.setdefault(member, {})[node] = side
    return found


def _ways(first: Node, second: Node) -> tuple[list[Node], list[Node]]:
    """What leads to one of two nodes only, back to where their ways part."""
    sides = {first: {0}}
    sides.setdefault(second, set()).add(1)
    ways: tuple[list[Node], list[Node]] = ([], [])
    open_ = [(-node.index, node) for node in sides]
    heapify(open_)
    alone = sum(1 for _, node in open_ if len(sides[node]) == 1)
    while open_ and alone:
        _, node = heappop(open_)
        if len(sides[node]) == 1:
            alone -= 1
            ways[min(sides[node])].append(node)
        for value in node.inputs:
            before = sides.get(value.node)
            if before is None:
                sides[value.node] = set(sides[node])
                heappush(open_, (-value.node.index, value.node))
                alone += len(sides[node]) == 1
            elif len(before) == 1 and not sides[node] <= before:
                before |= sides[node]
                alone -= 1
    return ways
