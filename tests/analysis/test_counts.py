"""The presets for counting give what the tools themselves report, to the last digit.

`data/tool_counts.json` is measured by `benchmarks/count_tools.py` with torch, torchinfo and fvcore.
"""

from __future__ import annotations

import json

import pytest
from support.places import DATA
from support.shelves import BLOCKS, LECTURES, shipped

from netspec.analysis.presets import PRESETS
from netspec.analysis.summary import summarize
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.graph.checked import Graph
from netspec.ops.registry import REGISTRY
from netspec.ops.spatial.historic import TableConv
from netspec.passes.deploy import deploy
from netspec.sizes.dims import substitute
from netspec.syntax.files import shipped_names

MEASURED = json.loads((DATA / "tool_counts.json").read_text())
AGAIN = "run `python benchmarks/count_tools.py`"


def assert_counts_are(graph: Graph, measured: dict[str, object]) -> None:
    sizes = measured.get("sizes", {})
    for name in PRESETS:
        # A tool that fails on a net has no total to compare with.
        if isinstance(measured[name], int) and not _differs_by_design(graph, name):
            found = substitute(summarize(graph, count=name).macs, sizes)
            assert found == measured[name], f"{name}; {AGAIN}"


def _differs_by_design(graph: Graph, name: str) -> bool:
    """PyTorch runs a connection table as a full convolution; only its connections count here."""
    return name == "mac" and any(isinstance(node.op, TableConv) for node in graph.nodes)


@pytest.mark.parametrize("name", [*LECTURES, *BLOCKS])
def test_every_shipped_net_counts_as_the_tools_count_it(name):
    assert name in MEASURED["nets"], AGAIN
    assert_counts_are(shipped(name), MEASURED["nets"][name])


@pytest.mark.parametrize("text", MEASURED["examples"])
def test_every_measured_example_counts_as_the_tools_count_it(text):
    assert_counts_are(build(Source("<test>", text)), MEASURED["examples"][text])


@pytest.mark.parametrize("name", ["resnet18", "captioning", "lenet5_1998", "fast_rcnn", "vit_b_16"])
def test_the_flop_counter_is_named_where_it_counts_twice_the_macs(name):
    assert_named_where_it_holds(shipped(name))


@pytest.mark.slow
@pytest.mark.parametrize("name", shipped_names())
def test_the_flop_counter_is_named_for_every_net_that_it_counts_alike(name):
    assert_named_where_it_holds(shipped(name))


def assert_named_where_it_holds(graph: Graph) -> None:
    """Runs the net on torch's meta device, which computes no numbers, under its own counter."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from netspec.backends.torch.modules import skeleton

    sizes = (graph.legality.example(64) or {}) if graph.symbols else {}
    inputs = []
    for tensor in (node.types[0] for node in graph.inputs):
        batch = tensor.batch.rows(graph.nominal_sizes)
        shape = (batch, *(int(substitute(size, sizes)) for size in tensor.shape))
        kind = torch.float32 if tensor.ids is None else torch.int64
        inputs.append(torch.zeros(shape, dtype=kind, device="meta"))
    net = skeleton(deploy(graph)).eval().to_empty(device="meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net(*inputs)
    found = summarize(graph)
    holds = counter.get_total_flops() == 2 * substitute(found.macs, sizes)
    assert holds is ("torch FlopCounter / 2" in found.to_text().replace("\n  ", " "))


def test_every_operator_with_a_cost_is_measured():
    examples = {
        f"net example\ninput {given}\n{step}\n"
        for k in REGISTRY.values()
        for given, step in k.examples
    }
    for text in examples - MEASURED["examples"].keys():
        graph = build(Source("<test>", text))
        assert not any(node.op.weights(*node.input_types) for node in graph.nodes if node.inputs), (
            f"{text!r} is not measured; {AGAIN}"
        )


@pytest.mark.parametrize(
    ("name", "mac", "torchinfo", "fvcore"),
    [
        # Without the averages, one an element, of torchvision's pools, which change nothing here.
        ("alexnet_owt", 714_188_480, 714_682_664, 714_197_696 - 256 * 6 * 6),
        ("vgg16", 15_470_264_320, 15_483_821_032, 15_470_289_408 - 512 * 7 * 7),
        ("googlenet_bn", 1_498_376_192, 1_498_391_752, 1_504_878_688),
        ("resnet50_v1_5", 4_089_184_256, 4_089_238_376, 4_111_512_576),
    ],
)
def test_the_published_modules_of_torchvision_count_alike(name, mac, torchinfo, fvcore):
    graph = shipped(name)
    found = {preset: summarize(graph, count=preset).macs for preset in PRESETS}
    assert found == {"mac": mac, "torchinfo": torchinfo, "fvcore": fvcore}


def test_totals_are_the_sums_of_the_layers_under_every_convention():
    graph = shipped("googlenet_bn")
    for name in PRESETS:
        found = summarize(graph, count=name)
        assert sum(layer.macs for layer in found.layers) == found.macs


def test_most_measurements_succeeded():
    rows = [*MEASURED["nets"].values(), *MEASURED["examples"].values()]
    failed = [row for row in rows if not all(isinstance(row[name], int) for name in PRESETS)]
    assert len(failed) <= len(rows) // 100
