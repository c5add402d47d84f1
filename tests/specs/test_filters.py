"""The shipped blocks with fixed kernels compute what their definitions say, written out in loops."""

from __future__ import annotations

from math import exp
from typing import Any

import numpy as np
import pytest
import torch

import netspec
from netspec.analysis.costs import costs
from netspec.analysis.receptive_field import receptive_fields

Map = np.ndarray[Any, np.dtype[np.float64]]


def answer(spec: str, images: Map, **settings: object) -> Map:
    """What a net makes of images, in double precision."""
    module = netspec.load(spec, input=images.shape[1:], **settings).to_torch().eval().double()
    with torch.no_grad():
        return np.asarray(module(torch.from_numpy(images)).numpy())


def slid(image: Map, window: Map) -> Map:
    """The window slid over one map without a border, each sum written out."""
    (rows, columns), (h, w) = window.shape, image.shape
    found = np.zeros((h - rows + 1, w - columns + 1))
    for i in range(found.shape[0]):
        for j in range(found.shape[1]):
            for p in range(rows):
                for q in range(columns):
                    found[i, j] += window[p, q] * image[i + p, j + q]
    return found


def gaussian(size: int, deviation: float) -> Map:
    bell = [exp(-((i - (size - 1) / 2) ** 2) / (2 * deviation**2)) for i in range(size)]
    window = np.array([[a * b for a in bell] for b in bell])
    return window / window.sum()


def noise(*shape: int) -> Map:
    return np.random.default_rng(0).standard_normal(shape)


def ramp(down: float, right: float) -> Map:
    rows, columns = np.mgrid[:9, :11]
    return (down * rows + right * columns)[None, None].astype(np.float64)


def test_sobel_of_a_ramp_is_eight_times_its_slope():
    assert answer("blocks/sobel", ramp(0, 1)) == pytest.approx(np.full((1, 1, 7, 9), 8))
    assert answer("blocks/sobel", ramp(3, -4)) == pytest.approx(np.full((1, 1, 7, 9), 8 * 5))


def test_sobel_is_the_length_of_two_differences():
    (image,) = noise(1, 1, 8, 9)
    across = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    expected = np.hypot(slid(image[0], across), slid(image[0], across.T))
    assert answer("blocks/sobel", image[None])[0, 0] == pytest.approx(expected)


def test_laplace_of_a_parabola_is_the_sum_of_its_second_derivatives():
    rows, columns = np.mgrid[:9, :11].astype(np.float64)
    parabola = (3 * rows**2 - columns**2 + rows * columns - 5)[None, None]
    assert answer("blocks/laplace", parabola) == pytest.approx(np.full((1, 1, 7, 9), 6 - 2))
    assert answer("blocks/laplace", ramp(2, -7)) == pytest.approx(np.zeros((1, 1, 7, 9)))


def test_a_blurred_constant_is_that_constant_inside():
    blurred = answer("blocks/gaussian_blur", np.full((1, 3, 12, 12), 5.0))
    assert blurred[:, :, 3:-3, 3:-3] == pytest.approx(5, rel=1e-6)
    assert (blurred[:, :, 0, 0] < 5).all()


def test_a_blur_is_the_weighted_mean_of_each_map():
    images = noise(1, 3, 10, 9)
    blurred = answer("blocks/gaussian_blur", images, kernel=5, deviation=0.8)
    for given, found in zip(images[0], blurred[0], strict=True):
        assert found[2:-2, 2:-2] == pytest.approx(slid(given, gaussian(5, 0.8)), abs=1e-6)


@pytest.mark.parametrize(("kernel", "row"), [(2, [1, 1]), (3, [1, 2, 1]), (5, [1, 4, 6, 4, 1])])
def test_a_weighted_mean_pools_every_other_window(kernel, row):
    images = noise(1, 64, 8, 8)
    pooled = answer("blocks/weighted_mean_pool", images, kernel=kernel)
    window = np.outer(row, row) / sum(row) ** 2
    around = np.pad(images[0, 7], kernel // 2)
    assert pooled[0, 7] == pytest.approx(
        slid(around, window)[::2, ::2][: pooled.shape[2]], abs=1e-6
    )


def contrast_normalised(x: Map, size: int, deviation: float) -> Map:
    """Section 2.1 of Jarrett et al. 2009 on one sample, the edge repeated around it."""
    channels = len(x)
    weights = gaussian(size, deviation) / channels
    half = size // 2

    def mean(maps: Map) -> Map:
        around = np.pad(maps, ((0, 0), (half, half), (half, half)), mode="edge")
        return np.sum([slid(one, weights) for one in around], axis=0)

    v = x - mean(x)
    sigma = np.sqrt(mean(v**2))
    return v / np.maximum(sigma.mean(), sigma)


@pytest.mark.parametrize(("size", "deviation"), [(7, 7 / 4), (5, 5 / 4)])
def test_contrast_normalisation_is_the_papers(size, deviation):
    # Neighbouring maps of other sizes, and a corner without contrast.
    images = noise(2, 4, 12, 10) * np.array([1, 5, 0.2, 3]).reshape(1, 4, 1, 1) + 10
    images[:, :, :8, :8] = 2
    found = answer("blocks/contrast_norm", images, kernel=size, c=4)
    for given, one in zip(images, found, strict=True):
        assert one == pytest.approx(contrast_normalised(given, size, deviation), abs=1e-5)


def test_contrast_normalised_maps_keep_neither_brightness_nor_contrast():
    images = noise(1, 3, 24, 24)
    found = answer("blocks/contrast_norm", images, c=3)
    again = answer("blocks/contrast_norm", 40 * images + 7, c=3)
    assert again == pytest.approx(found, abs=1e-5)
    # The local means are those of a blurred noise: near zero beside a spread of about one.
    assert abs(found.mean()) < 0.05
    assert 0.7 < found.std() < 1.1


def test_flat_maps_have_no_contrast_and_train_without_infinities():
    module = netspec.load("input 3x9x9; contrast_norm(5)").to_torch()
    images = torch.full((1, 3, 9, 9), 0.7, requires_grad=True)
    made = module(images)
    assert made.abs().max() < 0.01
    made.sum().backward()
    assert torch.isfinite(images.grad).all()


def test_a_spatial_window_takes_maps_of_any_rank():
    for shape in ("3x20", "3x9x9", "2x6x7x8"):
        net = netspec.load(f"input {shape}; contrast_norm(3)")
        assert str(net.graph.outputs[0].value.type) == shape


def test_dilations_of_1_2_and_4_see_3_7_and_15_with_as_many_weights_each():
    graph = netspec.load("blocks/dilated_stack").graph
    fields = receptive_fields(graph)
    (c,) = (value for name, value in graph.parameters if name == "c")
    layers = [node for node in graph.nodes if node.inputs]
    seen = [[axis.size for axis in fields[node]["input"].axes] for node in layers]
    assert seen == [[3, 3], [7, 7], [15, 15]]
    for node in layers:
        (weight,) = node.op.weights(*node.input_types)
        assert weight.size == 9 * c * c


@pytest.mark.parametrize(
    ("spec", "per_place"),
    [
        ("inverted_bottleneck", lambda c: 12 * c * c + 54 * c),
        ("shuffle_unit", lambda c: 8 * c * c // 4 + 9 * c),
        ("dilated_stack", lambda c: 27 * c * c),
    ],
)
def test_blocks_cost_what_their_notes_say(spec, per_place):
    for c in (64, 24):
        assert costs(netspec.load(f"blocks/{spec}", c=c).graph).macs == 56 * 56 * per_place(c)


def test_every_group_of_a_shuffle_unit_sees_every_other():
    def reached(text: str) -> int:
        module = netspec.load(text, input="32x1x1").to_torch().eval()
        images = torch.ones(1, 32, 1, 1, requires_grad=True)
        module(images)[0, 0].sum().backward()
        return int((images.grad != 0).sum())

    inside = "conv1-8(groups=4); {}dwconv3(pad=1); conv1-32(groups=4)"
    assert reached(inside.format("")) == 32 // 4
    assert reached(inside.format("shuffle(4); ")) == 32 // 2
