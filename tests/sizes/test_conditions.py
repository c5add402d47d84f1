"""What rules need of sizes is answered where it is known, else recorded once and for whom it is gathered."""

from __future__ import annotations

import pytest

from netspec.sizes.conditions import (
    Condition,
    Conditions,
    at_least,
    equal,
    gathered,
    gathering,
    state,
)
from netspec.sizes.dims import Dim, symbol

H, W = symbol("H"), symbol("W")


@pytest.mark.parametrize(
    ("answer", "expected", "recorded"),
    [
        (lambda: equal(3, 3), True, []),
        (lambda: equal(3, 4), False, []),
        (lambda: equal(H + 1, H + 1), True, []),
        (lambda: equal(H + 1, H), False, []),
        (lambda: equal(H, 3), True, ["H == 3"]),
        (lambda: equal(2, W), True, ["2 == W"]),
        (lambda: at_least(4, 3), True, []),
        (lambda: at_least(3, 3), True, []),
        (lambda: at_least(2, 3), False, []),
        (lambda: at_least(2, 3, (1, 2)), True, []),
        (lambda: at_least(1, 3, (2,)), False, []),
        (lambda: at_least(H + 2, H), True, []),
        (lambda: at_least(H, H), True, []),
        (lambda: at_least(H, H + 1), False, []),
        (lambda: at_least(H, 1), True, []),
        (lambda: at_least(H, 2), True, ["H >= 2"]),
        (lambda: at_least(H // 2, 0), True, []),
        (lambda: at_least(2, H), True, ["2 >= H"]),
        (lambda: at_least(H, 7, (1, 3)), True, ["H >= 7 or H == 1 or H == 3"]),
    ],
)
def test_what_numbers_and_forms_decide_is_no_condition(
    answer: object, expected: bool, recorded: list[str]
) -> None:
    assert callable(answer)
    with gathering(Conditions()) as conditions:
        assert answer() is expected
    assert [str(condition) for condition in conditions.found] == recorded
    assert conditions.stated == list(conditions.found)
    assert answer() is expected  # nobody gathers


def test_conditions_go_to_whoever_gathers_innermost_and_each_counts_as_often_as_stated() -> None:
    assert gathered() is not gathered()
    with gathering(Conditions()) as outer:
        equal(H, 3)
        with gathering(Conditions()) as inner:
            equal(W, 2)
            equal(W, 2)
            assert gathered() is inner
        at_least(H, 5)
        assert gathered() is outer
        state(inner.found)
    assert list(inner.found) == [Condition(W, "==", 2)]
    assert inner.stated == [Condition(W, "==", 2)] * 2
    assert list(map(str, outer.stated)) == ["H == 3", "H >= 5", "W == 2"]
    with pytest.raises(KeyError), gathering(Conditions()):
        raise KeyError
    equal(W, 9)
    assert gathered() is not outer
    assert len(outer.stated) == 3


@pytest.mark.parametrize(
    ("condition", "legal"),
    [
        (Condition(H, "==", 2 * (W // 2)), {(2, 2), (2, 3), (4, 4), (4, 5)}),
        (Condition(H, ">=", W), {(h, w) for h in range(1, 6) for w in range(1, h + 1)}),
        (Condition(H, ">=", 4, (2,)), {(h, w) for h in (2, 4, 5) for w in range(1, 6)}),
    ],
)
def test_a_condition_holds_of_the_sizes_that_it_says(
    condition: Condition, legal: set[tuple[int, int]]
) -> None:
    for h in range(1, 6):
        for w in range(1, 6):
            sizes: dict[str, Dim] = {"H": h, "W": w}
            assert condition.holds({"H": h, "W": w}) == ((h, w) in legal)
            assert condition.with_symbols(sizes).holds({}) == ((h, w) in legal)
    assert condition.with_symbols({"H": W + 1}).symbols == {"W"}
    assert condition.symbols <= {"H", "W"}


def test_the_symbols_of_a_condition_are_those_of_both_sides() -> None:
    assert Condition(H, "==", W + 1).symbols == {"H", "W"}
    assert Condition(3, "==", W // 2).symbols == {"W"}
