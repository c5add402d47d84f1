"""Files of folded nets: what they hold, what they say of themselves, and how they are verified."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from conftest import Built
from onnx import numpy_helper

import netspec
from netspec.backends.onnx.compile import compile_graph, prepared
from netspec.backends.onnx.options import FileOptions
from netspec.backends.runtime import Session
from netspec.cli.main import main
from netspec.verify import embed, require_file, verify, verify_file
from netspec.verify.weights import fitted

NET = """input 3x12x12
default conv(bias=no)
block rep { add { | conv3-C(pad=1); bn | conv1-C; bn | bn }; relu }
conv3-8(pad=1); bn; relu; rep
bn as pre; conv3-8; relu; conv1-4; avgpool2; bn; relu
dropout; gap; fc-5; softmax
"""
LITERAL = FileOptions(optimize=False)


def entries(path: Path) -> dict[str, str]:
    return {entry.key: entry.value for entry in onnx.load(path).metadata_props}


def test_a_file_says_which_steps_went_where(net: Built, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    written = compile_graph(net(NET), path)
    folded = json.loads(entries(path)["netspec.folded"])
    assert folded == {
        "conv1": ["bn1"],
        "rep1.conv1": ["rep1.bn1", "rep1.conv2", "rep1.bn2", "rep1.bn3", "rep1.add1"],
        "conv2": ["pre"],
        "conv3": ["bn2"],
    }
    held = {node.name for node in onnx.load(path).graph.node}
    gone = {step for steps in folded.values() for step in steps}
    assert folded.keys() <= held
    assert not gone & held
    assert written.savings.moved == ("conv3",)
    assert written.savings.macs[1] < written.savings.macs[0]


def test_without_folding_every_step_is_written(net: Built, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    written = compile_graph(net(NET), path, LITERAL)
    assert "netspec.folded" not in entries(path)
    kinds = [node.op_type for node in onnx.load(path).graph.node]
    assert kinds.count("BatchNormalization") == 6
    assert written.savings is None


def test_folded_and_written_files_run_alike(net: Built, tmp_path: Path) -> None:
    graph = net(NET)
    source = fitted(prepared(graph))
    found = []
    for name, options in (("folded", FileOptions()), ("written", LITERAL)):
        path = tmp_path / f"{name}.onnx"
        compile_graph(graph, path, options, source=source)
        x = np.random.default_rng(0).standard_normal((2, 3, 12, 12), dtype=np.float32)
        found.append(Session(path).run({"input": x}).outputs["output"])
    assert np.allclose(*found, atol=1e-5)


def test_the_same_net_gives_the_same_bytes(net: Built, tmp_path: Path) -> None:
    for name in ("a", "b"):
        compile_graph(net(NET), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("options", [FileOptions(), LITERAL])
def test_a_file_verifies_as_it_is_written(options: FileOptions, net: Built, tmp_path: Path) -> None:
    graph, path = net(NET), tmp_path / "net.onnx"
    source = fitted(prepared(graph))
    compile_graph(graph, path, options, source=source)
    report = verify_file(graph, path, weights=source)
    assert report.agrees, report.text()
    embed(report, path)
    assert require_file(graph, path, weights=source).agrees


@pytest.mark.parametrize(
    ("tensor", "layer"),
    [
        ("conv1.weight", "bn1"),
        ("conv2.bias", "conv2"),
        ("conv3.weight", "bn2"),
        ("fc1.bias", "fc1"),
    ],
)
def test_a_wrong_layer_is_named_by_the_last_step_that_is_in_it(
    tensor: str, layer: str, net: Built, tmp_path: Path
) -> None:
    graph, path = net(NET.replace("; softmax", "")), tmp_path / "net.onnx"
    source = fitted(prepared(graph))
    compile_graph(graph, path, source=source)
    model = onnx.load(path)
    for item in model.graph.initializer:
        if item.name == tensor:
            values = numpy_helper.to_array(item)
            item.CopyFrom(numpy_helper.from_array(-values, item.name))
    path.write_bytes(model.SerializeToString())
    report = verify_file(graph, path, weights=source)
    assert not report.agrees
    assert report.culprit is not None
    assert report.culprit.layer == layer


def test_layer_by_layer_takes_a_folded_layer_as_one(net: Built, tmp_path: Path) -> None:
    from netspec.verify.compare import Reference
    from netspec.verify.locate import Locator
    from netspec.verify.samples import sample_inputs

    graph, path = prepared(net(NET)), tmp_path / "net.onnx"
    source = fitted(graph)
    compile_graph(graph, path, source=source)
    inputs = sample_inputs(graph, batch=2)
    reference = Reference(graph, source)
    locator = Locator(graph, path, reference, "cpu", False)
    assert locator.first_wrong(inputs) is None
    _, off, torch_error = locator.worst_layer(inputs)
    assert off <= reference.limits.allowed(torch_error)


def test_a_spec_is_verified_folded(net: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    import netspec.backends.onnx.compile as compiled

    seen = []
    real = compiled.optimized
    monkeypatch.setattr(compiled, "optimized", lambda *a, **k: seen.append(k) or real(*a, **k))
    assert verify(net("conv3-4; bn; relu; fc-3", "3x8x8")).ok
    assert seen == [{"optimize": True}]


def test_commands_fold_unless_told_not_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.ns").write_text("net n\ninput 3x8x8\nconv3-4(bias=no); bn; relu; fc-3\n")
    main(["compile", "net.ns"], standalone_mode=False)
    told = capsys.readouterr().err
    assert "folded: 4 to 3 steps, 559 to 547 numbers stored" in told
    main(["compile", "net.ns", "-O0"], standalone_mode=False)
    assert "folded" not in capsys.readouterr().err
    main(["compile", "net.ns", "--json", "-O1"], standalone_mode=False)
    assert json.loads(capsys.readouterr().out)["folded"] == {
        "steps": [4, 3],
        "numbers": [559, 547],
        "macs": [4320, 4320],
        "into": {"conv1": ["bn1"]},
        "dropped": [],
        "moved": [],
    }
    main(["compile", "net.ns", "--json", "-O0"], standalone_mode=False)
    assert json.loads(capsys.readouterr().out)["folded"] is None


def test_the_library_folds_unless_told_not_to(tmp_path: Path) -> None:
    loaded = netspec.load("conv3-4; bn; relu", input="3x8x8")
    kinds = [
        [n.op_type for n in onnx.load(loaded.to_onnx(tmp_path / "n.onnx", **options)).graph.node]
        for options in ({}, {"optimize": False})
    ]
    assert kinds == [["Conv", "Relu"], ["Conv", "BatchNormalization", "Relu"]]
