"""What PyTorch, ONNX and ONNX Runtime disagree on, and what netspec writes so that they agree."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import TensorProto, helper
from support.differential import (
    OPERATORS,
    Net,
    Varied,
    assert_agree,
    inputs_for,
    legal,
    onnx_model,
    session,
    snippet,
)
from support.shelves import shelved, shipped

from netspec.backends.onnx.compile import optimized, prepared
from netspec.backends.onnx.lowering import lower
from netspec.backends.onnx.targets import EVERY, OPSETS, ir_version
from netspec.backends.torch.modules import to_module
from netspec.diagnostics.raised import NetspecError, Rejection
from netspec.ops.declare.geometry import geometry, refuse_empty_windows
from netspec.passes.deploy import deploy
from netspec.sizes.shapes import TensorType


def nodes(declared: str, step: str) -> list[onnx.NodeProto]:
    return list(onnx_model(snippet(declared, step), Varied()).graph.node)


def kinds(declared: str, step: str) -> list[str]:
    return [node.op_type for node in nodes(declared, step)]


def attributes(node: onnx.NodeProto) -> dict[str, object]:
    return {item.name: helper.get_attribute_value(item) for item in node.attribute}


# --- versions


def loads(ir_version: int, opset: int) -> bool:
    """Whether ONNX Runtime loads a model of these versions."""
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy"]
    node = helper.make_node("Relu", ["x"], ["y"])
    graph = helper.make_graph([node], "probe", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = ir_version
    try:
        session(model)
    except ort.capi.onnxruntime_pybind11_state.Fail:
        return False
    return True


def test_onnx_runtime_loads_every_version_we_write_and_no_newer():
    assert all(loads(ir_version(opset), opset) for opset in OPSETS)
    assert not loads(ir_version(OPSETS.stop), OPSETS.stop)
    assert (OPSETS.start, EVERY.opset) == (13, 17)
    model = lower(snippet("3x4x4", "relu")).proto
    assert (model.ir_version, model.opset_import[0].version) == (8, 17)


@pytest.mark.parametrize("opset", [12, 27])
def test_other_opsets_are_refused(opset):
    with pytest.raises(NetspecError, match="opset"):
        lower(snippet("3x4x4", "relu"), opset=opset)


@pytest.mark.parametrize("opset", OPSETS)
def test_models_of_every_opset_pass_the_checker(opset):
    step = "conv3-4(pad=same); groupnorm(2); maxpool3/2(ceil=yes); gelu; gap; softmax"
    graph = snippet("3x8x8", step)
    model = lower(graph, opset=opset)
    proto = model.proto
    for item in model.weights:
        array = np.ones(item.weight.shape, np.float32)
        proto.graph.initializer.append(onnx.numpy_helper.from_array(array, item.name))
    onnx.checker.check_model(proto, full_check=True)


# The lowest, the default and the newest; weights are inputs here, which need no numbers.
@pytest.mark.parametrize("name", shelved(blocks=False))
def test_the_file_of_every_shipped_net_has_the_shapes_that_onnx_infers(name):
    graph = optimized(prepared(shipped(name))).graph
    for opset in (OPSETS.start, EVERY.opset, OPSETS.stop - 1):
        model = lower(graph, opset=opset)
        proto = model.proto
        for item in model.weights:
            kind = helper.make_tensor_type_proto(TensorProto.FLOAT, list(item.weight.shape))
            proto.graph.input.add(name=item.name, type=kind)
        onnx.checker.check_model(proto, full_check=True)
        inferred = onnx.shape_inference.infer_shapes(
            proto, check_type=True, strict_mode=True, data_prop=True
        )
        assert inferred.graph.output == proto.graph.output


# The lowest, the default and the newest run every example in tests/ops; what changed between.
@pytest.mark.parametrize("opset", [14, 15, 18, 20, 21])
def test_every_operator_gives_the_same_numbers_at_every_opset(opset):
    for kind in OPERATORS:
        declared, step = kind.examples[0]
        graph = snippet(declared, step)
        arrays = inputs_for(graph, 2, legal(graph)[0])
        proto = onnx_model(graph, Varied(), opset)
        feeds = dict(zip([node.path for node in graph.inputs], arrays, strict=True))
        wanted = {item.name for item in session(proto).get_inputs()}
        found = session(proto).run(None, {n: a for n, a in feeds.items() if n in wanted})
        expected = session(onnx_model(graph, Varied())).run(None, {n: feeds[n] for n in wanted})
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6, err_msg=step)


# --- norms


@pytest.mark.parametrize("step", ["layernorm", "groupnorm(2)", "instancenorm", "rmsnorm"])
@pytest.mark.parametrize(("mean", "deviation"), [(0, 1), (1, 0.01), (10, 0.01), (100, 0.01)])
def test_a_norm_keeps_its_precision_far_from_zero(step, mean, deviation):
    graph = snippet("8x6x6", step)
    (noise,) = inputs_for(graph, 2, {})
    ran = Net(graph).run([noise * np.float32(deviation) + np.float32(mean)])
    exact, deployed = ran.exact[0], ran.onnx[0]
    assert np.abs(deployed - exact).max() <= 2e-6 * np.abs(exact).max()


# --- local response


@pytest.mark.parametrize(
    "step", ["lrn(5)", "lrn(4)", "lrn(1)", "lrn(3, beta=0.5)", "lrn(3, beta=1)"]
)
@pytest.mark.parametrize("size", ["6x5x5", "6x7", "6x2x3x2"])
def test_a_response_norm_is_a_convolution_of_squares(size, step):
    found = kinds(size, step)
    assert found[:2] == ["Mul", "Conv"]
    assert found[-1] == "Div"
    assert not {"LRN", "Pow", "AveragePool"} & set(found)


def test_a_band_over_many_channels_is_not_written():
    graph = snippet("600x2x3", "lrn(5, alpha=0.5)")
    assert "AveragePool" in kinds("600x2x3", "lrn(5, alpha=0.5)")
    held = lower(graph).proto.graph.initializer
    assert sum(len(tensor.raw_data) for tensor in held) < 600
    for ran in Net(graph).runs(inputs_for(graph, 2, {})):
        assert_agree(ran)


@pytest.mark.parametrize("average", [False, True])
def test_a_response_norm_is_krizhevskys_formula_or_the_one_with_the_mean(average):
    # Five channels of 100. The paper's sum (section 3.3) leaves 29.9 at the ends and 23.2 amid.
    k, n, alpha, beta, channels = 2, 5, 1e-4, 0.75, 5
    expected = []
    for i in range(channels):
        squares = sum(100**2 for j in range(channels) if abs(i - j) <= n // 2)
        expected.append(100 / (k + alpha * (squares / n if average else squares)) ** beta)
    if not average:
        np.testing.assert_allclose(expected, [29.907, 26.085, 23.236, 26.085, 29.907], rtol=1e-4)
    step = "lrn(5, k=2)" if average else "lrn(5, k=2, average=no)"
    graph = snippet("5x2x2", step)
    ran = Net(graph).run([np.full((1, 5, 2, 2), 100, np.float32)])
    for found in (ran.onnx[0], ran.torch[0], ran.exact[0]):
        np.testing.assert_allclose(found[0, :, 1, 1], expected, rtol=1e-6)


@pytest.mark.parametrize("step", ["lrn(5, {})", "lrn(4, {})", "lrn(9, {})", "lrn(1000, {})"])
def test_a_sum_is_a_mean_times_what_is_counted(step):
    size = int(step[4:].partition(",")[0])
    images = np.random.default_rng(0).standard_normal((2, 3, 4, 4)).astype(np.float32)
    sums, means = (
        Net(snippet("3x4x4", step.format(more))).run([images])
        for more in ("average=no, alpha=0.5", f"alpha={0.5 * size}")
    )
    np.testing.assert_allclose(sums.onnx[0], means.onnx[0], rtol=1e-6)
    np.testing.assert_allclose(sums.torch[0], means.torch[0], rtol=1e-6)
    np.testing.assert_allclose(sums.onnx[0], sums.exact[0], rtol=1e-5)


def test_a_sum_that_float32_cannot_weigh_is_refused(refused):
    error = refused("input 9x4x4\nlrn(5, alpha=1e38, average=no)")
    assert error.diagnostics[0].code == "NS317"
    assert "at most 6.8" in str(error)


def test_a_response_norm_of_even_size_looks_one_channel_further_back():
    graph = snippet("4x1x1", "lrn(2, alpha=2, beta=1, k=0.5)")
    images = np.arange(1, 5, dtype=np.float32).reshape(1, 4, 1, 1)
    expected = [1 / 1.5, 2 / 5.5, 3 / 13.5, 4 / 25.5]
    ran = Net(graph).run([images])
    np.testing.assert_allclose(ran.onnx[0].ravel(), expected, rtol=1e-6)
    np.testing.assert_allclose(ran.torch[0].ravel(), expected, rtol=1e-6)


# --- padding


@pytest.mark.parametrize(
    ("declared", "step", "pads"),
    [
        ("3x9x9", "conv3-4(pad=same)", [1, 1, 1, 1]),
        ("3x9x9", "conv4-4(pad=same)", [1, 1, 2, 2]),
        ("3x9x9", "conv2x5-4(pad=same)", [0, 2, 1, 2]),
        ("3x9x9", "conv3-4(pad=same, dilation=2)", [2, 2, 2, 2]),
        ("3x8x8", "conv3-4(pad=tf_same, stride=2)", [0, 0, 1, 1]),
        ("3x9x9", "conv3-4(pad=tf_same, stride=2)", [1, 1, 1, 1]),
        ("3x8x8", "conv5-4/2(pad=tf_same)", [1, 1, 2, 2]),
        ("3x8x8", "conv1-4/2(pad=tf_same)", [0, 0, 0, 0]),
        ("3x8x8", "conv3-4/3(pad=tf_same, dilation=2)", [1, 1, 2, 2]),
        ("3x9x9", "conv3-4(pad=full)", [2, 2, 2, 2]),
        ("3x9x9", "conv3-4(pad=valid)", [0, 0, 0, 0]),
        ("3x9x9", "conv3-4(pad=1x0)", [1, 0, 1, 0]),
        ("3x9x9", "conv3-4(pad=((0, 1), (2, 0)))", [0, 2, 1, 0]),
        ("3x9", "conv3-4(pad=(0, 2))", [0, 2]),
        ("3x9", "conv3-4(pad=[(0, 2)])", [0, 2]),
        ("3x8x8", "maxpool2/2(pad=same)", [0, 0, 1, 1]),
        ("3x5x5", "deconv4-4/2(pad=same)", [1, 1, 1, 1]),
    ],
)
def test_padding_is_written_out_and_its_odd_row_comes_after(declared, step, pads):
    (node,) = nodes(declared, step)
    assert attributes(node)["pads"] == pads


@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_a_transposed_convolution_padded_same_multiplies_the_size_by_its_stride(kernel, stride):
    graph = snippet("2x5x7", f"deconv{kernel}-3/{stride}(pad=same)")
    assert graph.outputs[0].value.shape == (3, 5 * stride, 7 * stride)


def test_a_same_convolution_is_torchs_own():
    graph = snippet("3x9x8", "conv4x5-6(pad=same, dilation=2x1)")
    images = torch.randn(2, 3, 9, 8)
    module = to_module(graph, Varied()).eval()
    weight, bias = module.conv1.weight, module.conv1.bias
    theirs = torch.nn.functional.conv2d(images, weight, bias, padding="same", dilation=(2, 1))
    torch.testing.assert_close(module(images), theirs)


# --- windows


@pytest.mark.parametrize("word", ["avgpool", "maxpool"])
def test_an_adaptive_pooling_is_one_node_only_where_its_windows_are_alike(word):
    native = {"avgpool": "AveragePool", "maxpool": "MaxPool"}[word]
    assert kinds("3x8x6", f"adaptive_{word}(4x3)") == [native]
    assert native not in kinds("3x8x6", f"adaptive_{word}(4x4)")
    assert native not in kinds("3x8x6", f"adaptive_{word}(16x6)")


def has_empty_window(size: int, kernel: int, stride: int, pad: int, dilation: int) -> bool:
    start = -pad
    while start + dilation * (kernel - 1) < size + pad:
        if not any(0 <= start + tap * dilation < size for tap in range(kernel)):
            return True
        start += stride
    return False


@pytest.mark.parametrize("size", range(1, 7))
def test_exactly_the_poolings_with_a_window_of_padding_are_refused(size):
    tensor = TensorType((1, size))
    for kernel in (1, 2, 3):
        for stride in (1, 2, 3):
            for dilation in (1, 2, 3, 5):
                reach = dilation * (kernel - 1) + 1
                for pad in range(max(0, -(-(reach - size) // 2)), reach + 2):
                    window = geometry("maxpool", tensor, kernel, stride, pad, dilation)
                    empty = has_empty_window(size, kernel, stride, pad, dilation)
                    try:
                        refuse_empty_windows("maxpool", window, tensor)
                    except Rejection:
                        # A stride may step over the empty windows of a pad as wide as the window.
                        assert empty or pad >= reach
                    else:
                        assert not empty


@pytest.mark.parametrize(
    "step",
    [
        "maxpool2(pad=2)",
        "avgpool3/1(pad=3)",
        "maxpool2/1(dilation=4, pad=2)",
        "lppool2(pad=(2, 0))",
    ],
)
def test_a_window_of_padding_alone_is_refused(step, refused):
    assert refused(f"input 3x1x1\n{step}").diagnostics[0].code == "NS304"


def test_a_dilated_pooling_padded_as_much_as_its_kernel_runs_in_onnx_runtime_too():
    graph = snippet("2x9x9", "maxpool3/1(pad=same, dilation=3)")
    ran = Net(graph).run(inputs_for(graph, 2, {}))
    np.testing.assert_array_equal(ran.onnx[0], ran.torch[0])


# --- training and deployment


def test_nothing_that_acts_in_training_only_is_in_a_deployed_model():
    step = "conv3-4; bn; dropout; relu; dropout(0.2, over=channels); droppath(0.3)"
    assert kinds("3x6x6", step) == ["Conv", "BatchNormalization", "Relu"]
    means = ["Relu", "Sigmoid", "Add", "Div"]
    assert kinds("3x6x6", "mean(drop_path=0.5) { | relu | sigmoid }") == means


def test_the_module_in_evaluation_is_the_model_and_in_training_is_not():
    graph = snippet("3x6x6", "conv3-4; bn; dropout(0.5)")
    module = to_module(graph, Varied())
    images = torch.from_numpy(inputs_for(graph, 4, {})[0])
    deployed = Net(graph).run([images.numpy()]).onnx[0]
    torch.testing.assert_close(module.eval()(images), torch.from_numpy(deployed))
    assert (module.train()(images) - torch.from_numpy(deployed)).abs().max() > 0.1


# --- what is refused


@pytest.mark.parametrize(
    ("declared", "step", "code"),
    [
        ("3x9x9", "conv3-8(groups=2)", "NS303"),
        ("4x9x9", "conv3-6(groups=4)", "NS303"),
        ("4x9x9", "deconv3-6(groups=4)", "NS303"),
        ("3x4x4", "conv5-8", "NS302"),
        ("3x4x4", "conv3-8(dilation=2)", "NS302"),
        ("3x4x4", "maxpool5", "NS302"),
        ("3x4x4", "conv0-8", "NS2"),
        ("3x4x4", "conv3-8/0", "NS2"),
        ("3x4x4", "conv3-8(dilation=0)", "NS2"),
        ("3x4x4", "conv3-0", "NS2"),
        ("3x4x4", "leaky(1e39)", "NS2"),
        ("3x4x4", "conv3-8(pad=-1)", "NS2"),
        ("3x4x4", "conv3x3x3-8", "NS301"),
        ("3x4x4", "conv3-8(pad=[(1, 1)])", "NS301"),
        ("3x4x4", "conv3-8(stride=[1, 1, 1])", "NS301"),
        ("3", "conv3-8", "NS301"),
        ("3x4x4x4x4", "conv3-8", "NS301"),
        ("3x4x4x4x4", "bn", "NS301"),
        ("3x4x4", "deconv3-8/2(output_pad=2)", "NS317"),
        ("3x1x1", "deconv2-8(pad=1)", "NS318"),
        ("6x4x4", "groupnorm(4)", "NS303"),
        ("6x1x1", "instancenorm", "NS317"),
        ("6", "groupnorm(6)", "NS317"),
        ("3x4x4", "hardtanh(1, 1)", "NS317"),
        ("3x4x4", "adaptive_avgpool(1x2x3)", "NS301"),
        ("3x4x4", "sub { | relu | relu | relu }", "NS311"),
        ("3x4x4", "{ | conv1-2 | conv1-3 }; sample", "NS310"),
        ("3x4x4", "mean { | relu | conv1-2 }", "NS310"),
        ("3x4x4", "concat { | relu | maxpool2 }", "NS310"),
        ("3x4x4", "add { | relu | maxpool2 }", "NS310"),
        ("3xHxW", "adaptive_avgpool(2)", "NS313"),
        ("3xHxW", "conv3-8/2(pad=tf_same)", "NS313"),
    ],
)
def test_a_step_that_cannot_take_its_input_is_refused_where_it_stands(
    declared, step, code, refused
):
    error = refused(f"input {declared}\n{step}")
    assert error.diagnostics[0].code.startswith(code)
    assert error.diagnostics[0].span.line == 2


def test_tensors_with_other_leading_sizes_do_not_merge(refused):
    text = "input 4x3\ninput rows: 4x3 batch(R=5)\n{text}"
    for word in ("add", "concat", "mean"):
        spec = text.replace("{text}", f"{{ | relu | relu }}; {word}").replace(
            "input 4", "input x: 4"
        )
        assert refused(spec).diagnostics[0].code == "NS310"


# --- bytes


def test_the_same_graph_gives_the_same_bytes():
    def encoded() -> bytes:
        graph = snippet("3x8x8", "conv3-4(norm=bn, act=relu); groupnorm(2); gap; fc-4; softmax")
        return lower(deploy(graph)).proto.SerializeToString(deterministic=True)

    assert encoded() == encoded()
