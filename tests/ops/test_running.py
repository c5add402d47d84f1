"""Operators of running sums, computed kernels, picks and neighbours, against loops written out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.differential import Net, assert_agree, inputs_for, legal
from torch.nn import functional as F

import netspec
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build


def answers(text: str, **arrays: np.ndarray) -> np.ndarray:
    """The first output of a net in float64."""
    net = netspec.load(text)
    module = net.to_torch(seed=1).double().eval()
    given = [torch.from_numpy(arrays[node.path]).double() for node in net.graph.inputs]
    with torch.no_grad():
        found: np.ndarray = module(*given).numpy()
    return found


def drawn(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def recurrence(x: np.ndarray, decay: np.ndarray) -> np.ndarray:
    """h_t = decay_t h_(t-1) + x_t, one step after the other."""
    decay = np.broadcast_to(decay, x.shape)
    state, found = np.zeros_like(x[..., 0]), []
    for t in range(x.shape[-1]):
        state = decay[..., t] * state + x[..., t]
        found.append(state)
    return np.stack(found, -1)


@pytest.mark.parametrize("length", [1, 2, 3, 7, 8, 9, 64, 101])
@pytest.mark.parametrize("sizes", [(3,), (2, 3)])
def test_a_scan_is_the_recurrence_step_by_step(sizes: tuple[int, ...], length: int) -> None:
    shape = "x".join(map(str, (*sizes, length)))
    x, decay = drawn(2, *sizes, length), 1.2 * np.tanh(drawn(2, *sizes, length, seed=1))
    text = f"input x: {shape}\ninput keep: {shape}\n@x; scan(@keep)\n"
    np.testing.assert_allclose(
        answers(text, x=x, keep=decay), recurrence(x, decay), rtol=1e-9, atol=1e-9
    )
    summed = answers(f"input x: {shape}\nscan\n", x=x)
    np.testing.assert_allclose(summed, np.cumsum(x, -1), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("steps", "axes"),
    [
        ("gap(keep=yes)", (2,)),
        ("over_channels(mean)", (1,)),
        ("gap(keep=yes); over_channels(mean)", (1, 2)),
    ],
)
def test_a_decay_is_repeated_where_it_has_one_row_or_step(
    steps: str, axes: tuple[int, ...]
) -> None:
    x, keep = drawn(2, 3, 9), np.tanh(drawn(2, 3, 9, seed=1))
    text = f"input x: 3x9\ninput keep: 3x9\n@keep; {steps} as share\n@x; scan(@share)\n"
    expected = recurrence(x, keep.mean(axes, keepdims=True))
    np.testing.assert_allclose(answers(text, x=x, keep=keep), expected, rtol=1e-9, atol=1e-9)
    graph = build(Source("n", text))
    assert_agree(Net(graph).run(inputs_for(graph, 2, {})))


def test_a_scan_is_what_a_recurrence_of_ones_own_unrolls_to() -> None:
    text = """input x: 3x6
input keep: 3x6
concat { | @x | @keep } as both
constant(0, shape=3)
for t in @both { identity as h; @t; split(2) as a, b; @h; mul(@b); add(@a) as y }
@y
"""
    x, keep = drawn(2, 3, 6), np.tanh(drawn(2, 3, 6, seed=1))
    scanned = answers("input x: 3x6\ninput keep: 3x6\n@x; scan(@keep)\n", x=x, keep=keep)
    np.testing.assert_allclose(answers(text, x=x, keep=keep), scanned, rtol=1e-9, atol=1e-9)


def test_a_file_scans_sequences_of_any_length() -> None:
    graph = build(Source("n", "input x: 2xT\ninput keep: 2xT\n@x; scan(@keep)\n"))
    net = Net(graph)
    for length in (1, 2, 5, 64, 1000, 1025):
        arrays = inputs_for(graph, 2, {"T": length})
        arrays[1] = np.tanh(arrays[1])
        ran = net.run(arrays)
        assert_agree(ran)
        np.testing.assert_allclose(
            ran.exact[0], recurrence(*map(np.float64, arrays)), rtol=1e-6, atol=1e-6
        )


@pytest.mark.parametrize("factor", ["1.01", "3"])
def test_a_growing_state_of_an_open_length_stays_finite_where_it_is(factor: str) -> None:
    graph = build(
        Source("n", f"input x: 2xT\nparameter(2x1, init={factor}) as keep; @x; scan(@keep)\n")
    )
    ran = Net(graph).run(inputs_for(graph, 2, {"T": 40}))
    assert np.isfinite(ran.exact[0]).all()
    assert_agree(ran)


def test_what_runs_for_ever_is_no_scan() -> None:
    with pytest.raises(NetspecError, match="at most 1048576 steps"):
        build(Source("n", "input x: 1x1048577\nrelu as keep; @x; scan(@keep)\n"))


@pytest.mark.parametrize(
    ("kernel", "options", "expected"),
    [
        ("5x3x3x3", "pad=same", {"padding": 1}),
        ("6x1x2x3", "stride=2, groups=3", {"stride": 2, "groups": 3}),
        (
            "4x3x1x3",
            "dilation=(1, 2), pad=((0, 0), (2, 2))",
            {"dilation": (1, 2), "padding": (0, 2)},
        ),
    ],
)
def test_a_kernel_of_each_sample_is_slid_over_it_alone(
    kernel: str, options: str, expected: dict
) -> None:
    sizes = tuple(map(int, kernel.split("x")))
    flat = int(np.prod(sizes))
    x, weights = drawn(3, 3, 8, 9), drawn(3, flat, seed=1)
    text = (
        f"input x: 3x8x9\ninput k: {flat}\n@k; reshape({kernel}) as kernel\n"
        f"@x; correlate(@kernel, {options})\n"
    )
    found = answers(text, x=x, k=weights)
    for sample, own, given in zip(found, weights, x, strict=True):
        taps = torch.from_numpy(own.reshape(sizes))
        alone = F.conv2d(torch.from_numpy(given)[None], taps, **expected)
        np.testing.assert_allclose(sample, alone[0].numpy(), rtol=1e-9, atol=1e-9)
    graph = build(Source("n", text))
    for batch in (1, 3):
        assert_agree(Net(graph).run(inputs_for(graph, batch, {})))


def test_a_kernel_of_all_samples_is_a_convolutions() -> None:
    x, lists = drawn(2, 1, 6, 6), [[[[1, 2], [3, 4]]], [[[0, -1], [1, 0]]]]
    by_tensor = answers(f"input x: 1x6x6\nconstant({lists}) as k; @x; correlate(@k)\n", x=x)
    fixed = answers(f"input x: 1x6x6\nconv-2(fixed={lists}, bias=no)\n", x=x)
    np.testing.assert_allclose(by_tensor, fixed, rtol=1e-12)
    graphs = [
        build(Source("n", f"input 4x9xW\n{step}\n"))
        for step in (
            "parameter(6x2x3x3) as k; @input; correlate(@k, 2, groups=2)",
            "conv3-6/2(groups=2, bias=no)",
        )
    ]
    totals = [netspec.analysis.costs.costs(graph) for graph in graphs]
    assert totals[0].params == totals[1].params
    assert totals[0].macs == totals[1].macs


@pytest.mark.parametrize(
    "text", ["parameter(3x3x3x3)", "parameter(5x2x3x3)", "parameter(7x3)", "gap"]
)
def test_a_kernel_that_does_not_fit_is_refused_with_what_would(text: str) -> None:
    with pytest.raises(NetspecError, match=r"a kernel \(width, 4, k1, k2\) or \(4, k1, k2\)"):
        build(Source("n", f"input 4x9x9\n{text} as k; @input; correlate(@k)\n"))


def test_a_kernel_that_is_standardised_first_is_trained() -> None:
    text = "input 3x8x8\nparameter(4x3x3x3); groupnorm(4, affine=no) as k; @input; correlate(@k)\n"
    module = netspec.load(text).to_torch(seed=1)
    module(torch.randn(2, 3, 8, 8)).square().sum().backward()
    (kernel,) = module.parameters()
    assert kernel.shape == (4, 3, 3, 3)
    assert kernel.grad is not None
    assert kernel.grad.abs().max() > 0


@pytest.mark.parametrize("count", [1, 3])
def test_picks_are_the_largest_and_of_equal_ones_the_first(count: int) -> None:
    x = np.random.default_rng(0).integers(0, 3, (2, 6, 4, 5)).astype(np.float64)
    found = answers(f"input x: 6x4x5\nhardmax({count})\n", x=x)
    expected = np.zeros_like(x)
    order = np.argsort(-x, axis=1, kind="stable")[:, :count]
    np.put_along_axis(expected, order, 1, axis=1)
    np.testing.assert_array_equal(found, expected)
    graph = build(Source("n", f"input x: 6x4x5\nhardmax({count})\n"))
    ran = Net(graph).run([x.astype(np.float32)])
    np.testing.assert_array_equal(ran.onnx[0], expected)


def test_a_codebook_gives_the_nearest_code() -> None:
    text = """input x: 3x7
parameter(3x5, init=gaussian(1)) as codes
square; over_channels(sum); transpose as length
matmul { | @codes; transpose | @x }; scaled(2); sub(@length); hardmax
matmul { | @codes | identity }
"""
    x, net = drawn(2, 3, 7), netspec.load(text)
    (codes,) = (p.detach().double().numpy() for p in net.to_torch(seed=1).parameters())
    apart = ((x[:, :, :, None] - codes[None, :, None]) ** 2).sum(1)
    expected = codes[:, apart.argmin(-1)].transpose(1, 0, 2)
    np.testing.assert_allclose(answers(text, x=x), expected, rtol=1e-9)


def test_neighbours_are_those_of_each_point() -> None:
    x = drawn(2, 3, 8)
    text = "input x: 3x8\nmatmul { | transpose | identity }; topk(4) as near; @x; gather(@near, rows=all)\n"
    found = answers(text, x=x)
    for sample, given in zip(found, x, strict=True):
        scores = given.T @ given
        for point in range(8):
            best = np.argsort(-scores[point], kind="stable")[:4]
            np.testing.assert_allclose(sample[:, point], given[:, best])


def test_pieces_have_the_sizes_given() -> None:
    x = drawn(2, 6, 4)
    found = answers("input x: 6x4\nsplit(sizes=(1, 3, 2)) as a, b, c\n@b\n", x=x)
    np.testing.assert_array_equal(found, x[:, 1:4])


@pytest.mark.parametrize(
    ("step", "code"),
    [
        ("split(sizes=(1, 2))", "NS317"),
        ("split(2, sizes=(3, 3))", "NS240"),
        ("split", "NS211"),
        ("reshape((4, -1))", "NS320"),
        ("reshape((-1, -1))", "NS214"),
        ("hardmax(7)", "NS317"),
    ],
)
def test_what_does_not_fit_is_refused(step: str, code: str) -> None:
    with pytest.raises(NetspecError) as caught:
        build(Source("n", f"input 6x5\n{step}\n"))
    assert caught.value.diagnostics[0].problem.code == code


@pytest.mark.parametrize("step", ["reshape((2, 3, -1))", "reshape((3, -1, 2)); reshape((6, -1))"])
def test_a_size_that_is_left_out_is_what_the_others_leave(step: str) -> None:
    graph = build(Source("n", f"input 6xT\n{step}; relu\n"))
    for sizes in legal(graph):
        assert_agree(Net(graph).run(inputs_for(graph, 2, sizes)))
