"""`default` lines: what holds for the steps below them, and for the blocks those call."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from netspec.diagnostics.messages.names import UnknownArgument, UnknownLayer
from netspec.diagnostics.raised import Rejection
from netspec.diagnostics.suggest import closest
from netspec.elaborate.bind import Misplaced, check_either, check_value, evaluate_at, rival
from netspec.elaborate.report import Reporter
from netspec.elaborate.scope import Default, Given, Level, Poisoned, Scope, Unset
from netspec.elaborate.targets import Targets
from netspec.ops.declare.operator import Operator
from netspec.ops.declare.values import Layer
from netspec.ops.registry import REGISTRY
from netspec.syntax import ast
from netspec.syntax.units import Unit


class DefaultLines:
    """Checks `default` lines where they stand, and brings them to where they hold."""

    def __init__(self, targets: Targets, reporter: Reporter) -> None:
        self.targets = targets
        self.reporter = reporter

    def holding_in(self, unit: Unit, scope: Scope) -> Mapping[str, Mapping[str, Default]]:
        """The caller's defaults over those of the file a block comes from."""
        if unit is scope.unit or not unit.defaults:
            return scope.defaults
        base = Scope(unit, scope.level, self._own_variables(unit), {}, {})
        for line in unit.defaults:
            self.add(line, base)
        merged = dict(base.defaults)
        for word, values in scope.defaults.items():
            merged[word] = _over(REGISTRY[word], merged.get(word, {}), values)
        return merged

    def _own_variables(self, unit: Unit) -> dict[str, Any]:
        """The parameters of a file's net at their defaults, for its blocks used elsewhere."""
        values: dict[str, Any] = {}
        inner = Scope(unit, Level(""), values, {}, {})
        for parameter in unit.net.parameters if unit.net else ():
            values[parameter.name] = Unset(
                f"`default` lines hold for blocks used in other files too, where `{parameter.name}` "
                "has its default: give it one"
            )
            if parameter.default is not None:
                with suppress(Rejection, Poisoned):
                    values[parameter.name] = evaluate_at(parameter.default, inner)
        return values

    def add(self, line: ast.Default, scope: Scope) -> None:
        """Makes a `default` line hold for what follows it in these braces."""
        kind = REGISTRY.get(line.word)
        if kind is None:
            near = closest(line.word, REGISTRY)
            advice = f"did you mean {near}?" if near else "defaults are for layers, not for blocks"
            self.reporter.report(
                Rejection(UnknownLayer(line.word, advice)), line.word_extent, scope
            )
            return
        added: dict[str, Default] = {}
        given = {a.name: a.extent for a in line.arguments if a.name is not None}
        for argument in line.arguments:
            try:
                if argument.name is None or argument.name not in kind.params:
                    name = argument.name or "a value without a name"
                    near = closest(argument.name or "", kind.params)
                    usage = f"did you mean {near}? {kind.usage()}" if near else kind.usage()
                    raise Misplaced(UnknownArgument(line.word, name, usage), argument.extent)
                value = evaluate_at(argument.value, scope)
                self._check_default(kind, argument, value, scope)
                said = {name: default.value for name, default in added.items()}
                check_either(kind, {**said, argument.name: value}, given)
                added[argument.name] = Default(value, scope.unit.span(line.extent))
            except Poisoned:
                self.reporter.given_up(argument.extent, scope)
            except Misplaced as rejection:
                self.reporter.report(rejection, rejection.extent, scope)
        held = scope.defaults.get(kind.spelling, {})
        scope.defaults = {**scope.defaults, kind.spelling: _over(kind, held, added)}

    def _check_default(
        self, kind: type[Operator], argument: ast.Argument, value: Any, scope: Scope
    ) -> None:
        """A default that no step could take is reported where it is written, once."""
        given = Given({argument.name or "": value}, (), {argument.name or "": argument.extent})
        checked = check_value(kind, argument.name or "", given, scope)
        if isinstance(checked, Layer):
            self.targets.lookup(checked.name, checked.unit or scope.unit, argument.extent)


def _over(
    kind: type[Operator], held: Mapping[str, Default], added: Mapping[str, Default]
) -> dict[str, Default]:
    """The defaults that hold, and those that take their place."""
    said = {name: default.value for name, default in added.items()}
    return {**{n: d for n, d in held.items() if not rival(kind, n, said)}, **added}
