"""On a GPU nothing that reads a sample runs on the CPU: what files hold, and how a session is judged.

ONNX Runtime tells before a session where each node runs. What its CUDA provider has no kernel for was
read there for every example and every shipped net, on a machine with a GPU.
"""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from support.differential import OPERATORS, Net, Varied, inputs_for, onnx_model, snippet

from netspec.backends.placement import strays

EXAMPLES = [(kind.spelling, *example) for kind in OPERATORS for example in kind.examples]
# Operators of ONNX that ONNX Runtime 1.31 has on the CPU and not on CUDA, of those that would do.
LACKING = {"Celu", "LpPool", "Mean"}


def flat(declared: str, step: str) -> onnx.GraphProto:
    return onnx_model(snippet(declared, step), Varied()).graph


@pytest.mark.parametrize(("spelling", "declared", "step"), EXAMPLES)
def test_no_file_holds_what_cuda_has_no_kernel_for(spelling, declared, step):
    for node in flat(declared, step).node:
        assert node.op_type not in LACKING
        if node.op_type == "ConvTranspose":
            (pads,) = (list(a.ints) for a in node.attribute if a.name == "pads")
            assert pads[: len(pads) // 2] == pads[len(pads) // 2 :]


@pytest.mark.parametrize("kept", ["(0, 1)", "(1, 0)", "(2, 0)", "same", "tf_same"])
@pytest.mark.parametrize("step", ["deconv4-3/2", "deconv3-3/2", "deconv2-3/3", "deconv5-3/3"])
def test_uneven_padding_of_a_transposed_convolution_is_sliced_off(step, kept):
    graph = snippet("2x6", f"{step}(pad={kept})")
    for ran in Net(graph, opsets=(13, 17)).runs(inputs_for(graph, 2, {})):
        np.testing.assert_allclose(ran.onnx[0], ran.exact[0], rtol=1e-5, atol=1e-5)


def test_a_checked_input_is_not_left_with_the_sizes_on_the_cpu():
    graph = flat("2xHxW", "pixel_unshuffle(2)")
    (legal,) = (node for node in graph.node if node.name == "input.legal")
    making = {name: node for node in graph.node for name in node.output}
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    zero = making[making[legal.input[1]].input[0]]
    # ONNX Runtime takes a node with constants of up to 100 numbers to the CPU.
    assert max(constants[name].size for name in zero.input if name in constants) > 100


def model(*nodes: onnx.NodeProto) -> onnx.ModelProto:
    weight = numpy_helper.from_array(np.ones((4, 4), np.float32), "w")
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 4]) for name in ("x", "y")]
    graph = helper.make_graph(nodes, "net", ends[:1], ends[1:], initializer=[weight])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


NET = model(
    helper.make_node("MatMul", ["x", "w"], ["m"], name="product"),
    helper.make_node("Shape", ["m"], ["s"], name="shape"),
    helper.make_node("Gather", ["s", "i"], ["g"], name="first"),
    helper.make_node("Abs", ["w"], ["a"], name="constant"),
    helper.make_node("Expand", ["m", "s"], ["y"], name="grown"),
)
NET.graph.initializer.append(numpy_helper.from_array(np.array([0]), "i"))


def test_sizes_and_constants_may_run_elsewhere_and_nothing_else():
    nodes = [(node.name, node.op_type) for node in NET.graph.node]
    assert strays(NET, nodes) == ("product", "grown")
    # What ONNX Runtime made: it permutes sizes by Gather, all else computes.
    assert strays(NET, [("Gather_7", "Gather"), ("conv_fused", "FusedConv")]) == ("conv_fused",)


def test_onnx_runtime_tells_where_nodes_run_by_the_names_of_the_file(tmp_path):
    path = tmp_path / "net.onnx"
    onnx.save(NET, path)
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    parts = session.get_provider_graph_assignment_info()
    found = [(node.name, node.op_type) for part in parts for node in part.get_nodes()]
    assert {part.ep_name for part in parts} == {"CPUExecutionProvider"}
    assert "product" in strays(NET, found)
