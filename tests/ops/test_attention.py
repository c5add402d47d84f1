"""Attention and what it adds to its scores, against definitions written out in double precision."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from support.differential import Net, assert_agree, snippet

from netspec.analysis.costs import costs
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.graph.checked import Graph
from netspec.graph.written import written

Array = np.ndarray[Any, Any]


def noise(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def run(graph: Graph, *arrays: Array) -> Array:
    """The one output, the same from PyTorch and from ONNX Runtime."""
    ran = Net(graph).run(list(arrays))
    assert_agree(ran)
    return ran.onnx[0]


def weights_of(graph: Graph) -> dict[str, Array]:
    state = Net(graph).double.state_dict()
    return {name: tensor.numpy() for name, tensor in state.items()}


def softmax(scores: Array) -> Array:
    powers = np.exp(scores - scores.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def turned(heads: Array, base: float, part: float, neighbours: bool) -> Array:
    """Rotary positions as complex numbers: (N, heads, T, D)."""
    width = int(heads.shape[-1] * part) // 2 * 2
    first, second = (
        (heads[..., 0:width:2], heads[..., 1:width:2])
        if neighbours
        else (heads[..., : width // 2], heads[..., width // 2 : width])
    )
    rates = base ** (-np.arange(0, width, 2) / width)
    moved = (first + 1j * second) * np.exp(1j * np.arange(heads.shape[2])[:, None] * rates)
    found = heads.copy()
    if neighbours:
        found[..., 0:width:2], found[..., 1:width:2] = moved.real, moved.imag
    else:
        found[..., : width // 2], found[..., width // 2 : width] = moved.real, moved.imag
    return found


def attended(own: dict[str, Array], given: dict[str, Any], *sources: Array) -> Array:
    """The definition: (N, C, T) each of queries, keys and values, own tensors by their names."""
    heads, shared = given["heads"], given.get("kv_heads", given["heads"])
    if "in_proj_weight" in own:
        width = len(own["in_proj_weight"]) // (heads + 2 * shared)
        ends = [heads * width, (heads + shared) * width]
        matrices = np.split(own["in_proj_weight"], ends)
    else:
        matrices = [own[f"{letter}_proj_weight"] for letter in "qkv"]
    added = [np.zeros(len(matrix)) for matrix in matrices]
    if "in_proj_bias" in own:
        there = [0, 1, 2] if given.get("key_bias", "yes") != "no" else [0, 2]
        ends = np.cumsum([len(matrices[i]) for i in there])[:-1]
        for i, part in zip(there, np.split(own["in_proj_bias"], ends), strict=True):
            added[i] = part
        if given.get("key_bias") == "idle":
            added[1] = added[1] * 0
    parts = []
    for source, matrix, bias, many in zip(
        sources, matrices, added, (heads, shared, shared), strict=True
    ):
        made = source.transpose(0, 2, 1) @ matrix.T + bias
        parts.append(made.reshape(*made.shape[:2], many, -1).transpose(0, 2, 1, 3))
    for i, letter in enumerate("qk"):
        x = parts[i]
        norm = given.get("qk_norm")
        if norm == "l2norm":
            x = x / np.linalg.norm(x, axis=-1, keepdims=True)
        elif norm == "rmsnorm":
            x = x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-6) * own[f"{letter}_norm.weight"]
        elif norm == "layernorm":
            x = x - x.mean(-1, keepdims=True)
            x = x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-6)
            x = x * own[f"{letter}_norm.weight"] + own[f"{letter}_norm.bias"]
        if "rotary" in given:
            x = turned(x, given["rotary"], given.get("part", 1.0), given.get("neighbours", False))
        parts[i] = x
    query, key, value = parts
    key, value = (np.repeat(x, heads // shared, axis=1) for x in (key, value))
    scale = given.get("scale", query.shape[-1] ** -0.5)
    if "logit_scale" in own:
        scale = np.exp(np.minimum(own["logit_scale"], np.log(100.0)))
    scores = query @ key.transpose(0, 1, 3, 2) * scale
    if "softcap" in given:
        scores = given["softcap"] * np.tanh(scores / given["softcap"])
    scores = scores + given.get("scores", 0)
    step, seen = np.ogrid[: scores.shape[2], : scores.shape[3]]
    hidden = np.zeros(scores.shape, bool)
    if given.get("causal"):
        hidden |= seen > step
    if "within" in given:
        hidden |= abs(seen - step) >= given["within"]
    if "hidden" in given:
        hidden |= given["hidden"]
    found = softmax(np.where(hidden, -np.inf, scores)) @ value
    found = found.transpose(0, 2, 1, 3).reshape(len(found), scores.shape[2], -1)
    if "out_proj.weight" in own:
        found = found @ own["out_proj.weight"].T + own.get("out_proj.bias", 0)
    return found.transpose(0, 2, 1)


OPTIONS: list[tuple[str, dict[str, Any]]] = [
    ("attention(2)", {"heads": 2}),
    ("attention(2, bias=no, out_bias=yes)", {"heads": 2}),
    ("attention(2, key_bias=no, out_bias=no)", {"heads": 2, "key_bias": "no"}),
    ("attention(2, key_bias=idle)", {"heads": 2, "key_bias": "idle"}),
    (
        "attention-5(4, kv_heads=2, head_width=3, key_bias=no)",
        {"heads": 4, "kv_heads": 2, "key_bias": "no"},
    ),
    ("attention(4, kv_heads=1, causal=yes, project=no)", {"heads": 4, "kv_heads": 1, "causal": 1}),
    ("attention(2, within=2, scale=0.3)", {"heads": 2, "within": 2, "scale": 0.3}),
    ("attention(2, causal=yes, within=3)", {"heads": 2, "within": 3, "causal": 1}),
    ("attention(2, rotary=100, causal=yes)", {"heads": 2, "rotary": 100, "causal": 1}),
    (
        "attention(2, rotary=50, rotary_part=0.5, rotary_pairs=neighbours, qk_norm=rmsnorm)",
        {"heads": 2, "rotary": 50, "part": 0.5, "neighbours": True, "qk_norm": "rmsnorm"},
    ),
    ("attention(2, qk_norm=layernorm)", {"heads": 2, "qk_norm": "layernorm"}),
    ("attention(2, qk_norm=l2norm, trained_scale=yes)", {"heads": 2, "qk_norm": "l2norm"}),
    ("attention(2, softcap=0.3, causal=yes)", {"heads": 2, "softcap": 0.3, "causal": 1}),
    (
        "attention(2, softcap=2, scale=-1.5, within=3)",
        {"heads": 2, "softcap": 2, "scale": -1.5, "within": 3},
    ),
]


@pytest.mark.parametrize(("step", "given"), OPTIONS, ids=lambda value: str(value)[:60])
def test_attention_is_its_definition(step: str, given: dict[str, Any]) -> None:
    graph = snippet("8xT", step)
    x = noise(2, 8, 5)
    own = {name.partition(".")[2]: array for name, array in weights_of(graph).items()}
    expected = attended(own, given, *(x.astype(np.float64),) * 3)
    assert np.allclose(run(graph, x), expected, atol=2e-6)


def test_queries_keys_and_values_may_be_of_three_tensors() -> None:
    graph = snippet("x: 6x2x2\ninput k: 4x3\ninput v: 5x3", "@x; attention(2, @k, @v)")
    x, k, v = noise(2, 6, 2, 2), noise(2, 4, 3, seed=1), noise(2, 5, 3, seed=2)
    own = {name.partition(".")[2]: array for name, array in weights_of(graph).items()}
    assert own["k_proj_weight"].shape == (6, 4)
    expected = attended(own, {"heads": 2}, x.reshape(2, 6, 4).astype(np.float64), k, v)
    assert np.allclose(run(graph, x, k, v).reshape(2, 6, 4), expected, atol=2e-6)
    macs = 4 * 6 * 6 + 3 * 6 * 4 + 3 * 6 * 5 + 4 * 6 * 6 + 2 * 4 * 3 * 6
    assert costs(graph).macs == macs


@pytest.mark.parametrize(
    ("declared", "shape"),
    [("5 ids(2)", (5,)), ("5", (5,)), ("4x5", (4, 5)), ("4x5 ids(3)", (4, 5))],
)
def test_a_mask_hides_steps_of_each_sample(declared: str, shape: tuple[int, ...]) -> None:
    text = "@x; attend(2, @k, mask=@seen)"
    graph = snippet(f"x: 4x4\ninput k: 4x5\ninput seen: {declared}", text)
    seen = np.random.default_rng(3).integers(0, 2, (2, *shape))
    seen[..., 0] = 1
    mask = seen if "ids" in declared else seen.astype(np.float32)
    x, k = noise(2, 4, 4), noise(2, 4, 5, seed=1)
    own = {f"{letter}_proj_weight": np.eye(4) for letter in "qkv"}
    hidden = (seen == 0)[:, None, None] if len(shape) == 1 else (seen == 0)[:, None]
    expected = attended(own, {"heads": 2, "hidden": hidden}, x.astype(np.float64), k, k)
    assert np.allclose(run(graph, x, k, mask), expected, atol=2e-6)


def test_a_step_that_sees_nothing_has_the_mean_of_all() -> None:
    graph = snippet("x: 4x3\ninput seen: 3 ids(2)", "@x; attend(1, mask=@seen)")
    x = noise(2, 4, 3)
    found = run(graph, x, np.zeros((2, 3), np.int64))
    assert np.allclose(found, np.broadcast_to(x.mean(2, keepdims=True), x.shape), atol=1e-6)


def test_attention_by_its_parts_is_attention() -> None:
    """The same layer said three ways: whole, with projections apart, and with products of matrices."""
    declared = "8xT"
    apart = """relu as x; fc-8(over=channels) as q; @x; fc-8(over=channels) as k
        @x; fc-8(over=channels) as v; @q; rotary(2, 100) as q1; @k; rotary(2, 100) as k1
        @q1; attend(2, @k1, @v); fc-8(over=channels)"""
    products = """relu as x; fc-8(over=channels) as q; @x; fc-8(over=channels) as k
        @x; fc-8(over=channels) as v
        { | @q; rotary(2, 100); split(2) | @k; rotary(2, 100); split(2) | @v; split(2) }
        { | identity as q1 | identity as q2 | identity as k1 | identity as k2
          | identity as v1 | identity as v2 }
        concat {
          | @q1; scaled(0.5); matmul { | @k1; transpose | identity }; softmax; matmul { | @v1 | identity }
          | @q2; scaled(0.5); matmul { | @k2; transpose | identity }; softmax; matmul { | @v2 | identity }
        }
        fc-8(over=channels)"""
    whole = snippet(declared, "relu; attention(2, rotary=100)")
    own = weights_of(whole)
    x = np.maximum(noise(2, 8, 5), 0)
    values = {
        **{
            f"fc{i + 1}.weight": part
            for i, part in enumerate(np.split(own["attention1.in_proj_weight"], 3))
        },
        **{
            f"fc{i + 1}.bias": part
            for i, part in enumerate(np.split(own["attention1.in_proj_bias"], 3))
        },
        "fc4.weight": own["attention1.out_proj.weight"],
        "fc4.bias": own["attention1.out_proj.bias"],
    }
    names = {"fc1": "q", "fc2": "k", "fc3": "v", "fc4": "fc1"}
    for text in (apart, products):
        net = Net(snippet(declared, text))
        state = {
            names[key.partition(".")[0]] + "." + key.partition(".")[2]: torch.from_numpy(array)
            for key, array in values.items()
        }
        net.double.load_state_dict(
            {
                name: state[name].reshape(tensor.shape)
                for name, tensor in net.double.state_dict().items()
            }
        )
        with torch.no_grad():
            found = net.double(torch.from_numpy(x).double()).numpy()
        assert np.allclose(found, run(whole, x), atol=2e-6)


# --- what scores get


def test_a_table_has_a_row_for_each_offset() -> None:
    graph = snippet("4x2x3", "relative(2)")
    own = weights_of(graph)["relative1.relative_position_bias_table"]
    found = run(graph, noise(2, 4, 2, 3))
    places = [(y, x) for y in range(2) for x in range(3)]
    assert own.shape == (3 * 5, 2)
    assert found.shape == (1, 2, 6, 6)
    for i, (y, x) in enumerate(places):
        for j, (down, right) in enumerate(places):
            row = (y - down + 1) * 5 + x - right + 2
            assert np.allclose(found[0, :, i, j], own[row])


def test_a_token_before_the_map_has_three_rows_of_its_own() -> None:
    """To it, from it and to itself, in the order of BEiT's published code."""
    graph = snippet("4x5", "relative(2, size=2x2, tokens=1)")
    own = weights_of(graph)["relative1.relative_position_bias_table"]
    found = run(graph, noise(1, 4, 5))[0]
    assert own.shape == (9 + 3, 2)
    assert np.allclose(found[:, 0, 1:], own[9][:, None])
    assert np.allclose(found[:, 1:, 0], own[10][:, None])
    assert np.allclose(found[:, 0, 0], own[11])
    assert np.allclose(found[:, 1, 1], own[4])


def bucket(away: int, buckets: int, most: int, causal: bool) -> int:
    """T5's rule (Raffel et al. 2020, and its published code): the bucket of a key so far after."""
    found = 0
    if causal:
        away = max(0, -away)
    else:
        buckets //= 2
        found = buckets if away > 0 else 0
        away = abs(away)
    exact = buckets // 2
    if away < exact:
        return found + away
    share = np.log(np.float32(away) / exact) / np.log(most / exact)
    return found + min(buckets - 1, exact + int(np.float32(share) * (buckets - exact)))


@pytest.mark.parametrize("causal", [False, True])
def test_far_offsets_share_buckets(causal: bool) -> None:
    word = "yes" if causal else "no"
    graph = snippet("4xT", f"relative(2, buckets=32, most=128, causal={word})")
    own = weights_of(graph)["relative1.relative_attention_bias.weight"]
    found = run(graph, noise(1, 4, 150))[0]
    for i in (0, 40, 149):
        for j in range(150):
            row = bucket(j - i, 32, 128, causal)
            assert np.allclose(found[:, i, j], own[row]), (i, j)


def test_slopes_of_heads_are_the_published_ones() -> None:
    found = run(snippet("8xT", "alibi(8)"), noise(1, 8, 4))[0]
    away = abs(np.arange(4)[:, None] - np.arange(4))
    assert np.allclose(found, [-away / 2**i for i in range(1, 9)])
    twelve = run(snippet("8xT", "alibi(12)"), noise(1, 8, 2))[0, :, 0, 1]
    assert np.allclose(-np.log2(-twelve), [*range(1, 9), 0.5, 1.5, 2.5, 3.5])


def test_values_for_offsets_may_be_computed() -> None:
    graph = snippet(
        "4x2x2",
        "relu as x; offsets(log); conv1-2(bias=no); pairwise as b; @x; attention(2, scores=@b)",
    )
    x = noise(2, 4, 2, 2)
    spaced = np.array([-1, 0, 1]) * np.log2(9) / 3
    table = np.einsum(
        "hc,cyx->hyx",
        weights_of(graph)["conv1.weight"][:, :, 0, 0],
        np.stack(np.meshgrid(spaced, spaced, indexing="ij")),
    )
    places = [(0, 0), (0, 1), (1, 0), (1, 1)]
    bias = np.array([[table[:, a - c + 1, b - d + 1] for c, d in places] for a, b in places])
    own = {
        n.partition(".")[2]: a for n, a in weights_of(graph).items() if n.startswith("attention1")
    }
    flat = np.maximum(x, 0).reshape(2, 4, 4).astype(np.float64)
    expected = attended(own, {"heads": 2, "scores": bias.transpose(2, 0, 1)}, flat, flat, flat)
    assert np.allclose(run(graph, x).reshape(2, 4, 4), expected, atol=2e-6)


def test_sines_are_those_of_their_papers() -> None:
    x = noise(1, 4, 3)
    steps, rates = np.arange(3), np.array([1, 10000**-0.5])
    angles = rates[:, None] * steps
    pairs = np.stack([np.sin(angles), np.cos(angles)], 1).reshape(4, 3)
    assert np.allclose(run(snippet("4xT", "waves"), x)[0], pairs, atol=1e-6)
    angles = np.array([1, 1e-4])[:, None] * steps
    halves = np.concatenate([np.sin(angles), np.cos(angles)])
    assert np.allclose(run(snippet("4xT", "waves(layout=halves)"), x)[0], halves, atol=1e-6)
    image = run(snippet("4xHxW", "waves(normalised=yes, base=20)"), noise(2, 4, 3, 5))
    turn = 2 * np.pi * (np.arange(5) + 1) / (5 + 1e-6)
    assert image.shape == (1, 4, 3, 5)
    assert np.allclose(image[0, 2], np.sin(turn), atol=1e-6)
    assert np.allclose(
        image[0, 1, :, 0], np.cos(2 * np.pi * (np.arange(3) + 1) / (3 + 1e-6)), atol=1e-6
    )


@pytest.mark.parametrize(
    ("size", "options"), [("8x2x3", ""), ("8x6", ", rotary_size=2x3"), ("8x7", ", rotary_size=2x3")]
)
def test_rotary_positions_of_a_map_are_those_of_its_axes(size: str, options: str) -> None:
    """Pairs of channels as complex numbers: the first half turns by the row, the other by the column."""
    text = f"attention(1, bias=no, rotary=50, rotary_pairs=neighbours{options})"
    graph = snippet(size, text)
    x = noise(2, *map(int, size.split("x")))
    own = weights_of(graph)
    flat = x.reshape(2, 8, -1).astype(np.float64)
    steps = flat.shape[2]
    rows, columns = np.divmod(np.arange(6), 3)
    rates = 50.0 ** -np.array([0, 0.5])
    angles = np.zeros((4, steps))
    angles[:, steps - 6 :] = np.concatenate([rates[:, None] * rows, rates[:, None] * columns])
    query, key, value = np.split(own["attention1.in_proj_weight"] @ flat, 3, axis=1)
    pairs = [(part[:, ::2] + 1j * part[:, 1::2]) * np.exp(1j * angles) for part in (query, key)]
    scores = np.einsum("nct,ncs->nts", pairs[0], pairs[1].conj()).real / np.sqrt(8)
    read = np.einsum("nts,ncs->nct", softmax(scores), value)
    expected = own["attention1.out_proj.weight"] @ read
    assert np.allclose(run(graph, x).reshape(2, 8, -1), expected, atol=2e-6)


@pytest.mark.parametrize(
    ("size", "text", "code"),
    [
        ("8xHxW", "attention(1, rotary=50)", "NS313"),
        ("6x2x2", "attention(2, rotary=50)", "NS303"),
        ("8x5", "attention(1, rotary=50, rotary_size=2x3)", "NS320"),
    ],
)
def test_rotary_positions_that_a_map_has_not(size: str, text: str, code: str) -> None:
    with pytest.raises(NetspecError, match=code):
        snippet(size, text)


# --- parts of maps


def partitioned(x: Array, size: int) -> Array:
    """Windows as Swin's published code cuts them: (N * parts, C, size, size)."""
    n, c, h, w = x.shape
    split = x.reshape(n, c, h // size, size, w // size, size)
    return split.transpose(0, 2, 4, 1, 3, 5).reshape(-1, c, size, size)


def test_windows_are_cut_row_by_row_and_spaced_ones_take_turns() -> None:
    x = noise(2, 3, 4, 6)
    assert np.array_equal(run(snippet("3xHxW", "partition(2)"), x), partitioned(x, 2))
    spaced = run(snippet("3x4x6", "partition(2, spaced=yes)"), x)
    parts = [x[:, :, i::2, j::3] for i in range(2) for j in range(3)]
    assert np.array_equal(spaced, np.stack(parts, 1).reshape(-1, 3, 2, 2))
    by = run(snippet("3xHxW", "partition(by=(2, 3), spaced=yes)"), x)
    assert np.array_equal(by, spaced)


def test_shifted_windows_keep_apart_what_lies_apart() -> None:
    """Against the mask of Swin's published code: regions by slices, rolled and cut with the map."""
    size, shift = 4, 2
    graph = snippet("4x8x12", f"windows({size}, shift={shift}) {{ attention(2) }}")
    x = noise(2, 4, 8, 12)
    region, count = np.zeros((1, 1, 8, 12)), 0
    ends = (slice(0, -size), slice(-size, -shift), slice(-shift, None))
    for rows in ends:
        for columns in ends:
            region[:, :, rows, columns] = count
            count += 1
    ids = partitioned(region, size).reshape(-1, size * size)
    hidden = (ids[:, :, None] != ids[:, None, :])[:, None]
    rolled = partitioned(np.roll(x, (-shift, -shift), (2, 3)), size).reshape(-1, 4, size * size)
    own = {n.rpartition("attention1.")[2]: a for n, a in weights_of(graph).items()}
    given = {"heads": 2, "hidden": np.tile(hidden, (2, 1, 1, 1))}
    found = attended(own, given, *(rolled.astype(np.float64),) * 3).reshape(2, 2, 3, 4, size, size)
    whole = found.transpose(0, 3, 1, 4, 2, 5).reshape(2, 4, 8, 12)
    assert np.allclose(run(graph, x), np.roll(whole, (shift, shift), (2, 3)), atol=2e-6)


@pytest.mark.parametrize(
    ("size", "shift"), [("4x6x9", 0), ("4x6x9", 2), ("4xHxW", 0), ("4x8x12", 0), ("4x8x12", 2)]
)
def test_windows_of_a_filled_map_are_those_of_the_map_with_zeros(size: str, shift: int) -> None:
    high, wide = (8, 12) if size == "4x8x12" else (6, 9)
    block = f"shift={shift}) {{ attention(2) }}"
    graph = snippet(size, f"windows(4, fill=yes, {block}")
    whole = snippet("4x8x12", f"windows(4, {block}")
    x = noise(2, 4, high, wide)
    zeros = np.pad(x, [(0, 0), (0, 0), (0, 8 - high), (0, 12 - wide)])
    # Weights follow from names, which are the same.
    assert np.array_equal(run(graph, x), run(whole, zeros)[:, :, :high, :wide])


def test_blocks_of_pixels_are_filled_with_zeros() -> None:
    x = noise(2, 3, 5, 6)
    zeros = np.pad(x, [(0, 0), (0, 0), (0, 1), (0, 0)])
    given = run(snippet("3xHxW", "pixel_unshuffle(2, fill=yes)"), x)
    assert np.array_equal(given, run(snippet("3x6x6", "pixel_unshuffle(2)"), zeros))


def test_one_window_is_not_shifted() -> None:
    x = noise(2, 4, 3, 3)
    shifted = snippet("4x3x3", "windows(3, shift=1) { attention(2) }")
    assert np.array_equal(run(shifted, x), run(snippet("4x3x3", "windows(3) { attention(2) }"), x))


def test_parts_within_parts_and_masks_of_outer_ones() -> None:
    """Rows of windows: attention sees the innermost part alone; a block's layers count for each part."""
    graph = snippet("4x4x4", "windows(2) { windows((1, 2)) { attention(2) } }")
    x = noise(3, 4, 4, 4)
    own = {n.rpartition("attention1.")[2]: a for n, a in weights_of(graph).items()}
    pairs = x.reshape(3, 4, 4, 2, 2).transpose(0, 2, 3, 1, 4).reshape(-1, 4, 2).astype(np.float64)
    found = attended(own, {"heads": 2}, pairs, pairs, pairs)
    whole = found.reshape(3, 4, 2, 4, 2).transpose(0, 3, 1, 2, 4).reshape(3, 4, 4, 4)
    assert np.allclose(run(graph, x), whole, atol=2e-6)
    assert costs(graph).macs == 8 * (4 * 2 * 4 * 4 + 2 * 2 * 2 * 4)


def test_parts_may_change_their_size() -> None:
    graph = snippet("4x6x9", "windows(3) { gap; fc-2 }")
    assert [tensor.value.shape for tensor in graph.outputs] == [(2, 2, 3)]
    x = noise(2, 4, 6, 9)
    own = weights_of(graph)
    mean = x.reshape(2, 4, 2, 3, 3, 3).mean((3, 5))
    expected = np.einsum(
        "oc,ncyx->noyx", next(a for n, a in own.items() if n.endswith("weight")), mean
    )
    expected += next(a for n, a in own.items() if n.endswith("bias"))[:, None, None]
    assert np.allclose(run(graph, x), expected, atol=1e-5)


# --- what is one for all samples


def test_what_comes_from_no_sample_is_computed_once_and_meets_each() -> None:
    graph = snippet(
        "3x4", "parameter(3x4, init=gaussian(1)); conv1-3 as p; { | @input | @p }; concat"
    )
    rows = {node.path: str(node.types[0].batch) for node in graph.nodes}
    assert rows["p"] == "1"
    assert rows["expand1"] == "N"
    own = weights_of(graph)
    x = noise(3, 3, 4)
    made = (
        np.einsum("oc,ct->ot", own["p.weight"][:, :, 0], own["parameter1.weight"])
        + own["p.bias"][:, None]
    )
    expected = np.concatenate([x, np.broadcast_to(made, (3, 3, 4))], 1)
    assert np.allclose(run(graph, x), expected, atol=1e-6)


def test_an_output_may_be_one_for_all_samples() -> None:
    graph = snippet("3x4", "relu as y; constant([[1, 2], [3, 4]]) as anchors\noutput y, anchors")
    ran = Net(graph).run([noise(3, 3, 4)])
    assert_agree(ran)
    assert np.array_equal(ran.onnx[1], [[[1, 2], [3, 4]]])
    assert costs(graph).params == 0
    assert costs(graph).constants == 4


@pytest.mark.parametrize(
    "text",
    [
        "input x: 4x3\ninput seen: 3 ids(2)\n@x; attention(2, mask=@seen, scores=relative(2))",
        "input 4x4x4\nwindows(2, shift=1) { attention(2, scores=relative(2)) }",
        "input 4x3\nrelu as x; parameter(4x3) as q; attend(2, @x); { | @x | @q }; concat",
    ],
)
def test_a_graph_with_tensors_by_name_is_written_and_read_again(text: str) -> None:
    graph = build(Source("<net>", text))
    again = build(Source("<flat>", written(graph)))
    assert written(again) == written(graph)
    assert [repr(node.op) for node in again.nodes] == [repr(node.op) for node in graph.nodes]
    arrays = [
        noise(2, *node.types[0].shape)
        if node.types[0].ids is None
        else np.ones((2, *node.types[0].shape), np.int64)
        for node in graph.inputs
    ]
    assert len(run(again, *arrays)) == 2


def test_one_matrix_has_rows_of_unequal_widths_and_no_norm_is_none() -> None:
    graph = snippet("8x5", "attention(4, kv_heads=2, qk_norm=none, bias=no)")
    assert weights_of(graph)["attention1.in_proj_weight"].shape == (16, 8)


def test_idle_values_of_the_keys_stand_between_others_or_are_refused():
    with pytest.raises(NetspecError, match="key_bias must be same, yes or no where bias=no"):
        snippet("4x3", "attention(2, bias=no, key_bias=idle)")
    graph = snippet("4x3", "attention(2, key_bias=idle)")
    assert graph.nodes[-1].op.weights(*graph.nodes[-1].input_types)[1].shape == (12,)
