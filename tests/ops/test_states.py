"""Recurrent layers that start from a state and give theirs: against torch's own, and step by step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from support.differential import Net, assert_agree, snippet
from torch import nn

from netspec.analysis.costs import costs
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build

Array = np.ndarray[Any, Any]

# Written so, made so by torch, and how wide h and c are in all.
LAYERS = [
    ("lstm-4", nn.LSTM(3, 4), (4, 4)),
    ("lstm-4(layers=2, bidirectional=yes)", nn.LSTM(3, 4, 2, bidirectional=True), (16, 16)),
    ("lstm-4(projection=3)", nn.LSTM(3, 4, proj_size=3), (3, 4)),
    (
        "lstm-4(projection=2, layers=2, bidirectional=yes, bias=no)",
        nn.LSTM(3, 4, 2, bias=False, bidirectional=True, proj_size=2),
        (8, 16),
    ),
    ("gru-4(layers=3)", nn.GRU(3, 4, 3), (12,)),
    ("rnn-4(bidirectional=yes, act=relu)", nn.RNN(3, 4, bidirectional=True, nonlinearity="relu"), (8,)),
]  # fmt: skip
layers = pytest.mark.parametrize(
    ("step", "theirs", "widths"), LAYERS, ids=[step for step, *_ in LAYERS]
)


def noise(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def with_state(step: str, widths: tuple[int, ...], declared: str = "3xT") -> Net:
    """The layer from states h and c, giving the output and them."""
    names = ("h", "c")[: len(widths)]
    inputs = "".join(f"input {n}: {w}\n" for n, w in zip(names, widths, strict=True))
    word, _, given = step.rstrip(")").partition("(")
    arguments = ", ".join([*(f"@{name}" for name in names), *filter(None, [given]), "state=yes"])
    text = f"input x: {declared}\n{inputs}@x; {word}({arguments}) as layer\n"
    return Net(build(Source("<net>", text)))


@layers
def test_a_state_is_torchs_in_onnx_runtime_too_layer_by_layer(step, theirs, widths):
    net = with_state(step, widths)
    state = {name.partition(".")[2]: held for name, held in net.single.state_dict().items()}
    assert list(state) == list(theirs.state_dict())
    theirs.load_state_dict(state)
    parts = theirs.num_layers * (2 if theirs.bidirectional else 1)
    for length in (1, 5):
        x, starts = noise(2, 3, length), [noise(2, w, seed=w) for w in widths]
        ran = net.run([x, *starts])
        assert_agree(ran)
        given = [torch.tensor(s).view(2, parts, -1).transpose(0, 1).contiguous() for s in starts]
        with torch.no_grad():
            start = tuple(given) if len(given) > 1 else given[0]
            steps, final = theirs(torch.tensor(x).permute(2, 0, 1), start)
        finals = final if isinstance(final, tuple) else (final,)
        wanted = [steps.permute(1, 2, 0), *(f.transpose(0, 1).flatten(1) for f in finals)]
        for ours, tensor in zip(ran.onnx, wanted, strict=True):
            np.testing.assert_allclose(ours, tensor.numpy(), atol=1e-6)


@pytest.mark.parametrize(("step", "widths"), [("lstm-4(layers=2)", (8, 8)), ("gru-4", (4,))])
def test_a_file_run_step_by_step_gives_what_it_gives_of_the_whole_sequence(step, widths):
    net = with_state(step, widths)
    x, state = noise(3, 3, 4), [np.zeros((3, w), np.float32) for w in widths]
    session, names = net.sessions[0], ("h", "c")
    whole = session.run(None, {"x": x, **dict(zip(names, state, strict=False))})
    for t in range(4):
        feeds = {"x": np.ascontiguousarray(x[:, :, [t]]), **dict(zip(names, state, strict=False))}
        output, *state = session.run(None, feeds)
        np.testing.assert_allclose(output[:, :, 0], whole[0][:, :, t], atol=1e-6)
    for after, final in zip(state, whole[1:], strict=True):
        np.testing.assert_allclose(after, final, atol=1e-6)


def test_a_vector_is_one_step_of_what_has_a_state():
    at_once, one = with_state("gru-4", (4,), "3x1"), with_state("gru-4", (4,), "3")
    x, h = noise(2, 3, 1), noise(2, 4)
    (steps, after), (step, state) = at_once.run([x, h]).onnx, one.run([x[:, :, 0], h]).onnx
    assert np.array_equal(steps[:, :, 0], step)
    assert np.array_equal(after, state)


def test_a_projection_counts_at_every_step_and_narrows_what_is_read_back():
    found = costs(snippet("300x17", "lstm-512(projection=128)"))
    assert found.macs == 17 * (4 * 512 * (300 + 128) + 512 * 128)
    assert found.params == 4 * 512 * (300 + 128 + 2) + 512 * 128


def test_an_encoder_and_a_decoder_may_share_their_weights():
    text = """input a: 3x5
input b: 3xT
@a; lstm-4(state=yes) as encoder
{ | identity | identity as h | identity as c }
@b; lstm-4(@h, @c, weights=@encoder)
"""
    net = Net(build(Source("<net>", text)))
    assert list(net.single.state_dict()) == [
        f"encoder.{name}" for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    ]
    x = noise(2, 3, 8)
    (found,) = net.run([np.ascontiguousarray(x[:, :, :5]), np.ascontiguousarray(x[:, :, 5:])]).onnx
    whole = nn.LSTM(3, 4)
    held = net.single.state_dict()
    whole.load_state_dict({name.partition(".")[2]: held[name] for name in held})
    steps, _ = whole(torch.tensor(x).permute(2, 0, 1))
    np.testing.assert_allclose(found, steps.permute(1, 2, 0)[:, :, 5:].detach().numpy(), atol=1e-6)
