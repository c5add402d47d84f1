"""Files of which some nodes are not read: what is written of the rest, and that it is right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper

import netspec
from netspec.cli.main import main
from netspec.importing.imported import import_file

node = helper.make_node
RANDOM = np.random.default_rng(0)
FOUR = RANDOM.standard_normal((4, 3, 3, 3)).astype(np.float32)
EIGHT = RANDOM.standard_normal((8, 4, 3, 3)).astype(np.float32)
ARRAYS = {"four": FOUR, "eight": EIGHT, "s": np.int64([2, 3, 30])}
ARRAYS["matrix"] = np.ones((1, 6, 5), np.float32)


def saved(path: Path, nodes: list[Any], outputs: dict[str, int], **more: Any) -> Path:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 6, 6])
    ends = [helper.make_tensor_value_info(n, kind, None) for n, kind in outputs.items()]
    tensors = [numpy_helper.from_array(a, n) for n, a in ARRAYS.items()]
    graph = helper.make_graph(nodes, "g", [x], ends, tensors, **more)
    versions = [helper.make_opsetid("", 17), helper.make_opsetid("odd.org", 1)]
    made = helper.make_model(graph, opset_imports=versions, ir_version=8)
    path.write_bytes(made.SerializeToString())
    return path


def cut_twice(path: Path) -> Path:
    return saved(
        path,
        [
            node("Conv", ["x", "four"], ["a"], name="first", pads=[1] * 4),
            node("Shrink", ["a"], ["b"], name="/pick/Shrink", lambd=0.1),
            node("Conv", ["b", "eight"], ["c"], name="second", pads=[1] * 4),
            node("Relu", ["c"], ["y"]),
            node("ArgMax", ["y"], ["i"], name="best", axis=1),
        ],
        {"i": TensorProto.INT64},
    )


def test_what_unread_nodes_read_are_outputs_and_what_they_make_are_inputs(tmp_path: Path) -> None:
    path = cut_twice(tmp_path / "m.onnx")
    with pytest.raises(netspec.NetspecError, match=r"2 of 5 .* Shrink .*; ArgMax best \(no op"):
        import_file(path)
    found = import_file(path, partial=True)
    assert [item.node.op for item in found.unread] == ["Shrink", "ArgMax"]
    inputs = {n.path: n.types[0].shape for n in found.graph.inputs}
    assert inputs == {"input": (3, 6, 6), "missing_shrink": (4, 6, 6)}
    shapes = [output.value.type.shape for output in found.graph.outputs]
    assert sorted(shapes) == [(4, 6, 6), (8, 6, 6)]
    notes = [line for line in found.text.splitlines() if line.startswith("#")]
    first = next(o.name for o in found.graph.outputs if o.value.type.shape == (4, 6, 6))
    assert any(f"reads @{first}, makes @missing_shrink" in line for line in notes)
    assert sum("ArgMax best" in line for line in notes) == 1
    weights = {name: array.shape for name, array in found.weights.items()}
    assert sorted(weights.values()) == [(4, 3, 3, 3), (8, 4, 3, 3)]


def test_a_step_that_the_language_refuses_is_a_node_that_is_not_read(tmp_path: Path) -> None:
    """ONNX has norms of any power, `lppool` has not: the node is named, and may be cut out."""
    nodes = [
        node("Conv", ["x", "four"], ["a"], name="first", pads=[1] * 4),
        node("LpPool", ["a"], ["b"], name="/mix/LpPool", kernel_shape=[2, 2], p=100),
        node("Tanh", ["b"], ["y"]),
    ]
    path = saved(tmp_path / "m.onnx", nodes, {"y": TensorProto.FLOAT})
    said = (
        r"1 of 3 nodes .* LpPool /mix/LpPool \(`lppool`: p must be an integer from 1 to 16, got 100"
    )
    with pytest.raises(netspec.NetspecError, match=said):
        import_file(path)
    found = import_file(path, partial=True)
    assert [item.node.name for item in found.unread] == ["/mix/LpPool"]
    assert "input missing_lppool: 4x5x5" in found.text


def test_a_matrix_for_each_channel_is_read(tmp_path: Path) -> None:
    nodes = [
        node("Conv", ["x", "four"], ["a"], name="first", pads=[1] * 4),
        node("MatMul", ["a", "matrix"], ["b"]),
        node("Tanh", ["b"], ["y"]),
    ]
    found = import_file(saved(tmp_path / "m.onnx", nodes, {"y": TensorProto.FLOAT}))
    assert found.proof is not None
    assert found.text.endswith("tanh\n")


def test_the_rest_is_proven_on_what_the_file_makes(tmp_path: Path) -> None:
    found = import_file(cut_twice(tmp_path / "m.onnx"), partial=True)
    assert found.proof is not None
    assert found.proof.parts
    assert found.proof.outputs == 2
    assert found.proof.error <= 1e-6
    assert "but for what is lacking" in str(found.proof)


def test_a_rest_that_is_misread_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from netspec.importing.recognise import elementwise

    monkeypatch.setitem(elementwise._UNARY, "Relu", lambda node: ("sigmoid",))
    with pytest.raises(netspec.NetspecError, match="computes otherwise"):
        import_file(cut_twice(tmp_path / "m.onnx"), partial=True)


def test_nodes_that_only_follow_are_counted_and_not_listed(tmp_path: Path) -> None:
    # How many rows it gives is known to nobody before it runs.
    nodes = [
        node("Conv", ["x", "four"], ["a"], pads=[1] * 4),
        node("NonZero", ["a"], ["b"], name="where"),
        node("Cast", ["b"], ["c"], to=TensorProto.FLOAT),
        node("Neg", ["c"], ["y"]),
    ]
    path = saved(tmp_path / "m.onnx", nodes, {"y": TensorProto.FLOAT})
    with pytest.raises(
        netspec.NetspecError, match=r"NonZero where \(.*\); and 2 that read what it"
    ):
        import_file(path)
    found = import_file(path, partial=True)
    assert [output.value.type.shape for output in found.graph.outputs] == [(4, 6, 6)]
    assert sum("NonZero" in line for line in found.text.splitlines()) == 1
    assert "Neg" not in found.text


def test_sizes_of_unknown_operators_are_those_that_the_file_says(tmp_path: Path) -> None:
    nodes = [
        node("Conv", ["x", "four"], ["a"], pads=[1] * 4),
        node("Odd", ["a"], ["b"], domain="odd.org"),
        node("Conv", ["b", "eight"], ["y"], pads=[1] * 4),
    ]
    said = [helper.make_tensor_value_info("b", TensorProto.FLOAT, ["N", 4, 6, 6])]
    path = saved(tmp_path / "m.onnx", nodes, {"y": TensorProto.FLOAT}, value_info=said)
    found = import_file(path, partial=True)
    assert len(found.unread) == 1
    assert found.proof is None  # nobody has that operator
    assert "input missing_odd_org_odd: 4x6x6" in found.text
    result = CliRunner().invoke(main, ["import", str(path), "--partial"])
    assert result.exit_code == 0
    assert "not proven: ONNX Runtime does not run the file" in result.output


def test_of_a_file_without_a_step_nothing_is_written(tmp_path: Path) -> None:
    path = saved(tmp_path / "m.onnx", [node("Shrink", ["x"], ["y"])], {"y": TensorProto.FLOAT})
    with pytest.raises(netspec.NetspecError, match="1 of 1 nodes"):
        import_file(path, partial=True)


def test_a_reshape_that_fits_no_size_is_told(tmp_path: Path) -> None:
    nodes = [node("Reshape", ["x", "s"], ["y"])]
    path = saved(tmp_path / "m.onnx", nodes, {"y": TensorProto.FLOAT})
    with pytest.raises(netspec.NetspecError, match="its sizes are not those of what it reads"):
        import_file(path)


@pytest.mark.parametrize(
    ("maker", "kind", "reason"),
    [
        (node("Shape", ["y"], ["z"]), TensorProto.INT64, "it computes with integers"),
        (node("Identity", ["s"], ["z"]), TensorProto.INT64, "it computes with integers"),
        (node("Identity", ["four"], ["z"]), TensorProto.FLOAT, "its first axis is not the batch"),
    ],
    ids=["sizes", "integers", "numbers"],
)
def test_an_output_that_no_step_makes_is_named_and_left_out(
    maker: Any, kind: int, reason: str, tmp_path: Path
) -> None:
    outputs = {"y": TensorProto.FLOAT, "z": kind}
    path = saved(tmp_path / "m.onnx", [node("Relu", ["x"], ["y"]), maker], outputs)
    with pytest.raises(netspec.NetspecError, match=rf"NS802.*output \w+ \({reason}\)"):
        import_file(path)
    found = import_file(path, partial=True)
    assert [output.value.type.shape for output in found.graph.outputs] == [(3, 6, 6)]
    assert found.proof is not None
    assert found.proof.parts
