"""What a file's numbers cost to read: what layers share is neither copied nor compared for each of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import netspec
from netspec.importing.files import places
from netspec.importing.files.places import Joined, equal, place, some
from netspec.importing.imported import import_file

NUMBERS = np.random.default_rng(0).standard_normal((12, 6)).astype(np.float32)
OTHERS = NUMBERS + 1


def test_parts_that_lie_below_each_other_are_what_they_are_parts_of() -> None:
    for whole in (NUMBERS, np.ascontiguousarray(NUMBERS.T).T, NUMBERS[:, 0]):
        found = Joined()([whole[:4], whole[4:5], whole[5:]])
        assert place(found) == place(whole)
        assert np.array_equal(found, whole)


@pytest.mark.parametrize(
    "parts",
    [
        [NUMBERS[:4], NUMBERS[5:]],
        [NUMBERS[4:], NUMBERS[:4]],
        [NUMBERS[:4], NUMBERS[:4]],
        [NUMBERS[:4], OTHERS[4:]],
        [NUMBERS[:4, :3], np.ascontiguousarray(NUMBERS[4:, :3])],
        [NUMBERS[::2], NUMBERS[1::2]],
        [NUMBERS[:6], NUMBERS[6:].astype(np.float64)],
        [NUMBERS[:1], NUMBERS[1:, ::-1]],
    ],
)
def test_other_parts_are_put_together(parts: list[np.ndarray]) -> None:
    assert np.array_equal(Joined()(parts), np.concatenate(parts))


def test_the_same_parts_are_put_together_once() -> None:
    joined = Joined()
    first = joined([NUMBERS[:4], OTHERS[4:]])
    assert joined([NUMBERS[:4], OTHERS[4:]]) is first
    assert joined([NUMBERS[:4], OTHERS[5:]]) is not first
    assert joined([NUMBERS[:4], NUMBERS[6:10]]) is not first


def test_parts_that_are_gone_are_no_others() -> None:
    joined, found = Joined(), []
    for number in range(64):
        found.append((number, joined([np.full((4, 4), number), np.full((2, 4), -number)])))
    assert all((whole[:4] == n).all() and (whole[4:] == -n).all() for n, whole in found)


def test_an_array_is_equal_to_itself_and_to_a_copy() -> None:
    wide = np.zeros((300, 400), np.float32)
    for same in (wide, wide.copy()):
        assert equal(wide, same)
    assert equal(wide.T, wide.copy().T)
    changed = wide.copy()
    changed[7, 11] = 1
    for other in (changed, wide[:-1], wide.T):
        assert not equal(wide, other)
    nothing = np.full(3, np.nan)
    assert equal(nothing, nothing.copy())


def test_a_few_numbers_are_those_of_the_row() -> None:
    wide = np.arange(40_000).reshape(100, 400).T
    assert np.array_equal(some(wide), wide.reshape(-1)[::9])
    assert np.array_equal(some(wide.copy()), some(wide))


def _read(layers: int, path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """How many numbers of whole tensors reading so many layers of the same weights joins and compares."""
    text = f"""
    block layer {{ residual {{ layernorm; attention(4) }}; residual {{ layernorm; mlp(512) }} }}
    input 128xT
    layer as first; layer(weights=@first) x{layers - 1}
    """
    netspec.load(text).to_onnx(path, optimize=False)
    counted = {"concatenate": 0, "array_equal": 0}
    with monkeypatch.context() as patch:
        for word in counted:
            plain = getattr(np, word)

            def count(first, *others, _plain=plain, _word=word, **named):  # type: ignore[no-untyped-def]
                read = first if isinstance(first, list | tuple) else [first]
                counted[_word] += sum(
                    array.size for array in read if getattr(array, "size", 0) >= 64 * 256
                )
                return _plain(first, *others, **named)

            patch.setattr(places.np, word, count)
        found = import_file(path)
    assert "weights=@" in found.text
    return counted["concatenate"], counted["array_equal"]


def test_layers_that_share_weights_cost_no_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = _read(3, tmp_path / "few.onnx", monkeypatch)
    many = _read(12, tmp_path / "many.onnx", monkeypatch)
    assert many == few
