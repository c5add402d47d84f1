"""Arrays fit a net's inputs where their sizes are those declared, and symbols have one legal size."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from netspec.graph.checked import Graph
from netspec.graph.fitting import fitting

Built = Callable[..., Graph]
ONE = "input 3x8x8\nconv3-4"
TWO = "input a: 3xHxW\ninput b: 3xHxW\nadd { | @a | @b }; maxpool2(ceil=no)"
OWN = "input a: 3xHxW\ninput b: 2xT\n@b; attention(1); @a; conv5-4"


@pytest.mark.parametrize(
    ("text", "shapes"),
    [
        (ONE, {"input": (3, 8, 8)}),
        (TWO, {"a": (3, 4, 6), "b": (3, 4, 6)}),
        (OWN, {"a": (3, 5, 5), "b": (2, 1)}),
        (OWN, {"a": (3, 5, 9), "b": (2, 5)}),
    ],
)
def test_arrays_of_legal_sizes_fit(
    text: str, shapes: dict[str, tuple[int, ...]], net: Built
) -> None:
    assert fitting(net(text)).misfit(shapes) is None


@pytest.mark.parametrize(
    ("text", "shapes", "name", "says"),
    [
        (ONE, {"input": (3, 8, 9)}, "input", "it is 3x8x9, the net takes 3x8x8"),
        (ONE, {"input": (3, 8)}, "input", "it is 3x8, the net takes 3x8x8"),
        (ONE, {"input": (3, 8, 8, 1)}, "input", "it is 3x8x8x1, the net takes 3x8x8"),
        (ONE, {"input": ()}, "input", "it is a single number, the net takes 3x8x8"),
        (
            TWO,
            {"a": (3, 4, 6), "b": (3, 4, 5)},
            "b",
            "it is 3x4x5, the net takes 3xHxW: W is 6 already",
        ),
        (TWO, {"a": (3, 4, 6), "b": (2, 4, 6)}, "b", "it is 2x4x6, the net takes 3xHxW"),
        (
            TWO,
            {"a": (3, 1, 6), "b": (3, 1, 6)},
            "a",
            "a 3x1x6, b 3x1x6 is not legal: H >= 2; nearest: a 3x2x6, b 3x2x6",
        ),
        (
            OWN,
            {"a": (3, 5, 3), "b": (2, 7)},
            "a",
            "a 3x5x3, b 2x7 is not legal: W >= 5; nearest: a 3x5x5, b 2x7",
        ),
    ],
)
def test_the_first_misfit_is_told_with_what_is_nearest(
    text: str, shapes: dict[str, tuple[int, ...]], name: str, says: str, net: Built
) -> None:
    assert fitting(net(text)).misfit(shapes) == (name, says)
