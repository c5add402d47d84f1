"""Runs the shortest reproductions of docs/upstream.md, and what netspec does in their place.

    python benchmarks/upstream.py

For each defect: whether the installed version still has it, and whether netspec's own way is right.
"""

from __future__ import annotations

import os
import struct
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import torch
from onnx import TensorProto, helper, numpy_helper

import netspec

Array = np.ndarray[Any, Any]
# Whether the defect is there, and whether netspec is right.
Found = tuple[bool, bool]
CASES: dict[str, Callable[[], Found]] = {}


def case(name: str) -> Callable[[Callable[[], Found]], Callable[[], Found]]:
    """Registers a reproduction under its heading in docs/upstream.md."""

    def register(run: Callable[[], Found]) -> Callable[[], Found]:
        CASES[name] = run
        return run

    return register


def model(nodes: list[Any], *constants: Array, opset: int = 22) -> onnx.ModelProto:
    """A model from x to y; constants are called c0, c1, ..."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, None)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        initializer=[numpy_helper.from_array(c, f"c{i}") for i, c in enumerate(constants)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def run(proto: onnx.ModelProto, x: Array) -> Array:
    """What ONNX Runtime makes of it."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    session = ort.InferenceSession(proto.SerializeToString(), options)
    found: Array = session.run(None, {"x": x})[0]
    return found


def alike(text: str, x: Array) -> bool:
    """Whether netspec's file and its module in double precision agree on x."""
    net = netspec.load(text)
    found = net.run(x).outputs["output"]
    with torch.no_grad():
        exact = net.to_torch().eval().double()(torch.from_numpy(x).double()).numpy()
    return bool(np.allclose(found, exact, rtol=1e-4, atol=1e-5))


def refuses(action: Callable[[], Any]) -> bool:
    """Whether netspec refuses it."""
    try:
        action()
    except netspec.NetspecError:
        return True
    return False


@case("A variance by cancellation")
def _group_norm() -> Found:
    x = np.random.default_rng(0).normal(100, 0.01, (1, 4, 8, 8)).astype(np.float32)
    one, zero = np.ones(4, np.float32), np.zeros(4, np.float32)
    node = helper.make_node(
        "GroupNormalization", ["x", "c0", "c1"], ["y"], num_groups=2, epsilon=1e-5
    )
    exact = torch.nn.functional.group_norm(torch.from_numpy(x).double(), 2).numpy()
    off = np.abs(run(model([node], one, zero), x) - exact).max()
    return not off < 0.1, alike("input 4x8x8\ngroupnorm(2)", x)


@case("A constant channel and eps=0")
def _instance_norm() -> Found:
    x = np.full((1, 1, 4), 0.1, np.float32)
    one, zero = np.ones(1, np.float32), np.zeros(1, np.float32)
    node = helper.make_node("InstanceNormalization", ["x", "c0", "c1"], ["y"], epsilon=0.0)
    theirs = run(model([node], one, zero), x)
    ours = refuses(lambda: netspec.load("input 1x4\ninstancenorm(eps=0.0)"))
    return not np.isfinite(theirs).all(), ours


@case("LRN of an even size")
def _even_lrn() -> Found:
    x = np.random.default_rng(0).standard_normal((1, 6, 3, 3)).astype(np.float32)
    try:
        run(model([helper.make_node("LRN", ["x"], ["y"], size=4)]), x)
        refused = False
    except Exception:  # ONNX Runtime's exceptions share no base class
        refused = True
    return refused, alike("input 6x3x3\nlrn(4)", x)


@case("LRN in the reference evaluator")
def _reference_lrn() -> Found:
    from onnx.reference import ReferenceEvaluator

    x = np.random.default_rng(0).standard_normal((1, 6, 3, 3)).astype(np.float32)
    proto = model([helper.make_node("LRN", ["x"], ["y"], size=5, alpha=1.0)])
    exact = torch.nn.functional.local_response_norm(torch.from_numpy(x), 5, alpha=1.0).numpy()
    theirs = ReferenceEvaluator(proto).run(None, {"x": x})[0]
    return not np.allclose(theirs, exact, atol=1e-3), alike("input 6x3x3\nlrn(5, alpha=1)", x)


@case("GridSample in the reference evaluator")
def _reference_grid() -> Found:
    from onnx.reference import ReferenceEvaluator

    x = np.random.default_rng(0).standard_normal((1, 2, 3, 3)).astype(np.float32)
    grid = np.zeros((1, 3, 3, 2), np.float32)
    proto = model(
        [helper.make_node("GridSample", ["x", "c0"], ["y"], mode="bilinear")], grid, opset=17
    )
    try:
        ReferenceEvaluator(proto).run(None, {"x": x})
        refused = False
    except RuntimeError:
        refused = True
    return refused, alike("input 2x3x3\nconv1-2 as g; @input; grid_sample(@g)", x)


@case("RoiAlign of opset 22")
def _late_regions() -> Found:
    x = np.random.default_rng(0).standard_normal((1, 2, 6, 6)).astype(np.float32)
    rois = np.array([[0, 1, 1, 4, 5]], np.float32)
    node = helper.make_node(
        "RoiAlign", ["x", "c0", "c1"], ["y"], output_height=2, output_width=2, sampling_ratio=2
    )
    try:
        run(model([node], rois[:, 1:], np.zeros(1, np.int64), opset=22), x)
        refused = False
    except Exception:  # ONNX Runtime's exceptions share no base class
        refused = True
    net = netspec.load(
        "input x: 2x6x6\ninput rois: 5 batch(R=1)\n@x; roialign2(@rois, aligned=yes)"
    )
    with tempfile.TemporaryDirectory() as folder:
        path = net.to_onnx(Path(folder) / "net.onnx", opset=22)
        found = ort.InferenceSession(str(path)).run(None, {"x": x, "rois": rois})[0]
    with torch.no_grad():
        exact = net.to_torch().eval()(torch.from_numpy(x), torch.from_numpy(rois)).numpy()
    return refused, bool(np.allclose(found, exact, atol=1e-5))


@case("Shapes of ceil pools below opset 22")
def _ceil_shapes() -> Found:
    def inferred(opset: int) -> int:
        node = helper.make_node(
            "MaxPool", ["x"], ["y"], kernel_shape=[1], strides=[2], pads=[0, 0], ceil_mode=1
        )
        proto = model([node], opset=opset)
        shape = proto.graph.input[0].type.tensor_type.shape
        for size in (1, 1, 4):
            shape.dim.add().dim_value = size
        typed = onnx.shape_inference.infer_shapes(proto)
        return typed.graph.output[0].type.tensor_type.shape.dim[2].dim_value

    torch_size = torch.nn.functional.max_pool1d(torch.zeros(1, 1, 4), 1, 2, ceil_mode=True).shape[2]
    wrong = inferred(18) != torch_size
    return wrong, alike(
        "input 2x5x5\nmaxpool2/2(pad=1, ceil=yes)", np.ones((1, 2, 5, 5), np.float32)
    )


@case("A pad merged into the pooling behind it")
def _merged_pad() -> Found:
    x = -np.ones((1, 1, 4, 4), np.float32)
    nodes = [
        helper.make_node("Pad", ["x", "c0"], ["p"]),
        helper.make_node("MaxPool", ["p"], ["y"], kernel_shape=[3, 3], strides=[1, 1]),
    ]
    theirs = run(model(nodes, np.asarray([0, 0, 1, 1, 0, 0, 1, 1], np.int64)), x)
    return float(theirs[0, 0, 0, 0]) != 0.0, alike("input 1x4x4\npad(1); maxpool3/1", x)


@case("Nearest neighbours of a quotient")
def _nearest() -> Found:
    x = np.arange(26, dtype=np.float32).reshape(1, 1, 26)
    node = helper.make_node(
        "Resize", ["x", "", "", "c0"], ["y"], mode="nearest",
        coordinate_transformation_mode="asymmetric", nearest_mode="floor",
    )  # fmt: skip
    exact = torch.nn.functional.interpolate(torch.from_numpy(x), 64).numpy()
    theirs = run(model([node], np.asarray([1, 1, 64], np.int64)), x)
    return not np.array_equal(theirs, exact), alike("input 1x26\nupsample(size=64)", x)


@case("A window of padding only")
def _empty_window() -> Found:
    node = helper.make_node(
        "MaxPool", ["x"], ["y"], kernel_shape=[2], dilations=[3], pads=[1, 1], strides=[1]
    )
    theirs = run(model([node]), np.ones((1, 1, 2), np.float32))
    ours = refuses(lambda: netspec.load("input 1x2\nmaxpool2/1(pad=1, dilation=3)"))
    return not np.isneginf(theirs).any() and bool((theirs < -1e38).any()), ours


@case("The sigmoid of large negative numbers")
def _sigmoid() -> Found:
    x = np.asarray([[-30.0, -60.0]], np.float32)
    exact = torch.sigmoid(torch.from_numpy(x).double()).numpy()
    theirs = run(model([helper.make_node("Sigmoid", ["x"], ["y"])]), x)
    off = np.abs(theirs / exact - 1).max()
    return bool(off > 0.01), alike("input 2\nsigmoid", x)


@case("LRN beside a much larger channel")
def _beside() -> Found:
    x = np.ones((1, 8, 1, 1), np.float32)
    x[0, 2] = 1e5
    node = helper.make_node("LRN", ["x"], ["y"], size=3, alpha=1.0)
    theirs = run(model([node]), x)
    x[0, 2] = 100
    return not np.isfinite(theirs).all(), alike("input 8x1x1\nlrn(3)", x)


@case("Elu, Selu and Celu of small negative numbers")
def _small() -> Found:
    x = np.full((1, 2), -1e-4, np.float32)
    off = run(model([helper.make_node("Elu", ["x"], ["y"])]), x) / np.expm1(-1e-4) - 1
    return bool(abs(off).max() > 1e-5), alike("input 2\nelu", x)


@case("The tanh of a recurrent layer")
def _recurrent() -> Found:
    # x of 1e-3 through one unit whose weight is 1.
    x = np.full((1, 1, 1), 1e-3, np.float32)
    one, none = np.ones((1, 1, 1), np.float32), np.zeros((1, 1, 1), np.float32)
    node = helper.make_node("RNN", ["x", "c0", "c1"], ["", "y"], hidden_size=1)
    theirs = run(model([node], one, none), x)
    return bool(abs(theirs.item() / np.tanh(1e-3) - 1) > 1e-6), alike("input 1x1\nrnn-1", x)


@case("A device that is not there")
def _device() -> Found:
    proto = model([helper.make_node("Relu", ["x"], ["y"])])
    options = ort.SessionOptions()
    options.log_severity_level = 4
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        session = ort.InferenceSession(
            proto.SerializeToString(), options, providers=["NopeProvider", "CPUExecutionProvider"]
        )
    silent = session.get_providers() == ["CPUExecutionProvider"]
    return silent, refuses(
        lambda: netspec.load("input 2\nrelu").run(np.ones((1, 2), np.float32), device="nope")
    )


@case("Arrays of the other byte order")
def _big_endian() -> Found:
    x = np.ones((1, 2), ">f4")
    theirs = run(model([helper.make_node("Relu", ["x"], ["y"])]), x)
    return float(theirs[0, 0]) != 1.0, refuses(lambda: netspec.load("input 2\nrelu").run(x))


@case("Data behind a hard link")
def _hard_link() -> Found:
    from netspec.backends.runtime import Session

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "secret").write_bytes(bytes(4096))
        os.link(folder / "secret", folder / "m.data")
        proto = model([helper.make_node("Add", ["x", "c0"], ["y"])], np.zeros(1024, np.float32))
        tensor = proto.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in {"location": "m.data", "offset": "0", "length": "4096"}.items():
            tensor.external_data.add(key=key, value=value)
        (folder / "m.onnx").write_bytes(proto.SerializeToString())
        try:
            ort.InferenceSession(str(folder / "m.onnx"))
            read = True
        except Exception:  # ONNX Runtime's exceptions share no base class
            read = False
        return read, refuses(lambda: Session(folder / "m.onnx"))


@case("Saving empties the caller's model")
def _emptied() -> Found:
    proto = model([helper.make_node("Add", ["x", "c0"], ["y"])], np.ones(1024, np.float32))
    with tempfile.TemporaryDirectory() as name:
        path = os.path.join(name, "m.onnx")
        onnx.save(proto, path, save_as_external_data=True, size_threshold=0)
        net = netspec.load("input 2\nfc-3")
        first = net.to_onnx(Path(name) / "a.onnx").read_bytes()
        same = net.to_onnx(Path(name) / "b.onnx").read_bytes() == first
    return not proto.graph.initializer[0].raw_data, same


@case("A checker that passes wrong channels")
def _checker() -> Found:
    node = helper.make_node("Conv", ["x", "c0"], ["y"], kernel_shape=[1, 1])
    proto = model([node], np.zeros((4, 5, 1, 1), np.float32))
    for size in (1, 3, 8, 8):
        proto.graph.input[0].type.tensor_type.shape.dim.add().dim_value = size
        proto.graph.output[0].type.tensor_type.shape.dim.add().dim_param = "free"
    try:
        onnx.checker.check_model(proto, full_check=True)
        passed = True
    except Exception:  # the checker's exceptions share no base class
        passed = False
    return passed, refuses(lambda: netspec.load("input 3x8x8\nconv1-4(groups=5)"))


@case("A name twice in safetensors")
def _twice() -> Found:
    from safetensors import SafetensorError, safe_open

    from netspec.checkpoints import load

    entry = '"fc1.weight": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}'
    header = f"{{{entry}, {entry}}}".encode()
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "w.safetensors"
        path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))
        try:
            with safe_open(path, framework="numpy"):
                accepted = True
        except SafetensorError:
            accepted = False
        return accepted, refuses(lambda: load(path, netspec.load("input 1\nfc-1").graph))


@case("A small checkpoint of a trillion numbers")
def _stride() -> Found:
    from netspec.checkpoints import load

    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "w.pt"
        torch.save({"fc1.weight": torch.zeros(1).as_strided((10**6, 10**6), (0, 0))}, path)
        held = torch.load(path, weights_only=True)["fc1.weight"]
        return held.numel() == 10**12, refuses(
            lambda: load(path, netspec.load("input 1\nfc-1").graph)
        )


def main() -> None:
    """Prints a line for each reproduction."""
    for name, reproduce in CASES.items():
        there, right = reproduce()
        state = "still there" if there else "not seen with this version"
        print(f"{name}: {state}; netspec {'is right' if right else 'IS WRONG'}")


if __name__ == "__main__":
    main()
