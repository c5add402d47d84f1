"""`default` lines: what holds for the steps below them, and for the blocks those call."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any

from netspec.diagnostics.messages.names import UnknownArgument, UnknownLayer, UnnamedDefault
from netspec.diagnostics.raised import Rejection
from netspec.diagnostics.source import Source
from netspec.diagnostics.suggest import closest
from netspec.elaborate.bind import (
    Misplaced,
    check_either,
    check_value,
    check_word,
    evaluate_at,
    rival,
)
from netspec.elaborate.report import Reporter
from netspec.elaborate.scope import Default, Defaults, Given, Level, Poisoned, Scope, Unset
from netspec.elaborate.targets import Targets
from netspec.foundation.records import changed
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

    def holding_in(self, unit: Unit, scope: Scope) -> Defaults:
        """The caller's defaults over those of the file a block comes from."""
        if unit is scope.unit or not unit.defaults:
            return scope.defaults
        base = Scope(unit, scope.level, self._own_variables(unit), {}, {})
        for line in unit.defaults:
            self.add(line, base)
        merged = dict(base.defaults)
        for what, values in scope.defaults.items():
            merged[what] = _over(what, merged.get(what, {}), values)
        return merged

    def filled(self, block: ast.Block, values: Given, scope: Scope) -> Given:
        """The arguments of a call with those that `default` lines give the block besides."""
        held = scope.defaults.get(block)
        if not held:
            return values
        free = [name for name in _settable(block) if name not in values.named]
        left = free[len(values.positional) :]
        added = {name: default.value for name, default in held.items() if name in left}
        return changed(values, named={**values.named, **added}) if added else values

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
        kind = REGISTRY.get(line.word) or self._block(line, scope)
        if kind is None:
            return
        added: dict[str, Default] = {}
        given = {a.name: a.extent for a in line.arguments if a.name is not None}
        for argument in line.arguments:
            try:
                if argument.name is None or argument.name not in _settable(kind):
                    raise _unknown(line, argument, kind, scope.unit.source)
                value = evaluate_at(argument.value, scope)
                self._check_default(kind, argument, value, scope)
                if not isinstance(kind, ast.Block):
                    said = {name: default.value for name, default in added.items()}
                    check_either(kind, {**said, argument.name: value}, given)
                added[argument.name] = Default(value, scope.unit.span(line.extent))
            except Poisoned:
                self.reporter.given_up(argument.extent, scope)
            except Misplaced as rejection:
                self.reporter.report(rejection, rejection.extent, scope)
        what = kind if isinstance(kind, ast.Block) else kind.spelling
        held = scope.defaults.get(what, {})
        scope.defaults = {**scope.defaults, what: _over(what, held, added)}

    def _block(self, line: ast.Default, scope: Scope) -> ast.Block | None:
        """The block that a line is for; None where there is none, which is reported."""
        advice = "it is a net, whose parameters are given where it is called"
        try:
            found = self.targets.lookup(line.word, scope.unit, line.word_extent)
            if isinstance(found.what, ast.Block) and found.kernel is None:
                return found.what
        except Poisoned:
            self.reporter.given_up(line.word_extent, scope)
            return None
        except Misplaced as rejection:
            advice = rejection.problem.facts.get("advice_text", "")
        self.reporter.report(Rejection(UnknownLayer(line.word, advice)), line.word_extent, scope)
        return None

    def _check_default(
        self, kind: type[Operator] | ast.Block, argument: ast.Argument, value: Any, scope: Scope
    ) -> None:
        """A default that no step could take is reported where it is written, once."""
        if isinstance(kind, ast.Block):
            parameter = next(p for p in kind.parameters if p.name == argument.name)
            beside = parameter, kind.parameters
            check_word(kind.name, beside, kind.body, value, argument.extent)
            return
        given = Given({argument.name or "": value}, (), {argument.name or "": argument.extent})
        checked = check_value(kind, argument.name or "", given, scope)
        if isinstance(checked, Layer):
            self.targets.lookup(checked.name, checked.unit or scope.unit, argument.extent)


def _settable(kind: type[Operator] | ast.Block) -> Collection[str]:
    """The parameters that arguments are for, in their order."""
    if isinstance(kind, ast.Block):
        return [p.name for p in kind.parameters if p.name != "body"]
    return kind.params


def _unknown(
    line: ast.Default, argument: ast.Argument, kind: type[Operator] | ast.Block, source: Source
) -> Misplaced:
    known = _settable(kind)
    usage = f"it has {', '.join(known)}" if isinstance(kind, ast.Block) else kind.usage()
    if argument.name is None:
        value = source.text[slice(*argument.extent)]
        return Misplaced(UnnamedDefault(line.word, value, usage), argument.extent)
    near = closest(argument.name, known)
    usage = f"did you mean {near}? {usage}" if near else usage
    return Misplaced(UnknownArgument(line.word, argument.name, usage), argument.extent)


def _over(
    what: str | ast.Block, held: Mapping[str, Default], added: Mapping[str, Default]
) -> dict[str, Default]:
    """The defaults that hold, and those that take their place."""
    if isinstance(what, ast.Block):
        return {**held, **added}
    kind = REGISTRY[what]
    said = {name: default.value for name, default in added.items()}
    return {**{n: d for n, d in held.items() if not rival(kind, n, said)}, **added}
