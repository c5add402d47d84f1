"""What layers are given as `torch` and `torch.nn`: the functions that can be followed, by name."""

from __future__ import annotations

from math import pi
from typing import Any

from netspec.analysis.training import (
    attention,
    gathering,
    kernels,
    norms,
    pointwise,
    recurrent,
    sources,
    views,
)
from netspec.analysis.training.known import KNOWN, UnknownFunction
from netspec.analysis.training.tensors import DTYPES, Tape
from netspec.foundation.records import record

# Importing them makes their functions known.
_FOLLOWED = (attention, gathering, kernels, norms, pointwise, recurrent, sources, views)


@record
class _Limits:
    """The least and largest number of a type."""

    min: float = -3.4028234663852886e38
    max: float = 3.4028234663852886e38


class Torch:
    """`torch` for `compute`: its functions, those of `torch.nn.functional`, and types of numbers."""

    pi = pi

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self.nn = self
        self.functional = self

    def finfo(self, kind: Any) -> _Limits:
        """The limits of a type; only that there are numbers matters here."""
        return _Limits()

    def __getattr__(self, name: str) -> Any:
        if name in DTYPES:
            return DTYPES[name]
        if name not in KNOWN:
            raise UnknownFunction(name)
        return lambda *args, **named: self._tape.call(name, *args, **named)
