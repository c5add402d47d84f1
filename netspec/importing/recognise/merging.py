"""Merges of several tensors, from the merges of two that exporters write them as."""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Collection
from fractions import Fraction

import numpy as np

from netspec.importing.recognise.steps import Step, Wire

_CHAINS = frozenset({"add", "mul", "maximum", "minimum"})
_SCALED = re.compile(r"scaled\(([^,()]+)\)")
# Steps that are looked at to see whether one tensor comes from another.
_LOOKED = 256


def merged(steps: list[Step], outputs: Collection[Wire]) -> None:
    """Makes one merge of those that only lead to each other, in place; what they leave is unused.

    The first two are merged first, so that sums stay what they are to the bit. A sum of a tensor and
    what is made of it is left alone, unless what is added to it is made of that tensor too: it is a
    shortcut, and the rest comes after it.
    """
    reads = Counter(id(wire) for step in steps for wire in (*step.inputs, *step.named.values()))
    reads.update(map(id, outputs))
    for step in steps:
        if step.head in _CHAINS and len(step.inputs) == 2 and not step.given:
            step.inputs = _chained(step, reads)
        elif found := _SCALED.fullmatch(step.head):
            _mean(step, float(Fraction(found[1])), reads)


def _chained(step: Step, reads: Counter[int]) -> tuple[Wire, ...]:
    for first, other in (step.inputs, step.inputs[::-1]):
        inner = first.step
        if inner is None or inner.head != step.head or inner.given or reads[id(first)] > 1:
            continue
        operands = (*inner.inputs, other)
        whole = len({wire.sizes for wire in operands}) == 1 and first is not other
        if whole and not any(wire.shared for wire in operands) and not _around(inner, other):
            return operands
    return step.inputs


def _around(inner: Step, other: Wire) -> bool:
    """Whether a merge is of a tensor with what is made of it, and the other is not made of it."""
    starts = [w for w in inner.inputs if any(v is not w and _from(v, w) for v in inner.inputs)]
    return any(not _from(other, start) for start in starts)


def _from(wire: Wire, source: Wire) -> bool:
    """Whether a tensor is made of another, as far as is looked."""
    waiting, known = deque([wire]), {id(wire)}
    while waiting and len(known) < _LOOKED:
        current = waiting.popleft()
        if current is source:
            return True
        step = current.step
        for read in (*step.inputs, *step.named.values()) if step is not None else ():
            if id(read) not in known:
                known.add(id(read))
                waiting.append(read)
    return False


def _mean(step: Step, factor: float, reads: Counter[int]) -> None:
    """A sum times one over the number of what is added is a mean."""
    (wire,) = step.inputs
    total = wire.step
    if total is None or total.head != "add" or total.given or reads[id(wire)] > 1:
        return
    share = np.float32(1) / np.float32(len(total.inputs))
    if np.float32(factor) == share and len({w.sizes for w in total.inputs}) == 1:
        step.head, step.inputs = "mean", total.inputs
