"""A file in half precision is held to what half precision can do, and to no less."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from netspec.backends.onnx.compile import compile_graph
from netspec.backends.onnx.half import dtype_of
from netspec.backends.onnx.options import FileOptions
from netspec.backends.torch.modules import to_module
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.verify import require_file, verify, verify_file
from netspec.verify.tolerance import HALF, SINGLE, in_half, tolerance
from netspec.verify.weights import fitted
from netspec.weights.sources import Seeded

HALVED = FileOptions(dtype="fp16")


def net():
    text = (
        "net small\ninput 3x8x8\nconv3-8(pad=1, norm=bn, act=relu); maxpool2; conv3-4; gap; fc-5\n"
    )
    return build(Source("small.ns", text))


def changed(path, name, factor):
    model = onnx.load(path)
    tensor = next(t for t in model.graph.initializer if t.name == name)
    values = numpy_helper.to_array(tensor)
    tensor.raw_data = (values * np.asarray(factor, values.dtype)).tobytes()
    path.write_bytes(model.SerializeToString())


def test_half_precision_is_verified_and_said(tmp_path):
    report = verify(net(), options=HALVED)
    report.require()
    assert report.dtype == report.as_json()["dtype"] == "fp16"
    assert "half precision" in report.text()
    assert all(1e-5 < case.error <= case.allowed < 1e-2 for case in report.cases)


def test_a_mistake_of_a_tenth_in_one_layer_is_found_in_half_precision_too(tmp_path):
    graph, path = net(), tmp_path / "net.onnx"
    source = fitted(graph)
    compile_graph(graph, path, HALVED, source=source)
    assert verify_file(graph, path, weights=source).agrees
    changed(path, "conv2.weight", 1.1)
    report = verify_file(graph, path, weights=source)
    assert not report.agrees
    assert report.culprit.layer == "conv2"


def test_a_file_that_does_not_say_so_is_held_to_single_precision(tmp_path):
    graph, path = net(), tmp_path / "net.onnx"
    source = fitted(graph)
    compile_graph(graph, path, HALVED, source=source)
    model = onnx.load(path)
    kept = [entry for entry in model.metadata_props if entry.key != "netspec.dtype"]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    path.write_bytes(model.SerializeToString())
    assert dtype_of(path) == "fp32"
    assert not verify_file(graph, path, weights=source).agrees


def test_compile_proves_the_file_it_wrote(tmp_path):
    graph, path = net(), tmp_path / "net.onnx"
    compile_graph(graph, path, HALVED, source=Seeded(0))
    assert require_file(graph, path, weights=Seeded(0), options=HALVED).dtype == "fp16"


def test_layers_are_rounded_to_halfs_digits_at_any_size():
    graph = build(Source("pass.ns", "input 4\nrelu\n"))
    values = torch.tensor([[1.0, 1 / 3, 65504.0, 2.0**-14 * 1.23456]], dtype=torch.float64)
    module = in_half(to_module(graph, Seeded(0)).eval().double(), graph)
    assert torch.equal(module(values), values.half().double())
    assert torch.equal(module(values * 2.0**40), values.half().double() * 2.0**40)


@pytest.mark.parametrize("limits", [SINGLE, HALF])
def test_what_is_steady_is_not_allowed_what_a_mistake_makes(limits):
    assert limits.allowed(limits.steady) <= 1e-2


def test_each_precision_has_its_own_tolerance():
    assert tolerance("fp16") == HALF
    assert tolerance("fp32") == SINGLE
    assert tolerance("fp32", tf32=True).plus > SINGLE.plus


@pytest.mark.parametrize(("seed", "steady"), [(1, True), (4, False)])
def test_a_softmax_of_large_logits_is_no_wrong_layer(seed, steady, tmp_path):
    """Half a rounding of a logit of 60 moves a probability by hundredths: no mistake, and no proof.

    The runtime hands the softmax what was not rounded yet. Where the file's own weights prove nothing
    for that reason, the net is proven without its softmax.
    """
    text = "net large\ninput 3x8x8\nconv3-8(pad=1, act=relu); gap; fc-40(init=gaussian(100)); softmax\n"
    graph, path, source = build(Source("large.ns", text)), tmp_path / "net.onnx", Seeded(seed)
    compile_graph(graph, path, HALVED, source=source)
    report = verify_file(graph, path, weights=source, options=HALVED)
    assert report.agrees, report.text()
    assert any(case.by_layer for case in report.cases) or not steady
    assert (report.unsteady == ()) == steady
    assert require_file(graph, path, weights=source, options=HALVED).ok
    changed(path, "conv1.weight", 1.2)
    assert not verify_file(graph, path, weights=source, options=HALVED).agrees
