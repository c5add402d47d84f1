"""Bounds on totals: `params<5M`, `macs<=600M, weights<20MiB`."""

from __future__ import annotations

import operator
import re
from typing import TYPE_CHECKING

from netspec.analysis.outline import subtotal
from netspec.analysis.quantities import as_bytes, grouped, parse_quantity
from netspec.diagnostics.messages.budget import NotABudget
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.suggest import closest
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


def totals(summary: Summary) -> dict[str, Dim]:
    """Every total that can be bounded; `weights`, `activations` and those of training are bytes."""
    training = summary.training
    steps = (training.total, training.activations, training.peak) if training else ()
    extra = subtotal(summary.training_layers)
    extra_params = sum(layer.params for layer in summary.training_layers)
    return {
        "params": summary.params,
        "params_frozen": summary.params_frozen,
        "params_total": summary.params + summary.params_frozen,
        "params_training": summary.params + extra_params,
        "buffers": summary.buffers,
        "constants": summary.constants,
        "macs": summary.macs,
        "macs_training": summary.macs + extra.macs,
        "depth": summary.depth,
        "layers": len(summary.layers),
        "weights": summary.weight_bytes,
        "activations": summary.peak_activation,
        **dict(zip(_TRAINING, steps, strict=False)),
    }


def bounds_training(budget: str) -> bool:
    """Whether a bound is on what a training step takes, which is computed only where it is asked for."""
    return any(name in budget for name in _TRAINING)


def check_budget(summary: Summary, budget: str) -> str | None:
    """What breaks the bounds of `budget`, one line each; None where all hold.

    Raises NetspecError, with status 2, where the text is not a bound, or bounds a total that
    depends on a symbolic size.
    """
    broken = [text for bound in _SEPARATOR.split(budget) if (text := _check(summary, bound))]
    return "\n".join(broken) or None


def _check(summary: Summary, bound: str) -> str | None:
    match = _BOUND.match(bound)
    if not match:
        raise _refuse(bound.strip(), "write it like params<5M")
    key, relation, text = match.groups()
    known = totals(summary)
    if key not in known:
        near = closest(key, known)
        raise _refuse(
            bound.strip(), f"did you mean {near}?" if near else f"totals: {', '.join(known)}"
        )
    limit = parse_quantity(text)
    if limit is None:
        raise _refuse(bound.strip(), f"`{text}` is not a whole number such as 5M or 20MiB")
    value = known[key]
    if not isinstance(value, int):
        raise _refuse(bound.strip(), f"{key} depends on the input's size: give it with --input")
    if _RELATIONS[relation](value, limit):
        return None
    shown = as_bytes(value) if key in _IN_BYTES else grouped(value)
    return f"{summary.name}: {key} is {shown}, not {relation} {text}{_distance(value, limit)}"


def _distance(value: int, limit: int) -> str:
    difference = value - limit
    if not difference or not limit:
        return ""
    return f" ({100 * abs(difference) / limit:.1f}% {'over' if difference > 0 else 'under'})"


def _refuse(text: str, advice: str) -> NetspecError:
    return NetspecError(NotABudget(text, advice), status=2)
