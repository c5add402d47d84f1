"""A seed becomes the same numbers in whatever pieces, order and number of cores they are drawn."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from netspec.graph.checked import Graph
from netspec.weights import seeded
from netspec.weights.sources import Seeded, named_weights, whole

Built = Callable[..., Graph]


def test_a_large_weight_is_drawn_in_pieces_of_its_own_in_order(
    net: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cores draw ahead of the reader, and each piece is what it is drawn by itself."""
    monkeypatch.setattr(seeded, "CHUNK", 100)
    weights = named_weights(net("fc-33(bias=no); fc-100(bias=no); fc-1(bias=no)", "99"))
    sizes = {name: weight.size for name, weight in weights.items()}
    assert list(sizes.values()) == [3267, 3300, 100]
    for cores in (1, 3):
        pool = seeded._drawers()[0]
        monkeypatch.setattr(seeded, "_drawers", lambda pool=pool, cores=cores: (pool, cores))
        for name, weight in weights.items():
            pieces = list(seeded.draw(weight, name, 7))
            full, rest = divmod(weight.size, 100)
            assert [piece.size for piece in pieces] == [100] * full + [rest] * (rest > 0)
            assert all(piece.dtype == np.float32 for piece in pieces)
            assert len({piece.tobytes() for piece in pieces}) == len(pieces)
            first = list(seeded.draw(weight, name, 7))
            assert all(np.array_equal(a, b) for a, b in zip(pieces, first, strict=True))


def test_the_numbers_are_those_of_the_seed_and_the_name(net: Built) -> None:
    """They are part of what netspec promises, so that a seed means the same in all versions."""
    weight = named_weights(net("fc-2(bias=no, init=gaussian(1))", "3"))["fc1.weight"]
    drawn = whole(Seeded(1), "fc1.weight", weight)
    random = np.random.Generator(np.random.SFC64([1, 0x3A7744E0, 0]))
    assert drawn.shape == (2, 3)
    assert drawn.flatten().tolist() == random.standard_normal(6, np.float32).tolist()
    other = whole(Seeded(2), "fc1.weight", weight)
    renamed = whole(Seeded(1), "fc2.weight", weight)
    assert not set(drawn.flat) & set(other.flat)
    assert not set(drawn.flat) & set(renamed.flat)
