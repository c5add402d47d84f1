"""What detectors, samplers and nets on points are made of, as others write it: places, regions, maxima."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto
from support.foreign_files import Array, node, numbers, written
from support.onnx_files import scrambled

import netspec
from netspec.graph.same import same
from netspec.importing.imported import Imported, import_file
from netspec.passes.deploy import deploy

ints = np.int64
MAP, ROWS = ("N", 4, 6, 6), ("N", 4, 9)
COLUMNS = {"zero": ints([0]), "corners": ints([1, 2, 3, 4]), "one": ints([1])}
# A region's columns as torchvision's exporter takes them.
APART = [
    node("Gather", ["rois", "zero"], ["i2"], axis=1),
    node("Squeeze", ["i2", "one"], ["i1"]),
    node("Cast", ["i1"], ["i"], to=TensorProto.INT64),
    node("Gather", ["rois", "corners"], ["r"], axis=1),
]


def align(**more: Any) -> list[Any]:
    return [
        *APART,
        node("RoiAlign", ["x", "r", "i"], ["y"], output_height=3, output_width=2, **more),
    ]


@dataclass(frozen=True)
class Case:
    """A file's nodes and constants, and the last steps of what is read of it."""

    nodes: list[Any]
    said: str
    arrays: Mapping[str, Array] = field(default_factory=dict)
    shape: Sequence[Any] = MAP
    more: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    opset: int = 17


REGIONS = {"rois": ["K", 5]}
CASES = {
    "largest channels": Case(
        [node("TopK", ["x", "k"], ["y", "_"], axis=1)], "topk(2)", {"k": ints([2])}, ["N", 7]
    ),
    "the smallest of a row": Case(
        [node("TopK", ["x", "k"], ["y", "_"], largest=0)],
        "topk(3, largest=no)",
        {"k": ints([3])},
        ROWS,
    ),
    "of a map, in another axis": Case(
        [node("TopK", ["x", "k"], ["y", "_"], axis=2)], "topk(3)", {"k": ints([3])}
    ),
    "elements at places of their own": Case(
        [
            node("TopK", ["x", "k"], ["v", "i"]),
            node("Neg", ["x"], ["n"]),
            node("GatherElements", ["n", "i"], ["y"], axis=2),
        ],
        "gather(@topk)",
        {"k": ints([3])},
        ROWS,
    ),
    "elements at places of a mean": Case(
        [
            node("ReduceMean", ["x"], ["m"], axes=[1], keepdims=1),
            node("TopK", ["m", "k"], ["v", "i"]),
            node("Expand", ["i", "all"], ["e"]),
            node("GatherElements", ["x", "e"], ["y"], axis=2),
        ],
        "gather(@topk)",
        {"k": ints([3]), "all": ints([1, 4, 1])},
        ROWS,
    ),
    "neighbours of points, repeated for each channel": Case(
        [
            node("Transpose", ["x"], ["t"], perm=[0, 2, 1]),
            node("MatMul", ["t", "x"], ["near"]),
            node("TopK", ["near", "k"], ["v", "i"]),
            node("Unsqueeze", ["i", "one"], ["i1"]),
            node("Expand", ["i1", "each"], ["ie"]),
            node("Unsqueeze", ["x", "two"], ["x1"]),
            node("Expand", ["x1", "points"], ["xe"]),
            node("GatherElements", ["xe", "ie"], ["y"], axis=3),
        ],
        "gather(@topk, all)",
        {
            "k": ints([3]),
            "one": ints([1]),
            "two": ints([2]),
            "each": ints([1, 4, 1, 1]),
            "points": ints([1, 1, 9, 1]),
        },
        ROWS,
    ),
    "rows by sample": Case(
        [
            node("ReduceMean", ["x"], ["m"], axes=[1], keepdims=0),
            node("TopK", ["m", "k"], ["v", "i"]),
            node("Unsqueeze", ["i", "last"], ["i1"]),
            node("Transpose", ["x"], ["t"], perm=[0, 2, 1]),
            node("GatherND", ["t", "i1"], ["g"], batch_dims=1),
            node("Transpose", ["g"], ["y"], perm=[0, 2, 1]),
        ],
        "gather(@topk)",
        {"k": ints([3]), "last": ints([2])},
        ROWS,
    ),
    "one of each place": Case([node("Hardmax", ["x"], ["y"], axis=1)], "hardmax"),
    "one of all that follow, of old opsets": Case(
        [node("Hardmax", ["x"], ["y"])], "hardmax", {}, ["N", 7], opset=11
    ),
    "sums from the end": Case(
        [node("CumSum", ["x", "axis"], ["y"], reverse=1)],
        "flip(time); scan; flip(time)",
        {"axis": ints(-1)},
        ROWS,
    ),
    "sums of channels": Case(
        [node("CumSum", ["x", "axis"], ["y"])], "scan", {"axis": ints([1])}, ROWS
    ),
    "a grid": Case(
        [node("GridSample", ["x", "g"], ["y"], padding_mode="border", align_corners=1)],
        "grid_sample(@order, padding=border, align=yes)",
        more={"g": ["N", 3, 5, 2]},
        opset=16,
    ),
    "a grid read by cubes, in the words of opset 20": Case(
        [node("GridSample", ["x", "g"], ["y"], mode="cubic")],
        "grid_sample(@order, bicubic)",
        more={"g": ["N", 3, 5, 2]},
        opset=20,
    ),
    "regions between elements": Case(
        align(
            sampling_ratio=2, spatial_scale=0.25, coordinate_transformation_mode="output_half_pixel"
        ),
        "roialign3x2(@rois, 0.25)",
        COLUMNS,
        more=REGIONS,
        opset=16,
    ),
    "regions by half pixels, which is what is not said": Case(
        align(sampling_ratio=3),
        "roialign3x2(@rois, samples=3, aligned=yes)",
        COLUMNS,
        more=REGIONS,
        opset=16,
    ),
    "regions before there was the choice": Case(
        align(sampling_ratio=2), "roialign3x2(@rois)", COLUMNS, more=REGIONS, opset=13
    ),
    "regions pooled": Case(
        [node("MaxRoiPool", ["x", "rois"], ["y"], pooled_shape=[2, 2], spatial_scale=0.5)],
        "roipool2(@rois, 0.5)",
        more=REGIONS,
    ),
    "a pooling undone": Case(
        [
            node("MaxPool", ["x"], ["p", "i"], kernel_shape=[2, 2], strides=[2, 2]),
            node("Neg", ["p"], ["n"]),
            node("MaxUnpool", ["n", "i"], ["y"], kernel_shape=[2, 2], strides=[2, 2]),
        ],
        "unpool(@down)",
    ),
    "taps that move": Case(
        [
            node("Conv", ["x", "o"], ["moved"], pads=[1] * 4),
            node("Conv", ["x", "m"], ["masked"], pads=[1] * 4),
            node("Sigmoid", ["masked"], ["mask"]),
            node(
                "DeformConv",
                ["x", "w", "moved", "", "mask"],
                ["y"],
                pads=[1] * 4,
                group=2,
                offset_group=2,
            ),
        ],
        "deformconv3-6(@maps, @maps2, groups=2)",
        {
            "o": 0.1 * numbers(36, 4, 3, 3),
            "m": numbers(18, 4, 3, 3),
            "w": numbers(6, 2, 3, 3),
        },
        opset=22,
    ),
}


def read(case: Case, path: Path) -> Imported:
    file = written(
        path, case.nodes, case.arrays, shape=case.shape, opset=case.opset, more=case.more
    )
    return import_file(file)


@pytest.mark.parametrize("name", CASES)
def test_what_others_write_is_a_step(name: str, tmp_path: Path) -> None:
    found = read(CASES[name], tmp_path / "m.onnx")
    assert found.proof is not None
    assert found.proof.error <= 1e-6
    assert CASES[name].said in found.text


# Steps that netspec writes out for some opsets or readers, and where it does.
SPELT = {
    "nms": (
        "input boxes: 4x9\ninput scores: 3x9\n@boxes; nms(@scores, iou=0.3, score=0.1, most=40)",
        ({"opset": 13}, {"opset": 22}),
    ),
    "roialign": (
        "input image: 3x11x14\ninput rois: 5 batch(R=4)\n"
        "@image; conv3-2; roialign2x3(@rois, scale=0.7, samples=3, aligned=yes)",
        ({"opset": 13}, {"opset": 22}, {"target": "onnx2torch"}),
    ),
    "roipool": (
        "input image: 3x11x14\ninput rois: 5 batch(R=4)\n@image; roipool2(@rois, scale=1/16)",
        ({"opset": 14}, {"opset": 20}),
    ),
    "grid_sample": (
        "input image: 2x5x6\ninput grid: 2x3x4\n@image; grid_sample(@grid, bicubic, reflection, align=yes)",
        ({"opset": 13}, {"target": "opencv"}),
    ),
    "deformconv": (
        "input 4x7x9\nconv3x1-12/2 as m; @input; conv3x1-6/2; sigmoid as k\n"
        "@input; deformconv3x1-6/2(@m, @k, groups=2)",
        ({"opset": 15}, {"opset": 21}),
    ),
    "scan": ("input 3x12\nsigmoid as keep; @input; scan(@keep)", ({"opset": 13}, {"batch": 2})),
}


@pytest.mark.parametrize("name", SPELT)
def test_what_is_written_out_comes_back_whatever_the_names(name: str, tmp_path: Path) -> None:
    text, ways = SPELT[name]
    net, path = netspec.load(text), tmp_path / "net.onnx"
    for way in ways:
        net.to_onnx(path, optimize=False, **way)
        scrambled(path, path)
        found = import_file(path)
        assert found.proof is not None
        assert same(deploy(net.graph), found.graph) is not None, way


def test_what_is_altered_inside_is_no_step(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    netspec.load(SPELT["roipool"][0]).to_onnx(path)
    model = onnx.load(path)
    floors = [node for node in model.graph.node if node.op_type == "Floor"]
    floors[-1].op_type = "Ceil"
    onnx.save(model, path)
    with pytest.raises(netspec.NetspecError, match="have no operator"):
        import_file(path)


def test_places_are_read_by_what_takes_them_alone(tmp_path: Path) -> None:
    nodes = [
        node("TopK", ["x", "k"], ["v", "i"]),
        node("Cast", ["i"], ["c"], to=TensorProto.FLOAT),
        node("Add", ["v", "c"], ["y"]),
    ]
    case = Case(nodes, "", {"k": ints([3])}, ROWS)
    with pytest.raises(netspec.NetspecError, match="no operator"):
        read(case, tmp_path / "m.onnx")


def test_samples_of_a_region_that_depend_on_its_size_are_told(tmp_path: Path) -> None:
    with pytest.raises(netspec.NetspecError, match="as many samples as each region has"):
        read(Case(align(), "", COLUMNS, more=REGIONS), tmp_path / "m.onnx")


def test_a_detectors_tail_and_a_spatial_transformer(tmp_path: Path) -> None:
    tail = (
        "input image: 3x32x40\ninput rois: 5 batch(R=8)\n@image; conv3-8/2(pad=same, act=relu)\n"
        "roialign3(@rois, scale=1/2); fc-16; relu; fc-4 as scores\noutput scores"
    )
    turned = "input 1x12x12\nconv3-2/2; fc-6; affine_grid(12) as grid; @input; grid_sample(@grid)\nconv3-2"
    for text in (tail, turned):
        netspec.load(text).to_onnx(tmp_path / "net.onnx")
        found = import_file(tmp_path / "net.onnx")
        assert same(deploy(netspec.load(text).graph), found.graph) is not None
        netspec.load(found.text).to_onnx(tmp_path / "again.onnx")
        again = import_file(tmp_path / "again.onnx")
        assert again.text.partition("\n")[2] == found.text.partition("\n")[2]


def test_boxes_as_many_as_there_are_are_told(tmp_path: Path) -> None:
    nodes = [
        node("NonMaxSuppression", ["b", "x", "most"], ["i"]),
        node("Cast", ["i"], ["y"], to=TensorProto.FLOAT),
    ]
    case = Case(nodes, "", {"most": ints([5])}, ["N", 2, 9], {"b": ["N", 9, 4]})
    with pytest.raises(netspec.NetspecError, match="how many boxes it keeps depends"):
        read(case, tmp_path / "m.onnx")


def test_a_number_for_each_sample_has_an_axis_of_one(tmp_path: Path) -> None:
    nodes = [
        node("Conv", ["x", "w"], ["c"]),
        node("Squeeze", ["c", "all"], ["y"]),
    ]
    case = Case(nodes, "", {"w": numbers(1, 4, 6, 6), "all": ints([1, 2, 3])})
    assert [str(output.value.type) for output in read(case, tmp_path / "m.onnx").graph.outputs] == [
        "1"
    ]
