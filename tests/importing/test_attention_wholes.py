"""Attention in all its forms: as netspec writes it, as ONNX has it since opset 23, and as torch spells it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.nn import functional as F

import netspec
from netspec.diagnostics.raised import NetspecError
from netspec.importing.files.opened import open_file
from netspec.importing.imported import Imported, import_file

pytestmark = pytest.mark.filterwarnings("ignore")
STEPS, WIDTH, HEADS = 6, 16, 4
BACK = [
    "input 8x5\nrotary(2)",
    "input 12xT\nrotary(2, 500, part=0.7, pairs=neighbours)",
    "input 8xT\nrelu as r; conv1-4 as k; @r; attend(4, @k, kv_heads=2, within=3)",
    "input 8xT\nattention(4, kv_heads=2, causal=yes, head_width=4, rotary=10000)",
    "input 16x2x3\nattention(2, rotary=100)",
    "input 8x7\nattention(rotary=100, rotary_pairs=neighbours, rotary_size=2x3)",
    "input 8x10\nattention(rotary=100, rotary_pairs=neighbours, rotary_size=3x3)",
    "input 4x2x3\nattention(2, key_bias=no, scores=relative(2))",
    # Scores that read the queries' numbers: the layer that makes these is no part of attention then.
    "input 8x2x3\nfc-24(over=channels); split(3) as q, k, v; @q; relative_scores(2, back=yes) as s; @q; "
    "attend(2, @k, @v, scores=@s); fc-8(over=channels)",
    "input 8x6\nrelu as k; attend(2, @k, causal=yes, softcap=5)",
    "input 6x4\nrelu as r; conv1-4 as k; conv1-3 as v; @r; attention(2, @k, @v, qk_norm=rmsnorm)",
    "input x: 4x5\ninput seen: 5 ids(2)\n@x; attention(2, mask=@seen)",
    "input x: 4x5\ninput seen: 5x5 ids(2)\n@x; attention(2, causal=yes, mask=@seen)",
    "input 16x5\nattention(2, rotary=100, rotary_part=0.5, qk_norm=layernorm)",
    "input 8x5\nattention(2, project=no, qk_norm=l2norm, trained_scale=yes)",
    "input 8x5\nattention(2, causal=yes, within=2)",
]


def said(found: Imported) -> list[tuple[type, dict[str, object]]]:
    return [(type(node.op), vars(node.op)) for node in found.graph.nodes]


@pytest.mark.parametrize("text", BACK)
def test_a_form_comes_back(text: str, tmp_path: Path) -> None:
    net = netspec.load(text)
    net.to_onnx(tmp_path / "net.onnx")
    found = import_file(tmp_path / "net.onnx")
    assert found.proof is not None
    assert found.proof.error <= 1e-6
    assert said(found) == [(type(node.op), vars(node.op)) for node in net.graph.nodes]
    assert not found.held


def test_a_pair_that_turns_at_a_speed_of_its_own_is_not_rotary(tmp_path: Path) -> None:
    netspec.load("input 16x5\nrotary(2)").to_onnx(tmp_path / "net.onnx")
    model = onnx.load(tmp_path / "net.onnx")
    tables = [t for t in model.graph.initializer if tuple(t.dims) == (5, 4)]
    angles = np.arange(5)[:, None] * np.array([1, 0.1, 0.05, 0.001])
    for tensor in tables:
        cosine = numpy_helper.to_array(tensor)[0, 0] == 1
        numbers = (np.cos if cosine else np.sin)(angles).astype(np.float32)
        tensor.CopyFrom(numpy_helper.from_array(numbers, tensor.name))
    onnx.save(model, tmp_path / "net.onnx")
    found = import_file(tmp_path / "net.onnx")
    assert "rotary" not in found.text
    assert found.proof is not None


# --- ONNX's own operators


def saved(path: Path, nodes: list[Any], inputs: dict[str, Any], arrays: dict[str, Any]) -> Path:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs.items()],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in arrays.items()],
    )
    opsets = [helper.make_opsetid("", 23)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
    return path


def numbers(*shape: int) -> Any:
    return np.random.default_rng(len(shape)).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("shared", [4, 2])
@pytest.mark.parametrize(
    ("given", "mask", "words"),
    [
        ({}, None, "4"),
        ({"is_causal": 1}, None, "4, causal=yes"),
        ({"scale": 0.25}, None, "4, scale=0.25"),
        ({}, numbers(6, 6), "4, scores=parameter(1x6x6)"),
        ({}, np.tri(6, dtype=bool), "4, causal=yes"),
    ],
)
def test_attention_of_opset_23(
    shared: int, given: dict[str, Any], mask: Any, words: str, tmp_path: Path
) -> None:
    arrays = {"q": numbers(16, 16), "k": numbers(16, 4 * shared), "v": numbers(16, 4 * shared)}
    arrays |= {"o": numbers(16, 16)} | ({} if mask is None else {"mask": mask})
    nodes = [helper.make_node("MatMul", ["x", n], [n.upper()]) for n in "qkv"]
    read = ["Q", "K", "V", *(["mask"] if mask is not None else [])]
    nodes.append(
        helper.make_node("Attention", read, ["a"], q_num_heads=4, kv_num_heads=shared, **given)
    )
    nodes.append(helper.make_node("MatMul", ["a", "o"], ["y"]))
    found = import_file(saved(tmp_path / "m.onnx", nodes, {"x": ["n", 6, 16]}, arrays))
    heads, _, rest = words.partition(", ")
    kv = [f"kv_heads={shared}"] * (shared < 4)
    wanted = {heads, "bias=no", *kv, *filter(None, [rest])}
    call = re.search(r"attention\((.*)\)", found.text)
    assert call is not None
    assert set(call[1].split(", ")) == wanted


@pytest.mark.parametrize("beside", [0, 1])
@pytest.mark.parametrize("turned", [0, 4])
@pytest.mark.parametrize("chosen", [True, False])
def test_rotary_positions_of_opset_23(
    beside: int, turned: int, chosen: bool, tmp_path: Path
) -> None:
    half = (turned or 8) // 2
    angles = np.arange(9)[:, None] * 100.0 ** (-np.arange(half) / half)
    places = np.tile(np.arange(6), (2, 1))
    tables = {w: f(angles).astype(np.float32) for w, f in (("c", np.cos), ("s", np.sin))}
    if not chosen:
        tables = {word: np.tile(table[:6], (2, 1, 1)) for word, table in tables.items()}
    arrays = tables | ({"ids": places} if chosen else {})
    given = {"interleaved": beside, "rotary_embedding_dim": turned, "num_heads": 2}
    read = ["x", "c", "s", *(["ids"] if chosen else [])]
    nodes = [
        helper.make_node("Exp", ["x"], ["e"]),
        helper.make_node("RotaryEmbedding", ["e", *read[1:]], ["y"], **given),
    ]
    path = saved(tmp_path / "m.onnx", nodes, {"x": [2, 6, 16]}, arrays)
    ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    words = ["2", "base=100"] + ["part=0.5"] * bool(turned) + ["pairs=neighbours"] * beside
    text = import_file(path).text
    assert f"rotary({', '.join(words)})".replace("base=100", "100") in text


@pytest.mark.parametrize("reads", ["past", "scores", "capped"])
def test_attention_that_no_step_says_is_listed(reads: str, tmp_path: Path) -> None:
    read, outputs, given = ["x", "x", "x"], ["y"], {}
    arrays: dict[str, Any] = {}
    if reads == "past":
        read, arrays = [*read, "", "p", "p"], {"p": numbers(2, 2, 3, 8)}
        outputs = ["y", "later", "after"]
    if reads == "scores":
        outputs = ["z", "", "", "y"]
    if reads == "capped":
        given = {"softcap": 5.0}
    node = helper.make_node("Attention", read, outputs, q_num_heads=2, kv_num_heads=2, **given)
    path = saved(tmp_path / "m.onnx", [node], {"x": [2, 6, 16]}, arrays)
    with pytest.raises(NetspecError, match="Attention"):
        import_file(path)


def test_attention_is_taken_apart_where_it_is_read(tmp_path: Path) -> None:
    node = helper.make_node("Attention", ["x"] * 3, ["y"], q_num_heads=2, kv_num_heads=2)
    program = open_file(saved(tmp_path / "m.onnx", [node], {"x": [2, 6, 16]}, {})).program()
    assert [n.op for n in program.nodes].count("MatMul") == 2


# --- as torch writes it


class Masked(nn.Module):
    """Attention that hides the places where a mask of ids is 0."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.way, self.heads = way, nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)

    def forward(self, x: Any, seen: Any) -> Any:
        if self.way == "padding":
            return self.heads(x, x, x, key_padding_mask=seen == 0, need_weights=False)[0]
        n, steps, _ = x.shape
        weight, bias = self.heads.in_proj_weight, self.heads.in_proj_bias
        q, k, v = F.linear(x, weight, bias).view(n, steps, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
        scores = q @ k.transpose(2, 3) / 2
        if self.way == "less":
            scores = scores + (1.0 - seen[:, None, None].float()) * -1e9
        if self.way == "seen":
            scores = scores.masked_fill(~seen[:, None, None].bool(), -1e9)
        if self.way == "causal":
            hidden = (seen == 0)[:, None, None] | torch.ones(steps, steps).bool().triu(1)
            scores = scores.masked_fill(hidden, -1e9)
        if self.way == "ones":
            scores = scores.masked_fill((seen == 1)[:, None, None], -1e9)
        return self.heads.out_proj((scores.softmax(-1) @ v).transpose(1, 2).flatten(2))


@pytest.mark.parametrize("way", ["padding", "less", "seen", "causal", "ones"])
def test_masks_of_ids(way: str, tmp_path: Path) -> None:
    given = (torch.randn(2, STEPS, WIDTH), torch.tensor([[1, 1, 1, 1, 0, 0], [1] * 6]))
    path = tmp_path / "m.onnx"
    names = ["x", "seen"]
    axes = {name: {0: "n"} for name in names}
    torch.onnx.export(
        Masked(way).eval(), given, path, dynamo=False, input_names=names, dynamic_axes=axes
    )
    if way == "ones":
        with pytest.raises(NetspecError):
            import_file(path)
        return
    causal = "causal=yes, " * (way == "causal")
    assert f"attention(4, {causal}mask=@seen)" in import_file(path).text


class Slopes(nn.Module):
    """Distances taken off the scores, head by head."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Any) -> Any:
        n, steps, _ = x.shape
        q, k, v = self.inner(x).view(n, steps, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
        away = (torch.arange(steps)[None] - torch.arange(steps)[:, None]).abs()
        slopes = 2.0 ** (-8 * torch.arange(1, HEADS + 1) / HEADS)
        scores = q @ k.transpose(2, 3) / 2 - slopes[:, None, None] * away
        return self.outer((scores.softmax(-1) @ v).transpose(1, 2).flatten(2))


def test_distances_that_are_taken_off_are_alibi(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    given = (torch.randn(2, STEPS, WIDTH),)
    torch.onnx.export(
        Slopes().eval(),
        given,
        path,
        dynamo=False,
        input_names=["x"],
        dynamic_axes={"x": {0: "n"}},
    )
    assert "attention(4, scores=alibi(4))" in import_file(path).text
