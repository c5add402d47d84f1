"""The functions of torch's that can be followed, by name, and in which type autocast computes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

# By their names in torch, in torch.nn.functional, or as methods, which mean the same.
KNOWN: dict[str, Callable[..., Any]] = {}


class UnknownFunction(AttributeError):
    """A function of torch's of which it is not said what it keeps."""

    def __init__(self, name: str) -> None:
        super().__init__(name, name=name)


def known(*names: str) -> Callable[[F], F]:
    """Says that a function, given the tape and what torch's is given, follows torch's of these names."""

    def named(function: F) -> F:
        KNOWN.update(dict.fromkeys(names, function))
        return function

    return named
