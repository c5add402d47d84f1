"""Elements of a vector in steps along several axes, as torch's newer exporter writes as_strided."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

import netspec
from netspec.importing.files.computing import computed
from netspec.importing.imported import import_file

node = helper.make_node
SHAPE = (1, 2, 6, 8)
PLACES = np.arange(96).reshape(SHAPE)


def strided(path: Path, places: np.ndarray[Any, Any]) -> Path:
    nodes = [
        node("Relu", ["x"], ["a"]),
        node("Reshape", ["a", "all"], ["b"]),
        node("Gather", ["b", "places"], ["c"], axis=0),
        node("Neg", ["c"], ["y"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, SHAPE)
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    arrays = {"all": np.int64([-1]), "places": np.ascontiguousarray(places)}
    tensors = [numpy_helper.from_array(a, n) for n, a in arrays.items()]
    graph = helper.make_graph(nodes, "g", [x], [y], tensors)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(made.SerializeToString())
    return path


@pytest.mark.parametrize(
    "places",
    [
        PLACES,
        PLACES.transpose(0, 2, 3, 1),
        PLACES[:, :, 1:4, 2:7],
        PLACES[:, :, ::2, 1::2],
        PLACES[:, 1:],
        PLACES.reshape(1, 4, 3, 8),
    ],
)
def test_steps_along_axes_are_the_same_elements(
    places: np.ndarray[Any, Any], tmp_path: Path
) -> None:
    found = import_file(strided(tmp_path / "m.onnx", places))
    assert found.proof is not None
    assert found.proof.exact


def test_all_of_it_in_order_is_no_step(tmp_path: Path) -> None:
    found = import_file(strided(tmp_path / "m.onnx", PLACES))
    assert [n.op.spelling for n in found.graph.nodes[1:]] == ["relu", "scaled"]


@pytest.mark.parametrize(
    "places",
    [
        PLACES[:, :, ::-1],
        np.random.default_rng(0).permutation(96).reshape(SHAPE),
        np.broadcast_to(PLACES[:, :1], SHAPE),
    ],
)
def test_other_choices_are_refused(places: np.ndarray[Any, Any], tmp_path: Path) -> None:
    with pytest.raises(netspec.NetspecError, match="elements in several axes"):
        import_file(strided(tmp_path / "m.onnx", places))


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_elements_are_gathered_along_an_axis(axis: int) -> None:
    data = np.arange(40.0).reshape(4, 10)
    places = np.random.default_rng(0).integers(0, 4, (3, 60) if axis else (60, 7))
    made = node("GatherElements", ["a", "b"], ["c"], axis=axis)
    (found,) = computed(made, {"a": data, "b": places}, 17)
    at = np.indices(places.shape)
    wanted = data[at[0], places] if axis else data[places, at[1]]
    assert np.array_equal(found, wanted)
