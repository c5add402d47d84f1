"""Dimensions: integers, or formulas over symbols.

A formula is a polynomial over symbols (`H`, `W`) and floor divisions of formulas, in canonical form:
`(H + 1) // 2` taken twice becomes `(H + 3) // 4`, and `2 * (H // 2)` equals `H` only where `H` is even.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import total_ordering
from math import gcd, lcm, prod
from typing import TYPE_CHECKING, Any, Union

from netspec.foundation.records import record

if TYPE_CHECKING:
    from fractions import Fraction


class Open(int):
    """A size that comes from an input: at another size of the input it would be another.

    What is computed of it is open too. Where it happens to be 1 it does not stretch in a merge, as
    the formula that stands for it does not where the input's size is a symbol. `rate` is how fast
    it grows with the input, as `slope` is of a formula: (2, 3) for 2 in 3, 0 for products.
    """

    rate: tuple[int, int]

    def __new__(cls, size: int, rate: tuple[int, int] = (1, 1)) -> Open:
        made = int.__new__(cls, size)
        divisor = gcd(*rate)
        made.rate = rate if divisor == 1 else (rate[0] // divisor, rate[1] // divisor)
        return made

    def __add__(self, other: Any) -> Any:
        return _open(int.__add__(self, other), self, other, 1)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        return _open(int.__sub__(self, other), self, other, -1)

    def __rsub__(self, other: Any) -> Any:
        return _open(int.__rsub__(self, other), -self, other, 1)

    def __mul__(self, other: Any) -> Any:
        value = int.__mul__(self, other)
        if value is NotImplemented:
            return value
        return Open(value, (0, 1) if isinstance(other, Open) else _times(self.rate, (other, 1)))

    __rmul__ = __mul__

    def __floordiv__(self, other: Any) -> Any:
        value = int.__floordiv__(self, other)
        if value is NotImplemented:
            return value
        return Open(value, (0, 1) if isinstance(other, Open) else _times(self.rate, (1, other)))

    def __neg__(self) -> Open:
        return Open(int.__neg__(self), _times(self.rate, (-1, 1)))


def _open(value: Any, size: Open, other: Any, sign: int) -> Any:
    """A sum with `other` times `sign` as an open size, unless it is none."""
    if value is NotImplemented:
        return value
    (up, down), (more, under) = size.rate, getattr(other, "rate", (0, 1))
    return Open(value, (up * under + sign * more * down, down * under))


def _times(rate: tuple[int, int], factor: tuple[int, int]) -> tuple[int, int]:
    return rate[0] * factor[0], rate[1] * factor[1]


def stretches(dim: Dim) -> bool:
    """Whether the size is 1 whatever the sizes of the inputs: a merge repeats it as needed."""
    return dim == 1 and not isinstance(dim, Open)


def exact(dim: Dim) -> Any:
    """What tells sizes apart that are equal as numbers: whether they are open, and at what rate."""
    if type(dim) is int:
        return dim
    if isinstance(dim, Open):
        return (int(dim), *dim.rate)
    assert isinstance(dim, Formula)
    return tuple((tuple(map(_exact_atom, mono)), exact(factor)) for mono, factor in dim.terms)


def _exact_atom(atom: Atom) -> Any:
    return atom if isinstance(atom, str) else (exact(atom.formula), atom.divisor)


@total_ordering
@record
class Floor:
    """`formula // divisor`, where neither is divisible by the other's factors."""

    formula: Formula
    divisor: int

    def __str__(self) -> str:
        inner = str(self.formula)
        return f"floor({inner if inner.isalnum() else f'({inner})'}/{self.divisor})"

    def __lt__(self, other: Atom) -> bool:
        return str(self) < str(other)


Atom = Union[str, Floor]
Monomial = tuple[Atom, ...]


@record
class Formula:
    """A sum of integer multiples of products of atoms; never a plain integer."""

    terms: tuple[tuple[Monomial, int], ...]

    def __add__(self, other: Dim) -> Dim:
        return _sum((self, 1), (other, 1))

    __radd__ = __add__

    def __sub__(self, other: Dim) -> Dim:
        return _sum((self, 1), (other, -1))

    def __rsub__(self, other: Dim) -> Dim:
        return _sum((other, 1), (self, -1))

    def __neg__(self) -> Dim:
        return _sum((self, -1))

    def __mul__(self, other: Dim) -> Dim:
        product: dict[Monomial, int] = {}
        for mono, coefficient in self.terms:
            for other_mono, other_coefficient in _terms(other):
                key = tuple(sorted((*mono, *other_mono), key=str))
                product[key] = product.get(key, 0) + coefficient * other_coefficient
        return _dim(product)

    __rmul__ = __mul__

    def __floordiv__(self, divisor: int) -> Dim:
        return _floor(self, divisor)

    def __str__(self) -> str:
        text = ""
        for mono, coefficient in sorted(self.terms, key=lambda t: (not t[0], str(t[0]))):
            sign = "-" if coefficient < 0 else "+"
            size = abs(coefficient)
            factors = [str(atom) for atom in mono]
            if size != 1 or not factors:
                factors.insert(0, str(size))
            text += f" {sign} " if text else ("-" if coefficient < 0 else "")
            text += "*".join(factors)
        return text

    def __format__(self, spec: str) -> str:
        return str(self)


Dim = Union[int, Formula]


def symbol(name: str) -> Formula:
    """The symbol of this name as a formula."""
    return Formula((((name,), 1),))


def _terms(dim: Dim) -> tuple[tuple[Monomial, int], ...]:
    return dim.terms if isinstance(dim, Formula) else (((), dim),)


def _dim(terms: Mapping[Monomial, int]) -> Dim:
    kept = {mono: coefficient for mono, coefficient in terms.items() if coefficient}
    if not kept:
        return 0
    if len(kept) == 1 and () in kept:
        return kept[()]
    return Formula(tuple(sorted(kept.items(), key=lambda item: str(item[0]))))


def _sum(*parts: tuple[Dim, int]) -> Dim:
    total: dict[Monomial, int] = {}
    for dim, sign in parts:
        for mono, coefficient in _terms(dim):
            total[mono] = total.get(mono, 0) + sign * coefficient
    return _dim(total)


def _floor(formula: Formula, divisor: int) -> Dim:
    whole: dict[Monomial, int] = {}
    rest: dict[Monomial, int] = {}
    for mono, coefficient in formula.terms:
        quotient, remainder = divmod(coefficient, divisor)
        whole[mono], rest[mono] = quotient, remainder
    outside, inside = _dim(whole), _dim(rest)
    if isinstance(inside, int):  # less than the divisor
        return outside
    return _sum((outside, 1), (_floor_of_rest(inside, divisor), 1))


def _floor_of_rest(inside: Formula, divisor: int) -> Dim:
    nested = [(mono, c) for mono, c in inside.terms if mono]
    constant = dict(inside.terms).get((), 0)
    if len(nested) == 1 and nested[0][1] == 1:
        (mono, _) = nested[0]
        if len(mono) == 1 and isinstance(mono[0], Floor):
            inner = mono[0]
            shifted = _sum((inner.formula, 1), (constant * inner.divisor, 1))
            if isinstance(shifted, Formula):
                return _floor(shifted, inner.divisor * divisor)
    common = gcd(divisor, *(c for _, c in nested))
    if common > 1:
        reduced = _dim({**{m: c // common for m, c in nested}, (): constant // common})
        return reduced // (divisor // common)
    return Formula((((Floor(inside, divisor),), 1),))


def length(dim: Dim, most: int) -> int:
    """How many terms and factors a formula has, counted up to `most`."""
    if isinstance(dim, int) or most <= 0:
        return 1
    total = 0
    for mono, _ in dim.terms:
        for atom in mono:
            inner = length(atom.formula, most - total - 1) if isinstance(atom, Floor) else 0
            total += 1 + inner
            if total > most:
                return total
        total += 1
    return total


def largest(dim: Dim) -> int:
    """The largest number in a formula, whatever its sign; of an integer, itself."""
    if isinstance(dim, int):
        return abs(dim)
    inner = [atom for mono, _ in dim.terms for atom in mono if isinstance(atom, Floor)]
    numbers = [abs(coefficient) for _, coefficient in dim.terms]
    return max((*numbers, *(max(atom.divisor, largest(atom.formula)) for atom in inner)))


def substitute(dim: Dim, sizes: Mapping[str, Dim]) -> Dim:
    """The dimension with symbols replaced; an int once every symbol is given as one."""
    if isinstance(dim, int):
        return dim
    total: Dim = 0
    for mono, coefficient in dim.terms:
        value: Dim = coefficient
        for atom in mono:
            value = value * _substitute_atom(atom, sizes)
        total = total + value
    return total


def _substitute_atom(atom: Atom, sizes: Mapping[str, Dim]) -> Dim:
    if isinstance(atom, str):
        return sizes[atom] if atom in sizes else symbol(atom)
    return substitute(atom.formula, sizes) // atom.divisor


def symbols_of(dim: Dim) -> frozenset[str]:
    """The names of the symbols in a dimension."""
    if isinstance(dim, int):
        return frozenset()
    found: set[str] = set()
    for mono, _ in dim.terms:
        for atom in mono:
            found |= {atom} if isinstance(atom, str) else symbols_of(atom.formula)
    return frozenset(found)


def slope(dim: Dim, name: str) -> Fraction:
    """How fast the dimension grows with the symbol `name`, for large sizes."""
    from fractions import Fraction

    if isinstance(dim, int):
        return Fraction(0)
    total = Fraction(0)
    for mono, coefficient in dim.terms:
        if len(mono) == 1:
            atom = mono[0]
            if isinstance(atom, Floor):
                total += coefficient * slope(atom.formula, name) / atom.divisor
            elif atom == name:
                total += coefficient
    return total


def pace(dim: Dim) -> tuple[int, int] | None:
    """(period, rise): adding the period to the one symbol of `dim` adds the rise to `dim`, exactly.

    None for products of symbols, which do not grow evenly.
    """
    period, steps = 1, []
    for mono, coefficient in _terms(dim):
        if len(mono) > 1:
            return None
        if not mono:
            continue
        inner = _pace_of_atom(mono[0])
        if inner is None:
            return None
        steps.append((*inner, coefficient))
        period = lcm(period, inner[0])
    return period, sum(period // own * rise * coefficient for own, rise, coefficient in steps)


def _pace_of_atom(atom: Atom) -> tuple[int, int] | None:
    if isinstance(atom, str):
        return 1, 1
    inner = pace(atom.formula)
    if inner is None:
        return None
    period, rise = inner
    turns = atom.divisor // gcd(rise, atom.divisor)
    return period * turns, rise * turns // atom.divisor


def solved_for(dim: Dim, name: str) -> Dim | None:
    """What the symbol `name` is where `dim` is 0; None unless it stands there once, undivided."""
    alone, rest = 0, {}
    for mono, coefficient in _terms(dim):
        if mono == (name,):
            alone = coefficient
        elif name in symbols_of(_dim({mono: 1})):
            return None
        else:
            rest[mono] = coefficient
    if not alone or any(coefficient % alone for coefficient in rest.values()):
        return None
    return _dim({mono: -coefficient // alone for mono, coefficient in rest.items()})


def never_zero(dim: Dim) -> bool:
    """Whether what divides all terms but the constant does not divide that: `2*H + 1`."""
    terms = dict(_terms(dim))
    constant = terms.pop((), 0)
    divisor = gcd(*terms.values())
    return constant % divisor != 0 if divisor else constant != 0


def ratio(large: Dim, small: Dim) -> int:
    """The stride that takes a size `large` to `small`.

    It is by growth with the input's size: two maps may be 1x1 by chance. Sizes that do not grow are
    divided, rounding up.
    """
    if isinstance(large, Open) and isinstance(small, Open) and small.rate[0]:
        up, down = _times(large.rate, (small.rate[1], small.rate[0]))
        return int(up / down)
    if isinstance(large, int) and isinstance(small, int):
        return -(-int(large) // int(small))
    for name in sorted(symbols_of(large)):
        if slope(small, name):
            return int(slope(large, name) / slope(small, name))
    return 1


def least(dim: Dim) -> float:
    """A bound that the dimension never falls below while symbols are at least 1."""
    total = 0.0
    for mono, coefficient in _terms(dim):
        if coefficient < 0 and mono:
            return float("-inf")
        total += coefficient * prod(map(_least_atom, mono))
    return total


def _least_atom(atom: Atom) -> float:
    # What is divided has no negative terms: a division leaves remainders.
    return 1 if isinstance(atom, str) else least(atom.formula) // atom.divisor
