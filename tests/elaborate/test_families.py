"""One text, a family: settings, sizes and variations reach the published members exactly."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.places import EXAMPLES

from netspec.analysis.costs import costs, node_cost
from netspec.cli.main import main
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.graph.checked import Graph, Node
from netspec.ops.declare.values import show
from netspec.sizes.dims import substitute
from netspec.syntax.files import read_spec


def member(name: str, *inputs: str, **settings: object) -> Graph:
    return build(read_spec(name), settings, inputs)


def steps(graph: Graph, word: str) -> list[Node]:
    """The nodes of one operator."""
    return [node for node in graph.nodes if node.inputs and node.op.spelling == word]


def figures(graph: Graph) -> tuple[int, object]:
    return costs(graph).params, costs(graph).macs


# --- nets written from the language alone

SPECS = sorted(EXAMPLES.glob("*.ns"))


@pytest.mark.parametrize("path", SPECS, ids=[path.stem for path in SPECS])
def test_an_architecture_published_later_needs_only_its_own_text(path: Path) -> None:
    graph = build(read_spec(str(path)))
    assert graph.name == path.stem
    assert "expect params=" in graph.source.text
    assert {key for key, _ in graph.metadata} >= {"paper", "table", "year"}


# --- MobileNet: width and resolution multipliers

MOBILENET = {
    1: (4_231_976, {224: 568_740_352, 192: 418_121_728, 160: 290_675_200, 128: 186_400_768}),
    0.75: (2_585_560, {224: 325_400_448, 192: 239_273_472, 160: 166_396_800, 128: 106_770_432}),
    0.5: (1_331_592, {224: 149_497_088, 192: 109_970_432, 160: 76_524_800, 128: 49_160_192}),
    0.25: (470_072, {224: 41_030_272, 192: 30_212_608, 160: 21_059_200, 128: 13_570_048}),
}
GRID = [(a, size, p, macs[size]) for a, (p, macs) in MOBILENET.items() for size in macs]


@pytest.mark.parametrize(("alpha", "size", "params", "macs"), GRID)
def test_mobilenet_has_the_figures_of_each_width_and_resolution(
    alpha: float, size: int, params: int, macs: int
) -> None:
    by_input = member("mobilenet_v1", f"3x{size}x{size}", alpha=alpha)
    by_multiplier = member("mobilenet_v1", alpha=alpha, rho=size / 224)
    assert figures(by_input) == figures(by_multiplier) == (params, macs)
    assert by_multiplier.inputs[0].types[0].shape == (3, size, size)


def test_the_multipliers_are_settings_of_the_command_line() -> None:
    for chosen in (["--input", "3x160x160"], ["--set", f"rho={160 / 224}"]):
        arguments = ["summary", "mobilenet_v1", "--set", "alpha=0.5", *chosen]
        result = CliRunner().invoke(main, [*arguments, "--format", "json"])
        assert result.exit_code == 0, result.output
        found = json.loads(result.output)
        assert (found["params"], found["macs"]) == (1_331_592, 76_524_800)


def test_mobilenet_padded_as_tensorflow_does_counts_the_same() -> None:
    published, ported = member("mobilenet_v1", pad="tf_same", act="relu6"), member("mobilenet_v1")
    assert figures(published) == figures(ported)
    assert [node.types for node in published.nodes] == [node.types for node in ported.nodes]


@pytest.mark.parametrize(("alpha", "params"), [(0.5, 1_968_680), (1.4, 6_108_776)])
def test_mobilenet_v2_rounds_its_widths_to_multiples_of_8(alpha: float, params: int) -> None:
    assert figures(member("mobilenet_v2", alpha=alpha))[0] == params


# --- members reached by parameters

MEMBERS = [
    ("shufflenet_v1", {"bias": True}, 1_865_728, 137_460_672),
    ("shufflenet_v1", {"g": 8, "width": 384}, 2_433_768, 138_365_952),
    ("shufflenet_v1", {"width": 480, "first": 48}, 5_449_776, 524_045_184),
    ("shufflenet_v1", {"width": 120, "first": 12}, 717_324, 37_589_856),
    ("shufflenet_v2", {"width": 48}, 1_366_792, 40_476_448),
    ("shufflenet_v2", {"width": 176}, 3_503_624, 295_759_392),
    ("shufflenet_v2", {"width": 244, "last": 2048}, 7_393_996, 583_253_464),
    ("densenet121", {"n3": 48, "n4": 32}, 20_013_928, 4_291_365_888),
    ("densenet121", {"k": 48, "n3": 36, "n4": 24}, 28_681_000, 7_727_907_072),
    ("densenet40_12", {"first": 24}, 1_059_298, 282_917_328),
    ("densenet40_12", {"depth": 100, "first": 24, "bottleneck": True}, 769_162, 287_929_692),
    ("fractalnet20", {"classes": 100}, 33_770_788, 845_268_992),
    ("fractalnet20", {"columns": 4}, 76_106_634, 2_036_077_568),
    ("fractalnet20", {"width": 16}, 2_113_594, 53_822_720),
    ("fractalnet20", {"width": 16, "columns": 4}, 4_767_210, 128_582_912),
    ("wrn28_10", {"depth": 40, "width": 4}, 8_949_210, 1_298_582_016),
    ("wrn28_10", {"depth": 16, "width": 8}, 10_961_370, 1_548_145_664),
    ("wrn50_2", {"n3": 23}, 126_886_696, 22_753_050_624),
    ("dqn", {"actions": 8}, 1_688_232, 9_347_072),
    ("dqn", {"actions": 4}, 1_686_180, 9_345_024),
    ("dqn", {"n": 16, "third": False, "hidden": 256, "actions": 4}, 677_172, 2_966_528),
    ("c3d", {"classes": 101}, 78_409_573, 38_547_378_176),
    (
        "c3d",
        {"convs": 1, "n4": 256, "hidden": 2048, "classes": 101},
        17_444_965,
        19_261_106_176,
    ),
    ("sentence_cnn", {"static": True}, 360_902, 21_900_600),
    ("sentence_cnn", {"multichannel": True}, 5_990_702, 43_800_600),
    ("vgg16_localization", {"boxes": 1000}, 150_648_544, 15_482_552_320),
    ("vgg16", {"classes": 1004}, 138_373_932, 15_470_280_704),
    ("vgg16_transfer", {"tune": True}, 119_586_826, 15_466_209_280),
    ("vgg16_transfer", {"classes": 20}, 81_940, 15_466_250_240),
]


@pytest.mark.parametrize(("name", "settings", "params", "macs"), MEMBERS)
def test_parameters_reach_another_published_member(
    name: str, settings: dict[str, object], params: int, macs: int
) -> None:
    assert figures(member(name, **settings)) == (params, macs)


SIZED = [
    ("dqn", "3x210x160", {"actions": 8}, 11_614_888, 50_890_752),
    ("unet", "1x512x512", {"pad": "same"}, 31_030_658, 192_384_335_872),
    (
        "unet",
        "3x512x512",
        {"pad": "same", "norm": "bn", "bias": False},
        31_037_698,
        192_686_325_760,
    ),
    ("fcn32s", "image:3x224x224", {}, 134_346_581, 62_787_564_288),
    ("fcn16s", "image:3x224x224", {}, 134_357_354, 62_826_561_792),
    ("fcn8s", "image:3x224x224", {}, 134_362_751, 62_860_657_728),
]


@pytest.mark.parametrize(("name", "size", "settings", "params", "macs"), SIZED)
def test_another_input_size_reaches_another_published_member(
    name: str, size: str, settings: dict[str, object], params: int, macs: int
) -> None:
    assert figures(member(name, size, **settings)) == (params, macs)


RELATIVES = {
    "SqueezeNet 1.0": (
        """
        input 3x224x224
        default conv(pad=same, act=relu)
        default maxpool(ceil=yes)
        block fire(s, e) { conv1-s; concat { | conv1-e | conv3-e } }
        conv7-96/2(pad=0); maxpool3/2
        fire(16, 64) x2; fire(32, 128); maxpool3/2
        fire(32, 128); fire(48, 192) x2; fire(64, 256); maxpool3/2
        fire(64, 256); dropout; conv1-1000; gap; softmax
        """,
        (1_248_424, 0, 818_924_576),
    ),
    "Xception": (
        """
        input 3x299x299
        default conv(bias=no, norm=bn)
        block sep(kernel, width) { dwconv(kernel, pad=same, norm=none); conv1-width }
        block entry(n, first=yes) {
          residual { if first { relu }; sep3-n; relu; sep3-n; maxpool3/2(pad=1) }
        }
        conv3-32/2(act=relu); conv3-64(act=relu)
        entry(128, no); entry(256); entry(728)
        residual { relu; sep3-C; relu; sep3-C; relu; sep3-C } x8
        residual { relu; sep3-728; relu; sep3-1024; maxpool3/2(pad=1) }
        sep3-1536; relu; sep3-2048; relu
        gap; fc-1000; softmax
        """,
        (22_855_952, 0, None),
    ),
    "an autoencoder that upsamples": (
        """
        input 1x28x28
        default conv(pad=same, act=relu)
        default maxpool(pad=tf_same)
        conv3-16; maxpool2; conv3-8; maxpool2; conv3-8; maxpool2
        conv3-8; upsample(2); conv3-8; upsample(2); conv3-16(pad=valid); upsample(2)
        conv3-1(act=sigmoid)
        """,
        (4_385, 0, 751_680),
    ),
    "a variational autoencoder of fully connected layers": (
        """
        input 784
        default fc(act=relu)
        fc-400; { | fc-20(act=none) as mu | fc-20(act=none) as log_var }; sample
        fc-400; fc-784(act=sigmoid) as image
        output image, mu, log_var
        """,
        (652_824, 0, 651_200),
    ),
    "Fast R-CNN on CaffeNet": (
        """
        input image: 3x600x800
        input rois: 5 batch(R=1)
        default conv(pad=same, act=relu)
        default maxpool(ceil=yes)
        @image
        freeze { conv11-96/4 }
        maxpool3/2(pad=1); lrn(5); conv5-256(groups=2); maxpool3/2(pad=1); lrn(5)
        conv3-384; conv3-384(groups=2); conv3-256(groups=2)
        roipool6(@rois, scale=1/16)
        fc-4096(act=relu); dropout; fc-4096(act=relu); dropout; { | fc-21; softmax | fc-84 }
        """,
        (57_263_465, 34_944, None),
    ),
    "Fast R-CNN on VGG_CNN_M_1024": (
        """
        input image: 3x600x800
        input rois: 5 batch(R=1)
        default conv(pad=1, act=relu)
        @image
        freeze { conv7-96/2(pad=0) }
        lrn(5); maxpool3/2; conv5-256/2; lrn(5); maxpool3/2; conv3-512 x3
        roipool6(@rois, scale=1/16)
        fc-4096(act=relu); dropout; fc-1024(act=relu); dropout; { | fc-21; softmax | fc-84 }
        """,
        (86_318_953, 14_208, None),
    ),
}


@pytest.mark.parametrize("name", RELATIVES)
def test_a_relative_takes_a_few_lines(name: str, net: Callable[..., Graph]) -> None:
    text, (params, frozen, macs) = RELATIVES[name]
    found = costs(net(text))
    assert (found.params, found.params_frozen) == (params, frozen)
    assert macs is None or found.macs == macs


@pytest.mark.parametrize(
    ("settings", "frozen"), [({"static": True}, 5_629_800), ({"multichannel": True}, 5_629_800)]
)
def test_a_fixed_embedding_is_frozen(settings: dict[str, object], frozen: int) -> None:
    assert costs(member("sentence_cnn", **settings)).params_frozen == frozen


def test_a_sentence_classifier_shares_its_filters_between_both_embeddings() -> None:
    graph = member("sentence_cnn", multichannel=True)
    convs = steps(graph, "conv")
    assert len(convs) == 6
    assert len({node.owner for node in convs}) == 3


def part(graph: Graph, *prefixes: str) -> tuple[int, int]:
    """Parameters and multiply-adds of the nodes under some paths."""
    found = [node_cost(graph, n) for n in graph.nodes if n.path.startswith(prefixes)]
    return sum(c.params for c in found), sum(int(str(c.macs)) for c in found)


def test_the_parts_of_a_net_have_the_figures_published_for_them() -> None:
    vae = member("vae")
    assert part(vae, "encoder1", "mean", "log_variance") == (69_076, 1_009_856)
    assert part(vae, "image") == (65_089, 5_651_072)
    captioning = member("captioning")
    whole, backbone = part(captioning, ""), part(captioning, "cnn")
    assert (whole[0] - backbone[0], whole[1] - backbone[1]) == (14_448_912, 124_788_736)


@pytest.mark.parametrize("name", ["resnet18", "resnet50_v1_5", "se_resnet50", "wrn50_2"])
def test_the_stages_of_a_residual_net_can_be_read_by_what_imports_it(name: str) -> None:
    branches = "".join(f"| @b.stage{i} " for i in (1, 2, 3, 4))
    text = (
        f"net pyramid\nimport {name}\ninput 3x224x224\n{name}(until=stage4) as b\n{{ {branches}}}\n"
    )
    levels = [output.value.shape for output in build(Source("pyramid.ns", text)).outputs]
    assert [shape[1:] for shape in levels] == [(56, 56), (28, 28), (14, 14), (7, 7)]


def test_fractal_joins_flatten_into_one_mean_over_every_column() -> None:
    for columns in (2, 3, 4):
        graph = member("fractalnet20", columns=columns)
        ends = [node for node in steps(graph, "mean") if node.path.count(".") == 2]
        assert [len(node.inputs) for node in ends] == [columns] * 5
        assert costs(graph).depth == 5 * 2 ** (columns - 1) + 1


# --- sizes left open

OPEN = [
    ("unet", "1xHxW", {}, "H >= 188"),
    ("unet", "1xHxW", {"pad": "same"}, "H >= 16"),
    ("fcn32s", "image:3xHxW", {}, "H >= 1"),
    ("fcn16s", "image:3xHxW", {}, "H >= 1"),
    ("fcn8s", "image:3xHxW", {}, "H >= 1"),
    ("deconvnet", "3xHxW", {}, "H >= 224"),
    ("dilated_frontend", "3xHxW", {}, "H >= 380"),
    ("dilated_context", "21xHxW", {}, "H >= 1"),
    ("autoencoder", "1xHxW", {}, "H >= 4"),
    ("densenet121", "3xHxW", {}, "H >= 29"),
    ("mobilenet_v2", "3xHxW", {}, "H >= 1"),
]


@pytest.mark.parametrize(("name", "size", "settings", "rule"), OPEN)
def test_an_open_size_is_legal_exactly_where_a_concrete_one_builds(
    name: str, size: str, settings: dict[str, object], rule: str
) -> None:
    graph = member(name, size, **settings)
    legal = graph.legality.sets["H"]
    assert legal.describe("H") == rule
    first = next(legal.from_(1))
    for height in {*range(max(1, first - 3), first + 5), first + 37, 2 * first + 64, 500, 903}:
        concrete = size.replace("H", str(height)).replace("W", str(height + 6))
        try:
            built = member(name, concrete, **settings)
        except NetspecError:
            assert height not in legal
            continue
        assert height in legal
        sizes = {"H": height, "W": height + 6}
        for symbolic, actual in zip(graph.outputs, built.outputs, strict=True):
            found = tuple(substitute(dim, sizes) for dim in symbolic.value.shape)
            assert found == actual.value.shape
        assert substitute(costs(graph).macs, sizes) == costs(built).macs


def test_a_fully_convolutional_net_labels_every_pixel_of_any_image() -> None:
    for name in ("fcn32s", "fcn16s", "fcn8s"):
        graph = member(name, "image:3xHxW")
        assert str(graph.outputs[0].value.type) == "21xHxW"


def test_the_unet_of_the_paper_loses_92_pixels_on_each_side() -> None:
    for size in (572, 316, 188 + 16 * 9):
        (output,) = member("unet", f"1x{size}x{size}").outputs
        assert output.value.shape == (2, size - 184, size - 184)


def test_a_net_with_a_fixed_head_refuses_another_size() -> None:
    with pytest.raises(NetspecError) as caught:
        member("vgg16", "3xHxW")
    assert len(caught.value.diagnostics) == 1


# --- residuals, whatever the rank


@pytest.mark.parametrize(
    ("size", "step", "shortcut"),
    [
        ("4x20", "conv3-8/2(pad=1)", "conv(kernel=1, stride=2, width=8)"),
        ("4x20x20", "conv3-8(pad=1, stride=1x2)", "conv(kernel=1, stride=(1, 2), width=8)"),
        ("4x6x8x8", "conv3-8/2(pad=1)", "conv(kernel=1, stride=2, width=8)"),
        ("4x20", "conv1-4", None),
        ("8", "fc-8", None),
    ],
)
def test_a_residual_projects_by_need_whatever_the_number_of_axes(
    size: str, step: str, shortcut: str | None, net: Callable[..., Graph]
) -> None:
    graph = net(f"residual {{ {step} }}", input=size)
    projections = [node for node in steps(graph, "conv") if node.path == "shortcut"]
    kept = ("kernel", "stride", "width")
    shown = [
        f"conv({', '.join(f'{k}={show(getattr(n.op, k))}' for k in kept)})" for n in projections
    ]
    assert shown == ([shortcut] if shortcut else [])


def test_a_setting_may_name_a_block_of_the_net(tmp_path: Path) -> None:
    (tmp_path / "whole.ns").write_text(
        "net whole(unit=plain)\n"
        "input 4x8x8\n"
        "block plain(n, s=1) { conv3-n/s(pad=1) }\n"
        "block lean(n, s=1) { conv1-n/s }\n"
        "stage(unit, 4, 2)\n"
    )
    (tmp_path / "lean.ns").write_text("net lean = whole(unit=lean)\n")

    def params(name: str, **settings: object) -> int:
        return costs(build(read_spec(str(tmp_path / f"{name}.ns")), settings)).params

    assert params("whole") == 2 * (3 * 3 * 4 * 4 + 4)
    assert params("whole", unit="lean") == params("lean") == 2 * (4 * 4 + 4)
    assert params("lean", unit="plain") == params("whole")
    assert params("lean", unit="basic") > params("whole")
