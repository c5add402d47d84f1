"""Inputs and outputs of one number for each sample, and whole numbers that are read as numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from netspec.diagnostics.raised import NetspecError
from netspec.importing.imported import Imported, import_file

node = helper.make_node
RANDOM = np.random.default_rng(3)


def read(
    tmp_path: Path,
    nodes: list[Any],
    inputs: dict[str, tuple[int, list[Any]]],
    arrays: dict[str, Any],
    outputs: tuple[str, ...] = ("y",),
) -> Imported:
    given = [helper.make_tensor_value_info(n, *kind) for n, kind in inputs.items()]
    made = [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in outputs]
    tensors = [numpy_helper.from_array(np.asarray(a), n) for n, a in arrays.items()]
    graph = helper.make_graph(nodes, "g", given, made, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = tmp_path / "m.onnx"
    path.write_bytes(model.SerializeToString())
    found = import_file(path)
    assert found.proof is not None
    return found


def weights(*shape: int) -> Any:
    return RANDOM.normal(size=shape).astype(np.float32)


@pytest.mark.parametrize(
    "last",
    [
        node("Squeeze", ["b", "one"], ["y"]),
        node("Flatten", ["b"], ["y"], axis=0),
        node("Reshape", ["b", "all"], ["y"]),
    ],
    ids=lambda last: str(last.op_type),
)
def test_an_output_of_one_number_has_an_axis_of_one(last: Any, tmp_path: Path) -> None:
    nodes = [node("Relu", ["x"], ["a"]), node("MatMul", ["a", "w"], ["b"]), last]
    arrays = {"w": weights(8, 1), "one": np.int64([1]), "all": np.int64([-1])}
    if last.op_type == "Flatten":
        nodes[-1:] = [node("Squeeze", ["b", "one"], ["c"]), node("Sigmoid", ["c"], ["y"])]
    found = read(tmp_path, nodes, {"x": (TensorProto.FLOAT, ["n", 8])}, arrays)
    assert [str(output.value.type) for output in found.graph.outputs] == ["1"]
    assert "flatten" not in found.text


def test_distances_of_samples_and_what_they_are_of(tmp_path: Path) -> None:
    nodes = [
        node("Sub", ["a", "b"], ["d"]),
        node("Mul", ["d", "d"], ["s"]),
        node("ReduceSum", ["s", "one"], ["y"], keepdims=0),
    ]
    given = {name: (TensorProto.FLOAT, ["n", 8]) for name in ("a", "b")}
    found = read(tmp_path, nodes, given, {"one": np.int64([1])}, ("y", "d"))
    assert "over_channels(sum)" in found.text


def test_labels_of_samples_are_ids(tmp_path: Path) -> None:
    nodes = [node("Gather", ["t", "i"], ["e"]), node("Mul", ["x", "e"], ["y"])]
    given = {"x": (TensorProto.FLOAT, ["n", 8]), "i": (TensorProto.INT64, ["n"])}
    found = read(tmp_path, nodes, given, {"t": weights(10, 8)})
    assert "input i: 1 ids(10)" in found.text


def steps(*moves: Any, kind: int = TensorProto.FLOAT) -> Callable[[Path], Imported]:
    """What reads the steps of a diffusion: whole numbers that are cast, before or after they are moved."""

    def made(tmp_path: Path) -> Imported:
        nodes = [
            *moves,
            node("Mul", ["u", "f"], ["a"]),
            node("Sin", ["a"], ["s"]),
            node("Cos", ["a"], ["c"]),
            node("Concat", ["s", "c"], ["b"], axis=1),
            node("Gemm", ["b", "w"], ["g"]),
            node("Mul", ["g", "x"], ["y"]),
        ]
        given = {"x": (TensorProto.FLOAT, ["n", 4]), "t": (TensorProto.INT64, ["n"])}
        factors = np.exp(-np.arange(8, dtype=np.float32) / 2)
        return read(
            tmp_path, nodes, given, {"f": factors, "w": weights(16, 4), "one": np.int64([1])}
        )

    return made


CAST = node("Cast", ["t"], ["v"], to=TensorProto.FLOAT)
AFTER = node("Cast", ["v"], ["u"], to=TensorProto.FLOAT)


@pytest.mark.parametrize(
    "make",
    [
        steps(CAST, node("Unsqueeze", ["v", "one"], ["u"])),
        steps(node("Unsqueeze", ["t", "one"], ["v"]), AFTER),
    ],
)
def test_whole_numbers_that_are_read_as_numbers_are_numbers(
    make: Callable[[Path], Imported], tmp_path: Path
) -> None:
    found = make(tmp_path)
    assert "input t: 1\n" in found.text
    assert "parameter(8)" in found.text


def test_whole_numbers_that_are_also_ids_stay_ids(tmp_path: Path) -> None:
    nodes = [
        node("Gather", ["t", "i"], ["e"]),
        node("Cast", ["i"], ["u"], to=TensorProto.FLOAT),
        node("Mul", ["e", "x"], ["a"]),
        node("Unsqueeze", ["u", "one"], ["v"]),
        node("Mul", ["a", "v"], ["y"]),
    ]
    given = {"x": (TensorProto.FLOAT, ["n", 8]), "i": (TensorProto.INT64, ["n"])}
    with pytest.raises(NetspecError, match="NS802"):
        read(tmp_path, nodes, given, {"t": weights(10, 8), "one": np.int64([1])})


def test_columns_of_ids_have_tables_of_their_own(tmp_path: Path) -> None:
    nodes, tables = [], {}
    for column, rows in enumerate((10, 20, 10)):
        tables |= {f"t{column}": weights(rows, 4), f"p{column}": np.int64(column)}
        nodes += [
            node("Gather", ["i", f"p{column}"], [f"c{column}"], axis=1),
            node("Gather", [f"t{column}", f"c{column}"], [f"e{column}"]),
        ]
    nodes.append(node("Concat", ["e0", "e1", "e2", "x"], ["y"], axis=1))
    given = {"x": (TensorProto.FLOAT, ["n", 5]), "i": (TensorProto.INT64, ["n", 3])}
    found = read(tmp_path, nodes, given, tables)
    assert "input i: 3 ids(10)" in found.text
    assert found.text.count("rows=20") == 1
    assert "slice(1, 2)" in found.text
