"""Channels of zeros in files of eight bits: where they come, that they change nothing, how they are read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import netspec
from netspec.backends.onnx.compile import compile_graph
from netspec.backends.quantize.quantize import Quantization, quantizing
from netspec.backends.runtime import Session
from netspec.importing.imported import import_file
from netspec.verify.samples import sample_inputs
from netspec.verify.weights import Varied


def made(text: str, path: Path, size: str = "3x24x24", how: Quantization | None = None):
    """A net's graph, its file in eight bits as a model, and what it makes of a sample."""
    graph = netspec.load(f"input {size}\n{text}\n").graph
    feeds = [sample_inputs(graph, seed=seed) for seed in range(3)]
    stage = quantizing(feeds, how or Quantization())
    compile_graph(graph, path, source=Varied(1), quantize=stage)
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    output = next(iter(Session(path).run(feeds[0]).outputs.values()))
    return graph, model, output


def kernels(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """The shape of each kernel of integers, by its step."""
    return {
        tensor.name.removesuffix(".weight.quantized"): tuple(tensor.dims)
        for tensor in model.graph.initializer
        if tensor.data_type == TensorProto.INT8 and len(tensor.dims) > 2
    }


CASES = {
    # Three channels become four; six, which a convolution reads, eight; thirty, which a depthwise one
    # reads, thirty-two; what comes out of the last convolution is as it is.
    "conv3-6(act=relu); conv1-30(act=relu6); dwconv3(pad=same, act=relu6); conv1-10; gap; fc-4": {
        "conv1": (8, 4, 3, 3),
        "conv2": (32, 8, 1, 1),
        "dwconv1": (32, 1, 3, 3),
        "conv3": (10, 32, 1, 1),
    },
    # Both sides of a sum, and what is pooled, averaged, normalised or goes through a curve.
    "conv3-8; add { | conv1-22(act=relu) | conv1-22 }; maxpool2; conv1-9(act=silu); avgpool2; "
    "conv1-7(bias=no); leaky; conv3-5; gap": {
        "conv1": (8, 4, 3, 3),
        "conv2": (24, 8, 1, 1),
        "conv3": (24, 8, 1, 1),
        "conv4": (16, 24, 1, 1),
        "avgpool1": (16, 1, 2, 2),
        "conv5": (8, 16, 1, 1),
        "conv6": (5, 8, 3, 3),
    },
    # A concatenation counts channels, and an output is the net's own.
    "conv3-10(act=relu); concat { | identity | conv1-10; conv1-5 }; conv1-7": {
        "conv1": (10, 4, 3, 3),
        "conv2": (12, 10, 1, 1),
        "conv3": (5, 12, 1, 1),
        "conv4": (7, 15, 1, 1),
    },
}


@pytest.mark.parametrize(("text", "wanted"), CASES.items(), ids=["chain", "sum", "concat"])
def test_kernels_read_channels_by_fours_and_each_by_sixteens(text, wanted, tmp_path):
    _, model, _ = made(text, tmp_path / "q.onnx")
    assert kernels(model) == wanted


@pytest.mark.parametrize(
    ("text", "size"),
    [
        *((text, "3x24x24") for text in CASES),
        ("conv3-9(pad=same); relu; conv3-5(pad=same); gap", "2xHxW"),
    ],
)
def test_not_a_bit_of_the_output_changes(text, size, tmp_path, monkeypatch):
    _, wide, output = made(text, tmp_path / "wide.onnx", size)
    monkeypatch.setattr(Quantization, "widens", False)
    _, plain, same = made(text, tmp_path / "plain.onnx", size)
    assert kernels(wide) != kernels(plain)
    assert np.array_equal(output, same)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("conv3-8; gap", "1x12x12"),  # four times as many are more than the better kernel saves
        ("conv16-768/16; gap", "3x32x32"),  # so they are of many outputs
        ("dwconv3; conv1-8; gap", "3x12x12"),
        ("conv3-6 as f; relu; gap; fc-3", "4x12x12"),  # what is pooled away is not convolved
        ("conv3-3(pad=same) as f; relu; conv3-3(pad=same, weights=@f); gap", "3x12x12"),
        ("conv3-6(groups=3); conv3-6(groups=2); gap", "3x12x12"),
    ],
)
def test_what_gains_nothing_is_as_it_is(text, size, tmp_path, monkeypatch):
    _, model, _ = made(text, tmp_path / "q.onnx", size)
    monkeypatch.setattr(Quantization, "widens", False)
    _, plain, _ = made(text, tmp_path / "plain.onnx", size)
    assert kernels(model) == kernels(plain)


def test_symmetric_files_are_for_runtimes_that_pad_by_themselves(tmp_path):
    _, model, _ = made(next(iter(CASES)), tmp_path / "q.onnx", how=Quantization("int8"))
    assert kernels(model)["conv1"] == (6, 3, 3, 3)


@pytest.mark.parametrize("text", CASES, ids=["chain", "sum", "concat"])
def test_a_file_is_read_back_as_the_net_of_its_own_channels(text, tmp_path):
    graph, _, _ = made(text, tmp_path / "q.onnx")
    found = import_file(tmp_path / "q.onnx")
    assert found.proof is not None
    assert found.proof.error <= 1e-6
    assert "pad_channels" not in found.text
    again = netspec.load(found.text).graph
    shapes = [
        sorted(node.output.type.shape for node in net.nodes[1:] if "conv" in node.op.spelling)
        for net in (graph, again)
    ]
    assert shapes[0] == [shape for shape in shapes[1] if shape in shapes[0]]


def test_channels_that_something_counts_are_read_back(tmp_path):
    """A weight of zero makes the last channel, and another one counts it; or it is an output."""
    first, second = np.ones((4, 2, 1, 1), np.int8), np.ones((3, 4, 1, 1), np.int8)
    first[3] = 0
    arrays = {
        "a": first,
        "b": second,
        "s": np.array(0.1, np.float32),
        "z": np.array(0, np.int8),
        "bias": np.array([0, 0, 0, 1], np.float32),
    }
    nodes = [
        helper.make_node("DequantizeLinear", ["a", "s", "z"], ["wa"]),
        helper.make_node("DequantizeLinear", ["b", "s", "z"], ["wb"]),
        helper.make_node("Conv", ["x", "wa", "bias"], ["m"]),
        helper.make_node("Conv", ["m", "wb"], ["y"]),
    ]
    for changed in ("bias", "reader", "none"):
        if changed == "reader":
            arrays["bias"] = np.zeros(4, np.float32)
        if changed == "none":
            second[:, 3] = 0
        graph = helper.make_graph(
            nodes,
            "net",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2, 5, 5])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3, 5, 5])],
            [numpy_helper.from_array(array, name) for name, array in arrays.items()],
        )
        path = tmp_path / f"{changed}.onnx"
        opsets = [helper.make_opsetid("", 17)]
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), path)
        found = import_file(path)
        assert found.proof is not None
        assert found.proof.error <= 1e-6
        assert ("conv1-4" not in found.text) == (changed == "none"), changed
