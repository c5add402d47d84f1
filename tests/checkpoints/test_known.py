"""Tensors that the net itself says: files need not hold them, and those that do must agree."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from support.checkpoint_files import KINDS, read, refusal, saved

import netspec
from netspec.backends.torch.modules import to_module
from netspec.checkpoints import load
from netspec.diagnostics.raised import NetspecError
from netspec.graph.checked import Graph
from netspec.weights.sources import Seeded

Built = Callable[..., Graph]
Tensors = dict[str, torch.Tensor]

BLURRED = """input 3x16x16
dwconv(fixed=[[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], bias=no) as edges
conv3-6(act=relu); dwconv3/2(fixed=binomial, bias=no) as blur; conv3-6; gap; fc-4
"""
FIXED = ("edges.weight", "blur.weight")


def state(graph: Graph) -> Tensors:
    """The tensors of the net's own module: what is fixed as the net says, the others drawn."""
    return dict(to_module(graph, Seeded(3)).state_dict())


def without(tensors: Tensors, *names: str) -> Tensors:
    return {name: tensor for name, tensor in tensors.items() if name not in names}


def renamed(tensors: Tensors) -> Tensors:
    return {f"body.{name.replace('conv', 'layer')}": t for name, t in tensors.items()}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("names", [renamed, dict])
@pytest.mark.parametrize("held", [(), FIXED[:1], FIXED])
def test_a_file_loads_with_and_without_what_is_fixed(
    kind: str,
    names: Callable[[Tensors], Tensors],
    held: tuple[str, ...],
    net: Built,
    tmp_path: Path,
) -> None:
    graph = net(BLURRED)
    tensors = state(graph)
    assert set(FIXED) < tensors.keys()
    kept = without(tensors, *(name for name in FIXED if name not in held))
    loaded = load(saved(names(kept), tmp_path / f"w.{kind}"), graph)
    assert {pair.ours for pair in loaded.pairs} == tensors.keys() - set(FIXED)
    assert set(loaded.buffers) == names({name: tensors[name] for name in held}).keys()
    assert not loaded.unused
    assert not loaded.initial
    found = read(loaded, graph)
    assert found.keys() == tensors.keys()
    for name, values in found.items():
        assert torch.equal(torch.from_numpy(values), tensors[name]), name


def test_a_state_dict_round_trips_with_and_without_what_is_fixed(net: Built) -> None:
    made = netspec.load(BLURRED)
    tensors = made.to_torch(seed=3).state_dict()
    for given in (tensors, without(tensors, *FIXED), {n: t.half() for n, t in tensors.items()}):
        again = made.to_torch(weights=given).state_dict()
        assert again.keys() == tensors.keys()
        for name in FIXED:
            assert torch.equal(again[name], tensors[name])
    with pytest.raises(NetspecError, match=r"missing conv1\.weight"):
        made.to_torch(weights=without(tensors, "conv1.weight"))


def test_other_numbers_under_a_fixed_name_are_those_of_another_net(
    net: Built, tmp_path: Path
) -> None:
    graph = net(BLURRED)
    tensors = state(graph)
    tensors["blur.weight"] = tensors["blur.weight"] * 2
    assert "NS570" in refusal(saved(tensors, tmp_path / "w.pt"), graph)
    with pytest.raises(NetspecError, match=r"NS570.*`blur.weight`"):
        netspec.load(BLURRED).to_torch(weights=tensors)


def test_other_numbers_in_a_fixed_shape_are_surplus(net: Built, tmp_path: Path) -> None:
    graph = net(BLURRED)
    tensors = renamed(state(graph))
    tensors["body.blur.weight"] = tensors["body.blur.weight"] * 2
    assert "NS550" in refusal(saved(tensors, tmp_path / "w.pt"), graph)


def test_a_foreign_layer_may_bear_the_name_of_a_fixed_one(net: Built, tmp_path: Path) -> None:
    graph = net("input 1x9x9\nconv(fixed=[[1, 1], [1, 1]], width=3, bias=no); conv3-3; gap; fc-2")
    tensors = state(graph)
    shifted = {
        "conv1.weight": tensors["conv2.weight"],
        "conv1.bias": tensors["conv2.bias"],
        "fc.weight": tensors["fc1.weight"],
        "fc.bias": tensors["fc1.bias"],
    }
    found = read(load(saved(shifted, tmp_path / "w.pt"), graph), graph)
    assert torch.equal(torch.from_numpy(found["conv2.weight"]), tensors["conv2.weight"])


def test_a_net_that_fixes_other_numbers_is_no_twin() -> None:
    from netspec.checkpoints.twins.outline import Outline

    def function(fixed: str) -> str:
        text = f"input 3x9x9\ndwconv3({fixed}, bias=no); conv3-4"
        return Outline(netspec.load(text).graph).function

    assert function("fixed=binomial") == function("fixed=binomial")
    given = ["fixed=binomial", "fixed=gaussian_window(1)", "fixed=ones", "init=ones"]
    assert len(set(map(function, given))) == 4
