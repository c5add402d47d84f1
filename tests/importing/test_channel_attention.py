"""Attention in which the channels of a head attend to each other: no `attention`, which projects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from support.onnx_files import scrambled
from torch import nn
from torch.nn import functional as F

import netspec
from netspec.importing.imported import import_file

pytestmark = pytest.mark.filterwarnings("ignore")


class Crossed(nn.Module):
    """XCiT's attention: the channels of a head attend to each other, by their lengths over all places."""

    def __init__(self, width: int, heads: int, *, unit: bool, trained: bool) -> None:
        super().__init__()
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.heads, self.unit = heads, unit
        scale = torch.rand(heads, 1, 1) + 0.5
        self.scale = nn.Parameter(scale) if trained else 0.25

    def forward(self, x: Any) -> Any:
        n, steps, width = x.shape
        joined = self.qkv(x).reshape(n, steps, 3, self.heads, width // self.heads)
        q, k, v = joined.permute(2, 0, 3, 4, 1).unbind(0)
        if self.unit:
            q, k = F.normalize(q, dim=-1), F.normalize(k, dim=-1)
        shares = (q @ k.transpose(-2, -1) * self.scale).softmax(-1)
        return x + self.out((shares @ v).permute(0, 3, 1, 2).reshape(n, steps, width))


class Wide(nn.Module):
    """Attention over places beside attention over channels: only the one is a step."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.crossed = nn.Conv2d(3, 16, 4, 4), Crossed(16, 2, unit=True, trained=True)
        self.usual = nn.MultiheadAttention(16, 2, batch_first=True)

    def forward(self, x: Any) -> Any:
        x = self.stem(x).flatten(2).transpose(1, 2)
        return self.crossed(x) + self.usual(x, x, x, need_weights=False)[0]


@pytest.mark.parametrize("blind", [False, True])
@pytest.mark.parametrize("unit", [False, True])
@pytest.mark.parametrize("trained", [False, True])
def test_attention_over_channels(tmp_path: Path, unit: bool, trained: bool, blind: bool) -> None:
    text = _read(Crossed(24, 4, unit=unit, trained=trained), torch.randn(2, 9, 24), tmp_path, blind)
    assert "attention" not in text


# Scores scaled by a factor for each head, of values whose heads are cut otherwise than those of keys.
CROSSED = """
input 3x8x8
block unit { sequence; transpose; l2norm; transpose; reshape((2, C//2, -1)) }
conv1-8; fc-24(over=channels); split(3) as q, k, v
matmul { | @q; unit | @k; unit; transpose((0, 2, 1)) }
affine(bias=no); softmax(over=last) as shares
matmul { | @shares | @v; reshape((2, 4, -1)) }
reshape(8x8x8)
"""


@pytest.mark.parametrize("blind", [False, True])
def test_attention_over_channels_of_a_map(tmp_path: Path, blind: bool) -> None:
    path = tmp_path / "net.onnx"
    netspec.load(CROSSED).to_onnx(path)
    if blind:
        scrambled(path, path)
    found = import_file(path)
    assert found.proof is not None
    assert found.proof.error == 0

    assert [found.text.count(word) for word in ("attend", "matmul", "softmax")] == [0, 2, 1]


def test_attention_over_places_beside_it_stays_one_step(tmp_path: Path) -> None:
    text = _read(Wide(), torch.randn(2, 3, 16, 16), tmp_path, False)
    assert text.count("attention(2)") == 1


def _read(module: nn.Module, example: torch.Tensor, folder: Path, blind: bool) -> str:
    path = folder / "net.onnx"
    axes = {"x": {0: "n"}, "y": {0: "n"}}
    torch.onnx.export(
        module.eval(), (example,), path, dynamo=False, input_names=["x"], output_names=["y"],
        dynamic_axes=axes, opset_version=17,
    )  # fmt: skip
    if blind:
        scrambled(path, path)
    found = import_file(path)
    assert found.proof is not None
    assert found.proof.error < 1e-5
    assert not found.unread
    return found.text
