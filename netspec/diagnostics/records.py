"""Diagnostics: what netspec says about a spec that is wrong.

A diagnostic is a frozen record: its text is in the class, its facts are in the fields. The classes
live in `netspec.diagnostics.messages`; `netspec.diagnostics.render` shows them.
"""

from __future__ import annotations

import string
from inspect import get_annotations
from typing import Any, ClassVar, dataclass_transform

from netspec.diagnostics.source import Span
from netspec.foundation.records import record


@record
class Label:
    """A second place that explains the first: where the other side came from."""

    span: Span
    text: str


@record
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

    def __str__(self) -> str:
        return self.headline  # which is what a message that holds another one says

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
        """The message's first line, facts filled in."""
        return self._text(self.title)

    @property
    def advice(self) -> str:
        """The help, facts filled in; empty where there is none."""
        return self._text(self.help)


@record
class Diagnostic:
    """A problem at a place, with the block calls that led there, innermost first.

    `note` says what was found by looking further: the nearest sizes that fit.
    """

    problem: Problem
    span: Span | None
    labels: tuple[Label, ...] = ()
    calls: tuple[Label, ...] = ()
    edits: tuple[Edit, ...] = ()
    note: str = ""
    warning: bool = False

    @property
    def code(self) -> str:
        """The problem's code, `NS201`."""
        return self.problem.code
