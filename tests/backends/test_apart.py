"""Weights of eight bits that steps share, where the processor adds exactly only if it is told to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

import netspec
from netspec.backends import runtime
from netspec.backends.apart import apart, shares_bytes
from netspec.backends.onnx.blocks.inlining import inline
from netspec.backends.onnx.compile import compile_graph
from netspec.backends.onnx.options import FileOptions
from netspec.backends.quantize.quantize import Quantization, quantizing
from netspec.backends.switches import Switches
from netspec.verify.samples import sample_inputs
from netspec.verify.weights import Varied

BLOCK = (
    "block b(n) {{ conv3-n(pad=same, act=relu); conv1-n }}\n{}conv3-8; b(8) as u; b(8, weights=@u)"
)
SHARED = [
    ("3x12x12", "conv3-3(pad=same) as f; relu; conv3-3(pad=same, weights=@f); gap"),
    (
        "3x12x12",
        "conv3-3(pad=same, bias=no) as f; conv3-3(weights=@f, bias=no); conv3-3(weights=@f, bias=no); gap",
    ),
    ("8", "fc-8 as f; relu; fc-8(weights=@f)"),
    ("3x12x12", BLOCK.format("") + "; b(8, weights=@u); gap; fc-3"),
    ("3x12x12", "dwconv3(pad=same) as d; relu; dwconv3(pad=same, weights=@d); gap"),
]


@pytest.mark.parametrize("blocks", [False, True])
@pytest.mark.parametrize(("size", "text"), SHARED)
def test_shared_weights_run_where_sums_are_made_exact(
    size: str, text: str, blocks: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = netspec.load(f"input {size}\n{text}\n").graph
    feeds = [sample_inputs(graph, seed=seed) for seed in range(3)]
    path = tmp_path / "q.onnx"
    stage = quantizing(feeds, Quantization())
    options = FileOptions(blocks=() if blocks else None)
    compile_graph(graph, path, options, source=Varied(1), quantize=stage)
    model = inline(onnx.load(path))
    assert shares_bytes(model)
    copied = apart(model)
    assert not shares_bytes(copied)
    onnx.checker.check_model(copied, full_check=True)
    monkeypatch.setattr(runtime, "has_vnni", lambda: False)
    (output,) = runtime.Session(path).run(feeds[0]).outputs.values()
    # Step by step, in floats.
    literal = runtime.Session(path, switches=Switches(optimization="none"))
    (exact,) = literal.run(feeds[0]).outputs.values()
    np.testing.assert_allclose(output, exact, atol=np.ptp(exact) / 50)


def test_what_nobody_shares_is_read_from_the_file(tmp_path: Path) -> None:
    graph = netspec.load("input 3x12x12\nconv3-8; relu; conv3-8; gap\n").graph
    stage = quantizing([sample_inputs(graph)], Quantization())
    compile_graph(graph, tmp_path / "q.onnx", quantize=stage)
    assert not shares_bytes(onnx.load(tmp_path / "q.onnx"))
