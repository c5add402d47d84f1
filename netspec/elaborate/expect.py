"""What a spec expects of itself: `expect params=61706, macs=416520`."""

from __future__ import annotations

from netspec.analysis.costs import costs
from netspec.diagnostics.messages.expect import (
    ExpectationNotANumber,
    ExpectationOpen,
    NotAsExpected,
    UnknownExpectation,
)
from netspec.diagnostics.raised import Collector
from netspec.diagnostics.records import Diagnostic, Problem
from netspec.elaborate.bind import Misplaced, evaluate_at
from netspec.elaborate.scope import Level, Scope
from netspec.graph.checked import Graph
from netspec.ops.declare.values import show
from netspec.sizes.dims import Dim, Formula, symbol, symbols_of
from netspec.syntax import ast
from netspec.syntax.units import Unit

KEYS = (
    "params",
    "params_frozen",
    "params_total",
    "buffers",
    "constants",
    "macs",
    "depth",
    "params_training",
    "buffers_training",
    "macs_training",
)


def expected_value(graph: Graph, key: str) -> Dim:
    """What a key of `KEYS` counts in a graph; `_training` includes the training-only heads."""
    if key == "params_total":
        deployed = costs(graph)
        return deployed.params + deployed.params_frozen
    counted = key.removesuffix("_training")
    value: Dim = getattr(costs(graph, heads=counted != key), counted)
    return value


def check_expectations(graph: Graph, unit: Unit, collector: Collector) -> None:
    """Holds a graph to its file's `expect` lines."""
    lines = [item for item in unit.metadata if isinstance(item, ast.Pairs) and item.key == "expect"]
    if not lines:
        return
    # Where the input leaves sizes open, figures are formulas of them.
    sizes = {
        name: symbol(name)
        for node in graph.inputs
        for dim in node.types[0].shape
        for name in symbols_of(dim)
    }
    scope = Scope(unit, Level(""), {**sizes, **dict(graph.parameters)}, {}, {})
    for pair in (pair for line in lines for pair in line.pairs):
        span = unit.span(pair.extent)
        key = pair.name or ""
        if key not in KEYS:
            collector.add(Diagnostic(UnknownExpectation(key, ", ".join(KEYS)), span))
            continue
        try:
            value = evaluate_at(pair.value, scope)
        except Misplaced as rejection:
            collector.add(Diagnostic(rejection.problem, unit.span(rejection.extent)))
            continue
        if isinstance(value, bool) or not isinstance(value, int | Formula):
            collector.add(Diagnostic(ExpectationNotANumber(key, show(value)), span))
        elif value != (actual := expected_value(graph, key)):
            collector.add(Diagnostic(_unmet(key, value, actual), span))


def _unmet(key: str, expected: Dim, actual: Dim) -> Problem:
    if isinstance(expected, int) and not isinstance(actual, int):
        return ExpectationOpen(key, expected, actual)
    return NotAsExpected(key, expected, actual)
