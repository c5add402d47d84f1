"""Graphs as values: equal where nothing that a graph says tells them apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any, TypeVar
from unittest.mock import patch

from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.source import Source, Span
from netspec.elaborate.again.keys import Key
from netspec.elaborate.again.recall import Memo, Recall
from netspec.elaborate.apply import Operators
from netspec.elaborate.build import build
from netspec.graph.checked import Call, Graph, Value

T = TypeVar("T")
# Settings and inputs.
Given = tuple[Mapping[str, Any], tuple[str, ...]]


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
        taken = [(name, value.node.index, value.index) for name, value in call.taken]
        shown.append((around, *told, *spans, repr(call.values), call.told, taken))
    return calls[call]


def outcome(source: Source, given: Given = ({}, ()), memo: Memo | None = None) -> Any:
    """What a source is built to, or what is said against it; without a memo every call is run.

    `given` are settings and inputs.
    """
    settings, inputs = given
    with nullcontext() if memo else patch.object(Recall, "find", _nothing):
        try:
            return told(build(source, settings, inputs, memo=memo or Memo(), mend=False))
        except NetspecError as error:
            return str(error), [repr(diagnostic) for diagnostic in error.diagnostics]


def _nothing(recall: Recall, key: Key | None) -> None:
    return None


def variants(graph: Graph) -> list[Given]:
    """Settings and inputs for a net, some of them wrong; the first come again at the end."""
    node = graph.inputs[0]
    first, *sizes = node.types[0].shape
    found: list[Given] = [({}, ()), ({}, ())]
    for more in (32, 64, -7, -(10**6)):
        changed = [first, *(max(1, s + more) if isinstance(s, int) else 64 for s in sizes)]
        found.append(({}, (f"{node.path}:{'x'.join(map(str, changed))}",)))
    open_ = (
        [str(first), *"DHW"[-len(sizes) :]]
        if len(sizes) > 1
        else [str(first), "T"][: len(sizes) + 1]
    )
    found.append(({}, (f"{node.path}:{'x'.join(open_)}",)))
    for name, value in graph.parameters[:4]:
        match value:
            case bool():
                found.append(({name: not value}, ()))
            case int():
                found += [({name: n}, ()) for n in (value + 1, max(1, value // 2), float(value))]
            case float():
                found.append(({name: value / 2}, ()))
    return found + found[1:4]


def counted(act: Callable[[], T]) -> tuple[T, int]:
    """What a function gives, and how many steps are run for it."""
    count, apply = 0, Operators.apply

    def applied(*values: Any) -> Any:
        nonlocal count
        count += 1
        return apply(*values)

    with patch.object(Operators, "apply", applied):
        return act(), count
