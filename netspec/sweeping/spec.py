"""A spec as sweeps and searches read it before anything is built: its text, its parameters' names."""

from __future__ import annotations

from collections.abc import Iterable

from netspec.diagnostics.limits import Limits
from netspec.diagnostics.messages.names import UnknownInput
from netspec.diagnostics.raised import Collector, NetspecError, Rejection
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.elaborate.inputs import shapes_given
from netspec.elaborate.settings import bases, no_such_setting, parameters_of
from netspec.syntax.units import Loader, Unit


def unit_of(source: Source, limits: Limits) -> Unit:
    """The declarations of a spec; raises NetspecError with what is wrong with its text."""
    collector = Collector()
    unit = Loader(collector, limits).load(source)
    if collector.failed:
        build(source, limits=limits)  # raises the same, with what mends it
    return unit


def files_of(unit: Unit) -> tuple[str, ...]:
    """The files that a unit was read from, with what it imports; what git gave is in none."""
    found: dict[str, None] = {}
    waiting, seen = [unit], set()
    while waiting:
        at = waiting.pop()
        if id(at) in seen:
            continue
        seen.add(id(at))
        if at.source.path and not at.source.tree:
            found[at.source.path] = None
        waiting += at.imports.values()
    return tuple(found)


def checked_names(unit: Unit, names: Iterable[str]) -> None:
    """Raises NetspecError for a name that is of no parameter of the net."""
    known = parameters_of(unit)
    for name in names:
        if name not in known:
            raise NetspecError(no_such_setting(unit, name), status=2)


def checked_inputs(unit: Unit, given: Iterable[str]) -> None:
    """Raises NetspecError for a size that is none, or that is of no input of the net."""
    known = next(([i.name or "input" for i in u.inputs] for u in bases(unit) if u.inputs), None)
    for text in given:
        try:
            name = next(iter(shapes_given((text,))))
        except Rejection as rejection:
            raise NetspecError(rejection.problem, status=2) from None
        if name and known and name not in known:
            raise NetspecError(UnknownInput(name, ", ".join(known)), status=2)
