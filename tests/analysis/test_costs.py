"""Parameters, multiply-adds and depth of small nets, counted by hand."""

from __future__ import annotations

from typing import Any

import pytest

from netspec.analysis.costs import Costs, NodeCost, costs, node_cost
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.graph.checked import Graph

FIXED = "dwconv3(fixed=((1, 2, 1), (2, 4, 2), (1, 2, 1)), pad=same)"


def net(text: str) -> Graph:
    return build(Source("t.ns", text))


@pytest.mark.parametrize(
    ("text", "figures"),
    [
        # Trained, frozen, statistics, constants, multiply-adds, depth.
        ("input 4x8x8\nrelu", (0, 0, 0, 0, 0, 0)),
        ("input 1\nfc-1(bias=no)", (1, 0, 0, 0, 1, 1)),
        ("input 4x8x8\nconv1-4(bias=no); bn", (16 + 8, 0, 8, 0, 1024, 1)),
        ("input 4x8x8\nbn(affine=no)", (0, 0, 8, 0, 0, 0)),
        ("input 4x8x8\nfreeze { conv1-4; bn }; conv1-2", (10, 28, 8, 0, 1536, 2)),
        # Shared weights count once, where they are owned, and are multiplied by each time.
        (
            "input 4x8x8\nconv3-4(pad=same) as a; conv3-4(pad=same, weights=@a)",
            (148, 0, 0, 0, 2 * 9216, 2),
        ),
        (
            "input 4x8x8\nfreeze { conv3-4(pad=same) as a }; conv3-4(pad=same, weights=@a)",
            (0, 148, 0, 0, 2 * 9216, 2),
        ),
        # A kernel that the architecture fixes is no weight layer, and its bias is trained.
        (f"input 4x8x8\n{FIXED}", (4, 0, 0, 36, 2304, 0)),
        (f"input 4x8x8\nconv1-4; {FIXED}; conv1-4", (44, 0, 0, 36, 2 * 1024 + 2304, 2)),
        # The longest of the ways that meet.
        ("input 4x8x8\nadd { | conv1-4; conv1-4 | conv1-4 }; fc-2", (574, 0, 0, 0, 3584, 3)),
        (
            "input 4x8x8\nadd { | conv1-4 | identity }; add { | conv1-4 | tanh }",
            (40, 0, 0, 0, 2048, 2),
        ),
        # Of regions as many as are named.
        ("input r: 5 batch(R=7)\nfc-3", (18, 0, 0, 0, 7 * 15, 1)),
    ],
)
def test_figures_are_those_counted_by_hand(text: str, figures: tuple[int, ...]) -> None:
    found = costs(net(text))
    assert found == Costs(*figures)
    assert found.stored == sum(figures[:4])


def test_what_acts_in_training_only_counts_where_it_is_asked_for() -> None:
    graph = net("input 4x8x8\nconv1-4; head h { gap; fc-3; fc-3 }; relu")
    assert costs(graph) == Costs(20, 0, 0, 0, 1024, 1)
    assert costs(graph, heads=True) == Costs(20 + 15 + 12, 0, 0, 0, 1024 + 12 + 9, 1)


def test_multiply_adds_of_open_sizes_are_a_formula() -> None:
    found = costs(net("input 4xHxW\nconv1-4; relu"))
    assert (str(found.macs), found.params, found.depth) == ("16*H*W", 20, 1)


def test_each_node_has_its_own_and_the_net_has_their_sum() -> None:
    graph = net(
        f"input 4x8x8\nconv1-4(norm=bn) as a; {FIXED} as f\n"
        "freeze { conv1-4 as b }; conv1-4(weights=@a) as c; relu"
    )
    by_path = {node.path: node_cost(graph, node) for node in graph.nodes}
    nothing = NodeCost(0, 0, 0, 0, 0)
    assert by_path["input"] == by_path["relu1"] == nothing
    assert by_path["f"] == NodeCost(4, 0, 0, 36, 2304)
    assert by_path["b"] == NodeCost(0, 20, 0, 0, 1024)
    assert by_path["c"] == NodeCost(0, 0, 0, 0, 1024)
    whole: Any = costs(graph)
    for figure in ("params", "params_frozen", "buffers", "constants", "macs"):
        assert getattr(whole, figure) == sum(getattr(one, figure) for one in by_path.values())
