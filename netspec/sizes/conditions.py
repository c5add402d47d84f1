"""What shape rules need of symbolic sizes.

Where a rule needs an equality or a bound that formulas leave open, it is recorded while the graph is
built (`gathering`); `netspec.sizes.legal` says which sizes that leaves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import field

from netspec.foundation.records import record
from netspec.sizes.dims import Dim, least, substitute, symbols_of


@record
class Condition:
    """`left == right`, or `left >= right`, which a shape rule needs of the symbols.

    A bound may have exceptions: values of `left` below it that serve as well.
    """

    left: Dim
    relation: str
    right: Dim
    exceptions: tuple[int, ...] = ()

    def holds(self, sizes: Mapping[str, int]) -> bool:
        """Whether the condition is true of these sizes of its symbols."""
        left, right = substitute(self.left, sizes), substitute(self.right, sizes)
        assert isinstance(left, int)
        assert isinstance(right, int)
        if self.relation == "==":
            return left == right
        return left >= right or left in self.exceptions

    @property
    def symbols(self) -> frozenset[str]:
        """The names of the symbols it is about."""
        return symbols_of(self.left) | symbols_of(self.right)

    def with_symbols(self, values: Mapping[str, Dim]) -> Condition:
        """The condition with symbols replaced."""
        left, right = substitute(self.left, values), substitute(self.right, values)
        return Condition(left, self.relation, right, self.exceptions)

    def __str__(self) -> str:
        exceptions = "".join(f" or {self.left} == {value}" for value in self.exceptions)
        return f"{self.left} {self.relation} {self.right}{exceptions}"


@record(frozen=False, slots=False)
class Conditions:
    """The conditions gathered while one graph is built, in order, each once.

    `stated` has each of them as often as it was stated.
    """

    found: dict[Condition, None] = field(default_factory=dict)
    stated: list[Condition] = field(default_factory=list)


_current: ContextVar[Conditions | None] = ContextVar("conditions", default=None)


@contextmanager
def gathering(conditions: Conditions) -> Iterator[Conditions]:
    """Conditions that operators state meanwhile go into `conditions`."""
    token = _current.set(conditions)
    try:
        yield conditions
    finally:
        _current.reset(token)


def _require(condition: Condition) -> bool:
    conditions = _current.get()
    if conditions is not None:
        conditions.found[condition] = None
        conditions.stated.append(condition)
    return True


def gathered() -> Conditions:
    """What conditions are gathered in; something that nobody reads where none are."""
    return _current.get() or Conditions()


def state(conditions: Iterable[Condition]) -> None:
    """States again what was stated of the same sizes before."""
    for condition in conditions:
        _require(condition)


def equal(left: Dim, right: Dim) -> bool:
    """Whether two dimensions are equal; for formulas that may be, records that they must be."""
    if isinstance(left, int) and isinstance(right, int):
        return left == right
    difference = left - right
    if isinstance(difference, int):
        return difference == 0
    return _require(Condition(left, "==", right))


def at_least(left: Dim, right: Dim, exceptions: tuple[int, ...] = ()) -> bool:
    """Whether `left >= right`; for formulas, records that it must be, unless it always is.

    `exceptions` are values of `left` that serve as well.
    """
    difference = left - right
    if isinstance(difference, int):
        return difference >= 0 or left in exceptions
    if least(difference) >= 0:
        return True
    return _require(Condition(left, ">=", right, exceptions))
