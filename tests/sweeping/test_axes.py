"""The values of a parameter: ranges, lists, words, as the command and Python give them."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netspec.diagnostics.raised import NetspecError
from netspec.sweeping.axes import axis_of, input_axes


@pytest.mark.parametrize(
    ("given", "values", "kind"),
    [
        ("16..64:8", (16, 24, 32, 40, 48, 56, 64), int),
        ("16..63:8", (16, 24, 32, 40, 48, 56), int),
        ("5", (5,), int),
        ("4..1:-1", (4, 3, 2, 1), int),
        ("1..3,8,2..4", (1, 2, 3, 8, 4), int),
        ("0.1..0.5:0.1", (0.1, 0.2, 0.3, 0.4, 0.5), float),
        ("1..2:0.5", (1.0, 1.5, 2.0), float),
        ("0.5,1", (0.5, 1), float),
        ("2*8,2**5", (16, 32), int),
        ("yes,no", (True, False), bool),
        ("relu,gelu", ("relu", "gelu"), str),
        ("relu, leaky(0.1), mlp(4, act=gelu)", ("relu", "leaky(0.1)", "mlp(4, act=gelu)"), str),
        ("[3,4,6,3],[3,4,23,3]", ("[3,4,6,3]", "[3,4,23,3]"), str),
        ("none,bn", ("none", "bn"), str),
        ("1,yes", (1, True), str),
        (range(16, 65, 16), (16, 32, 48, 64), int),
        ([1, 2.5], (1, 2.5), float),
        (((3, 4), (5,)), ("[3, 4]", "[5]"), str),
        ([[True, "relu"], None], ("[yes, relu]", "none"), str),
        (7, (7,), int),
        (False, (False,), bool),
    ],
)
def test_what_is_given_is_read(given: object, values: tuple[object, ...], kind: type) -> None:
    axis = axis_of("n", given)
    assert tuple(axis.values) == values
    assert list(map(type, axis.values)) == list(map(type, values))
    assert axis.kind is kind
    assert axis.column == "set_n"


@given(
    st.integers(-50, 50), st.integers(-50, 50), st.integers(-9, 9).filter(bool), st.integers(0, 2)
)
def test_a_range_has_every_step_and_both_ends(
    first: int, last: int, step: int, digits: int
) -> None:
    """Against fractions, which are exact."""
    unit = Fraction(1, 10**digits)
    wanted, value = [], first * unit
    while (value <= last * unit) if step > 0 else (value >= last * unit):
        wanted.append(float(value))
        value += step * unit
    a, b, c = (f"{float(part * unit):.{digits}f}" for part in (first, last, step))
    if not wanted:
        with pytest.raises(NetspecError):
            axis_of("n", f"{a}..{b}:{c}")
    else:
        assert list(axis_of("n", f"{a}..{b}:{c}").values) == wanted


def test_a_long_range_is_not_written_out() -> None:
    axis = axis_of("n", "1..100000000000:1")
    assert len(axis.values) == 10**11
    assert axis.values[-1] == 10**11
    fine = axis_of("n", "0..1000000:0.001")
    assert len(fine.values) == 10**9 + 1
    assert fine.values[123_456_789] == 123456.789
    assert list(fine.values[:3]) == [0.0, 0.001, 0.002]


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ("", "NS540"),
        ("1,,2", "NS540"),
        ("5..1", "NS540"),
        ("1..5:0", "NS540"),
        ("1..5:-1", "NS540"),
        ("1..3000000,7", "NS540"),
        ([], "NS540"),
        (range(4, 4), "NS540"),
        ("1..99999999999999999999", "NS540"),
        (range(10**30, 10**30 + 5), "NS540"),
        (range(10**19), "NS540"),
        ([1, 10**18], "NS540"),
        ("0..100000000000000000:0.001", "NS540"),
        ("a b", "NS110"),
        ("[1,2", "NS106"),
        ("16..", "NS110"),
        ("1/0", "NS216"),
        ("n+1", "NS202"),
    ],
)
def test_what_is_no_value_is_a_mistake_in_the_command(given: object, code: str) -> None:
    with pytest.raises(NetspecError) as caught:
        axis_of("n", given)
    assert caught.value.status == 2
    assert [item.code for item in caught.value.diagnostics] == [code]


def test_sizes_of_one_input_are_one_axis() -> None:
    axes = input_axes(["3x64x64", "a:3x8x8", "3x96x96", "a:3x9x9", "b=4"])
    assert [(axis.column, list(axis.values)) for axis in axes] == [
        ("input", ["3x64x64", "3x96x96"]),
        ("input_a", ["a:3x8x8", "a:3x9x9"]),
        ("input_b", ["b=4"]),
    ]
