"""Numbers as a reader would write them."""

from __future__ import annotations

from fractions import Fraction
from functools import cache

# Numbers of more digits are written as fractions, of divisors up to here, where they are.
_MOST_DIGITS, _MOST_PARTS = 10, 1000


@cache
def fraction(value: float) -> Fraction | None:
    """The fraction that rounds to a number, if it is one of a reader's: a third, 5 of 170."""
    if value != value or value in (float("inf"), float("-inf")):
        return None
    found = Fraction(value).limit_denominator(_MOST_PARTS)
    return found if found.numerator / found.denominator == value else None


@cache
def divided(value: float) -> str | None:
    """A number of many digits as a short one over a whole one: `1 / 170`, `0.2 / 11`."""
    if len(repr(value)) <= _MOST_DIGITS or not 1e-4 < abs(value) < 1e4:
        return None
    whole = fraction(value)
    if whole is not None:
        return f"{whole.numerator} / {whole.denominator}"
    for parts in range(2, _MOST_PARTS // 10):
        short = float(f"{value * parts:.2g}")
        if short / parts == value:
            return f"{short!r} / {parts}"
    return None
