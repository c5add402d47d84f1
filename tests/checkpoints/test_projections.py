"""Queries, keys and values as files have them: one by one, together, head by head, of unequal widths."""

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

# Four heads of 2 share two of keys and values: 8, 4 and 4 rows.
SHARED = """input T ids(20)
embedding-8; layernorm
attention(4, kv_heads=2, causal=yes, {}); layernorm; fc-20(over=channels, bias=no)
"""
ROWS = (8, 4, 4)


def apart(tensors: Tensors, biased: str = "qkv") -> Tensors:
    """The tensors under a library's names, with three projections in the place of one."""
    found: Tensors = {"model.embed_tokens.weight": tensors["embedding1.weight"]}
    found["model.embed_norm.weight"] = tensors["layernorm1.weight"]
    found["model.embed_norm.bias"] = tensors["layernorm1.bias"]
    kernels = tensors["attention1.in_proj_weight"].split(ROWS)
    sizes = [rows for rows, letter in zip(ROWS, "qkv", strict=True) if letter in biased]
    bias = tensors.get("attention1.in_proj_bias")
    biases = iter(bias.split(sizes) if bias is not None else ())
    for letter, kernel in zip("qkv", kernels, strict=True):
        found[f"model.attn.{letter}_proj.weight"] = kernel.clone()
        if bias is not None and letter in biased:
            found[f"model.attn.{letter}_proj.bias"] = next(biases).clone()
    for name, tensor in tensors.items():
        if name.startswith("attention1.out_proj"):
            found[f"model.attn.o_proj.{name.rpartition('.')[2]}"] = tensor
    found["model.ln_f.weight"] = tensors["layernorm2.weight"]
    found["model.ln_f.bias"] = tensors["layernorm2.bias"]
    found["lm_head.weight"] = tensors["fc1.weight"]
    return found


def drawn(graph: Graph) -> Tensors:
    """Weights no two of which are equal."""
    random = torch.Generator().manual_seed(0)
    return {n: torch.randn(t.shape, generator=random) for n, t in state(graph).items()}


def assert_taken(tensors: Tensors, path: Path, graph: Graph, **options: str) -> None:
    loaded = load(path, graph, **options)  # type: ignore[arg-type]
    assert not loaded.unused
    for name, values in read(loaded, graph).items():
        assert np.array_equal(values, tensors[name].numpy()), name


@pytest.mark.parametrize("order", [list, sorted, lambda names: sorted(names, reverse=True)])
@pytest.mark.parametrize(
    ("options", "biased"),
    [("bias=no", ""), ("out_bias=no", "qkv"), ("key_bias=no", "qv"), ("bias=no, out_bias=yes", "")],
)
def test_three_of_unequal_widths_are_one(
    options: str, biased: str, order: Callable[..., list[str]], net: Built, tmp_path: Path
) -> None:
    graph = net(SHARED.format(options))
    tensors = drawn(graph)
    file = apart(tensors, biased)
    path = saved({name: file[name] for name in order(file)}, tmp_path / "w.pt")
    assert_taken(tensors, path, graph)


def test_of_biases_some_lack_the_others_are_zeros(net: Built, tmp_path: Path) -> None:
    graph = net(SHARED.format("out_bias=no"))
    tensors = drawn(graph)
    tensors["attention1.in_proj_bias"][8:12] = 0
    file = apart(tensors)
    del file["model.attn.k_proj.bias"]
    assert_taken(tensors, saved(file, tmp_path / "w.pt"), graph)


def test_one_by_one_in_a_net_too(net: Built, tmp_path: Path) -> None:
    """Keys and values of a memory of another width: three matrices, and their biases together."""
    graph = net(
        "input x: 8x5\ninput seen: 6x7\n"
        "@seen; conv1-6(bias=no) as memory\n@x; conv1-8(bias=no); attention(4, @memory, kv_heads=2)\n"
    )
    tensors = drawn(graph)
    file = {"first.weight": tensors["memory.weight"], "second.weight": tensors["conv1.weight"]}
    biases = tensors["attention1.in_proj_bias"].split(ROWS)
    for letter, bias in zip("qkv", biases, strict=True):
        file[f"cross.{letter}_proj.weight"] = tensors[f"attention1.{letter}_proj_weight"]
        file[f"cross.{letter}_proj.bias"] = bias.clone()
    for kind in ("weight", "bias"):
        file[f"cross.out_proj.{kind}"] = tensors[f"attention1.out_proj.{kind}"]
    assert_taken(tensors, saved(file, tmp_path / "w.pt"), graph)


def test_together_by_shared_heads(net: Built, tmp_path: Path) -> None:
    """Falcon's order: the queries of two heads, then the keys and the values that they share."""
    graph = net(SHARED.format("out_bias=no"))
    tensors = drawn(graph)
    file = apart(tensors)
    for kind in ("weight", "bias"):
        parts = [file.pop(f"model.attn.{letter}_proj.{kind}") for letter in "qkv"]
        queries, keys, values = (part.unflatten(0, (2, -1)) for part in parts)
        whole = torch.cat([queries, keys, values], 1).flatten(0, 1)
        file[f"model.attn.query_key_value.{kind}"] = whole
    path = saved(file, tmp_path / "w.pt")
    assert "NS559" in refusal(path, graph)
    assert_taken(tensors, path, graph, qkv="heads")


@pytest.mark.parametrize("order", [list, sorted, lambda names: sorted(names, reverse=True)])
@pytest.mark.parametrize("inner", [16, 24])
def test_three_that_the_net_has_apart_are_not_one(
    inner: int, order: Callable[..., list[str]], net: Built, tmp_path: Path
) -> None:
    """Even where together they were as large as another layer, here the first after them."""
    graph = net(
        "default fc(over=channels, bias=no)\ninput T ids(20)\nembedding-8; layernorm as x\n"
        "@x; fc-8 as query; rmsnorm as query_norm; identity as q\n"
        "@x; fc-4 as key; rmsnorm as key_norm; identity as k\n"
        "@x; fc-4 as value\n@q; attend(4, @k, @value, kv_heads=2)\n"
        f"fc-8 as out; fc-{inner} as wide; fc-20 as scores\n"
    )
    tensors = drawn(graph)
    names = {
        "embedding1": "embed_tokens",
        "x": "embed_norm",
        "query": "attn.q_proj",
        "query_norm": "attn.q_norm",
        "key": "attn.k_proj",
        "key_norm": "attn.k_norm",
        "value": "attn.v_proj",
        "out": "attn.o_proj",
        "wide": "mlp.wide",
        "scores": "lm_head",
    }
    file = {}
    for name, tensor in tensors.items():
        layer, _, leaf = name.rpartition(".")
        file[f"{names[layer]}.{leaf}"] = tensor
    path = saved({name: file[name] for name in order(file)}, tmp_path / "w.pt")
    assert_taken(tensors, path, graph)


BLOCK = """default fc(over=channels)
input T ids(20)
embedding-16; layernorm; attention(8, causal=yes, bias=no); mlp(32); fc-20
"""
CODEGEN = {
    "embedding1": "transformer.wte",
    "layernorm1": "transformer.h.0.ln_1",
    "attention1.in_proj": "transformer.h.0.attn.qkv_proj",
    "attention1.out_proj": "transformer.h.0.attn.out_proj",
    "mlp1.fc1": "transformer.h.0.mlp.fc_in",
    "mlp1.fc2": "transformer.h.0.mlp.fc_out",
    "fc1": "lm_head",
}


def called(tensors: Tensors, names: dict[str, str]) -> Tensors:
    """The tensors with their layers under other names."""
    found = {}
    for name, tensor in tensors.items():
        layer, _, leaf = name.replace("in_proj_weight", "in_proj.weight").rpartition(".")
        found[f"{names[layer]}.{leaf}"] = tensor
    return found


def test_together_by_device(net: Built, tmp_path: Path) -> None:
    """CodeGen's order: the queries, values and keys of two heads each, four times."""
    graph = net(BLOCK)
    tensors = drawn(graph)
    file = called(tensors, CODEGEN)
    queries, keys, values = (
        part.unflatten(0, (4, -1)) for part in tensors["attention1.in_proj_weight"].split(16)
    )
    whole = torch.cat([queries, values, keys], 1).flatten(0, 1)
    file["transformer.h.0.attn.qkv_proj.weight"] = whole
    assert_taken(tensors, saved(file, tmp_path / "w.pt"), graph)


def test_what_two_libraries_call_alike_and_join_otherwise_is_refused(
    net: Built, tmp_path: Path
) -> None:
    """GPT-BigCode's `c_attn` is by heads, nanoGPT's is not, and both have outputs first."""
    graph = net(BLOCK)
    tensors = drawn(graph)
    names = {layer: name.replace("qkv_proj", "c_attn") for layer, name in CODEGEN.items()}
    file = called(tensors, names)
    path = saved(file, tmp_path / "w.pt")
    assert "NS559" in refusal(path, graph)
    assert_taken(tensors, path, graph, qkv="rows")
    by_heads = tensors["attention1.in_proj_weight"].unflatten(0, (3, 8, -1)).transpose(0, 1)
    file["transformer.h.0.attn.c_attn.weight"] = by_heads.flatten(0, 2)
    assert_taken(tensors, saved(file, tmp_path / "heads.pt"), graph, qkv="heads")


@pytest.mark.parametrize("into", ["layers.0.attention.wqkv", "2"])
def test_what_is_called_by_a_number_or_in_two_ways_is_refused(
    into: str, net: Built, tmp_path: Path
) -> None:
    """InternLM2's `wqkv` is by heads, gpt-fast's is not; numbers say nothing: GPT-BigCode's by numbers."""
    graph = net(BLOCK)
    tensors = drawn(graph)
    names = dict(zip(CODEGEN, map(str, range(len(CODEGEN))), strict=True))
    file = called(tensors, names | {"attention1.in_proj": into})
    path = saved(file, tmp_path / "w.pt")
    assert "NS559" in refusal(path, graph)
    assert_taken(tensors, path, graph, qkv="rows")


def test_together_by_heads_as_megatron_has_it(net: Built, tmp_path: Path) -> None:
    graph = net(BLOCK)
    tensors = drawn(graph)
    into = "decoder.layers.0.self_attention.linear_qkv"
    names = CODEGEN | {"attention1.in_proj": into}
    file = called(tensors, names)
    by_heads = tensors["attention1.in_proj_weight"].unflatten(0, (3, 8, -1)).transpose(0, 1)
    file[f"{into}.weight"] = by_heads.flatten(0, 2)
    assert_taken(tensors, saved(file, tmp_path / "w.pt"), graph)
