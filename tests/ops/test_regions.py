"""Maps read between their elements, regions, and boxes that stay: against definitions written out.

Those of torchvision 0.28's kernels: they need no torchvision, and say what happens at borders, where
regions are empty and where scores are equal.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from support.differential import Net, Ran, Varied, assert_agree, inputs_for, snippet

import netspec
from netspec.backends.runtime import Session
from netspec.backends.torch.modules import to_module
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.passes.deploy import deploy
from netspec.passes.folding.fold import fold
from netspec.weights.sources import Seeded


def every_way(ran: Ran) -> list[np.ndarray]:
    return [ran.exact[0], ran.torch[0], ran.onnx[0]]


# --- RoIAlign


def between(plane: np.ndarray, y: float, x: float) -> float:
    """The bilinear value of a plane; beyond the border that of the border."""
    height, width = plane.shape
    y, x = min(max(y, 0.0), height - 1.0), min(max(x, 0.0), width - 1.0)
    top, left = int(y), int(x)
    down, right = min(top + 1, height - 1), min(left + 1, width - 1)
    dy, dx = y - top, x - left
    upper = (1 - dx) * plane[top, left] + dx * plane[top, right]
    return (1 - dy) * upper + dy * ((1 - dx) * plane[down, left] + dx * plane[down, right])


def aligned(maps, rois, size, scale, samples, half):
    found = np.zeros((len(rois), maps.shape[1], *size))
    for i, (image, *corners) in enumerate(rois.astype(np.float64)):
        x1, y1, x2, y2 = (corner * scale - 0.5 * half for corner in corners)
        wide, high = (x2 - x1, y2 - y1) if half else (max(x2 - x1, 1), max(y2 - y1, 1))
        for channel, row, column in product(range(maps.shape[1]), range(size[0]), range(size[1])):
            total = 0.0
            for down, along in product(range(samples), repeat=2):
                y = y1 + (row + (down + 0.5) / samples) * high / size[0]
                x = x1 + (column + (along + 0.5) / samples) * wide / size[1]
                if -1 <= y <= maps.shape[2] and -1 <= x <= maps.shape[3]:
                    total += between(maps[int(image), channel], y, x)
            found[i, channel, row, column] = total / samples**2
    return found


@pytest.mark.parametrize("sizes", [(5, 7), (1, 1), (1, 4)], ids=str)
@pytest.mark.parametrize(("samples", "half"), [(2, False), (1, True), (3, True)])
def test_regions_are_aligned_as_defined_wherever_they_are(sizes, samples, half):
    height, width = sizes
    step = (
        f"@image; roialign2x3(@rois, scale=0.25, samples={samples}, "
        f"aligned={'yes' if half else 'no'})"
    )
    graph = snippet(f"image: 2x{height}x{width}\ninput rois: 5 batch(R=9)", step)
    random = np.random.default_rng(1)
    maps = random.standard_normal((3, 2, height, width)).astype(np.float32)
    far, high = 4.0 * width, 4.0 * height
    rois = np.array(
        [
            [0, 0, 0, far, high],
            [1, far / 2, high / 2, far / 2, high / 2],  # empty
            [2, far, high, 0, 0],  # turned round
            [0, -far, -high, 2 * far, 2 * high],  # larger than the image
            [1, 3 * far, 3 * high, 4 * far, 4 * high],  # outside it
            [2, -9, -9, -5, -5],
            [0, -2.3, 1.1, far + 2.9, high + 1.7],
            [1, 1.3, 0.7, 2.9, 3.1],
            [2, -3.5, -3.5, far + 3.5, high + 3.5],
        ],
        np.float32,
    )
    expected = aligned(maps.astype(np.float64), rois, (2, 3), 0.25, samples, half)
    for ran in Net(graph, opsets=(13, 17, 26)).runs([maps, rois]):
        for found in every_way(ran):
            np.testing.assert_allclose(found, expected, atol=2e-5)


def test_as_many_samples_as_a_region_has_pixels_are_refused():
    with pytest.raises(NetspecError, match="another number for each"):
        snippet("image: 2x5x7\ninput rois: 5 batch(R=9)", "@image; roialign2(@rois, samples=0)")


@pytest.mark.parametrize("word", ["roialign2", "roipool2"])
def test_regions_have_five_numbers(word):
    with pytest.raises(NetspecError, match="regions of 5 numbers"):
        snippet("image: 2x5x7\ninput rois: 4 batch(R=9)", f"@image; {word}(@rois)")


# --- grids


@pytest.mark.parametrize("sizes", ["1x1", "3x1", "4x5"])
@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
def test_a_grid_far_beyond_the_map_is_read_alike(sizes, mode):
    steps = [
        f"grid_sample(@grid, {mode}, {padding}, align={align}) as out{i}"
        for i, (padding, align) in enumerate(
            product(("zeros", "border", "reflection"), ("yes", "no"))
        )
    ]
    lines = "\n".join(f"@image; {step}" for step in steps)
    outputs = ", ".join(f"out{i}" for i in range(len(steps)))
    text = f"input image: 2x{sizes}\ninput grid: 2x3x50\n{lines}\noutput {outputs}\n"
    graph = build(Source("<step>", text))
    random = np.random.default_rng(2)
    image = random.standard_normal((3, *snippet(f"2x{sizes}", "relu").nodes[0].types[0].shape))
    grid = random.uniform(-1, 1, (3, 2, 3, 50))
    grid[..., 20:] *= 5
    grid[..., 45:] *= 1000
    # Exactly on pixels and between them; float64 and float32 agree there where the sums are exact.
    grid[..., :5] = [-1, -0.5, 0, 0.5, 1] if mode != "nearest" else [-0.9, -0.55, 0.1, 0.45, 0.8]
    arrays = [image.astype(np.float32), grid.astype(np.float32)]
    for ran in Net(graph, opsets=(13, 20)).runs(arrays):
        for single, deployed in zip(ran.torch, ran.onnx, strict=True):
            np.testing.assert_allclose(deployed, single, atol=2e-3 if mode == "bicubic" else 1e-3)


def test_a_spatial_transformer_starts_as_the_identity():
    text = """
    input 2x7x6
    conv3-4; gap; fc-6(init=zeros, bias_init=[1, 0, 0, 0, 1, 0]); affine_grid(7x6) as grid
    @input; grid_sample(@grid)
    """
    image = torch.randn(2, 2, 7, 6)
    with torch.no_grad():
        fresh = to_module(build(Source("<stn>", text)), Seeded(0)).eval()
        torch.testing.assert_close(fresh(image), image, atol=1e-5, rtol=0)
        moved = to_module(build(Source("<stn>", text)), Varied()).eval()
        assert not torch.allclose(moved(image), image, atol=0.1)


@pytest.mark.parametrize("align", [True, False])
def test_an_affine_grid_is_torchs(align):
    word = "yes" if align else "no"
    net = Net(snippet("6", f"affine_grid(5x4, align={word})"))
    theta = torch.randn(3, 6)
    expected = torch.nn.functional.affine_grid(theta.view(3, 2, 3), (3, 1, 5, 4), align)
    for found in every_way(net.run([theta.numpy()])):
        np.testing.assert_allclose(found, expected.permute(0, 3, 1, 2).numpy(), atol=1e-6)


def test_what_is_no_grid_is_refused():
    for declared, step in (
        ("3x5x5", "relu as g; @input; grid_sample(@g)"),
        ("2x5", "relu as g; @input; grid_sample(@g)"),
        ("5", "affine_grid(3x3)"),
        ("6", "affine_grid(3x3x3)"),
    ):
        with pytest.raises(NetspecError):
            snippet(declared, step)


# --- deformable convolution


def deformed(x, offsets, mask, weight, bias, stride, pad, dilation, groups):
    """torchvision's deform_conv2d, tap by tap."""
    taps, (height, width) = weight.shape[2] * weight.shape[3], offsets.shape[2:]
    apart = offsets.shape[1] // (2 * taps)
    out = np.zeros((len(x), len(weight), height, width))
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))

    def at(image, channel, y, x_):
        y, x_ = y + 1, x_ + 1
        if not (0 < y < padded.shape[2] - 1 and 0 < x_ < padded.shape[3] - 1):
            return 0.0
        return between(padded[image, channel], y, x_)

    for image, row, column in product(range(len(x)), range(height), range(width)):
        seen = np.zeros((x.shape[1], *weight.shape[2:]))
        for channel, i, j in product(*map(range, seen.shape)):
            group = channel * apart // x.shape[1]
            tap = group * taps + i * weight.shape[3] + j
            y = row * stride - pad + i * dilation + offsets[image, 2 * tap, row, column]
            x_ = column * stride - pad + j * dilation + offsets[image, 2 * tap + 1, row, column]
            seen[channel, i, j] = at(image, channel, y, x_) * (
                1 if mask is None else mask[image, tap, row, column]
            )
        split = seen.reshape(groups, -1)
        kernels = weight.reshape(groups, len(weight) // groups, -1)
        out[image, :, row, column] = np.einsum("gk,gok->go", split, kernels).reshape(-1) + bias
    return out


@pytest.mark.parametrize("masked", [True, False])
def test_taps_move_as_defined(masked):
    mask = "input mask: 12x3x4\n" if masked else ""
    step = "deformconv3x2-6/2(@moved, {}pad=1, dilation=1, groups=2)"
    text = (
        f"input image: 4x5x6\ninput moved: 24x3x4\n{mask}"
        f"@image; {step.format('@mask, ' if masked else '')} as out\n"
    )
    graph = build(Source("<step>", text))
    random = np.random.default_rng(3)
    arrays = [random.standard_normal((2, *node.types[0].shape)) for node in graph.inputs]
    arrays[1] *= 3
    arrays = [array.astype(np.float32) for array in arrays]
    net = Net(graph, opsets=(13, 19))
    weight, bias = net.double.out.weight.detach().numpy(), net.double.out.bias.detach().numpy()
    assert weight.shape == (6, 2, 3, 2)
    x, offsets, *rest = (array.astype(np.float64) for array in arrays)
    expected = deformed(x, offsets, rest[0] if rest else None, weight, bias, 2, 1, 1, 2)
    for ran in net.runs(arrays):
        for found in every_way(ran):
            np.testing.assert_allclose(found, expected, atol=1e-5)


def test_without_offsets_it_is_a_convolution():
    text = "input 4x6x7\nconv3-18(init=zeros, pad=1) as moved\n@input; {} as out\n"
    graph = build(Source("<step>", text.format("deformconv3-4(@moved, pad=1, groups=2)")))
    module = to_module(graph, Seeded(0)).eval()
    image = torch.randn(2, 4, 6, 7)
    with torch.no_grad():
        expected = torch.nn.functional.conv2d(
            image, module.out.weight, module.out.bias, padding=1, groups=2
        )
        torch.testing.assert_close(module(image), expected, atol=1e-5, rtol=0)
    assert graph.nodes[-1].op.macs(*graph.nodes[-1].input_types) == 6 * 7 * 4 * 2 * 9


@pytest.mark.parametrize(
    "step",
    [
        "conv3-18 as moved; @input; deformconv3-4(@moved, pad=1)",
        "conv3-17(pad=1) as moved; @input; deformconv3-4(@moved, pad=1)",
        "conv3-54(pad=1) as moved; @input; deformconv3-4(@moved, pad=1)",
        "conv3-18(pad=1) as moved; @input; deformconv3-4(@moved, @moved, pad=1)",
        "deformconv3-4(pad=1)",
    ],
)
def test_offsets_that_do_not_fit_are_refused(step):
    with pytest.raises(NetspecError):
        snippet("4x6x7", step)


# --- borders


@pytest.mark.parametrize(
    ("step", "allowed"),
    [
        ("conv3-4(pad=6, pad_mode=circular)", "at most the size 5"),
        ("conv3-4(pad=5, pad_mode=reflect)", "below the size 5"),
        ("pad(6, mode=circular)", "at most the size 5"),
    ],
)
def test_a_border_wider_than_the_map_is_refused(step, allowed):
    with pytest.raises(NetspecError, match=allowed):
        snippet("3x5x8", step)


@pytest.mark.parametrize("mode", ["circular", "reflect", "replicate"])
def test_a_convolution_pads_as_torchs_does(mode):
    module = to_module(snippet("3x6x7", f"conv3-4/2(pad=2, pad_mode={mode})"), Varied())
    assert type(module.conv1) is torch.nn.Conv2d
    assert module.conv1.padding_mode == mode


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("conv3-4(pad=1, pad_mode=circular); bn", 1),
        ("bn; conv3-4(pad=1, pad_mode=reflect)", 2),
        ("add { | conv3-3(pad=1, pad_mode=circular) | conv3-3(pad=1, pad_mode=circular) }", 1),
        ("add { | conv3-3(pad=1, pad_mode=circular) | conv1-3 }", 1),
        ("add { | conv3-3(pad=1, pad_mode=circular) | conv3-3(pad=1) }", 3),
        ("conv3-4(pad=1); instancenorm(track=yes)", 1),
        ("conv3-18(pad=1) as m; @input; deformconv3-4(@m, pad=1); bn", 3),
    ],
)
def test_layers_fold_into_each_other_only_where_borders_are_alike(text, left):
    graph = deploy(snippet("3x5x6", text))
    folded = fold(graph).graph
    assert len(folded.nodes) - len(folded.inputs) == left


# --- instance normalisation with running statistics


@pytest.mark.parametrize("affine", [True, False])
def test_tracked_statistics_are_torchs(affine):
    word = "yes" if affine else "no"
    graph = snippet("3x4x5", f"instancenorm(track=yes, affine={word}, momentum=0.3)")
    module = to_module(graph, Seeded(0))
    theirs = torch.nn.InstanceNorm2d(3, momentum=0.3, affine=affine, track_running_stats=True)
    assert module.instancenorm1.state_dict().keys() == theirs.state_dict().keys()
    images = torch.randn(4, 3, 4, 5) * 3 + 1
    torch.testing.assert_close(module.train()(images), theirs.train()(images))
    assert not torch.equal(theirs.running_mean, torch.zeros(3))
    torch.testing.assert_close(module.instancenorm1.running_var, theirs.running_var)
    torch.testing.assert_close(module.eval()(images), theirs.eval()(images))


# --- boxes


def suppressed(boxes, scores, iou, score, most):
    """The kept boxes of one sample, as torchvision's batched_nms has them."""
    kept = []
    for kind, of_class in enumerate(scores):
        order = sorted(np.flatnonzero(of_class > score), key=lambda i: (-of_class[i], i))
        while order:
            best = order.pop(0)
            kept.append((-of_class[best], best, kind))
            order = [i for i in order if not overlap(boxes[:, best], boxes[:, i]) > iou]
    found = np.zeros((6, most))
    for column, (least, box, kind) in enumerate(sorted(kept)[:most]):
        found[:, column] = [*boxes[:, box], -least, kind]
    return found


def overlap(one, other):
    low, high = np.maximum(one[:2], other[:2]), np.minimum(one[2:], other[2:])
    shared = np.prod(np.maximum(high - low, 0))
    union = np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2]) - shared
    return shared / union if union else 0.0


@pytest.mark.parametrize("iou", [0.0, 0.5, 1.0])
@pytest.mark.parametrize(("classes", "most"), [(1, 40), (3, 7), (3, 100)])
def test_boxes_stay_as_torchvision_keeps_them_ties_and_all(classes, most, iou):
    graph = snippet(
        f"boxes: 4xT\ninput scores: {classes}xT",
        f"@boxes; nms(@scores, iou={iou}, score=0.25, most={most})",
    )
    net = Net(graph, opsets=(13, 26))
    random = np.random.default_rng(4)
    for count in (1, 30):
        # Few different corners and scores: boxes that are the same, empty ones, equal scores.
        first = random.integers(0, 4, (3, 2, count))
        boxes = np.concatenate([first, first + random.integers(0, 4, (3, 2, count))], 1)
        scores = random.integers(0, 5, (3, classes, count)) / 4
        arrays = [boxes.astype(np.float32), scores.astype(np.float32)]
        expected = np.stack(
            [suppressed(*pair, iou, 0.25, most) for pair in zip(boxes, scores, strict=True)]
        )
        for ran in net.runs(arrays):
            for found in every_way(ran):
                np.testing.assert_array_equal(found, expected)


def test_a_sample_without_a_box_gives_zeros():
    net = Net(snippet("boxes: 4x5\ninput scores: 2x5", "@boxes; nms(@scores, most=3)"))
    boxes, scores = np.ones((2, 4, 5), np.float32), np.full((2, 2, 5), -1, np.float32)
    scores[1, 1, 3] = 0.5
    for found in every_way(net.run([boxes, scores])):
        assert not found[0].any()
        assert found[1, :, 0].tolist() == [1, 1, 1, 1, 0.5, 1]
        assert not found[1, :, 1:].any()


def test_equal_values_are_taken_in_order():
    graph = snippet("2x6", "topk(4) as best; @input; topk(3, largest=no) as least")
    values = np.array([[[1, 2, 2, 0, 2, 1], [0, 0, 0, 0, 0, 0]]], np.float32)
    picked = snippet("2x6", "clip(0, 1); topk(4) as best; @input; gather(@best)")
    for found in every_way(Net(picked).run([values])):
        assert found[0, 0].tolist() == [1, 2, 2, 2]
    assert_agree(Net(graph).run([values]))


@pytest.mark.parametrize(
    ("declared", "step"),
    [
        ("2x6", "topk(7)"),
        ("2x3x4", "topk(2)"),
        ("3x6", "conv1-2; topk(2) as best; @input; gather(@best)"),
        ("3x6", "relu as best; @input; gather(@best)"),
        ("boxes: 5x9\ninput scores: 3x9", "@boxes; nms(@scores)"),
        ("boxes: 4x9\ninput scores: 3x8", "@boxes; nms(@scores)"),
        ("boxes: 4x9\ninput scores: 9", "@boxes; nms(@scores)"),
        ("3x4", "clip"),
        ("3x4", "clip(2, 1)"),
    ],
)
def test_what_does_not_fit_is_refused(declared, step):
    with pytest.raises(NetspecError):
        snippet(declared, step)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    "text",
    [
        "input x: 3x6x8\ninput by: 18x6x8\n@x; deformconv3-4(@by, pad=1)",
        "input x: 3x6x8\ninput by: 2x5x5\n@x; grid_sample(@by)",
    ],
)
def test_a_place_that_is_no_number_gives_none_and_stops_nothing(
    text: str, wrong: float, tmp_path: Path
) -> None:
    # Before ONNX has the operator: places are indices of rows.
    path = tmp_path / "net.onnx"
    net = netspec.load(text)
    net.to_onnx(path, opset=13)
    session = Session(path)
    feeds = inputs_for(net.graph, 2, {})
    feeds[1][0, 0, 0, 0] = wrong
    named = dict(zip(("x", "by"), feeds, strict=True))
    (found,) = session.run(named).outputs.values()
    assert not np.isfinite(found[0]).all()
    assert np.isfinite(found[1]).all()
