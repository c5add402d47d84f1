"""Constants of a file where a step needs a tensor: parameters, tables, waves, slopes, fixed points."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import netspec
from netspec.diagnostics.raised import NetspecError
from netspec.importing.imported import Imported, import_file

# Texts whose own file gives them again, word for word.
BACK = [
    "input 6\nconcat { | identity | parameter(2) }",
    "input 3\nparameter(2x3)",
    "input 3x4\nparameter(3x4); expand(@input)",
    "input 4x3x5\nconcat { | parameter(2x3x5) | identity | parameter(1x3x5) }",
    "input 4x3\nmatmul { | parameter(2x4) | identity }",
    "input 4x3\nmatmul { | identity | parameter(3x5) }",
    "input 8x3\nparameter(8x4) as parameter; @input; attend(2, @parameter)",
    "input 8x3\nparameter(8x4); attend(2, @input, scale=1)",
    "input 4\nrelu as r; parameter(4) as p\noutput r, p",
    "input 6xT\nalibi(3)",
    "input 8x5\nattention(2, causal=yes, scores=alibi(2))",
    "input 4xT\nrelative(2, buckets=6, most=5)",
    "input 4xT\nrelative(2, buckets=6, most=9, causal=yes)",
    "input 4x7\nrelative(2, size=2x3, tokens=1)",
    "input 4xT\nposition(9)",
    "input 5x6\nposition(9)",
    "input T ids(30)\nembedding-4; position(50)",
    "input 2xT\nconv300-4",
    "input 7 ids(30)\nembedding-4; concat { | identity | parameter(2x7) }",
    "input 7 ids(30)\nembedding-4; matmul { | parameter(5x4) | identity }",
    "input 8xT\nresidual { waves(layout=halves) }",
    "input 8x3x4\nresidual { waves(normalised=yes) }",
    "input 8x40\nresidual { waves(base=100) }",
    "input 3x4\nclip(high=0.3)",
    "input 3x4\nclip(0.25)",
    "input 3x5\nlstm-4(projection=2) x2",
    "input 3x5\nlstm-6(bidirectional=yes, projection=2)",
    "input 3x5\nparameter(4) as parameter; @input; gru-4(@parameter)",
]


def written(text: str, path: Path) -> Imported:
    netspec.load(text).to_onnx(path)
    return import_file(path)


def body(found: Imported) -> str:
    """The text without the net's name and empty lines."""
    return re.sub(r"\n+", "\n", found.text.split("\n", 1)[1]).strip()


@pytest.mark.parametrize("text", BACK)
def test_a_text_comes_back_word_for_word(text: str, tmp_path: Path) -> None:
    found = written(text, tmp_path / "net.onnx")
    assert body(found) == text
    assert found.proof is not None
    assert found.proof.error <= 1e-6
    assert not found.held


def made(
    path: Path, nodes: Sequence[Any], arrays: dict[str, Any], shape: Sequence[Any], opset: int = 17
) -> Path:
    graph = helper.make_graph(
        list(nodes),
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in arrays.items()],
    )
    opsets = [helper.make_opsetid("", opset)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
    return path


def numbers(*shape: int) -> Any:
    return np.random.default_rng(len(shape)).uniform(0.5, 2, shape).astype(np.float32)


@pytest.mark.parametrize("op", ["Add", "Sub", "Div", "Max", "Mean"])
@pytest.mark.parametrize("shape", [(), (1,), (5,), (4, 1), (4, 5), (1, 4, 5), (2, 1, 1, 5)])
@pytest.mark.parametrize("first", [True, False])
def test_a_constant_stands_on_either_side(
    op: str, shape: tuple[int, ...], first: bool, tmp_path: Path
) -> None:
    """Of a map (N, 3, 4, 5); one with a first axis of two is of two samples, and none of these."""
    names = ["c", "e"] if first else ["e", "c"]
    nodes = [helper.make_node("Exp", ["x"], ["e"]), helper.make_node(op, names, ["y"])]
    path = made(tmp_path / "m.onnx", nodes, {"c": numbers(*shape)}, ["n", 3, 4, 5])
    if len(shape) > 3:
        with pytest.raises(NetspecError):
            import_file(path)
        return
    found = import_file(path)
    assert found.proof is not None
    assert found.proof.error <= 1e-6


@pytest.mark.parametrize("axis", [1, 2, -1])
@pytest.mark.parametrize("first", [True, False])
def test_a_constant_is_joined(axis: int, first: bool, tmp_path: Path) -> None:
    shape = [1, 4, 6]
    shape[axis] = 2
    nodes = [
        helper.make_node("Shape", ["x"], ["s"], start=0, end=1),
        helper.make_node("Concat", ["s", "ones"], ["to"], axis=0),
        helper.make_node("Expand", ["c", "to"], ["b"]),
        helper.make_node("Concat", ["b", "x"] if first else ["x", "b"], ["y"], axis=axis),
    ]
    arrays = {"c": numbers(*shape), "ones": np.int64([1, 1])}
    found = import_file(made(tmp_path / "m.onnx", nodes, arrays, ["n", 4, 6]))
    assert found.proof is not None
    assert found.proof.exact
    assert "expand" not in found.text


@pytest.mark.parametrize("shape", [(7, 4), (1, 7, 4), (2, 7, 4)])
def test_a_constant_multiplies_from_the_left(shape: tuple[int, ...], tmp_path: Path) -> None:
    nodes = [helper.make_node("MatMul", ["c", "x"], ["y"])]
    many = [2] if shape[0] == 2 else []
    found = import_file(
        made(tmp_path / "m.onnx", nodes, {"c": numbers(*shape)}, ["n", *many, 4, 6])
    )
    assert found.proof is not None
    assert found.proof.error <= 1e-6


def test_one_constant_is_one_parameter(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Add", ["x", "c"], ["a"]),
        helper.make_node("Relu", ["a"], ["r"]),
        helper.make_node("Mul", ["r", "c"], ["y"]),
    ]
    for array in (numbers(1, 3, 4, 5), np.zeros((1, 3, 4, 5), np.float32)):
        found = import_file(made(tmp_path / "m.onnx", nodes, {"c": array}, ["n", 3, 4, 5]))
        assert found.text.count("parameter(") == 1
    apart = [*nodes[:2], helper.make_node("Mul", ["r", "d"], ["y"])]
    zeros = dict.fromkeys("cd", np.zeros((1, 3, 4, 5), np.float32))
    found = import_file(made(tmp_path / "m.onnx", apart, zeros, ["n", 3, 4, 5]))
    assert "unit_bias; relu; mul { | identity | parameter(3x4x5) }" in found.text


def test_a_table_that_several_read_is_trained_once(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], perm=[0, 2, 1]),
        helper.make_node("Add", ["t", "c"], ["a"]),
        helper.make_node("Relu", ["a"], ["r"]),
        helper.make_node("Add", ["r", "c"], ["y"]),
    ]
    table = {"c": numbers(1, 5, 4)}
    found = import_file(made(tmp_path / "m.onnx", nodes, table, ["n", 4, 5]))
    assert found.text.count("parameter(") == 1
    assert "position" not in found.text
    alone = [*nodes[:2], helper.make_node("Relu", ["a"], ["y"])]
    found = import_file(made(tmp_path / "m.onnx", alone, table, ["n", 4, 5]))
    assert "position; relu" in found.text


@pytest.mark.parametrize(
    ("op", "shape", "step"),
    [
        ("Mul", (2, 1, 1), "affine-2(bias=no)"),
        ("Add", (2, 1, 1), "add { | identity | parameter(2x1x1) }"),
        ("Add", (2, 4, 5), "add { | identity | parameter(2x4x5) }"),
        ("Sub", (2, 4, 1), "sub { | identity | parameter(2x4x1) }"),
        ("Mul", (1, 4, 5), "mul { | identity | parameter(1x4x5) }"),
        ("Max", (2, 4, 5), "maximum { | identity | parameter(2x4x5) }"),
    ],
)
def test_two_equal_rows_are_no_samples(
    op: str, shape: tuple[int, ...], step: str, tmp_path: Path
) -> None:
    # Files are read at a batch of two.
    nodes = [helper.make_node(op, ["x", "c"], ["y"])]
    array = np.full(shape, 0.5, np.float32)
    found = import_file(made(tmp_path / "m.onnx", nodes, {"c": array}, ["n", 1, 4, 5]))
    assert step in found.text
    assert found.proof is not None


@pytest.mark.parametrize(("off", "same"), [(1e-7, True), (1e-3, False)])
def test_rows_of_samples_may_differ_by_rounding(off: float, same: bool, tmp_path: Path) -> None:
    """As sines do that a file computes of constants, side by side for each sample."""
    array = np.repeat(numbers(1, 4, 5), 2, 0)
    array[1] *= np.float32(1 + off)
    nodes = [helper.make_node("Exp", ["x"], ["e"]), helper.make_node("Add", ["e", "c"], ["y"])]
    path = made(tmp_path / "m.onnx", nodes, {"c": array}, [2, 4, 5])
    if same:
        assert "exp; position" in import_file(path).text
        return
    with pytest.raises(NetspecError, match="differs from sample to sample"):
        import_file(path)


@pytest.mark.parametrize("at", [(0, 0, 1), (1, 3, 2)])
def test_one_number_that_is_off_is_no_alibi(at: tuple[int, int, int], tmp_path: Path) -> None:
    away = np.abs(np.arange(5) - np.arange(5)[:, None])
    scores = (-np.float32([0.0625, 0.00390625])[:, None, None] * away).astype(np.float32)
    nodes = [helper.make_node("Shape", ["x"], ["s"]), helper.make_node("Identity", ["c"], ["y"])]
    read = import_file(made(tmp_path / "m.onnx", nodes, {"c": scores[None]}, ["n", 4, 5]))
    assert body(read) == "input 4x5\nalibi(2)"
    scores[at] += 1
    read = import_file(made(tmp_path / "m.onnx", nodes, {"c": scores[None]}, ["n", 4, 5]))
    assert body(read) == "input 4x5\nparameter(2x5x5)"


def test_an_lstm_whose_matrix_is_no_product_is_not_projected(tmp_path: Path) -> None:
    netspec.load("input 3x5\nlstm-4(projection=2)").to_onnx(tmp_path / "m.onnx", optimize=False)
    model = onnx.load(tmp_path / "m.onnx")
    lstm = next(node for node in model.graph.node if node.op_type == "LSTM")
    whole = np.random.default_rng(0).standard_normal((1, 16, 4)).astype(np.float32)
    model.graph.initializer.append(numpy_helper.from_array(whole, "whole"))
    lstm.input[2] = "whole"
    onnx.save(model, tmp_path / "m.onnx")
    found = import_file(tmp_path / "m.onnx")
    assert "projection" not in found.text
    assert found.proof is not None


def test_tables_of_more_rows_are_whole(tmp_path: Path) -> None:
    found = written("input 4xT\nconv1-8; position(512)", tmp_path / "net.onnx")
    (table,) = (array for name, array in found.weights.items() if "conv" not in name)
    assert table.shape == (512, 8)
