"""Operators that say more than a step does, and lists of pieces: what is read of them, and proven."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto
from support.foreign_files import Array, node, numbers, words, written

from netspec.diagnostics.raised import NetspecError
from netspec.importing.imported import Imported, import_file


def read(path: Path, nodes: list[Any], arrays: dict[str, Array], **more: Any) -> Imported:
    found = import_file(written(path / "net.onnx", nodes, arrays, **more))
    assert found.proof is not None
    assert found.proof.error <= 1e-6
    return found


def whole(*values: int) -> Array:
    return np.array(values, np.int64)


def one(value: int) -> Array:
    return np.array(value, np.int64)


FLAT = node("Flatten", ["x"], ["f"])
MATRIX, BIAS = {"k": numbers(144, 3)}, {"b": numbers(3)}


@pytest.mark.parametrize(
    ("nodes", "arrays", "said"),
    [
        ([FLAT, node("Gemm", ["f", "k", "b"], ["y"], alpha=0.5, beta=2.0)], MATRIX | BIAS, "fc"),
        ([FLAT, node("Gemm", ["f", "k"], ["y"], alpha=0.5, beta=2.0)], MATRIX, "fc"),
        (
            [
                FLAT,
                node("Transpose", ["f"], ["t"]),
                node("Gemm", ["t", "k", "b"], ["y"], transA=1, beta=3.0),
            ],
            MATRIX | BIAS,
            "fc",
        ),
    ],
)
def test_products_with_factors(
    nodes: list[Any], arrays: dict[str, Array], said: str, tmp_path: Path
) -> None:
    assert words(read(tmp_path, nodes, arrays, opset=11)) == [said]


@pytest.mark.parametrize(
    ("op", "axis", "opset", "said"),
    [
        ("Softmax", 1, 11, ["flatten", "softmax", "reshape"]),
        ("Softmax", 2, 9, ["sequence", "transpose", "softmax", "transpose", "grid"]),
        ("Softmax", -3, 12, ["flatten", "softmax", "reshape"]),
        ("LogSoftmax", 1, 11, ["flatten", "log_softmax", "reshape"]),
        ("Softmax", 1, 13, ["softmax"]),
    ],
)
def test_over_all_axes_from_one_on(
    op: str, axis: int, opset: int, said: list[str], tmp_path: Path
) -> None:
    nodes = [node(op, ["x"], ["y"], axis=axis)]
    assert words(read(tmp_path, nodes, {}, opset=opset)) == said


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (node("LpNormalization", ["x"], ["y"], axis=1), "l2norm"),
        (node("LpNormalization", ["x"], ["y"], axis=1, p=1), "over_channels"),
        (node("MeanVarianceNormalization", ["x"], ["y"], axes=[2, 3]), "instancenorm"),
        (node("GlobalLpPool", ["x"], ["y"], p=2), "gsp"),
        (node("GlobalLpPool", ["x"], ["y"], p=1), "gsp"),
    ],
)
@pytest.mark.parametrize("opset", [9, 13, 18])
def test_norms_of_other_axes(made: Any, said: str, opset: int, tmp_path: Path) -> None:
    assert said in words(read(tmp_path, [made], {}, opset=opset))


def test_logarithms_of_sums(tmp_path: Path) -> None:
    of_attribute = [node("ReduceLogSumExp", ["x"], ["y"], axes=[1], keepdims=1)]
    of_input = [node("ReduceLogSumExp", ["x", "a"], ["y"], keepdims=1)]
    wanted = ["exp", "over_channels", "log"]
    assert words(read(tmp_path, of_attribute, {}, opset=11)) == wanted
    assert words(read(tmp_path, of_input, {"a": whole(1)}, opset=18)) == wanted


def test_weights_of_groups(tmp_path: Path) -> None:
    nodes = [node("GroupNormalization", ["x", "g", "h"], ["y"], num_groups=2)]
    arrays = {"g": numbers(2), "h": numbers(2, seed=1)}
    found = read(tmp_path, nodes, arrays, opset=18)
    assert words(found) == ["groupnorm"]
    (weight,) = (array for name, array in found.weights.items() if name.endswith("weight"))
    assert np.array_equal(weight, arrays["g"].repeat(2))


@pytest.mark.parametrize("opset", [11, 13, 17])
@pytest.mark.parametrize(
    ("sizes", "axis"),
    [(whole(1, 3), 1), (one(3), 1), (one(2), -3), (None, 1)],
)
def test_pieces_in_a_list(sizes: Array | None, axis: int, opset: int, tmp_path: Path) -> None:
    cut = ["x"] if sizes is None else ["x", "k"]
    nodes = [
        node("SplitToSequence", cut, ["s"], axis=axis),
        node("SequenceAt", ["s", "i"], ["a"]),
        node("SequenceAt", ["s", "j"], ["b"]),
        node("Concat", ["b", "a"], ["y"], axis=1),
    ]
    arrays = {"i": one(0), "j": one(-1)} | ({} if sizes is None else {"k": sizes})
    found = read(tmp_path, nodes, arrays, opset=opset)
    assert {"split", "concat"} <= set(words(found))


def test_pieces_lose_their_axis_and_are_counted(tmp_path: Path) -> None:
    nodes = [
        node("SplitToSequence", ["x"], ["s"], axis=1, keepdims=0),
        node("SequenceLength", ["s"], ["n"]),
        node("Cast", ["n"], ["many"], to=TensorProto.FLOAT),
        node("SequenceAt", ["s", "i"], ["a"]),
        node("Mul", ["a", "many"], ["y"]),
    ]
    found = read(tmp_path, nodes, {"i": one(2)})
    assert "scaled(4)" in found.text
    assert found.graph.outputs[0].value.type.shape == (6, 6)


@pytest.mark.parametrize(
    ("place", "sizes"), [(9, None), (-5, None), (0, one(0)), (0, whole(1, 2)), (1, one(-2))]
)
def test_lists_of_no_such_pieces_are_refused(
    place: int, sizes: Array | None, tmp_path: Path
) -> None:
    cut = ["x"] if sizes is None else ["x", "k"]
    nodes = [
        node("SplitToSequence", cut, ["s"], axis=1),
        node("SequenceAt", ["s", "i"], ["y"]),
    ]
    arrays = {"i": one(place)} | ({} if sizes is None else {"k": sizes})
    with pytest.raises(NetspecError, match=r"NS80[123]"):
        read(tmp_path, nodes, arrays)


@pytest.mark.parametrize(
    ("equation", "kernel", "said"),
    [
        ("...c,cd->...d", (6, 3), "fc"),
        ("...c,cd", (6, 3), "fc"),
        ("nchw...,cd...->ndhw...", (4, 3), "fc"),
        ("nchw,c->nchw", (4,), "affine"),
        ("nchw,chw->n", (4, 6, 6), "over_channels"),
        ("nchw->nc", None, "gsp"),
        ("nchw->nhwc", None, "transpose"),
        ("nchw,hwk->nchk", (6, 6, 2), "matmul"),
    ],
)
def test_einsum_is_a_sum_or_a_product(
    equation: str, kernel: tuple[int, ...] | None, said: str, tmp_path: Path
) -> None:
    arrays = {} if kernel is None else {"k": numbers(*kernel)}
    nodes = [node("Einsum", ["x", *arrays], ["y"], equation=equation)]
    found = read(tmp_path, nodes, arrays, opset=12)
    assert said in words(found)


@pytest.mark.parametrize("equation", ["nchh->nc", "nchw,chw->nz", "..w,wd->..d", "nchw,,c->n"])
def test_other_equations_are_refused(equation: str, tmp_path: Path) -> None:
    arrays = {"k": numbers(6, 3)} if "," in equation else {}
    nodes = [node("Einsum", ["x", *arrays], ["y"], equation=equation)]
    with pytest.raises(NetspecError, match=r"NS80[123]"):
        read(tmp_path, nodes, arrays, opset=12)


@pytest.mark.parametrize("shape", [["N", 6, 6, 4], ["N", "h", "w", 4]])
def test_images_of_bytes(shape: list[Any], tmp_path: Path) -> None:
    nodes = [
        node("Cast", ["x"], ["f"], to=TensorProto.FLOAT),
        node("Transpose", ["f"], ["t"], perm=[0, 3, 1, 2]),
        node("Div", ["t", "most"], ["d"]),
        node("Conv", ["d", "w"], ["y"], pads=[1, 1, 1, 1]),
    ]
    arrays = {"w": numbers(5, 4, 3, 3), "most": np.array(255, np.float32)}
    kinds = {"kind": TensorProto.UINT8, "out_kind": TensorProto.FLOAT}
    found = read(tmp_path, nodes, arrays, shape=shape, **kinds)
    assert words(found) == ["scaled", "transpose", "conv"]


def box(*ranges: range) -> Array:
    """The places of a part, as indices of each."""
    return np.stack(np.meshgrid(*ranges, indexing="ij"), axis=-1).astype(np.int64)


@pytest.mark.parametrize(
    ("ranges", "said"),
    [
        ((range(2), range(4), range(6), range(6)), ["relu"]),
        ((range(2), range(4), range(1, 6), range(1, 6)), ["relu", "slice", "concat"]),
        ((range(2), range(1, 3)), ["relu", "slice", "concat"]),
    ],
)
@pytest.mark.parametrize("opset", [11, 16])
def test_values_put_in_the_place_of_a_part(
    ranges: tuple[range, ...], said: list[str], opset: int, tmp_path: Path
) -> None:
    bounds = {
        **{"starts": whole(*(part.start for part in ranges))},
        **{"ends": whole(*(part.stop for part in ranges)), "axes": whole(*range(len(ranges)))},
    }
    nodes = [
        node("Slice", ["x", *bounds], ["part"]),
        node("Relu", ["part"], ["r"]),
        node("ScatterND", ["x", "places", "r"], ["y"]),
    ]
    arrays = {**bounds, "places": box(*ranges)}
    found = read(tmp_path, nodes, arrays, shape=[2, 4, 6, 6], opset=opset)
    assert set(words(found)) >= set(said)
    assert len(found.graph.outputs) == 1


def test_values_put_elsewhere_or_added_are_refused(tmp_path: Path) -> None:
    apart = box(range(2), range(0, 4, 2))
    turned = box(range(2), range(2))[:, ::-1]
    for places, more in (
        (apart, {}),
        (turned, {}),
        (box(range(2), range(2)), {"reduction": "add"}),
    ):
        nodes = [
            node("Slice", ["x", "start", "end", "axis"], ["part"]),
            node("Relu", ["part"], ["r"]),
            node("ScatterND", ["x", "places", "r"], ["y"], **more),
        ]
        arrays = {"start": whole(0), "end": whole(2), "axis": whole(1), "places": places}
        with pytest.raises(NetspecError, match=r"NS802"):
            read(tmp_path, nodes, arrays, shape=[2, 4, 6, 6], opset=16)
