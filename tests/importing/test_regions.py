"""What detectors, samplers and nets on points are made of, as others write it: places, regions, maxima."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto
from support.foreign_files import Array, node, numbers, written

from netspec.importing.imported import Imported, import_file

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
        "gather(all, @topk)",
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
        "grid_sample(bicubic, @order)",
        more={"g": ["N", 3, 5, 2]},
        opset=20,
    ),
    "regions between elements": Case(
        align(
            sampling_ratio=2, spatial_scale=0.25, coordinate_transformation_mode="output_half_pixel"
        ),
        "roialign3x2(0.25, @rois)",
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
        "roipool2(0.5, @rois)",
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
