"""Graphs as values: equal where nothing that a graph says tells them apart."""

from __future__ import annotations

from typing import Any

from netspec.diagnostics.source import Span
from netspec.graph.checked import Call, Graph, Value


def told(graph: Graph) -> dict[str, Any]:
    """Everything that a graph holds, nodes by their numbers."""
    calls: dict[Call, int] = {}
    shown: list[Any] = []
    return {
        "name": graph.name,
        "source": graph.source,
        "nodes": [
            (
                node.index,
                type(node.op),
                repr(node.op),
                _values(node.inputs),
                [tensor.exact for tensor in node.types],
                node.path,
                _span(node.span),
                _call(node.call, calls, shown),
                node.owner,
                node.head,
                node.frozen,
            )
            for node in graph.nodes
        ],
        "calls": shown,
        "inputs": [node.index for node in graph.inputs],
        "outputs": [(o.name, *_values([o.value]), o.tap) for o in graph.outputs],
        "heads": [(h.name, *_values([h.value]), h.loss) for h in graph.heads],
        "parameters": repr(graph.parameters),
        "metadata": repr(graph.metadata),
        "sizes": graph.sizes,
        "conditions": [str(condition) for condition in graph.conditions],
        "names": [(name, _values(values)) for name, values in graph.names.items()],
        "files": graph.files,
        "results": [(path, _values(values)) for path, values in graph.results.items()],
    }


def _values(values: Any) -> list[tuple[int, int]]:
    return [(value.node.index, value.index) for value in values if isinstance(value, Value)]


def _span(span: Span | None) -> Any:
    return span and (span.source.name, span.source.text, span.start, span.end)


def _call(call: Call | None, calls: dict[Call, int], shown: list[Any]) -> int | None:
    """A call's number, those around it numbered before."""
    if call is None:
        return None
    if call not in calls:
        around = _call(call.parent, calls, shown)
        calls[call] = len(calls)
        told = (call.block, call.component, call.arguments, call.copy, call.recurrent)
        spans = (_span(call.span), _span(call.definition))
        shown.append((around, *told, *spans, repr(call.values), call.told))
    return calls[call]
