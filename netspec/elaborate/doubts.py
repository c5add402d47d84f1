"""Sizes that are likely to be meant otherwise: of the braces around, in those of `for` and `if`."""

from __future__ import annotations

from netspec.diagnostics.messages.shapes import SizeOfBracesDoubted
from netspec.diagnostics.records import Diagnostic
from netspec.diagnostics.source import Span
from netspec.elaborate.scope import Scope, words_of
from netspec.ops.declare.values import show
from netspec.sizes.asked import SIZES, size_of
from netspec.syntax import ast


class Doubts:
    """Collects a warning for each place where a step asks for such a size; `found` are by their place."""

    def __init__(self) -> None:
        self.found: dict[Span, Diagnostic] = {}
        self._asked: dict[ast.Step, tuple[ast.Variable, ...]] = {}

    def look_at(self, step: ast.Step, scope: Scope) -> None:
        """Looks at a step in the braces of a `for` or `if`, as a pass is about to run it."""
        if scope.inside is None or not scope.entry:
            return
        word, wire = scope.inside
        if not wire or wire[0] is scope.entry[0]:
            return
        asked = self._asked.get(step)
        if asked is None:
            asked = tuple(node for node in words_of(step) if node.name in SIZES)
            self._asked[step] = asked
        for node in asked:
            here, inner = (size_of(node.name, w[0].type) for w in (scope.entry, wire))
            if node.name in scope.variables or inner is None or here == inner:
                continue
            span = scope.unit.span(node.extent)
            problem = SizeOfBracesDoubted(node.name, show(here), word, show(inner))
            self.found.setdefault(span, Diagnostic(problem, span, warning=True))
