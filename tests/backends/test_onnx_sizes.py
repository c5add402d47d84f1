"""ONNX files that ask for more memory than they have bytes: told before anything runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper

import netspec
from netspec.backends.onnx.sizes import TooLarge, check_sizes
from netspec.backends.runtime import Session
from netspec.diagnostics.raised import NetspecError

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


def model(path: Path, op: str, sizes: list[int], kind: int = FLOAT, **inputs: object) -> Path:
    """A model of one operator on `x`, Nx3, and constant sizes."""
    feeds = [] if op == "ConstantOfShape" else ["x"]
    graph = helper.make_graph(
        [helper.make_node(op, [*feeds, *(["s"] if sizes else [])], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", kind, ["N", 3])] if feeds else [],
        [helper.make_tensor_value_info("y", kind, None)],
        [helper.make_tensor("s", INT64, [len(sizes)], sizes)] if sizes else [],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
    path.write_bytes(made.SerializeToString())
    return path


@pytest.mark.parametrize(
    ("op", "sizes"),
    [("ConstantOfShape", [2**31]), ("ConstantOfShape", [2**27]), ("Expand", [2**12, 2**20, 1])],
)
def test_what_constants_ask_for_is_refused_before_loading(
    op: str, sizes: list[int], tmp_path: Path
) -> None:
    with pytest.raises(NetspecError, match=r"NS605.*would make \d"):
        Session(model(tmp_path / "m.onnx", op, sizes))


def test_what_an_input_asks_for_is_refused_before_running(tmp_path: Path) -> None:
    session = Session(model(tmp_path / "m.onnx", "Tile", [2**20, 2**12]))
    with pytest.raises(NetspecError, match=r"NS605.*Tile.*--max-bytes"):
        session.run({"x": np.zeros((1, 3), np.float32)})


def test_what_is_held_at_once_counts_and_not_all_that_is_made() -> None:
    nodes = [helper.make_node("Relu", [f"v{i}"], [f"v{i + 1}"]) for i in range(50)]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("v0", FLOAT, ["N", 256])],
        [helper.make_tensor_value_info("v50", FLOAT, None)],
    )
    made: ModelProto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)])
    check_sizes(made, 2 * 1024, {"v0": (1, 256)})
    with pytest.raises(TooLarge):
        check_sizes(made, 2 * 1024, {"v0": (2, 256)})
    # In another order than the file's, all may be held.
    check_sizes(made, 50 * 1024, {"v0": (1, 256)}, in_order=False)
    with pytest.raises(TooLarge):
        check_sizes(made, 50 * 1024 - 1, {"v0": (1, 256)}, in_order=False)


@pytest.mark.parametrize("name", ["lenet5", "googlenet", "fcn8s", "captioning", "unet"])
def test_nothing_of_netspecs_own_is_refused(name: str, tmp_path: Path) -> None:
    from netspec.verify.samples import sample_inputs

    net = netspec.load(name)
    path = tmp_path / "m.onnx"
    net.to_onnx(path)
    proto = ModelProto.FromString(path.read_bytes())
    check_sizes(proto, 2**33)
    check_sizes(proto, 2**33, {n: a.shape for n, a in sample_inputs(net.graph, batch=2).items()})


def test_weights_may_be_turned_however_large_they_are() -> None:
    graph = helper.make_graph(
        [
            helper.make_node("Transpose", ["w"], ["t"]),
            helper.make_node("MatMul", ["x", "t"], ["y"]),
        ],
        "g",
        [helper.make_tensor_value_info("x", FLOAT, ["N", 2**13])],
        [helper.make_tensor_value_info("y", FLOAT, None)],
        [TensorProto(name="w", data_type=FLOAT, dims=[2**14, 2**13])],
    )
    made: ModelProto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)])
    check_sizes(made, 2**33)
    check_sizes(made, 2**33, {"x": (1, 2**13)})


def test_a_numeric_type_that_netspec_never_writes_is_refused(tmp_path: Path) -> None:
    for kind in (TensorProto.DOUBLE, TensorProto.BOOL, TensorProto.INT8, TensorProto.STRING):
        path = model(tmp_path / "m.onnx", "Identity", [], kind)
        with pytest.raises(NetspecError, match=r"NS605.*netspec never writes"):
            Session(path)


def test_the_runtimes_own_log_does_not_pass(tmp_path: Path) -> None:
    path = model(tmp_path / "m.onnx", "Gather", [99])
    line = [sys.executable, "-m", "netspec", "run", str(path)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert len(done.stderr.splitlines()) == 1
    assert "\x1b" not in done.stderr


def _nodes(path: Path, nodes: list[object], constants: dict[str, list[int]]) -> Path:
    """A model of these nodes from `x`, Nx3, to `y`."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", FLOAT, ["N", 3])],
        [helper.make_tensor_value_info("y", FLOAT, None)],
        [helper.make_tensor(name, INT64, [len(v)], v) for name, v in constants.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
    path.write_bytes(made.SerializeToString())
    return path


def test_shapes_that_do_not_fit_are_refused_before_loading(tmp_path: Path) -> None:
    node = helper.make_node("Transpose", ["x"], ["y"], perm=[0, 1, 2])
    with pytest.raises(NetspecError, match=r"NS605.*Transpose.* does not fit"):
        Session(_nodes(tmp_path / "m.onnx", [node], {}))


def test_sizes_that_follow_from_numbers_cannot_be_told(tmp_path: Path) -> None:
    """Of a shape that is computed from what is fed, nothing can be said."""
    nodes = [
        helper.make_node("Cast", ["x"], ["i"], to=INT64),
        helper.make_node("Reshape", ["i", "flat"], ["s"]),
        helper.make_node("ConstantOfShape", ["s"], ["m"]),
        helper.make_node("Relu", ["m"], ["y"]),
    ]
    session = Session(_nodes(tmp_path / "m.onnx", nodes, {"flat": [-1]}))
    with pytest.raises(NetspecError, match="cannot be told"):
        session.run({"x": np.full((1, 3), 9999, np.float32)})


def test_boxes_that_stay_count_as_many_as_they_can_be(tmp_path: Path) -> None:
    net = netspec.load("input boxes: 4x5000\ninput scores: 3x5000\n@boxes; nms(@scores, most=2000)")
    path = net.to_onnx(tmp_path / "m.onnx")
    boxes = np.tile(np.arange(5000, dtype=np.float32), (1, 4, 1))
    boxes[:, 2:] += 0.5
    found = Session(path).run({"boxes": boxes, "scores": np.ones((1, 3, 5000), np.float32)})
    assert found.outputs["output"][0, 4].all()
    with pytest.raises(NetspecError, match=r"NS605"):
        Session(path, most=200_000).run(
            {"boxes": boxes, "scores": np.ones((1, 3, 5000), np.float32)}
        )


def test_boxes_whose_number_is_computed_are_refused(tmp_path: Path) -> None:
    """Where the most that may stay is no constant, how many do cannot be told."""
    nodes = [
        helper.make_node("Cast", ["k"], ["most"], to=INT64),
        helper.make_node("NonMaxSuppression", ["x", "s", "most"], ["y"]),
    ]
    inputs = [("x", ["N", 4, 4]), ("s", ["N", 2, 4]), ("k", [1])]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(name, FLOAT, sizes) for name, sizes in inputs],
        [helper.make_tensor_value_info("y", INT64, None)],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    with pytest.raises(TooLarge, match="cannot be told"):
        check_sizes(made, 10**9, {"x": (1, 4, 4), "s": (1, 2, 4), "k": (1,)})


def test_weights_of_shared_layers_are_turned_for_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twelve layers of one matrix, as in ALBERT: what is made of it is more than the file holds."""
    text = "input 64xT\nfc-64(over=channels) as first; fc-64(over=channels, weights=@first) x11"
    path = netspec.load(text).to_onnx(tmp_path / "m.onnx")
    monkeypatch.setattr("netspec.backends.onnx.sizes._CONSTANTS", 0)
    assert Session(path).run({"input": np.ones((1, 64, 3), np.float32)}).outputs
