"""What was asked of sizes is written down with its answer, so that other sizes can be held to it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from netspec.sizes.asked import answer, ask, asking
from netspec.sizes.dims import Dim, Open, symbol
from netspec.sizes.shapes import TensorType

H, W = symbol("H"), symbol("W")


@dataclass(frozen=True)
class Tensor:
    type: TensorType


def of(*shape: Dim) -> TensorType:
    return TensorType(shape)


@pytest.mark.parametrize(
    ("letter", "least", "place"),
    [("C", 1, 0), ("T", 2, -1), ("L", 2, -1), ("H", 3, -2), ("W", 3, -1), ("D", 4, -3)],
)
def test_a_letter_is_a_size_of_maps_that_have_it(letter: str, least: int, place: int) -> None:
    sizes = (11, 7, 5, 3)
    for axes in range(1, 5):
        found = answer(letter, of(*sizes[:axes]))
        has = axes == least if letter in "TL" else axes >= least
        assert found == (axes, sizes[:axes][place] if has else None)
    assert answer("C", of()) == (0, None)


def test_ids_have_a_length() -> None:
    ids = TensorType((16,), ids=100)
    assert answer("T", ids) == answer("L", ids) == (1, 16)
    assert answer("T", of(16)) == (1, None)


def test_answers_tell_sizes_apart_that_are_equal_by_chance() -> None:
    assert answer("H", of(3, 4, 5)) == answer("H", of(9, 4, 7))
    assert answer("H", of(3, 4, 5)) != answer("H", of(3, Open(4), 5))
    assert answer("H", of(3, H, 5)) != answer("H", of(3, W, 5))
    assert answer("C", of(3, 4, 5)) != answer("C", of(3, 4))


def test_without_a_letter_it_is_the_stride() -> None:
    assert answer("", of(3, 8, 8), of(5, 4, 4)) == 2
    assert answer("", of(3, 8, 9), of(5, 4, 3)) == (2, 3)
    assert answer("", of(3, 8, 8), of(5, 4)) is None


def test_questions_go_to_whoever_asks_innermost() -> None:
    tensor, other = Tensor(of(3, 8, 8)), Tensor(of(4, 2, 2))
    outer: list[object] = []
    inner: list[object] = []
    ask("C", tensor)  # nobody listens
    with asking(outer):  # type: ignore[arg-type]
        ask("C", tensor)
        with asking(inner):  # type: ignore[arg-type]
            ask("", tensor, other)
        ask("H", other)
    ask("W", tensor)
    assert outer == [("C", (tensor,), (3, 3)), ("H", (other,), (3, 2))]
    assert inner == [("", (tensor, other), 4)]
