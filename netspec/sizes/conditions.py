"""What shape rules need of symbolic sizes, and which sizes are legal for it.

Where a rule needs an equality or a bound that formulas leave open, it is recorded while the graph is
built (`gathering`); which sizes are legal is found by trying them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import field
from itertools import pairwise

from netspec.foundation.records import record
from netspec.sizes.dims import Dim, least, substitute, symbols_of


@record
class Condition:
    """`left == right`, or `left >= right`, which a shape rule needs of the symbols."""

    left: Dim
    relation: str
    right: Dim

    def holds(self, sizes: Mapping[str, int]) -> bool:
        """Whether the condition is true of these sizes of its symbols."""
        left, right = substitute(self.left, sizes), substitute(self.right, sizes)
        assert isinstance(left, int)
        assert isinstance(right, int)
        return left == right if self.relation == "==" else left >= right

    def __str__(self) -> str:
        return f"{self.left} {self.relation} {self.right}"


@record(frozen=False, slots=False)
class Conditions:
    """The conditions gathered while one graph is built, in order, each once."""

    found: dict[Condition, None] = field(default_factory=dict)


_current: ContextVar[Conditions | None] = ContextVar("conditions", default=None)


@contextmanager
def gathering(conditions: Conditions) -> Iterator[Conditions]:
    """Conditions that operators state meanwhile go into `conditions`."""
    token = _current.set(conditions)
    try:
        yield conditions
    finally:
        _current.reset(token)


def _require(left: Dim, relation: str, right: Dim) -> bool:
    conditions = _current.get()
    if conditions is not None:
        conditions.found[Condition(left, relation, right)] = None
    return True


def equal(left: Dim, right: Dim) -> bool:
    """Whether two dimensions are equal; for formulas that may be, records that they must be."""
    if isinstance(left, int) and isinstance(right, int):
        return left == right
    difference = left - right
    if isinstance(difference, int):
        return difference == 0
    return _require(left, "==", right)


def at_least(left: Dim, right: Dim) -> bool:
    """Whether `left >= right`; for formulas, records that it must be, unless it always is."""
    difference = left - right
    if isinstance(difference, int):
        return difference >= 0
    if least(difference) >= 0:
        return True
    return _require(left, ">=", right)


LEGAL_SEARCH = 2048


def legal_sizes(conditions: tuple[Condition, ...], name: str) -> list[int]:
    """The sizes up to 2048 that every condition on `name` allows, other symbols being equal to it."""
    return list(each_legal_size(conditions, name))


def each_legal_size(conditions: tuple[Condition, ...], name: str) -> Iterator[int]:
    """`legal_sizes` one by one, for a caller that needs the first only."""
    relevant = [c for c in conditions if name in symbols_of(c.left) | symbols_of(c.right)]
    others = {s for c in relevant for s in symbols_of(c.left) | symbols_of(c.right)}
    for size in range(1, LEGAL_SEARCH + 1):
        sizes = dict.fromkeys(others, size)
        if all(c.holds(sizes) for c in relevant):
            yield size


def describe_sizes(name: str, legal: list[int]) -> str:
    """`H: 16, 32, 48, ... (16k)`; the rule is stated where the legal sizes are regular."""
    if not legal:
        return f"{name}: none up to {LEGAL_SEARCH}"
    steps = {b - a for a, b in pairwise(legal)}
    if steps == {1}:
        return f"{name} >= {legal[0]}"
    if len(steps) == 1:
        (step,) = steps
        rest = legal[0] % step
        return f"{name} = {step}k{f' + {rest}' if rest else ''}, {name} >= {legal[0]}"
    shown = ", ".join(str(size) for size in legal[:6])
    return f"{name} in {{{shown}, ...}}"
