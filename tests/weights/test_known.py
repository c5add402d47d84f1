"""Tensors that the net itself says: they need not be given, and what is given must be them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from netspec.diagnostics.raised import NetspecError
from netspec.graph.checked import Graph
from netspec.weights.sources import (
    ROUNDING,
    Given,
    given,
    holds,
    known_values,
    named_weights,
    some,
    whole,
)

Built = Callable[..., Graph]
NAME = "dwconv1.weight"
PASCAL = np.outer([1, 2, 1], [1, 2, 1]) / 16


@pytest.fixture
def graph(net: Built) -> Graph:
    return net("dwconv3(fixed=binomial, bias=no); fc-2")


def drawn(graph: Graph) -> dict[str, np.ndarray]:
    return {
        name: np.full(weight.shape, 0.5, np.float32)
        for name, weight in named_weights(graph).items()
        if not weight.known
    }


def test_what_a_net_says_is_drawn_from_it_whatever_is_given(graph: Graph) -> None:
    weight = named_weights(graph)[NAME]
    assert known_values(weight).shape == (3, 1, 3, 3)
    assert np.array_equal(known_values(weight), np.broadcast_to(PASCAL, (3, 1, 3, 3)))
    assert np.array_equal(whole(given(graph, drawn(graph)), NAME, weight), known_values(weight))
    given_too = Given({NAME: np.zeros((3, 1, 3, 3), np.float32)})
    assert np.array_equal(whole(given_too, NAME, weight), known_values(weight))


def test_what_yields_is_drawn_only_where_nothing_is_given(graph: Graph) -> None:
    weight = replace(named_weights(graph)[NAME], kind="default")
    other = np.arange(27, dtype=np.float32).reshape(3, 1, 3, 3)
    assert np.array_equal(whole(Given({NAME: other}), NAME, weight), other)
    assert np.array_equal(whole(Given({}), NAME, weight), known_values(weight))


@pytest.mark.parametrize("factor", [1, 1 + ROUNDING, 1 - ROUNDING])
def test_known_numbers_may_be_given_as_half_precision_rounds_them(
    factor: float, graph: Graph
) -> None:
    values = known_values(named_weights(graph)[NAME])
    given(graph, drawn(graph) | {NAME: np.float32(factor) * values})


@pytest.mark.parametrize("at", [0, -1])
def test_one_other_number_is_refused(at: int, graph: Graph) -> None:
    values = known_values(named_weights(graph)[NAME]).copy()
    values.flat[at] *= 1 + 2 * ROUNDING
    with pytest.raises(NetspecError, match=NAME):
        given(graph, drawn(graph) | {NAME: values})
    with pytest.raises(NetspecError, match="3x3"):
        given(graph, drawn(graph) | {NAME: values[0, 0]})


def test_sides_of_one_do_not_count_and_others_do(graph: Graph) -> None:
    weight = named_weights(graph)[NAME]
    values = known_values(weight)
    assert holds(values.reshape(3, 3, 3), weight)
    assert not holds(values.reshape(9, 3), weight)
    assert not holds(values[:2], weight)


def test_a_share_of_a_tensor_is_a_mistake_of_the_caller(graph: Graph) -> None:
    class Share:
        shape = (3, 1, 3, 3)

        def full_tensor(self) -> None: ...

    with pytest.raises(TypeError, match=r"dwconv1\.weight is this process's share"):
        given(graph, {NAME: Share()})


def test_lists_say_twenty_and_count_the_rest() -> None:
    names = [f"n{i}" for i in range(21)]
    assert some([]) == "none"
    assert some(names[:20], separator=" ") == " ".join(names[:20])
    assert some(names) == ", ".join(names[:20]) + ", ... (21)"
