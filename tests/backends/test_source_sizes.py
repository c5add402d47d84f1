"""PyTorch source of nets whose sizes are open: what it computes of a size is of the size at hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from support.differential import OPERATORS, Varied, snippet
from support.sources import faults, made

import netspec
from netspec.backends.torch.modules import to_module
from netspec.backends.torch.source.code import Text, flat
from netspec.backends.torch.source.sizes import Size, Untold, in_example
from netspec.backends.torch.source.write import source

OPEN = [
    pytest.param(declared, step, id=f"{declared.split()[0]} {step}")
    for kind in OPERATORS
    for declared, step in kind.examples
    if any(symbol in declared for symbol in "HWTDKL")
]


@pytest.mark.parametrize(("declared", "step"), OPEN)
def test_sizes_beyond_those_that_were_traced_are_right(declared: str, step: str) -> None:
    graph = snippet(declared, step)
    assert graph.symbols
    assert list(faults(graph, source(graph), large=True)) == []


@pytest.mark.parametrize(
    "step", ["roialign3(@rois, scale=1.954, aligned=yes)", "roialign2x3(@rois)", "roipool3(@rois)"]
)
@pytest.mark.parametrize(("height", "width"), [(9, 14), (70, 150), (301, 33)])
def test_regions_are_cut_off_at_the_border_of_the_map_at_hand(
    step: str, height: int, width: int
) -> None:
    text = f"input image: 2xHxW\ninput rois: 5 batch(R=4)\n@image; {step}\n"
    graph = netspec.load(text).graph
    net, theirs = made(source(graph)).eval(), to_module(graph, Varied()).eval()
    ends = torch.tensor([[0.2, 0.3, 0.9, 0.8], [-0.2, 0.5, 0.5, 1.4], [0.9, 0.9, 3, 3]])
    corners = ends * torch.tensor([width, height] * 2)
    rois = torch.cat([torch.tensor([[0.0], [1.0], [1.0]]), corners], 1)
    image = torch.randn(2, 2, height, width, generator=torch.manual_seed(0))
    assert torch.equal(net(image, rois), theirs(image, rois))


SIZE = Size(Text("x.shape[2]"), 64, 97)


@pytest.mark.parametrize(
    "use",
    [
        int, float, bool, round, range, math.sqrt,
        lambda size: size / 2, lambda size: 2 / size, lambda size: 0.5 * size, lambda size: size**2,
        lambda size: [0] * size, lambda size: "text"[:size], lambda size: size > 80,
        lambda size: max(size, 80),
    ],
)  # fmt: skip
def test_a_size_is_never_taken_for_a_number(use: Callable[[Any], object]) -> None:
    with pytest.raises(Untold):
        use(SIZE)


def test_what_is_computed_of_a_size_is_written_and_compared() -> None:
    found = -(7 - (SIZE * 2 + SIZE) // 5 % 9)
    assert flat(found.code) == "-(7 - (x.shape[2] * 2 + x.shape[2]) // 5 % 9)"
    assert [in_example(found, i) for i in (0, 1)] == [-(7 - n * 3 // 5 % 9) for n in (64, 97)]
    assert SIZE > 63
    assert SIZE + 0 is SIZE * 1 is SIZE
    assert max(SIZE, 3) is SIZE
    assert isinstance(SIZE, int)  # as rules of shapes ask
