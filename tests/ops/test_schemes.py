"""Initial weights: the schemes papers state, and the same numbers wherever they are drawn."""

from __future__ import annotations

import math
from math import sqrt

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from support.differential import onnx_model, snippet

from netspec.backends.torch.modules import to_module
from netspec.ops.declare.schemes import Gaussian, Identity
from netspec.ops.declare.weight import Scheme, Weight
from netspec.weights.seeded import CHUNK, draw
from netspec.weights.sources import Seeded


def drawn(step: str, name: str = "weight", declared: str = "48x9x9", seed: int = 0) -> np.ndarray:
    """The initial values of one weight of a step."""
    graph = snippet(declared, step)
    node = graph.nodes[-1]
    weight = next(w for w in node.op.weights(*node.input_types) if w.name == name)
    return whole(weight, seed)


def whole(weight: Weight, seed: int = 0) -> np.ndarray:
    return np.concatenate(list(draw(weight, "w", seed))).reshape(weight.shape)


# conv3-64 on 48 channels: fan-in 432, fan-out 576; 27,648 numbers.
@pytest.mark.parametrize(
    ("init", "variance"),
    [
        ("he", 2 / 432),
        ("he(1)", 1 / 432),
        ("he_fan_out", 2 / 576),
        ("he_uniform", 2 / 432),
        ("lecun", 1 / 432),
        ("lecun_uniform", 1 / 432),
        ("xavier", 2 / (432 + 576)),
        ("xavier_uniform", 2 / (432 + 576)),
        ("gaussian", 0.01**2),
        ("gaussian(0.5)", 0.5**2),
        ("uniform(0.3)", 0.3**2 / 3),
        ("gaussian(3, fan_in=1)", (3 / 432) ** 2),
        ("gaussian(1, fan_out=1/2)", 1 / 576),
        ("gaussian(1, fan_in=1/4, fan_out=1/4)", 1 / sqrt(432 * 576)),
        ("uniform(2.4, fan_in=1)", (2.4 / 432) ** 2 / 3),
        ("uniform(1, fan_in=1/2)", 1 / 432 / 3),
        # The variance of a normal cut at two deviations.
        ("truncated(0.02)", 0.02**2 * 0.7737),
        ("truncated(sqrt(2.6), fan_in=1/2)", 2.6 / 432 * 0.7737),
    ],
)
def test_a_scheme_has_the_variance_it_states(init, variance):
    values = drawn(f"conv3-64(init={init})").astype(np.float64)
    standard_error = math.sqrt(variance / values.size)
    assert abs(values.mean()) < 4 * standard_error
    assert values.var() == pytest.approx(variance, rel=0.04)


def test_convolutions_start_as_he_states_and_their_biases_at_zero():
    assert drawn("conv3-64").var() == pytest.approx(2 / 432, rel=0.04)
    assert not drawn("conv3-64", "bias").any()


def test_normal_schemes_have_tails_and_bounded_ones_have_none():
    normal = drawn("conv3-64(init=gaussian(1))")
    assert 0.035 < (np.abs(normal) > 2).mean() < 0.055
    assert np.abs(drawn("conv3-64(init=truncated(1))")).max() <= 2
    uniform = drawn("conv3-64(init=uniform(0.3))")
    assert 0.299 < np.abs(uniform).max() <= 0.3


def test_alexnet_starts_with_deviation_one_hundredth_and_biases_of_one():
    step = "conv3-64(init=gaussian(0.01), bias_init=1)"
    assert drawn(step).std() == pytest.approx(0.01, rel=0.02)
    assert (drawn(step, "bias") == 1).all()


@pytest.mark.parametrize("step", ["conv3-64", "fc-64", "tableconv3(table=[[0], [1], [2], [3]])"])
def test_a_bias_has_the_fan_in_of_its_units(step):
    wider = step.removesuffix(")") + (", " if step.endswith(")") else "(")
    bias = drawn(f"{wider}bias_init=uniform(2.4, fan_in=1))", "bias")
    reads = {"conv": 48 * 9, "fc-6": 48 * 81, "tabl": 9}[step[:4]]
    bound = 2.4 / reads
    assert 0.4 * bound < np.abs(bias).max() <= bound * (1 + 1e-6)


def test_each_row_of_a_table_has_its_own_fan_in():
    table = str([[0], [1], list(range(16)), list(range(16))])
    step = f"tableconv9(table={table}, init=uniform(1, fan_in=1), bias_init=uniform(1, fan_in=1))"
    weight, bias = drawn(step), drawn(step, "bias")
    for rows, maps in ((weight[:2], 1), (weight[2:], 16), (bias[:2], 1), (bias[2:], 16)):
        bound = 1 / (81 * maps)
        assert 0.05 * bound < np.abs(rows).max() <= bound * (1 + 1e-6)
    assert np.abs(weight[:2]).max() > 0.9 / 81
    assert np.abs(weight[2:]).max() > 0.9 / (81 * 16)
    normal = drawn(f"tableconv9(table={table}, init=gaussian(1, fan_in=1))")
    assert normal[2:].std() == pytest.approx(1 / (81 * 16), rel=0.1)
    assert normal[:2].std() == pytest.approx(1 / 81, rel=0.25)
    cut = drawn(f"tableconv9(table={table}, init=truncated(1, fan_in=1))")
    for rows, fan_in in ((cut[:2], 81), (cut[2:], 81 * 16)):
        assert 1.7 / fan_in < np.abs(rows).max() <= 2 / fan_in * (1 + 1e-6)


@pytest.mark.parametrize("word", ["gaussian", "truncated", "uniform", "he", "lecun_uniform"])
def test_rows_with_fans_of_their_own_are_the_same_in_pieces_as_whole(word):
    fans = tuple(range(1, 301))
    weight = Weight("weight", (300, 1000), Scheme.SCHEMES[word](), fan_in=300, row_fans=fans)
    pieces = list(draw(weight, "w", 0))
    assert [piece.size for piece in pieces] == [CHUNK, weight.size - CHUNK]
    if word in ("he", "lecun_uniform"):
        rows = whole(weight).std(axis=1) * np.sqrt(fans)
        assert rows.max() / rows.min() < 1.35


@pytest.mark.parametrize("step", ["bn", "layernorm", "groupnorm(2)", "instancenorm"])
def test_a_norm_starts_with_the_shift_it_is_given(step):
    wider = step.removesuffix(")") + (", " if step.endswith(")") else "(")
    assert (drawn(f"{wider}bias_init=0.001)", "bias") == np.float32(0.001)).all()
    assert not drawn(step, "bias").any()


def test_a_residual_branch_that_ends_in_a_zero_norm_starts_as_the_identity():
    graph = snippet("4x6x6", "residual { conv3-4(pad=same); bn(init=zeros) }")
    module = to_module(graph, Seeded(3)).eval()
    images = torch.randn(2, 4, 6, 6)
    assert torch.equal(module(images), images)


def test_a_depthwise_kernel_counts_its_own_taps_only():
    assert drawn("dwconv5(multiplier=8)", declared="96x9x9").var() == pytest.approx(
        2 / 25, rel=0.04
    )


# --- computed weights


def upsample_filter(size: int) -> np.ndarray:
    """The filter of FCN's published code, written out: a triangle along each axis."""
    triangle = {
        2: [0.5, 0.5],
        3: [0.5, 1, 0.5],
        4: [0.25, 0.75, 0.75, 0.25],
        5: [1 / 3, 2 / 3, 1, 2 / 3, 1 / 3],
        16: [(2 * min(i, 15 - i) + 1) / 16 for i in range(16)],
    }[size]
    return np.outer(triangle, triangle)


@pytest.mark.parametrize("size", [2, 3, 4, 5, 16])
def test_bilinear_is_the_filter_of_fcn_on_the_diagonal(size):
    dense = drawn(f"deconv{size}-3(init=bilinear)", declared="3x4x4")
    for into in range(3):
        for out in range(3):
            expected = upsample_filter(size) if into == out else 0 * upsample_filter(size)
            np.testing.assert_allclose(dense[into, out], expected, atol=1e-7)


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_bilinear_deconvolution_upsamples_each_channel_whatever_the_groups(groups):
    step = f"deconv4-4/2(pad=1, groups={groups}, bias=no, init=bilinear)"
    module = to_module(snippet("4x5x6", step), Seeded(0)).eval()
    images = torch.randn(1, 4, 5, 6)
    expected = torch.nn.functional.interpolate(images, scale_factor=2, mode="bilinear")
    # At the border the transposed convolution fades to zero and interpolation repeats the edge.
    torch.testing.assert_close(module(images)[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1])


def test_an_identity_kernel_passes_its_input_on_dilated_or_not():
    images = torch.randn(2, 6, 9, 8)
    for step in ("conv3-6", "conv3-6(dilation=2)", "conv4-6", "conv1-6", "conv5x3-6"):
        step = step[:-1] + ", " if step.endswith(")") else step + "("
        module = to_module(snippet("6x9x8", f"{step}pad=same, init=identity)"), Seeded(0)).eval()
        torch.testing.assert_close(module(images), images)


def test_identity_between_other_widths_is_equation_4_of_yu_and_koltun():
    # C = 2 maps, 6 inputs, 4 outputs: C / c_out where floor(aC / c_in) = floor(bC / c_out).
    weight = Weight("weight", (4, 6, 3, 3), Identity(maps=2, noise=0))
    expected = np.zeros((4, 6, 3, 3), np.float32)
    for b in range(4):
        for a in range(6):
            if a * 2 // 6 == b * 2 // 4:
                expected[b, a, 1, 1] = 2 / 4
    np.testing.assert_array_equal(whole(weight), expected)


def test_a_chain_of_identities_through_wider_maps_is_the_identity():
    chain = "conv3-10(pad=same, init=identity(noise=0))"
    step = f"{chain}; {chain.replace('10', '20')}; {chain.replace('10', '5')}"
    images = torch.randn(1, 5, 7, 7)
    module = to_module(snippet("5x7x7", step), Seeded(0)).eval()
    torch.testing.assert_close(module(images), images)


def test_noise_breaks_the_ties_of_copies_only_where_widths_differ():
    wider = drawn("conv3-8(init=identity)", declared="4x5x5")
    assert not np.array_equal(wider[0], wider[1])
    assert wider[0, 0, 1, 1] == pytest.approx(0.5, abs=0.03)
    assert np.abs(wider[0, 1:]).max() < 0.03
    same = drawn("conv3-4(init=identity)", declared="4x5x5")
    assert np.count_nonzero(same) == 4


def test_sinusoids_are_the_positions_of_the_transformer():
    table = drawn("position(init=sinusoids)", declared="6x40")
    wavelengths = 10_000 ** (np.arange(0, 6, 2) / 6)
    angles = np.arange(40)[:, None] / wavelengths
    np.testing.assert_allclose(table[:, 0::2], np.sin(angles), atol=1e-6)
    np.testing.assert_allclose(table[:, 1::2], np.cos(angles), atol=1e-6)


@pytest.mark.parametrize(
    "step",
    [
        "conv3-8(bias_init=bilinear)",
        "bn(init=identity)",
        "deconv4-8(init=bilinear)",
        "conv3-8(init=identity(3))",
        "conv3-8(init=identity(-1))",
        "conv3-8(init=identity(0.5))",
        "conv3-8(init=gausian)",
        "conv3-8(init=gaussian(1, fan_in=2.5))",
        "conv3-8(init=uniform(1, fan_out=-1))",
        "conv3-8(bias_init=truncated(1, fan_in=1e38))",
    ],
)
def test_a_scheme_that_has_no_meaning_for_a_weight_is_refused(step, refused):
    error = refused(f"input 4x9x9\n{step}")
    assert error.diagnostics[0].code in ("NS226", "NS321")


@pytest.mark.parametrize("given", ["1, 2", '"wide"', "1e39", "relu", "width=3"])
def test_a_scheme_that_takes_no_such_arguments_says_what_it_takes(given, refused):
    error = refused(f"input 4x9x9\nconv3-8(init=gaussian({given}))")
    assert "NS229" in str(error)
    assert "`gaussian` takes deviation=0.01" in str(error)


# --- drawing


@pytest.mark.parametrize("word", sorted(Scheme.SCHEMES))
def test_the_same_seed_draws_the_same_and_another_seed_does_not_change_what_is_fixed(word):
    scheme = Scheme.SCHEMES[word]()
    weight = Weight("weight", (4, 4, 3, 3), scheme, fan_in=36, fan_out=36, window=2)
    assert np.array_equal(whole(weight, 1), whole(weight, 1))
    computed = ("constant", "zeros", "ones", "bilinear", "codes", "sinusoids")
    fixed = word in (*computed, "binomial", "gaussian_window")
    assert scheme.drawn == (not fixed)
    # Between equal widths an identity has no ties to break.
    assert np.array_equal(whole(weight, 1), whole(weight, 2)) == (fixed or word == "identity")


@pytest.mark.parametrize("word", sorted(Scheme.SCHEMES))
def test_drawing_in_pieces_gives_pieces_of_one_size_and_float32(word):
    scheme = Scheme.SCHEMES[word]()
    weight = Weight("weight", (300, 300, 3), scheme, fan_in=900, fan_out=900, window=1)
    pieces = list(draw(weight, "w", 0))
    assert [piece.size for piece in pieces] == [CHUNK, weight.size - CHUNK]
    assert all(piece.dtype == np.float32 and piece.flags.c_contiguous for piece in pieces)


@pytest.mark.parametrize(
    "word", ["bilinear", "identity", "codes", "sinusoids", "binomial", "gaussian_window"]
)
def test_a_computed_weight_is_the_same_in_pieces_as_whole(word):
    weight = Weight("weight", (300, 300, 3), Scheme.SCHEMES[word](), window=1)
    pieces = np.concatenate(list(draw(weight, "w", 0)))
    at_once = weight.init.piece(weight, np.random.default_rng(0), 0, weight.size)
    np.testing.assert_array_equal(pieces, at_once)


def test_names_draw_apart_and_order_does_not_matter():
    weight = Weight("weight", (50,), Gaussian(1.0))
    first, second = (next(iter(draw(weight, name, 0))) for name in ("a", "b"))
    assert not np.array_equal(first, second)
    assert np.array_equal(first, next(iter(draw(weight, "a", 0))))


def test_pytorch_and_onnx_start_from_the_same_numbers():
    step = "conv3-8(bias_init=gaussian); bn; prelu; fc-5(init=xavier_uniform)"
    graph = snippet("3x6x6", step)
    state = to_module(graph, Seeded(7)).state_dict()
    model: onnx.ModelProto = onnx_model(graph, Seeded(7))
    tensors = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    weights = {name: tensor for name, tensor in state.items() if "num_batches" not in name}
    assert weights.keys() <= tensors.keys()
    for name, tensor in weights.items():
        np.testing.assert_array_equal(tensors[name], tensor.numpy())
