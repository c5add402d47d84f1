"""What nets of vision write in ways of their own: as short as one would say it, and proven."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from support.onnx_files import scrambled
from torch import Tensor, nn
from torch.nn import functional

import netspec
from netspec.importing.imported import import_file

C = 16


class Net(nn.Module):
    """Layers that the ways below share, and one of them."""

    def __init__(self, way: Callable[[Net, Tensor], Tensor]) -> None:
        super().__init__()
        self.way = way
        self.stem, self.end = nn.Conv2d(3, C, 3, 2, 1), nn.Linear(C, 5)
        self.norm, self.other = nn.LayerNorm(C), nn.LayerNorm(C)
        self.q, self.kv, self.qkv = nn.Linear(C, C), nn.Linear(C, 2 * C), nn.Linear(C, 3 * C)
        self.out, self.up, self.down = nn.Linear(C, C), nn.Linear(C, 4 * C), nn.Linear(4 * C, C)
        self.squeeze, self.select = nn.Conv2d(C, 4, 1), nn.Conv2d(4, 2 * C, 1)
        self.one, self.two = nn.Conv2d(C, C, 3, 1, 1), nn.Conv2d(C, C, 3, 1, 2, 2)
        self.wide = nn.Conv2d(C, 2 * C, 3, 1, 1, groups=2)
        self.small = nn.Conv2d(C, 6, 3, 1, 1)
        self.temperature = nn.Parameter(1 + torch.rand(2, 1, 1))
        self.token, self.gain = nn.Parameter(torch.randn(1, 1, C)), nn.Parameter(torch.rand(C))

    def forward(self, x: Tensor) -> Tensor:
        return self.way(self, self.stem(x))


def channels_attend(net: Net, x: Tensor) -> Tensor:
    n, c, h, w = x.shape
    x = x.flatten(2).transpose(1, 2)
    q, k, v = net.qkv(net.norm(x)).view(n, h * w, 3, 2, c // 2).permute(2, 0, 3, 4, 1)
    q, k = functional.normalize(q, dim=-1), functional.normalize(k, dim=-1)
    y = ((q @ k.transpose(-2, -1)) * net.temperature).softmax(-1) @ v
    x = x + net.gain * net.out(y.permute(0, 3, 1, 2).reshape(n, h * w, c))
    x = x + net.down(functional.gelu(net.up(net.other(x))))
    return x.transpose(1, 2).reshape(n, c, h, w)


def token_attends(net: Net, x: Tensor) -> Tensor:
    x = x.flatten(2).transpose(1, 2)
    x = torch.cat([net.token.expand(len(x), -1, -1), x], 1)
    y = net.norm(x)
    n, t, c = y.shape
    q = net.q(y[:, 0]).unsqueeze(1).reshape(n, 1, 2, c // 2).transpose(1, 2)
    k, v = net.kv(y).reshape(n, t, 2, 2, c // 2).permute(2, 0, 3, 1, 4)
    z = ((q * (c // 2) ** -0.5) @ k.transpose(-2, -1)).softmax(-1) @ v
    z = net.out(z.transpose(1, 2).reshape(n, 1, c))
    x = x + net.gain * torch.cat([z, y[:, 1:]], 1)
    first = net.down(functional.gelu(net.up(x[:, :1])))
    x = x + torch.cat([first, x[:, 1:]], 1)
    return net.end(x[:, 0])


def stacked(net: Net, x: Tensor) -> Tensor:
    return torch.stack([net.end(net.one(x).mean((2, 3))), net.end(net.two(x).mean((2, 3)))]).mean(0)


def selects(net: Net, x: Tensor) -> Tensor:
    both = torch.stack([net.one(x).relu(), net.two(x).relu()], 1)
    weights = net.select(net.squeeze(both.sum(1).mean((2, 3), keepdim=True)).relu())
    weights = weights.view(len(x), 2, C, 1, 1).softmax(1)
    return (both * weights).sum(1)


def splits(net: Net, x: Tensor) -> Tensor:
    n, c, h, w = x.shape
    y = net.wide(x).relu().reshape(n, 2, c, h, w)
    weights = net.select(net.squeeze(y.sum(1).mean((2, 3), keepdim=True)).relu())
    weights = weights.view(n, 1, 2, c).transpose(1, 2).softmax(1).reshape(n, -1, 1, 1)
    return (y * weights.reshape(n, 2, c, 1, 1)).sum(1)


def pooled(net: Net, x: Tensor) -> Tensor:
    n, c, h, w = x.shape
    return net.one(x.view(n, c, h // 2, 2, w // 2, 2).amax((3, 5)))


def pooled_in_units(net: Net, x: Tensor) -> Tensor:
    """Tokens by the place that they have in a unit of 2x2 first, then by unit: queries are pooled there."""
    n, c, h, w = x.shape
    x = x.permute(0, 2, 3, 1).reshape(n, h // 2, 2, w // 2, 2, c).permute(0, 2, 4, 1, 3, 5)
    x = x.reshape(n * 4, h // 2, w // 2, c).reshape(n * 4, h // 4, 2, w // 4, 2, c)
    x = x.permute(0, 2, 4, 1, 3, 5).reshape(n, h * w, c)
    units = h * w // 16
    parts = net.qkv(net.norm(x)).reshape(n, 16, units, 3, 2, c // 2).permute(3, 0, 4, 2, 1, 5)
    q, k, v = parts.unbind(0)
    q = q.reshape(n, 2, units, 4, 4, c // 2).amax(3)
    y = ((q * (c // 2) ** -0.5) @ k.transpose(-2, -1)).softmax(-1) @ v
    y = net.out(y.permute(0, 3, 2, 1, 4).reshape(n, 4 * units, c))
    pools = x.view(n, 4, 4 * units, c).amax(1)
    return net.end((pools + y).mean(1))


def unfolded(net: Net, x: Tensor) -> Tensor:
    n, c, h, w = x.shape
    parts = functional.unfold(x, 4, stride=4).transpose(1, 2).reshape(n * h * w // 16, c, 4, 4)
    return net.one(parts).reshape(n, h * w // 16, c, 16).mean((1, 3))


def shared_product(net: Net, x: Tensor) -> Tensor:
    n, c, h, w = x.shape
    q = x.reshape(n, 4, c // 4, h * w).transpose(-1, -2)
    k, v = net.small(x).reshape(n, 1, 6, h * w).split([4, 2], 2)
    y = q @ (k.softmax(-1) @ v.transpose(-1, -2))
    return y.transpose(-1, -2).reshape(n, 8, h, w)


KINDS = {
    "channels that attend to channels": (
        channels_attend,
        ("residual {", "l2norm", "affine", "softmax(last)", "residual { layernorm; mlp(64) }"),
        ("add {", "attend"),
    ),
    "a token that attends": (
        token_attends,
        ("attention(2, @", "concat { | slice(0, 1); attention"),
        ("transpose", "reshape", "attend("),
    ),
    "a stack whose mean is taken": (stacked, ("mean {",), ("reshape", "over_channels")),
    "branches chosen by weights": (
        selects,
        ("concat { |", "split(2); add", "softmax"),
        ("over_channels", "transpose"),
    ),
    "pieces of channels chosen by weights": (
        splits,
        ("split(2); add; gap", "softmax"),
        ("over_channels", "transpose"),
    ),
    "windows by reshapes": (pooled, ("maxpool2",), ("reshape", "over_channels")),
    "queries pooled in units": (
        pooled_in_units,
        ("windows(4) {", "maxpool2 attend(2, @"),
        ("transpose", "reshape", "over_channels"),
    ),
    "patches as a file gathers them": (unfolded, ("windows(4) { conv3-16 }",), ("pick", "gather")),
    "one matrix for all heads": (shared_product, ("matmul {",), ()),
}


def written(kind: str, path: Path) -> Path:
    torch.manual_seed(0)
    torch.onnx.export(
        Net(KINDS[kind][0]).eval(),
        (torch.randn(1, 3, 16, 16),),
        str(path),
        dynamo=False,
        opset_version=17,
        input_names=["x"],
    )
    return path


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", KINDS)
def test_what_a_net_does_is_said_shortly(kind: str, tmp_path: Path) -> None:
    _, held, left = KINDS[kind]
    path = written(kind, tmp_path / "net.onnx")
    scrambled(path, tmp_path / "blind.onnx")
    for file in (path, tmp_path / "blind.onnx"):
        found = import_file(file)
        assert found.proof is not None
        whole = " ".join(found.text.split())
        assert all(text in whole for text in held), whole
        assert not any(text in whole for text in left), whole


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", KINDS)
def test_the_text_of_its_own_file_is_the_same(kind: str, tmp_path: Path) -> None:
    scrambled(written(kind, tmp_path / "net.onnx"), tmp_path / "blind.onnx")
    text = import_file(tmp_path / "blind.onnx", name="net").text
    netspec.load(text).to_onnx(tmp_path / "again.onnx", optimize=False)
    assert import_file(tmp_path / "again.onnx", name="net").text == text
