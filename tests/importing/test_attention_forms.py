"""Attention as transformers spells it: rotary positions, shared heads, masks, scores that layers share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from netspec.importing.imported import Imported, import_file

pytestmark = pytest.mark.filterwarnings("ignore")
WIDTH, HEADS, SHARED, STEPS = 32, 4, 2, 12


def turned_round(x: Any) -> Any:
    half = x.shape[-1] // 2
    return torch.cat([-x[..., half:], x[..., :half]], -1)


def split_round(x: Any) -> Any:
    first, second = x.chunk(2, -1)
    return torch.cat([-second, first], -1)


class Layer(nn.Module):
    """Llama's attention: grouped heads of keys and values, rotary positions, a mask that is added."""

    def __init__(self, base: float, around: Any, odd: Any = lambda rates: rates) -> None:
        super().__init__()
        self.base, self.around, self.odd = base, around, odd
        head = WIDTH // HEADS
        self.q, self.o = (nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(2))
        self.k, self.v = (nn.Linear(WIDTH, SHARED * head, bias=False) for _ in range(2))

    def _tables(self, x: Any) -> Any:
        half = WIDTH // HEADS // 2
        rates = self.odd(1.0 / self.base ** (torch.arange(half) / half))
        angles = torch.arange(x.shape[1]).float()[:, None] * rates
        angles = torch.cat([angles, angles], -1)
        return angles.cos()[None, None], angles.sin()[None, None]

    def forward(self, x: Any) -> Any:
        n, steps, _ = x.shape
        q = self.q(x).view(n, steps, HEADS, -1).transpose(1, 2)
        k = self.k(x).view(n, steps, SHARED, -1).transpose(1, 2)
        v = self.v(x).view(n, steps, SHARED, -1).transpose(1, 2)
        cos, sin = self._tables(x)
        q, k = (part * cos + self.around(part) * sin for part in (q, k))
        k, v = (self._repeated(part) for part in (k, v))
        mask = torch.full((steps, steps), -1e9).triu(1)[None, None].expand(n, 1, steps, steps)
        scores = q @ k.transpose(2, 3) * (WIDTH // HEADS) ** -0.5 + mask
        y = scores.softmax(-1) @ v
        return self.o(y.transpose(1, 2).reshape(n, steps, WIDTH)) + x

    @staticmethod
    def _repeated(x: Any) -> Any:
        n, heads, steps, width = x.shape
        many = x[:, :, None].expand(n, heads, HEADS // SHARED, steps, width)
        return many.reshape(n, HEADS, steps, width)


class Texts(nn.Module):
    """Ids to vectors through layers."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.table, self.layers = nn.Embedding(50, WIDTH), nn.ModuleList(layers)

    def forward(self, ids: Any) -> Any:
        x = self.table(ids)
        for layer in self.layers:
            x = layer(x)
        return x


class Biased(nn.Module):
    """T5's attention: no scale, scores that depend on the two places and are the same in every layer."""

    def __init__(self, scores: Any) -> None:
        super().__init__()
        self.scores = scores
        self.parts = nn.ModuleList(nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(4))

    def forward(self, x: Any) -> Any:
        n, steps, _ = x.shape
        *parts, last = self.parts
        q, k, v = (part(x).view(n, steps, HEADS, -1).transpose(1, 2) for part in parts)
        seen = torch.zeros(n, 1, steps, steps)
        y = (q @ k.transpose(2, 3) + self.scores[None] + seen).softmax(-1) @ v
        return x + last(y.transpose(1, 2).reshape(n, steps, WIDTH))


class Padded(nn.Module):
    """A padding that cuts at one side."""

    def forward(self, x: Any) -> Any:
        return F.pad(x, (-1, 1, -2, 2)) * 2


def read(module: nn.Module, path: Path, *inputs: Any) -> Imported:
    torch.manual_seed(0)
    torch.onnx.export(
        module.eval(),
        inputs,
        str(path),
        dynamo=False,
        opset_version=17,
        input_names=["x"],
        dynamic_axes={"x": {0: "n"}},
    )
    return import_file(path)


IDS = torch.arange(STEPS)[None] % 50


@pytest.mark.parametrize("around", [turned_round, split_round])
@pytest.mark.parametrize("base", [10000.0, 500000.0, 123.0])
def test_rotary_positions_and_shared_heads_are_one_attention(
    base: float, around: Any, tmp_path: Path
) -> None:
    module = Texts(*(Layer(base, around) for _ in range(2)))
    found = read(module, tmp_path / "m.onnx", IDS)
    ops: list[Any] = [n.op for n in found.graph.nodes[1:] if n.op.spelling == "attention"]
    assert len(ops) == 2
    for op in ops:
        assert (op.heads, op.kv_heads, op.rotary, op.causal) == (HEADS, SHARED, base, True)
        assert op.scale is None
    assert found.proof is not None


def slowed(factor: float, length: int, low: float, high: float) -> Any:
    """Llama 3.1's rates, as its authors have them."""

    def rates(plain: Any) -> Any:
        waves = 2 * torch.pi / plain
        smooth = (length / waves - low) / (high - low)
        between = (1 - smooth) * plain / factor + smooth * plain
        found = torch.where(waves > length / low, plain / factor, plain)
        return torch.where((waves <= length / low) & (waves >= length / high), between, found)

    return rates


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        (slowed(8.0, 32, 1.0, 4.0), "rotary_factor=8, rotary_length=32"),
        (slowed(32.0, 20, 1.0, 4.0), "rotary_factor=32, rotary_length=20"),
        (slowed(2.5, 10, 0.5, 2.0), "rotary_factor=2.5, rotary_length=20"),
        (lambda rates: rates / 4, "rotary_factor=4, rotary_length="),
    ],
)
def test_long_waves_may_turn_slower(odd: Any, said: str, tmp_path: Path) -> None:
    found = read(Texts(Layer(10000.0, turned_round, odd)), tmp_path / "m.onnx", IDS)
    assert "rotary=10000" in found.text
    assert said in found.text
    assert found.proof is not None


def test_tables_that_no_base_gives_stay_what_they_are(tmp_path: Path) -> None:
    odd = Layer(10000.0, turned_round, lambda rates: rates * 1.25)
    found = read(Texts(odd), tmp_path / "m.onnx", IDS)
    assert "rotary" not in found.text
    assert found.proof is not None
    assert found.proof.error < 1e-5


def test_scores_that_layers_share_are_made_once(tmp_path: Path) -> None:
    scores = torch.randn(HEADS, STEPS, STEPS, generator=torch.Generator().manual_seed(1))
    module = Texts(*(Biased(scores) for _ in range(3)))
    found = read(module, tmp_path / "m.onnx", IDS)
    shapes = [array.shape for array in found.weights.values()]
    assert shapes.count((HEADS, STEPS, STEPS)) == 1
    assert sum(n.op.spelling == "attention" for n in found.graph.nodes[1:]) == 3
    assert "x3" in found.text  # and the layers are alike


def test_a_proof_on_ids_looks_at_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from netspec.importing import proof

    seen: list[int] = []
    feeds = proof.feeds_of

    def watched(*given: Any) -> Any:
        found = feeds(*given)
        seen.extend(int(a.max()) for feed in found for a in feed.values())
        return found

    monkeypatch.setattr(proof, "feeds_of", watched)
    read(Texts(), tmp_path / "m.onnx", IDS)
    assert max(seen) > 25


def test_paddings_that_cut_are_a_crop_and_a_padding(tmp_path: Path) -> None:
    found = read(Padded(), tmp_path / "m.onnx", torch.randn(1, 3, 8, 8))
    words = [n.op.spelling for n in found.graph.nodes[1:]]
    assert words == ["crop", "pad", "scaled"]
    assert found.proof is not None
    assert found.proof.exact


class Asked(nn.Module):
    """Trained queries to what flows in, as detectors have; what a mask says is computed in the file."""

    def __init__(self) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(5, WIDTH))
        self.heads = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)

    def forward(self, x: Any) -> Any:
        places = x.flatten(2).transpose(1, 2)
        seen = F.interpolate(torch.ones(1, 1, 8, 8), size=x.shape[2:]).flatten(1)
        steps = seen.cumsum(1)[..., None] * 0.1
        queries = self.queries.expand(x.shape[0], -1, -1)
        return self.heads(queries, places + steps, places, need_weights=False)[0]


def test_queries_that_come_from_no_input_are_parameters(tmp_path: Path) -> None:
    found = read(Asked(), tmp_path / "m.onnx", torch.randn(1, WIDTH, 4, 6))
    words = [n.op.spelling for n in found.graph.nodes[1:]]
    assert "attend" in words or "attention" in words
    assert "softmax" not in words
    assert found.proof is not None
    assert found.proof.error < 1e-5
