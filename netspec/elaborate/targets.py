"""What a head's word means: an operator, a block, a net, or braces given to a block."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Any

from netspec.diagnostics.messages.names import UnknownLayer
from netspec.diagnostics.suggest import closest, elsewhere, is_advised
from netspec.elaborate.bind import Misplaced
from netspec.elaborate.scope import Binding, Body, Poisoned, Scope
from netspec.foundation.records import changed
from netspec.ops.declare.operator import Operator
from netspec.ops.declare.values import Layer, Name, show
from netspec.ops.registry import REGISTRY
from netspec.syntax import ast
from netspec.syntax.files import shipped_names
from netspec.syntax.units import Loader, Unit

# `conv3_64`, where a width stands behind a dash.
_UNDERSCORED = re.compile(r"([a-z_]+?)(\d+(?:x\d+)*)_(\d+)")


class Target:
    """What a head means: an operator, a block, a net, or braces given to a block."""

    __slots__ = ("kernel", "unit", "what")

    def __init__(
        self,
        what: type[Operator] | ast.Block | Unit | Body,
        unit: Unit | None,
        kernel: tuple[int, ...] | None,
    ) -> None:
        self.what = what
        self.unit = unit
        self.kernel = kernel


class Targets:
    """Looks words up: blocks of the file, then its imports, operators, and the shipped library."""

    def __init__(self, loader: Loader) -> None:
        self.loader = loader
        self._found: dict[tuple[Unit, str], Target] = {}
        self._unknowns: dict[tuple[Unit, str], UnknownLayer] = {}

    def of(self, word: str, scope: Scope, extent: ast.Extent) -> Target:
        """What a head's word means here; raises Rejection with the nearest names if nothing."""
        value = scope.variables.get(word)
        if isinstance(value, Body):
            return Target(value, None, None)
        if isinstance(value, Name | Layer):
            text = value.text if isinstance(value, Name) else value.name
            return self.lookup(text, value.unit or scope.unit, extent)
        try:
            return self.lookup(word, scope.unit, extent)
        except Misplaced:
            if word in scope.names or isinstance(value, Binding):
                raise Misplaced(UnknownLayer(word, f"did you mean `@{word}`?"), extent) from None
            if word not in scope.variables:
                raise
            advice = f"its value here is {show(value)}; `identity` is the layer that does nothing"
            raise Misplaced(UnknownLayer(word, advice), extent) from None

    def lookup(self, word: str, unit: Unit, extent: ast.Extent) -> Target:
        """What a word means in a file."""
        key = (unit, word)
        found = self._found.get(key)
        if found is None and key in self._unknowns:
            raise Misplaced(self._unknown(word, unit), extent)
        if found is None:
            found = self._resolve(word, unit) or self._resolve_with_kernel(word, unit)
            if found is None:
                raise Misplaced(self._unknown(word, unit), extent)
            self._found[key] = found
        if found.unit is not None:
            self.loader.use(found.unit)
        return found

    def _resolve(
        self, word: str, unit: Unit, kernel: tuple[int, ...] | None = None
    ) -> Target | None:
        if word in unit.blocks:
            return Target(unit.blocks[word], unit, kernel)
        if word in unit.imports:
            origin = unit.imports[word]
            if word in origin.blocks:
                return Target(origin.blocks[word], origin, kernel)
            return Target(origin, origin, kernel)
        if word in REGISTRY:
            return Target(REGISTRY[word], None, kernel)
        block = self.loader.library_block(word)
        return Target(block[1], block[0], kernel) if block else None

    def _resolve_with_kernel(self, word: str, unit: Unit) -> Target | None:
        """`conv3`, `conv1x7`: the shortest known word before the digits."""
        base = word.rstrip("0123456789x")
        for end in range(len(base) or len(word), len(word)):
            parts = word[end:].split("x")
            if all(part.isdigit() for part in parts):
                found = self._resolve(word[:end], unit, tuple(int(part) for part in parts))
                if found:
                    return found
        return None

    def _unknown(self, word: str, unit: Unit) -> UnknownLayer:
        base = word.rstrip("0123456789x")
        if word in unit.lost or base in unit.lost:
            raise Poisoned
        problem = self._unknowns.get((unit, word))
        if problem is None and not is_advised():
            return UnknownLayer(word, "")
        if problem is None:
            known = {*unit.blocks, *unit.imports, *REGISTRY, *self._library_names}
            advice = elsewhere(word, known) or elsewhere(base, known)
            if not advice:
                near = closest(word, known) or closest(base, known)
                advice = f"did you mean {near}?" if near else ""
            if word in shipped_names():
                advice = f"it is a shipped net, a layer where `import {word}` stands before it"
            advice = unit.advice(word) or advice
            joined = _UNDERSCORED.fullmatch(word)
            if joined and joined[1] in known:
                advice = f"did you mean `{joined[1]}{joined[2]}-{joined[3]}`?"
            problem = self._unknowns[unit, word] = UnknownLayer(word, advice)
        return problem

    @cached_property
    def _library_names(self) -> tuple[str, ...]:
        return tuple(self.loader.library_names())

    def at_home(self, value: Any, unit: Unit) -> Any:
        """A layer's name given from outside: where it means nothing, it is one of the net's own."""
        if not isinstance(value, Name | Layer) or value.unit is None:
            return value
        word = value.text if isinstance(value, Name) else value.name
        known = self._resolve(word, value.unit) or self._resolve_with_kernel(word, value.unit)
        return value if known else changed(value, unit=unit)
