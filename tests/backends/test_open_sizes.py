"""Nets whose sizes are symbols against the same nets with numbers: one verdict, one result.

What is legal with symbols is legal with numbers and the other way round; the file and the module of
the net with symbols give what those of the net with numbers give, or refuse what that refuses.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch
from support.differential import Varied, inputs_for, onnx_model, session
from support.open_nets import concrete, open_net

import netspec
from netspec.backends.torch.modules import to_module
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.graph.checked import Graph
from netspec.graph.fitting import fitting
from netspec.sizes.dims import substitute

UNET = """input 3xHxW
conv3-4(pad=same) as a
maxpool2; conv3-4(pad=same) as b
maxpool2; conv3-4(pad=same)
deconv2-4/2; concat(@b); deconv2-4/2; concat(@a)
"""
PAIR = "input a: 3xHxW\ninput b: 3xKxL\n{ | @a; maxpool2 | @b }; add\n"


def built(text: str) -> Graph | NetspecError:
    try:
        return build(Source("<net>", text), mend=False)
    except NetspecError as error:
        return error


def points(rng: random.Random, graph: Graph | None, symbols: tuple[str, ...]) -> list[Any]:
    """Sizes to try: some at random, some that should be legal, and the nearest to illegal ones."""
    found = [
        dict(zip(symbols, rng.choices(range(1, 21), k=len(symbols)), strict=True)) for _ in range(8)
    ]
    if graph is not None:
        for size in (1, 5, 8):
            example = graph.legality.example(size)
            found += [example] if example else []
        for sizes in found[:4]:
            found += graph.legality.nearest(sizes)
    return found


@pytest.mark.parametrize("seed", range(4))
def test_symbols_and_numbers_have_one_verdict_and_one_shape(seed: int) -> None:
    rng = random.Random(seed)
    legal = illegal = 0
    for _ in range(12):
        text, symbols = open_net(rng)
        graph = built(text)
        if isinstance(graph, NetspecError) and "NS313" in {d.code for d in graph.diagnostics}:
            continue
        free = graph if isinstance(graph, Graph) else None
        for sizes in points(rng, free, symbols):
            fixed = built(concrete(text, sizes))
            allowed = free is not None and free.legality.allows(sizes)
            assert isinstance(fixed, Graph) == allowed, (text, sizes)
            if free is None or isinstance(fixed, NetspecError):
                illegal += 1
                continue
            legal += 1
            for open_, known in zip(free.outputs, fixed.outputs, strict=True):
                shape = tuple(substitute(dim, sizes) for dim in open_.value.shape)
                assert shape == known.value.shape, (text, sizes)
    assert min(legal, illegal) > 3


# Where values tie, the runtimes disagree on which is the largest.
@pytest.mark.parametrize("seed", range(3))
def test_the_file_and_the_module_refuse_what_is_illegal_and_else_compute_the_same(
    seed: int,
) -> None:
    rng = random.Random(100 + seed)
    legal = illegal = 0
    for _ in range(12):
        text, symbols = open_net(rng)
        graph = built(text)
        if isinstance(graph, NetspecError) or "unpool" in text:
            continue
        module = to_module(graph, Varied()).eval()
        file = session(onnx_model(graph, Varied()))
        for sizes in points(rng, graph, symbols)[:10]:
            arrays = inputs_for(graph, 2, sizes)
            tensors = [torch.from_numpy(array) for array in arrays]
            names = [node.path for node in graph.inputs]
            wanted = {item.name for item in file.get_inputs()}
            feeds = {n: a for n, a in zip(names, arrays, strict=True) if n in wanted}
            if not graph.legality.allows(sizes):
                illegal += 1
                with pytest.raises(NetspecError, match="is not legal"):
                    module(*tensors)
                with pytest.raises(Exception, match=r"legal sizes|ONNXRuntimeError"):
                    file.run(None, feeds)
                continue
            legal += 1
            fixed = to_module(build(Source("<net>", concrete(text, sizes))), Varied()).eval()
            with torch.no_grad():
                outputs, same = module(*tensors), fixed(*tensors)
            assert torch.equal(outputs, same)
            (ran,) = file.run(None, feeds)
            scale = max(1.0, float(np.abs(same.numpy()).max()))
            assert ran.shape == tuple(same.shape)
            assert np.abs(ran - same.numpy()).max() < 1e-3 * scale, (text, sizes)
    assert min(legal, illegal) > 3


def test_a_size_that_happens_to_be_1_is_not_broadcast() -> None:
    text = "input 3x2x2\nadd { | identity | maxpool2 }\n"
    with pytest.raises(NetspecError, match="different shapes"):
        build(Source("<net>", text))
    build(Source("<net>", text.replace("maxpool2", "gap(keep=yes)")))
    # Inferred once each, though the two ones are equal.
    both = "input 3x2x2\nmaxpool2; relu as chance; add { | @input | @input; gap(keep=yes); relu }"
    build(Source("<net>", both))


def test_a_file_refuses_to_broadcast_an_input_or_to_shorten_a_slice() -> None:
    for text, good, bad in (
        ("input a: 3xHxW\ninput b: 1xHxW\n{ | @a | @b }; mul\n", (4, 4), (4, 1)),
        ("input a: 3xHxW\ninput b: 1xHxW\n@b; slice(0, 3, axis=width)\n", (4, 4), (4, 2)),
        ("input a: 3xHxW\ninput b: 1xHxW\n@b; pad(2, mode=reflect)\n", (4, 4), (4, 2)),
    ):
        graph = build(Source("<net>", text))
        file = session(onnx_model(graph, Varied()))
        feeds = {"a": np.ones((1, 3, 4, 4), np.float32), "b": np.ones((1, 1, *good), np.float32)}
        wanted = {item.name for item in file.get_inputs()}
        file.run(None, {name: feeds[name] for name in wanted})
        feeds["b"] = np.ones((1, 1, *bad), np.float32)
        with pytest.raises(Exception, match="legal sizes"):
            file.run(None, {name: feeds[name] for name in wanted})


def test_a_file_of_integers_refuses_what_is_illegal_too() -> None:
    graph = build(
        Source(
            "<net>",
            "input words: T ids(9)\nembedding-4\nconcat { | identity | maxpool2; deconv2-4/2 }\n",
        )
    )
    file = session(onnx_model(graph, Varied()))
    assert file.run(None, {"words": np.zeros((2, 4), np.int64)})[0].shape[0] == 2
    with pytest.raises(Exception, match="legal sizes"):
        file.run(None, {"words": np.zeros((2, 5), np.int64)})


def test_a_size_given_when_running_is_refused_with_the_nearest_legal_ones() -> None:
    net = netspec.load(UNET)
    array = np.zeros((1, 3, 102, 100), np.float32)
    expected = r"3x102x100 is not legal: H = 0 mod 4; nearest: 3x100x100 and 3x104x100"
    with pytest.raises(NetspecError, match=expected):
        net.run(array)
    with pytest.raises(NetspecError, match=expected):
        net.to_torch()(torch.from_numpy(array))
    with pytest.raises(NetspecError, match="it is 1x4x4, the net takes 3xHxW"):
        net.to_torch()(torch.zeros(1, 1, 4, 4))
    two = netspec.load(PAIR)
    expected = r"a 3x9x8, b 3x4x5 is not legal: L = floor\(W/2\); nearest: a 3x9x8, b 3x4x4"
    with pytest.raises(NetspecError, match=expected):
        two.run(np.zeros((1, 3, 9, 8), np.float32), np.zeros((1, 3, 4, 5), np.float32))
    shared = netspec.load("input a: 3xHxW\ninput b: 1xHxW\n{ | @a | @b }; mul")
    with pytest.raises(NetspecError, match=r"input `b`: it is 1x4x1, .* W is 4 already"):
        shared.to_torch()(torch.zeros(1, 3, 4, 4), torch.zeros(1, 1, 4, 1))


@pytest.mark.parametrize(
    ("text", "note"),
    [
        (UNET.replace("HxW", "100x102"), "nearest to 3x100x102 that fit: 3x100x100, 3x100x104"),
        (UNET.replace("HxW", "2x8"), "nearest to 3x2x8 that fit: 3x4x8"),
        ("input 3x20x20\nmaxpool2 x5; fc-3", "nearest to 3x20x20 that fit: 3x32x32"),
        (PAIR.replace("HxW", "9x8").replace("KxL", "4x5"), "that fit: a:3x9x8 and b:3x4x4"),
    ],
)
def test_a_written_size_that_is_refused_has_the_nearest_that_fit(text: str, note: str) -> None:
    with pytest.raises(NetspecError) as caught:
        build(Source("<net>", text))
    assert note in str(caught.value)


def test_a_refused_size_has_no_note_where_no_size_would_help() -> None:
    for text in ("input 3x8x8\nadd { | identity | maxpool2 }", "input 3x8x8\ncon3-4"):
        with pytest.raises(NetspecError) as caught:
            build(Source("<net>", text))
        assert "note:" not in str(caught.value)


@pytest.mark.parametrize("pool", ["adaptive_avgpool", "adaptive_maxpool"])
@pytest.mark.parametrize(("declared", "size"), [("3xHxW", "1"), ("3xHx14", "1x7"), ("3xT", "1")])
def test_an_axis_of_unknown_size_is_pooled_to_1(pool: str, declared: str, size: str) -> None:
    graph = build(Source("<net>", f"input {declared}\nconv1-4; {pool}({size})\n"))
    file, module = session(onnx_model(graph, Varied())), to_module(graph, Varied()).eval()
    for free in (1, 5, 12):
        arrays = inputs_for(graph, 2, dict.fromkeys("HWT", free))
        with torch.no_grad():
            expected = module(torch.from_numpy(arrays[0])).numpy()
        (ran,) = file.run(None, {"input": arrays[0]})
        assert ran.shape == expected.shape == (2, *graph.outputs[0].value.shape)
        assert np.allclose(ran, expected, atol=1e-5)


def test_pooling_to_1_is_global_pooling() -> None:
    one, whole = (
        netspec.load(f"input 3xHxW\nconv1-4; {pool}") for pool in ("adaptive_avgpool(1)", "gap")
    )
    array = np.random.default_rng(0).standard_normal((1, 3, 7, 9), dtype=np.float32)
    found, expected = one.run(array).outputs["output"], whole.run(array).outputs["output"]
    assert np.allclose(found[..., 0, 0], expected, atol=1e-6)
    assert one.summary().layers[-1].field == whole.summary().layers[-1].field
    with pytest.raises(NetspecError, match="pooled to 1 only"):
        netspec.load("input 3xHxW\nadaptive_avgpool(7)")


def test_a_border_of_zeros_before_a_pooling_stays_one() -> None:
    for pool in ("maxpool3/2", "avgpool3/2(ceil=yes, pad=1)"):
        graph = build(Source("<net>", f"input 4x10x10\nconv1-4; pad(1); {pool}\n"))
        arrays = inputs_for(graph, 1, {})
        with torch.no_grad():
            expected = to_module(graph, Varied()).eval()(torch.from_numpy(arrays[0]))
        (ran,) = session(onnx_model(graph, Varied())).run(None, {"input": arrays[0]})
        assert np.allclose(ran, expected.numpy(), atol=1e-5)


@pytest.mark.parametrize(
    ("shapes", "says"),
    [
        ({"a": (3, 4, 4), "b": (3, 4)}, "b: it is 3x4, the net takes 3xHxW"),
        ({"a": (3, 4, 4), "b": (3, 4, 4, 1)}, "b: it is 3x4x4x1, the net takes 3xHxW"),
        ({"a": (3, 4, 4), "b": (2, 4, 4)}, "b: it is 2x4x4, the net takes 3xHxW"),
        ({"a": (3, 4, 4), "b": (3, 4, 6)}, "b: it is 3x4x6, the net takes 3xHxW: W is 4 already"),
        ({"a": (3, 5, 4), "b": (3, 5, 4)}, "a: a 3x5x4, b 3x5x4 is not legal: H even; nearest: "),
        ({"a": (3, 4, 4), "b": (3, 4, 4)}, ""),
    ],
)
def test_the_first_shape_that_does_not_fit_is_named(
    shapes: dict[str, tuple[int, ...]], says: str
) -> None:
    text = "input a: 3xHxW\ninput b: 3xHxW\n{ | @a | @b }; add\n"
    text += "add { | identity | maxpool2; upsample(2) }\n"
    found = fitting(build(Source("<net>", text))).misfit(shapes)
    assert (": ".join(found) if found else "").startswith(says)
    assert bool(found) == bool(says)


@pytest.mark.parametrize(
    "text",
    [
        "input 3xHxW\nslice(-20, 9, axis=width); pixel_unshuffle(3)\n",
        "input 1xHxW\npad(3, mode=reflect); maxpool3/2; pixel_unshuffle(2)\n",
        "input 3xHxW\nconv5-3/3(pad=0); concat { | identity | maxpool2; deconv2-4/2 }\n",
    ],
)
def test_the_file_refuses_each_size_outside_the_set_and_none_inside(text: str) -> None:
    graph = build(Source("<net>", text))
    file = session(onnx_model(graph, Varied()))
    (name,) = (item.name for item in file.get_inputs())
    example = graph.legality.example(40)
    assert example is not None
    verdicts = set()
    for symbol in example:
        for size in range(1, 60):
            sizes = example | {symbol: size}
            array = np.ones((1, *graph_shape(graph, sizes)), np.float32)
            allowed = graph.legality.allows(sizes)
            verdicts.add(allowed)
            if allowed:
                file.run(None, {name: array})
            else:
                with pytest.raises(Exception, match="legal sizes"):
                    file.run(None, {name: array})
    assert verdicts == {True, False}


def graph_shape(graph: Graph, sizes: dict[str, int]) -> tuple[int, ...]:
    """The shape of the one input at sizes of its symbols."""
    shape = graph.inputs[0].types[0].shape
    return tuple(int(str(substitute(dim, sizes))) for dim in shape)


def test_a_file_is_not_as_long_as_the_sizes_that_are_legal() -> None:
    text = "input 4xHxW\nslice(start=-2147483645, end=4, axis=width)\npixel_unshuffle(3)\n"
    graph = build(Source("<net>", text))
    assert graph.legality.example(1) == {"H": 3, "W": 2147483646}
    model = onnx_model(graph, Varied())
    assert model.ByteSize() < 10_000
    with pytest.raises(Exception, match="legal sizes"):
        session(model).run(None, {"input": np.ones((1, 4, 3, 3), np.float32)})
