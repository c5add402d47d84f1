"""Scores by offset are those of their definitions, written out pair by pair."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
import torch

import netspec
from netspec.diagnostics.raised import NetspecError

RANDOM = np.random.default_rng(0)


def answers(net: netspec.Net, **inputs: np.ndarray) -> tuple[torch.nn.Module, np.ndarray]:
    """The module, and what PyTorch and ONNX Runtime both answer."""
    module = net.to_torch(seed=1).eval()
    with torch.no_grad():
        found = module(*(torch.from_numpy(array) for array in inputs.values())).numpy()
    other = net.run(**inputs, weights=module).outputs["output"]
    np.testing.assert_allclose(other, found, atol=1e-5)
    return module, found


def row(place: int, other: int, steps: int, seen: int, back: bool) -> int:
    """The row of a query and a key: the least offset there is has the first."""
    wide, narrow = max(1, seen // steps), max(1, steps // seen)
    if back:
        return place * wide - other * narrow + (seen - 1) * narrow
    return other * narrow - place * wide + (steps - 1) * wide


@pytest.mark.parametrize("back", [False, True])
@pytest.mark.parametrize(("size", "keys"), [((4, 6), (2, 3)), ((2, 3), (4, 3)), ((3, 2), (3, 2))])
def test_each_axis_of_a_map_has_a_table(
    size: tuple[int, int], keys: tuple[int, int], back: bool
) -> None:
    """MViTv2's and SAM's sums over axes; queries or keys are pooled, or neither."""
    heads, width, tokens = 2, 3, 1
    places, seen = math.prod(size), math.prod(keys)
    x = RANDOM.standard_normal((2, heads * width, places + tokens), dtype="f")
    net = netspec.load(
        f"input x: {heads * width}x{places + tokens}\n"
        f"relative_scores({heads}, size=({size[0]}, {size[1]}), keys=({keys[0]}, {keys[1]}), "
        f"tokens={tokens}, back={'yes' if back else 'no'})"
    )
    module, found = answers(net, x=x)
    tables = [held.detach().numpy() for held in module.parameters()]
    assert [table.shape for table in tables] == [
        (2 * max(pair) - 1, width) for pair in zip(size, keys, strict=True)
    ]
    expected = np.zeros((2, heads, places + tokens, seen + tokens), "f")
    for query, key in product(np.ndindex(*size), np.ndindex(*keys)):
        at, to = np.ravel_multi_index(query, size), np.ravel_multi_index(key, keys)
        values = x[:, :, at + tokens].reshape(2, heads, width)
        for axis in range(2):
            i = row(query[axis], key[axis], size[axis], keys[axis], back)
            expected[:, :, at + tokens, to + tokens] += values @ tables[axis][i]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_sequence_of_any_length_has_vectors_made_of_waves() -> None:
    """Transformer-XL, Appendix A: W (sines of i - j) for each pair, whatever the length."""
    net = netspec.load("input x: 8xT\nwaves(offsets=yes) as p; @x; relative_scores(2, @p)")
    rates = 10000.0 ** (-np.arange(4) / 4)
    for length in (1, 2, 7):
        x = RANDOM.standard_normal((1, 8, length), dtype="f")
        _, found = answers(net, x=x)
        for i, j in product(range(length), repeat=2):
            wave = np.stack([np.sin((i - j) * rates), np.cos((i - j) * rates)], 1).reshape(2, 4)
            expected = (x[0, :, i].reshape(2, 4) * wave).sum(1)
            np.testing.assert_allclose(found[0, :, i, j], expected, atol=1e-5)


@pytest.mark.parametrize(("far", "most"), [(8, 20), (16, 63), (12, 300)])
@pytest.mark.parametrize("channels", [4, 8])
def test_far_offsets_share_rows_as_debertas_do(far: int, most: int, channels: int) -> None:
    """The formula of its authors' `make_log_bucket_position`, of positions past the largest too."""
    length = most + 40 if most < 100 else 90
    net = netspec.load(
        f"input x: 8x{length}\nparameter({channels}x{2 * far}) as p\n"
        f"@x; relative_scores(2, @p, far={far}, most={most}, back=yes)"
    )
    x = RANDOM.standard_normal((1, 8, length), dtype="f")
    module, found = answers(net, x=x)
    (table,) = (held.detach().numpy() for held in module.parameters())
    away = np.arange(length)[:, None] - np.arange(length)
    half = far // 2
    size = np.maximum(abs(away), half)
    long = np.ceil(np.log(size / half) / math.log(most / half) * (half - 1) - 1e-9) + half
    bucket = np.where(abs(away) <= half, away, long * np.sign(away))
    rows = np.clip(bucket + far, 0, 2 * far - 1).astype(int)
    each = table.reshape(-1, 4, 2 * far)[[0, -1]]
    expected = np.einsum("hdt,hdts->hts", x[0].reshape(2, 4, length), each[:, :, rows])
    np.testing.assert_allclose(found[0], expected, atol=1e-5)


def test_offsets_past_the_last_row_have_it() -> None:
    """Shaw et al. 2018, with another number of steps before than after as in w2v-BERT 2.0."""
    net = netspec.load("input x: 4xT\nrelative_scores(2, far=(3, 1))")
    x = RANDOM.standard_normal((1, 4, 6), dtype="f")
    module, found = answers(net, x=x)
    (table,) = (held.detach().numpy() for held in module.parameters())
    for i, j in product(range(6), repeat=2):
        expected = x[0, :, i].reshape(2, 2) @ table[np.clip(j - i, -3, 1) + 3]
        np.testing.assert_allclose(found[0, :, i, j], expected, atol=1e-6)


@pytest.mark.parametrize(("input", "axes"), [("6x1x3", 1), ("6xHxW", 1), ("6x9x1", 2)])
def test_one_size_is_of_a_row_whatever_the_rank_of_what_flows_in(input: str, axes: int) -> None:
    sizes = "size=3, far=2" if axes == 1 else "size=3x3, keys=3"
    net = netspec.load(f"input x: {input}\nrelative_scores(2, {sizes})")
    x = RANDOM.standard_normal((2, 6, *((9, 1) if axes == 2 else (1, 3))), dtype="f")
    module, found = answers(net, x=x)
    assert len(list(module.parameters())) == axes
    assert found.shape == (2, 2, 3**axes, 3**axes)


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("relative_scores(3)", "divisible by 3"),
        ("relative_scores(2, most=9)", "needs far"),
        ("relative_scores(2, far=9, most=4)", "over far"),
        ("relative_scores(2, far=(1, 2, 3))", "one or two"),
        ("relative_scores(2, tokens=1)", "needs size"),
        ("relative_scores(2, size=2x2)", "4 places"),
        ("relative_scores(2, keys=4)", "4"),
        ("parameter(8x7) as p; @x; relative_scores(2, @p)", "8x11, 4x11"),
        ("parameter(6x11) as p; @x; relative_scores(2, @p)", "8x11, 4x11"),
        ("parameter(8x11) as p; @x; relative_scores(2, @p, @p)", "1 axes"),
    ],
)
def test_what_does_not_fit_is_said(step: str, said: str) -> None:
    with pytest.raises(NetspecError, match=said):
        netspec.load(f"input x: 8x6\n{step}")


def test_a_table_needs_a_size() -> None:
    with pytest.raises(NetspecError, match="sizes must be numbers"):
        netspec.load("input x: 8xT\nrelative_scores(2)")


def test_what_reads_nothing_may_stand_behind_ids() -> None:
    """A table of offsets that all layers read comes first, and what flows in are words."""
    net = netspec.load("input words: 5 ids(9)\nparameter(4x5) as p\n@words; embedding-4; add(@p)")
    words = RANDOM.integers(0, 9, (2, 5))
    module, found = answers(net, words=words)
    table, own = (module.state_dict()[f"{name}.weight"].numpy() for name in ("embedding1", "p"))
    np.testing.assert_allclose(found, table[words].transpose(0, 2, 1) + own, atol=1e-6)
