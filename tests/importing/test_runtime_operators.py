"""Operators that ONNX Runtime's optimisers write: taken apart where they are exact, else refused kindly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.foreign_files import RUNTIME, Array, node, numbers, words, written

import netspec
from netspec.importing.imported import import_file


def own(op: str, inputs: list[str], outputs: list[str] | None = None, **more: Any) -> Any:
    return node(op, inputs, outputs or ["y"], domain=RUNTIME, **more)


K, B = numbers(4, 4, 3, 3), numbers(4)
SEQUENCE = ["N", 5, 8]
NORMS = {"g": numbers(8), "b": numbers(8, seed=1), "c": numbers(8, seed=2)}
HEADS = {"w": numbers(8, 24), "b": numbers(24)}
Case = tuple[list[Any], dict[str, Array], list[Any], list[str]]
IMAGE = ["N", 4, 6, 6]
CASES: dict[str, Case] = {
    "conv and relu": (
        [own("FusedConv", ["x", "w", "b"], activation="Relu", pads=[1, 1, 1, 1])],
        {"w": K, "b": B},
        IMAGE,
        ["conv", "relu"],
    ),
    "conv, sum and clip": (
        [
            own(
                "FusedConv",
                ["x", "w", "b", "x"],
                activation="Clip",
                activation_params=[0.0, 6.0],
                pads=[1, 1, 1, 1],
            )
        ],
        {"w": K, "b": B},
        IMAGE,
        ["conv", "add", "relu6"],
    ),
    "conv and leaky": (
        [own("FusedConv", ["x", "w"], activation="LeakyRelu", activation_params=[0.2])],
        {"w": K},
        IMAGE,
        ["conv", "leaky"],
    ),
    "gemm and relu": (
        [own("FusedGemm", ["x", "w", "b"], activation="Relu", transB=1)],
        {"w": numbers(3, 7), "b": numbers(3)},
        ["N", 7],
        ["fc", "relu"],
    ),
    "a turned product": (
        [own("FusedMatMul", ["x", "w"], transB=1, alpha=0.25)],
        {"w": numbers(3, 7)},
        ["N", 7],
        ["fc", "scaled"],
    ),
    "a product of what has its steps first": (
        [
            node("Transpose", ["x"], ["steps"], perm=[1, 0, 2]),
            own("FusedMatMul", ["x", "steps"], transB=1, transBatchB=1),
        ],
        {},
        SEQUENCE,
        ["transpose", "matmul"],
    ),
    "gelu": ([own("Gelu", ["x"])], {}, SEQUENCE, ["gelu"]),
    "gelu of a sum": (
        [node("MatMul", ["x", "w"], ["m"]), own("BiasGelu", ["m", "b"])],
        {"w": numbers(8, 6), "b": numbers(6)},
        SEQUENCE,
        ["transpose", "fc", "gelu"],
    ),
    "fast gelu": ([own("FastGelu", ["x"])], {}, SEQUENCE, ["gelu"]),
    "quick gelu": ([own("QuickGelu", ["x"], alpha=1.0)], {}, SEQUENCE, ["silu"]),
    "another quick gelu": (
        [own("QuickGelu", ["x"], alpha=1.702)],
        {},
        SEQUENCE,
        ["scaled", "sigmoid", "mul"],
    ),
    "a sum normalised": (
        [
            node("Relu", ["x"], ["r"]),
            own(
                "SkipLayerNormalization",
                ["x", "r", "g", "b", "c"],
                ["n", "", "", "s"],
                epsilon=1e-5,
            ),
            node("Add", ["n", "s"], ["y"]),
        ],
        NORMS,
        SEQUENCE,
        ["relu", "add", "add", "transpose", "layernorm", "add"],
    ),
    "a sum over its root mean square": (
        [
            node("Relu", ["x"], ["r"]),
            own("SkipSimplifiedLayerNormalization", ["x", "r", "g"], epsilon=1e-6),
        ],
        {"g": NORMS["g"]},
        SEQUENCE,
        ["relu", "add", "transpose", "rmsnorm"],
    ),
    "over its root mean square": (
        [node("SimplifiedLayerNormalization", ["x", "g"], ["y"], axis=-1, epsilon=1e-6)],
        {"g": NORMS["g"]},
        SEQUENCE,
        ["transpose", "rmsnorm"],
    ),
    "attention": (
        [own("Attention", ["x", "w", "b"], num_heads=2), own("Gelu", ["y"], ["z"])],
        HEADS,
        SEQUENCE,
        ["transpose", "fc", "attend"],
    ),
    "causal attention": (
        [own("Attention", ["x", "w", "b"], num_heads=2, unidirectional=1)],
        HEADS,
        SEQUENCE,
        ["transpose", "fc", "attend"],
    ),
    "attention of three sequences": (
        [
            node("Relu", ["x"], ["k"]),
            node("Sigmoid", ["x"], ["v"]),
            own("MultiHeadAttention", ["x", "k", "v"], num_heads=4),
        ],
        {},
        SEQUENCE,
        ["relu", "sigmoid"],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_an_operator_is_read_and_proven_beside_the_file_itself(name: str, tmp_path: Path) -> None:
    nodes, arrays, shape, said = CASES[name]
    found = import_file(written(tmp_path / "net.onnx", nodes, arrays, shape=shape))
    assert found.proof is not None
    assert found.proof.error <= 1e-6
    assert found.proof.apart is None
    rest = iter(words(found))
    assert all(word in rest for word in said if word != "transpose")
    assert ("causal=yes" in found.text) == (name == "causal attention")


def test_layer_normalisation_before_onnx_had_it(tmp_path: Path) -> None:
    nodes = [
        node("LayerNormalization", ["x", "g", "b"], ["n"], axis=-1),
        node("Relu", ["n"], ["y"]),
    ]
    path = written(tmp_path / "net.onnx", nodes, NORMS, shape=SEQUENCE, opset=12)
    assert {"layernorm", "relu"} <= set(words(import_file(path)))


@pytest.mark.parametrize("domain", ["com.microsoft.nchwc", "com.ms.internal.nhwc"])
def test_what_is_laid_out_for_one_machine_is_refused(domain: str, tmp_path: Path) -> None:
    nodes = [node("Conv", ["x", "w"], ["y"], domain=domain)]
    path = written(tmp_path / "net.onnx", nodes, {"w": K})
    with pytest.raises(netspec.NetspecError, match="import the file that it was made from"):
        import_file(path)


@pytest.mark.parametrize(
    "made",
    [
        own("RotaryEmbedding", ["x", "w", "w", "w"]),
        own("FusedConv", ["x", "w"], activation="Elu"),
        own("FusedMatMul", ["x", "b"], transBatchB=1),
        own("Attention", ["x", "w", "b", "b"], num_heads=2),
        own("MultiHeadAttention", ["x"], num_heads=2),
    ],
)
def test_what_no_rule_says_is_listed_with_a_way_out(made: Any, tmp_path: Path) -> None:
    path = written(tmp_path / "net.onnx", [made], {"w": K, "b": B})
    with pytest.raises(
        netspec.NetspecError, match=r"NS802.*ONNX Runtime's optimiser: import the file"
    ):
        import_file(path)


@pytest.mark.parametrize(
    "made",
    [
        own("Attention", [], num_heads=2),
        own("Attention", ["x", "w"], num_heads=0),
        own("Attention", ["x", "w"], num_heads=2, qkv_hidden_sizes=[2**40, 3, 4]),
        own("Attention", ["x", "w"], num_heads=[2]),
        own("SkipLayerNormalization", ["x"]),
        own("FusedGemm", []),
        own("FusedMatMul", ["x"], transB=1),
        own("QuickGelu", []),
        own("FusedConv", ["x", "w"], activation=3),
    ],
)
def test_operators_that_lie_are_refused(made: Any, tmp_path: Path) -> None:
    path = written(tmp_path / "net.onnx", [made], {"w": numbers(8, 24)}, shape=SEQUENCE)
    with pytest.raises(netspec.NetspecError):
        import_file(path)


@pytest.mark.parametrize("op", ["Loop", "Scan"])
def test_loops_are_refused_with_a_reason(op: str, tmp_path: Path) -> None:
    from onnx import TensorProto, helper

    said = helper.make_tensor_value_info("b", TensorProto.FLOAT, None)
    body = helper.make_graph([node("Identity", ["x"], ["b"])], "body", [], [said])
    given = {
        "Loop": node("Loop", ["", "", "x"], ["y"], body=body),
        "Scan": node("Scan", ["x"], ["y"], body=body, num_scan_inputs=1),
    }
    path = written(tmp_path / "net.onnx", [given[op]], {})
    with pytest.raises(netspec.NetspecError, match=f"{op} .a loop"):
        import_file(path)


def test_names_of_what_is_taken_apart_are_new(tmp_path: Path) -> None:
    nodes = [
        node("Relu", ["x"], ["y.conv"]),
        own("FusedConv", ["y.conv", "w"], activation="Relu"),
    ]
    found = import_file(written(tmp_path / "net.onnx", nodes, {"w": K}))
    assert words(found) == ["relu", "conv", "relu"]
