"""Lists of sizes in blocks: each says what it follows from, in the braces that it stands in."""

from __future__ import annotations

import pytest

import netspec
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.graph.same import same
from netspec.graph.written import written
from netspec.importing.structure.find import structured


def gate(channels: int) -> str:
    return (
        f"mul {{ | identity | gap; fc-{channels}; reshape((2, {channels // 2})); softmax; "
        f"reshape(({channels}, 1, 1)) }}; conv1-{channels}; relu"
    )


def turned(high: int, wide: int) -> str:
    return f"residual {{ bn; sequence; softmax; grid({high}x{wide}); relu }}"


def crossed(channels: int) -> str:
    """Sizes of heads in branches, where the channels are those of a third of what flows in."""
    part = channels // 3
    return (
        f"matmul {{ | slice(0, {part}); sequence; transpose; grid(2x{part // 2}); l2norm; "
        f"transpose((1, 2, 0)) | slice({part}, {2 * part}); sequence; transpose; grid(2x{part // 2}); "
        f"l2norm; transpose((1, 0, 2)) }}; reshape(1x2x{part // 2 * (part // 2)}); conv3-8(pad=1)"
    )


TEXTS = {
    "channels": (
        f"input 8x6x4\nconv3-8(pad=1); {gate(8)}; conv3-16/2(pad=1); {gate(16)}; conv3-32/2(pad=1); "
        f"{gate(32)}; gap; fc-5",
        ("reshape((2, C//2))", "reshape((C, 1, 1))"),
    ),
    "places": (
        f"input 8x16x12\n{turned(16, 12)}; conv3-16/2(pad=1); {turned(8, 6)}; conv3-24/2(pad=1); "
        f"{turned(4, 3)}; gap; fc-5",
        ("grid((H, W))",),
    ),
}


@pytest.mark.parametrize("kind", TEXTS)
def test_sizes_follow_from_what_flows_in(kind: str) -> None:
    text, held = TEXTS[kind]
    graph = build(Source("net", written(netspec.load(text).graph)))
    found = structured(graph, {})
    assert same(graph, build(Source("net", found))) is not None
    assert all(word in found for word in held), found


def test_sizes_stay_in_the_braces_whose_sizes_they_are() -> None:
    branches = "; ".join(f"conv3-{n}(pad=1); {crossed(n)}; conv3-6(pad=1)" for n in (12, 24, 36))
    graph = build(Source("net", written(netspec.load(f"input 6x2x8\n{branches}").graph)))
    found = structured(graph, {})
    assert same(graph, build(Source("net", found))) is not None
    assert "block" in found
