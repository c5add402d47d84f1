"""Recurrent layers, attention and what feeds them: against torch's own, and by their counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from support.differential import Net, assert_agree, inputs_for, snippet
from torch import nn

from netspec.analysis.costs import costs
from netspec.backends.torch.modules import to_module
from netspec.diagnostics.raised import NetspecError
from netspec.graph.checked import Graph
from netspec.weights.sources import Seeded

Array = np.ndarray[Any, Any]


def run(graph: Graph, *arrays: Array) -> Array:
    """The one output, the same from PyTorch and from ONNX Runtime."""
    ran = Net(graph).run(list(arrays))
    assert_agree(ran)
    return ran.onnx[0]


def noise(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


# --- recurrent layers

KINDS = [
    ("lstm-4", nn.LSTM(3, 4)),
    ("lstm-4(bidirectional=yes, layers=3)", nn.LSTM(3, 4, 3, bidirectional=True)),
    ("gru-4(layers=2, bias=no)", nn.GRU(3, 4, 2, bias=False)),
    ("gru-4(bidirectional=yes)", nn.GRU(3, 4, bidirectional=True)),
    ("rnn-4(layers=2)", nn.RNN(3, 4, 2)),
    ("rnn-4(act=relu, bidirectional=yes)", nn.RNN(3, 4, bidirectional=True, nonlinearity="relu")),
]
kinds = pytest.mark.parametrize(("step", "theirs"), KINDS, ids=[step for step, _ in KINDS])


def with_weights_of(net: Net, theirs: nn.Module) -> nn.Module:
    """torch's module with the weights of the net's only layer, whose names are its own."""
    state = {name.partition(".")[2]: t for name, t in net.single.state_dict().items()}
    theirs.load_state_dict(state)
    return theirs


@kinds
def test_a_recurrent_layer_is_torchs_in_onnx_runtime_too(step, theirs):
    net = Net(snippet("3x5", step))
    x = noise(2, 3, 5)
    steps, _ = with_weights_of(net, theirs)(torch.from_numpy(x).permute(2, 0, 1))
    assert np.allclose(net.run([x]).onnx[0], steps.permute(1, 2, 0).detach().numpy(), atol=1e-6)


@kinds
def test_its_last_state_is_that_of_each_direction(step, theirs):
    arguments = step.rstrip(")")
    last = f"{arguments}{', ' if '(' in step else '('}last=yes)"
    net = Net(snippet("3x5", last))
    x = noise(2, 3, 5)
    _, state = with_weights_of(net, theirs)(torch.from_numpy(x).permute(2, 0, 1))
    hidden = state[0] if isinstance(state, tuple) else state
    final = hidden[-2 if theirs.bidirectional else -1 :].transpose(0, 1).flatten(1)
    assert np.allclose(net.run([x]).onnx[0], final.detach().numpy(), atol=1e-6)


@pytest.mark.parametrize("length", [1, 7])
def test_a_recurrent_layer_runs_over_sequences_of_any_length(length):
    graph = snippet("3xT", "lstm-4(bidirectional=yes); gru-2; rnn-5(last=yes)")
    assert run(graph, noise(2, 3, length)).shape == (2, 5)


def test_the_first_steps_do_not_depend_on_the_later_ones_in_one_direction():
    graph = snippet("3x6", "lstm-4(layers=2)")
    x = noise(1, 3, 6)
    assert np.allclose(run(graph, x)[:, :, :4], Net(snippet("3x4", "lstm-4(layers=2)")).run(
        [np.ascontiguousarray(x[:, :, :4])]
    ).onnx[0], atol=1e-6)  # fmt: skip


@pytest.mark.parametrize(("word", "gates"), [("lstm", 4), ("gru", 3), ("rnn", 1)])
def test_gates_count_for_every_step_and_two_biases_for_every_gate(word, gates):
    found = costs(snippet("300x17", f"{word}-512"))
    assert found.macs == 17 * gates * 512 * (300 + 512)
    assert found.params == gates * 512 * (300 + 512 + 2)
    stacked = costs(snippet("300x17", f"{word}-512(layers=2, bidirectional=yes, bias=no)"))
    assert stacked.macs == 17 * 2 * gates * 512 * (300 + 512 + 2 * 512 + 512)
    assert stacked.macs == 17 * stacked.params


def test_a_recurrent_layer_reads_sequences_only():
    for declared in ("3", "3x4x4"):
        with pytest.raises(NetspecError) as caught:
            snippet(declared, "lstm-4")
        assert [d.problem.code for d in caught.value.diagnostics] == ["NS301"]


# --- embedding


def test_an_embedding_has_a_row_for_each_id_and_puts_its_values_in_the_channels():
    net = Net(snippet("4 ids(10)", "embedding-3"))
    table = net.single.embedding1.weight.detach().numpy()
    assert table.shape == (10, 3)
    ids = np.array([[0, 9, 9, 4], [1, 2, 3, 5]])
    assert np.array_equal(net.run([ids]).onnx[0], table[ids].transpose(0, 2, 1))


def test_a_frozen_embedding_is_not_trained():
    graph = snippet("4 ids(10)", "embedding-3(frozen=yes); fc-2")
    assert costs(graph).params_frozen == 30
    module = to_module(graph, Seeded())
    assert not module.embedding1.weight.requires_grad
    assert module.fc1.weight.requires_grad


def test_two_embeddings_may_be_one():
    declared = "a: 3 ids(5)\ninput b: 3 ids(5)"
    graph = snippet(
        declared, "concat { | @a; embedding-2 as table | @b; embedding-2(weights=@table) }; gmp"
    )
    assert costs(graph).params == 10
    ids = np.array([[1, 1, 1]])
    found = run(graph, ids, ids)
    assert np.array_equal(found[:, :2], found[:, 2:])


@pytest.mark.parametrize(
    ("declared", "step", "code"),
    [
        ("4", "embedding-3", "NS315"),
        ("4 ids(10)", "fc-3", "NS315"),
        ("4 ids(10)", "embedding-3(rows=9)", "NS317"),
        ("4x3", "attention(3)", "NS303"),
        ("4", "attention(2)", "NS301"),
        ("4x3x3", "attention(2, rotary=100)", "NS303"),
        ("6x3", "attention(2, rotary=100, head_width=1)", "NS303"),
        ("6x3", "attention(3, kv_heads=2)", "NS303"),
        ("4x3", "relu as k; conv1-4; avgpool2 as v; @k; attention(2, @k, @v)", "NS310"),
        ("4x3", "relu as k; conv1-3; attend(2, @k)", "NS303"),
        ("4x3", "relu as k; conv1-8; attend(2, @k)", "NS310"),
        ("4x3", "relu as x; relative(4) as b; @x; attention(2, scores=@b)", "NS310"),
        ("4x3", "relu as x; avgpool2; relative(2) as b; @x; attention(2, scores=@b)", "NS310"),
        ("4x3", "attention(2, mask=relu)", "NS310"),
        ("4x3", "attention(2, mask=3)", "NS214"),
        ("x: 4x3\ninput m: 3 batch(R=2)", "@x; attention(2, mask=@m)", "NS310"),
        ("4xT", "relative(2)", "NS313"),
        ("4x6", "relative(2, size=2x2)", "NS320"),
        ("4x2x3", "relative(2, tokens=1)", "NS211"),
        ("4x6", "relative(2, buckets=8, most=2)", "NS317"),
        ("4x4", "pairwise", "NS301"),
        ("6", "constant(ones)", "NS211"),
        ("6x3x3", "waves", "NS303"),
        ("4x7", "position(6)", "NS317"),
        ("4x6", "partition(4)", "NS341"),
        (
            "4x6",
            "relu as x; partition(4, fill=yes); avgpool2; reassemble(@x, 4, fill=yes)",
            "NS310",
        ),
        ("4x6", "partition(3, shift=3)", "NS317"),
        ("4xT", "partition(3, shift=1)", "NS313"),
        ("4x6", "relu as x; partition(3); reassemble(@x, 2)", "NS310"),
        ("4x6", "relu as x; partition(3); add(@x)", "NS310"),
        ("4x6", "relu as x; partition(3, shift=1); avgpool3; reassemble(@x, 3, shift=1)", "NS310"),
        ("4x6", "partition(3, shift=1); avgpool3; attention(2)", "NS310"),
        ("x: 4x3\ninput m: 4x3 batch(R=2)", "@x; attention(2, @m)", "NS310"),
        ("4x3x3", "position", "NS301"),
        ("4xT", "position", "NS313"),
        ("4", "matmul { | relu | relu }", "NS301"),
        ("4x3", "matmul { | relu | relu }", "NS310"),
        ("2x3x3", "matmul { | relu | slice(0, 1); pick((0, 0, 0)) }", "NS310"),
        ("2x3x3", "matmul { | relu | pixel_unshuffle(3) }", "NS310"),
        ("3x2x2xK", "matmul { | slice(0, 2) | slice(0, 1, axis=height) }", "NS310"),
        ("2x3x3", "matmul { | relu | sequence }", "NS310"),
        ("4", "token", "NS301"),
    ],
)
def test_what_cannot_be_is_refused(declared, step, code):
    with pytest.raises(NetspecError) as caught:
        snippet(declared, step)
    assert [d.problem.code for d in caught.value.diagnostics] == [code]


# --- attention and transformers


def heads_of(net: Net, channels: int, heads: int, bias: bool = True) -> nn.MultiheadAttention:
    theirs = nn.MultiheadAttention(channels, heads, bias=bias, batch_first=True)
    state = net.single.state_dict()
    found = {n.partition(".")[2]: t for n, t in state.items() if n.startswith("attention1.")}
    theirs.load_state_dict(found)
    return theirs


@pytest.mark.parametrize("bias", ["yes", "no"])
def test_attention_is_torchs_under_torchs_names(bias):
    net = Net(snippet("8xT", f"attention(2, bias={bias})"))
    theirs = heads_of(net, 8, 2, bias == "yes")
    for length in (1, 6):
        x = noise(3, 8, length)
        last = torch.from_numpy(x).transpose(1, 2)
        expected = theirs(last, last, last)[0].transpose(1, 2).detach().numpy()
        assert np.allclose(net.run([x]).onnx[0], expected, atol=1e-6)


def test_causal_attention_sees_no_later_step():
    graph = snippet("4xT", "attention(2, causal=yes)")
    x = noise(1, 4, 6)
    changed = x.copy()
    changed[:, :, 4:] += 1
    before, after = run(graph, x), run(graph, changed)
    assert np.array_equal(before[:, :, :4], after[:, :, :4])
    assert not np.allclose(before[:, :, 4:], after[:, :, 4:])


def test_attention_reads_a_memory_of_another_length():
    declared = "4x6\ninput memory: 4x3"
    graph = snippet(f"query: {declared}", "@query; attention(2, @memory)")
    net = Net(graph)
    x, memory = noise(2, 4, 6), noise(2, 4, 3, seed=1)
    query, keys = (torch.from_numpy(a).transpose(1, 2) for a in (x, memory))
    expected = heads_of(net, 4, 2)(query, keys, keys)[0].transpose(1, 2).detach().numpy()
    assert np.allclose(net.run([x, memory]).onnx[0], expected, atol=1e-6)
    assert costs(graph).macs == (2 * 6 + 2 * 3) * 4 * 4 + 2 * 6 * 3 * 4


def test_a_product_repeats_axes_of_one_and_missing_ones_before_the_matrices():
    graph = snippet("x: 6x4x5\ninput y: 5x3", "matmul { | @x | @y }")
    x, y = noise(2, 6, 4, 5), noise(2, 5, 3, seed=1)
    expected = np.einsum("bhmk,bkn->bhmn", x, y)
    assert np.allclose(run(graph, x, y), expected, atol=1e-6)
    assert costs(graph).macs == 6 * 4 * 5 * 3
    graph = snippet(
        "x: 4x5\ninput y: 2x5x3\ninput z: 7x3x1",
        "@y; reshape(2x1x5x3) as turned; matmul { | @x | @turned }; matmul { | identity | @z }",
    )
    x, y, z = noise(2, 4, 5), noise(2, 2, 5, 3, seed=1), noise(2, 7, 3, 1, seed=2)
    expected = x[:, None, None] @ y[:, :, None] @ z[:, None]
    assert expected.shape == (2, 2, 7, 4, 1)
    assert np.allclose(run(graph, x, y, z), expected, atol=1e-5)


def test_heads_that_share_keys_are_written_out_as_products():
    graph = snippet(
        "queries: 8xT\ninput keys: 4xS",
        "@queries; reshape((2, 4, -1)); transpose((0, 2, 1)); matmul { | identity | @keys }; scaled(0.5)\n"
        "softmax(over=last) as seen; @keys; transpose as values; matmul { | @seen | @values }\n"
        "transpose((0, 2, 1)); reshape((8, -1))",
    )
    same = snippet("queries: 8xT\ninput keys: 4xS", "@queries; attend(2, @keys, kv_heads=1)")
    arrays = noise(2, 8, 6), noise(2, 4, 3, seed=1)
    assert np.allclose(run(graph, *arrays), run(same, *arrays), atol=1e-6)


def test_attention_written_out_with_products_is_attention():
    graph = snippet(
        "queries: 4xT\ninput keys: 4x3\ninput values: 5x3",
        "@queries; matmul { | @keys; transpose | identity }; softmax; matmul { | @values | identity }",
    )
    arrays = noise(2, 4, 6), noise(2, 4, 3, seed=1), noise(2, 5, 3, seed=2)
    last = (torch.from_numpy(array).transpose(1, 2) for array in arrays)
    expected = nn.functional.scaled_dot_product_attention(*last, scale=1.0).transpose(1, 2)
    assert np.allclose(run(graph, *arrays), expected.numpy(), atol=1e-6)


TRANSFORMER = """
    input 3x{size}x{size}
    default layernorm(eps=1e-6)
    block mlp(n) {{ layernorm; fc-n(over=channels); gelu; fc-C(over=channels) }}
    conv{patch}-{width}/{patch}; sequence; token; position
    step x{depth}
    layernorm; slice(0, 1, axis=time); fc-{classes}
    block step {{
      residual {{ layernorm; attention({heads}) }}
      residual {{ mlp({mlp}) }}
    }}"""


def transformer(net: Callable[..., Graph], **sizes: int) -> Graph:
    return net(TRANSFORMER.format(**sizes))


def test_a_vision_transformer_has_the_parameters_of_torchvisions(net: Callable[..., Graph]):
    graph = transformer(
        net, size=224, patch=16, width=768, depth=12, heads=12, mlp=3072, classes=1000
    )
    assert costs(graph).params == 86_567_656
    projections = 4 * 768 * 768 + 2 * 768 * 3072
    products = 2 * 197 * 768
    steps = 197 * 12 * (projections + products)
    assert costs(graph).macs == steps + 196 * 768 * 768 + 768 * 1000


def test_a_vision_transformer_runs_alike(net: Callable[..., Graph]):
    graph = transformer(net, size=12, patch=4, width=8, depth=2, heads=2, mlp=16, classes=5)
    assert run(graph, noise(2, 3, 12, 12)).shape == (2, 5)


# --- time


def test_sums_over_time_are_the_output_of_a_time_delay_net(net: Callable[..., Graph]):
    graph = net("""
        input 16xT
        conv3-8; sigmoid; conv5-3; sigmoid; sum_over_time; scaled(1/9); softmax""")
    assert costs(graph).params == 515
    for length in (15, 20):
        assert np.allclose(run(graph, noise(2, 16, length)).sum(1), 1)


def test_a_sentence_of_any_length_is_read_by_every_kind_of_layer(net: Callable[..., Graph]):
    graph = net("""
        input words: T ids(50)
        embedding-8
        concat { | conv3-4(pad=1) | lstm-4 | attention(2) | transpose; transpose }
        max_over_time; fc-3""")
    for length in (3, 9):
        ids = np.random.default_rng(length).integers(0, 50, (2, length))
        assert run(graph, ids).shape == (2, 3)


@pytest.mark.parametrize("steps", [9, 729, 5000])
def test_rotary_positions_of_open_length_keep_their_digits_far_out(steps: int) -> None:
    """A product of place and rate in float32 would be off by 2e-5 at 729 steps, by 3e-4 at 5000."""
    net = Net(snippet("8xT", "rotary(2)"))
    ran = net.run(inputs_for(net.graph, 1, {"T": steps}))
    assert np.abs(ran.onnx[0] - ran.exact[0]).max() < 5e-6
