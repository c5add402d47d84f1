"""Files of weights: what is read, how names are found, and what hostile files get."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from support.checkpoint_files import KINDS, read, refusal, saved, state

from netspec.backends.onnx.file import write
from netspec.backends.onnx.lowering import lower
from netspec.backends.torch.modules import to_module
from netspec.checkpoints import load
from netspec.graph.checked import Graph
from netspec.passes.deploy import deploy
from netspec.weights.sources import Seeded, named_weights

Built = Callable[..., Graph]

NET = """default conv(pad=same, bias=no, norm=bn, act=relu)
conv3-8; bottleneck(4)
gap; fc-10; softmax
"""
HEADED = """conv3-8(act=relu)
head aux1(loss=0.3) { gap; fc-10 }
conv3-8(act=relu)
gap; fc-10
"""


# --- what is read


@pytest.mark.parametrize("kind", KINDS)
def test_a_state_dict_comes_back_bit_for_bit(kind: str, net: Built, tmp_path: Path) -> None:
    graph = net(NET)
    tensors = state(graph)
    loaded = load(saved(tensors, tmp_path / f"w.{kind}"), graph)
    assert {pair.how for pair in loaded.pairs} == {"name"}
    for name, values in read(loaded, graph).items():
        assert np.array_equal(values, tensors[name].numpy())


def test_weights_go_to_onnx_and_back_bit_for_bit(net: Built, tmp_path: Path) -> None:
    graph = deploy(net(NET))
    tensors = state(graph)
    first = load(saved(tensors, tmp_path / "w.pt"), graph)
    write(lower(graph), tmp_path / "m.onnx", first.source)
    again = load(tmp_path / "m.onnx", graph)
    module = to_module(graph, again.source)
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            assert torch.equal(tensor, tensors[name]), name


def test_weights_in_a_data_file_beside_the_model_come_back(net: Built, tmp_path: Path) -> None:
    graph = deploy(net(NET))
    write(lower(graph), tmp_path / "m.onnx", Seeded(3), limit=0)
    found = read(load(tmp_path / "m.onnx", graph), graph)
    for name, weight in named_weights(graph).items():
        expected = np.concatenate(list(Seeded(3).pieces(name, weight)))
        assert np.array_equal(found[name].reshape(-1), expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("kind", ["safetensors", "pt"])
def test_other_precisions_become_single(
    dtype: torch.dtype, kind: str, net: Built, tmp_path: Path
) -> None:
    graph = net(NET)
    tensors = {n: t.to(dtype) if t.is_floating_point() else t for n, t in state(graph).items()}
    found = read(load(saved(tensors, tmp_path / f"w.{kind}"), graph), graph)
    for name, values in found.items():
        assert np.array_equal(values, tensors[name].float().numpy())


@pytest.mark.parametrize("wrapper", ["state_dict", "model", "model_state_dict"])
def test_what_a_training_script_saved_is_unwrapped(
    wrapper: str, net: Built, tmp_path: Path
) -> None:
    graph = net(NET)
    tensors = {f"module.{name}": tensor for name, tensor in state(graph).items()}
    torch.save({"epoch": 3, wrapper: tensors, "optimizer": {"lr": 0.1}}, tmp_path / "w.pt")
    loaded = load(tmp_path / "w.pt", graph)
    assert not loaded.initial
    assert not loaded.unused


# --- which tensor is which


def renamed(tensors: dict[str, torch.Tensor], table: dict[str, str]) -> dict[str, torch.Tensor]:
    """The tensors under other layer names, in the order of the table."""
    found = {}
    for ours, theirs in table.items():
        for name, tensor in tensors.items():
            if name.rpartition(".")[0] == ours:
                found[f"{theirs}.{name.rpartition('.')[2]}"] = tensor
    return found


RESNET_LIKE = """default conv(pad=same, bias=no, norm=bn, act=relu)
conv3-4; bottleneck(4) x2
gap; fc-10
"""
# conv3 and the shortcut of the first unit have one shape: each library puts them its own way.
STYLES = {
    "torchvision": ["conv1|bn1", "layer.0.conv1|bn1", "layer.0.conv2|bn2", "layer.0.conv3|bn3",
                    "layer.0.downsample.0|1", "layer.1.conv1|bn1", "layer.1.conv2|bn2",
                    "layer.1.conv3|bn3", "fc"],
    "detectron": ["stem.conv1|conv1.norm", "res2.0.shortcut|shortcut.norm",
                  "res2.0.conv1|conv1.norm",
                  "res2.0.conv2|conv2.norm", "res2.0.conv3|conv3.norm", "res2.1.conv1|conv1.norm",
                  "res2.1.conv2|conv2.norm", "res2.1.conv3|conv3.norm", "linear"],
    "caffe": ["conv1|bn_conv1", "res2a_branch1|bn2a_branch1", "res2a_branch2a|bn2a_branch2a",
              "res2a_branch2b|bn2a_branch2b", "res2a_branch2c|bn2a_branch2c",
              "res2b_branch2a|bn2b_branch2a", "res2b_branch2b|bn2b_branch2b",
              "res2b_branch2c|bn2b_branch2c", "fc1000"],
    "keras": ["conv1_conv|conv1_bn", "block1_0_conv|block1_0_bn", "block1_1_conv|block1_1_bn",
              "block1_2_conv|block1_2_bn", "block1_3_conv|block1_3_bn", "block2_1_conv|block2_1_bn",
              "block2_2_conv|block2_2_bn", "block2_3_conv|block2_3_bn", "predictions"],
}  # fmt: skip


def table_of(style: str, ours: list[str]) -> dict[str, str]:
    names = []
    for entry in STYLES[style]:
        conv, _, norm = entry.partition("|")
        around = conv.rpartition(".")[0]
        names += [conv, f"{around}.{norm}".lstrip(".")] if norm else [conv]
    return dict(zip(ours, names, strict=True))


@pytest.mark.parametrize("style", STYLES)
def test_a_shortcut_is_told_from_the_last_convolution_in_every_style(
    style: str, net: Built, tmp_path: Path
) -> None:
    graph = net(RESNET_LIKE)
    tensors = state(graph)
    layers = list(dict.fromkeys(name.rpartition(".")[0] for name in named_weights(graph)))
    if style != "torchvision":
        # These libraries define the shortcut first.
        shortcut = [layer for layer in layers if "shortcut" in layer]
        rest = [layer for layer in layers if "shortcut" not in layer]
        layers = [*rest[:2], *shortcut, *rest[2:]]
    table = table_of(style, layers)
    loaded = load(saved(renamed(tensors, table), tmp_path / "w.npz"), graph)
    for name, values in read(loaded, graph).items():
        assert np.array_equal(values, tensors[name].numpy()), name


def test_a_matrix_is_a_one_by_one_convolution(net: Built, tmp_path: Path) -> None:
    graph = net("conv3-8(act=relu); gap; fc-4; fc-3")
    tensors = state(graph)
    table = {"conv1": "a", "fc1": "b", "fc2": "c"}
    other = renamed(tensors, table)
    other["b.weight"] = other["b.weight"][:, :, None, None]
    found = read(load(saved(other, tmp_path / "w.npz"), graph), graph)
    assert np.array_equal(found["fc1.weight"], tensors["fc1.weight"].numpy())


def test_a_fully_connected_layer_is_a_convolution_over_the_whole_map(
    net: Built, tmp_path: Path
) -> None:
    dense, sliding = (
        net("input 3x6x6\nconv3-8; fc-5; fc-4"),
        net("input 3x6x6\nconv3-8; conv4-5; conv1-4"),
    )
    path = saved(state(dense), tmp_path / "w.npz")
    first, second = (
        to_module(dense, load(path, dense).source),
        to_module(sliding, load(path, sliding).source),
    )
    image = torch.rand(1, 3, 6, 6)
    assert torch.allclose(first(image), second(image).flatten(1), atol=1e-5)


def test_equal_branches_without_order_are_refused_and_a_map_settles_them(
    net: Built, tmp_path: Path
) -> None:
    graph = net("concat { | conv1-4 | conv1-4 }; fc-3")
    tensors = state(graph)
    table = {"fc1": "out", "conv2": "beta", "conv1": "alpha"}
    other = dict(sorted(renamed(tensors, table).items()))
    path = saved(other, tmp_path / "w.npz")
    message = refusal(path, graph)
    assert "NS553" in message
    assert "alpha" in message
    assert "beta" in message
    (tmp_path / "map.json").write_text(json.dumps({"conv1": "alpha", "conv2": "beta"}))
    found = read(load(path, graph, mapping=tmp_path / "map.json"), graph)
    for name, values in found.items():
        assert np.array_equal(values, tensors[name].numpy())


def test_a_map_that_names_nothing_is_refused(net: Built, tmp_path: Path) -> None:
    graph = net(NET)
    path = saved(state(graph), tmp_path / "w.npz")
    assert "NS554" in refusal(path, graph, mapping={"nothing": "conv1"})
    assert "NS554" in refusal(path, graph, mapping={"conv1": "nothing"})


def test_the_table_says_where_every_tensor_comes_from(net: Built, tmp_path: Path) -> None:
    graph = net(NET)
    loaded = load(saved(state(graph), tmp_path / "w.pt"), graph)
    lines = loaded.table().splitlines()
    buffers = [line.split()[1] for line in lines if line.endswith("buffer")]
    assert buffers == [name for name in state(graph) if name.endswith("num_batches_tracked")]
    lines = lines[: len(lines) - len(buffers)]
    assert len(lines) == len(named_weights(graph))
    assert lines[0].split() == ["conv1.weight", "conv1.weight", "name"]
    assert len(loaded.as_json()["tensors"]) == len(lines)


# --- training-only heads


def test_heads_that_the_file_lacks_start_from_the_seed(net: Built, tmp_path: Path) -> None:
    graph = net(HEADED)
    without = {n: t for n, t in state(graph).items() if not n.startswith("aux1")}
    loaded = load(saved(without, tmp_path / "w.pt"), graph)
    assert all(name.startswith("aux1.") for name in loaded.initial)
    assert len(loaded.initial) == 2


def test_a_files_heads_are_loaded_or_left_out(net: Built, tmp_path: Path) -> None:
    graph = net(HEADED)
    tensors = state(graph)
    table = {"conv1": "a", "conv2": "b", "fc1": "c", "aux1.fc1": "AuxLogits.fc"}
    path = saved(renamed(tensors, table), tmp_path / "w.npz")
    assert np.array_equal(
        read(load(path, graph), graph)["aux1.fc1.weight"], tensors["aux1.fc1.weight"].numpy()
    )
    plain = net(HEADED.replace("head aux1(loss=0.3) { gap; fc-10 }\n", ""))
    assert load(path, plain).unused == ("AuxLogits.fc.weight", "AuxLogits.fc.bias")


# --- surgery


def test_another_number_of_classes_takes_the_trunk_when_asked(net: Built, tmp_path: Path) -> None:
    graph, other = net(RESNET_LIKE), net(RESNET_LIKE.replace("fc-10", "fc-7"))
    layers = list(dict.fromkeys(name.rpartition(".")[0] for name in named_weights(graph)))
    tensors = state(graph)
    for names in ({}, table_of("torchvision", layers)):
        path = saved(renamed(tensors, names) if names else tensors, tmp_path / "w.npz")
        message = refusal(path, other)
        assert "fc1.weight" in message
        assert "10x16" in message
        loaded = load(path, other, partial=True)
        assert loaded.initial == ("fc1.weight", "fc1.bias")
        assert read(loaded, other)["bottleneck2.conv3.weight"].tobytes() == (
            tensors["bottleneck2.conv3.weight"].numpy().tobytes()
        )


def test_a_trunk_goes_under_a_new_head(net: Built, tmp_path: Path) -> None:
    graph = net(RESNET_LIKE)
    layers = list(dict.fromkeys(name.rpartition(".")[0] for name in named_weights(graph)))
    tensors = renamed(state(graph), table_of("torchvision", layers))
    longer = net(RESNET_LIKE.replace("gap; fc-10", "conv3-16; gap; fc-32; relu; fc-3"))
    loaded = load(saved(tensors, tmp_path / "w.npz"), longer, partial=True)
    taken = {pair.ours for pair in loaded.pairs}
    assert {n for n in named_weights(graph) if not n.startswith("fc")} == taken
    assert set(loaded.unused) == {"fc.weight", "fc.bias"}


def test_a_file_of_another_net_is_refused_even_when_part_of_it_would_do(
    net: Built, tmp_path: Path
) -> None:
    path = saved(state(net("conv5-7; gap; fc-9")), tmp_path / "w.npz")
    assert "nothing in the file fits" in refusal(path, net("conv3-8; fc-4"), partial=True)


def test_a_frozen_trunk_stays_frozen_when_loaded(net: Built, tmp_path: Path) -> None:
    graph = net("freeze { conv3-8(act=relu) }\ngap; fc-10")
    module = to_module(graph, load(saved(state(graph), tmp_path / "w.pt"), graph).source)
    trained = {name for name, tensor in module.named_parameters() if tensor.requires_grad}
    assert trained == {"fc1.weight", "fc1.bias"}


# --- what does not fit


def test_missing_surplus_and_misshaped_tensors_are_listed_twenty_each(
    net: Built, tmp_path: Path
) -> None:
    graph = net("conv3-4(pad=same) x30; gap; fc-3")
    tensors = state(graph)
    for i in range(1, 13):
        del tensors[f"conv{i}.weight"], tensors[f"conv{i}.bias"]
    tensors.update({f"other{i}.weight": torch.zeros(3) for i in range(25)})
    tensors["fc1.weight"] = torch.zeros(4, 4)
    message = refusal(saved(tensors, tmp_path / "w.npz"), graph)
    assert "(24)" in message
    assert "(25)" in message
    assert "fc1.weight is 4x4, not 3x4" in message
    assert "other20.weight" not in message


# --- the command line


def command(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "netspec", *arguments]
    return subprocess.run(line, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "option",
    ["--partial", "--strict", "--show-map", "--map=a.json", "--prefix=ema", "--layout=keras"],
)
def test_what_only_concerns_a_file_of_weights_needs_one(option: str, tmp_path: Path) -> None:
    done = command(tmp_path, "compile", "lenet5", option)
    assert done.returncode == 2
    assert f"{option.partition('=')[0]} needs --weights" in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_copy_is_named_on_the_command_line(net: Built, tmp_path: Path) -> None:
    (tmp_path / "net.ns").write_text(f"input 3x32x32\n{NET}")
    graph = net(NET)
    copies = {f"{c}.{n}": t for c in ("ema", "model") for n, t in state(graph).items()}
    saved(copies, tmp_path / "w.safetensors")
    arguments = ("compile", "net.ns", "--weights", "w.safetensors")
    assert "those under `model` are taken" in command(tmp_path, *arguments).stderr
    done = command(tmp_path, *arguments, "--prefix", "ema")
    assert done.returncode == 0
    assert "warning" not in done.stderr
