"""Files as exporters of other libraries and years write them, by hand: what is read of each, and proven."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto
from support.foreign_files import Array, node, numbers, words, written

from netspec.importing.imported import Imported, import_file

LONG = np.int64


def found(path: Path, nodes: Sequence[Any], arrays: dict[str, Array], **more: Any) -> Imported:
    made = import_file(written(path / "net.onnx", nodes, arrays, **more))
    assert made.proof is not None
    assert made.proof.error <= 1e-6
    return made


def axes_of(op: str, inputs: list[str], out: str, axes: list[int], opset: int, **more: Any) -> Any:
    """A node whose axes were an attribute before some opset, and the constant that they are since."""
    since = {"Squeeze": 13, "Unsqueeze": 13, "ReduceSum": 13, "ReduceMean": 18}[op]
    if opset < since:
        return [node(op, inputs, [out], axes=axes, **more)], {}
    return [node(op, [*inputs, f"{out}.axes"], [out], **more)], {f"{out}.axes": LONG(axes)}


NORM = {
    "g": np.float32([0.9, 1.1, 1.2, 0.8, 1.0]),
    "h": numbers(5),
    "m": numbers(5, seed=3),
    "v": np.float32([0.5, 0.9, 1.1, 1.3, 0.7]),
}


def of_tensorflow(opset: int) -> tuple[list[Any], dict[str, Array]]:
    """Channels last at the edges, a Pad there before the convolution, a bias added, means squeezed."""
    if opset < 11:
        pad = [node("Pad", ["x"], ["p"], pads=[0, 1, 1, 0, 0, 1, 1, 0])]
        clip = [node("Clip", ["n"], ["r"], min=0.0, max=6.0)]
    else:
        pad = [node("Pad", ["x", "pads"], ["p"])]
        clip = [node("Clip", ["n", "low", "high"], ["r"])]
    mean, axes = axes_of("ReduceMean", ["b"], "d", [1, 2], opset, keepdims=1)
    squeezed, more = axes_of("Squeeze", ["d"], "e", [1, 2], opset)
    nodes = [
        *pad,
        node("Transpose", ["p"], ["t"], perm=[0, 3, 1, 2]),
        node("Conv", ["t", "w"], ["c"], strides=[2, 2]),
        node("BatchNormalization", ["c", "g", "h", "m", "v"], ["n"], epsilon=1e-3),
        *clip,
        node("Transpose", ["r"], ["u"], perm=[0, 2, 3, 1]),
        node("Add", ["u", "bias"], ["b"]),
        *mean,
        *squeezed,
        node("MatMul", ["e", "k"], ["f"]),
        node("Add", ["f", "kb"], ["z"]),
        node("Softmax", ["z"], ["y"], axis=1),
    ]
    arrays = {
        **{"w": numbers(5, 3, 3, 3), "bias": numbers(5, seed=5), "k": numbers(5, 4)},
        **{"kb": numbers(4), **NORM, **axes, **more},
    }
    if opset >= 11:
        arrays |= {"pads": LONG([0, 1, 1, 0, 0, 1, 1, 0])}
        arrays |= {"low": np.array(0, np.float32), "high": np.array(6, np.float32)}
    return nodes, arrays


@pytest.mark.parametrize("opset", [9, 10, 11, 12, 13, 15, 18, 20, 22, 24])
def test_channels_last_of_any_opset(opset: int, tmp_path: Path) -> None:
    nodes, arrays = of_tensorflow(opset)
    made = found(tmp_path, nodes, arrays, shape=["N", 8, 8, 3], opset=opset)
    said = [word for word in words(made) if word not in ("transpose", "pick")]
    assert said[:3] == ["conv", "bn", "relu6"]
    assert said[-3:] == ["gap", "fc", "softmax"]
    assert "pad=1" in made.text or "pad=same" in made.text


def test_a_normalisation_that_makes_its_factor_first(tmp_path: Path) -> None:
    for mean in ("ReduceMean", "GlobalAveragePool"):
        more = {"axes": [2]} if mean == "ReduceMean" else {}
        nodes = [
            node(mean, ["x"], ["m"], **more),
            node("Sub", ["x", "m"], ["d"]),
            node("Mul", ["d", "d"], ["q"]),
            node(mean, ["q"], ["v"], **more),
            node("Add", ["v", "e"], ["ve"]),
            node("Sqrt", ["ve"], ["s"]),
            node("Reciprocal", ["s"], ["i"]),
            node("Mul", ["i", "w"], ["f"]),
            node("Mul", ["x", "f"], ["xf"]),
            node("Mul", ["m", "f"], ["mf"]),
            node("Sub", ["b", "mf"], ["o"]),
            node("Add", ["xf", "o"], ["y"]),
        ]
        arrays = {"e": np.array(1e-3, np.float32), "w": numbers(8), "b": numbers(8, seed=2)}
        made = found(tmp_path, nodes, arrays, shape=["N", 5, 8])
        assert "layernorm" in words(made)
        assert "eps=0.001" in made.text
        assert len(words(made)) <= 3


def test_ids_that_may_count_from_the_end(tmp_path: Path) -> None:
    nodes = [
        node("Less", ["x", "zero"], ["l"]),
        node("Add", ["x", "rows"], ["a"]),
        node("Where", ["l", "a", "x"], ["i"]),
        node("Gather", ["t", "i"], ["y"]),
    ]
    arrays = {"zero": LONG(0), "rows": LONG(11), "t": numbers(11, 6)}
    kinds = {"kind": TensorProto.INT64, "out_kind": TensorProto.FLOAT, "shape": ["N", 7]}
    held: Any = {name: np.asarray(array) for name, array in arrays.items()}
    assert words(found(tmp_path, nodes, held, **kinds))[0] == "embedding"
    held["rows"] = np.asarray(LONG(10))
    with pytest.raises(Exception, match="NS80"):
        found(tmp_path, nodes, held, **kinds)


def test_places_repeated_are_an_upsampling(tmp_path: Path) -> None:
    nodes = [
        node("Unsqueeze", ["x", "three"], ["a"]),
        node("Tile", ["a", "times"], ["b"]),
        node("Reshape", ["b", "wide"], ["c"]),
        node("Unsqueeze", ["c", "four"], ["d"]),
        node("Tile", ["d", "more"], ["e"]),
        node("Reshape", ["e", "large"], ["y"]),
    ]
    arrays = {
        **{"three": LONG([3]), "four": LONG([4]), "times": LONG([1, 1, 1, 2, 1])},
        **{
            "more": LONG([1, 1, 1, 1, 3]),
            "wide": LONG([0, 4, 12, 6]),
            "large": LONG([0, 4, 12, 18]),
        },
    }
    assert set(words(found(tmp_path, nodes, arrays))) == {"upsample"}


@pytest.mark.parametrize(
    ("shape", "pads", "mode", "said"),
    [
        (["N", 7, 4], [0, 2, 0, 0, 0, 0], "constant", "pad"),
        (["N", 7, 4], [0, 1, 0, 0, 2, 0], "reflect", "pad"),
        (["N", 7, 4], [0, 0, 0, 0, 3, 0], "constant", "pad_channels"),
        (["N", 4, 6, 6], [0, 0, 1, 0, 0, 0, 2, 3], "edge", "pad"),
        (["N", 4, 6, 6], [0, 0, -1, 2, 0, 0, 0, -2], "constant", "crop"),
        (["N", 4, 6, 6], [0, 0, 0, 0, 0, 3, 0, 0], "constant", "pad_channels"),
    ],
)
def test_pads_of_any_axis(
    shape: list[Any], pads: list[int], mode: str, said: str, tmp_path: Path
) -> None:
    nodes = [node("Pad", ["x", "p"], ["y"], mode=mode)]
    assert said in words(found(tmp_path, nodes, {"p": LONG(pads)}, shape=shape))


def test_paddle_s_ways(tmp_path: Path) -> None:
    nodes = [
        node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1], name="Conv.0"),
        node("BatchNormalization", ["c", "g", "h", "m", "v"], ["n"], name="BatchNormalization.0"),
        node("HardSigmoid", ["n"], ["s"], alpha=1 / 6, beta=0.5),
        node("Mul", ["n", "s"], ["a"]),
        node("GlobalAveragePool", ["a"], ["p"]),
        node("Conv", ["p", "k"], ["e"]),
        node("Constant", [], ["shape"], value_ints=[1, 5, 1, 1]),
        node("Reshape", ["kb", "shape"], ["r"]),
        node("Add", ["e", "r"], ["f"]),
        node("Relu", ["f"], ["q"]),
        node("Mul", ["a", "q"], ["o"]),
        node("Mul", ["o", "scale"], ["y"]),
    ]
    arrays = {"w": numbers(5, 4, 3, 3), "k": numbers(5, 5, 1, 1), "kb": numbers(5), **NORM}
    made = found(tmp_path, nodes, {**arrays, "scale": np.float32([0.125])})
    assert words(made)[:3] == ["conv", "bn", "hardswish"]
    assert {"gap", "relu", "mul", "scaled"} <= set(words(made))


def test_mxnet_s_ways(tmp_path: Path) -> None:
    nodes = [
        node("BatchNormalization", ["x", "g4", "h4", "m4", "v4"], ["i"], spatial=1, momentum=0.9),
        node("Conv", ["i", "w"], ["c"], kernel_shape=[3, 3], pads=[1, 1, 1, 1], dilations=[1, 1]),
        node("LeakyRelu", ["c"], ["l"], alpha=0.1),
        node("Pad", ["l"], ["p"], mode="constant", pads=[0, 0, 1, 1, 0, 0, 1, 1], value=0.0),
        node("AveragePool", ["p"], ["a"], kernel_shape=[3, 3], strides=[2, 2]),
        node("Dropout", ["a"], ["d", "mask"], ratio=0.5),
        node("Flatten", ["d"], ["f"], axis=1),
        node("Gemm", ["f", "k", "kb"], ["y"], alpha=1.0, beta=1.0, transA=0, transB=1),
    ]
    arrays = {f"{name}4": array[:4] for name, array in NORM.items()}
    arrays |= {"w": numbers(5, 4, 3, 3), "k": numbers(3, 45), "kb": numbers(3)}
    made = found(tmp_path, nodes, arrays, opset=8)
    assert words(made) == ["bn", "conv", "leaky", "avgpool", "fc"]


def test_sklearn_s_ways(tmp_path: Path) -> None:
    nodes = [
        node("Cast", ["x"], ["c"], to=TensorProto.FLOAT),
        node("Sub", ["c", "mean"], ["s"]),
        node("Div", ["s", "deviation"], ["d"]),
        node("MatMul", ["d", "w"], ["m"]),
        node("Add", ["m", "b"], ["a"]),
        node("Relu", ["a"], ["r"]),
        node("MatMul", ["r", "k"], ["n"]),
        node("Add", ["n", "kb"], ["o"]),
        node("Softmax", ["o"], ["p"], axis=1),
        node("Reshape", ["p", "shape"], ["y"]),
    ]
    arrays = {
        **{
            "mean": numbers(1, 6),
            "deviation": np.abs(numbers(1, 6, seed=2)) + 1,
            "w": numbers(6, 8),
        },
        **{"b": numbers(1, 8), "k": numbers(8, 3), "kb": numbers(1, 3), "shape": LONG([-1, 3])},
    }
    made = found(tmp_path, nodes, arrays, shape=["N", 6], opset=12)
    assert words(made)[-4:] == ["fc", "relu", "fc", "softmax"]


def test_the_sizes_of_pytorch_1(tmp_path: Path) -> None:
    nodes = [
        node("Shape", ["x"], ["s"]),
        node("Constant", [], ["two"], value_int=2),
        node("Gather", ["s", "two"], ["h"], axis=0),
        node("Cast", ["h"], ["hf"], to=TensorProto.FLOAT),
        node("Mul", ["hf", "factor"], ["hh"]),
        node("Cast", ["hh"], ["hd"], to=TensorProto.FLOAT),
        node("Floor", ["hd"], ["hi"]),
        node("Unsqueeze", ["hi", "zero"], ["hu"]),
        node("Concat", ["hu", "hu"], ["sizes"], axis=0),
        node("Cast", ["sizes"], ["sf"], to=TensorProto.FLOAT),
        node("Slice", ["s", "start", "end"], ["places"]),
        node("Cast", ["places"], ["pf"], to=TensorProto.FLOAT),
        node("Div", ["sf", "pf"], ["ratio"]),
        node("Concat", ["ones", "ratio"], ["scales"], axis=0),
        node("Resize", ["x", "", "scales"], ["u"], mode="nearest", nearest_mode="floor",
             coordinate_transformation_mode="asymmetric"),
        node("Relu", ["u"], ["y"]),
    ]  # fmt: skip
    arrays = {
        **{"factor": np.array(2, np.float32), "zero": LONG([0]), "start": LONG([2])},
        **{"end": LONG([4]), "ones": np.float32([1, 1])},
    }
    made = found(tmp_path, nodes, arrays)
    assert words(made) == ["upsample", "relu"]
