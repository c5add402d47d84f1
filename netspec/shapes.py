"""Dimensions as integers or formulas, and the types of tensors.

A formula is a polynomial over symbols (`H`, `W`) and floor divisions of formulas, in canonical form:
`(H + 1) // 2` taken twice becomes `(H + 3) // 4`, and `2 * (H // 2)` equals `H` only where `H` is even.
Where a shape rule needs such an equality, it is recorded as a condition on the sizes (`Conditions`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from fractions import Fraction
from functools import total_ordering
from itertools import pairwise
from math import gcd, prod
from typing import Union


@total_ordering
@dataclass(frozen=True, slots=True)
class Floor:
    """`formula // divisor`, where neither is divisible by the other's factors."""

    formula: Formula
    divisor: int

    def __str__(self) -> str:
        return f"floor(({self.formula})/{self.divisor})"

    def __lt__(self, other: Atom) -> bool:
        return str(self) < str(other)


Atom = Union[str, Floor]
Monomial = tuple[Atom, ...]


@dataclass(frozen=True, slots=True)
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
    if isinstance(inside, int):
        return _sum((outside, 1), (inside // divisor, 1))
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
        divisor //= common
        if divisor == 1 or isinstance(reduced, int):
            return reduced // divisor
        return _floor(reduced, divisor)
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


def substitute(dim: Dim, sizes: Mapping[str, int]) -> Dim:
    """The dimension with symbols replaced by sizes; an int once every symbol is given."""
    if isinstance(dim, int):
        return dim
    total: Dim = 0
    for mono, coefficient in dim.terms:
        value: Dim = coefficient
        for atom in mono:
            value = value * _substitute_atom(atom, sizes)
        total = total + value
    return total


def _substitute_atom(atom: Atom, sizes: Mapping[str, int]) -> Dim:
    if isinstance(atom, str):
        return sizes[atom] if atom in sizes else symbol(atom)
    return substitute(atom.formula, sizes) // atom.divisor


def symbols_of(dim: Dim) -> frozenset[str]:
    if isinstance(dim, int):
        return frozenset()
    found: set[str] = set()
    for mono, _ in dim.terms:
        for atom in mono:
            found |= {atom} if isinstance(atom, str) else symbols_of(atom.formula)
    return frozenset(found)


def slope(dim: Dim, name: str) -> Fraction:
    """How fast the dimension grows with the symbol `name`, for large sizes."""
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


def strides(large: TensorType, small: TensorType) -> int | tuple[int, ...]:
    """The stride from one map to another of its rank: one number where all axes agree."""
    found = tuple(ratio(a, b) for a, b in zip(large.spatial, small.spatial, strict=True))
    return found if len(set(found)) > 1 else (*found, 1)[0]


def ratio(large: Dim, small: Dim) -> int:
    """The stride that takes a size `large` to `small`: by rounding up, or by growth for formulas."""
    if isinstance(large, int) and isinstance(small, int):
        return -(-large // small)
    for name in sorted(symbols_of(large)):
        if slope(small, name):
            return int(slope(large, name) / slope(small, name))
    return 1


def numel(shape: tuple[Dim, ...]) -> Dim:
    return prod(shape) if shape else 1


# --- conditions on symbolic sizes


@dataclass(frozen=True, slots=True)
class Condition:
    """`left == right`, or `left >= right`, which a shape rule needs of the symbols."""

    left: Dim
    relation: str
    right: Dim

    def holds(self, sizes: Mapping[str, int]) -> bool:
        left, right = substitute(self.left, sizes), substitute(self.right, sizes)
        assert isinstance(left, int)
        assert isinstance(right, int)
        return left == right if self.relation == "==" else left >= right

    def __str__(self) -> str:
        return f"{self.left} {self.relation} {self.right}"


@dataclass
class Conditions:
    """The conditions gathered while one graph is built, in order, each once."""

    found: dict[Condition, None] = field(default_factory=dict)


_current: ContextVar[Conditions | None] = ContextVar("conditions", default=None)


@contextmanager
def gathering(conditions: Conditions) -> Iterator[Conditions]:
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
    if _least(difference) >= 0:
        return True
    return _require(left, ">=", right)


def _least(dim: Dim) -> float:
    """A bound that the dimension never falls below while symbols are at least 1."""
    total = 0.0
    for mono, coefficient in _terms(dim):
        factors = [_least_atom(atom) for atom in mono]
        if (coefficient < 0 and mono) or any(factor < 0 for factor in factors):
            return float("-inf")
        total += coefficient * prod(factors)
    return total


def _least_atom(atom: Atom) -> float:
    if isinstance(atom, str):
        return 1
    least = _least(atom.formula)
    return least // atom.divisor if least >= 0 else float("-inf")


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


# --- tensor types


@dataclass(frozen=True, slots=True)
class TensorType:
    """The type of one tensor: shape without the leading batch dimension.

    `batch` is the symbol of the leading dimension: `N`, or another where an input declares one
    (regions of interest are not images). Spatial tensors are channels first: (C, L), (C, H, W),
    (C, D, H, W). `ids` is the number of distinct integer ids for int64 inputs, else None.
    """

    shape: tuple[Dim, ...]
    batch: str = "N"
    ids: int | None = None

    @property
    def dtype(self) -> str:
        return "float32" if self.ids is None else "int64"

    @property
    def channels(self) -> Dim:
        return self.shape[0] if self.shape else 1

    @property
    def spatial(self) -> tuple[Dim, ...]:
        return self.shape[1:]

    def with_shape(self, *shape: Dim) -> TensorType:
        return TensorType(shape, self.batch)

    def __str__(self) -> str:
        sizes = map(str, self.shape)
        text = "x".join(size if size.isalnum() else f"[{size}]" for size in sizes) or "scalar"
        return text if self.ids is None else f"{text} ids({self.ids})"
