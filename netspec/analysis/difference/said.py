"""What parts of the tree say: which argument, which words, which references."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from netspec.syntax import ast


def argument_of(head: ast.Head, name: str, order: Iterable[str]) -> Any:
    """The expression that a step gives a parameter; None if it gives none."""
    short = {"width": head.width, "stride": head.stride}
    if short.get(name) is not None:
        return short[name]
    named = {a.name: a.value for a in head.arguments if a.name is not None}
    if name in named:
        return named[name]
    said = {*named, *(key for key, value in short.items() if value is not None)}
    free = [key for key in order if key not in said]
    values = [a.value for a in head.arguments if a.name is None]
    values = [value for value in values if not isinstance(value, ast.Reference)]
    return dict(zip(free, values, strict=False)).get(name)


def words_in(value: Any) -> Iterator[str]:
    """The words in an expression, in order."""
    match value:
        case ast.Variable():
            yield value.name
        case ast.Binary():
            yield from words_in(value.left)
            yield from words_in(value.right)
        case ast.Unary():
            yield from words_in(value.operand)
        case ast.Choose():
            for part in (value.condition, value.then, value.otherwise):
                yield from words_in(part)
        case ast.Sequence():
            for part in value.items:
                yield from words_in(part)
        case ast.Indexed():
            yield from words_in(value.of)
            yield from words_in(value.index)
        case ast.Call():
            yield value.name
            for argument in value.arguments:
                yield from words_in(argument.value)


def references_in(body: Any) -> Iterator[ast.Reference]:
    """The steps in braces that are references."""
    chains = body.chains if isinstance(body, ast.Branches) else (body,)
    for chain in chains:
        for link in links_of(chain):
            if isinstance(link, ast.Step) and isinstance(link.action, ast.Reference):
                yield link.action


def links_of(around: Any) -> tuple[Any, ...]:
    """What stands one after the other in a chain or in a file; nothing for other parts."""
    match around:
        case ast.Chain():
            return around.links
        case ast.File():
            return around.items
    return ()


def last_default(
    lines: tuple[ast.Default, ...], below: Any, words: set[str | None], name: str
) -> tuple[ast.Default, Any] | None:
    """The last `default` line before a step that says a parameter, and what it says."""
    found = None
    for line in lines:
        if line.extent[0] > below.extent[0]:
            break
        value = default_of(line, words, name)
        if value is not None:
            found = (line, value)
    return found


def default_of(line: ast.Default, words: set[str | None], name: str) -> Any:
    """What a `default` line says of a parameter, if it is for one of these words; else None."""
    if line.word not in words:
        return None
    return next((a.value for a in line.arguments if a.name == name), None)
