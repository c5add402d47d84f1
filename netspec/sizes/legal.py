"""Which sizes the conditions of a net leave: sets of sizes, and relations between symbols.

Everything said here is exact. A condition on one symbol repeats with a period that its formulas
show (`pace`), so it is decided by looking at one; a symbol that another condition gives as a formula
is replaced by it. What is in neither form is left as it stands, and said so.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from itertools import islice, product
from math import lcm

from netspec.foundation.records import record
from netspec.sizes.conditions import Condition
from netspec.sizes.dims import (
    Dim,
    least,
    never_zero,
    pace,
    solved_for,
    substitute,
)
from netspec.sizes.sets import LONGEST, SizeSet, from_bound, from_zero, periodic

EVERY = SizeSet((), 1, 1, frozenset((0,)))
# Where sizes depend on each other in no solved form, so many are tried for an example of them.
_TRIED = 20_000
_OF_EACH = 128


@record
class Legality:
    """What the conditions of a net leave of its symbols.

    `sets` holds the sizes of each symbol that may be chosen, `relations` what the others then are,
    `rest` the conditions that neither says. Where it is proven that nothing is legal it is not
    `possible`.
    """

    conditions: tuple[Condition, ...]
    sets: dict[str, SizeSet]
    relations: dict[str, Dim]
    rest: tuple[Condition, ...]
    possible: bool = True

    def describe(self) -> tuple[str, ...]:
        """One predicate for each symbol, and the conditions that tie several."""
        return (
            *(found.describe(name) for name, found in self.sets.items()),
            *(f"{name} = {formula}" for name, formula in self.relations.items()),
            *map(str, self.rest),
        )

    def allows(self, sizes: Mapping[str, int]) -> bool:
        """Whether every condition holds of these sizes of all symbols."""
        return all(condition.holds(sizes) for condition in self.conditions)

    def broken(self, sizes: Mapping[str, int]) -> tuple[str, ...]:
        """Of what `describe` says, what does not hold of these sizes of all symbols."""
        return (
            *(found.describe(n) for n, found in self.sets.items() if sizes[n] not in found),
            *(f"{n} = {f}" for n, f in self.relations.items() if substitute(f, sizes) != sizes[n]),
            *(str(condition) for condition in self.rest if not condition.holds(sizes)),
        )

    def example(self, size: int) -> dict[str, int] | None:
        """Legal sizes, the free ones the smallest from `size` on where there are some; or none."""
        sizes = self._chosen({name: _from(found, size) for name, found in self.sets.items()})
        if sizes is not None:
            return sizes
        choices = [list(islice(found.from_(1), _OF_EACH)) for found in self.sets.values()]
        tried = (self._chosen(dict(zip(self.sets, c, strict=True))) for c in product(*choices))
        return next((found for found in islice(tried, _TRIED) if found is not None), None)

    def nearest(self, sizes: Mapping[str, int]) -> list[dict[str, int]]:
        """The legal sizes next to these, those below first: each free symbol moves by itself."""
        found: list[dict[str, int]] = []
        for move in (SizeSet.below, SizeSet.above):
            moved = {
                name: sizes[name] if sizes[name] in legal else move(legal, sizes[name])
                for name, legal in self.sets.items()
            }
            near = self._chosen(moved)
            if near is not None and near not in found:
                found.append(near)
        return found

    def _chosen(self, free: Mapping[str, int | None]) -> dict[str, int] | None:
        """The sizes of all symbols where those that are free have these; None if illegal."""
        sizes = {name: size for name, size in free.items() if size is not None}
        if len(sizes) < len(free):
            return None
        for name, formula in self.relations.items():
            size = substitute(formula, sizes)
            assert isinstance(size, int)
            sizes[name] = size
        return sizes if self.allows(sizes) else None


def _from(legal: SizeSet, size: int) -> int | None:
    return next(legal.from_(size), None) or legal.below(size)


def legality(conditions: tuple[Condition, ...], symbols: Iterable[str]) -> Legality:
    """What conditions leave of symbols; those given last are the first to be told by others."""
    named = list(symbols)
    relations, open_ = _eliminated(conditions, named)
    sets = {name: EVERY for name in named if name not in relations}
    rest: list[Condition] = []
    for condition in dict.fromkeys(open_):
        if _never(condition):
            return Legality(conditions, sets, relations, (), possible=False)
        found = _set_of(condition)
        if found is None:
            rest.append(condition)
            continue
        (name,) = condition.symbols
        if lcm(found.period, sets[name].period) > LONGEST:
            rest.append(condition)
            continue
        sets[name] &= found
        if not sets[name]:
            return Legality(conditions, sets, relations, (), possible=False)
    return Legality(conditions, sets, relations, tuple(rest))


def _eliminated(
    conditions: tuple[Condition, ...], symbols: list[str]
) -> tuple[dict[str, Dim], list[Condition]]:
    """Symbols as formulas of the others, and the conditions on the others that are left."""
    relations: dict[str, Dim] = {}
    left = list(conditions)
    while (found := _relation(left, symbols)) is not None:
        at, name, formula = found
        given = {name: formula}
        relations = {n: substitute(f, given) for n, f in relations.items()} | given
        # A size is at least 1, also where it follows from others.
        positive = [] if least(formula) >= 1 else [Condition(formula, ">=", 1)]
        others = [condition.with_symbols(given) for condition in left[:at] + left[at + 1 :]]
        left = [c for c in (*others, *positive) if c.symbols or not c.holds({})]
    return {name: relations[name] for name in symbols if name in relations}, left


def _relation(conditions: list[Condition], symbols: list[str]) -> tuple[int, str, Dim] | None:
    for at, condition in enumerate(conditions):
        if condition.relation != "==" or len(condition.symbols) < 2:
            continue
        for name in reversed(symbols):
            formula = solved_for(condition.left - condition.right, name)
            if formula is not None:
                return at, name, formula
    return None


def _never(condition: Condition) -> bool:
    """Whether a condition cannot hold, whatever the sizes."""
    if not condition.symbols:
        return not condition.holds({})
    return condition.relation == "==" and never_zero(condition.left - condition.right)


def _set_of(condition: Condition) -> SizeSet | None:
    """The sizes of its one symbol that a condition allows; None where they are in no such form."""
    if len(condition.symbols) != 1:
        return None
    (name,) = condition.symbols
    difference = condition.left - condition.right
    even = pace(difference)
    if even is None or even[0] > LONGEST:
        return _grown(condition, name)

    def value(size: int) -> int:
        found = substitute(difference, {name: size})
        assert isinstance(found, int)
        return found

    if condition.relation == "==":
        return from_zero(value, *even)
    found = from_bound(value, *even)
    if found is None or not condition.exceptions:
        return found
    return _with_exceptions(found, condition, name)


def _with_exceptions(found: SizeSet, condition: Condition, name: str) -> SizeSet | None:
    """The set with the sizes at which the condition's left side has one of the excepted values."""
    period, residues = found.period, found.residues
    if len(residues) != period or found.start > LONGEST:
        return None
    early = (size for size in range(1, found.start) if condition.holds({name: size}))
    return periodic(early, found.start, period, residues)


def _grown(condition: Condition, name: str) -> SizeSet | None:
    """The sizes from which on a bound holds, where its left side never shrinks."""
    rising = condition.left - condition.right
    constant = substitute(rising, {name: 0})
    if condition.relation != ">=" or condition.exceptions or least(rising - constant) < 0:
        return None
    sizes = range(1, LONGEST)
    first = bisect_left(sizes, True, key=lambda size: condition.holds({name: size}))
    return periodic((), sizes[first], 1, (0,)) if first < len(sizes) else None


def clashing(conditions: tuple[Condition, ...], symbols: Iterable[str]) -> tuple[Condition, ...]:
    """Of conditions that leave nothing, few that already do: none of them can be left out.

    Those stated first are preferred. By halves (Junker 2004, QuickXplain), so that few conditions
    among many are found with few questions.
    """
    named = list(symbols)

    def needed(
        held: tuple[Condition, ...], grown: bool, among: tuple[Condition, ...]
    ) -> tuple[Condition, ...]:
        """What of `among` is needed beside what is `held`, which has `grown` since last asked."""
        if grown and not legality(held, named).possible:
            return ()
        if len(among) == 1:
            return among
        first, second = among[: len(among) // 2], among[len(among) // 2 :]
        later = needed(held + first, True, second)
        return (*needed(held + later, bool(later), first), *later)

    return needed((), False, conditions)
