"""When a parameter matters: the conditions that stand around the places where a net uses it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from netspec.diagnostics.raised import NetspecError, Rejection
from netspec.elaborate.bind import evaluate_at
from netspec.elaborate.scope import UNKNOWN, Level, Poisoned, Scope
from netspec.foundation.records import record
from netspec.syntax import ast
from netspec.syntax.units import Unit
from netspec.syntax.words import WORDS

# So many calls of blocks are followed; of further ones all that they are given is taken to be used.
_FOLLOWED = 2000


@record(eq=False)
class Place:
    """Where a name is read: the steps of the net, a loop's, or those of a block that is called from `outer`.

    `given` are the values of names of its own, None where none is known beforehand; those of a block that
    are `default` see the ones before, the others what the caller sees.
    """

    unit: Unit
    outer: Place | None = None
    given: Mapping[str, ast.Expression | None] | None = None
    default: frozenset[str] = frozenset()
    block: str = ""

    def origins(self, name: str) -> set[str]:
        """The net's own names that a name stands for, or is computed from."""
        if self.outer is None or self.given is None:
            return {name}
        if name not in self.given:
            return set() if self.block else self.outer.origins(name)
        value = self.given[name]
        place = self if name in self.default else self.outer
        return {
            o for n in names_in(value) if n != name or place is not self for o in place.origins(n)
        }

    def scope(self, variables: Mapping[str, Any]) -> Scope:
        """What is seen here where the net's parameters have these values, and nothing flows in."""
        if self.outer is None or self.given is None:
            return _scope(self.unit, variables)
        outer = self.outer.scope(variables)
        known: dict[str, Any] = {} if self.block else dict(outer.variables)
        for name, value in self.given.items():
            seen = _scope(self.unit, known) if name in self.default else outer
            known[name] = UNKNOWN if value is None else _value(value, seen)
        return _scope(self.unit, known)

    def calls(self, block: str) -> bool:
        """Whether this is in a call of the block."""
        return self.block == block or (self.outer is not None and self.outer.calls(block))


@record
class Guard:
    """A condition, and whether it must hold; a repeat that must be more than none is one, too."""

    condition: ast.Expression
    holds: bool
    place: Place

    @property
    def names(self) -> set[str]:
        """The net's own names that it depends on."""
        return {o for name in names_in(self.condition) for o in self.place.origins(name)}

    def admits(self, variables: Mapping[str, Any]) -> bool:
        """Whether it may be as it must. What cannot be told beforehand, as of sizes, may be."""
        value = _value(self.condition, self.place.scope(variables))
        known = isinstance(value, bool | int | float)
        return not known or (value > 0) == self.holds


# All of them must admit a use.
Guards = tuple[Guard, ...]
_Use = tuple[str, Guards]


def uses_of(unit: Unit) -> dict[str, list[Guards]]:
    """Where the steps and inputs of a net use each name: the guards around each place.

    Blocks of the same file are followed; others, and layers given as values, are taken to use what they are
    given. What is said of the net, as by `error` lines, uses nothing.
    """
    found: dict[str, list[Guards]] = {}
    for name, guards in _Reader(unit).uses((unit.chain, tuple(unit.inputs)), (), Place(unit)):
        found.setdefault(name, []).append(guards)
    return found


def names_in(node: Any) -> set[str]:
    """The names that a part of a tree uses."""
    match node:
        case ast.Variable(name):
            return set() if name in WORDS else {name}
        case ast.Dims(parts):
            return {part for part in parts if isinstance(part, str)}
        case ast.Reference(parts):
            return {parts[0]}
        case tuple():
            return {name for item in node for name in names_in(item)}
    found = {node.word} if isinstance(node, ast.Head) else set[str]()
    found |= {node.name} if isinstance(node, ast.Call) else set()
    if is_dataclass(node):
        found |= {name for item in fields(node) for name in names_in(getattr(node, item.name))}
    return found


class _Reader:
    """Reads the uses of names off a net's tree."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._followed = 0

    def uses(self, node: Any, guards: Guards, place: Place) -> Iterator[_Use]:
        """Each name that a part of the tree uses there, with the guards around it."""

        def under(part: Any, condition: ast.Expression, holds: bool) -> Iterator[_Use]:
            return self.uses(part, (*guards, Guard(condition, holds, place)), place)

        match node:
            case ast.If(condition, then, otherwise) | ast.Choose(condition, then, otherwise):
                yield from self.uses(condition, guards, place)
                yield from under(then, condition, True)
                yield from under(otherwise, condition, False)
            case ast.Binary("and" | "or", left, right):
                yield from self.uses(left, guards, place)
                yield from under(right, left, node.operator == "and")
            case ast.For(variables, _, _, body):
                yield from self.uses(node.bounds, guards, place)
                inner = Place(place.unit, place, dict.fromkeys(variables))
                yield from self.uses(body, guards, inner)
            case ast.Step(action, repeat) if repeat is not None:
                yield from self.uses(repeat, guards, place)
                yield from under(action, repeat, True)
            case ast.Head() if (inside := self._entered(node, place)) is not None:
                block, inner = inside
                yield from self.uses(block.body, guards, inner)
                yield from self.uses(node.body, guards, place)
            case tuple():
                for item in node:
                    yield from self.uses(item, guards, place)
            case ast.Variable() | ast.Dims() | ast.Reference():
                for name in names_in(node):
                    yield from ((origin, guards) for origin in sorted(place.origins(name)))
            case _ if is_dataclass(node):
                if isinstance(node, ast.Head | ast.Call):
                    word = node.word if isinstance(node, ast.Head) else node.name
                    yield from ((origin, guards) for origin in sorted(place.origins(word)))
                for item in fields(node):
                    yield from self.uses(getattr(node, item.name), guards, place)

    def _entered(self, head: ast.Head, place: Place) -> tuple[ast.Block, Place] | None:
        """The block that a step calls and what is seen in it; None for one that is not followed."""
        block = self._unit.blocks.get(head.word)
        if block is None or place.calls(head.word) or block.name in self._unit.defaulted:
            return None
        self._followed += 1
        if self._followed > _FOLLOWED:
            return None
        free = [p.name for p in block.parameters if p.name != "body"]
        given: dict[str, ast.Expression] = {}
        shorthand = {"width": head.width, "stride": head.stride}
        given |= {name: value for name, value in shorthand.items() if value is not None}
        given |= {a.name: a.value for a in head.arguments if a.name is not None}
        left = [name for name in free if name not in given]
        positional = [a.value for a in head.arguments if a.name is None]
        given |= dict(zip(left, positional, strict=False))
        if len(block.inputs) > 1 and any(
            isinstance(value, ast.Reference | ast.Variable) for value in positional
        ):
            return None  # which of them are operands depends on what flows in
        if len(positional) > len(left) or not given.keys() <= set(free):
            return None  # refused when it is built, or what every step takes
        default = {p.name for p in block.parameters if p.name not in given}
        values = {p.name: given.get(p.name, p.default) for p in block.parameters}
        return block, Place(self._unit, place, values, frozenset(default), block.name)


def _scope(unit: Unit, variables: Mapping[str, Any]) -> Scope:
    return Scope(unit, Level(""), dict(variables), {}, {}, entry=None)


def _value(node: ast.Expression, scope: Scope) -> Any:
    """The value of an expression; UNKNOWN where it has none beforehand."""
    try:
        return evaluate_at(node, scope)
    except (Rejection, NetspecError, Poisoned):
        return UNKNOWN
