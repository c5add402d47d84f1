"""Tensors of folded nets: in pieces, whatever the pieces of those they are made of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from netspec.ops.declare.linear import (
    Constant,
    Contracted,
    InverseRoot,
    Kernel,
    Layout,
    Part,
    Product,
    Sum,
    Tensor,
    Term,
)
from netspec.ops.declare.schemes import Zeros
from netspec.ops.declare.weight import Weight
from netspec.weights import derived
from netspec.weights.derived import Derived


class Uneven:
    """A source whose pieces end anywhere."""

    def __init__(self, tensors: dict[str, Any], length: int = 7) -> None:
        self.tensors, self.length = tensors, length

    def pieces(self, name: str, weight: Weight) -> Iterator[Any]:
        flat = np.asarray(self.tensors[name], np.float32).reshape(-1)
        for start in range(0, flat.size, self.length):
            yield flat[start : start + self.length]


def tensor(name: str, *shape: int) -> Tensor:
    return Tensor(name, Weight("weight", shape, Zeros()))


def whole(recipe: Any, shape: tuple[int, ...], tensors: dict[str, Any]) -> Any:
    weight = Weight("weight", shape, Zeros())
    pieces = list(Derived(Uneven(tensors), {"made": recipe}).pieces("made", weight))
    assert all(piece.dtype == np.float32 and piece.ndim == 1 for piece in pieces)
    return np.concatenate(pieces).reshape(shape)


@pytest.mark.parametrize("chunk", [1, 10, 10**6])
def test_the_sum_of_kernels_is_that_of_numpy(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(derived, "CHUNK", chunk)
    random = np.random.default_rng(0)
    wide, narrow = random.random((4, 2, 3, 3), np.float32), random.random((4, 2, 1, 2), np.float32)
    rows, columns = random.random(4, np.float32), random.random(4, np.float32)
    layout = Layout(4, 4, 2, (3, 3))
    made = Kernel(
        layout,
        (
            Term(tensor("wide", 4, 2, 3, 3), (3, 3), (0, 0), (tensor("rows", 4),)),
            Term(tensor("narrow", 4, 2, 1, 2), (1, 2), (2, 1), (), (tensor("columns", 4),)),
            Term(None, (1, 1), (1, 1), (tensor("rows", 4), Constant(2.0))),
        ),
    )
    expected = wide.astype(float) * rows[:, None, None, None]
    for out in range(4):
        for into in range(2):
            channel = out // 2 * 2 + into
            expected[out, into, 2, 1:] += narrow[out, into, 0].astype(float) * columns[channel]
            expected[out, into, 1, 1] += 2 * rows[out] * (channel == out)
    tensors = {"wide": wide, "narrow": narrow, "rows": rows, "columns": columns}
    assert np.array_equal(whole(made, (4, 2, 3, 3), tensors), expected.astype(np.float32))


def test_a_transposed_kernel_has_its_inputs_first() -> None:
    random = np.random.default_rng(0)
    kernel, rows = random.random((4, 3, 2), np.float32), random.random(6, np.float32)
    layout = Layout(6, 4, 2, (2,), transposed=True)
    made = Kernel(layout, (Term(tensor("kernel", 4, 3, 2), (2,), (0,), (tensor("rows", 6),)),))
    expected = kernel.astype(float).copy()
    expected[:2] *= rows[:3, None]
    expected[2:] *= rows[3:, None]
    found = whole(made, (4, 3, 2), {"kernel": kernel, "rows": rows})
    assert np.array_equal(found, expected.astype(np.float32))


def test_vectors_are_computed_in_double_precision_and_rounded_once() -> None:
    a, b = np.float32(1.1), np.float32(1e-9)
    made = Sum(
        (Product((tensor("a", 1), tensor("a", 1))), Product((Constant(-1.0), tensor("b", 1))))
    )
    found = whole(made, (1,), {"a": [a], "b": [b]})
    assert found[0] == np.float32(float(a) * float(a) - float(b))
    root = whole(InverseRoot(tensor("a", 1), 1e-3), (1,), {"a": [a]})
    assert root[0] == np.float32(1 / np.sqrt(float(a) + 1e-3))


def test_a_constant_fills_and_a_part_is_cut() -> None:
    assert whole(Constant(3.0), (4,), {}).tolist() == [3.0] * 4
    assert whole(Part(tensor("a", 5), 1, 3), (2,), {"a": [0, 1, 2, 3, 4]}).tolist() == [1.0, 2.0]


def test_what_an_even_input_becomes_is_the_sum_over_inputs_and_taps() -> None:
    random = np.random.default_rng(0)
    kernel, given = random.random((6, 2, 3), np.float32), random.random(4, np.float32)
    layout = Layout(6, 4, 2, (3,))
    made = Contracted(
        Kernel(layout, (Term(tensor("kernel", 6, 2, 3), (3,), (0,)),)), tensor("given", 4)
    )
    sums = kernel.astype(float).sum(-1)
    expected = [sum(sums[o, i] * float(given[o // 3 * 2 + i]) for i in range(2)) for o in range(6)]
    assert np.allclose(whole(made, (6,), {"kernel": kernel, "given": given}), expected, rtol=1e-6)


def test_a_large_kernel_passes_in_pieces() -> None:
    class Endless:
        def __init__(self) -> None:
            self.given = 0

        def pieces(self, name: str, weight: Weight) -> Iterator[Any]:
            while True:
                self.given += 1000
                yield np.ones(1000, np.float32)

    source = Endless()
    shape = (2**12, 2**12, 3, 3)
    layout = Layout(*shape[:2], 1, shape[2:])
    made = Kernel(layout, (Term(tensor("kernel", *shape), (3, 3), (0, 0), (Constant(2.0),)),))
    pieces = Derived(source, {"made": made}).pieces("made", Weight("weight", shape, Zeros()))
    first = next(pieces)
    assert first.size <= derived.CHUNK
    assert source.given < 2 * derived.CHUNK
    assert (first == 2).all()


def test_what_has_no_recipe_is_the_source_s_own() -> None:
    source = Uneven({"kept": [1, 2, 3]})
    pieces = Derived(source, {}).pieces("kept", Weight("weight", (3,), Zeros()))
    assert np.concatenate(list(pieces)).tolist() == [1, 2, 3]


def test_what_is_not_finite_stays_in_its_channel() -> None:
    layout = Layout(3, 3, 1, (1,))
    made = Kernel(layout, (Term(None, (1,), (0,), (tensor("rows", 3),)),))
    found = whole(made, (3, 3, 1), {"rows": [np.inf, 2.0, np.nan]})
    assert np.isfinite(found[1]).all()
    assert [found[i, j, 0] for i in range(3) for j in range(3) if i != j] == [0.0] * 6
