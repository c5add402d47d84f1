"""Operands of a block that references give: those that what flows in leaves open."""

from __future__ import annotations

from collections.abc import Collection

from netspec.elaborate.scope import Binding, Given, Wire
from netspec.foundation.records import changed
from netspec.syntax import ast


def with_references(
    operands: int, parameters: Collection[ast.Parameter], values: Given, wire: Wire
) -> tuple[Given, Wire]:
    """The arguments without the references that are operands, and what flows in with them behind it.

    References given in order fill the operands that `wire` leaves open, the first of them first: as
    `add(@x)` adds @x to what flows in, `gate(@x)` of two operands takes it as the second. Behind a
    mistake, where what flows in is not known, those are taken that no parameter is there for.
    """
    if wire is not None:
        open_ = operands - len(wire)
    else:
        free = [p for p in parameters if p.name not in values.named and p.name != "body"]
        open_ = min(operands, len(values.positional) - len(free))
    if open_ <= 0:
        return values, wire
    kept = []
    for value, extent in values.positional:
        if open_ > 0 and isinstance(value, Binding):
            given = value.made().wire
            wire = None if wire is None or given is None else wire + given
            open_ -= len(given or (value,))
        else:
            kept.append((value, extent))
    return changed(values, positional=tuple(kept)), wire
