"""Checkpoints of other families and in other libraries' names load with the published answers.

`data/published.json` lists tensors of torchvision's and timm's modules by name and shape, and what
they answer, computed in float64, under weights that anyone can regenerate from the names.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.places import DATA, ROOT
from support.published import TOLERANCE, image_of, logits_of, values

from netspec.checkpoints import load
from netspec.checkpoints.mapping import by_structure
from netspec.diagnostics.limits import DEFAULT
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.graph.checked import Graph
from netspec.syntax.files import read_spec

CASES: dict[str, dict[str, Any]] = json.loads((DATA / "published.json").read_text())
QUICK = {"regnet_x_400mf", "shufflenet_v2_x0_5", "vit_tiny_patch16_224"}


def spec(case: dict[str, Any]) -> Graph:
    path = case["spec"]
    source = str(ROOT / path) if path.endswith(".ns") else path
    return build(read_spec(source, DEFAULT), case["settings"])


@pytest.mark.parametrize("order", ["defined", "sorted"])
@pytest.mark.parametrize(
    "name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in CASES]
)
def test_another_family_gives_the_published_answer(name: str, order: str, tmp_path: Path) -> None:
    case = CASES[name]
    tensors = sorted(case["tensors"]) if order == "sorted" else case["tensors"]
    path = tmp_path / "checkpoint.npz"
    np.savez(path, **{key: values(key, shape) for key, shape in tensors})
    graph = spec(case)
    loaded = load(path, graph)
    assert not loaded.unused
    logits = logits_of(graph, loaded.source, image_of(case["input"]))
    assert np.abs(logits[:8] - case["first8"]).max() <= TOLERANCE * case["l2"]
    assert abs(np.linalg.norm(logits.astype(np.float64)) - case["l2"]) <= TOLERANCE * case["l2"]
    assert int(logits.argmax()) == case["argmax"]


# --- the same network in other libraries' names: shapes only


def resnet50() -> tuple[Graph, dict[str, tuple[int, ...]]]:
    golden = json.loads((DATA / "goldens" / "resnet50.json").read_text())
    graph = build(read_spec("resnet50_v1_5", DEFAULT))
    file = {key: tuple(shape) for key, shape in golden["tensors"]}
    return graph, {key: shape for key, shape in file.items() if "num_batches" not in key}


def keras(key: str) -> str:
    """`conv2_block1_0_conv` is the shortcut; the others count from 1."""
    key = re.sub(r"^(conv|bn)1\.", r"conv1_\1.", key)
    key = re.sub(
        r"^layer(\d)\.(\d+)\.(?:(conv|bn)(\d)|downsample\.([01]))\.",
        lambda m: (
            f"conv{int(m[1]) + 1}_block{int(m[2]) + 1}_{m[4] or 0}_"
            f"{m[3] or ('conv', 'bn')[int(m[5])]}."
        ),
        key,
    )
    for ours, theirs in (("running_mean", "moving_mean"), ("running_var", "moving_variance")):
        key = key.replace(ours, theirs)
    norm = {"weight": "gamma", "bias": "beta"} if "_bn." in key else {"weight": "kernel"}
    layer, _, leaf = key.rpartition(".")
    return f"{layer}/{norm.get(leaf, leaf)}:0"


def caffe(key: str) -> str:
    def unit(m: re.Match[str]) -> str:
        kind = "res" if "conv" in (m[3] or "") or m[5] == "0" else "bn"
        branch = f"2{chr(96 + int(m[4]))}" if m[4] else "1"
        return f"{kind}{int(m[1]) + 1}{chr(97 + int(m[2]))}_branch{branch}."

    return re.sub(r"^layer(\d)\.(\d+)\.(?:(conv|bn)(\d)|downsample\.([01]))\.", unit, key)


def hugging_face(key: str) -> str:
    key = key.replace("conv1.", "embedder.convolution.", 1) if key[0] == "c" else key
    key = key.replace("bn1.", "embedder.normalization.", 1) if key[0] == "b" else key
    key = re.sub(r"^layer(\d)\.(\d+)\.", r"encoder.stages.\1.layers.\2.", key)
    key = re.sub(r"\.conv(\d)\.", r".layer.\1.convolution.", key)
    key = re.sub(r"\.bn(\d)\.", r".layer.\1.normalization.", key)
    key = key.replace("downsample.0", "shortcut.convolution")
    key = key.replace("downsample.1", "shortcut.normalization")
    return key.replace("fc.", "classifier.1.") if key[0] == "f" else f"resnet.{key}"


def projections(key: str) -> str:
    return key.replace("downsample", "proj")


def underscores(key: str) -> str:
    return key.replace(".", "_")


def in_a_detector(key: str) -> str:
    return f"module.backbone.body.{key}"


def shortcut_first(keys: list[str]) -> list[str]:
    """Each unit's shortcut before its convolutions, as several libraries define them."""
    unit = re.compile(r"layer\d\.\d+")
    first = {m[0]: i for i, key in reversed(list(enumerate(keys))) if (m := unit.match(key))}

    def place(i: int) -> tuple[int, bool, int]:
        m = unit.match(keys[i])
        return (first[m[0]] if m else i, "downsample" not in keys[i], i)

    return [keys[i] for i in sorted(range(len(keys)), key=place)]


ORDERS = {
    "defined": lambda keys, library: keys,
    "shortcut first": lambda keys, library: shortcut_first(keys),
    "sorted": lambda keys, library: sorted(keys, key=library),
}
LIBRARIES = [keras, caffe, hugging_face, projections, underscores, in_a_detector]


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: library.__name__)
@pytest.mark.parametrize("order", ["defined", "shortcut first", "sorted"])
def test_another_librarys_names_map_alike(order: str, library: Any) -> None:
    graph, file = resnet50()
    expected = {pair.ours: library(pair.theirs) for pair in by_structure(graph, file, {}).pairs}
    keys = ORDERS[order](list(file), library)
    plan = by_structure(graph, {library(key): file[key] for key in keys}, {})
    assert not plan.doubts
    assert {pair.ours: pair.theirs for pair in plan.pairs} == expected


def test_flat_names_by_kind_and_place_map_alike_in_the_deepest_residual_net() -> None:
    """Caffe numbers the units of long stages `4b1`, `4b2`; sorted, all norms precede the rest."""
    golden = json.loads((DATA / "goldens" / "resnet101.json").read_text())
    graph = build(read_spec(golden["spec"], DEFAULT))
    file = {key: tuple(shape) for key, shape in golden["tensors"]}

    def numbered(key: str) -> str:
        unit = re.match(r"layer3\.(\d+)\.", key)
        name = caffe(re.sub(r"(layer3)\.\d+", r"\1.0", key))
        return name.replace("4a", f"4b{unit[1]}", 1) if unit and unit[1] != "0" else name

    expected = {p.ours: numbered(p.theirs) for p in by_structure(graph, file, {}).pairs}
    sorted_ = {numbered(key): file[key] for key in sorted(file, key=numbered)}
    plan = by_structure(graph, sorted_, {})
    assert not plan.doubts
    assert {pair.ours: pair.theirs for pair in plan.pairs} == expected


@pytest.mark.parametrize("shape", [(8,), (8, 1, 1), (1, 8, 1, 1)])
@pytest.mark.parametrize("leaf", ["layer_scale", "layer_scale.gamma", "ls.scale"])
def test_a_scale_written_for_maps_is_a_vector(leaf: str, shape: tuple[int, ...]) -> None:
    """Beside depthwise kernels of a window of 1x1 too, whose shape but for its rank is the same."""
    text = (
        "input 8x6x6\nresidual { add { | dwconv3(pad=1) | dwconv1(bias=no) }; affine(bias=no) }\n"
    )
    file = {
        "a.large.weight": (8, 1, 3, 3),
        "a.large.bias": (8,),
        "a.small.weight": (8, 1, 1, 1),
        f"a.{leaf}": shape,
    }
    for order in (list(file), sorted(file)):
        plan = by_structure(build(Source("net", text)), {name: file[name] for name in order}, {})
        found = {pair.ours: pair.theirs for pair in plan.pairs}
        assert found["affine1.weight"] == f"a.{leaf}"
        assert found["dwconv2.weight"] == "a.small.weight"
