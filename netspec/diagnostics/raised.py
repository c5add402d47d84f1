"""How mistakes travel: raised where they are found, collected, and raised together."""

from __future__ import annotations

from collections import Counter
from dataclasses import field
from typing import Any

from netspec.diagnostics.records import Diagnostic, Label, Problem
from netspec.diagnostics.render import COUNTED, render
from netspec.foundation.records import record


class Rejection(Exception):
    """Raised where a problem is found and the place is not known; the elaborator adds the place.

    `scope` is the one that the place is of where that is not the one in which it was found: a caller's.
    """

    def __init__(self, problem: Problem, labels: tuple[Label, ...] = ()) -> None:
        super().__init__(problem.headline)
        self.problem = problem
        self.labels = labels
        self.scope: Any = None


class NetspecError(Exception):
    """Everything netspec refuses, with the diagnostics that say why.

    `status` is the exit status the command line gives: 1 the spec, verification or budget is at
    fault, 2 usage, 3 something optional is not installed, 4 a back-end failed.
    """

    def __init__(
        self, diagnostics: tuple[Diagnostic, ...] | Problem, *, status: int = 1, more: int = 0
    ) -> None:
        if isinstance(diagnostics, Problem):
            diagnostics = (Diagnostic(diagnostics, None),)
        self.diagnostics = diagnostics
        self.status = status
        self.more = more
        super().__init__()

    def __str__(self) -> str:
        # Most are never read: those of edits that are tried, and of nets that are only asked about.
        return render(self.diagnostics, self.more)

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows: the text of the command line, without the frames that found it."""
        return str(self).splitlines()

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.diagnostics, self.status, self.more)


def _rebuild(diagnostics: tuple[Diagnostic, ...], status: int, more: int) -> NetspecError:
    return NetspecError(diagnostics, status=status, more=more)


@record(frozen=False, slots=False)
class Collector:
    """Diagnostics gathered over one run: each place and problem once, at most `limit` kept.

    `allowed` is how many errors of each code a run may meet that only asks whether there are others: at the
    first beyond them it ends. None where all are wanted.
    """

    limit: int = 20
    allowed: Counter[str] | None = None
    kept: list[Diagnostic] = field(default_factory=list)
    total: int = 0
    _seen: set[tuple[str, str, int]] = field(default_factory=set)
    _places: set[tuple[str, int]] = field(default_factory=set)
    _met: Counter[str] = field(default_factory=Counter)

    def add(self, diagnostic: Diagnostic) -> None:
        """Keeps a diagnostic, once for each place and code; beyond the limit errors are counted only.

        Raises NetspecError with what was kept where it is an error beyond those that are allowed.
        """
        span = diagnostic.span
        name, start = (span.source.name, span.start) if span else ("", -1)
        if self.count(diagnostic.code, name, start, diagnostic.warning) and not self.full:
            self.kept.append(diagnostic)
            self._places.add((name, start))
            if self.allowed is not None and not diagnostic.warning:
                self._met[diagnostic.code] += 1
                if self._met[diagnostic.code] > self.allowed[diagnostic.code]:
                    self.raise_errors()

    def count(self, code: str, name: str, start: int, warning: bool = False) -> bool:
        """Counts a problem of the source `name`; whether it is new. Where `full`, that is all `add` does.

        Raises NetspecError with what was kept where there are so many that the rest is not looked for.
        """
        key = (code, name, start)
        if key in self._seen:
            return False
        self._seen.add(key)
        self.total += not warning
        if self.total > COUNTED + self.limit:
            self.raise_errors()
        return True

    def since(self, before: int, problem: Problem) -> None:
        """Puts one problem in place of all that were kept after the first `before`, where the first stood."""
        first = self.kept[before]
        del self.kept[before + 1 :]
        self.kept[before] = Diagnostic(problem, first.span)
        self.total = sum(not item.warning for item in self.kept)

    @property
    def full(self) -> bool:
        """Whether no more diagnostics are kept."""
        return len(self.kept) >= self.limit

    def keeps(self, name: str, start: int) -> bool:
        """Whether a diagnostic at that place of the source `name` is kept."""
        return (name, start) in self._places

    @property
    def added(self) -> int:
        """How many places and problems there are, warnings counted in."""
        return len(self._seen)

    @property
    def failed(self) -> bool:
        """Whether an error was added; warnings do not count."""
        return self.total > 0

    def raise_errors(self) -> None:
        """Raises NetspecError with what was kept, in the order of the text, if there was an error."""
        if self.failed:
            kept = tuple(sorted(self.kept, key=_place))
            raise NetspecError(kept, more=max(0, self.total - len(kept)))


def _place(diagnostic: Diagnostic) -> tuple[int, str, int]:
    span = diagnostic.span
    if span is None:
        return (1, "", 0)
    return (0, span.source.name, span.start)
