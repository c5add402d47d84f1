"""Functions over torch alone, which a file of PyTorch source holds as they stand here."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any


def plain(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of `compute` that a written file calls by its name, and whose text it holds.

    Its first parameter is `torch`, the others are tensors, numbers and tuples of numbers; it uses
    nothing else but what is built in. Loops and choices stay in its text, where elsewhere they are
    followed once and written as what came of them. What ONNX is written with too is given numpy in its place.
    """

    @wraps(function)
    def called(torch: Any, *args: Any, **named: Any) -> Any:
        written = getattr(torch, "written", None)
        if written is None:
            return function(torch, *args, **named)
        return written(function, args, named)

    return called
