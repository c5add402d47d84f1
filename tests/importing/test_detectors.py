"""Detectors written by hand as their authors have them, by torch's older exporter: DETR's transformer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import netspec
from netspec.importing.imported import Imported, import_file

WIDTH, HEADS = 16, 4
pytestmark = pytest.mark.filterwarnings("ignore")


def heads(module: nn.MultiheadAttention, *tensors: Any) -> Any:
    """What attention gives; it computes its weights too, which is another spelling than without."""
    return module(*tensors)[0]


class Encoding(nn.Module):
    """A layer whose queries and keys know their places and whose values do not; steps come first."""

    def __init__(self) -> None:
        super().__init__()
        self.heads, self.norm = nn.MultiheadAttention(WIDTH, HEADS), nn.LayerNorm(WIDTH)
        self.up, self.down = nn.Linear(WIDTH, 24), nn.Linear(24, WIDTH)
        self.last = nn.LayerNorm(WIDTH)

    def forward(self, x: Any, places: Any) -> Any:
        x = self.norm(x + heads(self.heads, x + places, x + places, x))
        return self.last(x + self.down(self.up(x).relu()))


class Decoding(nn.Module):
    """A layer of trained queries, that read each other and then the map."""

    def __init__(self) -> None:
        super().__init__()
        self.own, self.across = (nn.MultiheadAttention(WIDTH, HEADS) for _ in range(2))
        self.first, self.last = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)

    def forward(self, x: Any, memory: Any, places: Any, queries: Any) -> Any:
        x = self.first(x + heads(self.own, x + queries, x + queries, x))
        return self.last(x + heads(self.across, x + queries, memory + places, memory))


class Detr(nn.Module):
    """DETR (Carion et al. 2020) in small: a trunk, places, layers that encode and decode, two ends."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Conv2d(3, WIDTH, 8, 8)
        self.places = nn.Parameter(torch.randn(12, 1, WIDTH))
        self.encoding = nn.ModuleList(Encoding() for _ in range(2))
        self.decoding = nn.ModuleList(Decoding() for _ in range(2))
        self.queries = nn.Embedding(5, WIDTH)
        self.classes, self.boxes = nn.Linear(WIDTH, 7), nn.Linear(WIDTH, 4)

    def forward(self, image: Any) -> Any:
        x = self.trunk(image).flatten(2).permute(2, 0, 1)
        for layer in self.encoding:
            x = layer(x, self.places)
        queries = self.queries.weight.unsqueeze(1).repeat(1, x.shape[1], 1)
        y = torch.zeros_like(queries)
        for layer in self.decoding:
            y = layer(y, x, self.places, queries)
        y = y.transpose(0, 1)
        return self.classes(y), self.boxes(y).sigmoid()


class Asking(nn.Module):
    """Trained queries that are projected before there is a sample."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Conv2d(3, WIDTH, 8, 8)
        self.heads, self.queries = nn.MultiheadAttention(WIDTH, HEADS), nn.Embedding(5, WIDTH)

    def forward(self, image: Any) -> Any:
        x = self.trunk(image).flatten(2).permute(2, 0, 1)
        queries = self.queries.weight.unsqueeze(1).expand(-1, x.shape[1], -1)
        return heads(self.heads, queries, x, x).transpose(0, 1)


def read(module: nn.Module, path: Path, *, free: bool) -> Imported:
    torch.manual_seed(0)
    given: dict[str, Any] = {"dynamo": False, "opset_version": 17, "input_names": ["image"]}
    if free:
        given["dynamic_axes"] = {"image": {0: "n"}}
    torch.onnx.export(module.eval(), (torch.randn(1 + free, 3, 24, 32),), str(path), **given)
    return import_file(path)


@pytest.mark.parametrize("free", [False, True])
@pytest.mark.parametrize("kind", [Detr, Asking])
def test_a_detector_is_read_of_one_sample_and_of_any(
    kind: type[nn.Module], free: bool, tmp_path: Path
) -> None:
    module = kind()
    found = read(module, tmp_path / "m.onnx", free=free)
    assert "softmax" not in found.text
    assert found.proof is not None
    assert found.proof.error < 1e-5
    # At a batch that nobody has tried, whatever the file's own is.
    images = torch.randn(4, 3, 24, 32)
    again = netspec.load(found.text).to_torch(weights=found.weights).eval()
    with torch.no_grad():
        here, there = again(images), [module(image[None]) for image in images]
    one = isinstance(here, torch.Tensor)
    for place, array in enumerate([here] if one else here):
        wanted = torch.cat([part if one else part[place] for part in there])
        torch.testing.assert_close(array, wanted, rtol=1e-4, atol=1e-4)
