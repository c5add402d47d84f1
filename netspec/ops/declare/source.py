"""Where tensors come from: the inputs of a net."""

from __future__ import annotations

from netspec.ops.declare.operator import Operator
from netspec.ops.declare.params import MISSING, Param


class Input(Operator):
    """An input of the net. It is declared by `input`, not called, so it has no spelling."""

    name: str = Param(default=MISSING)  # type: ignore[assignment]
