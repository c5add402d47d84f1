"""Eight bits: what ranges come out, what shares a scale, what stays in fp32, and that files run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from support.places import ROOT

import netspec
from netspec.backends.onnx.compile import compile_graph, prepared
from netspec.backends.onnx.lowering import lower
from netspec.backends.onnx.options import FileOptions
from netspec.backends.quantize.flow import Flow
from netspec.backends.quantize.plan import planned
from netspec.backends.quantize.quantize import Quantization, decibels, quantizing
from netspec.backends.quantize.spread import Spread
from netspec.backends.runtime import Session
from netspec.diagnostics.raised import NetspecError
from netspec.graph.checked import Graph
from netspec.verify.samples import sample_inputs
from netspec.verify.weights import Varied, fitted
from netspec.weights.sources import Given, named_weights, whole

DENSE = "conv3-8(pad=same, act=relu); concat { | identity | conv3-4(pad=same) }; conv1-6; gap; fc-5"


def net(text: str, size: str = "3x8x8") -> Graph:
    return netspec.load(f"input {size}\n{text}\n").graph


def samples(graph: Graph, count: int = 3) -> list[dict[str, np.ndarray]]:
    return [sample_inputs(graph, seed=seed) for seed in range(count)]


def written(graph: Graph, path: Path, source=None, how=None, feeds=None, **options):
    """The file of a net in eight bits, and what it reports."""
    stage = quantizing(feeds or samples(graph), how or Quantization(), **options)
    made = compile_graph(graph, path, source=source or Varied(1), quantize=stage)
    assert made.quantized is not None
    return onnx.load(path), made.quantized


def scales(model: onnx.ModelProto) -> dict[str, tuple[float, int]]:
    """Scale and zero point of each rounded tensor, by the name of what it rounds."""
    held = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    return {
        node.input[0]: (float(held[node.input[1]]), int(held[node.input[2]]))
        for node in model.graph.node
        if node.op_type == "QuantizeLinear"
    }


def mean_error(array: np.ndarray, scale: float, zero: int, low: int, high: int) -> float:
    back = ((np.rint(array / scale) + zero).clip(low, high) - zero) * scale
    return float(np.square(array - back).mean())


# ranges


def test_the_output_is_judged_on_samples_that_no_range_was_taken_from(tmp_path):
    """The fourth reaches further than the others: the ranges do not know, and the report does."""
    graph = net("conv3-8(pad=same, act=relu); conv3-8(pad=same); gap; fc-5")
    alike = samples(graph, 4)
    wider = [*alike[:3], {name: 20 * array for name, array in alike[3].items()}]
    first, usual = written(graph, tmp_path / "a.onnx", feeds=alike)
    second, wide = written(graph, tmp_path / "b.onnx", feeds=wider, how=Quantization(share=0))
    assert scales(first)["input.wide"] == scales(second)["input.wide"]
    assert (usual.samples, usual.apart, wide.apart) == (4, 1, 1)
    assert usual.decibels > 20 > 10 > wide.decibels
    assert "on a sample that no range was taken from" in usual.summary()
    _, few = written(graph, tmp_path / "c.onnx", feeds=alike[:3])
    assert few.apart == 0
    assert "on the samples that ranges were taken from" in few.summary()
    _, many = written(graph, tmp_path / "d.onnx", feeds=samples(graph, 40))
    assert (many.samples, many.apart) == (40, 8)


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("heavy", [False, True])
def test_the_range_is_no_worse_than_any_share_of_the_extremes(symmetric, heavy):
    random = np.random.default_rng(0)
    drawn = random.standard_t(3, 20000) if heavy else random.standard_normal(20000) + 1
    array = drawn.astype(np.float32)
    spread = Spread()
    for part in np.split(array, 4):
        spread.add(part)
    found = spread.scale(symmetric=symmetric)
    low, high = (-127, 127) if symmetric else (0, 255)
    best = np.inf
    for share in np.linspace(0.2, 1, 33):
        ends = np.array([array.min(), array.max()]) * share
        if symmetric:
            ends = np.abs(ends).max() * np.array([-1, 1])
        scale = float(ends[1] - ends[0]) / (high - low)
        zero = 0 if symmetric else int(np.rint(-ends[0] / scale))
        best = min(best, mean_error(array, scale, zero, low, high))
    assert mean_error(array, float(found.scale), found.zero_point, low, high) <= 1.02 * best


def test_a_histogram_that_grew_is_that_of_all_numbers_at_once():
    random = np.random.default_rng(1)
    parts = [random.standard_normal(500).astype("f4") * 10.0**power for power in range(-2, 3)]
    grown, joined, whole_ = Spread(), Spread(), Spread()
    for part in parts:
        grown.add(part)
        other = Spread()
        other.add(part)
        joined.join(other)
    whole_.add(np.concatenate(parts))
    assert grown.scale() == joined.scale() == whole_.scale()


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize(
    "array", [np.zeros(4), np.array([np.nan, -np.inf]), np.array([]), np.array([1e-45]), [3e38]]
)
def test_scales_are_positive_and_finite_whatever_is_seen(array, symmetric):
    spread = Spread()
    spread.add(np.asarray(array, np.float32))
    found = spread.scale(symmetric=symmetric)
    assert 0 < found.scale < np.inf
    assert 0 <= found.zero_point <= 255


def test_what_is_not_finite_leaves_the_range_of_the_rest():
    spread, clean = Spread(), Spread()
    spread.add(np.array([1, -2, np.nan, np.inf], np.float32))
    clean.add(np.array([1, -2], np.float32))
    assert spread.scale() == clean.scale()


# what shares a scale


def plan_of(graph: Graph):
    flow = Flow(lower(prepared(graph)))
    return flow, planned(flow)


def kinds(plan) -> list[str]:
    return sorted(node.kind for node in plan.working)


def test_all_of_a_dense_chain_has_one_scale(tmp_path):
    graph = net(
        "conv3-8(pad=same); concat { | identity | conv3-4(pad=same) };"
        " concat { | identity | conv3-4(pad=same) }; maxpool2; conv1-6; gap; fc-5"
    )
    model, _ = written(graph, tmp_path / "d.onnx")
    found = scales(model)
    joined = [node for node in model.graph.node if node.op_type in ("Concat", "MaxPool")]
    assert len(joined) == 3
    names = {name.removesuffix(".dequantized") for node in joined for name in node.input}
    names |= {name for node in joined for name in node.output}
    assert len({found[name] for name in names}) == 1


def test_what_is_never_negative_keeps_its_eight_bits_beside_what_is(tmp_path):
    model, _ = written(net(DENSE), tmp_path / "d.onnx")
    found = scales(model)
    relu = next(node.output[0] for node in model.graph.node if node.op_type == "Relu")
    assert found[relu][1] == 0
    concat = next(node for node in model.graph.node if node.op_type == "Concat")
    assert found[concat.output[0]][1] > 0
    assert found[concat.input[1].removesuffix(".dequantized")] == found[concat.output[0]]


def test_both_sides_of_a_residual_are_of_eight_bits():
    flow, plan = plan_of(
        net("conv3-8(pad=same, act=relu); residual { conv3-8(pad=same) }; conv1-4; gap")
    )
    add = next(node for node in flow.nodes if node.kind == "Add")
    assert add in plan.working
    assert set(add.proto.input) <= set(plan.groups)


@pytest.mark.parametrize(
    ("text", "exact"),
    [
        ("conv3-8(pad=same); deconv2-4/2; conv1-4", {"ConvTranspose"}),
        ("conv3-8(pad=same); softplus; conv1-4", {"Softplus"}),
        ("conv3-8(pad=same); hardswish; conv1-4", {"HardSwish"}),
        ("conv3-8(pad=same); upsample(2, mode=bilinear); conv1-4", {"Resize"}),
        ("conv3-8(pad=same); pad(1, mode=constant, value=2); conv1-4", {"Pad"}),
    ],
)
def test_what_has_no_kernel_of_eight_bits_stays_in_fp32(text, exact):
    flow, plan = plan_of(net(text))
    left = {node.kind for node in flow.nodes if node not in plan.working}
    assert exact <= left
    assert kinds(plan).count("Conv") == 2


def test_nothing_is_rounded_where_nothing_multiplies():
    _, plan = plan_of(net("relu; maxpool2; gap"))
    assert not plan.working
    assert not plan.groups


# what ONNX Runtime makes of it


@pytest.mark.parametrize(
    "text",
    [
        DENSE,
        "conv3-8(act=relu); conv3-8(act=relu6); maxpool2; gap; fc-5",
        "conv1-8(act=relu); residual { dwconv3(pad=same, act=relu); conv1-8 }; avgpool2; fc-7",
        "conv3-8(pad=same); concat { | identity | conv3-4(pad=same) }; bn; relu; conv1-6; gap; fc-5",
        "conv1-8(act=silu); squeeze_excite(4); conv1-4; gap; fc-3",
        "conv1-8(act=relu); shuffle(2); concat { | identity | maxpool3/1(pad=1) }; upsample(2);"
        " conv3-4; gap; fc-3",
    ],
)
def test_the_runtime_computes_every_layer_in_integers(text, tmp_path):
    import onnxruntime as ort

    path = tmp_path / "net.onnx"
    written(net(text), path)
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.optimized_model_filepath = str(tmp_path / "run.onnx")
    ort.InferenceSession(path, options)
    run = onnx.load(tmp_path / "run.onnx").graph.node
    products = [node.op_type for node in run if node.op_type in ("Conv", "FusedConv", "Gemm")]
    assert not products
    # The image is rounded once, and the output comes in fp32 at the end.
    assert sum(node.op_type == "QuantizeLinear" for node in run) == 1
    assert sum(node.op_type == "DequantizeLinear" for node in run) <= 1


def test_a_net_in_eight_bits_says_what_its_output_keeps(tmp_path):
    graph = net("conv3-8(act=relu); conv3-8(act=relu); gap; fc-5; softmax")
    feeds = samples(graph, 4)
    _, told = written(graph, tmp_path / "q.onnx", feeds=feeds)
    compile_graph(graph, tmp_path / "f.onnx", source=Varied(1))
    runs = [
        np.concatenate(
            [next(iter(Session(tmp_path / f"{name}.onnx").run(x).outputs.values())) for x in feeds]
        )
        for name in "fq"
    ]
    logits = [np.log(run) - np.log(run).mean(1, keepdims=True) for run in runs]
    assert told.decibels > 20
    assert decibels(*logits) > 20
    assert told.share == 0
    assert [step.path for step in told.steps] == ["conv1", "conv2", "fc1"]
    assert all(step.decibels > 25 for step in told.steps)
    assert "conv1" in told.text()
    assert told.as_json()["samples"] == 4


def test_squares_of_a_response_normalisation_are_summed_in_eight_bits(tmp_path):
    """By a band of one number, which eight bits hold exactly; what is added to the sums is in fp32."""
    graph = net(
        "conv1-8(act=relu); lrn(5, alpha=0.5, beta=0.75); conv1-4; lrn(3, alpha=1, beta=0.6); gap"
    )
    model, told = written(graph, tmp_path / "q.onnx")
    held = {node.name: node for node in model.graph.node}
    arrays = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    for name, size, weight in (("lrn1", 5, 0.5 / 5), ("lrn2", 3, 1 / 3)):
        squares, kernel = held[f"{name}.conv2"].input
        assert squares == f"{name}.mul1.dequantized"
        stored, scale, _ = next(n for n in held.values() if n.output[0] == kernel).input
        assert set(arrays[stored].reshape(-1)) == {0, 127}
        assert arrays[stored].astype(bool).sum(1).max() == size
        np.testing.assert_allclose(127 * arrays[scale], np.float32(weight), rtol=1e-6)
    assert told.decibels > 25
    judged = {step.path: step for step in told.steps}
    assert judged["lrn1"].share == 0
    assert judged["lrn1"].decibels > 30


def test_no_response_normalisation_divides_by_a_zero_that_eight_bits_made(tmp_path):
    """Beside squares that are large the smallest sum is no step, yet `k` is there."""
    graph = net("conv1-8(act=relu); lrn(3, alpha=1000, k=0.01); conv1-4")
    written(graph, tmp_path / "q.onnx")
    session = Session(tmp_path / "q.onnx")
    for scale in (0, 1e-3, 1):
        found = session.run({"input": np.full((1, 3, 8, 8), scale, np.float32)})
        assert all(np.isfinite(array).all() for array in found.outputs.values())


def test_a_step_that_only_constants_multiply_stays_in_fp32_where_the_output_needs_it(tmp_path):
    graph = net("conv1-8(act=relu); lrn(5, alpha=1, k=0.001); conv3-32(act=relu); gap; fc-5")
    _, told = written(graph, tmp_path / "a.onnx")
    assert told.share == 0
    model, kept = written(graph, tmp_path / "b.onnx", how=Quantization(decibels=told.decibels + 3))
    assert {s.path: s.reason for s in kept.steps}["lrn1"] == "the output needs it"
    assert kept.decibels > told.decibels + 3
    assert (
        next(node for node in model.graph.node if node.name == "lrn1.conv2").input[0] == "lrn1.mul1"
    )


# weights


def test_weights_have_a_scale_for_each_channel_and_are_off_by_half_a_step(tmp_path):
    graph = net("conv3-4(bias=no); gap; fc-5")
    model, _ = written(graph, tmp_path / "q.onnx")
    held = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    for name, weight in named_weights(graph).items():
        if name.endswith(".bias"):
            continue
        exact = whole(Varied(1), name, weight)
        integers, steps = held[f"{name}.quantized"], held[f"{name}.scale"]
        assert integers.dtype == np.int8
        assert np.abs(integers).reshape(len(integers), -1).max(1).tolist() == [127] * len(integers)
        steps = steps.reshape(-1, *[1] * (exact.ndim - 1))
        assert not integers[:, exact.shape[1] :].any()
        integers = integers[:, : exact.shape[1]]
        assert (np.abs(integers * steps - exact) <= 0.501 * steps).all()


def test_seven_bits_leave_room_for_sums_of_sixteen(tmp_path):
    model, _ = written(net("conv3-4; gap"), tmp_path / "q.onnx", how=Quantization(limit=63))
    held = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    assert np.abs(held["conv1.weight.quantized"]).max() == 63


def test_a_reader_gets_the_eight_bits_that_it_computes_right():
    assert Quantization.for_reader(None) == Quantization.for_reader("ort") == Quantization()
    assert Quantization.for_reader("openvino") == Quantization(limit=63)
    assert Quantization.for_reader("tensorrt10", reduced=True) == Quantization("int8", 63)
    with pytest.raises(NetspecError, match="onnx2torch does not take QuantizeLinear"):
        Quantization.for_reader("onnx2torch")


def test_symmetric_activations_have_no_zero_point(tmp_path):
    model, _ = written(net(DENSE), tmp_path / "q.onnx", how=Quantization(activations="int8"))
    assert {zero for _, zero in scales(model).values()} == {0}
    held = {t.name: t.data_type for t in model.graph.initializer}
    rounding = [node for node in model.graph.node if node.op_type == "QuantizeLinear"]
    assert {held[node.input[2]] for node in rounding} == {onnx.TensorProto.INT8}
    # TensorRT's parser takes no integers of 32 bits: biases are fp32.
    assert onnx.TensorProto.INT32 not in held.values()
    biases = [
        name for node in model.graph.node if node.op_type == "Conv" for name in node.input[2:]
    ]
    assert {held[name] for name in biases} == {onnx.TensorProto.FLOAT}
    Session(tmp_path / "q.onnx")


@pytest.mark.parametrize("value", [0.0, 1e-30, 1e30])
def test_weights_of_any_size_give_finite_outputs(value, tmp_path):
    graph = net("conv3-4(act=relu); conv1-4; gap")
    tensors = {n: np.full(w.shape, value, "f4") for n, w in named_weights(graph).items()}
    tensors["conv2.bias"][:] = [0, 1, -1, 1000]
    _, _ = written(graph, tmp_path / "q.onnx", source=Given(tensors), how=Quantization(decibels=0))
    outputs = Session(tmp_path / "q.onnx").run(samples(graph)[0]).outputs
    finite = value < 1e20
    assert all(np.isfinite(array).all() == finite or not finite for array in outputs.values())


def test_weights_that_are_not_finite_stay_in_fp32_and_say_so(tmp_path):
    graph = net("conv3-4; conv1-4; gap")
    tensors = {n: whole(Varied(0), n, w) for n, w in named_weights(graph).items()}
    tensors["conv2.weight"][0] = np.nan
    _, told = written(graph, tmp_path / "q.onnx", source=Given(tensors))
    assert [(step.path, step.reason) for step in told.steps if step.exact] == [
        ("conv2", "its weights are not all finite numbers of a usual size")
    ]


# what stays in fp32


def test_as_few_steps_as_the_output_needs_stay_in_fp32(tmp_path):
    graph = net("conv3-8(pad=same, act=relu) x6; gap; fc-5")
    _, all_eight = written(graph, tmp_path / "a.onnx")
    wanted = all_eight.decibels + 1
    how = Quantization(decibels=wanted, share=0.9)
    model, told = written(graph, tmp_path / "b.onnx", how=how)
    assert told.reached
    assert 0 < sum(step.exact for step in told.steps) < len(told.steps)
    assert 0 < told.share <= 0.9
    held = {t.name for t in model.graph.initializer}
    for step in told.steps:
        assert (f"{step.path}.weight" in held) == step.exact


def test_what_cannot_be_reached_is_said_and_refused_on_request(tmp_path):
    graph = net("conv3-8(act=relu); gap; fc-5")
    how = Quantization(decibels=300, share=0.0)
    _, told = written(graph, tmp_path / "a.onnx", how=how)
    assert not told.reached
    with pytest.raises(NetspecError, match="NS608"):
        written(graph, tmp_path / "b.onnx", how=how, strict=True)
    assert not (tmp_path / "b.onnx").exists()


# any net


@pytest.mark.parametrize(
    ("size", "text"),
    [
        ("3xHxW", "conv3-8(act=relu); conv3-4; gap; fc-3"),
        ("5 ids(9)", "embedding-4; fc-6(over=channels); gap"),
        ("4x6", "fc-6(over=channels, act=gelu); lstm-5; gap; fc-3"),
        ("4x6", "attention(heads=2); layernorm; fc-6(over=channels); gap"),
        ("12", "fc-8(act=tanh); fc-3"),
        ("3x8x8", "conv1-4; leaky; conv1-4; avgpool2; pad(1); conv1-2"),
        ("3x8x8", "relu"),
        ("2x4x5x6", "conv3-4(pad=same, act=relu); maxpool2; gap; fc-2"),
        ("4x9", "conv3-6(act=relu); conv3-4; gap"),
    ],
)
def test_any_kind_of_input_is_quantised_and_runs(size, text, tmp_path):
    try:
        graph = net(text, size)
    except NetspecError as error:
        pytest.fail(str(error))
    _, told = written(graph, tmp_path / "q.onnx")
    outputs = Session(tmp_path / "q.onnx").run(samples(graph)[0]).outputs
    assert all(np.isfinite(array).all() for array in outputs.values())
    assert told.decibels > 15


def test_shared_weights_are_written_once_and_each_use_has_its_own_bias(tmp_path):
    graph = net("conv3-3(pad=same) as f; relu; conv3-3(pad=same, weights=@f); gap")
    model, told = written(graph, tmp_path / "q.onnx")
    held = [t.name for t in model.graph.initializer if t.data_type == onnx.TensorProto.INT8]
    assert sum(name.endswith("weight.quantized") for name in held) == 1
    assert told.decibels > 25


def test_the_batch_of_a_file_is_not_that_of_its_samples(tmp_path):
    graph = net("conv3-4(act=relu); gap; fc-3")
    stage = quantizing(samples(graph), Quantization())
    compile_graph(graph, tmp_path / "q.onnx", FileOptions(batch=4), quantize=stage)
    assert Session(tmp_path / "q.onnx").inputs[0].shape[0] == 4


@pytest.mark.parametrize("opset", [13, 17, 18, 22])
def test_the_mean_of_maps_is_of_eight_bits_at_every_opset(opset, tmp_path):
    graph = net("conv3-4(act=relu); gap; fc-3")
    stage = quantizing(samples(graph), Quantization())
    compile_graph(graph, tmp_path / "q.onnx", FileOptions(opset=opset), quantize=stage)
    made = [node.op_type for node in onnx.load(tmp_path / "q.onnx").graph.node]
    assert "GlobalAveragePool" in made
    assert "ReduceMean" not in made


@pytest.mark.parametrize(
    ("size", "pool", "kernel"),
    [
        ("3x9x9", "avgpool2", (4, 1, 2, 2)),
        ("3x9x9", "avgpool3x2/2(pad=1)", (4, 1, 3, 2)),
        ("3x9x9", "avgpool2(pad=same)", (4, 1, 2, 2)),
        ("3x9", "avgpool3", (4, 1, 3)),
        ("3x6x6x6", "avgpool2", (4, 1, 2, 2, 2)),
        ("3xHxW", "avgpool2", (4, 1, 2, 2)),
        # An average over those places only that are in the map, and a window that is no small kernel.
        ("3x9x9", "avgpool3(pad=1, count_pad=no)", None),
        ("3x9x9", "avgpool2(ceil=yes)", None),
        ("3x9x9", "avgpool6", None),
    ],
)
def test_an_average_is_a_convolution_of_each_channel_by_one_number(size, pool, kernel, tmp_path):
    """ONNX Runtime's pooling of eight bits takes two to four times as long."""
    graph = net(f"conv1-4(act=relu); {pool}; conv1-2", size)
    model, told = written(graph, tmp_path / "q.onnx", source=fitted(graph))
    held = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    node = next(node for node in model.graph.node if node.name == "avgpool1")
    assert node.op_type == ("Conv" if kernel else "AveragePool")
    if kernel:
        integers = held["avgpool1.weight.quantized"]
        assert integers.shape == kernel
        assert set(integers.reshape(-1)) == {127}
        assert len(node.input) == 2
    assert told.decibels > 30


@pytest.mark.parametrize("level", [True, False])
def test_it_goes_with_what_else_a_file_can_be(level, tmp_path):
    graph = netspec.load(
        "net n\npreprocess range=(0, 1), mean=0.5, std=0.5\ninput 3xHxW\n"
        "default conv(pad=same, norm=bn, act=relu, bias=no)\n"
        "conv3-4; residual { conv3-4 }; gap; fc-3; softmax\n"
    ).graph
    options = FileOptions(optimize=level, preprocess=True, taps=("conv1",), batch=2, target="ort")
    made = compile_graph(
        graph,
        tmp_path / "q.onnx",
        options,
        quantize=quantizing(samples(graph), Quantization()),
    )
    assert made.quantized is not None
    assert made.quantized.decibels > 20
    session = Session(tmp_path / "q.onnx")
    pixels = np.random.default_rng(0).integers(0, 256, (2, 8, 9, 3), np.uint8)
    found = session.run({"input": pixels}).outputs
    compile_graph(graph, tmp_path / "f.onnx", options)
    exact = Session(tmp_path / "f.onnx").run({"input": pixels}).outputs
    assert set(found) == set(exact) == {"output", "conv1"}
    assert all(decibels(exact[name], found[name]) > 20 for name in exact)


def test_no_sample_at_all_is_refused(tmp_path):
    with pytest.raises(NetspecError, match=r"NS604.*there is no sample of it"):
        compile_graph(
            net("conv3-4; gap"), tmp_path / "q.onnx", quantize=quantizing([], Quantization())
        )
    assert not (tmp_path / "q.onnx").exists()


def test_what_is_in_fp32_is_summed_up_by_reason(tmp_path):
    _, told = written(net("conv3-4(act=relu); deconv2-4/2; conv1-2"), tmp_path / "q.onnx")
    lines = told.summary().splitlines()
    assert f"{told.share:.1%} of the multiply-adds in fp32" in lines[0]
    assert lines[1:] == [f"  {told.share:.1%}: there is no kernel of eight bits for deconv"]


@pytest.mark.parametrize(("bias", "says"), [(-1000.0, "is exact on the samples"), (-1e-6, "")])
def test_an_output_that_is_zero_in_fp32_has_no_signal(bias, says, tmp_path):
    graph = net("fc-2; relu", "4")
    weights = Given({"fc1.weight": np.ones((2, 4), "f4"), "fc1.bias": np.full(2, bias, "f4")})
    values = np.array([[1, -0.33, -0.33, -0.34]], "f4")
    feeds = [{"input": values}, {"input": -values}]
    _, told = written(graph, tmp_path / "q.onnx", source=weights, feeds=feeds)
    assert says in told.text()
    assert "nan" not in told.text()
    assert "inf" not in told.text()


def test_the_same_samples_give_the_same_bytes(tmp_path):
    for name in "ab":
        written(net(DENSE), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


# what is told of it


def test_the_page_has_what_was_measured():
    found = json.loads((ROOT / "benchmarks" / "results" / "quantize.json").read_text())
    page = (ROOT / "docs" / "deploy.md").read_text()
    rows = [
        f"| {name} | {net['accuracy']['fp32']:.1%} | {net['accuracy']['int8']:.1%} |"
        f" {net['held_out_decibels']:.1f} dB | {net['fp32_share']:.1%} | {ratio(net)} |"
        for name, net in found["trained"].items()
    ]
    rows += [
        f"| {name} | {net['decibels']:.2f} dB | {net['fp32_share']:.1%} | {ratio(net)} |"
        f" {net['speed']:.2f} | {net['speed_whole']:.2f} | {net['speed_bound']:.2f} |"
        f" {net['speed_exact']:.2f} | {net['samples']} | {net['processor_seconds']:.0f} s |"
        for name, net in found["nets"].items()
    ]
    assert rows
    assert [row for row in rows if row not in page] == []


def ratio(net: dict) -> str:
    return f"{net['bytes']['int8'] / net['bytes']['fp32']:.1%}"


# LeNet-5 on handwritten digits


@pytest.mark.slow
def test_lenet5_on_digits_loses_at_most_three_tenths_of_a_point(tmp_path):
    from support.training_runs import run, train

    lenet = netspec.load("lenet5")
    files = ["--checkpoint", f"{tmp_path}/t.pt", "--output", f"{tmp_path}/t.onnx"]
    run(["--epochs", "8", *files])
    seen, held = train.read("digits", lenet, 0)
    held_out, classes = (np.stack(part) for part in zip(*held, strict=True))
    (outputs,) = Session(tmp_path / "t.onnx").run({"input": held_out}).outputs.values()
    exact = (outputs.argmax(1) == classes).mean()
    shots = [seen[i][0][None].numpy() for i in range(32)]
    weights = tmp_path / "t.pt"
    path = lenet.to_onnx(tmp_path / "q.onnx", weights=weights, quantize="int8", samples=shots)
    (outputs,) = Session(path).run({"input": held_out}).outputs.values()
    eight = (outputs.argmax(1) == classes).mean()
    assert exact > 0.9
    assert eight >= exact - 0.003


@pytest.mark.parametrize("size", ["3x8x8", "3xHxW"])
def test_every_tensor_has_its_type_and_every_node_its_place(tmp_path, size):
    model, _ = written(net(DENSE, size), tmp_path / "q.onnx")
    held = {item.name: item.type.tensor_type for item in model.graph.value_info}
    made = {name for node in model.graph.node for name in node.output}
    assert made == held.keys() | {"output"}
    assert held["conv1.weight.dequantized"].elem_type == onnx.TensorProto.FLOAT
    assert held["input.quantized"].elem_type == onnx.TensorProto.UINT8
    assert len(held["input.quantized"].shape.dim) == 4
    for node in model.graph.node:
        assert "netspec.source" in {entry.key for entry in node.metadata_props}
    onnx.checker.check_model(model, full_check=True)
