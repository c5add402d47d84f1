"""The shipped blocks: found without import, generic, and as their papers draw them."""

import re
from collections.abc import Callable

import pytest
from conftest import Built

from netspec.analysis.costs import costs
from netspec.diagnostics.raised import NetspecError
from netspec.graph.checked import Graph, Node
from netspec.syntax.files import LIBRARY

BLOCKS = sorted(path.stem for path in LIBRARY.glob("*.ns"))


def operators(graph: Graph) -> list[str]:
    return [node.op.spelling for node in graph.nodes if node.inputs]


def layers(graph: Graph, spelling: str) -> list[Node]:
    return [node for node in graph.nodes if node.inputs and node.op.spelling == spelling]


@pytest.mark.parametrize("name", BLOCKS)
def test_a_library_file_says_what_its_block_is(name: str) -> None:
    text = (LIBRARY / f"{name}.ns").read_text()
    assert text.startswith("# ")
    assert re.search(rf"^(inline )?block {name}\b", text, re.M)


@pytest.mark.parametrize(
    ("shortcut", "same", "wider"),
    [
        ("auto", ["conv", "add"], ["conv", "conv", "add"]),
        ("project", ["conv", "conv", "add"], ["conv", "conv", "add"]),
        ("pad", ["conv", "add"], ["conv", "subsample", "pad_channels", "add"]),
        ("same", ["conv", "add"], ["conv"]),
        ("identity", ["conv", "add"], None),
    ],
)
def test_a_residual_has_the_shortcut_asked_for(
    net: Built,
    refused: Callable[..., NetspecError],
    shortcut: str,
    same: list[str],
    wider: list[str] | None,
) -> None:
    kept = f"residual(shortcut={shortcut}) {{ conv3-8(pad=1) }}"
    assert operators(net(kept, "8x8x8")) == same
    changed = f"residual(shortcut={shortcut}) {{ conv3-16/2(pad=1) }}"
    if wider is None:
        assert refused(changed, "8x8x8").diagnostics
    else:
        assert operators(net(changed, "8x8x8")) == wider


def test_a_padded_shortcut_has_no_parameters(net: Built) -> None:
    projected = costs(net("residual { conv3-16/2(pad=1) }", "8x8x8"))
    padded = costs(net("residual(shortcut=pad) { conv3-16/2(pad=1) }", "8x8x8"))
    assert projected.params - padded.params == 8 * 16 + 16
    assert padded.params == 16 * (8 * 9 + 1)


def test_a_projection_comes_after_the_branch_it_goes_around(net: Built) -> None:
    graph = net("basic(16, s=2)", "8x8x8")
    assert [node.path for node in layers(graph, "conv")] == [
        "basic1.conv1",
        "basic1.conv2",
        "basic1.shortcut",
    ]


def test_a_basic_unit_costs_18_hw_c_squared(net: Built) -> None:
    assert costs(net("basic(64)", "64x56x56")).macs == 18 * 56 * 56 * 64**2


def test_a_bottleneck_costs_17_hw_c_squared(net: Built) -> None:
    assert costs(net("bottleneck(64)", "256x56x56")).macs == 17 * 56 * 56 * 64**2


@pytest.mark.parametrize(("at", "sizes"), [(1, [4, 4, 4, 4]), (3, [8, 4, 4, 4])])
def test_a_bottleneck_has_its_stride_where_it_is_told(
    net: Built, at: int, sizes: list[int]
) -> None:
    graph = net(f"bottleneck(8, s=2, stride_at={at})", "16x8x8")
    assert [node.output.shape[1] for node in layers(graph, "conv")] == sizes


def test_a_grouped_bottleneck_is_a_resnext_unit(net: Built) -> None:
    graph = net("bottleneck(64, widen=2, groups=32)", "256x56x56")
    convolutions = layers(graph, "conv")
    assert [node.output.shape[0] for node in convolutions] == [128, 128, 256]
    assert convolutions[1].op.weights(*convolutions[1].input_types)[0].shape == (128, 4, 3, 3)


def test_only_the_first_unit_of_a_stage_has_a_stride(net: Built) -> None:
    graph = net("stage(basic, 16, 3)", "8x16x16")
    assert [node.output.shape for node in layers(graph, "add")] == [(16, 8, 8)] * 3
    assert len(layers(graph, "conv")) == 3 * 2 + 1


def test_a_unit_given_to_a_stage_brings_its_own_arguments(net: Built) -> None:
    brought = net("stage(bottleneck(groups=4, stride_at=3), 16, 2)", "8x16x16")
    written = net(
        "bottleneck(16, 2, groups=4, stride_at=3); bottleneck(16, groups=4, stride_at=3)", "8x16x16"
    )
    assert costs(brought) == costs(written)
    assert costs(brought) != costs(net("stage(bottleneck, 16, 2)", "8x16x16"))


def test_what_a_call_says_comes_before_what_the_unit_brought(net: Built) -> None:
    text = "block twice(unit) { unit(width=8); unit }\ntwice(conv3(width=4, pad=1))"
    graph = net(text, "3x8x8")
    assert [node.output.shape[0] for node in graph.nodes if node.inputs] == [8, 4]


def test_squeeze_and_excitation_scales_every_channel(net: Built) -> None:
    graph = net("squeeze_excite(r=16)", "256x56x56")
    assert graph.outputs[0].value.shape == (256, 56, 56)
    assert costs(graph).macs == 2 * 256 * 16
    assert operators(graph) == ["gap", "fc", "relu", "fc", "sigmoid", "mul"]


def test_a_depthwise_separable_convolution_is_called_like_a_convolution(net: Built) -> None:
    graph = net("default conv(pad=same, bias=no)\ndepthwise_separable3-64/2", "64x56x56")
    assert graph.outputs[0].value.shape == (64, 28, 28)
    assert costs(graph).params == 9 * 64 + 64**2


def test_an_inception_module_joins_four_branches(net: Built) -> None:
    graph = net("inception(64, 96, 128, 16, 32, 32)", "192x28x28")
    assert graph.outputs[0].value.shape == (256, 28, 28)
    assert costs(graph).params == 163_328 + 368
    three = net("inception(64, 96, 128, 16, 32, 32, k5=3)", "192x28x28")
    assert costs(graph).params - costs(three).params == 16 * 32 * (25 - 9)


def test_a_callers_defaults_hold_inside_library_blocks(net: Built) -> None:
    plain = net("default conv(norm=none, act=none)\nbasic(8)", "8x8x8")
    assert operators(plain) == ["conv", "conv", "add", "relu"]


@pytest.mark.parametrize("size", [13, 14, 10])
def test_levels_of_a_spatial_pyramid_have_n_by_n_bins(net: Built, size: int) -> None:
    levels = (3, 2, 1)
    branches = " ".join(f"| pyramid_level({n})" for n in levels)
    graph = net(f"concat {{ {branches} }}", f"5x{size}x{size}")
    assert graph.outputs[0].value.shape == (5 * sum(n * n for n in levels),)
    assert [p.op.kernel[0] for p in layers(graph, "maxpool")] == [-(-size // n) for n in levels]
    assert [p.op.stride[0] for p in layers(graph, "maxpool")] == [size // n for n in levels]
