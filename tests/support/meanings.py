"""What a graph means, whatever its nodes are called: equal for texts that say the same net."""

from __future__ import annotations

from typing import Any

from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.graph.checked import Graph, Node
from netspec.graph.written import written
from netspec.syntax.fmt import format_text


def meaning(graph: Graph) -> list[Any]:
    """Operators, connections, types, sharing, heads, ends and conditions, by number of node."""

    def read(node: Node) -> list[tuple[int, int]]:
        return [(value.node.index, value.index) for value in node.inputs]

    def head(path: str | None) -> str | None:
        return path and path.replace(".", "_")

    number = {node.path: node.index for node in graph.nodes}
    nodes = [
        (_operator(node), read(node), node.types, number[node.owner], head(node.head), node.frozen)
        for node in graph.nodes
    ]
    heads = [(head(h.name), h.value.node.index, h.value.index, h.loss) for h in graph.heads]
    ends = [(o.name, o.value.node.index, o.value.index) for o in graph.outputs]
    return [nodes, heads, ends, graph.sizes, graph.metadata, graph.legality.describe()]


def _operator(node: Node) -> tuple[str, dict[str, Any]]:
    """The operator without the layers that follow it, which are nodes of their own."""
    given = {k: v for k, v in vars(node.op).items() if k not in node.op.follows}
    return type(node.op).__name__, given


def says_itself(graph: Graph) -> str:
    """The text of a graph: it builds the same net, whose text it is, in canonical layout."""
    text = written(graph)
    again = build(Source("<written>", text))
    assert meaning(again) == meaning(graph), "the text of the net says another one"
    assert written(again) == text, "the text of the net is no fixed point"
    assert format_text(text) == text, "the text of the net is not in canonical layout"
    return text
