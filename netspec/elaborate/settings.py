"""A net's parameters as they are set from outside: `--set depth=50`, `load(..., depth=50)`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from netspec.diagnostics.kinds import Unfit, kind_of
from netspec.diagnostics.limits import Limits
from netspec.diagnostics.messages.names import NoSuchSetting, UnknownArgument
from netspec.diagnostics.messages.syntax import UnexpectedText
from netspec.diagnostics.raised import Collector, NetspecError, Rejection
from netspec.diagnostics.records import Problem
from netspec.diagnostics.source import Source
from netspec.diagnostics.suggest import closest
from netspec.elaborate.bind import evaluate_at
from netspec.elaborate.calls import Calls
from netspec.elaborate.scope import Given, Level, Scope
from netspec.ops.declare.values import Layer
from netspec.syntax import ast
from netspec.syntax.parse import parse
from netspec.syntax.units import Unit


def variables_of(
    unit: Unit, settings: Mapping[str, Any], scope: Scope, calls: Calls, limits: Limits
) -> tuple[dict[str, Any], Unit]:
    """The net's parameters under these settings, and the unit whose steps run: its own or a base's.

    Raises Rejection where a setting is not one value, or not a parameter of the net or its bases.
    """
    values = {name: setting(name, value, limits) for name, value in settings.items()}
    try:
        return calls.net_variables(unit, Given(values), scope)
    except Rejection as rejection:
        problem = rejection.problem
        if not isinstance(problem, UnknownArgument):
            raise
        raise Rejection(no_such_setting(unit, problem.name)) from None


def parameters_of(unit: Unit) -> dict[str, tuple[ast.Parameter, Unit]]:
    """The parameters that a net takes by name, its own and its bases', each with the unit it is of."""
    found: dict[str, tuple[ast.Parameter, Unit]] = {}
    for owner in bases(unit):
        for parameter in owner.net.parameters if owner.net else ():
            found.setdefault(parameter.name, (parameter, owner))
    return found


def no_such_setting(unit: Unit, name: str) -> Problem:
    """That a net has no parameter of this name, and which is near."""
    known = parameters_of(unit)
    near = closest(name, known)
    advice = f"did you mean {near}?" if near else f"parameters: {', '.join(known) or 'none'}"
    return NoSuchSetting(unit.name, name, advice)


def bases(unit: Unit) -> list[Unit]:
    """The unit of a net and those of the nets that it is a variation of, in order."""
    found = [unit]
    while unit.net and unit.net.base and unit.net.base.name in unit.imports:
        unit = unit.imports[unit.net.base.name]
        found.append(unit)
    return found


def setting(name: str, value: Any, limits: Limits) -> Any:
    """A setting's value; text is read as an expression of the language.

    Numbers and arrays of other libraries become Python's own. Raises NetspecError or Rejection where a
    text is not one value.
    """
    if isinstance(value, str):
        return _read(name, value, limits)
    if not isinstance(value, _OWN):
        try:
            value = _FOREIGN.plain(value)
        except Unfit:
            return value  # whatever takes it says what it takes
    if isinstance(value, list | tuple):
        return tuple(setting(name, item, limits) for item in value)
    return value


_OWN = (bool, int, float, list, tuple, Layer, type(None))
_FOREIGN: Any = kind_of("bool | int | float | Sequence[object]")


# Of a sweep the same few texts, and equal layers only where they were read once.
@lru_cache(maxsize=256)
def _read(name: str, value: str, limits: Limits) -> Any:
    collector = Collector()
    source = Source(f"--set {name}", f"value({value})")
    file = parse(source, collector, limits)
    collector.raise_errors()
    match file.items:
        case (ast.Step(ast.Head(arguments=(ast.Argument(None, given),))),):
            nothing = Scope(Unit(source), Level(""), {}, {}, {})
            try:
                return evaluate_at(given, nothing)
            except Rejection as rejection:
                raise NetspecError(rejection.problem, status=2) from None
    advice = f"a list stands in brackets: `--set {name}=[1, 2]`"
    raise Rejection(UnexpectedText(f"`--set {name}={value}`", "one value", advice))
