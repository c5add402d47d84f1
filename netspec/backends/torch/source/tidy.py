"""What a person would leave out of what `compute` asks for, and how it is spelt for type checkers."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from itertools import takewhile
from typing import Any

import torch

from netspec.backends.torch.source.code import Code, Fn, Get, Text, flat

# Methods that give the tensor itself where its shape stays as it is.
RESHAPING = frozenset({"flatten", "unflatten", "reshape", "view", "expand"})
# Methods that torch declares no types for, though it does for the functions of the same name.
FUNCTIONS = frozenset({"split", "unflatten"})
# What two calls give apart, or change while they run.
_RANDOM = ("rand", "dropout", "bernoulli", "normal", "multinomial")


def is_repeatable(code: Code) -> bool:
    """Whether computing it once does as well as twice: no module is called, nothing is drawn or changed."""
    if not isinstance(code, Fn):
        return True
    if code.target == Text("@"):
        return False
    name = code.target.name if isinstance(code.target, Get) else flat(code.target)
    return not name.endswith("_") and not any(word in name for word in _RANDOM)


def equal_parts(sizes: Any) -> int | None:
    """How many parts a tensor is split into, where they are as large as each other."""
    if isinstance(sizes, tuple | list) and len(sizes) > 1 and len(set(sizes)) == 1:
        return len(sizes)
    return None


def needed(name: str, function: Callable[..., Any], named: dict[str, Any]) -> dict[str, Any]:
    """The arguments by name without those that say what holds without them."""
    defaults = _defaults(name, function)
    return {
        key: value
        for key, value in named.items()
        if key not in defaults or not _is_default(value, defaults[key])
    }


def needed_first(name: str, function: Callable[..., Any], args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments by position without the last ones that say what holds without them."""
    defaults, order = _defaults(name, function), _order(name, function)
    while args and len(args) <= len(order):
        key = order[len(args) - 1]
        if key not in defaults or not _is_default(args[-1], defaults[key]):
            break
        args = args[:-1]
    return args


def _is_default(value: Any, default: Any) -> bool:
    """Whether a value is a default: sizes are lists there."""
    if isinstance(value, tuple) and isinstance(default, list):
        return all(type(part) is int for part in value) and list(value) == default
    return type(value) is type(default) and not bool(value != default)


def moves_nothing(name: str, args: tuple[Any, ...]) -> bool:
    """Whether a function of torch's gives its tensor as it is: a border that is nowhere."""
    return name == "pad" and len(args) == 2 and all(type(n) is int and n == 0 for n in args[1])


def written_out(
    function: Callable[..., Any], args: tuple[Any, ...], named: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of a function of ours that are no defaults; its first parameter is `torch`."""
    params = list(inspect.signature(function).parameters.values())[1:]
    while args and type(args[-1]) in (bool, int) and args[-1] == params[len(args) - 1].default:
        args = args[:-1]
    return args, needed(function.__name__, function, named)


@cache
def _defaults(name: str, function: Callable[..., Any]) -> dict[str, Any]:
    """The defaults of a function of torch, by parameter: of its signature, or of what it dispatches to."""
    try:
        params = inspect.signature(function).parameters
    except ValueError:
        return _of_schemas(name)
    return {key: p.default for key, p in params.items() if p.default is not p.empty}


@cache
def _order(name: str, function: Callable[..., Any]) -> tuple[str, ...]:
    """The parameters of a function of torch in order, as far as its variants agree."""
    try:
        return tuple(inspect.signature(function).parameters)
    except ValueError:
        packet = getattr(torch.ops.aten, name, None)
        variants = packet.overloads() if packet is not None else ()
        orders = [
            [argument.name for argument in getattr(packet, variant)._schema.arguments]
            for variant in variants
        ]
        alike = takewhile(lambda names: len(set(names)) == 1, zip(*orders, strict=False))
        return tuple(names[0] for names in alike)


def _of_schemas(name: str) -> dict[str, Any]:
    """The defaults that all variants of a native function have."""
    packet = getattr(torch.ops.aten, name, None)
    if packet is None:
        return {}
    told: dict[str, list[Any]] = {}
    for variant in packet.overloads():
        for argument in getattr(packet, variant)._schema.arguments:
            held = argument.default_value if argument.has_default_value() else ...
            told.setdefault(argument.name, []).append(held)
    return {
        key: values[0]
        for key, values in told.items()
        if values[0] is not ... and all(value == values[0] for value in values)
    }
