"""Rejections to diagnostics: with the place, and the block calls that led there."""

from __future__ import annotations

from netspec.diagnostics.messages.names import UnknownName
from netspec.diagnostics.messages.usage import Defect
from netspec.diagnostics.raised import Collector, Rejection
from netspec.diagnostics.records import Diagnostic, Label
from netspec.elaborate.scope import Scope
from netspec.syntax import ast


class Reporter:
    """Adds what was rejected to the diagnostics of a run; a word that nobody gave once for a file.

    What has been said is kept here alone: who only tries or counts reports nothing, so that what it
    meets is still said where it is run.
    """

    def __init__(self, collector: Collector) -> None:
        self.collector = collector
        self._unknown: set[tuple[str, str]] = set()

    def report(self, rejection: Rejection, extent: ast.Extent, scope: Scope) -> None:
        """One diagnostic at `extent` of the scope's file, or of that of a caller's where it is one there."""
        problem, scope = rejection.problem, rejection.scope or scope
        if isinstance(problem, UnknownName):
            if (problem.file, problem.name) in self._unknown:
                return
            self._unknown.add((problem.file, problem.name))
        calls = []
        if scope.call is not None:
            for call in scope.call.ancestors():
                of = f" (copy {call.copy[0]} of {call.copy[1]})" if call.copy else ""
                calls.append(Label(call.span, f"`{call.block}`{of}"))
        self.collector.add(
            Diagnostic(problem, scope.unit.span(extent), rejection.labels, tuple(calls))
        )

    def given_up(self, extent: ast.Extent, scope: Scope) -> None:
        """What is left out in silence has been reported before; if not, that is said here."""
        if not self.collector.failed:
            self.report(Rejection(Defect("a step was left out without a reason")), extent, scope)

    def stop(self, rejection: Rejection, extent: ast.Extent, scope: Scope) -> None:
        """One diagnostic, after which nothing more is read."""
        self.report(rejection, extent, scope)
        self.collector.raise_errors()
