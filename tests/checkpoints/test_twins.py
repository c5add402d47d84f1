"""A checkpoint that fits a net whose tensors another net has too says which net that is."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from support.checkpoint_files import saved, state
from support.places import DOCS
from support.shelves import shelved, shipped
from support.torchvision_layouts import NETS

from netspec.checkpoints import load
from netspec.checkpoints.twins import find, twins_of
from netspec.diagnostics.messages.weights import HasTwin
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.graph.checked import Graph
from netspec.syntax.files import read_spec

# Every twin of every shipped spec, each looked at: the tensors are the same, the function is not.
TWINS = {
    # TensorFlow's means leave the padding out.
    "inception_v3": ["`inception_v3` with `--set count_pad=no`"],
    "nasnet_large": [
        "`nasnet_large` with `--set skip=no`",
        "`nasnet_large` with `--set count_pad=no`",
    ],
    "nasnet_mobile": [
        "`nasnet_mobile` with `--set skip=yes`",
        "`nasnet_mobile` with `--set count_pad=no`",
    ],
    # TensorFlow pads the far side first.
    "mobilenet_v1": ["`mobilenet_v1` with `--set pad=tf_same`"],
    "mobilenet_v2": ["`mobilenet_v2` with `--set pad=tf_same`"],
    # Shortcuts without weights.
    "plain20_cifar": ["`resnet20_cifar`"],
    "plain34": ["`resnet34_a`"],
    "plain56_cifar": ["`resnet56_cifar`"],
    "resnet20_cifar": ["`plain20_cifar`"],
    "resnet34_a": ["`plain34`"],
    "resnet56_cifar": ["`plain56_cifar`"],
    # The stride before the 3x3 or on it.
    "resnet101": ["`resnet101_v1_5`"],
    "resnet101_v1_5": ["`resnet101`"],
    "resnet152": ["`resnet152_v1_5`"],
    "resnet152_v1_5": ["`resnet152`"],
    "resnet50": ["`resnet50_v1_5`"],
    "resnet50_v1_5": ["`resnet50`"],
    "se_resnet50": ["`se_resnet50` with `--set v1_5=yes`"],
    # A response norm has no tensors.
    "vgg11": ["`vgg11_lrn`"],
    "vgg11_lrn": ["`vgg11`"],
}
WRAPPED = """\
net weights_twin(classes=10)
import resnet50
input 3x64x64
resnet50(classes=classes)
"""
SMALL = """\
net small(stride_first=yes, wide=no)
input 3x32x32
default conv(pad=same, act=relu)
conv1-8/(2 if stride_first else 1); conv3-8/(1 if stride_first else 2)
conv3-(16 if wide else 8); gap; fc-10
"""


def net(text: str, **settings: Any) -> Graph:
    return build(Source("test", text), settings)


def named(graph: Graph) -> list[str]:
    problems = [diagnostic.problem for diagnostic in twins_of(graph)]
    assert all(isinstance(problem, HasTwin) for problem in problems)
    return [problem.twin for problem in problems]


def differences(graph: Graph) -> list[str]:
    return [diagnostic.problem.difference for diagnostic in twins_of(graph)]


def edited(name: str, old: str, new: str) -> Graph:
    text = read_spec(name).text
    assert old in text
    lines = text.replace(old, new).splitlines()
    return net("\n".join(line for line in lines if not line.startswith("expect")))


def test_torchvisions_resnet50_in_the_papers_is_warned_of(tmp_path: Path) -> None:
    module = NETS["resnet50"]()
    tensors = module.state_dict()
    tensors["fc.weight"], tensors["fc.bias"] = torch.rand(10, 2048), torch.rand(10)
    (warning,) = load(saved(tensors, tmp_path / "net.pt"), net(WRAPPED)).warnings
    assert warning.warning
    assert warning.problem.code == "NS561"
    assert warning.problem.headline == (
        "`resnet50_v1_5` has the same tensors and computes another function: "
        "`resnet501.stage2.bottleneck1.conv1` has stride 2, there stride 1"
    )


def test_files_with_the_nets_own_names_are_not_warned_of(tmp_path: Path) -> None:
    graph = net(WRAPPED)
    assert not load(saved(state(graph), tmp_path / "net.pt"), graph).warnings


@pytest.mark.parametrize("name", shelved())
def test_the_twins_of_the_shipped_specs(name: str) -> None:
    assert named(shipped(name)) == TWINS.get(name, [])


@pytest.mark.parametrize("layers", [101, 152])
def test_a_variation_has_the_twins_of_what_it_varies(layers: int) -> None:
    text = WRAPPED.replace("resnet50", f"resnet{layers}")
    assert named(net(text)) == [f"`resnet{layers}_v1_5`"]
    text = text.replace(f"import resnet{layers}", f"import resnet{layers}_v1_5")
    text = text.replace(f"resnet{layers}(", f"resnet{layers}_v1_5(")
    assert named(net(text)) == [f"`resnet{layers}`"]


def test_a_wrapped_net_has_the_twins_that_are_settings() -> None:
    text = WRAPPED.replace("resnet50", "se_resnet50")
    assert named(net(text)) == ["`se_resnet50` with `--set v1_5=yes`"]
    text = text.replace("classes=classes", "classes=classes, v1_5=yes")
    assert named(net(text)) == ["`se_resnet50`"]


@pytest.mark.parametrize(
    "name", ["googlenet", "googlenet_bn", "resnet18", "vgg16", "resnext50_32x4d"]
)
def test_nets_whose_tensors_no_other_has_have_no_twin(name: str) -> None:
    assert named(build(read_spec(name), {"classes": 7})) == []


@pytest.mark.parametrize("size", ["3x224x224", "3x256x320", "3xHxW"])
@pytest.mark.parametrize("name", ["vgg16", "vgg16_localization", "alexnet_owt"])
def test_a_classifier_is_no_twin_of_its_dense_form(name: str, size: str) -> None:
    assert named(build(read_spec(name), {"dense": True}, (size,))) == []


def test_a_window_of_another_form_is_a_twin() -> None:
    text = """net small(tall=no)\ninput 3x9x9\nconv3-4(act=relu)
fc-5(over=(4, 2) if tall else (2, 4)); gap\n"""
    assert named(net(text)) == ["this net with `--set tall=yes`"]
    assert differences(net(text)) == ["`fc1` has kernel (2, 4), there kernel (4, 2)"]


def test_a_net_on_several_crops_is_no_twin_of_the_net() -> None:
    text = WRAPPED.replace("resnet50(classes=classes)", "mirrored(resnet50(classes=classes))")
    assert named(net(text)) == []
    assert named(shipped("alexnet_two_gpu")) == []


def test_another_width_is_no_twin() -> None:
    """wrn50_2 has the layers of resnet50, twice as wide."""
    assert named(shipped("wrn50_2")) == []
    assert named(build(read_spec("wrn50_2"), {"widen": 1})) == ["`resnet50`"]


def test_sizes_left_open_are_compared_too() -> None:
    assert named(build(read_spec("resnet50"), {}, ("3xHxW",))) == ["`resnet50_v1_5`"]


def test_an_epsilon_makes_a_twin() -> None:
    graph = edited("resnet18", "norm=bn", "norm=bn(eps=0.001)")
    assert named(graph) == ["`resnet18`"]
    assert differences(graph) == ["`bn1` has eps 0.001, there eps 1e-05"]


def test_an_activation_makes_a_twin() -> None:
    graph = edited("mobilenet_v2", "relu6", "leaky(0.2)")
    assert named(graph)[0] == "this net with `--set pad=tf_same`"
    assert "`mobilenet_v2`" in named(graph)
    assert differences(graph)[1].startswith("`leaky1` is leaky, there it is relu6")


def test_one_function_spelt_in_two_ways_is_no_twin() -> None:
    assert named(edited("resnet18", "gap; ", "avgpool7; flatten; ")) == []
    assert named(edited("resnet18", "pad=same", "pad=same, bias=no")) == []
    assert named(edited("resnet18", "; softmax", "")) == []


def test_other_settings_of_a_net_with_the_same_tensors_are_named() -> None:
    graph = net(SMALL)
    assert named(graph) == ["this net with `--set stride_first=no`"]
    assert differences(graph) == ["`conv1` has stride 2, there stride 1"]
    assert named(net(SMALL, stride_first=False)) == ["this net with `--set stride_first=yes`"]


def test_the_other_words_of_a_choice_are_named() -> None:
    text = "net x(form=exact)\ninput 3x8x8\nconv3-8; gelu(form=form); gap; fc-10\n"
    assert named(net(text)) == ["this net with `--set form=tanh`"]


def test_without_candidates_nothing_else_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    graphs = [shipped("densenet121"), net("input 3x8x8; conv3-8; gap; fc-10")]
    monkeypatch.setattr(find, "build", lambda *_: pytest.fail("another net is built"))
    assert [named(graph) for graph in graphs] == [[], []]


@pytest.mark.parametrize(
    "every", [pytest.param(1, id="all", marks=pytest.mark.slow), pytest.param(5, id="some")]
)
def test_the_index_is_current(every: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every net stands in it; what it says of every fifth of them is what is found now, of all where slow."""
    monkeypatch.syspath_prepend(str(DOCS))
    maker = importlib.import_module("make_twins")
    written = find.INDEX.read_text(encoding="utf-8")
    assert len(written) < 60_000
    held = json.loads(written)
    assert {row[1] for rows in held.values() for row in rows} == set(maker.NAMES)
    names = maker.NAMES[::every]
    asked = {key: [row for row in rows if row[1] in names] for key, rows in held.items()}
    current = maker.index(names)
    assert {key: rows for key, rows in asked.items() if rows} == json.loads(current), (
        "run `python docs/make_twins.py`"
    )
    if every == 1:
        assert written == current
