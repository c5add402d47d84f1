"""What a file lists beside weights: integers, constants of older files, and tables listed twice."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from support.checkpoint_files import KINDS, read, refusal, saved, state

from netspec.checkpoints import load
from netspec.graph.checked import Graph

Built = Callable[..., Graph]
Tensors = dict[str, torch.Tensor]

SMALL = "input 3x8x8\nconv3-6(act=relu); gap; fc-4"
TRANSFORMER = """input 6 ids(20)
embedding-8; position; attention(2, causal=yes); layernorm; fc-20(over=channels)
"""


def foreign(tensors: Tensors) -> Tensors:
    """The tensors under names that are not the net's."""
    return {f"body.{name}": tensor for name, tensor in tensors.items()}


def assert_loads(tensors: Tensors, buffers: Tensors, path: Path, graph: Graph) -> None:
    """The file loads with the weights among the buffers in their places, and says which are which."""
    for given in (tensors, foreign(tensors)):
        prefix = "" if given is tensors else "body."
        mixed: Tensors = dict(itertools.islice(given.items(), 2)) | buffers | given
        loaded = load(saved(mixed, path), graph)
        assert set(loaded.buffers) == buffers.keys()
        assert not loaded.unused
        for pair in loaded.pairs:
            assert pair.theirs == f"{prefix}{pair.ours}"
        for name, values in read(loaded, graph).items():
            assert np.array_equal(values, tensors[name].numpy()), name
        for name in buffers:
            assert ["-", name, "buffer"] in [row.split() for row in loaded.table().splitlines()]
        assert loaded.as_json()["buffers"] == list(loaded.buffers)


# --- integers


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("dtype", "called"),
    [
        (torch.int8, "I8"),
        (torch.int32, "I32"),
        (torch.int64, "I64"),
        (torch.uint8, "U8"),
        (torch.bool, "BOOL"),
    ],
)
def test_integers_are_no_weights(
    kind: str, dtype: torch.dtype, called: str, net: Built, tmp_path: Path
) -> None:
    graph = net(SMALL)
    tensors = state(graph)
    whole = {**tensors, "fc1.weight": torch.ones(4, 6, dtype=dtype)}
    message = refusal(saved(whole, tmp_path / f"w.{kind}"), graph)
    assert "NS552" in message
    assert f"`fc1.weight` holds {called}" in message
    message = refusal(saved(foreign(whole), tmp_path / f"w.{kind}"), graph)
    assert "missing fc1.weight" in message
    assert "surplus body.fc1.bias" in message or "surplus none" in message


@pytest.mark.parametrize("kind", KINDS)
def test_index_tables_masks_and_counters_are_buffers(kind: str, net: Built, tmp_path: Path) -> None:
    graph = net(SMALL)
    buffers = {
        "steps": torch.tensor(7),
        "attn.relative_position_index": torch.arange(36).reshape(6, 6) % 5,
        "fc9.weight": torch.ones(4, 6, dtype=torch.int64),
        "attn.mask": torch.ones(6, 6, dtype=torch.bool),
        "table": torch.arange(4, dtype=torch.uint8),
    }
    assert_loads(state(graph), buffers, tmp_path / f"w.{kind}", graph)


def test_a_counter_stored_as_a_float_is_a_buffer(net: Built, tmp_path: Path) -> None:
    graph = net("conv3-4(norm=bn); gap; fc-3")
    path = saved({n: t.float() for n, t in state(graph).items()}, tmp_path / "w.pt")
    loaded = load(path, graph)
    assert [name.rpartition(".")[2] for name in loaded.buffers] == ["num_batches_tracked"]


def test_an_integer_that_a_map_names_is_refused(net: Built, tmp_path: Path) -> None:
    graph = net(SMALL)
    path = saved({**state(graph), "q": torch.ones(4, 6, dtype=torch.int8)}, tmp_path / "w.pt")
    for partial in (False, True):
        assert "`q` holds I8" in refusal(path, graph, mapping={"fc1.weight": "q"}, partial=partial)


# --- constants


def sines(
    count: int, width: int, *, steps: int | None = None, halves: bool = False
) -> torch.Tensor:
    rates = 10000.0 ** (-torch.arange(width // 2).double() / (steps or width // 2))
    angles = torch.arange(count).double()[:, None] * rates
    parts = angles.sin(), angles.cos()
    table = torch.cat(parts, 1) if halves else torch.stack(parts, 2).flatten(1)
    return table.float()


CONSTANTS = {
    "h.0.attn.bias": torch.ones(6, 6).tril()[None, None],
    "h.1.attn.bias": torch.ones(8, 8).tril(),
    "h.0.attn.masked_bias": torch.tensor(-1e4),
    "h.1.attn.masked_bias": torch.tensor([-1e9]),
    "h.2.attn.masked_bias": torch.tensor(float("-inf")),
    "h.3.attn.masked_bias": torch.tensor(torch.finfo(torch.float32).min),
    "embeddings.position_ids": torch.arange(512.0)[None],
    "rotary.inv_freq": 10000.0 ** (-torch.arange(0, 64, 2) / 64),
    "rotary2.inv_freq": 500000.0 ** (-torch.arange(0, 128, 2) / 128),
    "rotary3.inv_freq": torch.tensor([1.0, 0.01]),
    "pe": sines(100, 12)[:, None],
    "pe2": sines(1000, 14, halves=True),
    "pe3": sines(50, 10, steps=4, halves=True),
    "pe4": sines(50, 10, halves=True).roll(5, 1)[None],
}


@pytest.mark.parametrize("kind", KINDS)
def test_constants_of_older_files_are_buffers(kind: str, net: Built, tmp_path: Path) -> None:
    graph = net(TRANSFORMER)
    assert_loads(state(graph), CONSTANTS, tmp_path / f"w.{kind}", graph)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_constants_are_known_in_half_precision(
    dtype: torch.dtype, net: Built, tmp_path: Path
) -> None:
    graph = net(TRANSFORMER)
    buffers = {name: tensor.to(dtype) for name, tensor in CONSTANTS.items()}
    loaded = load(saved(state(graph) | buffers, tmp_path / "w.safetensors"), graph)
    assert set(loaded.buffers) == buffers.keys()


def changed(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor with one number changed that no rounding would change."""
    other = tensor.clone()
    other.view(-1)[-1] += 0.25 + 0.25 * other.view(-1)[-1].abs()
    return other


NOT_CONSTANT = {
    **{name: changed(t) for name, t in CONSTANTS.items() if bool(t.isfinite().all())},
    "random": torch.rand(9),
    "zeros": torch.zeros(9),
    "ones": torch.ones(9),
    "scalar": torch.tensor(0.5),
    "matrix": torch.rand(9, 9),
    "gains": torch.tensor([1.0, 0.9]),
    "identity": torch.eye(9),
    "nan": torch.full((9,), float("nan")),
    "kernel": torch.rand(4, 4, 3, 3),
    "empty": torch.zeros(0),
    "empty_rows": torch.zeros(0, 8),
}


@pytest.mark.parametrize("name", NOT_CONSTANT)
def test_other_surplus_floats_are_refused(name: str, net: Built, tmp_path: Path) -> None:
    graph = net(TRANSFORMER)
    tensors = {**state(graph), name: NOT_CONSTANT[name]}
    assert f"surplus {name}" in refusal(saved(tensors, tmp_path / "w.npz"), graph)


def test_a_learned_weight_that_looks_like_a_constant_is_taken(net: Built, tmp_path: Path) -> None:
    graph = net("input 6 ids(20)\nembedding-8; position; layernorm; fc-8(over=channels)")
    tensors = state(graph)
    tensors["position1.weight"] = sines(6, 8)
    tensors["layernorm1.bias"] = torch.arange(8.0)
    tensors["fc1.weight"] = torch.ones(8, 8).tril()
    for given in (tensors, foreign(tensors)):
        loaded = load(saved(given, tmp_path / "w.pt"), graph)
        assert not loaded.buffers
        for name, values in read(loaded, graph).items():
            assert np.array_equal(values, tensors[name].numpy()), name


def test_a_mask_of_the_shape_of_a_weight_is_told_from_it(net: Built, tmp_path: Path) -> None:
    graph = net("input 6 ids(20)\nembedding-8; position; layernorm; fc-8(over=channels)")
    buffers = {"bias": torch.ones(8, 8).tril(), "inv_freq": 10000.0 ** (-torch.arange(8) / 8)}
    assert_loads(state(graph), buffers, tmp_path / "w.pt", graph)


def test_a_large_surplus_tensor_is_not_read(net: Built, tmp_path: Path) -> None:
    graph = net(SMALL)
    arrays = {name: tensor.numpy() for name, tensor in state(graph).items()}
    np.savez(tmp_path / "w.npz", **arrays, long=np.arange(2**24 + 1, dtype="f4"))
    assert "surplus long" in refusal(tmp_path / "w.npz", graph)


# --- tables that are listed twice

TIED = """net tied_head(n=8, words=20)
input 6 ids(words)
embedding-n as lookup; attention(2); layernorm
fc-words(over=channels, bias=no, weights=@lookup)
"""


def arranged(tensors: Tensors, order: str) -> Tensors:
    names = sorted(tensors) if order == "sorted" else list(tensors)
    if order == "shuffled":
        names = [names[i] for i in np.random.default_rng(1).permutation(len(names))]
    return {name: tensors[name] for name in names}


@pytest.mark.parametrize("order", ["definition", "sorted", "shuffled"])
@pytest.mark.parametrize("body", ["", "model."])
@pytest.mark.parametrize("kind", KINDS)
def test_a_tied_table_may_be_listed_twice(
    kind: str, order: str, body: str, net: Built, tmp_path: Path
) -> None:
    graph = net(TIED)
    tensors = state(graph)
    given = {f"{body}{name}": tensor for name, tensor in tensors.items()}
    given["head.weight"] = tensors["lookup.weight"].clone()
    loaded = load(saved(arranged(given, order), tmp_path / f"w.{kind}"), graph)
    ((name, other),) = loaded.tied
    assert {name, other} == {"head.weight", f"{body}lookup.weight"}
    if not body:
        assert other == "lookup.weight"
    assert not loaded.unused
    assert f"tied to {other}" in loaded.table()
    assert loaded.as_json()["tied"] == dict(loaded.tied)
    for name, values in read(loaded, graph).items():
        assert np.array_equal(values, tensors[name].numpy()), name


@pytest.mark.parametrize("order", ["definition", "sorted", "shuffled"])
@pytest.mark.parametrize("body", ["", "model."])
def test_tables_that_differ_where_the_net_has_one_are_refused(
    order: str, body: str, net: Built, tmp_path: Path
) -> None:
    graph = net(TIED)
    given = {f"{body}{name}": tensor for name, tensor in state(graph).items()}
    given["head.weight"] = given[f"{body}lookup.weight"] + 1
    message = refusal(saved(arranged(given, order), tmp_path / "w.pt"), graph)
    assert "NS562" in message
    assert "`head.weight`" in message
    assert f"`{body}lookup.weight`" in message
    if not body:
        assert load(tmp_path / "w.pt", graph, partial=True).unused == ("head.weight",)


def test_a_head_that_is_the_table_transposed_is_tied_to_it(net: Built, tmp_path: Path) -> None:
    """As Keras keeps it: the table as it is looked up, the head as a matrix with outputs last."""
    graph = net(
        "input 6 ids(20)\nembedding-8 as table; fc-12(over=channels); fc-8(over=channels)\n"
        "fc-20(over=channels, bias=no, weights=@table)"
    )
    random = np.random.default_rng(0)
    shapes = {"emb/embeddings": (20, 8), "a/kernel": (8, 12), "a/bias": (12,)}
    shapes |= {"b/kernel": (12, 8), "b/bias": (8,)}
    arrays = {n: random.standard_normal(s).astype("f4") for n, s in shapes.items()}
    arrays["head/kernel"] = arrays["emb/embeddings"].T.copy()
    for order in ("definition", "sorted", "shuffled"):
        tensors = arranged({n: torch.from_numpy(a) for n, a in arrays.items()}, order)
        loaded = load(saved(tensors, tmp_path / "w.npz"), graph)
        assert loaded.tied == (("head/kernel", "emb/embeddings"),)
        found = read(loaded, graph)
        assert np.array_equal(found["table.weight"], arrays["emb/embeddings"])
        assert np.array_equal(found["fc1.weight"], arrays["a/kernel"].T)


@pytest.mark.parametrize("order", ["definition", "sorted", "shuffled"])
def test_a_table_with_three_users_may_be_listed_for_each(
    order: str, net: Built, tmp_path: Path
) -> None:
    graph = net(
        "input 6 ids(20)\nembedding-8 as table; layernorm\n"
        "concat { | fc-20(over=channels, bias=no, weights=@table)"
        " | fc-20(over=channels, bias=no, weights=@table) }"
    )
    tensors = state(graph)
    table = tensors["table.weight"]
    given = {**foreign(tensors), "head_a.weight": table.clone(), "head_b.weight": table.clone()}
    loaded = load(saved(arranged(given, order), tmp_path / "w.npz"), graph)
    assert len(loaded.tied) == 2
    assert {name for pair in loaded.tied for name in pair} == {
        "head_a.weight",
        "head_b.weight",
        "body.table.weight",
    }
    assert np.array_equal(read(loaded, graph)["table.weight"], table.numpy())
    given["head_b.weight"] = table + 1
    message = refusal(saved(arranged(given, order), tmp_path / "w.npz"), graph)
    assert "NS562" in message
    assert "`head_b.weight`" in message


TWO = """input 6 ids(20)
embedding-8 as first; layernorm
fc-20(over=channels, bias=no, weights=@first)
fc-8(over=channels)
layernorm
fc-20(over=channels, bias=no) as second
fc-8(over=channels); layernorm
fc-20(over=channels, bias=no, weights=@second)
"""


@pytest.mark.parametrize("names", ["own", "foreign"])
def test_two_tables_may_both_be_listed_twice(names: str, net: Built, tmp_path: Path) -> None:
    graph = net(TWO)
    tensors = state(graph)
    given: Tensors = {}
    for name, tensor in tensors.items():
        given[name] = tensor
        if name == "layernorm1.bias":
            given["head1.weight"] = tensors["first.weight"].clone()
    given["head2.weight"] = tensors["second.weight"].clone()
    prefix = "" if names == "own" else "body."
    given = given if names == "own" else foreign(given)
    loaded = load(saved(given, tmp_path / "w.pt"), graph)
    assert dict(loaded.tied) == {
        f"{prefix}head1.weight": f"{prefix}first.weight",
        f"{prefix}head2.weight": f"{prefix}second.weight",
    }
    for name, values in read(loaded, graph).items():
        assert np.array_equal(values, tensors[name].numpy()), name


def test_one_of_two_tables_that_differs_is_named(net: Built, tmp_path: Path) -> None:
    graph = net(TWO)
    tensors = state(graph)
    tensors["head2.weight"] = tensors["second.weight"] + 1
    message = refusal(saved(tensors, tmp_path / "w.pt"), graph)
    assert "`head2.weight`" in message


def test_shared_layers_may_be_listed_for_each_of_their_places(net: Built, tmp_path: Path) -> None:
    graph = net("input 6\nfc-6 as a; relu; fc-6(weights=@a); fc-6; fc-2")
    tensors = {n: torch.zeros_like(t) if n.endswith("bias") else t for n, t in state(graph).items()}
    tensors["again.weight"] = tensors["a.weight"].clone()
    tensors["again.bias"] = tensors["a.bias"].clone()
    loaded = load(saved(tensors, tmp_path / "w.pt"), graph)
    assert [name for name, _ in loaded.tied] == ["again.weight", "again.bias"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_under_two_names_is_one(kind: str, net: Built, tmp_path: Path) -> None:
    """T5 lists its embedding twice, though one step reads it."""
    graph = net("input 6 ids(20)\nembedding-8; conv1-8; gap; fc-4")
    tensors = foreign(state(graph))
    again = {"shared.weight": tensors["body.embedding1.weight"].clone(), **tensors}
    loaded = load(saved(again, tmp_path / f"w.{kind}"), graph)
    assert not loaded.unused
    assert {*loaded.tied[0]} == {"shared.weight", "body.embedding1.weight"}


def test_tables_of_one_number_are_not_one(net: Built, tmp_path: Path) -> None:
    graph = net("input 6 ids(20)\nembedding-8; conv1-8; gap; fc-4")
    tensors = {n: torch.zeros_like(t) for n, t in foreign(state(graph)).items()}
    again = {"shared.weight": tensors["body.embedding1.weight"].clone(), **tensors}
    assert "surplus" in refusal(saved(again, tmp_path / "w.pt"), graph)


# --- what the net computes, in another form


@pytest.mark.parametrize("base", [10000.0, 500000.0])
@pytest.mark.parametrize("text", ["attention(2, rotary=10000)", "conv1-16; rotary(2)"])
def test_rotary_frequencies_are_the_nets_or_refused(
    text: str, base: float, net: Built, tmp_path: Path
) -> None:
    graph = net(f"input 16x6\nlayernorm; {text}")
    frequencies = {"body.rotary.inv_freq": base ** (-torch.arange(4) / 4)}
    path = saved(state(graph) | frequencies, tmp_path / "w.pt")
    if base == 10000:
        assert load(path, graph).buffers == tuple(frequencies)
    else:
        said = refusal(path, graph)
        assert "NS340" in said
        assert "base 500000" in said
        assert "turns by 4 frequencies of base 10000" in said


SHIFTED = "input 8x8x8\nwindows(4, shift=2) { attention(2) }; layernorm"


def swin_mask(size: int, window: int, shift: int) -> torch.Tensor:
    """The mask as the authors compute it: numbered regions, of which windows see their own."""
    image = torch.zeros(1, size, size, 1)
    slices = (slice(0, -window), slice(-window, -shift), slice(-shift, None))
    for i, (rows, columns) in enumerate(itertools.product(slices, slices)):
        image[:, rows, columns] = i
    parts = image.view(size // window, window, size // window, window).transpose(1, 2)
    flat = parts.reshape(-1, window * window)
    apart = flat[:, None] - flat[:, :, None]
    return apart.masked_fill(apart != 0, -100.0)


@pytest.mark.parametrize("wrong", [False, True])
def test_a_mask_of_shifted_windows_is_the_nets_or_refused(
    wrong: bool, net: Built, tmp_path: Path
) -> None:
    graph = net(SHIFTED)
    mask = swin_mask(8, 4, 1 if wrong else 2)
    weights = {n: t for n, t in state(graph).items() if not n.endswith("regions")}
    path = saved(weights | {"attn.attn_mask": mask}, tmp_path / "w.pt")
    if wrong:
        assert "surplus attn.attn_mask" in refusal(path, graph)
    else:
        assert load(path, graph).buffers == ("attn.attn_mask",)
