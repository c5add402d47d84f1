"""Maps resized by ONNX's many rules: read where `upsample` takes the same places, else refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.foreign_files import Array, node, words, written

from netspec.diagnostics.raised import NetspecError
from netspec.importing.imported import import_file

LONG = np.int64


def resized(path: Path, to: dict[str, Array], **given: Any) -> Path:
    inputs = ["x", "", "scales"] if "scales" in to else ["x", "", "", "sizes"]
    if "sizes" in to:
        given = {"axes": [2, 3], **given}
    return written(path / "net.onnx", [node("Resize", inputs, ["y"], **given)], to, opset=19)


@pytest.mark.parametrize(
    ("to", "given", "step"),
    [
        ({"scales": [1, 1, 2, 3]}, {}, "upsample(2x3)"),
        ({"scales": [1, 1, 2, 2]}, {"nearest_mode": "ceil"}, ""),
        ({"scales": [1, 1, 0.5, 0.5]}, {}, "upsample(size=3x3)"),
        ({"scales": [1, 1, 0.5, 0.5]}, {"nearest_mode": "round_prefer_ceil"}, ""),
        ({"scales": [1, 1, 1.5, 1.5]}, {"mode": "linear"}, "upsample(size=9x9, mode=bilinear)"),
        ({"scales": [1, 1, 1.6, 1.6]}, {"mode": "linear"}, ""),
        ({"sizes": [9, 9]}, {"mode": "linear"}, "upsample(size=9x9, mode=bilinear)"),
        (
            {"sizes": [9, 5]},
            {"mode": "linear", "coordinate_transformation_mode": "align_corners"},
            "upsample(size=9x5, mode=bilinear, align_corners=yes)",
        ),
        ({"sizes": [9, 5]}, {"mode": "linear", "coordinate_transformation_mode": "asymmetric"}, ""),
        ({"sizes": [6, 3]}, {"mode": "cubic"}, "upsample(size=6x3, mode=bicubic)"),
        ({"sizes": [9, 9]}, {"mode": "cubic", "cubic_coeff_a": -0.5}, ""),
        ({"sizes": [9, 9]}, {"mode": "cubic", "exclude_outside": 1}, ""),
        ({"sizes": [3, 3]}, {"mode": "linear", "antialias": 1}, ""),
        (
            {"sizes": [3, 4]},
            {"mode": "linear", "antialias": 1, "exclude_outside": 1},
            "upsample(size=3x4, mode=bilinear, antialias=yes)",
        ),
        (
            {"sizes": [3, 4]},
            {"mode": "cubic", "antialias": 1, "exclude_outside": 1, "cubic_coeff_a": -0.5},
            "upsample(size=3x4, mode=bicubic, antialias=yes)",
        ),
        ({"sizes": [9, 12]}, {"mode": "linear", "antialias": 1}, "upsample(size=9x12, mode=bilinear)"),
        ({"sizes": [1, 3]}, {"mode": "linear", "coordinate_transformation_mode": "pytorch_half_pixel"}, ""),
        ({"scales": [3, 2]}, {"axes": [3, 2]}, "upsample(2x3)"),
        ({"sizes": [9, 12]}, {"keep_aspect_ratio_policy": "not_larger"}, ""),
    ],
)  # fmt: skip
def test_a_map_is_resized_as_the_file_has_it(
    to: dict[str, Any], given: dict[str, Any], step: str, tmp_path: Path
) -> None:
    arrays = {
        name: np.asarray(values, np.float32 if name == "scales" else LONG)
        for name, values in to.items()
    }
    path = resized(tmp_path, arrays, **given)
    if step:
        found = import_file(path)
        assert found.proof is not None
        assert found.proof.error <= 1e-6
        assert step in found.text
        return
    with pytest.raises(NetspecError) as refused:
        import_file(path)
    assert refused.value.diagnostics[0].code == "NS802"
    assert "Resize (" in str(refused.value)


@pytest.mark.parametrize(
    ("op", "opset", "given", "steps"),
    [
        ("Selu", 17, {}, ["selu"]),
        ("Selu", 17, {"alpha": 2.0, "gamma": 3.0}, ["elu", "scaled"]),
        ("Selu", 17, {"alpha": 2.0, "gamma": 1.0}, ["elu"]),
        ("HardSigmoid", 17, {"alpha": 1 / 6}, ["hardsigmoid"]),
        ("HardSigmoid", 17, {}, ["scaled", "hardsigmoid"]),
        ("LeakyRelu", 17, {"alpha": 0.2}, ["leaky"]),
        ("Celu", 17, {"alpha": 2.0}, ["celu"]),
        ("Swish", 24, {}, ["silu"]),
        ("Swish", 24, {"alpha": 1.702}, ["scaled", "silu", "scaled"]),
    ],
)
def test_a_function_keeps_its_numbers(
    op: str, opset: int, given: dict[str, Any], steps: list[str], tmp_path: Path
) -> None:
    found = import_file(
        written(tmp_path / "net.onnx", [node(op, ["x"], ["y"], **given)], {}, opset=opset)
    )
    assert found.proof is not None
    assert found.proof.error <= 1e-6
    assert words(found) == steps


def test_a_gate_of_another_slope_is_no_hardswish(tmp_path: Path) -> None:
    nodes = [node("HardSigmoid", ["x"], ["g"], alpha=0.2), node("Mul", ["x", "g"], ["y"])]
    found = import_file(written(tmp_path / "net.onnx", nodes, {}))
    assert "hardswish" not in words(found)
    assert found.proof is not None
    assert found.proof.error <= 1e-6


def test_numbers_made_like_others_are_as_they_were(tmp_path: Path) -> None:
    nodes = [
        node("CastLike", ["half", "x"], ["h"]),
        node("Mul", ["x", "h"], ["m"]),
        node("CastLike", ["m", "x"], ["l"]),
        node("Relu", ["l"], ["y"]),
    ]
    found = import_file(written(tmp_path / "net.onnx", nodes, {"half": np.array(0.5, np.float64)}))
    assert words(found) == ["scaled", "relu"]


@pytest.mark.parametrize(
    ("nodes", "arrays", "out", "reason"),
    [
        (
            [node("LayerNormalization", ["x", "w"], ["y", "mean"])],
            {"w": np.ones(6, np.float32)},
            ("y", "mean"),
            "output mean (it is what a node gives beside its first output, and no step gives that)",
        ),
        (
            [node("RMSNormalization", ["x", "w"], ["y"], axis=1)],
            {"w": np.ones((4, 6, 6), np.float32)},
            ("y",),
            "RMSNormalization (it normalises over several axes)",
        ),
    ],
)
def test_what_no_step_gives_is_told(
    nodes: list[Any], arrays: dict[str, Array], out: tuple[str, ...], reason: str, tmp_path: Path
) -> None:
    path = written(tmp_path / "net.onnx", nodes, arrays, opset=23, out=out)
    with pytest.raises(NetspecError) as refused:
        import_file(path)
    assert reason in str(refused.value)
