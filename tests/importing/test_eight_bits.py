"""Files in eight bits, of every writing that there is: the net that they mean, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto
from support.foreign_files import RUNTIME, Array, node, numbers, words, written

import netspec
from netspec.importing.files.meaning.parts import dequantized, quantized
from netspec.importing.imported import Imported, import_file
from netspec.importing.proof import session_run

FLOAT = TensorProto.FLOAT
U8, S8, S32 = np.uint8, np.int8, np.int32


def scalar(value: float, dtype: Any = np.float32) -> Array:
    return np.array(value, dtype)


def integers(*shape: int, seed: int = 1, dtype: Any = S8) -> Array:
    info = np.iinfo(dtype)
    drawn = np.random.default_rng(seed).integers(info.min // 2, info.max // 2, shape)
    return drawn.astype(dtype)


def pair(name: str, scale: str = "s", zero: str = "z", to: str = "") -> list[Any]:
    """A rounding of a tensor and what reads it again as numbers, `name.r`."""
    return [
        node("QuantizeLinear", [name, scale, zero], [f"{name}.q"], name=f"{name}.q"),
        node("DequantizeLinear", [f"{name}.q", scale, zero], [to or f"{name}.r"]),
    ]


# A range from zero, one around it, and what weights of eight bits are by.
BASE = {
    "s": scalar(0.02),
    "z": scalar(0, U8),
    "mid": scalar(120, U8),
    "six": scalar(6 / 255),
    "w": integers(5, 4, 3, 3),
    "ws": np.linspace(0.001, 0.01, 5).astype(np.float32),
    "wz": np.zeros(5, S8),
}
KERNEL = node("DequantizeLinear", ["w", "ws", "wz"], ["k"], axis=0)


def found(path: Path, nodes: list[Any], arrays: dict[str, Array] | None = None, **more: Any) -> Any:
    made = import_file(written(path / "net.onnx", nodes, {**BASE, **(arrays or {})}, **more))
    assert made.proof is not None
    assert made.proof.error <= 1e-6
    assert made.quantized
    return made


def far(made: Imported) -> float:
    """How far the file's own outputs are."""
    assert made.proof is not None
    assert made.proof.apart is not None
    assert made.proof.apart.error is not None
    return made.proof.apart.error


SPEC = (
    "input 3x12x12; conv3-8(pad=1, act=relu); conv3-8/2(act=relu6); "
    "add { | identity | conv1-8(act=relu) }; gap; fc-5"
)


def test_our_own_is_the_net_that_it_was_made_of(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    net = netspec.load(SPEC)
    net.to_onnx(path, quantize="int8", samples=[numbers(8, 3, 12, 12)])
    made = import_file(path)
    assert made.quantized
    assert sorted(words(made)) == sorted(n.op.spelling for n in net.graph.nodes[1:])
    assert made.proof is not None
    assert made.proof.error <= 1e-6
    assert "without its roundings to eight bits" in str(made.proof)
    assert 1e-4 < far(made) < 0.1


def test_weights_are_integers_times_scales(tmp_path: Path) -> None:
    nodes = [*pair("x", zero="mid"), KERNEL, node("Conv", ["x.r", "k"], ["y"])]
    made = found(tmp_path, nodes)
    (weight,) = made.weights.values()
    wanted = BASE["w"].astype(np.float32) * BASE["ws"].reshape(-1, 1, 1, 1)
    assert np.array_equal(weight, wanted)
    assert words(made) == ["conv"]
    assert 0 < far(made) < 0.1


@pytest.mark.parametrize(
    ("scale", "zero", "before", "said"),
    [
        ("s", "z", [], ["conv", "relu"]),
        ("s", "mid", [], ["conv"]),
        ("six", "z", [], ["conv", "relu6"]),
        ("six", "z", ["Relu"], ["conv", "relu", "relu6"]),
        ("s", "z", ["Relu"], ["conv", "relu"]),
        ("s", "z", ["Sigmoid"], ["conv", "sigmoid"]),
        ("six", "z", ["Sigmoid"], ["conv", "sigmoid"]),
        ("s", "z", ["Tanh"], ["conv", "tanh", "relu"]),
        ("s", "z", ["Abs", "Sqrt"], ["conv", "abs", "sqrt"]),
    ],
)
def test_a_range_from_zero_is_the_activation_left_out(
    scale: str, zero: str, before: list[str], said: list[str], tmp_path: Path
) -> None:
    nodes, name = [*pair("x", zero="mid"), KERNEL, node("Conv", ["x.r", "k"], ["a0"])], "a0"
    for i, op in enumerate(before):
        name = f"a{i + 1}"
        nodes.append(node(op, [f"a{i}"], [name]))
    nodes += pair(name, scale, zero, to="y")
    assert words(found(tmp_path, nodes)) == said


def test_the_range_of_an_input_is_that_of_samples(tmp_path: Path) -> None:
    nodes = [
        node("Transpose", ["x"], ["t"], perm=[0, 2, 3, 1]),
        node("Transpose", ["t"], ["u"], perm=[0, 3, 1, 2]),
        *pair("u"),
        KERNEL,
        node("Conv", ["u.r", "k"], ["y"]),
    ]
    assert words(found(tmp_path, nodes)) == ["conv"]


def test_integers_are_moved(tmp_path: Path) -> None:
    nodes = [
        node("QuantizeLinear", ["x", "s", "mid"], ["q"]),
        node("MaxPool", ["q"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Transpose", ["p"], ["t"], perm=[0, 1, 3, 2]),
        node("Concat", ["t", "t"], ["c"], axis=1),
        node("DequantizeLinear", ["c", "s", "mid"], ["y"]),
    ]
    made = found(tmp_path, nodes)
    assert words(made)[0] == "maxpool"
    assert "concat" in words(made)


def operators(path: Path, **more: Any) -> Imported:
    """A file of operators on integers, as QOperator has them."""
    triple = {"x": ["q", "s", "mid"], "c": ["c", "s", "z"]}
    own = {"domain": RUNTIME}
    nodes = [
        node("QuantizeLinear", ["x", "s", "mid"], ["q"]),
        node("QLinearConv", [*triple["x"], "w", "ws", "wz", "s", "z", "b"], ["c"]),
        node("MaxPool", ["c"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        node("QLinearSigmoid", ["p", "s", "z", "s", "z"], ["g"], **own),
        node("QLinearMul", ["g", "s", "z", "p", "s", "z", "s", "z"], ["m"], **own),
        node("QLinearAdd", ["m", "s", "z", "p", "s", "z", "s", "z"], ["a"], **own),
        node("QLinearConcat", ["s", "z", "a", "s", "z", "m", "s", "z"], ["j"], axis=1, **own),
        node("QLinearLeakyRelu", ["j", "s", "z", "s", "z"], ["l"], alpha=0.1, **own),
        node("QLinearGlobalAveragePool", ["l", "s", "z", "s", "z"], ["v"], **own),
        node("Flatten", ["v"], ["f"]),
        node("QGemm", ["f", "s", "z", "e", "es", "ez", "eb"], ["y"], transB=1, alpha=1.0, **own),
    ]
    arrays = {
        **{"b": integers(5, dtype=S32), "e": integers(3, 10), "eb": integers(3, seed=4, dtype=S32)},
        **{"es": scalar(0.01), "ez": scalar(0, S8), "ws": BASE["ws"] / 10},
    }
    arrays["b"] = (arrays["b"] // 2**22).astype(S32)
    arrays["eb"] = (arrays["eb"] // 2**22).astype(S32)
    return found(path, nodes, {**arrays, **more})


def test_operators_on_integers(tmp_path: Path) -> None:
    made = operators(tmp_path)
    assert words(made) == [
        *["conv", "relu", "maxpool", "silu", "add", "concat", "leaky", "relu", "gap", "fc"]
    ]
    bias = next(array for array in made.weights.values() if array.shape == (5,))
    step = np.float32(0.02) * (BASE["ws"] / 10)
    drawn = (integers(5, dtype=S32) // 2**22).astype(np.float32)
    assert np.array_equal(bias, drawn * step)
    assert far(made) < 0.2


def test_products_of_what_is_rounded_as_it_comes(tmp_path: Path) -> None:
    matrix, scales = integers(5, 3), np.float32([0.01, 0.02, 0.03])
    nodes = [
        node("DynamicQuantizeLinear", ["x"], ["q", "qs", "qz"]),
        node("ConvInteger", ["q", "w", "qz"], ["i"]),
        node("Cast", ["i"], ["f"], to=FLOAT),
        node("Mul", ["one", "qs"], ["fs"]),
        node("Mul", ["f", "fs"], ["c"]),
        node("Relu", ["c"], ["r"]),
        node("GlobalAveragePool", ["r"], ["g"]),
        node("Flatten", ["g"], ["v"]),
        node("DynamicQuantizeLinear", ["v"], ["p", "ps", "pz"]),
        node("MatMulInteger", ["p", "m", "pz", "mz"], ["n"]),
        node("Cast", ["n"], ["nf"], to=FLOAT),
        node("Mul", ["ps", "ms"], ["ns"]),
        node("Mul", ["nf", "ns"], ["o"]),
        node("Add", ["o", "bias"], ["y"]),
    ]
    arrays = {"m": matrix, "mz": np.int8([1, 2, 3]), "ms": scales, "bias": numbers(3)}
    made = found(tmp_path, nodes, {**arrays, "one": scalar(0.01)})
    assert words(made) == ["conv", "relu", "gap", "fc"]
    assert 1e-4 < far(made) < 0.05
    weight = next(array for array in made.weights.values() if array.shape == (3, 5))
    wide = matrix.astype(np.float32) - np.float32([1, 2, 3])
    assert np.array_equal(weight, (wide * scales).T)


def test_products_of_the_runtime_s_optimiser(tmp_path: Path) -> None:
    own = {"domain": RUNTIME}
    nodes = [
        node("DynamicQuantizeMatMul", ["x", "m", "ms", "mz", "bias"], ["a"], **own),
        node("DynamicQuantizeLinear", ["a"], ["q", "qs", "qz"]),
        node("MatMulIntegerToFloat", ["q", "n", "qs", "ms", "qz", "mz"], ["y"], **own),
    ]
    arrays = {"m": integers(6, 4), "n": integers(4, 4, seed=3), "bias": numbers(4)}
    made = found(
        tmp_path, nodes, {**arrays, "ms": scalar(0.01), "mz": scalar(3, S8)}, shape=["N", 6]
    )
    assert words(made) == ["fc", "fc"]
    assert far(made) < 0.05


def test_a_recurrence_of_integers(tmp_path: Path) -> None:
    ways = {"w": integers(1, 3, 16), "r": integers(1, 4, 16, seed=2)}
    scale, zero = np.float32([0.01]), np.int8([2])
    names = ["x", "w", "r", "b", "", "", "", "", "s1", "z1", "s1", "z1"]
    nodes = [
        node("DynamicQuantizeLSTM", names, ["h"], hidden_size=4, domain=RUNTIME),
        node("Squeeze", ["h", "one"], ["k"]),
        node("Transpose", ["k"], ["y"], perm=[1, 0, 2]),
    ]
    arrays: dict[str, Array] = {**ways, "b": numbers(1, 32), "s1": scale, "z1": zero}
    arrays["one"] = np.int64([1])
    before = [node("Transpose", ["data"], ["x"], perm=[1, 0, 2])]
    path = written(
        tmp_path / "net.onnx", before + nodes, arrays, shape=[1], more={"data": ["N", 5, 3]}
    )
    import onnx

    proto = onnx.load(path)
    del proto.graph.input[0]
    path.write_bytes(proto.SerializeToString())
    made = import_file(path)
    assert "lstm" in words(made)
    assert made.proof is not None
    assert made.proof.error <= 1e-6
    assert far(made) < 0.05


def test_rows_of_a_table_of_integers(tmp_path: Path) -> None:
    table = integers(11, 6)
    nodes = [
        node("Gather", ["t", "x"], ["g"]),
        node("Transpose", ["g"], ["u"], perm=[0, 2, 1]),
        node("DequantizeLinear", ["u", "s", "z8"], ["y"]),
    ]
    arrays = {"t": table, "z8": scalar(4, S8)}
    kinds = {"kind": TensorProto.INT64, "out_kind": FLOAT, "shape": ["N", 7]}
    made = found(tmp_path, nodes, arrays, **kinds)
    assert words(made) == ["embedding"]
    (held,) = made.weights.values()
    assert np.array_equal(held, (table.astype(np.float32) - 4) * np.float32(0.02))
    assert made.proof.apart.error == 0


def q(data: str, out: str) -> Any:
    return node("QuantizeLinear", [data, "s", "z"], [out])


def dq(data: str, scale: str, out: str = "y") -> Any:
    return node("DequantizeLinear", [data, scale, "z"], [out])


POOL = "QLinearGlobalAveragePool"
REFUSED: dict[str, tuple[list[Any], str]] = {
    "another scale": ([q("x", "q"), dq("q", "six")], "by another scale"),
    "a scale computed": (
        [
            node("ReduceMax", ["x"], ["m"], keepdims=0),
            node("QuantizeLinear", ["x", "m", "z"], ["q"]),
            dq("q", "s"),
        ],
        "a scale that is computed",
    ),
    "integers added": (
        [q("x", "q"), node("Add", ["q", "q"], ["a"]), dq("a", "s")],
        "computes with integers",
    ),
    "integers given out": ([node("Relu", ["x"], ["r"]), q("r", "y")], "output y is integers"),
    "nothing rounded": (
        [node("Cast", ["x"], ["c"], to=TensorProto.UINT8), dq("c", "s")],
        "that nothing rounded",
    ),
    "scales of no axis": (
        [
            node("DequantizeLinear", ["w", "ws", "wz"], ["k"], axis=1),
            node("Conv", ["x", "k"], ["y"]),
        ],
        "another number of scales",
    ),
    "scales of no blocks": (
        [
            node("DequantizeLinear", ["w", "ws", "wz"], ["k"], axis=1, block_size=2),
            node("Conv", ["x", "k"], ["y"]),
        ],
        "scales are not those of its blocks",
    ),
    "channels last": (
        [
            q("x", "q"),
            node(POOL, ["q", "s", "z", "s", "z"], ["p"], channels_last=1, domain=RUNTIME),
            dq("p", "s"),
        ],
        "channels last",
    ),
    "rounded to numbers": (
        [node("QuantizeLinear", ["x", "s", "s"], ["q"]), dq("q", "s")],
        "to what are no integers",
    ),
    "cut short": ([node("QLinearConv", ["x", "s"], ["y"])], "QLinearConv"),
    "no inputs": ([node("QGemm", [], ["y"], domain=RUNTIME)], "QGemm"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_means_no_net_is_refused(name: str, tmp_path: Path) -> None:
    nodes, reason = REFUSED[name]
    path = written(tmp_path / "net.onnx", nodes, BASE, opset=21)
    with pytest.raises(netspec.NetspecError, match=reason):
        import_file(path)


@pytest.mark.parametrize("dtype", [U8, S8, np.uint16, np.int16, S32])
@pytest.mark.parametrize("block", [0, 2])
def test_integers_mean_what_onnx_says(dtype: Any, block: int, tmp_path: Path) -> None:
    data = integers(4, 6, dtype=dtype)
    sizes = (2, 6) if block else (6,)
    axis, scale = (0 if block else 1), np.abs(numbers(*sizes)) + 0.01
    zero = (integers(*sizes, seed=5, dtype=dtype) // (1 if dtype != S32 else 2**30)).astype(dtype)
    more = {"block_size": block} if block else {}
    nodes = [
        node("DequantizeLinear", ["d", "s", "z"], ["n"], axis=axis, **more),
        node("Add", ["n", "x"], ["y"]),
    ]
    arrays = {"d": data, "s": scale, "z": zero}
    if dtype == S32:
        arrays["z"] = zero = np.zeros(sizes, dtype)
    path = written(tmp_path / "net.onnx", nodes, arrays, shape=[4, 6], opset=21)
    (wanted,) = session_run(path, ["x"])({"x": np.zeros((4, 6), np.float32)})
    assert np.array_equal(dequantized(data, scale, zero, axis, block), wanted)


def test_numbers_round_as_onnx_says(tmp_path: Path) -> None:
    data = numbers(4, 6) * 3
    scale, zero = np.float32([0.1, 0.02, 0.5, 0.03]), np.int8([0, 5, -7, 100])
    nodes = [
        node("QuantizeLinear", ["x", "s", "z"], ["q"], axis=0),
        node("Cast", ["q"], ["y"], to=FLOAT),
    ]
    path = written(tmp_path / "net.onnx", nodes, {"s": scale, "z": zero}, shape=[4, 6])
    (wanted,) = session_run(path, ["x"])({"x": data})
    assert np.array_equal(quantized(data, scale, zero, 0, 0).astype(np.float32), wanted)
