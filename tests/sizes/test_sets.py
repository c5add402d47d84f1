"""Sets of sizes that repeat, held against every size looked at one by one."""

from __future__ import annotations

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netspec.sizes.sets import LONGEST, SizeSet, from_bound, from_zero, periodic

FAR = 90

tables = st.lists(st.integers(-9, 9), min_size=1, max_size=6)


def members(found: SizeSet, end: int = FAR) -> list[int]:
    return [size for size in range(1, end) if size in found]


def difference(table: list[int], rise: int, size: int) -> int:
    """One that grows by `rise` in each period, which is as long as the table."""
    turns, at = divmod(size, len(table))
    return turns * rise + table[at]


@st.composite
def sets(draw: st.DrawFn) -> SizeSet:
    start, period = draw(st.integers(1, 9)), draw(st.integers(1, 8))
    early = draw(st.sets(st.integers(1, 8)))
    residues = draw(st.sets(st.integers(0, period - 1)))
    return periodic((size for size in early if size < start), start, period, residues)


@given(sets())
def test_the_form_is_the_shortest_that_says_the_same(found: SizeSet) -> None:
    """No divisor of the period repeats too, and at the size before the start it does not hold yet."""
    for shorter in range(1, found.period):
        if found.period % shorter == 0:
            turned = {(residue + shorter) % found.period for residue in found.residues}
            assert turned != found.residues
    assert found.residues <= set(range(found.period))
    if not found.residues:
        assert found.period == 1
        assert found.start == (found.early[-1] + 1 if found.early else 1)
    elif found.start > 1:
        before = found.start - 1
        assert (before in found) != (before % found.period in found.residues)
    assert list(found.early) == sorted(size for size in found.early if 1 <= size < found.start)
    assert bool(found) == bool(members(found))


@given(sets(), sets())
def test_what_two_sets_share_is_in_both_and_in_the_one_form(one: SizeSet, other: SizeSet) -> None:
    both = one & other
    assert members(both) == [size for size in members(one) if size in other]
    assert both == other & one
    assert both & one == both


@given(sets(), st.integers(1, 40))
def test_members_come_in_order_from_any_size_on(found: SizeSet, least: int) -> None:
    wanted = [size for size in members(found) if size >= least]
    got = list(islice(found.from_(least), len(wanted)))
    assert got == wanted
    assert found.above(least) == next((size for size in wanted if size > least), None)
    assert found.below(least) == max((n for n in members(found) if n < least), default=None)
    assert bool(found.residues) or list(found.from_(least)) == wanted


@given(tables, st.integers(-4, 4))
def test_where_a_difference_is_zero(table: list[int], rise: int) -> None:
    found = from_zero(lambda size: difference(table, rise, size), len(table), rise)
    assert members(found) == [n for n in range(1, FAR) if not difference(table, rise, n)]


@given(tables, st.integers(-4, 4))
def test_where_a_difference_is_no_less_than_zero(table: list[int], rise: int) -> None:
    found = from_bound(lambda size: difference(table, rise, size), len(table), rise)
    assert found is not None
    assert members(found) == [n for n in range(1, FAR) if difference(table, rise, n) >= 0]


@pytest.mark.parametrize("rise", [1, -1])
def test_a_bound_that_takes_too_many_sizes_to_write_out_is_not_written(rise: int) -> None:
    """Even sizes all, odd ones from a far one on; or none beyond a far one."""

    def ends_at(far: int) -> SizeSet | None:
        if rise < 0:
            return from_bound(lambda size: far - size, 1, -1)
        return from_bound(lambda size: (size - far) // 2 if size % 2 else 0, 2, 1)

    assert ends_at(8 * LONGEST) is None
    near = ends_at(LONGEST // 2 + 1)
    assert near is not None
    assert (LONGEST // 2 + 1 in near, LONGEST // 2 - 1 in near) == (True, rise < 0)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (periodic((), 1, 1, ()), "no H"),
        (periodic((3,), 9, 1, ()), "H = 3"),
        (periodic((1, 2, 3, 5), 9, 1, ()), "H = 1..3 or 5"),
        (periodic((), 1, 4, range(4)), "H >= 1"),
        (periodic((), 6, 1, (0,)), "H >= 6"),
        (periodic((2,), 6, 1, (0,)), "H = 2 or H >= 6"),
        (periodic((), 1, 2, (0,)), "H even"),
        (periodic((), 1, 2, (1,)), "H odd"),
        (periodic((), 3, 2, (0,)), "H even, H >= 4"),
        (periodic((), 3, 2, (1,)), "H odd, H >= 3"),
        (periodic((), 1, 3, (0, 2)), "H = 0 or 2 mod 3"),
        (periodic((), 1, 5, (1, 2, 3)), "H = 1..3 mod 5"),
        (periodic((), 1, 20, range(10, 20)), "floor(H/10) odd"),
        (periodic((), 1, 16, (0, *range(9, 16))), "ceil(H/8) even"),
        (periodic((), 1, 16, range(1, 9)), "ceil(H/8) odd"),
        (periodic((), 1, 50, (*range(10, 20), *range(30, 40))), "floor(H/10) = 1 or 3 mod 5"),
        (periodic((), 1, 16, (0, 1, 2, 3, 12, 13, 14, 15)), "floor((H + 4)/8) even"),
        (periodic((), 4, 50, (*range(1, 11), *range(21, 31))), "ceil(H/10) = 1 or 3 mod 5, H >= 4"),
    ],
)
def test_a_set_is_said_in_the_fewest_words(found: SizeSet, said: str) -> None:
    assert found.describe("H") == said
