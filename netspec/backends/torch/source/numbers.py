"""Numbers as a reader would write them."""

from __future__ import annotations

from fractions import Fraction
from functools import cache

# Numbers of more digits are written as fractions, of divisors up to here, where they are.
_MOST_DIGITS, _MOST_PARTS = 10, 1000
# What a few operations in double precision may leave a fraction off by.
_CLOSE = 1e-15


@cache
def fraction(value: float) -> Fraction | None:
    """The fraction that a number is but for the last digits, if it is one of a reader's: 1 / 3, 11 / 170."""
    if not -1e9 < value < 1e9:
        return None
    found = Fraction(value).limit_denominator(_MOST_PARTS)
    away = abs(found.numerator / found.denominator - value)
    return found if away <= _CLOSE * abs(value) else None


@cache
def divided(value: float) -> str | None:
    """A number of many digits by fewer, `0.2`, `11 / 170`, or None of another."""
    if len(repr(value)) <= _MOST_DIGITS:
        return None
    found = fraction(value)
    if found is None:
        return None
    short = repr(found.numerator / found.denominator)
    return short if len(short) <= _MOST_DIGITS else f"{found.numerator} / {found.denominator}"
