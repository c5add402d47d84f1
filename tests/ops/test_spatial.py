"""Operators that move elements about: what the loop over the registry cannot see by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
import torch
from onnx import TensorProto, helper
from support.differential import Net, assert_agree, snippet
from torch.nn import functional

from netspec.analysis.costs import costs
from netspec.diagnostics.raised import NetspecError
from netspec.graph.checked import Graph

Array = np.ndarray[Any, Any]


def run(graph: Graph, *arrays: Array) -> Array:
    """The one output, the same from PyTorch and from ONNX Runtime."""
    ran = Net(graph).run(list(arrays))
    assert_agree(ran)
    return ran.onnx[0]


def noise(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


# --- pad, crop, subsample


@pytest.mark.parametrize(
    ("mode", "theirs"),
    [
        ("constant", {"mode": "constant"}),
        ("reflect", {"mode": "reflect"}),
        ("replicate", {"mode": "edge"}),
    ],
)
def test_padding_adds_before_and_after_along_each_axis_as_numpy_does(mode, theirs):
    x = noise(2, 3, 4, 5)
    found = run(snippet("3x4x5", f"pad(((1, 2), (0, 3)), mode={mode})"), x)
    assert np.array_equal(found, np.pad(x, ((0, 0), (0, 0), (1, 2), (0, 3)), **theirs))


def test_a_border_has_the_value_it_is_given():
    found = run(snippet("1x2x2", "pad(1, value=-1)"), np.zeros((1, 1, 2, 2), np.float32))
    assert found.sum() == -12
    assert not found[0, 0, 1:3, 1:3].any()


@pytest.mark.parametrize(("height", "width"), [(11, 14), (20, 13)])
def test_a_crop_at_an_offset_follows_the_size_of_the_other_tensor(height, width):
    graph = snippet("2xHxW", "relu as x; maxpool2 as y; @x; crop(@y, offset=3)")
    x = noise(2, 2, height, width)
    found = run(graph, x)
    h, w = height // 2, width // 2
    assert np.array_equal(found, np.maximum(x, 0)[:, :, 3 : 3 + h, 3 : 3 + w])


@pytest.mark.parametrize(("height", "width"), [(11, 14), (20, 13)])
def test_a_crop_from_the_centre_cuts_an_odd_element_after(height, width):
    graph = snippet("2xHxW", "relu as x; maxpool2 as y; @x; crop(@y)")
    x = noise(1, 2, height, width)
    h, w = height // 2, width // 2
    top, left = (height - h) // 2, (width - w) // 2
    assert np.array_equal(run(graph, x), np.maximum(x, 0)[:, :, top : top + h, left : left + w])


def test_a_crop_undoes_a_pad_of_the_same_amount():
    x = noise(1, 2, 3, 4)
    assert np.array_equal(
        run(snippet("2x3x4", "pad(((1, 0), (2, 3))); crop(((1, 0), (2, 3)))"), x), x
    )


def test_pad_and_crop_shift_by_one_pixel_as_in_a_factorised_reduction():
    x = noise(1, 1, 5, 6)
    found = run(snippet("1x5x6", "pad(((0, 1), (0, 1))); crop(((1, 0), (1, 0))); subsample(2)"), x)
    shifted = np.zeros_like(x)
    shifted[:, :, :-1, :-1] = x[:, :, 1:, 1:]
    assert np.array_equal(found, shifted[:, :, ::2, ::2])


@pytest.mark.parametrize(
    ("step", "code"),
    [
        ("crop(5)", "NS318"),
        ("crop(size=9)", "NS317"),
        ("crop(size=4, offset=6)", "NS317"),
        ("crop", "NS316"),
        ("crop(1, size=3)", "NS316"),
        ("relu as x; conv1-2; crop(2, @x)", "NS316"),
        ("pad(8, mode=reflect)", "NS317"),
        ("subsample(2, offset=8)", "NS317"),
        ("slice(3, 2)", "NS317"),
        ("slice(0, 5)", "NS317"),
        ("slice(0, 1, axis=time)", "NS301"),
        ("transpose", "NS301"),
        ("transpose((0, 1))", "NS317"),
        ("reshape(3x5)", "NS320"),
        ("grid(4x4)", "NS301"),
        ("sequence; grid(7x7)", "NS320"),
        ("pad_channels(1)", "NS317"),
        ("pixel_shuffle(2)", "NS303"),
        ("pixel_unshuffle(3)", "NS303"),
        ("upsample", "NS316"),
        ("upsample(2, size=3)", "NS316"),
        ("upsample(2, align_corners=yes)", "NS317"),
        ("upsample(size=4, mode=bilinear, antialias=yes, align_corners=yes)", "NS317"),
        ("tableconv3(table=[[0], [2]])", "NS317"),
        ("tableconv3-3(table=[[0], [1]])", "NS317"),
    ],
)
def test_what_cannot_be_is_refused(step, code):
    with pytest.raises(NetspecError) as caught:
        snippet("2x8x8", step)
    assert [d.problem.code for d in caught.value.diagnostics] == [code]


def test_what_holds_at_every_size_is_not_a_condition():
    free = "relu as x; maxpool2(pad=1) as y; @x; pad(4); crop(@y, offset=2)"
    assert [str(c) for c in snippet("2xHx8", free).conditions] == ["H + 8 >= floor(H/2) + 3"]
    assert [str(c) for c in snippet("2xHx8", "conv3-4(pad=1); crop(1)").conditions] == [
        "H - 2 >= 1"
    ]


# --- unpooling


def test_unpooling_puts_values_where_the_pooling_found_them():
    x = noise(2, 3, 6, 8)
    pooled, places = functional.max_pool2d(torch.from_numpy(x), 2, return_indices=True)
    theirs = functional.max_unpool2d(torch.relu(pooled), places, 2)
    assert np.array_equal(
        run(snippet("3x6x8", "maxpool2 as p; relu; unpool(@p)"), x), theirs.numpy()
    )


def test_of_equal_values_the_first_is_the_maximum():
    found = run(snippet("1x2x4", "maxpool2 as p; unpool(@p)"), np.ones((1, 1, 2, 4), np.float32))
    assert np.array_equal(found[0, 0], [[1, 0, 1, 0], [0, 0, 0, 0]])


def test_where_windows_overlap_the_last_value_stays():
    x = np.zeros((1, 1, 5), np.float32)
    x[0, 0, 2] = 5
    graph = snippet("1x5", "maxpool3/2 as p; unit_bias; unpool(@p)")
    net = Net(graph)
    bias = net.single.unit_bias1.bias.detach().numpy().reshape(-1)
    assert_agree(ran := net.run([x]))
    assert np.allclose(ran.onnx[0][0, 0], [0, 0, 5 + bias[1], 0, 0])


@pytest.mark.parametrize(("height", "width"), [(7, 9), (12, 10)])
def test_unpooling_gives_the_size_of_the_poolings_input(height, width):
    graph = snippet("2xHxW", "maxpool3/2(pad=((0, 1), (1, 1)), ceil=yes) as p; unpool(@p)")
    x = noise(2, 2, height, width)
    found = run(graph, x)
    assert found.shape == x.shape
    assert np.array_equal(found[found != 0], x[found != 0])


def test_a_pooling_can_be_undone_twice_and_from_inside_a_block():
    text = "block down { maxpool2 as p; conv1-2 }\n"
    graph = snippet("2x4x4", f"{text}down as d; {{ | unpool(@d.p) | relu; unpool(@d.p) }}; add")
    assert run(graph, noise(2, 2, 4, 4)).shape == (2, 2, 4, 4)


@pytest.mark.parametrize(
    ("step", "code"),
    [
        ("avgpool2 as p; unpool(@p)", "NS316"),
        ("maxpool2 as p; relu as q; unpool(@q)", "NS316"),
        ("maxpool2 as p; maxpool2; unpool(@p)", "NS310"),
        ("maxpool2; unpool", "NS316"),
    ],
)
def test_unpooling_needs_a_max_pooling_of_that_shape(step, code):
    with pytest.raises(NetspecError) as caught:
        snippet("2x8x8", step)
    assert [d.problem.code for d in caught.value.diagnostics] == [code]


# --- interpolation


@pytest.mark.parametrize(("old", "new"), [(26, 64), (20, 48), (45, 6), (1, 7), (9, 1)])
def test_nearest_neighbours_are_those_of_torch_at_every_size(old, new):
    x = noise(1, 1, old, 5)
    theirs = functional.interpolate(torch.from_numpy(x), size=(new, 5)).numpy()
    assert np.array_equal(run(snippet(f"1x{old}x5", f"upsample(size={new}x5)"), x), theirs)
    free = snippet("1xHxW", f"upsample(size={new}x5)")
    assert np.array_equal(run(free, x), theirs)


@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize(("height", "width"), [(11, 14), (6, 9)])
def test_upsampling_follows_the_size_of_the_other_tensor(mode, height, width):
    graph = snippet("2xHxW", f"relu as x; maxpool3/2 as y; upsample(@x, mode={mode})")
    x = noise(1, 2, height, width)
    pooled = functional.max_pool2d(torch.relu(torch.from_numpy(x)), 3, 2)
    theirs = functional.interpolate(pooled, size=(height, width), mode=mode).numpy()
    assert np.allclose(run(graph, x), theirs, atol=1e-5)


def test_pixel_shuffle_is_torchs_and_unshuffle_undoes_it():
    x = noise(2, 12, 3, 4)
    shuffled = run(snippet("12x3x4", "pixel_shuffle(2)"), x)
    assert np.array_equal(shuffled, functional.pixel_shuffle(torch.from_numpy(x), 2).numpy())
    assert np.array_equal(run(snippet("3x6x8", "pixel_unshuffle(2)"), shuffled), x)


# --- regions


def pooled_regions(x: Array, rois: Array, rows: int, columns: int, scale: float) -> Array:
    """Caffe's ROIPooling, written as its source is: one loop per region, bin and side."""

    def nearest(value: float) -> int:
        scaled = np.float32(value) * np.float32(scale)
        return int(np.sign(scaled) * np.floor(np.abs(scaled) + np.float32(0.5)))

    def bounds(index: int, first: int, last: int, count: int, limit: int) -> slice:
        size = np.float32(max(last - first + 1, 1)) / np.float32(count)
        start = int(np.floor(np.float32(index) * size)) + first
        end = int(np.ceil(np.float32(index + 1) * size)) + first
        return slice(min(max(start, 0), limit), min(max(end, 0), limit))

    found = np.zeros((len(rois), x.shape[1], rows, columns), np.float32)
    for r, (image, *corners) in enumerate(rois):
        left, top, right, bottom = map(nearest, corners)
        for i in range(rows):
            for j in range(columns):
                y = bounds(i, top, bottom, rows, x.shape[2])
                z = bounds(j, left, right, columns, x.shape[3])
                piece = x[int(image), :, y, z]
                if piece.size:
                    found[r, :, i, j] = piece.max((1, 2))
    return found


def regions(count: int, height: int, width: int, scale: float) -> Array:
    """Regions of every kind: inside, outside, turned over, with corners on halves of the map."""
    random = np.random.default_rng(0)
    corners = random.uniform(-0.4, 1.3, (count, 4)) * np.array([width, height] * 2) / scale
    corners[::2] = np.round(corners[::2] * scale * 2) / 2 / scale
    return np.column_stack([random.integers(0, 2, count), corners]).astype(np.float32)


REGIONS = [(7, 7, 1 / 16), (2, 3, 1.0), (6, 6, 0.25)]
region_sizes = pytest.mark.parametrize(("rows", "columns", "scale"), REGIONS)


@region_sizes
@pytest.mark.parametrize(
    ("declared", "height", "width"), [("3x20x25", 20, 25), ("3xHxW", 20, 25), ("3xHxW", 5, 3)]
)
def test_regions_are_pooled_by_caffes_rule(declared, height, width, rows, columns, scale):
    text = f"@image; roipool{rows}x{columns}(@rois, scale={scale})"
    graph = snippet(f"image: {declared}\ninput rois: 5 batch(R=300)", text)
    x, rois = noise(2, 3, height, width), regions(300, height, width, scale)
    expected = pooled_regions(x, rois, rows, columns, scale)
    ran = Net(graph).run([x, rois])
    assert np.array_equal(ran.onnx[0], expected)
    assert np.array_equal(ran.torch[0], expected)
    assert np.allclose(ran.exact[0], expected)


@region_sizes
def test_caffes_rule_is_that_of_onnx_runtimes_own_pooling(rows, columns, scale):
    """Which exists up to opset 21 only."""
    node = helper.make_node(
        "MaxRoiPool", ["x", "r"], ["y"], pooled_shape=[rows, columns], spatial_scale=scale
    )
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in "xry"]
    graph = helper.make_graph([node], "pool", values[:2], values[2:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    x, rois = noise(2, 3, 20, 25), regions(300, 20, 25, scale)
    theirs = session.run(None, {"x": x, "r": rois})[0]
    assert np.array_equal(pooled_regions(x, rois, rows, columns, scale), theirs)


def test_what_follows_region_pooling_runs_and_counts_once_for_each_region():
    declared = "image: 2x8x8\ninput rois: 5 batch(R=10)"
    graph = snippet(declared, "@image; conv1-3; roipool2(@rois); fc-4")
    assert str(graph.outputs[0].value.type.batch) == "R"
    assert costs(graph).macs == 8 * 8 * 2 * 3 + 10 * (3 * 2 * 2 * 4)
    found = run(graph, noise(1, 2, 8, 8), np.array([[0, 0, 0, 7, 7]] * 6, np.float32))
    assert found.shape == (6, 4)


def test_the_gradient_of_a_region_goes_to_its_maxima():
    graph = snippet("image: 1x4x4\ninput rois: 5 batch(R=1)", "@image; roipool2(@rois)")
    x = torch.arange(16.0).reshape(1, 1, 4, 4).requires_grad_()
    Net(graph).single(x, torch.tensor([[0.0, 0, 0, 3, 3]])).sum().backward()
    assert x.grad is not None
    assert x.grad[0, 0].nonzero().tolist() == [[1, 1], [1, 3], [3, 1], [3, 3]]


def test_regions_are_five_numbers():
    with pytest.raises(NetspecError) as caught:
        snippet("image: 2x8x8\ninput rois: 4 batch(R=10)", "@image; roipool2(@rois)")
    assert [d.problem.code for d in caught.value.diagnostics] == ["NS316"]


# --- the first convolutional nets


def test_a_convolution_by_table_is_one_with_the_other_connections_zero():
    graph = snippet("3x6x6", "tableconv3-3/2(pad=1, table=[[0, 2], [1], [2, 1, 0]])")
    net = Net(graph)
    module = net.single.tableconv1
    dense = torch.zeros(3, 3, 3, 3)
    rows = [(0, 0), (0, 2), (1, 1), (2, 2), (2, 1), (2, 0)]
    for number, (out, into) in enumerate(rows):
        dense[out, into] = module.weight[number]
    x = noise(2, 3, 6, 6)
    theirs = functional.conv2d(torch.from_numpy(x), dense, module.bias, stride=2, padding=1)
    assert np.allclose(net.run([x]).onnx[0], theirs.detach().numpy(), atol=1e-6)


LENET5_C3 = """[
    [0,1,2], [1,2,3], [2,3,4], [3,4,5], [0,4,5], [0,1,5],
    [0,1,2,3], [1,2,3,4], [2,3,4,5], [0,3,4,5], [0,1,4,5], [0,1,2,5],
    [0,1,3,4], [1,2,4,5], [0,2,3,5], [0,1,2,3,4,5]]"""


def test_lenet5_has_the_60_000_parameters_of_its_paper(net: Callable[..., Graph]):
    graph = net(f"""
        input 1x32x32
        conv5-6; subsampling2; tanh(1.7159, 2/3)
        tableconv5-16(table={LENET5_C3}) as c3; subsampling2; tanh(1.7159, 2/3)
        conv5-120; tanh(1.7159, 2/3); fc-84; tanh(1.7159, 2/3); rbf-10""")
    found = costs(graph)
    assert (found.params, found.constants, found.macs) == (60_000, 840, 325_680)
    (c3,) = (node for node in graph.nodes if node.path == "c3")
    assert sum(weight.size for weight in c3.op.weights(*c3.input_types)) == 1_516
    assert c3.op.macs(*c3.input_types) == 150_000


def test_the_net_of_1989_has_a_bias_for_every_unit(net: Callable[..., Graph]):
    rows = ", ".join(str([(i + j) % 12 for j in range(8)]) for i in range(12))
    graph = net(f"""
        input 1x16x16
        pad(2, value=-1); conv5-12/2(bias=no); unit_bias; tanh(1.7159, 2/3)
        pad(2, value=-1); tableconv5-12/2(bias=no, table=[{rows}]); unit_bias; tanh(1.7159, 2/3)
        fc-30; tanh(1.7159, 2/3); fc-10; tanh(1.7159, 2/3)""")
    found = costs(graph)
    assert (found.params, found.macs, found.depth) == (9_760, 63_660, 4)


def test_subsampling_is_a_coefficient_times_the_sum_and_a_bias():
    graph = snippet("2x4x4", "subsampling2")
    net = Net(graph)
    x = noise(1, 2, 4, 4)
    sums = x.reshape(1, 2, 2, 2, 2, 2).sum((3, 5))
    weight, bias = (t.detach().numpy()[:, None, None] for t in net.single.subsampling1.parameters())
    assert np.allclose(net.run([x]).onnx[0], sums * weight + bias, atol=1e-5)


def test_the_patterns_of_the_rbf_output_are_fixed_and_far_apart():
    net = Net(snippet("84", "rbf-10"))
    assert not list(net.single.parameters())
    patterns = net.single.rbf1.weight.numpy()
    assert set(np.unique(patterns)) == {-1, 1}
    apart = (patterns[:, None] != patterns[None]).sum(2)
    assert apart[~np.eye(10, dtype=bool)].min() >= 40
    assert net.run([patterns]).onnx[0].argmin(1).tolist() == list(range(10))


def test_an_s_layer_of_the_neocognitron_is_written_from_general_operators(
    net: Callable[..., Graph],
):
    graph = net("""
        input 2x8x8
        block inhibition { square; over_channels(mean); avgpool5/1(pad=2); sqrt }
        block s_layer(n, r=4.0) {
          div { | conv5-n(bias=no, pad=2); scaled(1, 1)
                | inhibition; pad_channels(n); over_channels(sum); scaled(2*r/(1+r), 1) }
          scaled(1, -1); relu
        }
        block saturation { div { | relu | relu; scaled(1, 1) } }
        s_layer(3); avgpool5/2; saturation""")
    x = np.abs(noise(2, 2, 8, 8))
    found = run(graph, x)
    assert found.min() >= 0
    assert found.max() < 1


# --- names


@pytest.mark.parametrize("name", ["half", "type", "forward", "steps", "training", "heads"])
def test_a_step_may_be_named_like_a_method_of_a_module(name):
    graph = snippet("2x4x4", f"conv1-2 as {name}; add(@{name})")
    assert f"{name}.weight" in Net(graph).single.state_dict()
    assert run(graph, noise(1, 2, 4, 4)).shape == (1, 2, 4, 4)
