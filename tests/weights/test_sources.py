"""Where weights come from: tensors and arrays by name, and what is no weight."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from netspec.diagnostics.raised import NetspecError
from netspec.graph.checked import Graph
from netspec.weights.sources import Seeded, given, named_weights

Built = Callable[..., Graph]
NET = "conv3-4(norm=bn, bias=no)\nhead aux { gap; fc-2 }\ngap; fc-3"


def arrays(graph: Graph, seed: int = 0) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    return {n: random.random(w.shape, np.float32) for n, w in named_weights(graph).items()}


@pytest.mark.parametrize(
    "kind",
    [
        lambda a: a,
        torch.from_numpy,
        lambda a: a.astype(np.float64),
        lambda a: torch.from_numpy(a).to(torch.float64).requires_grad_(),
        np.asfortranarray,
    ],
)
def test_tensors_and_arrays_come_back_as_float32(kind: Any, net: Built) -> None:
    graph = net(NET)
    held = arrays(graph)
    source = given(graph, {name: kind(array) for name, array in held.items()})
    for name, weight in named_weights(graph).items():
        pieces = list(source.pieces(name, weight))
        assert all(piece.dtype == np.float32 for piece in pieces)
        assert np.array_equal(np.concatenate(pieces), held[name].reshape(-1))


def test_half_precision_is_widened(net: Built) -> None:
    graph = net(NET)
    held = {name: torch.from_numpy(a).bfloat16() for name, a in arrays(graph).items()}
    source = given(graph, held)
    for name, weight in named_weights(graph).items():
        found = np.concatenate(list(source.pieces(name, weight)))
        assert np.array_equal(found, held[name].float().numpy().reshape(-1))


def without(name: str) -> Callable[[dict[str, Any]], None]:
    return lambda held: held.__delitem__(name)


def with_(**found: Any) -> Callable[[dict[str, Any]], None]:
    return lambda held: held.update({n.replace("__", "."): v for n, v in found.items()})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (without("fc1.bias"), "missing fc1.bias"),
        (with_(other=np.zeros(3, np.float32)), "other"),
        (with_(fc1__bias=np.zeros((3, 1), np.float32)), "fc1.bias is 3x1, not 3"),
        (with_(fc1__bias=np.float32(1)), "fc1.bias is scalar, not 3"),
        (with_(fc1__bias=np.zeros(3, np.int64)), "int64"),
        (with_(fc1__bias=np.zeros(3, bool)), "bool"),
        (with_(fc1__bias=np.zeros(3, np.complex64)), "complex64"),
        (with_(fc1__bias=np.array(["a"] * 3)), "U1"),
        (with_(fc1__bias=torch.zeros(3, dtype=torch.uint8)), "uint8"),
        (with_(fc1__bias=torch.zeros(3, dtype=torch.complex64)), "complex64"),
    ],
)
def test_what_does_not_fit_is_refused(
    change: Callable[[dict[str, Any]], None], says: str, net: Built
) -> None:
    graph = net(NET)
    held = arrays(graph)
    change(held)
    with pytest.raises(NetspecError) as caught:
        given(graph, held)
    assert says in str(caught.value)


def test_many_that_are_missing_are_counted(net: Built) -> None:
    graph = net("fc-8 x30")
    with pytest.raises(NetspecError, match=r"\.\.\. \(60\)"):
        given(graph, {})


def test_counters_and_tensors_of_heads_may_be_there(net: Built) -> None:
    graph = net(NET)
    held = {n: a for n, a in arrays(graph).items() if not n.startswith("aux.")}
    assert "aux.fc1.bias" in arrays(graph)
    deployed = net(NET.replace("head aux { gap; fc-2 }\n", ""))
    given(deployed, held | {"conv1_bn.num_batches_tracked": np.zeros((), np.int64)})


def test_what_is_no_tensor_is_a_mistake_of_the_caller(net: Built) -> None:
    graph = net(NET)
    with pytest.raises(TypeError, match=r"fc1\.bias is a list"):
        given(graph, arrays(graph) | {"fc1.bias": [1, 2, 3]})


def test_drawn_weights_are_the_same_for_a_seed_and_differ_for_another(net: Built) -> None:
    graph = net(NET)
    for name, weight in named_weights(graph).items():
        first, again, other = (
            np.concatenate(list(Seeded(seed).pieces(name, weight))) for seed in (1, 1, 2)
        )
        assert np.array_equal(first, again)
        assert first.shape == (int(np.prod(weight.shape)),)
        if name.endswith("weight") and "bn" not in name:
            assert not np.array_equal(first, other)


def test_shared_weights_are_their_owner_s(net: Built) -> None:
    graph = net("fc-8 as a; fc-8 as b; fc-8(weights=@b) as c; relu")
    assert list(named_weights(graph)) == ["a.weight", "a.bias", "b.weight", "b.bias"]
    held = arrays(graph)
    assert given(graph, held)
    with pytest.raises(NetspecError, match=r"c\.weight"):
        given(graph, held | {"c.weight": held["b.weight"]})
