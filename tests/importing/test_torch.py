"""Modules of PyTorch: exported, read and proven against the module itself."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import netspec

IMAGE = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))


class Calls(nn.Module):
    """A function with modules of its own."""

    def __init__(self, call: Any, **parts: nn.Module) -> None:
        super().__init__()
        self.call = call
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, *inputs: Any) -> Any:
        return self.call(self, *inputs)


def shuffled(self: Any, x: Any) -> Any:
    n, c, h, w = x.shape
    return self.conv(x.view(n, 3, c // 3, h, w).transpose(1, 2).reshape(n, c, h, w))


def gated(self: Any, x: Any) -> Any:
    y = self.conv(x)
    return y * torch.sigmoid(self.up(F.relu(self.down(F.adaptive_avg_pool2d(y, 1)))))


def patches(self: Any, x: Any) -> Any:
    y = self.conv(x).flatten(2).transpose(1, 2)
    y = torch.cat([self.token.expand(x.shape[0], -1, -1), y], 1)
    y = y + self.mha(*[self.norm(y)] * 3, need_weights=False)[0]
    return self.head(y[:, 0])


def joined(self: Any, x: Any) -> Any:
    n = x.shape[0]
    y = self.conv(x).flatten(2).transpose(1, 2)
    q, k, v = self.qkv(y).reshape(n, -1, 3, 2, 4).permute(2, 0, 3, 1, 4)
    y = ((q * 0.5) @ k.transpose(-2, -1)).softmax(-1) @ v
    return self.out(y.transpose(1, 2).reshape(n, -1, 8))


def last(self: Any, x: Any) -> Any:
    y = self.conv(x).permute(0, 2, 3, 1)
    return self.fc(F.gelu(self.norm(y))).permute(0, 3, 1, 2)


def with_token(module: nn.Module) -> nn.Module:
    module.token = nn.Parameter(torch.randn(1, 1, 8))
    return module


def conv(out: int = 8, **more: Any) -> nn.Conv2d:
    return nn.Conv2d(3, out, 3, **more)


MODULES = {
    "residual": (
        Calls(
            lambda s, x: F.relu(s.bn(s.conv(x)) + s.skip(x)),
            conv=conv(padding=1),
            bn=nn.BatchNorm2d(8),
            skip=nn.Conv2d(3, 8, 1),
        ),
        ["conv", "conv", "add", "relu"],
    ),
    "shuffle": (Calls(shuffled, conv=nn.Conv2d(6, 4, 1)), ["shuffle", "conv"]),
    "gate": (
        Calls(gated, conv=conv(), down=nn.Conv2d(8, 4, 1), up=nn.Conv2d(4, 8, 1)),
        ["conv", "gap", "conv", "relu", "conv", "sigmoid", "mul"],
    ),
    "patches": (
        with_token(
            Calls(
                patches,
                conv=nn.Conv2d(3, 8, 4, 4),
                norm=nn.LayerNorm(8),
                mha=nn.MultiheadAttention(8, 2, batch_first=True),
                head=nn.Linear(8, 5),
            )
        ),
        ["conv", "sequence", "token", "layernorm", "attention", "add", "slice", "fc"],
    ),
    "joined": (
        Calls(joined, conv=nn.Conv2d(3, 8, 4, 4), qkv=nn.Linear(8, 24), out=nn.Linear(8, 8)),
        ["conv", "attention"],
    ),
    "channels last": (
        Calls(last, conv=conv(), norm=nn.LayerNorm(8), fc=nn.Linear(8, 6)),
        ["conv", "layernorm", "gelu", "fc"],
    ),
    "classifier": (
        nn.Sequential(
            conv(),
            nn.MaxPool2d(3, 2, 1),
            nn.Flatten(),
            nn.Dropout(),
            nn.Linear(392, 4),
            nn.Softmax(1),
        ),
        ["conv", "maxpool", "fc", "softmax"],
    ),
    "pools": (
        nn.Sequential(
            nn.AvgPool2d(3, 2, 1), nn.MaxPool2d(3, 2, 1, ceil_mode=True), nn.AdaptiveAvgPool2d(1)
        ),
        ["avgpool", "maxpool", "gap"],
    ),
    "responses": (
        nn.Sequential(
            conv(),
            nn.LocalResponseNorm(5),
            nn.LocalResponseNorm(4, alpha=3e-4, k=2.0),
            nn.LocalResponseNorm(3, beta=0.5),
        ),
        ["conv", "lrn", "lrn", "lrn"],
    ),
    "activations": (
        nn.Sequential(
            nn.SiLU(), nn.Hardswish(), nn.Mish(), nn.Hardsigmoid(), nn.GELU("tanh"), nn.ReLU6()
        ),
        ["silu", "hardswish", "mish", "hardsigmoid", "gelu", "relu6"],
    ),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_read_and_proven(name: str) -> None:
    torch.manual_seed(1)
    module, words = MODULES[name]
    example = torch.randn(1, 6, 8, 8) if name == "shuffle" else IMAGE
    found = netspec.from_torch(module, example)
    assert found.proof is not None
    assert found.proof.error < 1e-5
    spelt = [node.op.spelling for node in found.graph.nodes[1:]]
    assert spelt[: len(words)] == words
    assert module.training


@pytest.mark.filterwarnings("ignore")
def test_another_module_is_no_proof_of_this_one(tmp_path: Any) -> None:
    from netspec.importing.imported import import_file

    path = tmp_path / "net.onnx"
    torch.onnx.export(conv().eval(), (IMAGE,), str(path), dynamo=False, input_names=["x"])
    other = conv().eval()
    with pytest.raises(netspec.NetspecError) as caught, torch.no_grad():
        import_file(path, run=lambda feeds: [other(torch.from_numpy(feeds["x"])).numpy()])
    assert caught.value.diagnostics[0].problem.code == "NS803"
