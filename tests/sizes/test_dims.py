"""Formulas of sizes: each answer about one is true of every size that its symbols can have."""

from __future__ import annotations

import operator
from collections.abc import Callable
from fractions import Fraction
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netspec.sizes.dims import (
    Dim,
    Open,
    exact,
    largest,
    least,
    length,
    never_zero,
    pace,
    ratio,
    slope,
    solved_for,
    substitute,
    symbol,
    symbols_of,
)

H, W = symbol("H"), symbol("W")
SIZES = tuple(product((1, 2, 5, 12), (1, 3, 8)))
Build = Callable[[Any, Any], Any]


def _joined(inner: st.SearchStrategy[Build]) -> st.SearchStrategy[Build]:
    signs = st.sampled_from([operator.add, operator.sub, operator.mul])
    numbers = st.integers(-3, 5)
    return st.one_of(
        st.builds(lambda f, a, b: lambda h, w: f(a(h, w), b(h, w)), signs, inner, inner),
        st.builds(lambda f, a, n: lambda h, w: f(a(h, w), n), signs, inner, numbers),
        st.builds(lambda f, n, a: lambda h, w: f(n, a(h, w)), signs, numbers, inner),
        st.builds(lambda a, n: lambda h, w: a(h, w) // n, inner, st.integers(1, 6)),
        st.builds(lambda a: lambda h, w: -a(h, w), inner),
    )


SYMBOLS: st.SearchStrategy[Build] = st.sampled_from([lambda h, w: h, lambda h, w: w])
# Any arithmetic of two sizes, and what windows make of one.
ANY = st.recursive(SYMBOLS, _joined, max_leaves=6)
EVEN = st.recursive(
    st.just(lambda h, w: h),
    lambda inner: st.builds(
        lambda a, m, n, d: lambda h, w: (a(h, w) * m + n) // d,
        inner, st.integers(1, 4), st.integers(-5, 5), st.integers(1, 4),
    ),
    max_leaves=4,
)  # fmt: skip
tried = settings(max_examples=60)


def at(formula: Dim, h: int, w: int) -> Dim:
    return substitute(formula, {"H": h, "W": w})


@tried
@given(ANY)
def test_a_formula_is_the_arithmetic_that_made_it_and_reads_as_it(make: Build) -> None:
    formula = make(H, W)
    said = str(formula).replace("floor", "").replace("/", "//")
    for h, w in SIZES:
        assert at(formula, h, w) == make(h, w)
        assert eval(said, {"H": h, "W": w}) == make(h, w)
    assert symbols_of(formula) == {name for name in "HW" if name in str(formula)}
    half = substitute(formula, {"H": 5})
    assert "H" not in symbols_of(half)
    assert all(substitute(half, {"W": w}) == make(5, w) for w in (1, 3, 8))


@tried
@given(ANY, ANY)
def test_formulas_that_are_told_apart_differ_in_what_tells_them(one: Build, other: Build) -> None:
    a, b = one(H, W), other(H, W)
    assert (exact(a) == exact(b)) == (a == b)


@tried
@given(ANY)
def test_what_is_least_is_never_passed(make: Build) -> None:
    formula = make(H, W)
    assert all(make(h, w) >= least(formula) for h, w in SIZES)


@pytest.mark.parametrize(
    ("formula", "bound"),
    [
        (7, 7),
        (H, 1),
        (3 * H + W + 2, 6),
        (H * W * 4 - 5, -1),
        ((H + 4) // 2, 2),
        ((H + 4) // 2 * H + 1, 3),
        (-1 * H, float("-inf")),
        (W - H, float("-inf")),
        ((H - 1) // 2, 0),
        ((H - 2) // 2, -1),
        ((H - 2) // 2 * W, float("-inf")),
    ],
)
def test_the_least_of_a_sum_of_what_grows_is_at_ones(formula: Dim, bound: float) -> None:
    assert least(formula) == bound


@tried
@given(EVEN)
def test_what_grows_evenly_is_told_its_pace_and_slope(make: Build) -> None:
    formula = make(H, W)
    found = pace(formula)
    assert found is not None
    period, rise = found
    assert period > 0
    assert all(make(size + period, 0) == make(size, 0) + rise for size in range(1, 20))
    assert slope(formula, "H") == Fraction(rise, period)
    assert slope(formula, "W") == 0


@pytest.mark.parametrize("formula", [H * W, H * H + 1, (H * W) // 2, (H * H + 1) // 3 + H])
def test_products_have_no_pace(formula: Dim) -> None:
    assert pace(formula) is None


@pytest.mark.parametrize(
    ("formula", "found"),
    [(4, (1, 0)), (H, (1, 1)), (H // 2, (2, 1)), (H // 2 + H // 3, (6, 5)), (4 * H // 6, (3, 2))],
)
def test_a_pace_is_the_shortest_of_all_its_parts(formula: Dim, found: tuple[int, int]) -> None:
    assert pace(formula) == found


@pytest.mark.parametrize(
    ("formula", "name", "solution"),
    [
        (H - 2 * W - 3, "H", 2 * W + 3),
        (2 * W + 3 - H, "H", 2 * W + 3),
        (2 * H - 4 * W, "H", 2 * W),
        (2 * H - 4 * W - 1, "H", None),
        (H - W // 2, "H", W // 2),
        (H - W // 2, "W", None),
        (H + H // 2 - W, "H", None),
        (H * W - W, "H", None),
        (W - 3, "H", None),
        (H, "H", 0),
        (5, "H", None),
    ],
)
def test_a_symbol_that_stands_alone_is_what_makes_it_zero(
    formula: Dim, name: str, solution: Dim | None
) -> None:
    assert solved_for(formula, name) == solution
    if solution is not None:
        assert substitute(formula, {name: solution}) == 0


@pytest.mark.parametrize(
    ("formula", "never"),
    [
        (2 * H + 1, True),
        (2 * H - 4 * W + 1, True),
        (2 * H + 3 * W + 1, False),
        (2 * H + 4, False),
        (H, False),
        (3 * (H // 2) - 1, True),
        (0, False),
        (5, True),
    ],
)
def test_what_a_common_factor_keeps_from_zero(formula: Dim, never: bool) -> None:
    assert never_zero(formula) is never


@pytest.mark.parametrize(
    ("formula", "terms", "number"),
    [
        (-7, 1, 7),
        (H, 2, 1),
        (H * W, 3, 1),
        (H - 9, 3, 9),
        (3 * H * W + 2 * H - 1, 6, 3),
        (H // 12, 4, 12),
        ((H - 40) // 12, 6, 12),
        (-50 * (H // 12) + W, 6, 50),
    ],
)
def test_a_formula_is_as_long_as_its_terms_and_factors(
    formula: Dim, terms: int, number: int
) -> None:
    assert length(formula, 100) == terms
    assert largest(formula) == number
    assert all(length(formula, most) > most for most in range(terms))


OPEN = st.lists(
    st.tuples(st.sampled_from(["+", "-", "r-", "*", "//", "neg"]), st.integers(1, 5)), max_size=4
)


@tried
@given(OPEN, st.integers(1, 40))
def test_an_open_size_is_its_number_and_grows_as_the_formula_does(
    steps: list[tuple[str, int]], size: int
) -> None:
    number, formula, plain = Open(size), H + 0, size
    does: dict[str, Build] = {
        "+": operator.add,
        "-": operator.sub,
        "r-": lambda a, n: n - a,
        "*": operator.mul,
        "//": operator.floordiv,
        "neg": lambda a, _n: -a,
    }
    for how, by in steps:
        number, formula, plain = (does[how](held, by) for held in (number, formula, plain))
        assert type(number) is Open
        assert number == plain
        assert Fraction(*number.rate) == slope(formula, "H")
    assert exact(number) != exact(plain)
    assert exact(number) == exact(Open(plain, number.rate))
    assert exact(number) != exact(Open(plain, (number.rate[0] + number.rate[1], number.rate[1])))


def test_open_sizes_meet_in_sums_and_part_in_products() -> None:
    half = Open(8) // 2
    assert (Open(8) + half).rate == (3, 2)
    assert (Open(8) - half).rate == (1, 2)
    assert (half + Open(8)).rate == (3, 2)
    assert (Open(8) * half, (Open(8) * half).rate) == (32, (0, 1))
    assert (Open(8) // half, (Open(8) // half).rate) == (2, (0, 1))
    assert (3 + half, (3 + half).rate) == (7, (1, 2))
    assert (3 * half, (3 * half).rate) == (12, (3, 2))
    for wrong in (operator.add, operator.sub, operator.mul, operator.floordiv):
        with pytest.raises(TypeError):
            wrong(half, None)


@pytest.mark.parametrize(
    ("large", "small", "stride"),
    [
        (224, 7, 32),
        (225, 7, 33),
        (H, H // 4, 4),
        (2 * H, H // 4, 8),
        (H, W, 1),
        (H + W // 2, W // 4, 2),
        (Open(9), Open(9) // 2, 2),
        (Open(9) * 2, Open(9) // 2, 4),
        (Open(9), Open(4, (0, 1)), 3),
    ],
)
def test_a_ratio_is_of_what_both_grow_with(large: Dim, small: Dim, stride: int) -> None:
    assert ratio(large, small) == stride


@pytest.mark.parametrize(
    ("make", "rate"),
    [
        (lambda h: h, (1, 1)),
        (lambda h: h * 3, (3, 1)),
        (lambda h: 3 * h, (3, 1)),
        (lambda h: h // 2, (1, 2)),
        (lambda h: (h * 3) // 2, (3, 2)),
        (lambda h: (h * 4) // 2, (2, 1)),
        (lambda h: -h, (-1, 1)),
        (lambda h: h + 5, (1, 1)),
        (lambda h: 5 + h, (1, 1)),
        (lambda h: 5 - h, (-1, 1)),
        (lambda h: h - 5, (1, 1)),
        (lambda h: h // 2 + h // 3, (5, 6)),
        (lambda h: h // 2 - h // 3, (1, 6)),
        (lambda h: h - h, (0, 1)),
        (lambda h: h * h, (0, 1)),
        (lambda h: h // h, (0, 1)),
    ],
)
def test_an_open_size_grows_with_its_input_as_what_is_computed_of_it(
    make: Callable[[Any], Any], rate: tuple[int, int]
) -> None:
    size = make(Open(12))
    assert isinstance(size, Open)
    assert (int(size), size.rate) == (make(12), rate)
    # As the formula does, where the size is a symbol.
    if rate != (0, 1) and "//" not in str(rate):
        assert slope(make(H), "H") == Fraction(*rate)


@pytest.mark.parametrize(
    ("formula", "said"),
    [
        ((2 * (H // 3)) // 2, "floor(H/3)"),
        ((4 * (H // 3)) // 2, "2*floor(H/3)"),
        ((6 * H + 3) // 4, "H + floor((H + 1)/2)"),
        ((2 * H + 1) // 2, "H"),
        ((2 * H + 3) // 2, "H + 1"),
        ((2 * H + 2 * W + 1) // 4, "floor((H + W)/2)"),
        ((H // 2) // 3, "floor(H/6)"),
        ((H // 2 + 1) // 3, "floor((H + 2)/6)"),
        (5 - H, "-H + 5"),
        (H - 5, "H - 5"),
    ],
)
def test_a_formula_takes_its_shortest_form(formula: Dim, said: str) -> None:
    assert str(formula) == said


def test_what_has_no_symbol_does_not_grow() -> None:
    assert slope(7, "H") == 0
    assert slope(W * 2, "H") == 0
    assert slope(3 * H + W, "H") == 3
    assert slope((3 * H + 1) // 2, "H") == Fraction(3, 2)
