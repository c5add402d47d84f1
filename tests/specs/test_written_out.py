"""Specs whose authors ship no library, against modules written out in PyTorch after their code.

A module's tensors load by structure, and the spec's net then gives the module's numbers. The figures
that the papers print are those of the full nets, in the specs' `expect` lines.
"""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from support.shelves import shipped
from torch import Tensor, nn
from torch.nn import functional as F

import netspec
from netspec.analysis.costs import costs


def with_noise(module: nn.Module) -> nn.Module:
    """The module with seeded values in all that it holds, none of them as it starts."""
    torch.manual_seed(0)
    with torch.no_grad():
        for key, tensor in module.state_dict().items():
            if tensor.dtype.is_floating_point:
                noise = torch.randn_like(tensor)
                near_one = tensor.dim() < 2 and "bias" not in key
                tensor.copy_(
                    1 + 0.1 * noise.abs() if near_one else noise * tensor[0].numel() ** -0.5
                )
    return module.eval()


def answers(net: netspec.Net, module: nn.Module, folder: Path, *given: Tensor) -> Tensor:
    torch.save(module.state_dict(), folder / "module.pt")
    ours = net.to_torch(weights=folder / "module.pt", logits=True).eval()
    with torch.no_grad():
        found: Tensor = ours(*given)
    return found


class EdgeConv(nn.Module):
    def __init__(self, into: int, out: int, k: int) -> None:
        super().__init__()
        self.k = k
        self.conv = nn.Conv2d(2 * into, out, 1, bias=False)
        self.bn = nn.BatchNorm2d(out)

    def forward(self, x: Tensor) -> Tensor:
        """Each point with the k nearest of its own sample, one sample and one point after the other."""
        found = []
        for points in x.transpose(1, 2):  # (T, C)
            near = [((points - p) ** 2).sum(1).topk(self.k, largest=False)[1] for p in points]
            pairs = [
                torch.cat([points[n] - p, p.expand(self.k, -1)], 1)
                for n, p in zip(near, points, strict=True)
            ]
            found.append(torch.stack(pairs).permute(2, 0, 1))
        y = F.leaky_relu(self.bn(self.conv(torch.stack(found))), 0.2)
        return y.amax(-1)


class DynamicGraph(nn.Module):
    def __init__(self, k: int, classes: int) -> None:
        super().__init__()
        widths = (3, 64, 64, 128, 256)
        self.edges = nn.ModuleList(EdgeConv(a, b, k) for a, b in pairwise(widths))
        self.conv5, self.bn5 = nn.Conv1d(512, 1024, 1, bias=False), nn.BatchNorm1d(1024)
        self.linear1, self.bn6 = nn.Linear(2048, 512, bias=False), nn.BatchNorm1d(512)
        self.linear2, self.bn7 = nn.Linear(512, 256), nn.BatchNorm1d(256)
        self.linear3 = nn.Linear(256, classes)

    def forward(self, x: Tensor) -> Tensor:
        levels = []
        for edge in self.edges:
            x = edge(x)
            levels.append(x)
        x = F.leaky_relu(self.bn5(self.conv5(torch.cat(levels, 1))), 0.2)
        x = torch.cat([x.amax(-1), x.mean(-1)], 1)
        x = F.leaky_relu(self.bn6(self.linear1(x)), 0.2)
        x = F.leaky_relu(self.bn7(self.linear2(x)), 0.2)
        out: Tensor = self.linear3(x)
        return out


def test_dgcnn_is_the_module_of_its_authors(tmp_path: Path) -> None:
    module = with_noise(DynamicGraph(5, 7))
    points = torch.randn(2, 3, 24)
    net = netspec.load("dgcnn", k=5, classes=7, input="3x24")
    with torch.no_grad():
        expected = module(points)
    assert net.params == sum(p.numel() for p in module.parameters())
    torch.testing.assert_close(
        answers(net, module, tmp_path, points), expected, rtol=1e-4, atol=1e-5
    )


class Block(nn.Module):
    def __init__(self, n: int, heads: int) -> None:
        super().__init__()
        self.modulation = nn.Linear(n, 6 * n)
        self.heads = heads
        self.qkv, self.proj = nn.Linear(n, 3 * n), nn.Linear(n, n)
        self.fc1, self.fc2 = nn.Linear(n, 4 * n), nn.Linear(4 * n, n)

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        shift1, scale1, gate1, shift2, scale2, gate2 = self.modulation(F.silu(c))[:, None].chunk(
            6, -1
        )
        y = F.layer_norm(x, x.shape[-1:], eps=1e-6) * (1 + scale1) + shift1
        q, k, v = self.qkv(y).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])).softmax(-1)
        x = x + gate1 * self.proj((weights @ v).transpose(1, 2).flatten(2))
        y = F.layer_norm(x, x.shape[-1:], eps=1e-6) * (1 + scale2) + shift2
        return x + gate2 * self.fc2(F.gelu(self.fc1(y), approximate="tanh"))


class DiffusionTransformer(nn.Module):
    def __init__(
        self, n: int, heads: int, layers: int, side: int, patch: int, classes: int
    ) -> None:
        super().__init__()
        self.patch = patch
        self.when = nn.Sequential(nn.Linear(256, n), nn.SiLU(), nn.Linear(n, n))
        self.label = nn.Embedding(classes + 1, n)
        self.embed = nn.Conv2d(4, n, patch, patch)
        self.position = nn.Parameter(torch.zeros((side // patch) ** 2, n))
        self.blocks = nn.ModuleList(Block(n, heads) for _ in range(layers))
        self.last = nn.Linear(n, 2 * n)
        self.out = nn.Linear(n, patch * patch * 8)

    def forward(self, image: Tensor, step: Tensor, label: Tensor) -> Tensor:
        turns = step * torch.exp(-math.log(10000) * torch.arange(128) / 128)
        c = self.when(torch.cat([turns.cos(), turns.sin()], -1)) + self.label(label[:, 0])
        x = self.embed(image)
        height, width = x.shape[2:]
        x = x.flatten(2).transpose(1, 2) + self.position
        for block in self.blocks:
            x = block(x, c)
        shift, scale = self.last(F.silu(c))[:, None].chunk(2, -1)
        x = self.out(F.layer_norm(x, x.shape[-1:], eps=1e-6) * (1 + scale) + shift)
        x = x.unflatten(-1, (self.patch, self.patch, 8)).unflatten(1, (height, width))
        return torch.einsum("nhwpqc->nchpwq", x).flatten(4, 5).flatten(2, 3)


@pytest.mark.parametrize("patch", [2, 4])
def test_dit_is_the_module_of_its_authors(patch: int, tmp_path: Path) -> None:
    module = with_noise(DiffusionTransformer(32, 4, 2, 8, patch, 9))
    net = netspec.load(
        "dit_xl_2", n=32, heads=4, layers=2, patch=patch, classes=9, input="image:4x8x8"
    )
    given = torch.randn(2, 4, 8, 8), torch.tensor([[3.0], [871.0]]), torch.tensor([[2], [9]])
    with torch.no_grad():
        expected = module(*given)
    torch.testing.assert_close(
        answers(net, module, tmp_path, *given), expected, rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize(
    ("name", "params", "gigamacs"),
    # Peebles and Xie 2023, Table 4, in millions and billions.
    [
        ("dit_s_2", 33, 6.06),
        ("dit_b_2", 130, 23.01),
        ("dit_l_2", 458, 80.71),
        ("dit_xl_2", 675, 118.64),
    ],
)
def test_dit_counts_as_its_paper_prints(name: str, params: int, gigamacs: float) -> None:
    total = costs(shipped(name))
    assert abs((total.params + total.params_frozen) / 1e6 - params) < 1
    assert total.macs / 1e9 == pytest.approx(gigamacs, abs=0.025)
