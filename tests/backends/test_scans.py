"""Recurrences in files: a `Scan` whose body is one step, in every form a file has, and what readers take."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import GraphProto, ModelProto, NodeProto, helper
from onnx.reference import ReferenceEvaluator
from support.differential import inputs_for
from support.watching import counting

import netspec
from netspec.backends.onnx.guard import check_model
from netspec.backends.onnx.lowering import lower
from netspec.backends.onnx.recurring.stepwise import body_of, inner_nodes
from netspec.backends.runtime import Session
from netspec.diagnostics.raised import NetspecError
from netspec.graph.loops import loops
from netspec.graph.written import written
from netspec.passes.unroll import unroll
from netspec.verify.proof import verify

PLAIN = """net plain
input x: 6xT
input h: 5
@x; conv3-6(pad=same, act=relu) as z
@h; fc-5(act=relu)
for z_t in @z { { | @z_t | identity }; concat; fc-5(act=tanh) as y } as last
@y; conv3-8(pad=same); gap; fc-3 as one
@last; fc-3; add(@one)
"""
NESTED = """net nested
input image: 3xHxW
@image; gap; fc-4
for row in @image {
  identity as above; fc-4 as down
  for pixel in @row { { | @pixel | identity | @down }; concat; fc-4(act=tanh) as p } as end
  @p; gmp; add(@above); add(@end) as r
} as last
{ | @r; gap | @last }; add
"""
MEMORY = """net memory
input source: 4xS
input target: 4xT
@source; conv1-4 as memory; gap; fc-4
for t in @target {
  identity as state; fc-4 as query
  @memory; add(@query); tanh; conv1-1; softmax(over=last) as share
  mul { | @memory | @share }; sum_over_time as seen
  { | @t | @seen | @state }; concat; fc-4(act=tanh) as y
}
@y; conv1-2
"""
NETS = {"plain": PLAIN, "nested": NESTED, "memory": MEMORY}


def compiled(text: str, path: Path, **options: object) -> onnx.ModelProto:
    netspec.load(text).to_onnx(path, **options)  # type: ignore[arg-type]
    return onnx.load(path)


def scans(nodes: object) -> list[NodeProto]:
    found = []
    for node in nodes:  # type: ignore[attr-defined]
        if (body := body_of(node)) is not None:
            found += [node, *scans(body.node)]
    return found


def outputs(path: Path, text: str, seed: int = 0) -> list[np.ndarray]:
    graph = netspec.load(text).graph
    sizes = {symbol: 4 + i for i, symbol in enumerate(graph.symbols)}
    arrays = inputs_for(graph, 2, sizes, seed)
    feeds = dict(zip([node.path for node in graph.inputs], arrays, strict=True))
    return list(Session(path).run(feeds).outputs.values())


def test_the_body_reads_weights_and_what_no_step_changes_from_outside(tmp_path: Path) -> None:
    model = compiled(MEMORY, tmp_path / "m.onnx")
    (scan,) = scans(model.graph.node)
    body = body_of(scan)
    assert body is not None
    assert not body.initializer
    assert {node.op_type for node in body.node} >= {"Gemm", "Softmax", "Tanh"}
    outside = {name for node in model.graph.node for name in node.output}
    assert "memory" in outside
    assert any("memory" in node.input for node in body.node)
    # Two states would be a state and something that is handed on unchanged.
    assert len(scan.input) == 2
    onnx.checker.check_model(model, full_check=True)


def test_every_tensor_of_a_body_has_a_type(tmp_path: Path) -> None:
    model = compiled(NESTED, tmp_path / "m.onnx")
    assert len(scans(model.graph.node)) == 2
    for scan in scans(model.graph.node):
        body = body_of(scan)
        assert body is not None
        told = {item.name for item in (*body.value_info, *body.input, *body.output)}
        made = {name for node in body.node for name in node.output}
        assert made <= told


def test_what_only_the_written_step_needs_is_not_in_the_file(tmp_path: Path) -> None:
    model = compiled(PLAIN, tmp_path / "m.onnx")
    kinds = [node.op_type for node in inner_nodes(model.graph.node)]
    assert not {"Expand", "Gather", "Unsqueeze"} & set(kinds)


@pytest.mark.parametrize("name", NETS)
def test_the_reference_evaluator_of_onnx_agrees(name: str, tmp_path: Path) -> None:
    model = compiled(NETS[name], tmp_path / "m.onnx")
    graph = netspec.load(NETS[name]).graph
    arrays = inputs_for(graph, 2, {symbol: 4 + i for i, symbol in enumerate(graph.symbols)})
    feeds = dict(zip([node.path for node in graph.inputs], arrays, strict=True))
    told = ReferenceEvaluator(model).run(None, feeds)
    for mine, theirs in zip(outputs(tmp_path / "m.onnx", NETS[name]), told, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"dtype": "fp16"}, {"blocks": ""}, {"optimize": False}])
@pytest.mark.parametrize("name", ["plain", "memory"])
def test_every_form_of_a_file_is_verified(name: str, options: dict[str, object]) -> None:
    from netspec.backends.onnx.options import FileOptions

    blocks = {"blocks": ()} if "blocks" in options else options
    report = verify(netspec.load(NETS[name]).graph, options=FileOptions(**blocks))  # type: ignore[arg-type]
    report.require()


def test_eight_bits_leave_a_recurrence_as_it_is(tmp_path: Path) -> None:
    exact = compiled(PLAIN, tmp_path / "a.onnx")
    graph = netspec.load(PLAIN).graph
    names = [node.path for node in graph.inputs]
    samples = [dict(zip(names, inputs_for(graph, 2, {"T": 9}, i), strict=True)) for i in range(4)]
    rounded = compiled(PLAIN, tmp_path / "b.onnx", quantize="int8", samples=samples)
    (one,), (other,) = scans(exact.graph.node), scans(rounded.graph.node)
    assert [node.op_type for node in body_of(one).node] == [  # type: ignore[union-attr]
        node.op_type
        for node in body_of(other).node  # type: ignore[union-attr]
    ]
    assert any(node.op_type == "QuantizeLinear" for node in rounded.graph.node)
    pairs = zip(
        outputs(tmp_path / "a.onnx", PLAIN), outputs(tmp_path / "b.onnx", PLAIN), strict=True
    )
    assert all(np.abs(a - b).max() < 0.1 * np.abs(a).max() for a, b in pairs)


@pytest.mark.parametrize("options", [{}, {"dtype": "fp16"}])
def test_a_file_of_a_fixed_batch_has_loops_too(options: dict[str, object], tmp_path: Path) -> None:
    compiled(PLAIN, tmp_path / "m.onnx", batch=2, **options)
    (mine,) = outputs(tmp_path / "m.onnx", PLAIN)
    compiled(PLAIN, tmp_path / "plain.onnx")
    (plain,) = outputs(tmp_path / "plain.onnx", PLAIN)
    np.testing.assert_allclose(mine, plain, atol=1e-2 if options else 1e-5)


def test_half_precision_keeps_a_recurrence_in_single(tmp_path: Path) -> None:
    model = compiled(PLAIN, tmp_path / "m.onnx", dtype="fp16")
    (scan,) = scans(model.graph.node)
    body = body_of(scan)
    assert body is not None
    kinds = {item.type.tensor_type.elem_type for item in (*body.input, *body.output)}
    assert kinds == {onnx.TensorProto.FLOAT}
    read = {name for node in body.node for name in node.input}
    weights = {t.name: t.data_type for t in model.graph.initializer}
    assert {weights[name] for name in read & weights.keys()} == {onnx.TensorProto.FLOAT}
    assert onnx.TensorProto.FLOAT16 in weights.values()


def test_a_tap_inside_is_what_all_steps_made(tmp_path: Path) -> None:
    compiled(NESTED, tmp_path / "m.onnx", taps=["row1.pixel1.p", "row1.down"])
    _, inner, outer = outputs(tmp_path / "m.onnx", NESTED)
    assert inner.shape == (2, 4, 4, 5)
    assert outer.shape == (2, 4, 4)
    found = torch.tensor(inner)
    assert (found[:, :, 0] != found[:, :, 1]).any()


LONG = PLAIN.replace("6xT", "6x70")


@pytest.mark.parametrize(
    ("text", "target", "count"),
    [
        (LONG, "ort", 1),
        (LONG, "openvino", 1),
        (LONG, "opencv", 0),
        (LONG, "onnx2torch", 0),
        (PLAIN, "web", 1),
        (MEMORY.replace("4xS", "4x5").replace("4xT", "4x70"), "openvino", 0),
    ],
)
def test_readers_get_what_they_take(text: str, target: str, count: int, tmp_path: Path) -> None:
    model = compiled(text, tmp_path / "m.onnx", target=target)
    assert len(scans(model.graph.node)) == count
    compiled(text, tmp_path / "plain.onnx")
    (mine,), (theirs,) = (outputs(tmp_path / name, text) for name in ("m.onnx", "plain.onnx"))
    np.testing.assert_allclose(mine, theirs, atol=1e-5)


@pytest.mark.parametrize(
    ("text", "target"), [(PLAIN, "opencv"), (PLAIN, "onnx2torch"), (MEMORY, "openvino")]
)
def test_readers_without_loops_are_refused_an_open_length(
    text: str, target: str, tmp_path: Path
) -> None:
    with pytest.raises(NetspecError) as caught:
        compiled(text, tmp_path / "m.onnx", target=target)
    (found,) = caught.value.diagnostics
    assert found.code == "NS614"
    assert found.span is not None
    assert found.span.text.startswith("for ")


# --- files that others made


def _axis(scan: NodeProto, body: GraphProto) -> None:
    scan.attribute.append(helper.make_attribute("scan_input_axes", [1]))


def _states(scan: NodeProto, body: GraphProto) -> None:
    next(a for a in scan.attribute if a.name == "num_scan_inputs").i = 2


def _backwards(scan: NodeProto, body: GraphProto) -> None:
    scan.attribute.append(helper.make_attribute("scan_input_directions", [1]))


def _twice(scan: NodeProto, body: GraphProto) -> None:
    body.node[0].output[0] = scan.input[0]


def _missing(scan: NodeProto, body: GraphProto) -> None:
    body.output[0].name = "nothing"


def _custom(scan: NodeProto, body: GraphProto) -> None:
    body.node[0].domain = "elsewhere"


def _loop(scan: NodeProto, body: GraphProto) -> None:
    scan.op_type = "Loop"


def _weights(scan: NodeProto, body: GraphProto) -> None:
    body.initializer.add(name="own", data_type=1, dims=[2**40])


@pytest.mark.parametrize(
    "spoil", [_axis, _states, _backwards, _twice, _missing, _custom, _loop, _weights]
)
def test_a_loop_of_another_form_is_not_opened(
    spoil: Callable[[NodeProto, GraphProto], None], tmp_path: Path
) -> None:
    model = compiled(PLAIN, tmp_path / "m.onnx")
    (scan,) = (node for node in model.graph.node if node.op_type == "Scan")
    body = next(a.g for a in scan.attribute if a.name == "body")
    check_model(tmp_path / "m.onnx")
    spoil(scan, body)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(NetspecError) as caught:
        check_model(tmp_path / "m.onnx")
    assert caught.value.diagnostics[0].code == "NS605"


def test_the_bytes_of_all_steps_are_counted(tmp_path: Path) -> None:
    """What the steps make is held whole: a long sequence is refused before it runs."""
    compiled(PLAIN, tmp_path / "m.onnx")
    session = Session(tmp_path / "m.onnx", most=2**20)
    given = {"x": np.zeros((1, 6, 100), np.float32), "h": np.zeros((1, 5), np.float32)}
    session.run(given)
    with pytest.raises(NetspecError) as caught:
        session.run(given | {"x": np.zeros((1, 6, 2**16), np.float32)})
    assert "bytes" in str(caught.value)


def test_a_file_is_the_same_bytes_each_time(tmp_path: Path) -> None:
    compiled(NESTED, tmp_path / "a.onnx")
    compiled(NESTED, tmp_path / "b.onnx")
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_onnx_runtime_has_nothing_to_say_of_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    model: ModelProto = compiled(NESTED, tmp_path / "m.onnx")
    options = ort.SessionOptions()
    options.log_severity_level = 2
    ort.InferenceSession(model.SerializeToString(), options)
    assert "arning" not in capfd.readouterr().err


MANY = """input x: 4x{steps}
block layer(n) of seq {{
  @seq; gap; fc-n
  for s in @seq {{ {{ | @s | identity }}; concat; fc-n(act=tanh) as y }}
  @y
}}
layer(4) x{count}
"""


@pytest.mark.parametrize("way", ["files", "text", "steps"])
def test_work_follows_the_number_of_recurrences(way: str) -> None:
    """It was square in each of them: 1,000 recurrences took 42 seconds to write, 2,000 two minutes."""

    def work(count: int) -> int:
        graph = netspec.load(MANY.format(steps=66 if way == "steps" else "T", count=count)).graph
        with counting() as work_done:
            if way == "files":
                lower(graph)
            elif way == "text":
                written(graph)
            else:
                unroll(graph)
        return work_done.calls

    assert work(40) < 3 * work(20)


ASKED: dict[str, Callable[[netspec.Net], object]] = {
    "NS614": lambda net: net.to_onnx("unwritten.onnx", target="opencv"),
    "NS714": lambda net: net.training_memory(),
}


@pytest.mark.parametrize("code", ASKED)
def test_more_steps_than_a_net_may_have_are_not_written_out(code: str) -> None:
    net = netspec.load(MANY.format(steps=1_000_000, count=1))
    with pytest.raises(NetspecError, match=code):
        ASKED[code](net)


def test_what_many_recurrences_make_together_is_counted_before() -> None:
    graph = netspec.load(MANY.format(steps=4000, count=4)).graph
    # The first takes most of the room that there is.
    assert len(loops(unroll(graph))) == 3
