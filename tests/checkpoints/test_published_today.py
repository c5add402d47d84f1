"""Published networks of today's libraries load by structure and answer as they did there.

Each file in `data/goldens2/` lists the tensors of one network of torchvision, timm or transformers
by name and shape, and figures of what it answers under weights that anyone can regenerate from the
names. Their gains are near 1, so that an exchange of two early layers shows in the answer.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.places import DATA, ROOT
from support.published import TOLERANCE, meaningless, tolerance
from support.published import values_of_today as values

from netspec.backends.onnx.compile import compile_graph, prepared
from netspec.backends.onnx.options import FileOptions
from netspec.backends.runtime import Session
from netspec.backends.torch.modules import to_module
from netspec.checkpoints import load
from netspec.checkpoints.mapping import by_structure
from netspec.checkpoints.plan import Plan
from netspec.diagnostics.limits import DEFAULT
from netspec.diagnostics.raised import NetspecError
from netspec.elaborate.build import build
from netspec.graph.checked import Graph
from netspec.syntax.files import read_spec
from netspec.weights.sources import Seeded, WeightSource, given, named_weights

FOLDER = DATA / "goldens2"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))
QUICK = {
    "bert_4x256",
    "deit_tiny_patch16_224",
    "gpt2_4x256",
    "llama_4x256",
    "mamba_2x64",
    "mixer_s16_224",
    "repvgg_a0",
    "rwkv4_2x64",
    "segformer_b0",
    "t5_encoder_4x256",
    "wav2vec2_2x96",
}
SOME = [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in NAMES]
Tensors = Mapping[str, np.ndarray]


def golden(name: str) -> dict[str, Any]:
    return json.loads((FOLDER / f"{name}.json").read_text())


def spec(expected: dict[str, Any]) -> Graph:
    path, asked = expected["spec"], expected["input"]
    source = str(ROOT / path) if path.endswith(".ns") else path
    sizes = ("x".join(map(str, asked)),) if isinstance(asked, list) else ()
    return build(read_spec(source, DEFAULT), expected["settings"], sizes)


def tensors_of(expected: dict[str, Any]) -> dict[str, np.ndarray]:
    """The network's tensors; one that is another's is there once, under its owner's name."""
    gain, tied = expected["gain"], expected["tied"]
    return {key: values(key, shape, gain) for key, shape in expected["tensors"] if key not in tied}


def saved(tensors: Tensors, folder: Path) -> Path:
    path = folder / "checkpoint.npz"
    np.savez(path, **tensors)
    return path


def inputs_of(expected: dict[str, Any], graph: Graph) -> dict[str, np.ndarray]:
    """What the network was asked, for each input of the spec."""
    asked, random = expected["input"], np.random.default_rng(0)
    if isinstance(asked, list):
        return {graph.inputs[0].path: random.standard_normal((1, *asked), dtype=np.float32)}
    ids = random.integers(0, asked["ids"], (1, asked["length"]))
    # The library takes one segment by itself.
    others = {node.path: np.zeros_like(ids) for node in graph.inputs[1:]}
    return {graph.inputs[0].path: ids, **others}


def deviation(expected: dict[str, Any], output: np.ndarray) -> float:
    """The largest deviation of the figures recorded, relative to the output's norm."""
    if isinstance(expected["input"], dict):  # transformers have (time, channels)
        output = output.T
    assert list(output.shape) == expected["output"]
    y = output.reshape(-1).astype(np.float64)
    size = expected["l2"]
    weighted = y @ np.random.default_rng(1).standard_normal(y.size)
    gaps = [
        float(np.abs(y[:8] - expected["first8"]).max()),
        abs(float(np.linalg.norm(y)) - size),
        abs(float(y.sum()) - expected["sum"]) / math.sqrt(y.size),
        abs(float(weighted) - expected["dot"]),
    ]
    return max(gaps) / size


def answer(expected: dict[str, Any], graph: Graph, source: WeightSource) -> np.ndarray:
    """What the net answers through PyTorch; the first of several outputs."""
    module = to_module(prepared(graph, logits=True), source).eval()
    asked = inputs_of(expected, graph)
    with torch.no_grad():
        given = module(*(torch.from_numpy(asked[node.path]) for node in graph.inputs))
    first = given if isinstance(given, torch.Tensor) else next(iter(_each(given)))
    return first.numpy()[0]


def _each(outputs: Any) -> Any:
    return outputs.values() if isinstance(outputs, Mapping) else outputs


@pytest.mark.parametrize("name", SOME)
def test_a_published_network_gives_the_published_answer(name: str, tmp_path: Path) -> None:
    expected = golden(name)
    graph = spec(expected)
    deployed = named_weights(prepared(graph, logits=True))
    trained = [w for w in deployed.values() if w.kind == "param"]
    assert sum(math.prod(int(size) for size in w.shape) for w in trained) == expected["params"]
    loaded = load(saved(tensors_of(expected), tmp_path), graph)
    assert not loaded.unused
    # The recorded networks have no training-only heads.
    assert not deployed.keys() & set(loaded.initial)
    assert deviation(expected, answer(expected, graph, loaded.source)) <= tolerance(expected)


@pytest.mark.parametrize("name", SOME)
def test_a_sorted_file_gives_the_published_answer_or_is_refused(name: str, tmp_path: Path) -> None:
    expected = golden(name)
    graph = spec(expected)
    try:
        loaded = load(saved(dict(sorted(tensors_of(expected).items())), tmp_path), graph)
    except NetspecError as error:
        assert [d.code for d in error.diagnostics] == ["NS553"]
        return
    assert not loaded.unused
    assert deviation(expected, answer(expected, graph, loaded.source)) <= tolerance(expected)


@pytest.mark.parametrize("name", ["regnet_x_400mf", "regnet_y_400mf"])
@pytest.mark.parametrize("words", [None, {"proj", "a", "b", "c"}], ids=["all", "units"])
def test_meaningless_names_map_alike_or_are_refused(name: str, words: set[str] | None) -> None:
    """Shortcuts are defined first there; the file fits the net in that order in parts only."""
    graph, keys = spec(golden(name)), dict(golden(name)["tensors"])

    def renamed(key: str) -> str:
        *components, leaf = key.split(".")
        said = [c if words and c not in words else meaningless(f"{c}.") for c in components]
        return ".".join([*(component.rstrip(".") for component in said), leaf])

    def planned(file: dict[str, list[int]]) -> Plan:
        return by_structure(graph, {key: tuple(shape) for key, shape in file.items()}, {})

    right = {pair.ours: renamed(pair.theirs) for pair in planned(keys).pairs}
    plan = planned({renamed(key): shape for key, shape in keys.items()})
    assert plan.doubts or {pair.ours: pair.theirs for pair in plan.pairs} == right


@pytest.mark.parametrize(
    "name",
    [
        "bert_4x256",
        "deit_tiny_patch16_224",
        "gpt2_4x256",
        "llama_4x256",
        "repvgg_a0",
        "t5_encoder_4x256",
    ],
)
def test_onnx_runtime_gives_the_published_answer(name: str, tmp_path: Path) -> None:
    expected = golden(name)
    graph = spec(expected)
    loaded = load(saved(tensors_of(expected), tmp_path), graph)
    path = tmp_path / "model.onnx"
    compile_graph(graph, path, FileOptions(logits=True), source=loaded.source)
    output, *_ = Session(path).run(inputs_of(expected, graph)).outputs.values()
    assert deviation(expected, output[0]) <= tolerance(expected)


def test_two_early_layers_exchanged_do_not_give_the_published_answer(tmp_path: Path) -> None:
    expected = golden("repvgg_a0")
    graph = spec(expected)
    tensors = tensors_of(expected)
    one, other = (f"stages.1.{i}.conv_kxk.conv.weight" for i in (1, 2))
    tensors[one], tensors[other] = tensors[other], tensors[one]
    loaded = load(saved(tensors, tmp_path), graph)
    assert deviation(expected, answer(expected, graph, loaded.source)) > 100 * TOLERANCE


COSINE = """input 4x2x2
attention(2, scores=bias, qk_norm=l2norm, trained_scale=yes)
block bias { offsets(log); conv1-3(act=relu); conv1-2(bias=no); pairwise }
"""
# The names and shapes of torchvision's Swin V2.
SHAPES = {
    "attn.logit_scale": [2, 1, 1],
    "attn.qkv.weight": [12, 4],
    "attn.qkv.bias": [12],
    "attn.proj.weight": [4, 4],
    "attn.proj.bias": [4],
    "attn.cpb_mlp.0.weight": [3, 2],
    "attn.cpb_mlp.0.bias": [3],
    "attn.cpb_mlp.2.weight": [2, 3],
}
STEPS = np.sign([-1, 0, 1]) * np.log2(1 + 8 * np.abs([-1.0, 0, 1])) / 3
COORDINATES = np.stack(np.meshgrid(STEPS, STEPS, indexing="ij"), -1)[None].astype(np.float32)
THEIRS = "attn.relative_coords_table"


def cosine(tmp_path: Path) -> tuple[Graph, dict[str, np.ndarray]]:
    """A net with a table that it computes, and what a file of another's names holds beside that."""
    path = tmp_path / "cosine.ns"
    path.write_text(COSINE)
    return build(read_spec(str(path), DEFAULT)), {k: values(k, s) for k, s in SHAPES.items()}


def table_of(graph: Graph, source: WeightSource) -> np.ndarray:
    (name,) = (n for n in named_weights(graph) if n.endswith("coords_table"))
    return to_module(graph, source).state_dict()[name].numpy()


def test_a_file_may_hold_what_offsets_computes_and_scales_of_any_rank(tmp_path: Path) -> None:
    graph, tensors = cosine(tmp_path)
    for held in (tensors, {**tensors, THEIRS: COORDINATES}):
        loaded = load(saved(held, tmp_path), graph)
        assert not loaded.unused
        assert not loaded.initial
        np.testing.assert_allclose(table_of(graph, loaded.source), COORDINATES[0], rtol=1e-6)


@pytest.mark.parametrize("names", ["theirs", "ours", "mapped"])
def test_another_table_in_a_file_is_the_nets(names: str, tmp_path: Path) -> None:
    """Under either name, through PyTorch and in the ONNX file."""
    graph, tensors = cosine(tmp_path)
    (own,) = (n for n in named_weights(graph) if n.endswith("coords_table"))
    other = values(THEIRS, [1, 3, 3, 2])
    if names == "ours":
        drawn = to_module(graph, Seeded(1)).state_dict()
        held = {k: v.numpy() for k, v in drawn.items()} | {own: other[0]}
    else:
        held = {**tensors, THEIRS: other}
    mapping = {own: THEIRS} if names == "mapped" else None
    loaded = load(saved(held, tmp_path), graph, mapping=mapping)
    assert not loaded.unused
    assert not loaded.initial
    assert np.array_equal(table_of(graph, loaded.source), other[0])
    image = np.random.default_rng(0).standard_normal((1, 4, 2, 2), dtype=np.float32)
    with torch.no_grad():
        answers = to_module(graph, loaded.source).eval()(torch.from_numpy(image))
    path = tmp_path / "model.onnx"
    compile_graph(graph, path, FileOptions(), source=loaded.source)
    (output,) = Session(path).run({graph.inputs[0].path: image}).outputs.values()
    np.testing.assert_allclose(output, answers.numpy(), atol=1e-5)
    # What it holds comes back from the file.
    again = load(path, graph)
    assert np.array_equal(table_of(graph, again.source), other[0])


def test_a_table_of_another_size_is_refused(tmp_path: Path) -> None:
    graph, tensors = cosine(tmp_path)
    tensors[THEIRS] = values(THEIRS, [1, 5, 5, 2])
    with pytest.raises(NetspecError, match="relative_coords_table"):
        load(saved(tensors, tmp_path), graph)


def test_one_table_of_two_is_refused(tmp_path: Path) -> None:
    """Which of two layers has other numbers, one table does not say."""
    path = tmp_path / "two.ns"
    text = COSINE.splitlines()
    path.write_text("\n".join([text[0], f"{text[1]} x2", *text[2:]]))
    graph = build(read_spec(str(path), DEFAULT))
    drawn = to_module(graph, Seeded(1)).state_dict()
    named = {f"body.{k}": v.numpy() for k, v in drawn.items() if not k.endswith("coords_table")}
    named["body.table"] = values(THEIRS, [3, 3, 2])
    with pytest.raises(NetspecError, match=r"body\.table"):
        load(saved(named, tmp_path), graph)


def test_weights_by_name_may_replace_a_table_and_need_not_have_it(tmp_path: Path) -> None:
    graph, _ = cosine(tmp_path)
    state = dict(to_module(graph, Seeded(1)).state_dict())
    (own,) = (n for n in named_weights(graph) if n.endswith("coords_table"))
    np.testing.assert_allclose(state[own].numpy(), COORDINATES[0], rtol=1e-6)
    other = {**state, own: state[own] * 2}
    assert np.array_equal(table_of(graph, given(graph, other)), other[own].numpy())
    del other[own]
    np.testing.assert_allclose(table_of(graph, given(graph, other)), COORDINATES[0], rtol=1e-6)
