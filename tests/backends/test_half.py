"""Files in half precision: what is rounded, what stays in single, and what says so."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper
from onnx.reference import ReferenceEvaluator

import netspec
from netspec.backends.onnx.compile import compile_graph, prepared
from netspec.backends.onnx.file import write
from netspec.backends.onnx.half import halved
from netspec.backends.onnx.lowering import lower
from netspec.backends.onnx.options import FileOptions
from netspec.backends.ranges import measuring
from netspec.backends.runtime import Session
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.verify.samples import noise, sample_inputs
from netspec.weights.sources import Given, Seeded, named_weights

HALF = FileOptions(dtype="fp16")
# The second convolution gives what the last takes back: 1e5 between them.
LARGE = """net large
input 3x6x6
conv1-4 as first
relu
conv1-4 as last
gap
fc-2
"""


def spec(text: str):
    return build(Source("net.ns", text))


def scaled(graph, **factors: float):
    """Seeded weights, those of some layers times a factor."""
    tensors = {}
    for name, weight in named_weights(graph).items():
        values = np.concatenate(list(Seeded(1).pieces(name, weight))).reshape(weight.shape)
        tensors[name] = values * np.float32(factors.get(name.partition(".")[0], 1))
    return Given(tensors)


def compiled(graph, path, options=HALF, source=None):
    return compile_graph(graph, path, options, source=source, measure=measuring(noise(graph)))


def outputs(path, inputs):
    return Session(path, most=None).run(inputs).outputs["output"]


def evaluated(path, inputs):
    with np.errstate(all="ignore"):
        return ReferenceEvaluator(str(path)).run(None, inputs)[0]


def kinds(path):
    return {tensor.name: tensor.data_type for tensor in onnx.load(path).graph.initializer}


# --- islands


def test_a_value_beyond_half_precision_is_kept_in_single_and_would_be_infinite(tmp_path):
    graph = spec(LARGE)
    source = scaled(graph, first=2e4, last=4e-3)
    plain, half, without = (tmp_path / f"{name}.onnx" for name in ("plain", "half", "without"))
    compile_graph(graph, plain, source=source)
    written = compiled(graph, half, source=source)
    reasons = {island.path: island.reason for island in written.precision.islands}
    assert list(reasons) == ["first", "relu1", "last"]
    assert all(reason.startswith("values to") for reason in reasons.values())
    assert str(written.precision.islands[0]).startswith("first at net.ns:3:1: values to")
    inputs = sample_inputs(graph, batch=2, seed=5)
    exact = outputs(plain, inputs)
    assert np.abs(exact).max() < 1e4
    error = np.abs(outputs(half, inputs) - exact).max() / np.abs(exact).max()
    assert 0 < error < 4 * 2.0**-11
    # The same file, had nothing been measured. ONNX Runtime has few kernels in half for CPUs, and none
    # of these, so that it would compute in single: ONNX's own evaluator does what the file says.
    model, _ = halved(lower(prepared(graph)), source, HALF, {})
    write(model, without, source)
    assert not np.isfinite(evaluated(without, inputs)).any()
    assert np.abs(evaluated(half, inputs) - exact).max() / np.abs(exact).max() < 4 * 2.0**-11


def test_neighbours_in_one_precision_have_no_cast_between_them(tmp_path):
    graph = spec(LARGE)
    compiled(graph, tmp_path / "net.onnx", source=scaled(graph, first=2e4, last=4e-3))
    nodes = [node.op_type for node in onnx.load(tmp_path / "net.onnx").graph.node]
    assert nodes == ["Conv", "Relu", "Conv", "Cast", "ReduceMean", "Gemm", "Cast"]


@pytest.mark.parametrize(("factor", "reason"), [(1e7, "values to"), (1e-7, "no value above")])
def test_weights_that_half_precision_cannot_hold_stay_in_single(tmp_path, factor, reason):
    graph = spec("input 3x4x4\nconv1-4 as small; conv1-4 as other\n")
    written = compile_graph(graph, tmp_path / "a.onnx", HALF, source=scaled(graph, small=factor))
    (island,) = written.precision.islands
    assert island.path == "small"
    assert island.reason.startswith(f"its weight has {reason}")
    held = kinds(tmp_path / "a.onnx")
    assert held["small.weight"] == TensorProto.FLOAT
    assert held["other.weight"] == TensorProto.FLOAT16


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        ("lrn", "a square"),
        ("rmsnorm", "a square"),
        ("l2norm", "a sum of squares"),
        ("instancenorm", "a variance over a map"),
        ("softmax(over=channels)", "a sum of exponentials"),
        ("scaled(1, shift=1e-6)", "the constant 1.0e-06"),
    ],
)
def test_what_an_operator_holds_inside_keeps_it_in_single_without_any_sample(
    step, reason, tmp_path
):
    graph = spec(f"input 4x6x6\nconv3-4(pad=1); {step}; conv3-2\n")
    written = compile_graph(graph, tmp_path / "net.onnx", replace(HALF, optimize=False))
    (island,) = written.precision.islands
    assert island.reason == reason
    assert written.precision.unmeasured


def test_what_onnx_has_not_in_half_stays_in_single(tmp_path):
    graph = spec("input 6xT\nadd { | identity | waves }\n")
    islands = compile_graph(graph, tmp_path / "net.onnx", HALF).precision.islands
    assert "ONNX has no Range in half" in {island.reason for island in islands}


def test_a_mean_of_many_values_stays_in_single_and_one_of_few_does_not(tmp_path):
    for size, kept in ((32, 0), (33, 1)):
        graph = spec(f"input 2x{size}x{size}\nrelu; gap; fc-2\n")
        written = compile_graph(graph, tmp_path / "net.onnx", HALF)
        assert len(written.precision.islands) == kept


def test_attention_is_in_half_precision_but_for_its_softmax(tmp_path):
    graph = spec("input 8x5\nattention(2)\n")
    (island,) = compile_graph(graph, tmp_path / "net.onnx", HALF).precision.islands
    assert island.operators == ("Softmax",)
    assert "(Softmax in it)" in str(island)


def test_a_mask_of_the_least_float_is_in_single_with_the_softmax_that_reads_it(tmp_path):
    graph = spec("input 8x5\nattention(2, causal=yes)\n")
    (island,) = compiled(graph, tmp_path / "net.onnx").precision.islands
    assert island.operators == ("Where", "Softmax")


def test_places_beyond_halfs_whole_numbers_stay_exact(tmp_path):
    graph = spec("input 1xT\nrelu as whole; maxpool(3); upsample(@whole)\n")
    values = np.arange(6000, dtype=np.float32).reshape(1, 1, -1) % 1999
    for name, options in (("plain", FileOptions()), ("half", HALF)):
        compile_graph(graph, tmp_path / f"{name}.onnx", options)
    found = [outputs(tmp_path / f"{name}.onnx", {"input": values}) for name in ("plain", "half")]
    assert np.array_equal(*found)


# --- islands that are asked for


STAGES = """block stage(n) { conv3-n(pad=1); relu }
net asked
input 3x8x8
stage(4) as body; stage(4) as tail
gap; fc-2 as scores
"""


@pytest.mark.parametrize(
    ("globs", "paths"),
    [
        (("scores",), ["scores"]),
        (("tail",), ["tail.conv1", "tail.relu1"]),
        (("tail.**", "scores"), ["tail.conv1", "tail.relu1", "scores"]),
        (("*.conv1",), ["body.conv1", "tail.conv1"]),
        (("**.relu*",), ["body.relu1", "tail.relu1"]),
    ],
)
def test_steps_and_blocks_can_be_kept_in_single_by_path(globs, paths, tmp_path):
    options = FileOptions(dtype="fp16", fp32=globs)
    written = compile_graph(spec(STAGES), tmp_path / "net.onnx", options)
    assert [island.path for island in written.precision.islands] == paths
    assert written.precision.islands[0].reason == f"asked for by `{globs[0]}`"


def test_a_path_that_names_nothing_is_refused_with_the_nearest(tmp_path):
    options = FileOptions(dtype="fp16", fp32=("tial",))
    with pytest.raises(NetspecError, match="did you mean `tail`") as caught:
        compile_graph(spec(STAGES), tmp_path / "net.onnx", options)
    assert caught.value.status == 2
    assert not list(tmp_path.iterdir())


# --- what the file holds


def test_weights_are_rounded_to_the_nearest_half(tmp_path):
    graph = spec("input 3x4x4\nconv1-4 as only\n")
    compile_graph(graph, tmp_path / "net.onnx", HALF, source=Seeded(3))
    stored = {
        t.name: numpy_helper.to_array(t) for t in onnx.load(tmp_path / "net.onnx").graph.initializer
    }
    for name, weight in named_weights(graph).items():
        exact = np.concatenate(list(Seeded(3).pieces(name, weight))).reshape(weight.shape)
        assert stored[name].dtype == np.float16
        assert np.array_equal(stored[name], exact.astype(np.float16))


def test_weights_in_a_data_file_take_half_the_bytes(tmp_path):
    graph = spec("input 3x4x4\nconv3-64(pad=1) as only\n")
    source = Seeded(1)
    inputs = sample_inputs(graph)
    found = []
    for limit in (0, 2**20):
        model, _ = halved(lower(prepared(graph)), source, HALF, {})
        data = write(model, tmp_path / f"{limit}.onnx", source, limit=limit)
        assert [path.stat().st_size for path in data] == ([2 * 64 * 28] if not limit else [])
        found.append(outputs(tmp_path / f"{limit}.onnx", inputs))
    assert np.array_equal(*found)


def test_a_weight_that_both_precisions_read_is_there_once(tmp_path):
    graph = spec("input 4x3x3\nconv1-4 as one; conv1-4(weights=@one) as two\n")
    options = FileOptions(dtype="fp16", fp32=("two",))
    compile_graph(graph, tmp_path / "half.onnx", options)
    compile_graph(graph, tmp_path / "plain.onnx")
    assert kinds(tmp_path / "half.onnx") == dict.fromkeys(
        ("one.weight", "one.bias"), TensorProto.FLOAT
    )
    inputs = sample_inputs(graph)
    exact = outputs(tmp_path / "plain.onnx", inputs)
    assert 0 < np.abs(outputs(tmp_path / "half.onnx", inputs) - exact).max() < 2.0**-9


def test_inputs_and_outputs_are_single_by_default_and_half_on_request(tmp_path):
    graph = spec("input 3x4x4\nconv1-4; softmax(over=channels)\n")
    inputs = sample_inputs(graph)
    found = []
    for io, dtype in (("fp32", np.float32), ("fp16", np.float16)):
        path = tmp_path / f"{io}.onnx"
        compile_graph(graph, path, FileOptions(dtype="fp16", io=io))
        session = Session(path)
        assert session.inputs[0].dtype == np.dtype(dtype).str
        for given in (np.float32, np.float16):
            found.append(session.run({"input": inputs["input"].astype(given)}).outputs["output"])
            assert found[-1].dtype == dtype
    assert np.abs(found[0] - found[-1]).max() < 2.0**-10


def test_an_output_in_half_that_cannot_hold_its_values_is_refused(tmp_path):
    graph = spec("input 3x6x6\nconv1-4 as first\n")
    options = FileOptions(dtype="fp16", io="fp16")
    with pytest.raises(NetspecError, match="output `output` reaches"):
        compiled(graph, tmp_path / "net.onnx", options, scaled(graph, first=2e5))
    compiled(graph, tmp_path / "net.onnx", HALF, scaled(graph, first=2e5))


def test_an_input_beyond_half_is_refused_and_not_made_infinite(tmp_path):
    graph = spec("input 3\nfc-2\n")
    compile_graph(graph, tmp_path / "net.onnx", FileOptions(dtype="fp16", io="fp16"))
    with pytest.raises(NetspecError, match=r"holds 1.0e\+05"):
        Session(tmp_path / "net.onnx").run({"input": np.full((1, 3), 1e5, np.float32)})


def test_ids_stay_integers(tmp_path):
    graph = spec("input 5 ids(100)\nembedding-8; flatten; fc-3\n")
    compile_graph(graph, tmp_path / "net.onnx", FileOptions(dtype="fp16", io="fp16"))
    assert Session(tmp_path / "net.onnx").inputs[0].dtype == "<i8"


def test_the_same_options_give_the_same_bytes(tmp_path):
    for name in "ab":
        compiled(spec(LARGE), tmp_path / f"{name}.onnx")
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_a_file_in_single_precision_is_not_touched(tmp_path):
    written = compiled(spec(LARGE), tmp_path / "net.onnx", FileOptions())
    assert written.precision is None
    assert set(kinds(tmp_path / "net.onnx").values()) <= {TensorProto.FLOAT, TensorProto.INT64}


def test_python_writes_half_precision_and_refuses_other_words(tmp_path):
    net = netspec.load(LARGE)
    path = net.to_onnx(tmp_path / "net.onnx", dtype="fp16", fp32=["last"])
    assert TensorProto.FLOAT16 in kinds(path).values()
    with pytest.raises(ValueError, match="dtype is fp32 or fp16"):
        net.to_onnx(tmp_path / "net.onnx", dtype="half")
    with pytest.raises(ValueError, match="need dtype='fp16'"):
        net.to_onnx(tmp_path / "net.onnx", io="fp16")


BARE = """
import sys
from pathlib import Path

sys.modules["onnxruntime"] = None
import netspec

from netspec.backends.onnx.compile import compile_graph
from netspec.backends.onnx.options import FileOptions
from netspec.backends.ranges import measuring
from netspec.verify.samples import noise

graph = netspec.load("conv3-4; lrn; fc-2", input="3x6x6").graph
options = FileOptions(dtype="fp16")
print(compile_graph(graph, Path(sys.argv[1]), options, measure=measuring(noise(graph))).precision.text())
"""


def test_without_onnx_runtime_rules_choose_and_the_report_says_so(tmp_path):
    run = [sys.executable, "-c", BARE, "net.onnx"]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    first, island, last = done.stdout.splitlines()
    assert first == "half precision: 1 of 3 steps stay in float32, in whole or in part"
    assert "a square" in island
    assert "no range of values was measured: running a model needs ONNX Runtime" in last


def test_what_reads_by_places_is_in_single_back_to_the_layer_that_makes_them():
    graph = spec("""net moved
input 3x8x8
conv3-4(pad=1) as map
conv3-18(pad=1) as moved
scaled(2)
add(@moved) as twice
@map; deformconv3-4(@twice, pad=1) as seen
gap; fc-2
""")
    _, precision = halved(lower(prepared(graph)), Seeded(0), HALF, {})
    kept = {island.path: island for island in precision.islands}
    assert {"moved", "scaled1", "twice", "seen"} == kept.keys()
    assert kept["twice"].reason == "places follow from it"
    # What the taps see is multiplied in half.
    assert "Conv" not in kept["seen"].operators
    assert "Floor" in kept["seen"].operators
