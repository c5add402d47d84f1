"""Sizes that are likely to be meant otherwise: of the braces around, in those of `for` and `if`."""

from __future__ import annotations

from collections.abc import Callable, Container

from netspec.diagnostics.messages.shapes import SizeOfBracesDoubted
from netspec.diagnostics.records import Diagnostic
from netspec.diagnostics.source import Span
from netspec.ops.declare.values import show
from netspec.sizes.asked import SIZES, size_of
from netspec.sizes.shapes import TensorType
from netspec.syntax import ast
from netspec.syntax.words import words_of


class SizeDoubts:
    """Collects a warning for each place where a step asks for such a size; `found` are by their place."""

    def __init__(self) -> None:
        self.found: dict[Span, Diagnostic] = {}
        self._asked: dict[ast.Step, tuple[ast.Variable, ...]] = {}

    def look_at(
        self,
        step: ast.Step,
        around: TensorType,
        inside: tuple[str, TensorType],
        known: Container[str],
        span: Callable[[ast.Extent], Span],
    ) -> None:
        """Looks at a step that is about to run in the braces of a `for` or `if`.

        Sizes are those of `around`; `inside` are that word and what flows into its braces. What is
        `known` is a parameter and no size.
        """
        asked = self._asked.get(step)
        if asked is None:
            asked = tuple(node for node in words_of(step) if node.name in SIZES)
            self._asked[step] = asked
        for node in asked:
            here, inner = size_of(node.name, around), size_of(node.name, inside[1])
            if node.name in known or inner is None or here == inner:
                continue
            problem = SizeOfBracesDoubted(node.name, show(here), inside[0], show(inner))
            place = span(node.extent)
            self.found.setdefault(place, Diagnostic(problem, place, warning=True))
