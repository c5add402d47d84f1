"""How mistakes travel: raised where they are found, collected, and raised together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import field
from typing import Any

from netspec.diagnostics.messages.names import UnknownLayer
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

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows: the text of the command line, without the frames that found it."""
        return str(self).splitlines()

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.diagnostics, self.status, self.more)


def _rebuild(diagnostics: tuple[Diagnostic, ...], status: int, more: int) -> NetspecError:
    return NetspecError(diagnostics, status=status, more=more)


@record(frozen=False)
class Known:
    """Mistakes that a text has, each its code and its line: what another text may have of them.

    One in a line that was not changed is the same, though another mistake than before may hide it. In such
    `lines`, words of no layer may have been hidden by a mistake in the grammar, and what was `said` of a line
    that is mended now was not said at every place.
    """

    left: list[tuple[str, str]]
    lines: Counter[str] = field(default_factory=Counter)
    said: Diagnostic | None = None

    @classmethod
    def of(
        cls, diagnostics: Iterable[Diagnostic], text: str, said: Diagnostic | None = None
    ) -> Known:
        """The mistakes that were found in a text."""
        return cls([_mistake(item) for item in diagnostics], _lines(text), said)

    def again(self) -> Known:
        """The same, none of them met yet."""
        return Known(list(self.left), self.lines, self.said)

    def meet(self, diagnostic: Diagnostic) -> bool:
        """Takes a mistake off those that are known; whether it is one."""
        code, line = _mistake(diagnostic)
        now = _lines(diagnostic.span.source.text if diagnostic.span else "")
        if line in self.lines:
            same = [known for known in self.left if known[1] == line]
        else:  # one of those of a line that was changed
            same = [known for known in self.left if known[0] == code and known[1] not in now]
        if same:
            self.left.remove(min(same, key=lambda known: known[0] != code))
            return True
        if self.said is None or line not in self.lines:
            return False
        own = _mistake(self.said)[1]
        if line == own and now[own] == self.lines[own]:
            return False
        hidden = isinstance(diagnostic.problem, UnknownLayer) and self.said.code < "NS2"
        return hidden or diagnostic.problem == self.said.problem


def _lines(text: str) -> Counter[str]:
    return Counter(line.strip() for line in text.split("\n"))


def _mistake(diagnostic: Diagnostic) -> tuple[str, str]:
    span = diagnostic.span
    return diagnostic.code, span.source.line(span.line).strip() if span else ""


@record(frozen=False, slots=False)
class Collector:
    """Diagnostics gathered over one run: each place and problem once, at most `limit` kept.

    `allowed` are the errors that a run may meet that only asks whether there are others: at the first beyond
    them it ends. None where all are wanted.
    """

    limit: int = 20
    allowed: Known | None = None
    kept: list[Diagnostic] = field(default_factory=list)
    total: int = 0
    _seen: set[tuple[str, str, int]] = field(default_factory=set)
    _places: set[tuple[str, int]] = field(default_factory=set)

    def add(self, diagnostic: Diagnostic) -> None:
        """Keeps a diagnostic, once for each place and code; beyond the limit errors are counted only.

        Raises NetspecError with what was kept where it is an error beyond those that are allowed.
        """
        span = diagnostic.span
        name, start = (span.source.name, span.start) if span else ("", -1)
        if self.count(diagnostic.code, name, start, diagnostic.warning) and not self.full:
            self.kept.append(diagnostic)
            self._places.add((name, start))
            known = self.allowed is None or diagnostic.warning or self.allowed.meet(diagnostic)
            if not known:
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
