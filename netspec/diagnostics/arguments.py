"""Calls from Python with arguments that are not there: refused as the command line refuses options."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from functools import wraps
from typing import ParamSpec, TypeVar

from netspec.diagnostics.messages.usage import UnknownArgumentOfCall
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.suggest import closest, renew_budget

P = ParamSpec("P")
R = TypeVar("R")


class BadCall(NetspecError, TypeError):
    """A call with arguments that it does not take; a TypeError, as Python's own would be."""


class BadChoice(NetspecError, ValueError):
    """A word that is none of those there are; a ValueError, as Python's own would be."""


def advising(call: Callable[P, R]) -> Callable[P, R]:
    """The function, whose callers are told which arguments there are where one does not exist."""

    @wraps(call)
    def told(*values: P.args, **named: P.kwargs) -> R:
        try:
            return call(*values, **named)
        except TypeError as error:
            if isinstance(error, NetspecError):
                raise
            _refuse(call, values, named)
            raise

    return told


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
