"""The words of expressions: those that stand for values, that a step asks for, that a parameter may be."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import fields, is_dataclass
from functools import lru_cache
from typing import Any

from netspec.syntax import ast

WORDS = {"yes": True, "no": False, "none": None}


def words_of(step: Any) -> Iterator[ast.Variable]:
    """The words that are evaluated for a step, in its order, without those in braces of their own."""
    pending = [step]
    while pending:
        match node := pending.pop():
            case ast.Variable():
                yield node
            case ast.Head():
                pending.extend((node.arguments, node.stride, node.width))
            case ast.Branches() | ast.Freeze() | ast.Every() | ast.TrainingHead():
                pass
            case tuple():
                pending.extend(reversed(node))
            case _ if is_dataclass(node):
                pending.extend(getattr(node, f.name) for f in reversed(fields(node)))


def choices(
    body: ast.Chain, parameter: ast.Parameter, parameters: Collection[ast.Parameter]
) -> tuple[str, ...]:
    """The default and the words that the body compares the parameter with, in their order.

    Empty where no word is the default, or where the parameter is used in other ways too: then a
    word may mean more than is seen here. Asking is all that a block does with such a word, and a third
    one, most often a slip, would go the way of `else` without being said.
    """
    default = parameter.default
    if not isinstance(default, ast.Variable):
        return ()
    compared = dict.fromkeys(_compared(body).get(parameter.name, ()))
    others = {p.name for p in parameters}
    if not compared or None in compared or not others.isdisjoint(compared):
        return ()
    return tuple(dict.fromkeys((default.name, *filter(None, compared))))


@lru_cache(maxsize=4096)
def _compared(body: ast.Chain) -> dict[str, list[str | None]]:
    """The words that each name of a body is compared with; None where it is used otherwise."""
    found: dict[str, list[str | None]] = {}
    pending: list[Any] = [body]
    while pending:
        node = pending.pop()
        match node:
            case ast.Binary("==" | "!=", ast.Variable(left), ast.Variable(right)):
                for name, word in ((left, right), (right, left)):
                    if name not in WORDS:
                        found.setdefault(name, []).append(word)
                continue
            case ast.Variable(name) | ast.Call(name) | ast.Head(name):
                found.setdefault(name, []).append(None)
            case ast.Reference(parts):
                found.setdefault(parts[0], []).append(None)
        if isinstance(node, tuple):
            pending.extend(reversed(node))
        elif is_dataclass(node):
            pending.extend(getattr(node, f.name) for f in reversed(fields(node)))
    return found
