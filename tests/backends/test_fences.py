"""What a reader would misread, though each operator in it is one that it has."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from support.differential import Net, Varied, inputs_for, onnx_model, session, snippet

from netspec import load
from netspec.backends.onnx.compile import compile_graph
from netspec.backends.onnx.options import FileOptions
from netspec.backends.onnx.targets import TARGETS
from netspec.backends.quantize.quantize import Quantization
from netspec.diagnostics.raised import NetspecError

# What OpenCV takes for HardSwish, Mish, the softplus and a softmax, whatever else is read.
MISREAD = [
    ("4x3x3", "mul { | gap(keep=yes); conv1-4; hardsigmoid | relu }"),
    ("4x3x3", "mul { | relu | hardsigmoid }"),
    ("4x3x3", "{ | hardsigmoid | relu; hardsigmoid }; mul"),
    ("4x3x3", "{ | relu | tanh | hardsigmoid }; mul"),
    ("4x3x3", "hardsigmoid; square"),
    ("4x3x3", "mul { | softplus; tanh | sigmoid }"),
    ("4x3x3", "exp; scaled(1, 2); log"),
    ("4x5", "sub { | relu | over_channels(max) }; exp; div { | identity | over_channels(sum) }"),
]
READ = [
    ("4x3x3", "mul { | identity | hardsigmoid }"),
    ("4x3x3", "mul { | softplus; tanh | identity }"),
    ("4x3x3", "mul { | gap(keep=yes); conv1-4; sigmoid | relu }"),
    ("4x3x3", "hardswish; mish; softplus"),
    ("4x3x3", "{ | hardsigmoid | relu }; add"),
]


def kinds(declared: str, step: str, target: str, opset: int | None = None) -> list[str]:
    proto = onnx_model(snippet(declared, step), Varied(), opset, TARGETS[target])
    return [node.op_type for node in proto.graph.node]


@pytest.mark.parametrize(("declared", "step"), MISREAD)
def test_a_row_that_a_reader_takes_for_another_function_is_broken(declared, step):
    graph = snippet(declared, step)
    (array,) = inputs_for(graph, 2, {})
    exact = Net(graph).run([array]).exact[0]
    for opset in (13, 20):
        written = kinds(declared, step, "opencv", opset)
        assert "Identity" in written
        assert "Identity" not in kinds(declared, step, "ort", opset)
        found = session(onnx_model(graph, Varied(), opset, TARGETS["opencv"])).run(
            None, {"input": array}
        )
        np.testing.assert_allclose(found[0], exact, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("declared", "step"), READ)
@pytest.mark.parametrize("opset", [13, 20])
def test_a_row_that_is_that_function_stays(declared, step, opset):
    assert "Identity" not in kinds(declared, step, "opencv", opset)


def test_fences_are_named_after_their_step_and_have_types():
    proto = onnx_model(snippet(*MISREAD[1]), Varied(), None, TARGETS["opencv"])
    (fence,) = (node for node in proto.graph.node if node.op_type == "Identity")
    assert fence.output[0] == "mul1.identity1"
    assert fence.output[0] in {item.name for item in proto.graph.value_info}


def test_slopes_are_no_parameter_of_a_layer_for_a_reader_that_wants_them_in_one_shape():
    for step in ("prelu", "prelu(per=layer)"):
        assert "PRelu" in kinds("3x4x5", step, "ort")
        assert "PRelu" not in kinds("3x4x5", step, "opencv")


@pytest.mark.parametrize(("step", "shaped"), [("gap", "Squeeze"), ("gap(keep=yes)", "Unsqueeze")])
def test_what_reduces_a_sequence_is_not_fused_with_what_follows(step, shaped):
    for declared in ("5x12", "5xT"):
        written = kinds(declared, f"{step}; affine", "openvino")
        place = written.index("ReduceMean")
        assert written[place + 1] == shaped
        assert shaped not in kinds(declared, step, "ort")
    assert shaped not in kinds("5x4x3", step, "openvino")


def test_a_sequence_says_its_channels_by_number():
    proto = onnx_model(snippet("8x6x5", "shuffle(2); sequence"), Varied())
    shapes = {item.name: onnx.numpy_helper.to_array(item) for item in proto.graph.initializer}
    last = [node for node in proto.graph.node if node.op_type == "Reshape"][-1]
    assert shapes[last.input[1]].tolist() == [0, 8, -1]


def outputs(text: str, target: str, tmp_path, **options: object) -> dict[str, str]:
    """The operator that makes each output of a file."""
    path = tmp_path / "net.onnx"
    compile_graph(load(text).graph, path, FileOptions(target=target, **options))
    graph = onnx.load(path).graph
    makers = {name: node.op_type for node in graph.node for name in node.output}
    return {item.name: makers[item.name] for item in graph.output}


def test_an_output_that_is_one_of_several_is_a_copy_where_a_reader_gives_all(tmp_path):
    text = "input 4x5x5\nsplit(2) as a, b\noutput b\n"
    assert outputs(text, "onnx2torch", tmp_path) == {"b": "Identity"}
    assert outputs(text, "ort", tmp_path) == {"b": "Split"}


def test_an_output_that_is_read_again_is_a_copy_where_a_reader_fuses_it_away(tmp_path):
    text = "input 4x6x6\n{ | conv1-3 | conv3-3(pad=1) }; add; relu\n"
    found = outputs(text, "web", tmp_path, taps=("conv1", "relu1"))
    assert found["conv1"] == "Identity"
    assert outputs(text, "ort", tmp_path, taps=("conv1",))["conv1"] == "Conv"


def test_eight_bits_are_refused_for_who_reads_them_wrong():
    with pytest.raises(NetspecError, match=r"NS614.*OpenCV does not take QuantizeLinear"):
        Quantization.for_reader("opencv")
