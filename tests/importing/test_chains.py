"""Lists that are joined again and again come back as DenseNet's paper has them."""

from __future__ import annotations

from pathlib import Path

import torch

import netspec
from netspec.importing.files.chains import chained
from netspec.importing.files.program import Node


def concat(*inputs: str, to: str, axis: int = 1) -> Node:
    return Node("Concat", inputs, (to,), {"axis": axis})


def test_a_longer_list_is_the_shorter_one_and_the_rest() -> None:
    nodes = [
        concat("a", "b", to="q"),
        Node("Relu", ("q",), ("c",)),
        concat("a", "b", "c", to="r"),
        concat("a", "b", "c", "d", "e", to="s"),
    ]
    found = chained(nodes)
    assert [node.inputs for node in found[2:]] == [("q", "c"), ("r", "d", "e")]


def test_another_order_axis_or_a_shorter_list_is_another_tensor() -> None:
    nodes = [
        concat("a", "b", "c", to="p"),
        concat("a", "b", to="q"),
        concat("b", "a", "c", to="r"),
        concat("a", "b", "d", to="s", axis=2),
        concat("a", "c", "d", to="t"),
    ]
    assert [node.inputs for node in chained(nodes)] == [node.inputs for node in nodes]


class Dense(torch.nn.Module):
    """Torchvision's way: the layers' outputs in a list, joined before each layer."""

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.layers = torch.nn.ModuleList(
            torch.nn.Conv2d(4 + 2 * i, 2, 3, padding=1) for i in range(layers)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        held = [x]
        for layer in self.layers:
            held.append(torch.relu(layer(torch.cat(held, 1))))
        return torch.cat(held, 1)


def test_a_dense_block_is_a_repeat(tmp_path: Path) -> None:
    found = netspec.from_torch(Dense(6), torch.randn(1, 4, 5, 5))
    assert "concat { | identity | conv3-2" in found.text
    assert "x6" in found.text
    assert found.proof is not None
