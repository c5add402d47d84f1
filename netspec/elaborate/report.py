"""Rejections to diagnostics: with the place, and the block calls that led there."""

from __future__ import annotations

from netspec.diagnostics.raised import Collector, Rejection
from netspec.diagnostics.records import Diagnostic, Label
from netspec.elaborate.scope import Scope
from netspec.syntax import ast


class Reporter:
    """Adds what was rejected to the diagnostics of a run."""

    def __init__(self, collector: Collector) -> None:
        self.collector = collector

    def report(self, rejection: Rejection, extent: ast.Extent, scope: Scope) -> None:
        """One diagnostic at `extent` of the scope's file."""
        calls = []
        if scope.call is not None:
            for call in scope.call.ancestors():
                of = f" (copy {call.copy[0]} of {call.copy[1]})" if call.copy else ""
                calls.append(Label(call.span, f"`{call.block}`{of}"))
        self.collector.add(
            Diagnostic(rejection.problem, scope.unit.span(extent), rejection.labels, tuple(calls))
        )

    def stop(self, rejection: Rejection, extent: ast.Extent, scope: Scope) -> None:
        """One diagnostic, after which nothing more is read."""
        self.report(rejection, extent, scope)
        self.collector.raise_errors()
