"""When a parameter matters: the conditions that stand around the places where a net uses it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from netspec.diagnostics.raised import NetspecError, Rejection
from netspec.elaborate.bind import evaluate_at
from netspec.elaborate.evaluate import WORDS
from netspec.elaborate.scope import Level, Poisoned, Scope
from netspec.foundation.records import record
from netspec.syntax import ast
from netspec.syntax.units import Unit


@record
class Guard:
    """A condition, and whether it must hold; a repeat that must be more than none is one, too."""

    condition: ast.Expression
    holds: bool

    def admits(self, scope: Scope) -> bool:
        """Whether it may be as it must. What cannot be told beforehand, as of sizes, may be."""
        try:
            value = evaluate_at(self.condition, scope)
        except (Rejection, NetspecError, Poisoned):
            return True
        known = isinstance(value, bool | int | float)
        return not known or (value > 0) == self.holds


# All of them must admit a use.
Guards = tuple[Guard, ...]


def uses_of(unit: Unit) -> dict[str, list[Guards]]:
    """Where the steps and inputs of a net use each name: the guards around each place.

    A block is taken to use what it is given. What is said of the net, as by `error` lines, uses nothing.
    """
    found: dict[str, list[Guards]] = {}
    for name, guards in _uses((unit.chain, tuple(unit.inputs)), (), frozenset()):
        found.setdefault(name, []).append(guards)
    return found


def scope_of(unit: Unit, variables: Mapping[str, Any]) -> Scope:
    """What the guards of a net see: its parameters, and nothing that flows in."""
    return Scope(unit, Level(""), dict(variables), {}, {}, entry=None)


def names_in(node: Any) -> set[str]:
    """The names that an expression uses."""
    return {name for name, _ in _uses(node, (), frozenset())}


def _uses(node: Any, guards: Guards, counted: frozenset[str]) -> Iterator[tuple[str, Guards]]:
    """Each name in a part of a tree; `counted` are the indices of the loops around, known only inside."""

    def under(part: Any, condition: ast.Expression, holds: bool) -> Iterator[tuple[str, Guards]]:
        told = () if names_in(condition) & counted else (Guard(condition, holds),)
        return _uses(part, (*guards, *told), counted)

    match node:
        case ast.If(condition, then, otherwise) | ast.Choose(condition, then, otherwise):
            yield from _uses(condition, guards, counted)
            yield from under(then, condition, True)
            yield from under(otherwise, condition, False)
        case ast.Binary("and" | "or", left, right):
            yield from _uses(left, guards, counted)
            yield from under(right, left, node.operator == "and")
        case ast.For(variable, first, last, body):
            yield from _uses((first, last), guards, counted)
            yield from _uses(body, guards, counted | {variable})
        case ast.Step(action, repeat) if repeat is not None:
            yield from _uses(repeat, guards, counted)
            yield from under(action, repeat, True)
        case ast.Variable(name) if name not in WORDS:
            yield name, guards
        case ast.Dims(parts):
            yield from ((part, guards) for part in parts if isinstance(part, str))
        case tuple():
            for item in node:
                yield from _uses(item, guards, counted)
        case _ if is_dataclass(node):
            if isinstance(node, ast.Head | ast.Call):
                yield node.word if isinstance(node, ast.Head) else node.name, guards
            for item in fields(node):
                yield from _uses(getattr(node, item.name), guards, counted)
