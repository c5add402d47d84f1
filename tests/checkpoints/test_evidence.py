"""What decides which tensor is which: each kind of evidence, and what is refused where none decides.

The files here are of nets whose right map is known, for netspec's own names were replaced by others.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.random import default_rng

import netspec
from netspec.api.net import Net
from netspec.backends.torch.modules import to_module
from netspec.checkpoints import load
from netspec.checkpoints.joined import is_by_head
from netspec.checkpoints.load import _plan as planned
from netspec.diagnostics.raised import NetspecError
from netspec.weights.sources import named_weights

Names = Mapping[str, str]


class Shapes(dict[str, tuple[int, ...]]):
    """The shapes of a checkpoint, for the mapping."""


def weights(net: Net) -> dict[str, np.ndarray]:
    """Weights with gains near 1 for all of the net's tensors."""
    rng = default_rng(7)
    found = {}
    for name, tensor in net.to_torch(seed=0).state_dict().items():
        if not name.endswith("num_batches_tracked"):
            noise = rng.standard_normal(tuple(tensor.shape)).astype(np.float32)
            gain = name.endswith(("bn.weight", "running_var")) or tensor.ndim == 1
            found[name] = 1 + 0.1 * np.abs(noise) if gain else noise / tensor[0].numel() ** 0.5
    return found


def renamed(net: Net, layers: Names, keys: list[str] | None = None) -> dict[str, np.ndarray]:
    """The net's weights, its layers under other names; in the order of these names."""
    found = {}
    for name, array in weights(net).items():
        layer, _, leaf = name.rpartition(".")
        found[f"{layers[layer]}.{leaf}"] = array
    if keys is None:
        keys = list(dict.fromkeys(layers.values()))
    return {n: a for key in keys for n, a in found.items() if n.rpartition(".")[0] == key}


def ordered(tensors: dict[str, np.ndarray], order: str) -> dict[str, np.ndarray]:
    names = list(tensors)
    if order == "sorted":
        names.sort()
    elif order == "shuffled":
        names = [names[i] for i in default_rng(3).permutation(len(names))]
    return {name: tensors[name] for name in names}


def told(net: Net, tensors: dict[str, np.ndarray], path: Path, **options: object) -> dict[str, str]:
    """Each tensor of the net with the file's name for it."""
    np.savez(path, **tensors)  # type: ignore[arg-type]
    loaded = load(path, net.graph, **options)  # type: ignore[arg-type]
    return {pair.ours: pair.theirs for pair in loaded.pairs}


def in_units(ours: str, theirs: str, names: Names) -> dict[str, str]:
    """The layers of two units, numbered from 1 in the net and from 0 in the file."""
    return {f"{ours}{i + 1}.{o}": f"{theirs}.{i}.{t}" for i in (0, 1) for o, t in names.items()}


def expected(net: Net, layers: Names) -> dict[str, str]:
    return {
        name: ".".join((layers[name.rpartition(".")[0]], name.rpartition(".")[2]))
        for name in weights(net)
    }


ORDERS = ["definition", "sorted", "shuffled"]

PROJECTED = """default conv(pad=same, norm=bn, bias=no)
block unit(n) { residual { conv1-n(act=relu); conv3-n }; relu }
input 8x6x6
unit(16); unit(32)
"""


@pytest.mark.parametrize("order", ORDERS)
def test_a_projection_of_the_shape_of_the_first_convolution(order: str, tmp_path: Path) -> None:
    """`conv1` runs before `conv2` and feeds it; the projection feeds neither."""
    net = netspec.load(PROJECTED)
    names = {"conv1": "conv1", "bn1": "bn1", "conv2": "conv2", "bn2": "bn2"}
    names |= {"shortcut": "downsample.0", "shortcut_bn": "downsample.1"}
    layers = in_units("unit", "layer1", names)
    tensors = ordered(renamed(net, layers), order)
    assert told(net, tensors, tmp_path / "w.npz") == expected(net, layers)


REPARAMETRIZED = """default conv(pad=same, norm=bn, bias=no)
block rep { add { | bn | conv3-C | conv1-C }; relu }
input 6x5x5
rep x2
"""


@pytest.mark.parametrize("order", ORDERS)
def test_norms_of_branches_go_with_their_convolutions(order: str, tmp_path: Path) -> None:
    net = netspec.load(REPARAMETRIZED)
    names = {"bn1": "identity", "conv1": "conv_kxk.conv", "bn2": "conv_kxk.bn"}
    names |= {"conv2": "conv_1x1.conv", "bn3": "conv_1x1.bn"}
    layers = in_units("rep", "stages", names)
    tensors = ordered(renamed(net, layers), order)
    assert told(net, tensors, tmp_path / "w.npz") == expected(net, layers)


@pytest.mark.parametrize("order", ORDERS)
def test_numbers_say_everything(order: str, tmp_path: Path) -> None:
    net = netspec.load(
        "default conv(pad=same)\nblock u(n) { bn; relu; conv1-n; bn; relu; conv3-n }\n"
        "input 4x8x12\nconv3-4; u(4) x2; gap; fc-5\n"
    )
    names = {"bn1": "norm1", "conv1": "convolution1", "bn2": "norm2", "conv2": "convolution2"}
    layers = {"conv1": "stem", "fc1": "linear1"} | in_units("u", "stage1", names)
    tensors = ordered(renamed(net, layers), order)
    assert told(net, tensors, tmp_path / "w.npz") == expected(net, layers)


@pytest.mark.parametrize("leaves", [("weight", "bias"), ("bias", "weight")])
def test_the_order_of_definition_is_trusted_whatever_layers_are_called(
    leaves: tuple[str, str], tmp_path: Path
) -> None:
    net = netspec.load("input 6\nfc-6 x3; fc-6; fc-6; relu; fc-6\n")
    words = dict(zip((f"fc{i}" for i in range(1, 7)), "qcozma", strict=True))
    tensors = renamed(net, words)
    listed = {f"{word}.{leaf}": tensors[f"{word}.{leaf}"] for word in "qcozma" for leaf in leaves}
    assert told(net, listed, tmp_path / "w.npz") == expected(net, words)
    with pytest.raises(NetspecError, match="NS553"):
        told(net, ordered(listed, "sorted"), tmp_path / "w.npz")


def test_the_report_names_what_decided(tmp_path: Path) -> None:
    net = netspec.load("input 6\nfc-4; fc-4 as second; fc-4; fc-3\n")
    layers = {"fc1": "in", "second": "h.0", "fc2": "h.1", "fc3": "out"}
    path = tmp_path / "w.npz"
    np.savez(path, **ordered(renamed(net, layers), "sorted"))  # type: ignore[arg-type]
    how = {pair.ours: pair.how for pair in load(path, net.graph).pairs}
    assert how["fc1.weight"] == how["fc3.weight"] == "shape"
    assert how["second.weight"] == "numbers"
    np.savez(path, **renamed(net, layers))  # type: ignore[arg-type]
    assert {pair.how for pair in load(path, net.graph).pairs} <= {"order", "numbers", "shape"}
    assert {pair.how for pair in load(path, net.graph, mapping=layers).pairs} == {"map"}


STRIDED = """default conv(pad=same, bias=no, norm=bn, act=relu)
input 8x16x16
residual { conv1-8; conv3-8/2; conv1-8(act=none) }; relu
gap; fc-10
"""


@pytest.mark.parametrize("shortcut", ["match", "adapt", "conv_res", "proj"])
@pytest.mark.parametrize(
    "names", ["f.reduce f.mix f.expand", "body.in1 body.in2 body.in3", "x y z"]
)
@pytest.mark.parametrize("order", ORDERS)
def test_a_shortcut_that_is_defined_first_is_never_taken_for_another(
    order: str, names: str, shortcut: str, tmp_path: Path
) -> None:
    """All of its convolutions of one element have one shape, and its word may not be known."""
    net = netspec.load(STRIDED)
    layers = {}
    for ours, theirs in zip((1, 2, 3), names.split(), strict=True):
        layers |= {f"conv{ours}": f"u.{theirs}.conv", f"bn{ours}": f"u.{theirs}.bn"}
    first = {"shortcut": f"u.{shortcut}.conv", "shortcut_bn": f"u.{shortcut}.bn"}
    layers = {**first, **layers, "fc1": "head"}
    tensors = renamed(net, layers, list(dict.fromkeys(layers.values())))
    try:
        assert told(net, ordered(tensors, order), tmp_path / "w.npz") == expected(net, layers)
    except NetspecError as error:
        assert [d.code for d in error.diagnostics] == ["NS553"]


@pytest.mark.parametrize(
    ("conv", "norm"),
    [
        ("u.conv{}", "u.bn{}"),
        ("u.convs.{}", "u.norms.{}"),
        ("u_{}_conv", "u_{}_bn"),
        ("c{}.conv", "c{}.bn"),
        ("conv2d_{}", "batch_normalization_{}"),
        ("res_branch{}", "bn_branch{}"),
    ],
)
@pytest.mark.parametrize("numbers", ["0123", "1234", "3012"])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("after", ["", "bn; "], ids=["", "a norm more"])
def test_numbers_of_a_shortcut_are_no_evidence_of_another(
    after: str, order: str, numbers: str, conv: str, norm: str, tmp_path: Path
) -> None:
    """Numbers run as layers were defined, and the shortcut's is none of those of its branch."""
    net = netspec.load(STRIDED.replace("gap", f"{after}gap"))
    layers, ours = dict[str, str](), ("shortcut", "conv1", "conv2", "conv3")
    for name, number in zip(ours, numbers, strict=True):
        norms = "shortcut_bn" if name == "shortcut" else name.replace("conv", "bn")
        layers |= {name: conv.format(number), norms: norm.format(number)}
    layers |= ({"bn4": norm.format(9)} if after else {}) | {"fc1": "head"}
    tensors = renamed(net, layers, list(dict.fromkeys(layers.values())))
    try:
        assert told(net, ordered(tensors, order), tmp_path / "w.npz") == expected(net, layers)
    except NetspecError as error:
        assert [d.code for d in error.diagnostics] == ["NS553"]


AMBIGUOUS = """default conv(pad=same)
block unit(n) { add { | conv3-n; relu | conv3-n; sigmoid } }
input 8x6x6
unit(8) x3; gap; fc-5
"""


def test_what_nothing_decides_is_refused_with_the_map_that_does(tmp_path: Path) -> None:
    net = netspec.load(AMBIGUOUS)
    layers = {"fc1": "head"}
    for i in (1, 2, 3):
        layers |= {f"unit{i}.conv1": f"u.{i}.nadir", f"unit{i}.conv2": f"u.{i}.apex"}
    tensors = ordered(renamed(net, layers), "sorted")
    with pytest.raises(NetspecError) as refusal:
        told(net, tensors, tmp_path / "w.npz")
    message = str(refusal.value)
    assert re.search(
        r"unit\d\.conv1 is u\.\d\.(apex or u\.\d\.nadir|nadir or u\.\d\.apex)", message
    )
    offered = re.search(r"a file with (\{.*?\}), passed", message)
    assert offered
    given = json.loads(offered[1])
    assert len(given) == 1
    found = told(net, tensors, tmp_path / "w.npz", mapping=given)
    (ours, theirs), *_ = given.items()
    assert found[f"{ours}.weight"] == f"{theirs}.weight"
    # One line for every instance.
    every = {"unit*.conv1": "u.*.nadir"}
    assert told(net, tensors, tmp_path / "w.npz", mapping=every) == expected(net, layers)
    with pytest.raises(NetspecError, match="3 names of the net"):
        told(net, tensors, tmp_path / "w.npz", mapping={"unit*.conv1": "u.*.apix"})


def test_branches_that_make_the_same_function_are_not_refused(tmp_path: Path) -> None:
    net = netspec.load(AMBIGUOUS.replace("sigmoid", "relu"))
    layers = {"fc1": "head"}
    for i in (1, 2, 3):
        layers |= {f"unit{i}.conv1": f"u.{i}.nadir", f"unit{i}.conv2": f"u.{i}.apex"}
    tensors = ordered(renamed(net, layers), "sorted")
    path = tmp_path / "w.npz"
    np.savez(path, **tensors)  # type: ignore[arg-type]
    own = {name: torch.from_numpy(array) for name, array in weights(net).items()}
    image = torch.randn(2, 8, 6, 6)
    answers = [net.to_torch(weights=w).eval()(image) for w in (own, path)]
    torch.testing.assert_close(*answers)


def test_names_that_can_be_read_in_two_ways_are_refused(tmp_path: Path) -> None:
    """The last number counts towers here; it could as well count layers in a row."""
    net = netspec.load(
        "default conv(pad=same)\nblock t { conv3-6; relu; conv3-6; relu; conv3-6 }\n"
        "input a: 6x5x5\ninput b: 6x5x5\n@a; t; tanh as p\n@b; t; relu as q\n{ | @p | @q }; add\n"
    )
    layers = {
        f"t{tower}.conv{i}": f"conv_{letter}_{tower}"
        for tower in (1, 2)
        for i, letter in enumerate("abc", 1)
    }
    with pytest.raises(NetspecError, match="copies of a part or layers in a row"):
        told(net, ordered(renamed(net, layers), "sorted"), tmp_path / "w.npz")


def test_partial_takes_names_first_and_structure_for_the_rest(tmp_path: Path) -> None:
    trunk = netspec.load(
        "default conv(pad=same)\ninput 3x8x8\nconv3-4 x4; gap; fc-6 as hidden; fc-5\n"
    )
    net = netspec.load(
        "default conv(pad=same)\ninput 3x8x8\nconv3-4 x4; gap; fc-6; relu as mid; fc-9 as scores\n"
    )
    path = tmp_path / "w.npz"
    np.savez(path, **weights(trunk))  # type: ignore[arg-type]
    loaded = load(path, net.graph, partial=True)
    how = {pair.ours: (pair.theirs, pair.how) for pair in loaded.pairs}
    assert how["conv3.weight"] == ("conv3.weight", "name")
    assert how["fc1.weight"] == ("hidden.weight", "order")
    assert set(loaded.initial) == {"scores.weight", "scores.bias"}


# --- what shapes that differ come from


def refusal(net: Net, tensors: dict[str, np.ndarray], path: Path, **options: object) -> str:
    with pytest.raises(NetspecError) as error:
        told(net, tensors, path, **options)
    return str(error.value)


def test_misshaped_layers_say_why(tmp_path: Path) -> None:
    path = tmp_path / "w.npz"
    text = "net small(classes=5)\ndefault conv(pad=same)\ninput 3x8x8\nconv3-4; gap; fc-(classes)\n"
    other = netspec.load(text, classes=7)
    layers = {"conv1": "stem", "fc1": "head"}
    message = refusal(netspec.load(text), renamed(other, layers), path)
    assert "with --set classes=7" in message
    assert "stem" not in message
    more = netspec.load(text, classes=6)
    assert "--drop-row 0" in refusal(netspec.load(text), renamed(more, layers), path)
    grey = netspec.load(text.replace("3x8x8", "1x8x8"))
    assert "reads 1 channels in the file" in refusal(
        netspec.load(text), renamed(grey, layers), path
    )


def test_a_row_too_many_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "w.npz"
    text = "net small(classes=5)\ndefault conv(pad=same)\ninput 3x8x8\nconv3-4; gap; fc-(classes)\n"
    net, more = netspec.load(text), netspec.load(text, classes=6)
    tensors = renamed(more, {"conv1": "stem", "fc1": "head"})
    np.savez(path, **tensors)  # type: ignore[arg-type]
    state = to_module(net.graph, load(path, net.graph, drop_row=0).source).state_dict()
    np.testing.assert_array_equal(state["fc1.weight"].numpy(), tensors["head.weight"][1:])
    np.testing.assert_array_equal(state["fc1.bias"].numpy(), tensors["head.bias"][1:])
    assert "NS560" in refusal(more, tensors, path, drop_row=0)


# --- queries, keys and values

ATTENTION = "input 12x5\nattention(3); layernorm\n"


def answer(net: Net, path: Path, **options: object) -> torch.Tensor:
    module = to_module(net.graph, load(path, net.graph, **options).source)  # type: ignore[arg-type]
    with torch.no_grad():
        return module.eval()(torch.linspace(-1, 1, 60).reshape(1, 12, 5))  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("name", "kernel", "refused"),
    [("query_key_value", False, True), ("qkv", False, False), ("qkv", True, True)],
)
def test_projections_joined_head_by_head(
    name: str, kernel: bool, refused: bool, tmp_path: Path
) -> None:
    net, path = netspec.load(ATTENTION), tmp_path / "w.npz"
    own = weights(net)
    np.savez(path, **own)  # type: ignore[arg-type]
    right = answer(net, path)

    def mixed(array: np.ndarray) -> np.ndarray:
        rows = array.reshape(3, 3, 4, *array.shape[1:]).swapaxes(0, 1)
        return np.ascontiguousarray(rows).reshape(array.shape)

    file = {
        f"layers.0.attention.{name}.weight": mixed(own["attention1.in_proj_weight"]),
        f"layers.0.attention.{name}.bias": mixed(own["attention1.in_proj_bias"]),
        "layers.0.attention.dense.weight": own["attention1.out_proj.weight"],
        "layers.0.attention.dense.bias": own["attention1.out_proj.bias"],
        "layers.0.norm.weight": own["layernorm1.weight"],
        "layers.0.norm.bias": own["layernorm1.bias"],
    }
    if kernel:
        file = {k: a[:, :, None, None] if a.ndim == 2 else a for k, a in file.items()}
    np.savez(path, **file)  # type: ignore[arg-type]
    torch.testing.assert_close(answer(net, path, qkv="heads"), right)
    if refused:
        with pytest.raises(NetspecError, match="NS559"):
            load(path, net.graph)
    assert not torch.allclose(answer(net, path, qkv="rows"), right, atol=1e-3)


@pytest.mark.parametrize(
    ("around", "beside", "kernel", "by_head"),
    [
        ("stages.0.blocks.0.attn", {"rel_pos.relative_position_bias_table": (9, 3)}, True, True),
        ("stages.0.blocks.0.attn", {"rel_pos.mlp.fc1.weight": (4, 2)}, True, True),
        ("stages.0.blocks.0.attn", {"attention_biases": (3, 9)}, False, True),
        ("stages.0.attn_grid.attn", {"rel_pos.relative_position_bias_table": (9, 3)}, False, True),
        (
            "stages.0.attn_grid.attn",
            {"rel_pos.relative_position_bias_table": (3, 3, 3)},
            False,
            False,
        ),
        ("blocks.0.attn", {"rel_pos.relative_position_bias_table": (9, 3)}, False, None),
        ("blocks.0.attn", {}, True, None),
    ],
)
@pytest.mark.parametrize("leaf", ["weight", "bias"])
def test_names_around_a_joined_projection_say_its_order(
    around: str, beside: dict[str, tuple[int, ...]], kernel: bool, by_head: bool | None, leaf: str
) -> None:
    """As timm's CoAtNet, LeViT and MaxViT have it; of others nothing is said."""
    shapes = {f"{around}.{name}": shape for name, shape in beside.items()}
    shapes[f"{around}.qkv.weight"] = (12, 4, 1, 1) if kernel else (12, 4)
    shapes[f"{around}.qkv.bias"] = (12,)
    assert is_by_head(f"{around}.qkv.{leaf}", shapes) is by_head


def test_a_missing_bias_of_the_keys_is_zero(tmp_path: Path) -> None:
    net, path = netspec.load(ATTENTION), tmp_path / "w.npz"
    own = weights(net)
    own["attention1.in_proj_bias"][12:24] = 0
    np.savez(path, **own)  # type: ignore[arg-type]
    right = answer(net, path)
    file = {}
    for i, name in enumerate(("q_proj", "k_proj", "v_proj")):
        rows = slice(12 * i, 12 * (i + 1))
        file[f"attn.{name}.weight"] = own["attention1.in_proj_weight"][rows]
        if name != "k_proj":
            file[f"attn.{name}.bias"] = own["attention1.in_proj_bias"][rows]
    file["attn.out_proj.weight"] = own["attention1.out_proj.weight"]
    file["attn.out_proj.bias"] = own["attention1.out_proj.bias"]
    file["norm.weight"], file["norm.bias"] = own["layernorm1.weight"], own["layernorm1.bias"]
    np.savez(path, **file)  # type: ignore[arg-type]
    torch.testing.assert_close(answer(net, path), right)


def test_a_trunk_saved_by_netspec_fills_a_larger_net(tmp_path: Path) -> None:
    """VGG-16's hidden layers have other names in Fast R-CNN, its convolutions the same."""
    vgg, net = netspec.load("vgg16"), netspec.load("fast_rcnn")
    own = {name: weight.shape for name, weight in named_weights(vgg.graph).items()}
    wanted = {name: weight.shape for name, weight in named_weights(net.graph).items()}
    plan = planned(net.graph, Shapes(own), wanted, {}, None, True)
    pairs = {pair.ours: pair.theirs for pair in plan.pairs}
    hidden = [name for name, shape in wanted.items() if shape in ((4096, 25088), (4096, 4096))]
    taken = [pairs[name] for name in hidden]
    assert taken == [n for n, shape in own.items() if shape in ((4096, 25088), (4096, 4096))]
    assert all(name in pairs for name in wanted if name.startswith("conv"))


# --- numbers that are no order

ADDED = """block layer {
  residual { layernorm%s; fc-8(over=channels, act=relu) as attn }
  residual { layernorm%s; fc-8(over=channels, act=tanh) as local }
  residual { layernorm%s; mlp(16) }
}
input 8x5
layer x2
"""
ADDED_NAMES = {"attn": "attn.qkv", "local": "local_mp.fc", "mlp1.fc1": "mlp.fc1"}
ADDED_NAMES |= {"mlp1.fc2": "mlp.fc2"}


def added_late(norms: list[str], called: list[str]) -> tuple[Net, dict[str, str]]:
    """Layers of three parts, whose norms a file calls `norms`, and a spec `called`."""
    net = netspec.load(ADDED % tuple(f" as {name}" if name else "" for name in called))
    ours = [name or f"layernorm{i}" for i, name in enumerate(called, 1)]
    names = dict(zip(ours, norms, strict=True)) | ADDED_NAMES
    return net, in_units("layer", "blocks", names)


@pytest.mark.parametrize("order", ["sorted", "shuffled"])
@pytest.mark.parametrize("third", ["norm2", "norm3"])
def test_three_numbers_between_names_are_no_order(order: str, third: str, tmp_path: Path) -> None:
    """XCiT numbers a norm last that runs in the middle; others number them as they run."""
    second = {"norm2": "norm3", "norm3": "norm2"}[third]
    net, layers = added_late(["norm1", second, third], ["", "", ""])
    tensors = renamed(net, layers)
    with pytest.raises(NetspecError, match="NS553") as refused:
        told(net, ordered(tensors, order), tmp_path / "w.npz")
    assert "norm" in str(refused.value)
    # What the spec calls them decides.
    called, layers = added_late(["norm1", second, third], ["norm1", second, third])
    assert told(called, ordered(tensors, order), tmp_path / "w.npz") == expected(called, layers)


def test_three_numbers_that_are_defined_as_they_count_are_an_order(tmp_path: Path) -> None:
    net, layers = added_late(["norm1", "norm2", "norm3"], ["", "", ""])
    assert told(net, renamed(net, layers), tmp_path / "w.npz") == expected(net, layers)


@pytest.mark.parametrize("order", ORDERS)
def test_two_numbers_between_names_are_an_order(order: str, tmp_path: Path) -> None:
    net = netspec.load(
        "block layer { residual { layernorm; fc-8(over=channels) as attn }\n"
        "residual { layernorm; mlp(16) } }\ninput 8x5\nlayer x2\n"
    )
    names = {"layernorm1": "norm1", "layernorm2": "norm2", "attn": "attn.qkv"}
    layers = in_units("layer", "blocks", names | {"mlp1.fc1": "mlp.fc1", "mlp1.fc2": "mlp.fc2"})
    tensors = ordered(renamed(net, layers), order)
    assert told(net, tensors, tmp_path / "w.npz") == expected(net, layers)


GATED = """default fc(over=channels)
block ffn { residual { rmsnorm; MERGE { | fc-24FIRST | fc-24SECOND }; fc-8 } }
input 8x5
ffn x2
"""


def gated(merge: str, first: str, second: str) -> Net:
    return netspec.load(
        GATED.replace("MERGE", merge).replace("FIRST", first).replace("SECOND", second)
    )


@pytest.mark.parametrize("order", ["sorted", "shuffled"])
@pytest.mark.parametrize("merge", ["mul", "add", "maximum"])
@pytest.mark.parametrize("names", [("w1", "w3"), ("w3", "w1")])
def test_numbers_of_summands_and_factors_are_no_order(
    order: str, merge: str, names: tuple[str, str], tmp_path: Path
) -> None:
    """`w1` may be the one with the activation; which branch the text has first says nothing."""
    net = gated(merge, "; silu", "")
    layers = {"rmsnorm1": "norm", "fc1": names[0], "fc2": names[1], "fc3": "w2"}
    tensors = renamed(net, in_units("ffn", "layers", layers))
    with pytest.raises(NetspecError, match="NS553"):
        told(net, ordered(tensors, order), tmp_path / "w.npz")
    called = gated(merge, f" as {names[0]}; silu", f" as {names[1]}")
    layers = {"rmsnorm1": "norm", names[0]: names[0], names[1]: names[1], "fc1": "w2"}
    found = told(called, ordered(tensors, order), tmp_path / "w.npz")
    assert found == expected(called, in_units("ffn", "layers", layers))


@pytest.mark.parametrize("order", ["sorted", "shuffled"])
def test_numbers_of_what_is_joined_are_an_order(order: str, tmp_path: Path) -> None:
    """Branches of `concat` have their places."""
    net = gated("concat", "; silu", "")
    layers = {"rmsnorm1": "norm", "fc1": "w1", "fc2": "w3", "fc3": "w2"}
    layers = in_units("ffn", "layers", layers)
    tensors = ordered(renamed(net, layers), order)
    assert told(net, tensors, tmp_path / "w.npz") == expected(net, layers)


@pytest.mark.parametrize("order", ORDERS)
def test_names_without_numbers_that_the_spec_gives(order: str, tmp_path: Path) -> None:
    """FocalNet's `proj` is no shortcut, and elsewhere a file calls something else so."""
    net = netspec.load(
        "block unit { residual { conv1-8 as asked; relu; conv1-8 as proj } }\n"
        "input 3x9x9\nconv3-8 as stem; unit x2\n"
    )
    layers = {"stem": "stem.proj", **in_units("unit", "blocks", {"asked": "h", "proj": "proj"})}
    tensors = ordered(renamed(net, layers), order)
    assert told(net, tensors, tmp_path / "w.npz") == expected(net, layers)


@pytest.mark.parametrize("order", ORDERS)
def test_parameters_of_an_operator_are_called_as_it_calls_them(order: str, tmp_path: Path) -> None:
    """SAM's tables of a square map, one for each axis, have one shape."""
    net = netspec.load(
        "block look of x { conv1-4 as k; attend(2, @k, scores=relative_scores(2)); add(@x) }\n"
        "input 4x3x3\nconv3-4(pad=1) as stem; look x2\n"
    )
    file = {
        name.replace("look1.", "look.0.").replace("look2.", "look.1."): array
        for name, array in weights(net).items()
    }
    loaded = told(net, ordered(file, order), tmp_path / "w.npz")
    assert all(
        ours.rpartition(".")[2] == theirs.rpartition(".")[2] for ours, theirs in loaded.items()
    )


@pytest.mark.parametrize("order", ORDERS)
def test_a_parameter_may_be_called_the_bias_of_nothing(order: str, tmp_path: Path) -> None:
    """Mamba 2's `dt_bias` and SigLIP's `logit_bias`, beside others of their shape."""
    net = netspec.load(
        "block unit {\n"
        "  conv1-4; add { | identity | parameter(4) as dt_bias }; softplus\n"
        "  mul { | identity | parameter(4) as a_log; exp }\n"
        "}\n"
        "input 3x6\nunit x2; gap; fc-1; add { | identity | parameter(1) as logit_bias }\n"
    )
    file = {}
    for name, array in weights(net).items():
        theirs = name.replace("unit1.", "units.0.").replace("unit2.", "units.1.")
        theirs = theirs.replace("conv1", "proj").replace("fc1", "head")
        alone = re.search(r"(_bias|_log)\.weight$", name)
        file[theirs.removesuffix(".weight") if alone else theirs] = array
    loaded = told(net, ordered(file, order), tmp_path / "w.npz")
    for ours, theirs in loaded.items():
        assert np.array_equal(file[theirs], weights(net)[ours]), ours
