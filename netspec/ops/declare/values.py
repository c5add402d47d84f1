"""What a parameter's value may be besides numbers: words and layers; and how values are typed."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import field
from typing import Any

from netspec.foundation.records import record
from netspec.sizes.dims import Formula, Open, exact


@record
class Name:
    """A word used as a value: `same`, `relu`. `unit` is the file it was written in.

    `scope` and `extent` say what was known there and where it stands, for words that mean nothing.
    """

    text: str
    unit: Any = field(default=None, compare=False, repr=False)
    scope: Any = field(default=None, compare=False, repr=False)
    extent: Any = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return self.text


@record
class Layer:
    """A layer as a value: `relu`, `leaky(0.1)`, with its evaluated arguments."""

    name: str
    positional: tuple[Any, ...] = ()
    named: tuple[tuple[str, Any], ...] = ()
    unit: Any = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        given = [show(v) for v in self.positional] + [f"{k}={show(v)}" for k, v in self.named]
        return f"{self.name}({', '.join(given)})" if given else self.name


def told_apart(value: Any, otherwise: Callable[[Any], Hashable]) -> Hashable:
    """What tells a value from all that are written otherwise: 1, 1.0, yes and an open size are equal.

    `otherwise` says it of what is no number, text, word, layer or tuple of these.
    """
    kind = type(value)
    if kind is int or kind is bool or kind is str or value is None:
        return kind, value
    if kind is float:
        return kind, value.hex()
    if kind is tuple:
        return kind, *[told_apart(item, otherwise) for item in value]
    if kind is Open or kind is Formula:
        return kind, exact(value)
    if kind is Name:
        return kind, value.text, value.unit
    if kind is Layer:
        positional = tuple([told_apart(item, otherwise) for item in value.positional])
        named = tuple([(name, told_apart(item, otherwise)) for name, item in value.named])
        return kind, value.name, positional, named, value.unit
    return otherwise(value)


def show(value: Any) -> str:
    """A value as it would be typed."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "none"
    if isinstance(value, tuple):
        return f"({', '.join(show(item) for item in value)})"
    return str(value) if value != "" else '""'


def quoted(value: object) -> str:
    """A value as a line of metadata has it: texts in their quotes."""
    return f'"{value}"' if isinstance(value, str) else show(value)
