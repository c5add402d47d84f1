"""A graph with nodes left out: what every pass is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from netspec.graph.checked import Graph, Head, Node, Output, Value

Bypass = Callable[[Node], int | None]


def rewrite(
    graph: Graph,
    bypass: Bypass,
    *,
    outputs: Iterable[Output] | None = None,
    heads: tuple[Head, ...] | None = None,
) -> Graph:
    """The graph without the nodes that `bypass` maps to an input, and without what nothing reads.

    `bypass(node)` is the index of the input that stands in for the node, or None to keep it.
    Inputs of the net stay, read or not.
    """
    stand_in: dict[Value, Value] = {}
    copies: dict[Node, Node] = {}

    def current(value: Value) -> Value:
        found = stand_in.get(value, value)
        node = copies.get(found.node, found.node)
        return Value(node, found.index)

    kept_outputs = tuple(graph.outputs if outputs is None else outputs)
    kept_heads = graph.heads if heads is None else heads
    wanted = needed([o.value for o in kept_outputs] + [h.value for h in kept_heads])
    nodes = []
    for node in graph.nodes:
        if node.inputs and node not in wanted:
            continue
        through = bypass(node) if node.inputs else None
        if through is not None:
            source = stand_in.get(node.inputs[through], node.inputs[through])
            stand_in[node.output] = source
            continue
        # Before the first that is left out, nothing has changed.
        if stand_in:
            inputs = tuple([current(value) for value in node.inputs])
            if inputs != node.inputs:
                copies[node] = node = replace(node, inputs=inputs)
        nodes.append(node)
    new_outputs = tuple(replace(o, value=current(o.value)) for o in kept_outputs)
    new_heads = tuple(Head(h.name, current(h.value), h.loss) for h in kept_heads)
    alive = wanted
    if stand_in:
        alive = needed([o.value for o in new_outputs] + [h.value for h in new_heads])
    return graph.replace(
        nodes=tuple(node for node in nodes if not node.inputs or node in alive),
        outputs=new_outputs,
        heads=new_heads,
    )


def needed(values: list[Value]) -> set[Node]:
    """The nodes that values are computed by, inputs among them."""
    found: set[Node] = set()
    pending = [value.node for value in values]
    while pending:
        node = pending.pop()
        if node not in found:
            found.add(node)
            pending.extend(value.node for value in node.inputs)
    return found
