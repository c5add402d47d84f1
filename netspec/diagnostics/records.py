"""Diagnostics: what netspec says about a spec that is wrong.

A diagnostic is a frozen record: its text is in the class, its facts are in the fields. The classes
live in `netspec.diagnostics.messages`; `render` gives the one textual form of all of them.
"""

from __future__ import annotations

import string
from collections.abc import Iterator
from dataclasses import dataclass, field
from inspect import get_annotations
from typing import Any, ClassVar, dataclass_transform

from netspec.diagnostics.source import Span


@dataclass(frozen=True, slots=True)
class Label:
    """A second place that explains the first: where the other side came from."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Edit:
    """A replacement that was tried and checks."""

    span: Span
    replacement: str
    text: str


class _Facts(string.Formatter):
    """Formats a diagnostic's fields: control characters never reach a terminal."""

    def __init__(self, longest: int) -> None:
        self._longest = longest

    def format_field(self, value: Any, format_spec: str) -> str:
        text = printable(super().format_field(value, format_spec))
        return text if len(text) <= self._longest else text[: self._longest - 3] + "..."


def printable(text: str) -> str:
    """`text` with control and direction-changing characters spelt as escapes."""
    if text.isprintable():
        return text
    return "".join(ch if ch.isprintable() else ch.encode("unicode_escape").decode() for ch in text)


REGISTRY: dict[str, type[Problem]] = {}


@dataclass_transform(frozen_default=True)
class Problem:
    """What is wrong, before it is known where: a frozen record.

    Subclasses give `code`, `title` and, where useful, `help`; both are format strings over the
    subclass's fields. `explain` is the paragraph that `netspec explain CODE` prints.
    `about` names the parameters of the step that the problem depends on: where one of them came
    from a `default` line, the message says which. A fact of more than `longest` characters is cut:
    a message stays readable, and a report bounded.
    """

    code: ClassVar[str]
    title: ClassVar[str]
    help: ClassVar[str] = ""
    explain: ClassVar[str] = ""
    about: ClassVar[tuple[str, ...]] = ()
    longest: ClassVar[int] = 240

    _fields: ClassVar[tuple[str, ...]] = ()

    # A dataclass of each of them would cost as much as checking a spec, so the base class does it.

    def __init_subclass__(cls) -> None:
        cls._fields = tuple(get_annotations(cls))
        if "code" not in cls.__dict__:
            return
        if cls.code in REGISTRY:
            raise TypeError(f"{cls.code} names {REGISTRY[cls.code].__name__} and {cls.__name__}")
        REGISTRY[cls.code] = cls

    def __init__(self, *values: Any, **named: Any) -> None:
        given = dict(zip(self._fields, values, strict=False), **named)
        for name in self._fields:
            if name not in given and not hasattr(type(self), name):
                raise TypeError(f"{type(self).__name__} needs {name}")
        if len(values) > len(self._fields) or not given.keys() <= set(self._fields):
            raise TypeError(f"{type(self).__name__} takes {', '.join(self._fields)}")
        self.__dict__.update(given)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.facts == getattr(other, "facts", None)

    def __hash__(self) -> int:
        return hash((self.code, self.headline))

    def __repr__(self) -> str:
        return f"<{self.code} {type(self).__name__}: {self.headline}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), tuple(self.facts.values())

    @property
    def facts(self) -> dict[str, Any]:
        """The fields by name."""
        return {name: getattr(self, name) for name in self._fields}

    def _text(self, template: str) -> str:
        return _Facts(self.longest).vformat(template, (), self.facts)

    @property
    def headline(self) -> str:
        return self._text(self.title)

    @property
    def advice(self) -> str:
        return self._text(self.help)


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """A problem at a place, with the block calls that led there, innermost first."""

    problem: Problem
    span: Span | None
    labels: tuple[Label, ...] = ()
    calls: tuple[Label, ...] = ()
    edits: tuple[Edit, ...] = ()
    warning: bool = False

    @property
    def code(self) -> str:
        return self.problem.code


class Rejection(Exception):
    """Raised where a problem is found and the place is not known; the elaborator adds the place."""

    def __init__(self, problem: Problem, labels: tuple[Label, ...] = ()) -> None:
        super().__init__(problem.headline)
        self.problem = problem
        self.labels = labels


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
        super().__init__(render(diagnostics, more))

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.diagnostics, self.status, self.more)


def _rebuild(diagnostics: tuple[Diagnostic, ...], status: int, more: int) -> NetspecError:
    return NetspecError(diagnostics, status=status, more=more)


@dataclass
class Collector:
    """Diagnostics gathered over one run: each place and problem once, at most `limit` kept."""

    limit: int = 20
    kept: list[Diagnostic] = field(default_factory=list)
    total: int = 0
    _seen: set[tuple[str, str, int]] = field(default_factory=set)

    def add(self, diagnostic: Diagnostic) -> None:
        span = diagnostic.span
        key = (diagnostic.code, span.source.name if span else "", span.start if span else -1)
        if key in self._seen:
            return
        self._seen.add(key)
        if not diagnostic.warning:
            self.total += 1
        if len(self.kept) < self.limit:
            self.kept.append(diagnostic)

    @property
    def failed(self) -> bool:
        return self.total > 0

    def raise_errors(self) -> None:
        if self.failed:
            kept = tuple(sorted(self.kept, key=_place))
            raise NetspecError(kept, more=max(0, self.total - len(kept)))


def _place(diagnostic: Diagnostic) -> tuple[int, str, int]:
    span = diagnostic.span
    if span is None:
        return (1, "", 0)
    return (0, span.source.name, span.start)


# --- rendering

_WIDTH = 100
_CALLS = 8


def render(diagnostics: tuple[Diagnostic, ...], more: int = 0, *, compact: bool = False) -> str:
    """The diagnostics as text: one block each, or one line each when `compact`."""
    blocks = [_compact(item) if compact else "\n".join(_block(item)) for item in diagnostics]
    if more:
        blocks.append(f"... and {more} more")
    return ("\n" if compact else "\n\n").join(blocks)


def _compact(item: Diagnostic) -> str:
    place = f"{item.span}: " if item.span else ""
    return f"{place}{_kind(item)}[{item.code}]: {item.problem.headline}"


def _kind(item: Diagnostic) -> str:
    return "warning" if item.warning else "error"


def _block(item: Diagnostic) -> Iterator[str]:
    yield f"{_kind(item)}[{item.code}]: {item.problem.headline}"
    if item.span:
        yield from _excerpt(item.span, "-->")
    for label in item.labels:
        yield from _excerpt(label.span, "...", label.text)
    for call in (
        item.calls if len(item.calls) <= _CALLS else (*item.calls[:3], None, *item.calls[-2:])
    ):
        if call is None:
            yield f"  ... {len(item.calls) - 5} calls between"
        else:
            yield f"  in {printable(call.text)} at {call.span}"
    if item.problem.advice:
        yield f"  help: {item.problem.advice}"
    for edit in item.edits:
        yield f"  try: {printable(edit.text)}"


def _excerpt(span: Span, arrow: str, text: str = "") -> Iterator[str]:
    line, column = span.source.position(span.start)
    yield f" {arrow} {span.source.name}:{line}:{column}" + (f": {printable(text)}" if text else "")
    code = span.source.line(line)
    start = max(0, column - 1 - _WIDTH // 2) if len(code) > _WIDTH else 0
    code = code[start : start + _WIDTH].replace("\t", " ")
    at = column - 1 - start
    marked = printable(code[at : at + span.end - span.start])
    yield f"{line:>5} | {printable(code)}"
    yield "      | " + " " * len(printable(code[:at])) + "^" * max(1, len(marked))


def as_json(diagnostics: tuple[Diagnostic, ...], more: int = 0) -> dict[str, Any]:
    """The diagnostics as plain data; `format_version` 1."""
    return {
        "format_version": 1,
        "diagnostics": [_plain(item) for item in diagnostics],
        "more": more,
    }


def _plain(item: Diagnostic) -> dict[str, Any]:
    return {
        "code": item.code,
        "severity": _kind(item),
        "message": item.problem.headline,
        "help": item.problem.advice or None,
        **_plain_span(item.span),
        "labels": [{"text": label.text, **_plain_span(label.span)} for label in item.labels],
        "calls": [{"text": call.text, **_plain_span(call.span)} for call in item.calls],
        "edits": [
            {"text": edit.text, "replacement": edit.replacement, **_plain_span(edit.span)}
            for edit in item.edits
        ],
    }


def _plain_span(span: Span | None) -> dict[str, Any]:
    if span is None:
        return {"file": None, "line": None, "column": None, "end": None}
    return {
        "file": span.source.name,
        "line": span.line,
        "column": span.column,
        "end": span.column + span.end - span.start,
    }
