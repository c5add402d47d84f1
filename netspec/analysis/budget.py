"""Bounds on totals: `params<5M`, `macs<=600M, weights<20MiB`."""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from netspec.analysis.quantities import as_bytes, grouped, parse_quantity
from netspec.analysis.totals import TOTALS
from netspec.diagnostics.messages.budget import NotABudget
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.suggest import closest
from netspec.foundation.records import record
from netspec.sizes.dims import Dim

if TYPE_CHECKING:
    from netspec.analysis.summary import Summary

_BOUND = re.compile(r"\s*([A-Za-z_]+)\s*(<=|>=|==|<|>)\s*(.+?)\s*\Z")
# Commas followed by a digit group the digits of a number.
_SEPARATOR = re.compile(r",(?!\d)")
_RELATIONS = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
}
_TRAINING = ("training_memory", "training_kept", "training_peak")
_IN_BYTES = ("weights", "activations", *_TRAINING)


def _of_training(summary: Summary) -> dict[str, Dim]:
    """Bytes of a training step, where that is part of the summary."""
    step = summary.training
    figures = () if step is None else (step.total, step.activations, step.peak)
    return dict(zip(_TRAINING, figures, strict=False))


@record
class Bound:
    """A bound on a total: `params<5M`. `shown` is its number as it was typed."""

    text: str
    total: str
    relation: str
    limit: int
    shown: str

    def value(self, known: Mapping[str, Dim]) -> int:
        """The total that is bounded; raises NetspecError where it is a formula."""
        value = known.get(self.total)
        if value is None:
            raise _refuse(self.text, f"{self.total} is that of a summary with --training")
        if not isinstance(value, int):
            advice = f"{self.total} depends on the input's size: give it with --input"
            raise _refuse(self.text, advice)
        return value

    def holds(self, known: Mapping[str, Dim]) -> bool:
        """Whether totals keep it."""
        kept: bool = _RELATIONS[self.relation](self.value(known), self.limit)
        return kept


def bounds(budget: str, names: Sequence[str] = TOTALS) -> tuple[Bound, ...]:
    """The bounds of a text, `params<5M, macs<=600M`, on totals of these names.

    Raises NetspecError, with status 2, for what is not a bound on a total.
    """
    return tuple(_bound(text, names) for text in _SEPARATOR.split(budget))


def _bound(text: str, names: Sequence[str]) -> Bound:
    match = _BOUND.match(text)
    if not match:
        raise _refuse(text.strip(), "write it like params<5M")
    key, relation, number = match.groups()
    if key not in names:
        near = closest(key, names)
        advice = f"did you mean {near}?" if near else f"totals: {', '.join(names)}"
        raise _refuse(text.strip(), advice)
    limit = parse_quantity(number)
    if limit is None:
        raise _refuse(text.strip(), f"`{number}` is not a whole number such as 5M or 20MiB")
    return Bound(text.strip(), key, relation, limit, number)


def bounds_training(budget: str) -> bool:
    """Whether a bound is on what a training step takes, which is computed only where it is asked for."""
    return any(name in budget for name in _TRAINING)


def check_budget(summary: Summary, budget: str) -> str | None:
    """What breaks the bounds of `budget`, one line each; None where all hold.

    Raises NetspecError, with status 2, where the text is not a bound, or bounds a total that
    depends on a symbolic size.
    """
    known = summary.totals | _of_training(summary)
    every = bounds(budget, (*TOTALS, *_TRAINING))
    broken = (_broken(summary.name, bound, known) for bound in every)
    return "\n".join(filter(None, broken)) or None


def _broken(name: str, bound: Bound, known: Mapping[str, Dim]) -> str | None:
    if bound.holds(known):
        return None
    value = bound.value(known)
    shown = as_bytes(value) if bound.total in _IN_BYTES else grouped(value)
    far = _distance(value, bound.limit)
    return f"{name}: {bound.total} is {shown}, not {bound.relation} {bound.shown}{far}"


def _distance(value: int, limit: int) -> str:
    difference = value - limit
    if not difference or not limit:
        return ""
    return f" ({100 * abs(difference) / limit:.1f}% {'over' if difference > 0 else 'under'})"


def _refuse(text: str, advice: str) -> NetspecError:
    return NetspecError(NotABudget(text, advice), status=2)
