"""Inner steps as outputs: what a path means, and that no pass changes what is seen there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from netspec.api.net import Net
from netspec.backends.onnx.compile import compile_graph, prepared
from netspec.backends.onnx.options import FileOptions
from netspec.backends.runtime import Session
from netspec.backends.torch.modules import to_module
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.graph.checked import Graph
from netspec.passes.taps import tapped
from netspec.verify.samples import sample_inputs
from netspec.weights.sources import Seeded

TEXT = """
input 3x8x8
conv3-4(pad=same, norm=bn, act=relu) as first
dropout as dropped
block unit(n) { residual { conv3-n(pad=same); relu }; relu }
block stage(n) { unit(n) x2 }
stage(4) as body
head aux(loss=0.3) { gap; fc-3 as hint; softmax }
split(2) as parts
{ | conv1-2 | identity }; concat as joined
gap; fc-5 as scores; softmax
"""


def net(text: str = TEXT) -> Graph:
    return build(Source("<test>", text))


def run(graph: Graph, folder: Path, *taps: str, **options: Any) -> dict[str, Any]:
    compile_graph(graph, folder / "x.onnx", FileOptions(taps=taps, **options))
    return Session(folder / "x.onnx").run(sample_inputs(graph)).outputs


def names(graph: Graph) -> list[str]:
    return [output.name for output in graph.outputs]


@pytest.mark.parametrize(
    ("path", "given"),
    [
        ("first", ["first"]),
        ("first_relu", ["first_relu"]),
        ("body", ["body"]),
        ("body.unit2", ["body.unit2"]),
        ("body.unit1.conv1", ["body.unit1.conv1"]),
        ("parts", ["parts.1", "parts.2"]),
        ("body.*", ["body.unit1", "body.unit2"]),
        ("body.*.conv*", ["body.unit1.conv1", "body.unit2.conv1"]),
        ("fir*", ["first", "first_bn", "first_relu"]),
        ("joined", ["joined"]),
        ("aux.hint", ["aux.hint"]),
    ],
)
def test_a_path_names_a_step_a_block_or_several(path: str, given: list[str]) -> None:
    assert names(tapped(net(), [path])) == ["output", *given]


def test_a_step_is_that_step_alone_and_a_block_what_flows_on() -> None:
    graph = net()
    tapped_at = {
        o.name: o.value.node.path for o in tapped(graph, ["first", "body", "body.*"]).outputs
    }
    assert tapped_at["first"] == "first"
    assert tapped_at["body"] == tapped_at["body.unit2"] == "body.unit2.relu2"
    assert tapped_at["body.unit1"] == "body.unit1.relu2"


def test_a_block_that_ends_elsewhere_than_at_its_last_step_gives_what_it_gives() -> None:
    graph = net("input 3x8x8\nblock b { conv1-4 as low; maxpool2 as small; @low }\nb as x; relu\n")
    assert {o.name: o.value.node.path for o in tapped(graph, ["x"]).outputs}["x"] == "x.low"


def test_taps_come_out_as_torch_has_them(tmp_path: Path) -> None:
    graph = net()
    paths = ("first", "first_bn", "dropped", "body", "body.unit1", "parts", "joined", "aux.hint")
    found = run(graph, tmp_path, *paths, logits=True, heads=True)
    deployed = prepared(graph, logits=True, heads=False, taps=paths)
    module = to_module(deployed, Seeded(0)).eval()
    with torch.no_grad():
        wanted = module(torch.from_numpy(sample_inputs(graph)["input"]))
    for name, tensor in zip(names(deployed), wanted, strict=True):
        assert np.allclose(found[name], tensor.numpy(), atol=1e-5), name
    assert set(found) == {*names(deployed), "aux"}
    # What is dropped in deployment is what flows into it.
    assert np.array_equal(found["dropped"], np.maximum(found["first_bn"], 0))


def test_taps_change_nothing_else(tmp_path: Path) -> None:
    plain = run(net(), tmp_path)["output"]
    assert np.array_equal(run(net(), tmp_path, "*", "body.*")["output"], plain)
    first = (tmp_path / "x.onnx").read_bytes()
    run(net(), tmp_path, "*", "body.*")
    assert (tmp_path / "x.onnx").read_bytes() == first


def test_a_softmax_that_is_tapped_stays_where_logits_are_asked_for(tmp_path: Path) -> None:
    found = run(net(), tmp_path, "softmax1", "scores", logits=True)
    assert np.array_equal(found["output"], found["scores"])
    exponents = np.exp(found["scores"] - found["scores"].max())
    assert np.allclose(found["softmax1"], exponents / exponents.sum(), atol=1e-6)


def test_logits_leave_a_softmax_that_another_step_reads(tmp_path: Path) -> None:
    graph = net("input 4\nfc-3; softmax as p; fc-2 as q\noutput p, q\n")
    assert np.array_equal(run(graph, tmp_path, logits=True)["q"], run(graph, tmp_path)["q"])


def test_shared_weights_are_tapped_at_each_use(tmp_path: Path) -> None:
    graph = net("input 4\nfc-4 as a; relu; fc-4(weights=@a) as b; relu\n")
    found = run(graph, tmp_path, "a", "b")
    assert found["a"].shape == found["b"].shape
    assert not np.allclose(found["a"], found["b"])


def test_a_step_that_nothing_reads_can_be_seen(tmp_path: Path) -> None:
    graph = net("input 4\nfc-2 as side; @input; fc-3\n")
    assert run(graph, tmp_path, "side")["side"].shape == (1, 2)


def test_a_pool_gives_its_values_not_their_places(tmp_path: Path) -> None:
    graph = net("input 1x4x4\nmaxpool2 as low; conv1-1; unpool(@low)\n")
    assert names(tapped(graph, ["low"])) == ["output", "low"]


def test_an_output_that_is_tapped_under_its_own_name_is_one_output() -> None:
    graph = net("input 4\nfc-2 as scores\noutput scores\n")
    assert names(tapped(graph, ["scores", "scores"])) == ["scores"]


def test_a_step_whose_name_is_another_output_is_refused() -> None:
    graph = net("input 4\nfc-2(act=relu) as scores\noutput scores\n")
    with pytest.raises(NetspecError, match="NS642"):
        tapped(graph, ["scores"])


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("boby", "did you mean `body`?"),
        ("body.unit1.conv9", "did you mean `body.unit1.conv1`"),
        ("body.nothing", "in `body` there are unit1, unit2"),
        ("zzz", "there are first, "),
        ("input", "there are first, "),
        ("zzz*", "there are first, "),
        ("", "there are first, "),
        ("body.", "did you mean `body`?"),
        ("*.*.*.*.*", "there are first, "),
    ],
)
def test_an_unknown_path_is_refused_with_what_there_is(path: str, says: str) -> None:
    with pytest.raises(NetspecError) as caught:
        tapped(net(), [path])
    assert caught.value.diagnostics[0].problem.code == "NS641"
    assert says in str(caught.value)


def test_the_api_has_taps_and_pixels(tmp_path: Path) -> None:
    made = Net(net("preprocess std=0.5\n" + TEXT))
    array = np.zeros((1, 3, 8, 8), np.float32)
    assert set(made.run(array, taps=["body"]).outputs) == {"output", "body"}
    path = made.to_onnx(tmp_path / "x.onnx", taps=["body"], preprocess=True)
    found = Session(path).run({"input": np.zeros((1, 8, 8, 3), np.uint8)}).outputs
    assert set(found) == {"output", "body"}
