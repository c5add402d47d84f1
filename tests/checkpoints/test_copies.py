"""Files that hold a net more than once, and what training scripts save beside its weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.checkpoint_files import KINDS, read, refusal, saved, state
from torch import Tensor

from netspec.backends.torch.modules import to_module
from netspec.checkpoints import load
from netspec.graph.checked import Graph
from netspec.weights.sources import Seeded

Built = Callable[..., Graph]
State = dict[str, Tensor]

NET = """default conv(pad=same, bias=no, norm=bn, act=relu)
conv3-8; bottleneck(4)
gap; fc-10
"""


def under(prefix: str, tensors: State) -> State:
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def is_taken(tensors: State, loaded: Any, graph: Graph) -> bool:
    found = read(loaded, graph)
    return all(np.array_equal(array, tensors[name].numpy()) for name, array in found.items())


def headline(loaded: Any) -> str:
    (warning,) = loaded.warnings
    return str(warning.problem.headline)


@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_weights_are_taken_before_their_averages_and_it_is_said(
    kind: str, partial: bool, net: Built, tmp_path: Path
) -> None:
    """In safetensors `ema` comes first; the order in the file does not count."""
    graph = net(NET)
    trained, averaged = state(graph, 1), state(graph, 2)
    tensors = {**under("ema", averaged), **under("model", trained)}
    path = saved(tensors, tmp_path / f"w.{kind}")
    loaded = load(path, graph, partial=partial)
    assert is_taken(trained, loaded, graph)
    assert "`model` are taken" in headline(loaded)
    assert "`ema`" in headline(loaded)
    assert not loaded.unused
    loaded = load(path, graph, prefix="ema", partial=partial)
    assert is_taken(averaged, loaded, graph)
    assert not loaded.warnings


@pytest.mark.parametrize("partial", [False, True])
def test_copies_that_no_name_tells_apart_are_refused_and_a_prefix_takes_one(
    partial: bool, net: Built, tmp_path: Path
) -> None:
    graph = net(NET)
    tensors = {**under("net.student", state(graph, 1)), **under("net.teacher", state(graph, 2))}
    path = saved({**tensors, "queue": torch.ones(4)}, tmp_path / "w.npz")
    message = refusal(path, graph, partial=partial)
    assert "NS558" in message
    assert "--prefix" in message
    for prefix in ("net.teacher", "net.teacher."):
        loaded = load(path, graph, prefix=prefix, partial=partial)
        assert is_taken(state(graph, 2), loaded, graph)


def test_a_copy_beside_names_without_a_prefix_gives_way_to_them(net: Built, tmp_path: Path) -> None:
    graph = net(NET)
    trained = {
        f"{'stem' if i < 5 else 'body'}.{k}": v for i, (k, v) in enumerate(state(graph, 1).items())
    }
    averaged = dict(zip(trained, state(graph, 2).values(), strict=True))
    path = saved({**trained, **under("teacher", averaged)}, tmp_path / "w.npz")
    loaded = load(path, graph, partial=True)
    assert "those under no name are taken" in headline(loaded)
    assert is_taken(state(graph, 1), loaded, graph)
    assert is_taken(state(graph, 2), load(path, graph, prefix="teacher"), graph)


def test_copies_under_one_name_are_found(net: Built, tmp_path: Path) -> None:
    graph = net(NET)
    tensors = {**under("net.student", state(graph, 1)), **under("net.teacher", state(graph, 2))}
    message = refusal(saved(tensors, tmp_path / "w.npz"), graph)
    assert "under `net.student` and `net.teacher`" in message


def test_like_parts_of_a_net_are_no_copies_of_it(net: Built, tmp_path: Path) -> None:
    graph = net("concat { | conv1-4; conv1-4 | conv1-4; conv1-4 }; gap; fc-3")
    tensors = state(graph)
    names = [name for name in tensors if name.startswith("conv")]
    towers = {
        f"{'left' if i < 4 else 'right'}.{i % 4 // 2}.{name.rpartition('.')[2]}": tensors[name]
        for i, name in enumerate(names)
    }
    towers |= {"out.weight": tensors["fc1.weight"], "out.bias": tensors["fc1.bias"]}
    loaded = load(saved(towers, tmp_path / "w.npz"), graph)
    assert not loaded.warnings
    assert is_taken(tensors, loaded, graph)


def test_a_prefix_that_the_file_lacks_is_refused(net: Built, tmp_path: Path) -> None:
    graph = net(NET)
    path = saved(state(graph), tmp_path / "w.npz")
    assert "nothing under `ema.`" in refusal(path, graph, prefix="ema")


@pytest.mark.parametrize("key", ["state_dict_ema", "model_ema", "ema"])
def test_averages_saved_alone_or_beside_the_weights(key: str, net: Built, tmp_path: Path) -> None:
    graph = net(NET)
    trained, averaged = state(graph, 1), state(graph, 2)
    path = tmp_path / "w.pt"
    torch.save({"epoch": 3, key: under("module", averaged)}, path)
    assert is_taken(averaged, load(path, graph), graph)
    torch.save({"epoch": 3, key: under("module", averaged), "model": trained}, path)
    loaded = load(path, graph)
    assert is_taken(trained, loaded, graph)
    assert key in headline(loaded)
    assert is_taken(averaged, load(path, graph, prefix=key), graph)


@pytest.mark.parametrize("wrapper", ["state_dict", "model_state_dict", "model", "net"])
def test_the_optimizers_state_beside_the_weights_is_left_alone(
    wrapper: str, net: Built, tmp_path: Path
) -> None:
    graph = net(NET)
    module = to_module(graph, Seeded(0))
    optimizer = torch.optim.AdamW(module.parameters())
    module(torch.ones(2, 3, 32, 32)).sum().backward()
    optimizer.step()
    tensors = under("_orig_mod.module", state(graph))
    held = {"epoch": 3, wrapper: tensors, "optimizer": optimizer.state_dict()}
    torch.save(held, tmp_path / "w.pt")
    loaded = load(tmp_path / "w.pt", graph)
    assert is_taken(state(graph), loaded, graph)
    assert not loaded.unused


def test_counters_of_training_may_be_there_or_not(net: Built, tmp_path: Path) -> None:
    graph = net(NET)
    tensors = state(graph)
    without = {name: t for name, t in tensors.items() if "num_batches" not in name}
    assert len(without) < len(tensors)
    averaged = {"n_averaged": torch.tensor(3), **under("module", tensors)}
    for held in (without, averaged):
        loaded = load(saved(held, tmp_path / "w.npz"), graph)
        assert is_taken(tensors, loaded, graph)
        assert not loaded.unused
