"""Variants by number: the order of a product, samples without repetition, parts that make the whole."""

from __future__ import annotations

from itertools import product

import pytest

from netspec.diagnostics.raised import NetspecError
from netspec.sweeping.axes import axis_of
from netspec.sweeping.grid import Grid

AXES = (axis_of("a", "1..3"), axis_of("b", "yes,no"), axis_of("c", "x,y,z,w"))


def test_the_last_parameter_changes_first() -> None:
    grid = Grid(AXES)
    assert [grid.at(i) for i in range(grid.count)] == list(product(*(a.values for a in AXES)))


def test_without_parameters_there_is_one_variant() -> None:
    assert Grid(()).count == 1
    assert Grid(()).at(0) == ()


def test_a_sample_has_each_variant_once_and_is_the_same_for_a_seed() -> None:
    grid = Grid(AXES)
    found = grid.numbers(10, 3)
    assert len(set(found)) == 10
    assert list(found) == sorted(found)
    assert set(found) <= set(range(24))
    assert grid.numbers(10, 3) == found
    assert grid.numbers(10, 4) != found
    assert list(grid.numbers(24)) == list(grid.numbers(99)) == list(range(24))


def test_a_sample_of_a_grid_that_no_memory_holds() -> None:
    grid = Grid(tuple(axis_of(name, "1..1000000") for name in "abc"))
    assert grid.count == 10**18
    found = grid.numbers(1000, 0)
    assert len(set(found)) == 1000
    assert grid.at(found[-1])[0] > 900_000  # from all over it


def test_more_than_can_be_counted_is_refused() -> None:
    grid = Grid(tuple(axis_of(name, "1..1000000") for name in "abcd"))
    with pytest.raises(NetspecError, match="NS543"):
        grid.numbers(5)


@pytest.mark.parametrize("sample", [None, 17])
@pytest.mark.parametrize("parts", [1, 2, 5, 24, 30])
def test_parts_one_after_the_other_are_the_whole(parts: int, sample: int | None) -> None:
    grid = Grid(AXES)
    found = [grid.numbers(sample, 1, (i, parts)) for i in range(1, parts + 1)]
    assert [number for part in found for number in part] == list(grid.numbers(sample, 1))
    assert max(map(len, found)) - min(map(len, found)) <= 1
