"""Protobuf messages as text, as configurations are written."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

# What a field may hold: texts, numbers, words of an enumeration, messages, and lists of them.
Message = Mapping[str, Any]

_SEAL = "# Written by netspec, sha256 "


class Word(str):
    """A value of an enumeration: written without quotes."""

    __slots__ = ()


def text(message: Message) -> str:
    """A message in protobuf's text format, a line for each number and text.

    Numbers of a list stand in one line; each message of a list is a field of its own.
    """
    return "".join(f"{line}\n" for line in _lines(message))


def entries(pairs: Mapping[str, Any]) -> list[Message]:
    """A field that is a map, as protobuf has it: messages of a key and a value."""
    return [{"key": key, "value": value} for key, value in pairs.items()]


def _lines(message: Message, indent: str = "") -> Iterator[str]:
    for name, value in message.items():
        if isinstance(value, Mapping):
            yield from _block(name, value, indent)
        elif not isinstance(value, Sequence) or isinstance(value, str):
            yield f"{indent}{name}: {_scalar(value)}"
        elif any(isinstance(item, Mapping) for item in value):
            for item in value:
                yield from _block(name, item, indent)
        else:
            shown = ", ".join(map(_scalar, value))
            yield f"{indent}{name}: [{shown and f' {shown} '}]"


def _block(name: str, message: Message, indent: str) -> Iterator[str]:
    if not message:
        yield f"{indent}{name} {{ }}"
        return
    yield f"{indent}{name} {{"
    yield from _lines(message, indent + "  ")
    yield f"{indent}}}"


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Word):
        return str(value)
    return f'"{"".join(map(_escaped, value))}"' if isinstance(value, str) else str(value)


def _escaped(letter: str) -> str:
    if letter in '"\\':
        return "\\" + letter
    return letter if letter.isprintable() else "".join(f"\\{b:03o}" for b in letter.encode())


def sealed(body: str) -> str:
    """A text under a line of comment that has its hash."""
    return f"{_SEAL}{_hash(body)}\n{body}"


def untouched(whole: str) -> bool:
    """Whether a text is as `sealed` gave it."""
    seal, _, body = whole.partition("\n")
    return seal == f"{_SEAL}{_hash(body)}"


def _hash(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()
