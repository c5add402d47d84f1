"""Kernels given by value: what they hold, what they are not, and what says so otherwise."""

from __future__ import annotations

from collections.abc import Callable
from math import comb, exp

import numpy as np
import pytest
import torch
from conftest import Built
from support.differential import Net, onnx_model, snippet

from netspec.analysis.costs import costs
from netspec.backends.torch.modules import to_module
from netspec.diagnostics.raised import NetspecError
from netspec.verify import verify
from netspec.verify.weights import fitted
from netspec.weights.sources import Seeded, known_values, named_weights

Refused = Callable[..., NetspecError]

LAPLACE = "[[0, 1, 0], [1, -4, 1], [0, 1, 0]]"


def kernel(step: str, declared: str = "2x9x9") -> np.ndarray:
    """The kernel that the last step starts with, or keeps."""
    graph = snippet(declared, step)
    node = graph.nodes[-1]
    return known_values(node.op.weights(*node.input_types)[0])


# --- numbers


def test_a_window_is_repeated_for_every_pair_of_channels():
    window = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], np.float32)
    step = "(fixed=[[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])"
    for word, pairs in (("conv-4", (4, 2)), ("dwconv", (2, 1)), ("deconv-4", (2, 4))):
        found = kernel(word + step)
        assert found.shape == (*pairs, 3, 3)
        assert (found == window).all()


def test_a_list_with_more_axes_says_the_inputs_too_or_every_number():
    per_input = kernel("conv-3(fixed=[[[1, 2]], [[3, 4]]])")
    assert (per_input == np.array([[[1, 2]], [[3, 4]]])).all()
    whole = kernel("conv-2(fixed=[[[[1]], [[2]]], [[[3]], [[4]]]])")
    assert whole.tolist() == [[[[1.0]], [[2.0]]], [[[3.0]], [[4.0]]]]


def test_every_channel_of_a_depthwise_convolution_may_have_its_own():
    found = kernel("dwconv(fixed=[[[[1, 2]]], [[[3, 4]]]])")
    assert found[:, 0, 0].tolist() == [[1, 2], [3, 4]]


def test_numbers_may_be_computed_and_come_through_blocks(net: Built):
    graph = net("block mean(n, k=[[1/n, 2/n], [2/n, 4/n]]) { dwconv(fixed=k) }\nmean(9)")
    node = graph.nodes[-1]
    (weight, _) = node.op.weights(*node.input_types)
    assert known_values(weight)[0, 0] == pytest.approx(np.array([[1, 2], [2, 4]]) / 9)


@pytest.mark.parametrize("declared", ["2x9", "2x9x9", "2x5x5x5"])
@pytest.mark.parametrize("size", [1, 2, 5, 6])
def test_a_gaussian_window_is_a_gaussian_whose_sum_is_one(declared, size):
    rank = declared.count("x")
    bell = [exp(-(((i - (size - 1) / 2) / 1.3) ** 2) / 2) for i in range(size)]
    expected = np.ones(())
    for _ in range(rank):
        expected = np.multiply.outer(expected, np.array(bell) / sum(bell))
    found = kernel(f"dwconv{size}(fixed=gaussian_window(1.3), pad=full)", declared)
    np.testing.assert_allclose(found[1, 0], expected, rtol=1e-6)
    assert found[0].sum() == pytest.approx(1)


@pytest.mark.parametrize("deviation", ["1e-30", "1e30"])
@pytest.mark.parametrize("size", [3, 4])
def test_a_bell_may_be_narrower_than_a_tap_and_wider_than_the_window(deviation, size):
    found = kernel(f"dwconv{size}(fixed=gaussian_window({deviation}))")[0, 0]
    # The narrowest has the tap in the middle, or the two beside it.
    taps = size if deviation == "1e30" else 2 - size % 2
    assert np.count_nonzero(found) == taps**2
    assert found.max() == pytest.approx(1 / taps**2)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 40])
def test_a_binomial_window_is_a_row_of_pascals_triangle(size):
    row = np.array([comb(size - 1, i) for i in range(size)], float)
    found = kernel(f"dwconv{size}(fixed=binomial, pad=full)", "3x9x9")
    np.testing.assert_allclose(found[2, 0], np.outer(row, row) / row.sum() ** 2, rtol=1e-6)


def test_what_is_fixed_is_the_same_from_every_seed_and_in_onnx():
    graph = snippet("2x9x9", "conv3-2(fixed=gaussian_window(1.5)); dwconv(fixed=[[1/9, 2]])")
    names = ["conv1.weight", "dwconv1.weight"]
    states = [to_module(graph, Seeded(seed)).state_dict() for seed in (0, 1)]
    model = onnx_model(graph, Seeded(2))
    stored = {t.name: np.frombuffer(t.raw_data, np.float32) for t in model.graph.initializer}
    for name in names:
        assert torch.equal(states[0][name], states[1][name])
        assert np.array_equal(stored[name], states[0][name].numpy().ravel())


# --- no parameter


def test_a_fixed_kernel_is_a_constant_and_its_multiply_adds_count():
    graph = snippet("3x9x9", f"dwconv(fixed={LAPLACE}, bias=no); conv3-2(fixed=binomial)")
    found = costs(graph)
    assert (found.params, found.constants, found.depth) == (2, 27 + 54, 0)
    assert found.macs == 7 * 7 * 27 + 5 * 5 * 54


def test_a_fixed_kernel_is_a_buffer_that_training_leaves_alone():
    module = to_module(snippet("3x9x9", f"dwconv(fixed={LAPLACE}); conv3-4"), Seeded(0))
    names = [name for name, _ in module.named_parameters()]
    assert names == ["dwconv1.bias", "conv1.weight", "conv1.bias"]
    assert "dwconv1.weight" in module.state_dict()
    before = module.dwconv1.weight.clone()
    optimiser = torch.optim.SGD(module.parameters(), lr=0.1, weight_decay=0.1)
    module(torch.randn(2, 3, 9, 9)).square().sum().backward()
    optimiser.step()
    assert torch.equal(module.dwconv1.weight, before)
    assert module.dwconv1.weight.grad is None


def test_verification_leaves_what_is_fixed_as_it_is():
    step = "conv3-6(fixed=binomial, pad=same); relu; conv3-4(pad=same); deconv4-4/2(fixed=bilinear)"
    graph = snippet("3x9x9", step)
    weights = fitted(graph)
    for name, weight in named_weights(graph).items():
        if weight.known:
            given = np.concatenate(list(weights.pieces(name, weight)))
            assert np.array_equal(given.reshape(weight.shape), known_values(weight))
            assert np.array_equal(weights.tensors[name].numpy(), known_values(weight))
    assert verify(graph).ok


def test_a_trained_kernel_may_start_at_given_numbers():
    graph = snippet("1x9x9", f"conv-2(init={LAPLACE}, bias_init=[3, 4])")
    module = to_module(graph, Seeded(0))
    assert (module.conv1.weight.detach().numpy() == np.array(eval(LAPLACE))).all()
    assert module.conv1.bias.tolist() == [3, 4]
    assert costs(graph).params == 20


def test_patterns_of_the_rbf_output_may_be_given():
    net = Net(snippet("3", "rbf-2(fixed=[[1, -1, 1], [-1, -1, -1]])"))
    assert not list(net.single.parameters())
    inputs = np.array([[1, -1, 1], [0, 0, 0]], np.float32)
    assert net.run([inputs]).onnx[0].tolist() == [[0, 8], [3, 3]]
    trained = snippet("3", "rbf-2(init=[[1, -1, 1], [-1, -1, -1]])")
    assert costs(trained).params == 6


# --- arguments


def test_lists_say_the_size_of_the_kernel_and_a_size_must_agree(net: Built, refused: Refused):
    implied, said = (net(f"dwconv{k}(fixed=[[1, 2, 1]])") for k in ("", "1x3"))
    assert implied.outputs[0].value.shape == said.outputs[0].value.shape == (3, 32, 30)
    assert [d.code for d in refused("dwconv3(fixed=[[1, 2, 1]])").diagnostics] == ["NS325"]


def test_a_default_is_displaced_by_what_the_step_says(net: Built):
    def kinds(text: str) -> list[str]:
        graph = net(text)
        return [
            n.op.weights(*n.input_types)[0].init.word if not n.op.fixed else "fixed"
            for n in graph.nodes
            if n.inputs
        ]

    lines = "default conv(init=xavier)\n"
    assert kinds(lines + "conv3-8(fixed=ones); conv3-8") == ["fixed", "xavier"]
    assert kinds("default conv(fixed=ones)\nconv3-8(init=xavier); conv3-8") == ["xavier", "fixed"]
    assert kinds(lines + "default conv(fixed=ones)\nconv3-8") == ["fixed"]
    assert kinds("default conv(fixed=ones)\n" + lines + "conv3-8") == ["xavier"]
    assert kinds(lines + "default dwconv(fixed=ones)\ndwconv3; conv3-4") == ["fixed", "xavier"]
    assert kinds("default conv(fixed=ones)\nconv3-8(fixed=none)") == ["he"]
    assert kinds(lines + "conv3-8(fixed=none)") == ["xavier"]


def test_a_default_line_gives_one_of_the_two(refused: Refused):
    error = refused("default conv(init=xavier, fixed=ones)\nconv3-8")
    assert [d.code for d in error.diagnostics] == ["NS240"]


def test_fixed_weights_are_shared_where_both_steps_fix_the_same(net: Built, refused: Refused):
    first = "dwconv3(pad=same, fixed=binomial) as first; "
    graph = net(first + "dwconv3(pad=same, fixed=binomial, weights=@first)")
    assert costs(graph).constants == 27
    images = torch.randn(1, 3, 32, 32)
    module = to_module(graph, Seeded(0)).eval()
    assert torch.equal(module(images), module.first(module.first(images)))
    for other in ("fixed=ones", "init=ones", "fixed=gaussian_window(2)"):
        error = refused(first + f"dwconv3(pad=same, {other}, weights=@first)")
        assert [d.code for d in error.diagnostics] == ["NS326"]


def test_a_frozen_step_counts_its_bias_and_not_its_kernel(net: Built):
    found = costs(net("freeze { dwconv3(fixed=binomial) }"))
    assert (found.params, found.params_frozen, found.constants) == (0, 3, 27)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("[]", "numbers in lists"),
        ("[[]]", "lists of one length"),
        ("[[1, 2], 3]", "a list beside a number"),
        ("[[1, 2], [3]]", "a list of 1 beside a list of 2"),
        ("[[1, 1e39]]", "float32"),
        ("[[1, 1e-60]]", "float32"),
        ("[[1, none]]", "none"),
        ('[["a", 1]]', "numbers"),
        ("[[relu, 1]]", "relu"),
        ("[[W, 1]]", "numbers"),
        ("xavier", "not drawn"),
        ("identity", "not drawn"),
        ("gaussian_window(0)", "above 0"),
        ("gaussian_window(-1)", "above 0"),
        ("gaussian_window(1, 2)", "deviation=1"),
        ("[[[[[[[1]]]]]]]", "at most 6 deep"),
    ],
)
def test_what_is_no_kernel_is_refused(given, said, refused: Refused):
    error = refused(f"input 3xHxW\ndwconv3(fixed={given})")
    assert len(error.diagnostics) == 1
    assert said in str(error)


def test_a_list_of_very_many_numbers_is_refused(refused: Refused, net: Built):
    rows = f"[{', '.join(['1'] * 64)}]"
    assert net(f"dwconv(fixed=[{', '.join([rows] * 64)}], pad=full)").nodes
    error = refused(f"dwconv(fixed=[{', '.join([rows] * 65)}], pad=full)")
    assert "at most 4,096 values" in str(error)


def test_a_list_that_doubles_with_every_call_is_refused(refused: Refused):
    text = "block b(t, n) { if n > 0 { c(t, t, n) } else { relu } }\n"
    text += "block c(t, u, n) { b(mix(t, u), n-1) }\nb(1, 30)"
    assert "NS216" in str(refused(text))
