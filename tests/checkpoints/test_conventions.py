"""Conventions of libraries' families: how they join, name and number what a spec says otherwise.

The files are of nets whose right map is known, for netspec's own names were replaced.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from support.checkpoint_files import read, refusal, saved, state

from netspec.checkpoints import load
from netspec.graph.checked import Graph

Built = Callable[..., Graph]
Tensors = dict[str, torch.Tensor]


def drawn(graph: Graph) -> Tensors:
    """Weights no two of which are equal."""
    random = torch.Generator().manual_seed(0)
    return {n: torch.randn(t.shape, generator=random) for n, t in state(graph).items()}


def assert_taken(tensors: Tensors, path: Path, graph: Graph) -> None:
    loaded = load(path, graph)
    assert not loaded.unused
    assert not loaded.initial
    for name, values in read(loaded, graph).items():
        assert np.array_equal(values, tensors[name].numpy()), name


@pytest.mark.parametrize("bias", ["yes", "no"])
def test_queries_apart_from_keys_and_values_that_are_joined(
    bias: str, net: Built, tmp_path: Path
) -> None:
    """As PVT, Twins and LeViT project them: keys and values from a smaller map."""
    graph = net(f"input 8x4x4\navgpool2 as seen; @input; attention(2, @seen, bias={bias})")
    own = drawn(graph)
    file = {"attn.q.weight": own["attention1.in_proj_weight"][:8].clone()}
    file["attn.kv.weight"] = own["attention1.in_proj_weight"][8:].clone()
    if bias == "yes":
        file["attn.q.bias"] = own["attention1.in_proj_bias"][:8].clone()
        file["attn.kv.bias"] = own["attention1.in_proj_bias"][8:].clone()
    named = {n for n in own if "out_proj" in n}
    file |= {n.replace("attention1.out_proj", "attn.proj"): own[n] for n in named}
    assert_taken(own, saved(file, tmp_path / "w.pt"), graph)


@pytest.mark.parametrize("keys", ["no", "yes"])
def test_a_joined_kernel_whose_biases_are_apart(keys: str, net: Built, tmp_path: Path) -> None:
    """As BEiT and EVA have it: none for the keys, which are zeros where the net has one."""
    graph = net(f"input 8x6\nlayernorm; attention(2, key_bias={keys}); fc-2")
    own = drawn(graph)
    bias = own["attention1.in_proj_bias"]
    if keys == "yes":
        bias[8:16] = 0
    file = {
        "blocks.0.attn.q_bias": bias[:8].clone(),
        "blocks.0.attn.v_bias": bias[-8:].clone(),
        "blocks.0.attn.qkv.weight": own["attention1.in_proj_weight"],
    }
    for leaf in ("weight", "bias"):
        file[f"blocks.0.attn.proj.{leaf}"] = own[f"attention1.out_proj.{leaf}"]
        file[f"blocks.0.norm1.{leaf}"] = own[f"layernorm1.{leaf}"]
        file[f"head.{leaf}"] = own[f"fc1.{leaf}"]
    assert_taken(own, saved(file, tmp_path / "w.pt"), graph)


def test_alpha_and_beta_with_axes_of_size_one_are_a_layer(net: Built, tmp_path: Path) -> None:
    """ResMLP's affine layers; an `alpha` without a `beta` is a tensor by itself."""
    graph = net("input 6x4\naffine; fc-6(over=channels); affine; affine(bias=no); fc-2")
    own = drawn(graph)
    file: Tensors = {}
    for layer in ("affine1", "affine2"):
        file[f"{layer}.alpha"] = own[f"{layer}.weight"].reshape(1, 1, 6)
        file[f"{layer}.beta"] = own[f"{layer}.bias"].reshape(1, 1, 6)
    file["alpha"] = own["affine3.weight"]
    file |= {name: tensor for name, tensor in own.items() if name.startswith("fc")}
    assert_taken(own, saved({f"net.{n}": t for n, t in file.items()}, tmp_path / "w.pt"), graph)


def test_a_tensor_of_ones_own_may_have_other_axes_of_size_one(net: Built, tmp_path: Path) -> None:
    graph = net("input 6x4\nconcat(axis=time) { | parameter(6x1) | identity }; fc-2")
    own = drawn(graph)
    file = {"cls_token": own["parameter1.weight"].reshape(1, 1, 6)}
    file |= {f"head.{n.partition('.')[2]}": t for n, t in own.items() if n.startswith("fc")}
    assert_taken(own, saved(file, tmp_path / "w.pt"), graph)


# The second norm of a unit of XCiT is called the third.
UNIT = """input 6x3x3
unit x2; fc-2
block unit {{
  residual {{ layernorm{0}; conv1-6 }}
  residual {{ layernorm{1}; dwconv3(pad=same) }}
  residual {{ layernorm{2}; conv1-12; conv1-6 }}
}}
"""
THEIRS = {
    "norm1": "layernorm1",
    "attn": "conv1",
    "norm3": "layernorm2",
    "local": "dwconv1",
    "norm2": "layernorm3",
    "fc1": "conv2",
    "fc2": "conv3",
}


def of_xcit(graph: Graph, names: dict[str, str], order: str) -> tuple[Tensors, Tensors]:
    """The net's tensors, and the same under XCiT's names; norms first, as scales of its own are."""
    own = drawn(graph)
    file: Tensors = {}
    for unit in (1, 2):
        for theirs in sorted(THEIRS, key=lambda n: not n.startswith("norm")):
            layer = f"unit{unit}.{names.get(THEIRS[theirs], THEIRS[theirs])}"
            found = {n.rpartition(".")[2]: t for n, t in own.items() if n.startswith(f"{layer}.")}
            file |= {f"blocks.{unit - 1}.{theirs}.{leaf}": t for leaf, t in found.items()}
    file |= {f"head.{n.partition('.')[2]}": t for n, t in own.items() if n.startswith("fc")}
    return own, dict(sorted(file.items())) if order == "sorted" else file


def test_numbers_that_run_against_the_order_of_definition_say_nothing(
    net: Built, tmp_path: Path
) -> None:
    graph = net(UNIT.format("", "", ""))
    _, file = of_xcit(graph, {}, "definition")
    said = refusal(saved(file, tmp_path / "w.pt"), graph)
    assert "NS553" in said
    assert "blocks.0.norm3" in said


@pytest.mark.parametrize("order", ["definition", "sorted"])
def test_numbered_names_that_the_spec_gives_say_which_is_which(
    order: str, net: Built, tmp_path: Path
) -> None:
    graph = net(UNIT.format(" as norm1", " as norm3", " as norm2"))
    names = {"layernorm1": "norm1", "layernorm2": "norm3", "layernorm3": "norm2"}
    own, file = of_xcit(graph, names, order)
    path = saved(file, tmp_path / "w.pt")
    assert_taken(own, path, graph)
    assert "names" in {pair.how for pair in load(path, graph).pairs}


CHAIN = "input 6\n" + "; ".join(["fc-6; relu"] * 4) + "; fc-6; tanh; fc-3"


@pytest.mark.parametrize(
    "names",
    [
        ("fc1", "fc2", "fc3", "fc4", "fc5", "head"),
        ("dense", "dense_1", "dense_2", "dense_3", "dense_4", "dense_5"),
        ("a", "b", "c", "d", "e.a", "e.b"),
        ("body.fc1", "body.fc2", "body.fc3", "head.fc1", "head.fc2", "head.out"),
    ],
)
def test_numbers_count_where_nothing_without_one_runs_between(
    names: tuple[str, ...], net: Built, tmp_path: Path
) -> None:
    graph = net(CHAIN)
    own = drawn(graph)
    layers = [f"fc{i}" for i in range(1, 7)]
    file = {
        f"{theirs}.{leaf}": own[f"{ours}.{leaf}"]
        for ours, theirs in zip(layers, names, strict=True)
        for leaf in ("bias", "weight")
    }
    assert_taken(own, saved(dict(sorted(file.items())), tmp_path / "w.pt"), graph)


def test_a_number_stands_before_itself_with_the_second_letter(net: Built, tmp_path: Path) -> None:
    """As NFNet calls its convolutions, `conv2` and `conv2b`, in a file of any order."""
    graph = net("input 4x8x8\nconv1-4; conv3-4(pad=1); conv3-4(pad=1); conv1-4")
    own = drawn(graph)
    names = dict(
        zip(
            ("conv1", "conv2", "conv3", "conv4"), ("conv1", "conv2", "conv2b", "conv3"), strict=True
        )
    )
    file = {f"{names[n.split('.')[0]]}.{n.split('.')[1]}": own[n].clone() for n in reversed(own)}
    assert_taken(own, saved(file, tmp_path / "w.pt"), graph)


def test_gains_of_standardised_kernels_have_axes_of_size_one(net: Built, tmp_path: Path) -> None:
    """As timm's ScaledStdConv2d has them."""
    graph = net(
        "input 4x8x8\nconv3-4(standardise=1e-6, gain=1.7); relu; conv3-6(standardise=1e-6, gain=1.7)"
    )
    own = drawn(graph)
    file = {
        n.replace("conv", "stage."): t.reshape(-1, 1, 1, 1) if n.endswith("gain") else t.clone()
        for n, t in own.items()
    }
    assert_taken(own, saved(file, tmp_path / "w.pt"), graph)


def test_a_table_over_the_places_of_a_map(net: Built, tmp_path: Path) -> None:
    """As VOLO has its positions: channels last, beside a row of sequences' own."""
    graph = net("input 8x3x5\nsequence; position; fc-8(over=channels)")
    own = drawn(graph)
    file = {"pos_embed": own["position1.weight"].reshape(1, 3, 5, 8)}
    file |= {n.replace("fc1", "mlp"): own[n].clone() for n in own if "fc1" in n}
    assert_taken(own, saved(file, tmp_path / "w.pt"), graph)


def test_a_head_called_aux_that_the_net_reads_is_no_training_head(
    net: Built, tmp_path: Path
) -> None:
    """As VOLO adds what its tokens say; where the net has no use for it, it is left out."""
    body = "input 8x3x5\nconv1-6; sequence as x; gap; fc-4 as main"
    graph = net(f"{body}; @x; fc-4(over=channels) as aux_head; max_over_time; add(@main)")
    own = drawn(graph)
    file = {n.replace("main", "top"): t.clone() for n, t in own.items()}
    assert_taken(own, saved(file, tmp_path / "w.pt"), graph)
    less = load(tmp_path / "w.pt", net(body))
    assert set(less.unused) == {"aux_head.weight", "aux_head.bias"}
