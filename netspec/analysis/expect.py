"""What a spec expects of itself: `expect params=61706, macs=416520`."""

from __future__ import annotations

from netspec import ast
from netspec.analysis.costs import costs
from netspec.bind import Misplaced, evaluate_at
from netspec.diagnostics import Collector, Diagnostic
from netspec.errors.expect import ExpectationNotANumber, NotAsExpected, UnknownExpectation
from netspec.graph import Graph
from netspec.ops.params import show
from netspec.scope import Level, Scope
from netspec.units import Unit

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


def expected_values(graph: Graph) -> dict[str, object]:
    """What can be expected, by key; `_training` includes the training-only heads."""
    deployed, training = costs(graph), costs(graph, heads=True)
    return {
        "params": deployed.params,
        "params_frozen": deployed.params_frozen,
        "params_total": deployed.params + deployed.params_frozen,
        "buffers": deployed.buffers,
        "constants": deployed.constants,
        "macs": deployed.macs,
        "depth": deployed.depth,
        "params_training": training.params,
        "buffers_training": training.buffers,
        "macs_training": training.macs,
    }


def check_expectations(graph: Graph, unit: Unit, collector: Collector) -> None:
    """Holds a graph to its file's `expect` lines."""
    lines = [item for item in unit.metadata if isinstance(item, ast.Pairs) and item.key == "expect"]
    if not lines:
        return
    found = expected_values(graph)
    scope = Scope(unit, Level(""), dict(graph.parameters), {}, {})
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
        if isinstance(value, bool) or not isinstance(value, int):
            collector.add(Diagnostic(ExpectationNotANumber(key, show(value)), span))
        elif value != found[key]:
            actual = found[key]
            assert isinstance(actual, int)
            collector.add(Diagnostic(NotAsExpected(key, value, actual), span))
