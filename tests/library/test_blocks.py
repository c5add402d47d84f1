"""The shipped blocks: found without import, generic, and as their papers draw them."""

import importlib
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from conftest import Built
from support.places import DOCS

from netspec.analysis.costs import costs
from netspec.backends.torch.modules import to_module
from netspec.diagnostics.raised import NetspecError
from netspec.graph.checked import Graph, Node
from netspec.syntax.files import LIBRARY
from netspec.weights.sources import Seeded

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


# --- against what others compute: each reference takes the tensors of the net in the order that
# torchvision's, timm's or YOLOv5's module holds them.

Tensors = Iterator[torch.Tensor]
Maps = tuple[torch.Tensor, ...]


def _fpn(x: Maps, w: Tensors) -> Maps:
    """torchvision.ops.FeaturePyramidNetwork."""
    inner = [F.conv2d(map_, next(w), next(w)) for map_ in x]
    for i in reversed(range(len(x) - 1)):
        inner[i] = inner[i] + F.interpolate(inner[i + 1], size=inner[i].shape[-2:])
    return tuple(F.conv2d(map_, next(w), next(w), padding=1) for map_ in inner)


def _normed(x: torch.Tensor, w: Tensors, eps: float = 1e-5, **given: Any) -> torch.Tensor:
    kernel = next(w)
    given.setdefault("padding", kernel.shape[-1] // 2)
    weight, bias, mean, var = (next(w) for _ in range(4))
    return F.batch_norm(F.conv2d(x, kernel, **given), mean, var, weight, bias, eps=eps)


def _aspp(x: Maps, w: Tensors) -> Maps:
    """torchvision.models.segmentation.deeplabv3.ASPP, rates 2, 4 and 6."""
    parts = [F.relu(_normed(x[0], w))]
    parts += [F.relu(_normed(x[0], w, padding=rate, dilation=rate)) for rate in (2, 4, 6)]
    pooled = F.relu(_normed(x[0].mean((2, 3), keepdim=True), w))
    parts.append(F.interpolate(pooled, size=x[0].shape[-2:], mode="bilinear"))
    return (F.relu(_normed(torch.cat(parts, 1), w)),)


def _sppf(x: Maps, w: Tensors) -> Maps:
    """YOLOv5's SPPF."""
    parts = [F.silu(_normed(x[0], w, eps=1e-3))]
    for _ in range(3):
        parts.append(F.max_pool2d(parts[-1], 5, 1, 2))
    return (F.silu(_normed(torch.cat(parts, 1), w, eps=1e-3)),)


def _ghost(x: Maps, w: Tensors) -> Maps:
    """timm.models.ghostnet.GhostModule."""
    first = F.relu(_normed(x[0], w))
    return (torch.cat((first, F.relu(_normed(first, w, groups=6))), 1),)


def _mlp(x: Maps, w: Tensors) -> Maps:
    """timm.layers.Mlp."""
    hidden = F.gelu(F.linear(x[0].mT, next(w), next(w)))
    return (F.linear(hidden, next(w), next(w)).mT,)


def _swiglu(x: Maps, w: Tensors) -> Maps:
    """timm.layers.SwiGLU."""
    gate = F.silu(F.linear(x[0].mT, next(w), next(w)))
    return (F.linear(gate * F.linear(x[0].mT, next(w), next(w)), next(w), next(w)).mT,)


def _bottleneck(x: Maps, w: Tensors) -> Maps:
    """torchvision.models.resnet.Bottleneck with dilation 2, stride 2 at the 3x3 and 2 groups."""
    y = F.relu(_normed(x[0], w))
    y = F.relu(_normed(y, w, stride=2, padding=2, dilation=2, groups=2))
    y = _normed(y, w)
    return (F.relu(y + _normed(x[0], w, stride=2)),)


def _basic(x: Maps, w: Tensors) -> Maps:
    """timm.models.resnet.BasicBlock with dilation 2."""
    y = F.relu(_normed(x[0], w, padding=2, dilation=2))
    return (F.relu(x[0] + _normed(y, w, padding=2, dilation=2)),)


_TWO = "input a: 3x9x7\ninput b: 5x5x4\n"
_THREE = f"{_TWO}input c: 4x3x2\n"
_FOUR = f"{_THREE}input d: 2x1x1\n"


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        (f"{_TWO}default conv(norm=bn, act=relu, bias=no)\nfpn(6, @a, @b)", _fpn),
        (f"{_THREE}fpn(6, @a, @b, @c)", _fpn),
        (f"{_FOUR}fpn(6, @a, @b, @c, @d)", _fpn),
        ("input 6x9x11\naspp(4, 2)", _aspp),
        ("input 6x9x7\nsppf(5)", _sppf),
        ("input 5x6x7\nghost(12)", _ghost),
        ("input 6x5\nmlp(7, drop=0.1)", _mlp),
        ("input 6x5\ngated(7)", _swiglu),
        ("input 6x9x8\nbottleneck(4, 2, stride_at=3, groups=2, dilation=2)", _bottleneck),
        ("input 6x9x8\nbasic(6, dilation=2)", _basic),
    ],
    ids=["fpn2", "fpn3", "fpn4", "aspp", "sppf", "ghost", "mlp", "gated", "bottleneck", "basic"],
)
def test_a_block_computes_what_others_do(
    net: Built, text: str, reference: Callable[[Maps, Tensors], Maps]
) -> None:
    graph = net(text)
    model = to_module(graph, Seeded(3)).eval()
    for name, tensor in model.named_buffers():
        if "running" in name:
            torch.nn.init.uniform_(tensor, 0.5, 1.5)
    model = model.double()
    shapes = [node.output.shape for node in graph.inputs]
    x = tuple(torch.randn(2, *map(int, shape), dtype=torch.float64) for shape in shapes)
    weights = [t for name, t in model.state_dict().items() if "num_batches" not in name]
    with torch.no_grad():
        left = iter(weights)
        expected = reference(x, left)
        found = model(*x)
    found = (found,) if isinstance(found, torch.Tensor) else tuple(found)
    assert list(left) == [], "the reference has fewer tensors"
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


# --- the page


def test_the_page_of_blocks_is_current(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(DOCS))
    written = (DOCS / "blocks.md").read_text(encoding="utf-8")
    current = importlib.import_module("make_blocks").page()
    assert written == current, "run `python docs/make_blocks.py`"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("#   s: stride, of the first convolution\n", "", "names other parameters"),
        ("# Example: input 64x56x56; basic(128, s=2)\n", "", "shows no example"),
        ("# Example: ", "# Or so: ", "neither a parameter nor an example"),
    ],
)
def test_a_block_without_its_parameters_or_example_is_no_page(
    monkeypatch: pytest.MonkeyPatch, old: str, new: str, says: str
) -> None:
    monkeypatch.syspath_prepend(str(DOCS))
    make = importlib.import_module("make_blocks")
    text = (LIBRARY / "basic.ns").read_text(encoding="utf-8")
    assert old in text
    with pytest.raises(ValueError, match=says):
        list(make._block("basic", text.replace(old, new)))
