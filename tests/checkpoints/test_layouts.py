"""Files that keep kernels with outputs last, and queries, keys and values one by one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support import checkpoint_files
from support.checkpoint_files import refusal
from support.places import DATA, ROOT
from support.published import values

from netspec.backends.torch.modules import to_module
from netspec.checkpoints import load
from netspec.diagnostics.limits import DEFAULT
from netspec.elaborate.build import build
from netspec.graph.checked import Graph
from netspec.syntax.files import read_spec
from netspec.weights.sources import named_weights

Built = Callable[..., Graph]
Arrays = dict[str, np.ndarray]


def made(shapes: dict[str, tuple[int, ...]]) -> Arrays:
    return {name: values(name, shape) for name, shape in shapes.items()}


def saved(arrays: Arrays, path: Path) -> Path:
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    return checkpoint_files.saved(tensors, path)


def read(path: Path, graph: Graph, **options: Any) -> Arrays:
    return checkpoint_files.read(load(path, graph, **options), graph)


def test_a_grouped_convolution_is_not_cut_into_those_of_two_towers(
    net: Built, tmp_path: Path
) -> None:
    path = saved(made({"conv.weight": (8, 2, 3, 3), "conv.bias": (8,)}), tmp_path / "grouped.pt")
    assert read(path, net("input 4x9x9\nconv3-8(groups=2)"))
    towers = net("input 4x9x9\nsplit(2)\n{ | conv3-4 | conv3-4 }; concat")
    assert "is 8x2x3x3, not 4x2x3x3" in refusal(path, towers)


# --- outputs last

KERAS_NET = """input 3x9x8
conv3-5(act=relu); dwconv3(act=relu); conv1-4
flatten; bn(eps=0.001); dropout(0.5)
fc-6(act=relu); fc-6(act=relu); fc-2
"""
KERAS_SHAPES = {
    **{"conv2d/kernel": (3, 3, 3, 5), "conv2d/bias": (5,)},
    **{"depthwise/depthwise_kernel": (3, 3, 5, 1), "depthwise/bias": (5,)},
    **{"conv2d_1/kernel": (1, 1, 5, 4), "conv2d_1/bias": (4,)},
    **{"norm/gamma": (80,), "norm/beta": (80,)},
    **{"norm/moving_mean": (80,), "norm/moving_variance": (80,)},
    **{"dense/kernel": (80, 6), "dense/bias": (6,)},
    **{"dense_1/kernel": (6, 6), "dense_1/bias": (6,)},
    **{"dense_2/kernel": (6, 2), "dense_2/bias": (2,)},
}


def slid(x: np.ndarray, kernel: np.ndarray, rule: str) -> np.ndarray:
    """A kernel over every place of (N, H, W, C), by an einsum over what each tap sees."""
    rows, columns = kernel.shape[:2]
    height, width = x.shape[1] - rows + 1, x.shape[2] - columns + 1
    return sum(
        np.einsum(rule, x[:, i : i + height, j : j + width], kernel[i, j])
        for i in range(rows)
        for j in range(columns)
    )


def keras_answer(w: Arrays, image: np.ndarray) -> np.ndarray:
    """What Keras computes: channels last, from the image to the flattened map."""
    x = image.transpose(0, 2, 3, 1).astype(np.float64)
    x = np.maximum(slid(x, w["conv2d/kernel"], "nhwc,co->nhwo") + w["conv2d/bias"], 0)
    kernel = w["depthwise/depthwise_kernel"]
    x = np.maximum(slid(x, kernel, "nhwc,cm->nhwc") + w["depthwise/bias"], 0)
    x = slid(x, w["conv2d_1/kernel"], "nhwc,co->nhwo") + w["conv2d_1/bias"]
    x = x.reshape(len(x), -1)
    x = (x - w["norm/moving_mean"]) / np.sqrt(w["norm/moving_variance"] + 0.001)
    x = x * w["norm/gamma"] + w["norm/beta"]
    for layer in ("dense", "dense_1"):
        x = np.maximum(x @ w[f"{layer}/kernel"] + w[f"{layer}/bias"], 0)
    return x @ w["dense_2/kernel"] + w["dense_2/bias"]


@pytest.mark.parametrize("kind", ["npz", "safetensors"])
def test_a_file_with_outputs_and_channels_last_answers_as_keras_does(
    kind: str, net: Built, tmp_path: Path
) -> None:
    """The square matrix follows the others; so do a norm and a matrix over a flattened map."""
    graph, arrays = net(KERAS_NET), made(KERAS_SHAPES)
    loaded = load(saved(arrays, tmp_path / f"w.{kind}"), graph)
    image = np.random.default_rng(0).standard_normal((2, 3, 9, 8), dtype=np.float32)
    with torch.no_grad():
        found = to_module(graph, loaded.source).eval()(torch.from_numpy(image)).numpy()
    assert np.allclose(found, keras_answer(arrays, image), atol=1e-4)
    assert {pair.ours for pair in loaded.pairs if pair.turn} == {
        *(name for name, weight in named_weights(graph).items() if len(weight.shape) > 1),
        *(name for name in named_weights(graph) if name.startswith("bn")),
    }
    assert "turned" in loaded.table()


def test_a_matrix_with_outputs_last_is_a_convolution_over_the_whole_map(
    net: Built, tmp_path: Path
) -> None:
    arrays = made({"a/kernel": (4 * 5 * 3, 7), "b/kernel": (7, 2)})
    graph = net("input 3x4x5\nconv4x5-7(bias=no); flatten; fc-2(bias=no)")
    found = read(saved(arrays, tmp_path / "w.npz"), graph)
    image = np.random.default_rng(0).standard_normal((3, 4, 5))
    hidden = np.einsum("chw,ochw->o", image, found["conv1.weight"])
    expected = image.transpose(1, 2, 0).reshape(-1) @ arrays["a/kernel"]
    assert np.allclose(hidden, expected, atol=1e-5)
    assert np.array_equal(found["fc1.weight"], arrays["b/kernel"].T)


SQUARE = {
    "dense/kernel": (4, 4),
    "dense/bias": (4,),
    "dense_1/kernel": (4, 4),
    "dense_1/bias": (4,),
}


def test_square_matrices_alone_do_not_tell_the_layout(net: Built, tmp_path: Path) -> None:
    graph, arrays = net("input 4\nfc-4; fc-4"), made(SQUARE)
    path = saved(arrays, tmp_path / "w.npz")
    message = refusal(path, graph)
    assert "NS556" in message
    assert "`dense/kernel` is 4x4" in message
    keras, plain = read(path, graph, layout="keras"), read(path, graph, layout="torch")
    assert np.array_equal(keras["fc2.weight"], arrays["dense_1/kernel"].T)
    assert np.array_equal(plain["fc2.weight"], arrays["dense_1/kernel"])


def test_a_square_matrix_between_two_layouts_is_refused(net: Built, tmp_path: Path) -> None:
    shapes = {"a.weight": (6, 4), "a.bias": (4,), "b.weight": (4, 4), "b.bias": (4,)}
    path = saved(made({**shapes, "c.weight": (3, 4), "c.bias": (3,)}), tmp_path / "w.npz")
    for partial in (False, True):
        assert "`b.weight` is 4x4" in refusal(
            path, net("input 6\nfc-4; fc-4; fc-3"), partial=partial
        )


def test_square_matrices_called_weight_have_outputs_first(net: Built, tmp_path: Path) -> None:
    arrays = made({name.replace("kernel", "weight"): shape for name, shape in SQUARE.items()})
    found = read(saved(arrays, tmp_path / "w.npz"), net("input 4\nfc-4; fc-4"))
    assert np.array_equal(found["fc1.weight"], arrays["dense/weight"])


def test_a_bias_tells_the_layout_of_matrices_that_fit_both_ways(net: Built, tmp_path: Path) -> None:
    shapes = {"a/kernel": (6, 3), "a/bias": (3,), "b/kernel": (3, 6), "b/bias": (6,)}
    arrays = made(shapes)
    found = read(saved(arrays, tmp_path / "w.npz"), net("input 6\nfc-3; fc-6"))
    assert np.array_equal(found["fc1.weight"], arrays["a/kernel"].T)


@pytest.mark.parametrize(
    ("text", "shapes", "layer"),
    [
        ("input 4\nfc-8; reshape(2x2x2); conv1-3", [(4, 8), (1, 1, 2, 3)], "reshape1"),
        ("input 2x4x4\ndeconv2-2/2; conv1-3", [(2, 2, 2, 2), (1, 1, 2, 3)], "deconv1"),
        ("input 2x4x4\nconcat { | flatten | gap }; fc-3", [(34, 3)], "fc1"),
    ],
)
def test_what_outputs_last_do_not_determine_is_refused(
    text: str, shapes: list[tuple[int, ...]], layer: str, net: Built, tmp_path: Path
) -> None:
    named = {f"layer{i}/kernel": shape for i, shape in enumerate(shapes)}
    named |= {f"layer{i}/bias": (shape[-1],) for i, shape in enumerate(shapes)}
    message = refusal(saved(made(named), tmp_path / "w.npz"), net(text))
    assert "NS557" in message
    assert f"`{layer}`" in message


def test_matrices_with_outputs_last_beside_tables_are_turned_alone(tmp_path: Path) -> None:
    """GPT-2 as its authors and Hugging Face keep it; the table of positions is square."""
    settings = {"n": 8, "heads": 2, "layers": 2, "words": 20, "places": 8}
    spec = read_spec("gpt2")
    small = replace(spec, text=re.sub(r"expect .*\n", "", spec.text))
    graph = build(small, settings)
    shapes: dict[str, tuple[int, ...]] = {"wte.weight": (20, 8), "wpe.weight": (8, 8)}
    for i in range(2):
        for layer, shape in (
            ("ln_1", (8,)), ("attn.c_attn", (8, 24)), ("attn.c_proj", (8, 8)),
            ("ln_2", (8,)), ("mlp.c_fc", (8, 32)), ("mlp.c_proj", (32, 8)),
        ):  # fmt: skip
            shapes[f"h.{i}.{layer}.weight"] = shape
            shapes[f"h.{i}.{layer}.bias"] = shape[-1:]
    shapes |= {"ln_f.weight": (8,), "ln_f.bias": (8,)}
    arrays = made(shapes)
    loaded = load(saved(arrays, tmp_path / "w.npz"), graph)
    assert not loaded.unused
    for pair in loaded.pairs:
        matrix = "c_" in pair.theirs and pair.theirs.endswith("weight")
        assert bool(pair.turn) == matrix, pair
        weight = named_weights(graph)[pair.ours]
        found = np.concatenate(list(loaded.source.pieces(pair.ours, weight))).reshape(weight.shape)
        stored = arrays[pair.theirs]
        expected = (stored.T if matrix else stored).reshape(weight.shape)
        assert np.array_equal(found, expected), pair


# --- queries, keys and values apart


def hugging_face(key: str) -> str:
    """timm's names for a vision transformer, but for the joined projection, as Transformers has."""
    for ours, theirs in (
        ("cls_token", "vit.embeddings.cls_token"),
        ("pos_embed", "vit.embeddings.position_embeddings"),
        ("patch_embed.proj", "vit.embeddings.patch_embeddings.projection"),
        ("blocks.", "vit.encoder.layer."),
        ("norm1", "layernorm_before"),
        ("norm2", "layernorm_after"),
        ("attn.proj", "attention.output.dense"),
        ("mlp.fc1", "intermediate.dense"),
        ("mlp.fc2", "output.dense"),
        ("head.", "classifier."),
    ):
        key = key.replace(ours, theirs)
    return re.sub(r"^norm\.", "vit.layernorm.", key)


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("query key value", "npz"),
        ("query key value", "safetensors"),
        ("k_proj v_proj q_proj", "npz"),
        ("to_q to_k to_v", "safetensors"),
    ],
)
def test_queries_keys_and_values_apart_are_joined_by_their_names(
    words: str, kind: str, tmp_path: Path
) -> None:
    case = json.loads((DATA / "published.json").read_text())["vit_tiny_patch16_224"]
    whole = {key: values(key, shape) for key, shape in case["tensors"]}
    arrays: Arrays = {}
    for key, array in whole.items():
        if "qkv" not in key:
            arrays[hugging_face(key)] = array
        elif key.endswith("weight"):
            for word in words.split():
                third = "qkv".index(word.removeprefix("to_")[0])
                layer = hugging_face(key).replace("attn.qkv.weight", f"attention.attention.{word}")
                for leaf in ("weight", "bias"):
                    both = whole[key.replace("weight", leaf)]
                    arrays[f"{layer}.{leaf}"] = np.split(both, 3)[third]
    graph = build(read_spec(str(ROOT / case["spec"]), DEFAULT), case["settings"])
    (tmp_path / "one").mkdir()
    expected = read(saved(whole, tmp_path / "one" / "w.npz"), graph)
    found = read(saved(arrays, tmp_path / f"w.{kind}"), graph)
    for name, array in expected.items():
        assert np.array_equal(found[name], array), name


ATTENTION = "input 6x5\nattention(2)"
SIX: dict[str, tuple[int, ...]] = {"weight": (6, 6), "bias": (6,)}


def apart(*layers: str) -> Arrays:
    return made({f"{layer}.{leaf}": shape for layer in layers for leaf, shape in SIX.items()})


def test_projections_that_no_name_tells_apart_are_refused_and_a_map_joins_them(
    net: Built, tmp_path: Path
) -> None:
    graph, arrays = net(ATTENTION), apart("one", "two", "three", "out")
    path = saved(arrays, tmp_path / "w.npz")
    assert "attention1.in_proj_weight" in refusal(path, graph)
    mapping = {
        "attention1.in_proj_weight": ["one.weight", "two.weight", "three.weight"],
        "attention1.in_proj_bias": ["one.bias", "two.bias", "three.bias"],
        "attention1.out_proj": "out",
    }
    (tmp_path / "map.json").write_text(json.dumps(mapping))
    found = read(path, graph, mapping=tmp_path / "map.json")
    stacked = np.concatenate([arrays[f"{name}.weight"] for name in ("one", "two", "three")])
    assert np.array_equal(found["attention1.in_proj_weight"], stacked)


def test_projections_apart_with_outputs_last_are_turned_one_by_one(
    net: Built, tmp_path: Path
) -> None:
    graph = net("input 6x5\nattention(2); conv1-7")
    arrays = made(
        {
            f"{layer}/{leaf}": shape
            for layer in ("key", "out", "query", "value")
            for leaf, shape in (("kernel", (6, 6)), ("bias", (6,)))
        }
        | {"up/kernel": (6, 7), "up/bias": (7,)}
    )
    found = read(saved(arrays, tmp_path / "w.npz"), graph)
    turned = [arrays[f"{name}/kernel"].T for name in ("query", "key", "value")]
    assert np.array_equal(found["attention1.in_proj_weight"], np.concatenate(turned))
    assert np.array_equal(found["attention1.out_proj.weight"], arrays["out/kernel"].T)
