"""Ways through a graph: in which order, through which node, and what they read from outside."""

from __future__ import annotations

from netspec.graph.checked import Graph, Node, Value
from netspec.ops.declare.source import Input
from netspec.ops.vectors.sources import Repeat, reads_nothing


def read_by(node: Node) -> tuple[Value, ...]:
    """What a node reads; nothing where it gives the same whatever flows in."""
    return () if reads_nothing(node.op) else operands(node)


def operands(node: Node) -> tuple[Value, ...]:
    """What a node is given, without the repeats for each sample that are put in by themselves."""
    if node.op.batches != "same" or not any(isinstance(v.node.op, Repeat) for v in node.inputs):
        return node.inputs
    counted = node.inputs[: node.op.sized_by]
    like = next((value for value in counted if not isinstance(value.node.op, Repeat)), None)
    return tuple(
        value.node.inputs[0]
        if value in counted and isinstance(value.node.op, Repeat) and value.node.inputs[1] == like
        else value
        for value in node.inputs
    )


def outside(end: Node, head: str) -> set[Node]:
    """What the steps of a training-only head read that are not in it."""
    found: set[Node] = set()
    known: set[Node] = set()
    waiting = [end]
    while waiting:
        node = waiting.pop()
        if node.head != head:
            found.add(node)
        elif node not in known:
            known.add(node)
            waiting += [value.node for value in read_by(node)]
    return found


def meet(
    first: Node | None, other: Node | None, above: dict[Node, Node | None], depth: dict[Node, int]
) -> Node | None:
    """The nearest node that both lie below, or are."""
    while first is not other:
        if first is None or other is None:
            return None
        if depth[first] >= depth[other]:
            first = above[first]
        else:
            other = above[other]
    return first


def reached(graph: Graph) -> list[Node]:
    """The nodes that outputs and heads need, each behind what it reads, in an order by wiring alone."""
    found: dict[Node, None] = dict.fromkeys(graph.inputs)
    ends = [output.value.node for output in graph.outputs] + [h.value.node for h in graph.heads]
    for end in ends:
        waiting = [(end, iter(read_by(end)))]
        while waiting:
            node, inputs = waiting[-1]
            if node in found:
                waiting.pop()
                continue
            source = next((v.node for v in inputs if v.node not in found), None)
            if source is None:
                found[node] = None
                waiting.pop()
            else:
                waiting.append((source, iter(read_by(source))))
    assert all(isinstance(node.op, Input) for node in graph.inputs)
    return list(found)
