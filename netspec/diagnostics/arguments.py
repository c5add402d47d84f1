"""Calls from Python with arguments that are not there: refused as the command line refuses options."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from netspec.diagnostics.kinds import Kind, Unfit, kind_of
from netspec.diagnostics.messages.draw import UnknownChoice
from netspec.diagnostics.messages.usage import UnknownArgumentOfCall
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.suggest import closest, renew_budget

P = ParamSpec("P")
R = TypeVar("R")


class BadCall(NetspecError, TypeError):
    """A call with arguments that it does not take; a TypeError, as Python's own would be."""


class BadChoice(NetspecError, ValueError):
    """A word that is none of those there are; a ValueError, as Python's own would be."""


def held_depth(depth: int | None) -> None:
    """Raises BadChoice for a number of levels that is below none."""
    if depth is not None and depth < 0:
        raise BadChoice(UnknownChoice("depth", str(depth), "0, 1, 2 and so on, or None"), status=2)


def advising(call: Callable[P, R]) -> Callable[P, R]:
    """The function, whose callers are told what its arguments are where they give others.

    Of which kinds values are, its annotations say; see `netspec.diagnostics.kinds`.
    """
    found: list[_Parameters] = []

    @wraps(call)
    def told(*values: P.args, **named: P.kwargs) -> R:
        if not found:  # what is never called costs nothing
            found.append(_Parameters(call))
        try:
            given, options = found[0].plain(values, named)
            return call(*given, **options)
        except TypeError as error:
            if isinstance(error, NetspecError):
                raise
            _refuse(call, values, named)
            raise

    return told


class _Parameters:
    """The kinds of a function's parameters, by place and by name."""

    def __init__(self, call: Callable[..., object]) -> None:
        from inspect import Parameter, signature

        self.call = "Net" if call.__name__ == "__init__" else call.__name__
        self.places: list[str] = []
        self.kinds: dict[str, Kind | None] = {}
        # Those of any further values, and of any further names.
        self.rest: tuple[str, Kind | None] = "", None
        self.others: Kind | None = None
        for name, parameter in signature(call).parameters.items():
            stated = parameter.annotation is not Parameter.empty
            kind = kind_of(str(parameter.annotation)) if stated else None
            if parameter.kind is Parameter.VAR_POSITIONAL:
                self.rest = name, kind
            elif parameter.kind is Parameter.VAR_KEYWORD:
                self.others = kind
            else:
                self.kinds[name] = kind
                if parameter.kind is not Parameter.KEYWORD_ONLY:
                    self.places.append(name)

    def plain(
        self, values: tuple[Any, ...], named: Mapping[str, Any]
    ) -> tuple[list[Any], dict[str, Any]]:
        """The arguments of a call as plain values; raises BadCall at the first of another kind."""
        given = []
        for number, value in enumerate(values):
            name, kind = self.rest
            if number < len(self.places):
                name = self.places[number]
                kind = self.kinds[name]
            given.append(value if kind is None else held(self.call, name, kind, value))
        options = {}
        for name, value in named.items():
            kind = self.kinds.get(name, self.others)
            options[name] = value if kind is None else held(self.call, name, kind, value)
        return given, options


def held(call: str, name: str, kind: Kind, value: Any) -> Any:
    """A plain value of a kind; raises BadCall where what was given for an argument is none."""
    try:
        return kind.plain(value)
    except Unfit:
        advice = f"it is {kind.name}, not {repr_of(value)}"
        raise BadCall(UnknownArgumentOfCall(call, f": `{name}`", advice), status=2) from None


def held_all(call: str, given: Mapping[str, Any], annotations: Mapping[str, Any]) -> dict[str, Any]:
    """Plain values for the arguments of these annotations; raises BadCall at the first that is none."""
    found = {}
    for name, value in given.items():
        kind = kind_of(str(annotations[name]))
        found[name] = value if kind is None else held(call, name, kind, value)
    return found


def repr_of(value: object) -> str:
    """A value as Python shows it, cut short, whatever it is."""
    from reprlib import repr as shown

    return shown(value)


def refuse_unknown(name: str, given: Iterable[str], known: Collection[str]) -> None:
    """Raises BadCall at the first argument that a call of this name does not take."""
    for word in given:
        if word not in known:
            renew_budget()
            near = closest(word, known)
            asked = f"did you mean {near}? " if near else ""
            advice = f"{asked}it takes {', '.join(known)}"
            raise BadCall(UnknownArgumentOfCall(name, f": `{word}`", advice), status=2) from None


def _refuse(
    call: Callable[..., object], values: tuple[object, ...], named: dict[str, object]
) -> None:
    """Raises BadCall where the arguments do not fit; returns where something else was wrong."""
    from inspect import Parameter, signature

    found = signature(call)
    known = [name for name in found.parameters if name != "self"]
    if not any(p.kind is Parameter.VAR_KEYWORD for p in found.parameters.values()):
        refuse_unknown(call.__name__, named, known)
    try:
        found.bind(*values, **named)
    except TypeError as error:
        advice = f"{error}; it takes {', '.join(known)}"
        raise BadCall(UnknownArgumentOfCall(call.__name__, "", advice), status=2) from None
