"""`preprocess` lines: what they say of an input, what is refused, what another size makes of them."""

from __future__ import annotations

from typing import Any

import pytest
from support.shelves import shipped

from netspec.analysis.preprocessing import Preprocessing, preprocessings, usual
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.graph.checked import Graph
from netspec.graph.written import written
from netspec.syntax.files import read_spec, shipped_names
from netspec.syntax.fmt import format_text

TORCHVISION = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


def net(line: str, shape: str = "3x8x8", head: str = "net t", **settings: Any) -> Graph:
    return build(Source("<test>", f"{head}\n{line}\ninput {shape}\nconv1-2\n"), settings)


def line_of(graph: Graph) -> Preprocessing:
    (how,) = preprocessings(graph).values()
    return how


def test_what_a_line_leaves_out_follows_from_the_input() -> None:
    how = line_of(net("preprocess range=(0, 1)"))
    assert how == Preprocessing(
        None, (8, 8), 0, "bilinear", "rgb", (0.0, 1.0), (0.0,) * 3, (1.0,) * 3
    )
    assert line_of(net("preprocess range=(0, 1)", "1x8x8")).channels == "grey"
    assert line_of(net("preprocess range=(0, 1)", "4x8x8")).channels == ""
    assert line_of(net("preprocess resize=9", "3xHxW")).crop is None


def test_a_line_says_all_there_is_to_say() -> None:
    how = line_of(
        net(
            "preprocess resize=(12, 10), crop=(6, 4), pad=1, interpolation=bicubic, channels=bgr, "
            'range=(0, 255), mean=(104, 117, 123.5), std=2, source="paper"',
            "3x8x6",
        )
    )
    numbers = ((0.0, 255.0), (104.0, 117.0, 123.5), (2.0, 2.0, 2.0))
    assert how == Preprocessing((12, 10), (6, 4), 1, "bicubic", "bgr", *numbers)
    assert str(how) == (
        "resized to 12x10, centre 6x4, 1 pixels around, bgr, from 0 to 255, "
        "less a mean of 104, 117, 123.5, over a deviation of 2"
    )


def test_a_pixel_is_mapped_to_the_range_then_normalised() -> None:
    how = line_of(net("preprocess range=(-1, 1), mean=0.5, std=0.25"))
    (scale, *_), (shift, *_) = how.scales(), how.shifts()
    assert (shift, 255 * scale + shift) == pytest.approx(((-1 - 0.5) / 0.25, (1 - 0.5) / 0.25))


@pytest.mark.parametrize(
    ("line", "shape", "says"),
    [
        ("mean=(1, 2)", "3x8x8", "mean has 2 numbers, the input 3 channels"),
        ("std=(1, 2, 3)", "1x8x8", "std has 3 numbers, the input one channel"),
        ("std=0", "3x8x8", "std must be a number above 0, or one for each channel, got 0"),
        ("std=(1, -1, 1)", "3x8x8", "std must be a number above 0"),
        ("mean=10000000", "3x8x8", "mean must be a number"),
        ("range=(1, 1)", "3x8x8", "range must be what 0 and 255 become"),
        ("resize=0", "3x8x8", "resize must be a whole size from 1 to 8192"),
        ("resize=8193", "3x8x8", "resize must be a whole size from 1 to 8192"),
        ("resize=yes", "3x8x8", "resize must be a whole size"),
        ("resize=7", "3x8x8", "the crop of 8x8 is larger than what is resized to 7"),
        ("resize=(9, 7)", "3x8x8", "larger than what is resized to 9x7"),
        ("crop=7", "3x8x8", "the crop makes 7x7, the input is 3x8x8"),
        ("crop=8, pad=1", "3x8x8", "the crop and 1 pixels around it make 10x10"),
        ("pad=4", "3x8x8", "4 pixels on each side leave nothing for the image"),
        ("channels=bgr", "1x8x8", "`bgr` is three channels, and the input has 1"),
        ("channels=grey", "3x8x8", "`grey` is one channel, and the input has 3"),
        ("channels=gray", "3x8x8", "channels must be rgb, bgr or grey, got gray"),
        ("interpolation=area", "3x8x8", "interpolation must be nearest, bilinear or bicubic"),
        ("resise=9", "3x8x8", "did you mean `resize`?"),
        ("top1=1", "3x8x8", "no `preprocess` line has a key `top1`"),
        ("std=1, std=2", "3x8x8", "std"),
        ("image=photo, std=1", "3x8x8", "the net has no input `photo`"),
        ("std=1", "8", "an image is an input of channels, height and width"),
        ("std=1", "3x4x8x8", "an image is an input of channels, height and width"),
        ("std=1", "8 ids(4)", "`input` is no image"),
    ],
)
def test_what_does_not_fit_is_refused(line: str, shape: str, says: str) -> None:
    step = "gap" if "ids" in shape else "relu"
    text = f"preprocess {line}\ninput {shape}\n{'embedding-4; ' if 'ids' in shape else ''}{step}\n"
    with pytest.raises(NetspecError) as caught:
        build(Source("<test>", text))
    assert len(caught.value.diagnostics) == 1
    assert says in str(caught.value)


TWO = "input photo: 3x8x8\ninput depth: 1x8x8\nconcat; conv1-2\n"


def test_of_several_inputs_each_line_names_its_own() -> None:
    lines = "preprocess image=depth, range=(0, 2)\npreprocess image=photo, channels=bgr\n"
    found = preprocessings(build(Source("<test>", lines + TWO)))
    assert {name: how.channels for name, how in found.items()} == {"depth": "grey", "photo": "bgr"}


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("preprocess std=1\n", "the net has several inputs"),
        ("preprocess image=phto\n", "did you mean `photo`?"),
        ("preprocess image=photo\npreprocess image=photo\n", "another line is of `photo` already"),
    ],
)
def test_which_input_is_meant_is_asked(lines: str, says: str) -> None:
    with pytest.raises(NetspecError) as caught:
        build(Source("<test>", lines + TWO))
    assert says in str(caught.value)


def test_a_line_follows_the_nets_parameters() -> None:
    head, line, shape = "net t(size=8)", "preprocess resize=size*8/7, crop=size", "(3, size, size)"
    graph = net(line.replace("*8/7", "+2"), shape, head, size=16)
    assert (line_of(graph).resize, line_of(graph).crop) == (18, (16, 16))


def test_another_input_size_takes_the_same_part_of_the_image() -> None:
    source = Source("<test>", "preprocess resize=256, crop=224\ninput 3x224x224\nconv1-2\n")
    at = {
        given: preprocessings(build(source, {}, (given,)))
        for given in ("3x448x448", "3x224x320", "3xHxW", "1x224x224", "3x8x8")
    }
    found = {given: [(how.resize, how.crop) for how in hows.values()] for given, hows in at.items()}
    assert found == {
        "3x448x448": [(512, (448, 448))],
        "3x224x320": [(256, (224, 320))],
        "3xHxW": [(256, (224, 224))],
        "1x224x224": [(256, (224, 224))],
        "3x8x8": [(9, (8, 8))],
    }


def test_a_line_that_another_input_cannot_follow_is_left_out() -> None:
    source = Source("<test>", "preprocess channels=bgr\ninput 3x8x8\nconv1-2\n")
    for given in ("1x8x8", "3x4x8x8", "3x8"):
        assert preprocessings(build(source, {}, (given,))) == {}
    with pytest.raises(NetspecError, match="resized to 4"):
        build(Source("<test>", source.text.replace("channels=bgr", "resize=4")), {}, ("3x4x4",))


def test_a_line_outlives_being_written_flat_and_formatted() -> None:
    text = "net t\npreprocess resize=9,   std=0.000001, channels=bgr, mean=(1, 2.5, -3)\n"
    graph = build(Source("<test>", f"{text}input 3x8x8\nconv1-2\n"), {}, ("3x16x16",))
    again = build(Source("<test>", written(graph)))
    assert preprocessings(again) == preprocessings(graph)
    assert "preprocess resize=9, std=0.000001, channels=bgr, mean=(1, 2.5, -3)" in format_text(text)


def test_a_variation_inherits_the_line_of_its_net_and_an_import_does_not() -> None:
    assert line_of(shipped("densenet169")) == line_of(shipped("densenet121"))
    variation = Source("<test>", "net t = densenet121(n3=32)\ninput 3x64x64\n")
    how = line_of(build(variation))
    assert (how.resize, how.crop) == (73, (64, 64))
    assert preprocessings(build(Source("<test>", "import vgg11\ninput 3x224x224\nvgg11\n"))) == {}


def test_shipped_lines_are_the_published_ones() -> None:
    found = {name: preprocessings(shipped(name)) for name in ("resnet18", "inception_v3")}
    (resnet,), (inception,) = (list(hows.values()) for hows in found.values())
    assert (resnet.resize, resnet.crop) == (256, (224, 224))
    assert {"mean": resnet.mean, "std": resnet.std} == TORCHVISION
    # 0.485 + 0.229 y is the pixel, and torchvision's transform_input makes (0.229 y - 0.015) / 0.5 of y.
    for mean, std, scale, shift in zip(
        resnet.mean, resnet.std, inception.scales(), inception.shifts(), strict=True
    ):
        normalised = (128 / 255 - mean) / std
        assert normalised * (std / 0.5) + (mean - 0.5) / 0.5 == pytest.approx(128 * scale + shift)
    (lenet,) = preprocessings(shipped("lenet5_1998")).values()
    ends = [255 * lenet.scales()[0] + lenet.shifts()[0], lenet.shifts()[0]]
    assert ends == pytest.approx([1.175, -0.1])


def test_every_shipped_line_has_a_source() -> None:
    lines = [
        dict(value)
        for name in shipped_names("lectures")
        if "\npreprocess" in read_spec(name).text
        for key, value in shipped(name).metadata
        if key == "preprocess"
    ]
    assert len(lines) > 30
    assert all("source" in line for line in lines)


def test_where_nobody_said_imagenet_is_assumed_for_three_channels() -> None:
    assert usual((3, 8, 8)).mean == TORCHVISION["mean"]
    assert usual((1, 8, 8)).mean == (0.0,)
    assert usual([3, "H", "W"]).crop is None
