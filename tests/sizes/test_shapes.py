"""Dimensions as integers and formulas: arithmetic, and the conditions that rules put on them."""

from __future__ import annotations

from itertools import product
from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netspec.sizes.conditions import Conditions, at_least, equal, gathering
from netspec.sizes.dims import Dim, Open, length, ratio, stretches, substitute, symbol, symbols_of
from netspec.sizes.shapes import numel

H, W = symbol("H"), symbol("W")


@pytest.mark.parametrize(
    ("formula", "text"),
    [
        (H + 0, "H"),
        (2 * H - H - H, "0"),
        ((H + 1) // 2, "floor((H + 1)/2)"),
        (((H + 1) // 2 + 1) // 2, "floor((H + 3)/4)"),
        (4 * H // 2, "2*H"),
        ((2 * H + 3) // 2, "H + 1"),
        ((H + 4) // 2, "floor(H/2) + 2"),
        ((2 * H + 2) // 4, "floor((H + 1)/2)"),
        ((2 * H + 3) // 4, "floor((H + 1)/2)"),
        ((4 * H + 6) // 6, "floor((2*H)/3) + 1"),
        (H * W - W * H, "0"),
    ],
)
def test_formulas_have_one_form(formula: Dim, text: str) -> None:
    assert str(formula) == text


def strided(size: Dim, kernel: int, stride: int, pad: int) -> Dim:
    return (size + (2 * pad - kernel)) // stride + 1


@given(
    st.lists(st.tuples(st.integers(1, 5), st.integers(1, 4), st.integers(0, 3)), max_size=4),
    st.integers(1, 300),
)
def test_a_formula_gives_what_the_arithmetic_gives(
    windows: list[tuple[int, int, int]], size: int
) -> None:
    formula, number = H + 0, size
    for kernel, stride, pad in windows:
        formula, number = (
            strided(formula, kernel, stride, pad),
            strided(number, kernel, stride, pad),
        )
    assert substitute(formula, {"H": size}) == number


def test_substituting_one_symbol_leaves_the_other() -> None:
    assert substitute(H * W + H, {"H": 3}) == 3 * W + 3
    assert symbols_of((H + W) // 2) == {"H", "W"}


def test_equality_of_formulas_is_recorded_as_a_condition() -> None:
    with gathering(Conditions()) as conditions:
        assert equal(H, 2 * (H // 2))
        assert at_least(H, 5)
        assert not equal(H, H + 1)
        assert not equal(3, 4)
    assert [str(c) for c in conditions.found] == ["H == 2*floor(H/2)", "H >= 5"]


def test_what_is_computed_of_a_size_of_an_input_is_no_one_that_stretches() -> None:
    size = Open(4)
    for computed in (size - 3, 5 - size, size // 4, (size + 4) // 8, -(-size // 4), size * 1 - 3):
        assert computed == 1
        assert not stretches(computed)
    assert stretches(1)
    assert str(size * H) == "4*H"


@pytest.mark.parametrize(("large", "small"), list(product((7, 8, 224), (1, 3, 7))))
def test_the_ratio_of_sizes_is_the_stride_between_them(large: int, small: int) -> None:
    stride = ratio(large, small)
    assert (stride - 1) * small < large <= stride * small


def test_the_ratio_of_formulas_is_that_of_their_growth() -> None:
    assert ratio(H, (H + 1) // 2) == 2
    assert ratio(H, H - 2) == 1


def test_elements_of_a_shape_multiply() -> None:
    assert numel(()) == 1
    assert numel((3, 4, 5)) == 60
    assert str(numel((3, H, W))) == "3*H*W"


def test_the_length_of_a_formula_is_counted_up_to_a_bound() -> None:
    grown: Dim = H
    for _ in range(12):
        grown = (grown + 1) // 2 + (grown + 2) // 3
    assert length(grown, 64) > 64
    assert length(H // 2, 64) < 10
    assert length(3, 64) == 1


@given(st.lists(st.sampled_from([2, 3, 4]), min_size=1, max_size=3), st.integers(1, 60))
def test_the_ratio_of_sizes_of_an_input_is_that_of_the_formulas(
    strides: list[int], size: int
) -> None:
    # Also where both maps are 1 by chance, or rounding up would give another stride.
    formula: Dim = H
    number: Dim = Open(size)
    for stride in strides:
        formula, number = (formula - 1) // stride + 1, (number - 1) // stride + 1
    assert ratio(Open(size), number) == ratio(H, formula) == prod(strides)
