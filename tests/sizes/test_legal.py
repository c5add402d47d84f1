"""Which sizes conditions leave: sets that repeat, relations, and what is printed of them."""

from __future__ import annotations

import random
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.open_nets import says

from netspec.sizes.conditions import Condition
from netspec.sizes.dims import Dim, symbol
from netspec.sizes.legal import clashing, legality
from netspec.sizes.sets import periodic

H, W, K = symbol("H"), symbol("W"), symbol("K")


def equals(left: Dim, right: Dim) -> Condition:
    return Condition(left, "==", right)


def bound(left: Dim, right: Dim) -> Condition:
    return Condition(left, ">=", right)


PREDICATES = [
    ([], "H >= 1"),
    ([bound(H, 188)], "H >= 188"),
    ([bound(H // 2, 4)], "H >= 8"),
    ([equals(H, 2 * (H // 2))], "H even"),
    ([equals(H, 2 * (H // 2) + 1)], "H odd"),
    ([equals(H, 32 * (H // 32))], "H = 0 mod 32"),
    ([equals(H, 4 * (H // 4)), bound(H, 10)], "H = 0 mod 4, H >= 12"),
    ([equals(2 * ((H + 7) // 16), (H + 7) // 8)], "ceil(H/8) even"),
    ([equals(2 * (H // 6), H // 3)], "H = 0..2 mod 6"),
    ([equals(3 * ((H + 1) // 12), (H + 1) // 4)], "H = 0..2 or 11 mod 12"),
    ([equals(2 * ((H + 3) // 16), (H + 3) // 8)], "floor((H + 3)/8) even"),
    ([equals(H, (H + 1) // 2)], "H = 1"),
    ([bound(9, H)], "H = 1..9"),
    ([Condition(H, ">=", 7, (2, 3, 5))], "H = 2..3 or 5 or H >= 7"),
    ([Condition(H, ">=", 7, (2, 3)), equals(H, 2 * (H // 2))], "H = 2 or H even, H >= 8"),
    ([equals(H // 2 + H // 3, 5 * (H // 6))], "H = 0..1 mod 6"),
    ([bound(H * H, 10)], "H >= 4"),
    ([bound(H * H, 1)], "H >= 1"),
]


@pytest.mark.parametrize(("conditions", "predicate"), PREDICATES)
def test_the_legal_sizes_of_a_symbol_are_printed_as_what_they_are(
    conditions: list[Condition], predicate: str
) -> None:
    found = legality(tuple(conditions), ["H"])
    assert found.describe() == (predicate,)
    for size in range(1, 200):
        legal = all(condition.holds({"H": size}) for condition in conditions)
        assert (size in found.sets["H"]) == says(predicate, "H", size) == legal


@given(
    st.sets(st.integers(1, 12)), st.integers(1, 13), st.integers(1, 12), st.sets(st.integers(0, 11))
)
def test_a_set_is_one_whatever_form_it_was_given_in(
    early: set[int], start: int, period: int, residues: set[int]
) -> None:
    early = {size for size in early if size < start}
    residues = {residue % period for residue in residues}
    found = periodic(early, start, period, residues)
    twice = periodic(
        (n for n in range(1, start + 5) if n in found),
        start + 5,
        2 * period,
        (r + turn for r in residues for turn in (0, period)),
    )
    assert twice == found
    members = [n for n in range(1, 60) if n in early or (n >= start and n % period in residues)]
    assert [n for n in range(1, 60) if n in found] == members
    assert [n for n in range(1, 60) if says(found.describe("H"), "H", n)] == members
    for size in range(1, 40):
        assert found.below(size) == max((n for n in members if n < size), default=None)
        assert found.above(size) == min((n for n in members if n > size), default=None)


def formulas(rng: random.Random, names: str, depth: int = 2) -> Dim:
    total: Dim = rng.randint(-3, 3)
    for _ in range(rng.randint(1, 2)):
        inner = symbol(rng.choice(names))
        if depth and rng.random() < 0.7:
            inner = formulas(rng, names, depth - 1) // rng.choice((2, 3, 4))
        total = total + rng.choice((1, 1, 1, 2, -1)) * inner
    return total


def test_what_is_said_of_symbols_is_what_their_conditions_say() -> None:
    rng = random.Random(4)
    proven = solved = 0
    for _ in range(120):
        names = rng.choice(("H", "H", "HK"))
        conditions = tuple(
            Condition(formulas(rng, names), rng.choice(("==", ">=")), formulas(rng, names))
            for _ in range(rng.randint(1, 2))
        )
        found = legality(conditions, names)
        proven += not found.possible
        solved += bool(found.possible and not found.rest)
        for sizes in product(range(1, 90 if names == "H" else 14), repeat=len(names)):
            given = dict(zip(names, sizes, strict=True))
            holds = all(condition.holds(given) for condition in conditions)
            if not found.possible:
                assert not holds, conditions
            else:
                assert (not found.broken(given)) == found.allows(given) == holds, conditions
        example = found.example(1)
        assert example is None or found.allows(example)
        assert found.rest or (example is not None) == found.possible
    assert proven > 5
    assert solved > 30


def test_a_symbol_that_another_gives_is_told_as_its_formula() -> None:
    found = legality((bound(H, 2), equals(K, H // 2), bound(K, 3)), ["H", "K"])
    assert found.describe() == ("H >= 6", "K = floor(H/2)")
    assert found.broken({"H": 9, "K": 5}) == ("K = floor(H/2)",)
    assert found.nearest({"H": 3, "K": 5}) == [{"H": 6, "K": 3}]


def test_sizes_that_depend_on_each_other_unsolved_are_told_as_the_condition() -> None:
    found = legality((equals(K // 2, H // 2),), ["H", "K"])
    assert found.describe()[-1] == "floor(K/2) == floor(H/2)"
    assert found.allows({"H": 4, "K": 5})
    assert found.example(7) == {"H": 7, "K": 7}


def test_each_free_symbol_moves_to_its_nearest_by_itself() -> None:
    found = legality((equals(H, 32 * (H // 32)), bound(W, 7)), ["H", "W"])
    assert found.nearest({"H": 100, "W": 9}) == [{"H": 96, "W": 9}, {"H": 128, "W": 9}]
    assert found.nearest({"H": 20, "W": 9}) == [{"H": 32, "W": 9}]


def test_conditions_that_leave_nothing_are_named_and_no_others() -> None:
    even, odd = equals(H, 2 * (H // 2)), equals(H, 2 * (H // 2) + 1)
    conditions = (bound(H, 2), bound(W, 3), even, bound(H, 9), odd)
    assert clashing(conditions, ["H", "W"]) == (even, odd)
    related = (equals(K, H // 2), bound(W, 3), equals(K, H // 2 + 1))
    assert clashing(related, ["H", "K", "W"]) == (related[0], related[2])


def test_what_no_arithmetic_allows_is_impossible_for_several_symbols() -> None:
    assert not legality((equals(2 * (H // 2) + 2 * (K // 3), 7),), ["H", "K"]).possible


def test_a_few_that_clash_are_found_among_many_with_few_questions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = 0

    def counted(*arguments: object) -> object:
        nonlocal asked
        asked += 1
        return legality(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("netspec.sizes.legal.legality", counted)
    many = tuple(bound(H, i) for i in range(2, 200))
    odd, even = equals(H // 2 * 2, H - 1), equals(H // 2 * 2, H)
    assert clashing((*many[:90], odd, *many[90:], even), ["H"]) == (odd, even)
    assert asked < 60


def test_from_where_on_a_bound_holds_is_found_by_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0
    holds = Condition.holds

    def counted(self: Condition, sizes: dict[str, int]) -> bool:
        nonlocal asked
        asked += 1
        return holds(self, sizes)

    monkeypatch.setattr(Condition, "holds", counted)
    found = legality((bound((H + 5) // 99991, 0), bound((H * 3 + 1) // 16411, 2)), ["H"])
    assert found.describe() == ("H >= 10941",)
    assert asked < 40


@pytest.mark.parametrize(
    ("conditions", "told", "legal"),
    [
        # Together they repeat with a period that is not written out.
        (
            (equals(H, 181 * (H // 181)), equals(H, 191 * (H // 191))),
            ("H = 0 mod 181", "H == 191*floor(H/191)"),
            {181: False, 191: False, 181 * 191: True},
        ),
        # One that shrinks, and one with an exception in a set with gaps, say nothing of a set.
        ((bound(50, H * H),), ("H >= 1", "50 >= H*H"), {7: True, 8: False}),
        (
            (Condition(2 * (H // 2) - H, ">=", 0, (-1,)), bound(H, 3)),
            ("H >= 3", "-H + 2*floor(H/2) >= 0 or -H + 2*floor(H/2) == -1"),
            {2: False, 3: True, 4: True},
        ),
    ],
)
def test_what_has_no_short_form_is_told_as_the_condition(
    conditions: tuple[Condition, ...], told: tuple[str, ...], legal: dict[int, bool]
) -> None:
    found = legality(conditions, ["H"])
    assert found.possible
    assert found.describe() == told
    assert {size: found.allows({"H": size}) for size in legal} == legal
    assert {size: not found.broken({"H": size}) for size in legal} == legal


def test_a_condition_on_no_symbol_holds_or_leaves_nothing() -> None:
    assert legality((Condition(4, ">=", 4),), ["H"]).possible
    assert not legality((Condition(3, ">=", 4),), ["H"]).possible
    assert not legality((bound(H, 2), Condition(3, "==", 4)), ["H"]).possible


def test_a_size_that_follows_from_another_is_at_least_1() -> None:
    found = legality((equals(K, H - 3),), ["H", "K"])
    assert found.describe() == ("H >= 4", "K = H - 3")
    assert legality((equals(K, H + 3),), ["H", "K"]).describe() == ("H >= 1", "K = H + 3")
    # The first two conditions make of the third a number.
    assert not legality((equals(K, H), equals(W, H), equals(W, K + 1)), ["H", "K", "W"]).possible
    assert legality((equals(K, H), equals(W, H), equals(W, K)), ["H", "K", "W"]).describe() == (
        "H >= 1",
        "K = H",
        "W = H",
    )


def test_an_example_is_the_smallest_from_a_size_on_or_the_largest_below() -> None:
    assert legality((equals(H, 4 * (H // 4)),), ["H"]).example(5) == {"H": 8}
    assert legality((bound(9, H),), ["H"]).example(5) == {"H": 5}
    assert legality((bound(9, H),), ["H"]).example(12) == {"H": 9}
    assert legality((bound(9, H), bound(H, 10)), ["H"]).example(1) is None


def test_where_sizes_depend_on_each_other_unsolved_the_smallest_that_fit_are_found() -> None:
    found = legality((equals(K // 2, H // 2), bound(3, H)), ["H", "K"])
    assert found.example(3) == {"H": 3, "K": 3}
    assert found.example(50) == {"H": 1, "K": 1}
