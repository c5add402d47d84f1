"""What acts in training only: dropout, drop-path, joins that lose columns, sampling."""

from __future__ import annotations

import pytest
import torch
from support.differential import Net, Varied, inputs_for, onnx_model, snippet

from netspec.backends.torch.modules import to_module
from netspec.weights.sources import Seeded

SAMPLES = 4000


def trained(declared: str, step: str, images: torch.Tensor, seed: int = 0) -> torch.Tensor:
    torch.manual_seed(seed)
    return to_module(snippet(declared, step), Varied()).train()(images)


def share(values: torch.Tensor) -> float:
    return float(values.float().mean())


# --- dropout


def test_dropout_zeroes_its_share_and_keeps_the_mean():
    result = trained("5x4", "dropout(0.3)", torch.ones(SAMPLES, 5, 4))
    assert share(result == 0) == pytest.approx(0.3, abs=0.01)
    assert result.unique().tolist() == pytest.approx([0, 1 / 0.7])


@pytest.mark.parametrize("sizes", [(4,), (4, 3), (2, 3, 2)])
def test_dropout_over_channels_zeroes_whole_channels(sizes):
    declared = "x".join(map(str, (6, *sizes)))
    result = trained(declared, "dropout(0.4, over=channels)", torch.ones(SAMPLES, 6, *sizes))
    channels = result.flatten(2)
    assert torch.equal(channels.amin(2), channels.amax(2))
    assert share(channels[:, :, 0] == 0) == pytest.approx(0.4, abs=0.02)
    assert torch.any(channels[:, 0, 0] != channels[:, 1, 0])


@pytest.mark.parametrize("rate", [0.0, 0.25, 1.0])
def test_drop_path_zeroes_whole_samples_and_keeps_the_mean(rate):
    result = trained("2x3x3", f"droppath({rate})", torch.ones(SAMPLES, 2, 3, 3)).flatten(1)
    assert torch.equal(result.amin(1), result.amax(1))
    assert share(result[:, 0] == 0) == pytest.approx(rate, abs=0.03)
    if rate < 1:
        assert float(result.mean()) == pytest.approx(1, abs=0.05)


# --- joins


def test_without_drop_path_a_mean_is_the_mean_in_training_too():
    images = torch.randn(5, 2, 3)
    result = trained("2x3", "mean { | identity | scaled(3) | scaled(5) }", images)
    torch.testing.assert_close(result, 3 * images)


def test_locally_each_join_loses_inputs_of_each_sample_but_never_all():
    step = "mean(drop_path=0.4, global_share=0) { | scaled(1) | scaled(2) | scaled(4) }"
    result = trained("1x1", step, torch.ones(SAMPLES, 1, 1)).flatten()
    means = {1: 1.0, 2: 2.0, 4: 4.0, 12: 1.5, 14: 2.5, 24: 3.0, 124: 7 / 3}
    seen = {key: share((result - mean).abs() < 1e-5) for key, mean in means.items()}
    assert sum(seen.values()) == pytest.approx(1)
    # Each is lost with probability 0.4; where all would be, one of them stays by chance.
    assert seen[124] == pytest.approx(0.6**3, abs=0.03)
    assert seen[12] == pytest.approx(0.6**2 * 0.4, abs=0.03)
    assert seen[1] == pytest.approx(0.6 * 0.4**2 + 0.4**3 / 3, abs=0.03)


def test_a_join_that_loses_everything_keeps_one():
    step = "mean(drop_path=1, global_share=0) { | scaled(1) | scaled(2) | scaled(4) }"
    result = trained("1x1", step, torch.ones(SAMPLES, 1, 1)).flatten()
    for value in (1, 2, 4):
        assert share(result == value) == pytest.approx(1 / 3, abs=0.03)


# Columns 1, 2 and 3 multiply by 2, 3 * 3 and 5^4 in one block, where column 2 joins column 3 once
# on the way, as in Figure 1 of the FractalNet paper; two blocks in a row.
FRACTAL = """
block join { mean(drop_path=0.5, global_share=1) }
block two { { | scaled(3) | scaled(5); scaled(5) } }
block three { { | scaled(2) | two; join; two }; join }
three; three
"""


def test_globally_every_join_of_the_net_keeps_the_same_column():
    result = trained("1x1", FRACTAL, torch.ones(SAMPLES, 1, 1)).flatten()
    columns = {2.0**2: 1 / 3, 9.0**2: 1 / 3, 625.0**2: 1 / 3}
    for value, expected in columns.items():
        assert share(result == value) == pytest.approx(expected, abs=0.03)


def test_a_join_inside_windows_keeps_a_column_for_each_window():
    step = "windows(1) { mean(drop_path=0.5) { | scaled(1) | scaled(4) } }"
    result = trained("1x2x1", step, torch.ones(SAMPLES, 1, 2, 1)).flatten(1)
    assert set(result.flatten().tolist()) == {1, 2.5, 4}
    assert 0.2 < share(result[:, 0] == result[:, 1]) < 0.8


def test_a_constant_is_joined_for_each_sample():
    step = "mean(drop_path=0.5) { | constant(ones, shape=1x1) | scaled(4) }"
    assert set(trained("1x1", step, torch.ones(SAMPLES, 1, 1)).flatten().tolist()) == {1, 2.5, 4}


def test_what_is_the_same_for_all_samples_is_joined_once():
    step = "constant(ones, shape=1x1); mean(drop_path=0.5) { | scaled(1) | scaled(4) }"
    assert trained("1x1", step, torch.ones(SAMPLES, 1, 1)).shape == (1, 1, 1)


def test_every_pass_draws_its_columns_anew():
    module = to_module(snippet("1x1", FRACTAL), Varied()).train()
    images = torch.ones(50, 1, 1)
    assert not torch.equal(module(images), module(images))


def test_half_of_the_samples_keep_a_column_by_default():
    step = "mean(drop_path=0.001) { | scaled(1) | scaled(3) }"
    result = trained("1x1", step, torch.ones(SAMPLES, 1, 1)).flatten()
    assert share(result == 2) == pytest.approx(0.5, abs=0.03)


def test_a_join_is_the_plain_mean_when_deployed():
    graph = snippet("2x3x3", "mean(drop_path=0.9) { | scaled(1) | scaled(2) | scaled(6) }")
    ran = Net(graph).run(inputs_for(graph, 2, {}))
    images = inputs_for(graph, 2, {})[0]
    torch.testing.assert_close(torch.from_numpy(ran.onnx[0]), torch.from_numpy(3 * images))


# --- sampling

VAE = """
{ | scaled(2) as mu | scaled(0, -2) as log_var }
sample(@mu, @log_var) as z
output z, mu, log_var
"""


def test_a_sample_has_the_mean_and_deviation_it_was_given():
    z, mu, log_var = trained("1x1", VAE, torch.ones(SAMPLES, 1, 1))
    assert float(z.mean()) == pytest.approx(2, abs=0.03)
    assert float(z.std()) == pytest.approx(float(torch.exp(torch.tensor(-1.0))), rel=0.05)
    assert (mu == 2).all()
    assert (log_var == -2).all()


def test_gradients_of_a_sample_reach_mean_and_variance():
    mu = torch.zeros(3, 4, requires_grad=True)
    log_var = torch.zeros(3, 4, requires_grad=True)
    text = "{ | slice(0, 4) | slice(4, 8) }; sample"
    module = to_module(snippet("8", text), Varied()).train()
    module(torch.cat([mu, log_var], 1)).sum().backward()
    assert torch.equal(mu.grad, torch.ones(3, 4))
    assert (log_var.grad != 0).all()


def test_a_deployed_sample_is_its_mean_and_the_variance_is_still_there_if_asked_for():
    graph = snippet("3x2", VAE)
    assert [output.name for output in onnx_model(graph, Varied()).graph.output] == [
        "z",
        "mu",
        "log_var",
    ]
    images = inputs_for(graph, 2, {})
    z, mu, log_var = Net(graph).run(images).onnx
    assert (z == mu).all()
    assert (mu == 2 * images[0]).all()
    assert (log_var == -2).all()


def test_an_unread_variance_is_not_in_the_deployed_model():
    step = "{ | conv1-2 | conv1-2 }; sample"
    operators = [node.op_type for node in onnx_model(snippet("3x4x4", step), Varied()).graph.node]
    assert operators == ["Conv"]


# --- prelu


def test_slopes_start_at_one_quarter_and_are_one_for_each_channel_or_layer():
    state = to_module(snippet("5x4x4", "prelu; prelu(per=layer)"), Seeded(0)).state_dict()
    assert state["prelu1.weight"].tolist() == [0.25] * 5
    assert state["prelu2.weight"].tolist() == [0.25]
