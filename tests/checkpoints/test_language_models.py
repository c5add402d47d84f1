"""Files of language models whose order or names lead astray: they load right, or are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.random import default_rng

import netspec
from netspec.api.net import Net
from netspec.checkpoints import load
from netspec.diagnostics.raised import NetspecError

WIDTH, WORDS = 8, 11


def file(path: Path, shapes: dict[str, tuple[int, ...]]) -> Path:
    """A file of these tensors in this order, gains near 1."""
    random = default_rng(5)
    arrays = {
        name: random.standard_normal(shape).astype(np.float32) + (len(shape) == 1)
        for name, shape in shapes.items()
    }
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


def taken(net: Net, path: Path, **options: object) -> dict[str, str]:
    """The layers of the net with those of the file."""
    pairs = load(path, net.graph, **options).pairs  # type: ignore[arg-type]
    return {pair.ours.rpartition(".")[0]: pair.theirs.rpartition(".")[0] for pair in pairs}


def layer(name: str, *shape: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}


def opt() -> dict[str, tuple[int, ...]]:
    """As transformers define OPT: the last norm first, norms of a unit behind what reads them."""
    found = {"embed_tokens.weight": (WORDS, WIDTH)} | layer("final_layer_norm", WIDTH)
    for i in range(2):
        at = f"layers.{i}"
        for name in ("k_proj", "v_proj", "q_proj", "out_proj"):
            found |= layer(f"{at}.self_attn.{name}", WIDTH, WIDTH)
        found |= layer(f"{at}.self_attn_layer_norm", WIDTH)
        found |= layer(f"{at}.fc1", 4 * WIDTH, WIDTH) | layer(f"{at}.fc2", WIDTH, 4 * WIDTH)
        found |= layer(f"{at}.final_layer_norm", WIDTH)
    return found


OPT = """
input T ids(11)
block layer {
  residual { layernorm%s; attention(2, causal=yes) }
  residual { layernorm%s; mlp(4*C, act=relu) }
}
embedding-8; layer x2; layernorm%s
"""


def test_an_order_that_tears_what_repeats_is_refused(tmp_path: Path) -> None:
    """Shifted by one norm the order of definition fits the whole net, and says what is wrong."""
    with pytest.raises(NetspecError, match=r"NS553.*final_layer_norm"):
        taken(netspec.load(OPT % ("", "", "")), file(tmp_path / "w.npz", opt()))


@pytest.mark.parametrize("order", ["definition", "sorted"])
def test_names_that_the_spec_gives_stand_against_such_an_order(order: str, tmp_path: Path) -> None:
    names = (" as self_attn_layer_norm", " as final_layer_norm", " as final_layer_norm")
    net, shapes = netspec.load(OPT % names), opt()
    if order == "sorted":
        shapes = dict(sorted(shapes.items()))
    found = taken(net, file(tmp_path / "w.npz", shapes))
    for i in (1, 2):
        for name in ("self_attn_layer_norm", "final_layer_norm"):
            assert found[f"layer{i}.{name}"] == f"layers.{i - 1}.{name}"
    assert found["final_layer_norm"] == "final_layer_norm"


HUBERT = """
input 8xT
block layer {
  residual { layernorm%s; attention(2) }
  residual { layernorm%s; mlp(4*C) }
}
conv3-8(pad=same); layer x3; layernorm
"""


@pytest.mark.parametrize("order", ["definition", "sorted"])
def test_a_last_norm_that_is_defined_before_the_layers(order: str, tmp_path: Path) -> None:
    """As transformers define HuBERT's larger nets, whose norms stand before what they are defined behind."""
    shapes = {"pos_conv.weight": (WIDTH, WIDTH, 3), "pos_conv.bias": (WIDTH,)}
    shapes |= layer("layer_norm", WIDTH)
    for i in range(3):
        at = f"layers.{i}"
        for name in ("k_proj", "v_proj", "q_proj", "out_proj"):
            shapes |= layer(f"{at}.attention.{name}", WIDTH, WIDTH)
        shapes |= layer(f"{at}.layer_norm", WIDTH)
        shapes |= layer(f"{at}.feed_forward.intermediate_dense", 4 * WIDTH, WIDTH)
        shapes |= layer(f"{at}.feed_forward.output_dense", WIDTH, 4 * WIDTH)
        shapes |= layer(f"{at}.final_layer_norm", WIDTH)
    shapes = dict(sorted(shapes.items())) if order == "sorted" else shapes
    path = file(tmp_path / "w.npz", shapes)
    if order == "definition":
        with pytest.raises(NetspecError, match=r"NS553.*final_layer_norm"):
            taken(netspec.load(HUBERT % ("", "")), path)
    found = taken(netspec.load(HUBERT % ("", " as final_layer_norm")), path)
    for i in (1, 2, 3):
        assert found[f"layer{i}.layernorm1"] == f"layers.{i - 1}.layer_norm"
        assert found[f"layer{i}.final_layer_norm"] == f"layers.{i - 1}.final_layer_norm"
    assert found["layernorm1"] == "layer_norm"


@pytest.mark.parametrize("order", ["definition", "sorted", "reversed"])
def test_tokens_that_are_defined_in_another_order(order: str, tmp_path: Path) -> None:
    """As transformers' AST and DeiT: the class first, which the net puts before the other.

    Without names in the spec the order of definition is against what the words say.
    """
    text = "input 8x5\ntoken{}; token{}; position; layernorm; attention(2); fc-3(over=channels)"
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.cls_token": (1, 1, WIDTH),
        "embeddings.distillation_token": (1, 1, WIDTH),
        "embeddings.position_embeddings": (1, 7, WIDTH),
    }
    shapes |= layer("encoder.norm", WIDTH) | layer("encoder.attn.qkv", 3 * WIDTH, WIDTH)
    shapes |= layer("encoder.attn.proj", WIDTH, WIDTH) | layer("classifier.dense", 3, WIDTH)
    if order != "definition":
        shapes = dict(sorted(shapes.items(), reverse=order == "reversed"))
    path = file(tmp_path / "w.npz", shapes)
    for names in ((" as distillation_token", " as cls_token"), ("", "")):
        net = netspec.load(text.format(*names))
        if order == "definition" and not names[0]:
            with pytest.raises(NetspecError, match=r"NS553.*cls_token"):
                load(path, net.graph)
            continue
        second = load(path, net.graph).pairs[1]
        assert (second.ours.split(".")[0], second.theirs) == (
            names[1].removeprefix(" as ") or "token2",
            "embeddings.cls_token",
        )


GEMMA = """
input 8xT
default fc(bias=no, over=channels)
default attention(bias=no)
block layer {
  residual { rmsnorm as input_layernorm; attention(2); rmsnorm as post_attention_layernorm }
  residual { rmsnorm as pre_feedforward_layernorm; gated(16); rmsnorm as post_feedforward_layernorm }
}
layer x3; rmsnorm
"""


def test_a_place_is_told_of_what_it_names(tmp_path: Path) -> None:
    """`post_attention` runs before `pre_feedforward`, which has a `post_feedforward` of its own."""
    shapes: dict[str, tuple[int, ...]] = {}
    norms = ("input", "post_attention", "pre_feedforward", "post_feedforward")
    for i in range(3):
        at = f"layers.{i}"
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            shapes[f"{at}.self_attn.{name}.weight"] = (WIDTH, WIDTH)
        for name in ("gate_proj", "up_proj"):
            shapes[f"{at}.mlp.{name}.weight"] = (16, WIDTH)
        shapes[f"{at}.mlp.down_proj.weight"] = (WIDTH, 16)
        for name in norms:
            shapes[f"{at}.{name}_layernorm.weight"] = (WIDTH,)
    shapes["norm.weight"] = (WIDTH,)
    found = taken(netspec.load(GEMMA), file(tmp_path / "w.npz", shapes))
    for i in range(3):
        assert found[f"layer{i + 1}.gated1.fc1"] == f"layers.{i}.mlp.gate_proj"
        for name in norms:
            assert found[f"layer{i + 1}.{name}_layernorm"] == f"layers.{i}.{name}_layernorm"


SHARED = """
input source: 5 ids(11)
input target: 5 ids(11)
@source; embedding-8 as table; relu as x
@target; embedding-8(weights=@table); add(@x); layernorm; fc-11(over=channels, bias=no, weights=@table)
"""


@pytest.mark.parametrize("equal", [True, False])
def test_one_table_may_have_more_names_than_users(equal: bool, tmp_path: Path) -> None:
    """T5's is listed for the whole, for each half and for the output."""
    values = default_rng(1).standard_normal((11, 8)).astype(np.float32)
    names = ("shared", "encoder.embed_tokens", "decoder.embed_tokens", "lm_head")
    arrays = {f"{name}.weight": values for name in names}
    if not equal:
        arrays["encoder.embed_tokens.weight"] = values + 1
    arrays |= {"norm.weight": np.ones(8, np.float32), "norm.bias": np.ones(8, np.float32)}
    np.savez(tmp_path / "w.npz", **arrays)  # type: ignore[arg-type]
    graph = netspec.load(SHARED).graph
    if not equal:
        with pytest.raises(NetspecError, match="NS5"):
            load(tmp_path / "w.npz", graph)
        return
    loaded = load(tmp_path / "w.npz", graph)
    assert not loaded.unused
    assert len(loaded.tied) == 3
