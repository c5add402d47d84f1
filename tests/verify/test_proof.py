"""A verification finds planted mistakes and names the layer; it says so when it proves nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, NodeProto, numpy_helper

import netspec
from netspec.backends.onnx.compile import compile_graph
from netspec.backends.onnx.file import write
from netspec.backends.onnx.lowering import lower
from netspec.backends.onnx.options import FileOptions
from netspec.backends.runtime import Session
from netspec.diagnostics.raised import NetspecError
from netspec.graph.checked import Graph
from netspec.ops.declare.weight import Weight
from netspec.verify import embed, require_file, verify, verify_file
from netspec.verify.samples import sample_inputs
from netspec.verify.size import reduced
from netspec.verify.weights import fitted
from netspec.weights.sources import Seeded, WeightSource

Built = Callable[..., Graph]


def node_called(model: ModelProto, name: str) -> NodeProto:
    return next(node for node in model.graph.node if node.name == name)


def initializer(model: ModelProto, name: str) -> onnx.TensorProto:
    return next(tensor for tensor in model.graph.initializer if tensor.name == name)


def replace_numbers(tensor: onnx.TensorProto, change: Callable[[np.ndarray], np.ndarray]) -> None:
    values = change(numpy_helper.to_array(tensor))
    tensor.raw_data = np.ascontiguousarray(values, np.float32).tobytes()


def set_attribute(node: NodeProto, name: str, value: object) -> None:
    kept = [a for a in node.attribute if a.name != name]
    del node.attribute[:]
    node.attribute.extend([*kept, onnx.helper.make_attribute(name, value)])


def get_attribute(node: NodeProto, name: str) -> object:
    return next(onnx.helper.get_attribute_value(a) for a in node.attribute if a.name == name)


# --- mistakes


def negate(weight: str) -> Callable[[ModelProto], None]:
    return lambda model: replace_numbers(initializer(model, weight), np.negative)


def swap_padding(node: str) -> Callable[[ModelProto], None]:
    def change(model: ModelProto) -> None:
        proto = node_called(model, node)
        pads = list(get_attribute(proto, "pads"))
        half = len(pads) // 2
        set_attribute(proto, "pads", pads[half:] + pads[:half])

    return change


def weaken(node: str) -> Callable[[ModelProto], None]:
    """A fifth of the constants that a node multiplies by."""

    def change(model: ModelProto) -> None:
        replace_numbers(initializer(model, node_called(model, node).input[1]), lambda a: a / 5)

    return change


def attribute(node: str, name: str, value: object) -> Callable[[ModelProto], None]:
    return lambda model: set_attribute(node_called(model, node), name, value)


def reorder_inputs(node: str) -> Callable[[ModelProto], None]:
    def change(model: ModelProto) -> None:
        proto = node_called(model, node)
        names = list(proto.input)[::-1]
        del proto.input[:]
        proto.input.extend(names)

    return change


def swap_gates(weight: str, gates: int) -> Callable[[ModelProto], None]:
    """The first two gates exchanged, as when a library's order is taken for another's."""

    def swapped(values: np.ndarray) -> np.ndarray:
        parts = np.split(values, gates)
        return np.concatenate([parts[1], parts[0], *parts[2:]])

    return lambda model: replace_numbers(initializer(model, weight), swapped)


def zero(weight: str) -> Callable[[ModelProto], None]:
    return lambda model: replace_numbers(initializer(model, weight), np.zeros_like)


def other_operator(node: str, op_type: str) -> Callable[[ModelProto], None]:
    def change(model: ModelProto) -> None:
        node_called(model, node).op_type = op_type

    return change


@dataclass(frozen=True)
class Planted:
    """A net, a mistake in its ONNX file, the layer it is in, and that layer's line."""

    spec: str
    mistake: Callable[[ModelProto], None]
    layer: str
    line: int


RESIDUAL = """input 3x16x16
default conv(pad=same, bias=no, norm=bn, act=relu)
conv3-8
bottleneck(4)
bottleneck(4)
gap; fc-10; softmax
"""
INCEPTION = """input 3x18x18
conv3-8(act=relu)
maxpool3/2(ceil=yes)
inception(4, 4, 4, 2, 4, 4)
gap
fc-10
"""
STRIDED = """input 3x16x16
conv3-8/2(pad=((0, 1), (0, 1)), act=elu)
lrn(5, alpha=0.5)
avgpool3/2(pad=1)
prelu
conv1-6
fc-5
"""
RECURRENT = """input words: 7 ids(20)
embedding-6
lstm-5
gru-4(last=yes)
fc-3
"""
NORMED = """input 4x9x9
conv3-6(pad=1, act=elu)
bn(eps=0.001)
groupnorm(2)
conv3-6(dilation=2, act=leaky(0.2))
upsample(2)
fc-4
"""
CASES = {
    "a negated convolution": Planted(
        RESIDUAL, negate("bottleneck2.conv2.weight"), "bottleneck2.conv2", 5
    ),
    "a negated shortcut": Planted(
        RESIDUAL, negate("bottleneck1.shortcut.weight"), "bottleneck1.shortcut", 4
    ),
    "a wrong epsilon": Planted(RESIDUAL, attribute("bn1", "epsilon", 1e-3), "bn1", 3),
    "a lost bias": Planted(INCEPTION, zero("inception1.conv3.bias"), "inception1.conv3", 4),
    "floor for ceil": Planted(INCEPTION, attribute("maxpool1", "pads", [0] * 4), "maxpool1", 3),
    "a permuted concatenation": Planted(
        INCEPTION, reorder_inputs("inception1.concat1"), "inception1.concat1", 4
    ),
    "swapped padding": Planted(STRIDED, swap_padding("conv1"), "conv1", 2),
    "a wrong alpha": Planted(STRIDED, weaken("lrn1.conv2"), "lrn1", 3),
    "padding left out of a mean": Planted(
        STRIDED, attribute("avgpool1", "count_include_pad", 0), "avgpool1", 4
    ),
    "gates in another order": Planted(RECURRENT, swap_gates("lstm1.weight_ih_l0", 4), "lstm1", 3),
    "a reset before the matrix": Planted(RECURRENT, swap_gates("gru1.weight_hh_l0", 3), "gru1", 4),
    "a wrong activation": Planted(NORMED, other_operator("elu1", "Relu"), "elu1", 2),
    "a wrong slope": Planted(NORMED, attribute("leaky1", "alpha", 0.1), "leaky1", 5),
    "a wrong dilation": Planted(NORMED, attribute("conv2", "dilations", [1, 1]), "conv2", 5),
}


def emitted(graph: Graph, folder: Path) -> tuple[Path, WeightSource]:
    path, source = folder / "model.onnx", fitted(graph)
    write(lower(graph), path, source)
    return path, source


@pytest.mark.parametrize("name", CASES)
def test_a_planted_mistake_is_found_and_placed(name: str, net: Built, tmp_path: Path) -> None:
    planted = CASES[name]
    graph = net(planted.spec)
    path, source = emitted(graph, tmp_path)
    sound = verify_file(graph, path, weights=source)
    assert sound.agrees, sound.text()
    model = onnx.load(path)
    planted.mistake(model)
    path.write_bytes(model.SerializeToString())
    report = verify_file(graph, path, weights=source)
    assert not report.ok
    assert report.culprit is not None, report.text()
    assert report.culprit.layer == planted.layer
    assert report.culprit.place.startswith(f"<test>:{planted.line}:")


def test_a_refusal_shows_the_line_and_the_block_calls(net: Built, tmp_path: Path) -> None:
    graph = net(RESIDUAL)
    path, source = emitted(graph, tmp_path)
    model = onnx.load(path)
    negate("bottleneck2.conv2.weight")(model)
    path.write_bytes(model.SerializeToString())
    with pytest.raises(NetspecError) as caught:
        require_file(graph, path, weights=source)
    text = str(caught.value)
    assert "NS610" in text
    assert "bottleneck2.conv2" in text
    assert "in bottleneck(4) at <test>:5" in text


@pytest.mark.parametrize("spec", [RESIDUAL, INCEPTION, STRIDED, RECURRENT, NORMED])
def test_a_sound_net_is_verified_and_every_layer_matters(spec: str, net: Built) -> None:
    report = verify(net(spec))
    assert report.ok, report.text()
    assert {case.batch for case in report.cases} == {1, 3}
    assert len({case.seed for case in report.cases}) == 3
    assert min(response.response for response in report.responses) > 1e-3
    assert report.provider == "CPUExecutionProvider"


def test_a_net_of_given_kernels_alone_is_compared_in_double_precision(net: Built) -> None:
    laplace = "dwconv(fixed=[[0, 1, 0], [1, -4, 1], [0, 1, 0]], bias=no)"
    assert verify(net(f"{laplace}; relu", "3x8x8")).ok


def test_depth_does_not_silence_a_layer(net: Built) -> None:
    spec = "input 8x8x8\ndefault conv(pad=same, act=relu)\nconv3-8 x40\ngap; fc-4\n"
    report = verify(net(spec))
    assert report.ok, report.text()
    assert all(0.1 < case.scale < 100 for case in report.cases)


def test_outputs_that_do_not_respond_fail_the_verification(net: Built) -> None:
    graph = net("input 3x8x8\nconv3-4\nrelu\nfc-4")

    class Dead:
        """Biases so low that nothing passes the ReLU: the net is constant."""

        def pieces(self, name: str, weight: Weight) -> Iterator[np.ndarray]:
            for piece in Seeded(0).pieces(name, weight):
                yield piece - 1e6 if name == "conv1.bias" else piece

    report = verify(graph, weights=Dead())
    assert report.agrees
    assert "conv1" in report.vacuous
    assert not report.ok
    with pytest.raises(NetspecError, match="NS611"):
        report.require()


def test_a_file_whose_own_weights_prove_nothing_is_verified_with_seeded_ones(
    net: Built, tmp_path: Path
) -> None:
    graph = net("conv3-4(bias_init=constant(-1000000)); relu; fc-4")
    path = tmp_path / "model.onnx"
    write(lower(graph), path, Seeded(0))
    report = require_file(graph, path, weights=Seeded(0))
    assert report.ok
    assert report.weights.startswith("seeded")


def test_a_device_that_is_not_there_is_an_error(net: Built) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        try:
            report = verify(net(NORMED), device="cuda")
        except NetspecError as error:
            assert error.status == 4
        else:
            assert report.provider == "CUDAExecutionProvider"
        return
    with pytest.raises(NetspecError, match="NS602"):
        verify(net(NORMED), device="cuda")


def test_the_report_travels_as_json_and_in_the_file(net: Built, tmp_path: Path) -> None:
    graph = net(INCEPTION)
    path, source = emitted(graph, tmp_path)
    report = require_file(graph, path, weights=source)
    plain = json.loads(json.dumps(report.as_json()))
    assert plain["ok"] is True
    assert plain["format_version"] == 1
    assert {"torch", "onnx", "numpy", "netspec"} <= plain["versions"].keys()
    inputs = sample_inputs(graph, batch=2)
    before = Session(path).run(inputs).outputs["output"]
    embed(report, path)
    said = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    assert said["netspec.verified"] == "yes"
    assert float(said["netspec.verified_error"]) <= float(said["netspec.verified_allowed"])
    assert np.array_equal(Session(path).run(inputs).outputs["output"], before)


def test_the_same_seed_verifies_with_the_same_numbers(net: Built) -> None:
    first, second = verify(net(NORMED), seed=3), verify(net(NORMED), seed=3)
    assert [c.scale for c in first.cases] == [c.scale for c in second.cases]
    assert first.cases != verify(net(NORMED), seed=4).cases


# --- nets that rounding upsets


class Doubling:
    """Weights of x -> 1 - 2x², which doubles every difference."""

    def pieces(self, name: str, weight: Weight) -> Iterator[np.ndarray]:
        yield np.full(weight.size, -2.0 if name.endswith("weight") else 1.0, np.float32)


CHAOS = "input 1\ntanh\n" + "square; fc-1\n" * 40


def test_a_net_that_rounding_upsets_is_compared_layer_by_layer(net: Built) -> None:
    report = verify(net(CHAOS), weights=Doubling())
    assert report.ok, report.text()
    assert all(case.by_layer and case.allowed < 1e-3 for case in report.cases)
    assert "layer by layer" in report.text()


def test_a_mistake_in_a_net_that_rounding_upsets_is_found(net: Built, tmp_path: Path) -> None:
    graph, path = net(CHAOS), tmp_path / "model.onnx"
    write(lower(graph), path, Doubling())
    model = onnx.load(path)
    replace_numbers(initializer(model, "fc20.bias"), lambda bias: bias * 0.99)
    path.write_bytes(model.SerializeToString())
    report = verify_file(graph, path, weights=Doubling())
    assert not report.ok
    assert report.culprit is not None
    assert report.culprit.layer == "fc20"


def test_places_of_maxima_are_counted_as_in_the_file(net: Built) -> None:
    chaos = "square; fc-1\n" * 40
    text = (
        "input 2x8x8\nconv3-3(pad=1); maxpool2 as pool\nconv3-3(pad=1); unpool(@pool)\nfc-1; tanh"
    )
    graph = net(f"{text}\n{chaos}")

    class Mixed:
        """Doubling in the vectors' layers, drawn weights before them."""

        def pieces(self, name: str, weight: Weight) -> Iterator[np.ndarray]:
            first = name.startswith("conv") or name.startswith("fc1.")
            yield from (Seeded(0) if first else Doubling()).pieces(name, weight)

    report = verify(graph, weights=Mixed())
    assert report.ok, report.text()
    assert all(case.by_layer for case in report.cases)


def test_a_mistake_behind_places_of_maxima_is_placed(net: Built, tmp_path: Path) -> None:
    text = "input 2x8x8\nconv3-3(pad=1); maxpool2 as pool\nconv3-3(pad=1); unpool(@pool)\nfc-2"
    graph = net(text)
    path, source = emitted(graph, tmp_path)
    model = onnx.load(path)
    negate("fc1.weight")(model)
    path.write_bytes(model.SerializeToString())
    report = verify_file(graph, path, weights=source)
    assert report.culprit is not None
    assert report.culprit.layer == "fc1"


def test_a_layer_that_rounding_upsets_by_itself_is_not_proven(net: Built) -> None:
    class Huge:
        """Weights under which a recurrent layer doubles every difference at each step."""

        def pieces(self, name: str, weight: Weight) -> Iterator[np.ndarray]:
            for piece in Seeded(0).pieces(name, weight):
                yield piece * (4 if "weight_hh" in name else 0.1)

    report = verify(net("input 4x300\nrnn-64(last=yes)"), weights=Huge())
    assert report.unsteady == ("output",)
    assert not report.ok
    assert "rounding alone moves output too far" in report.text()
    with pytest.raises(NetspecError, match="NS612"):
        report.require()


# --- large nets


def test_a_large_net_is_verified_at_its_smallest_legal_input_and_the_report_says_so(
    net: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = net("input 1x100x120\nconv3-2; maxpool2; conv3-2; deconv2-2/2")
    assert not verify(graph).reduced
    monkeypatch.setattr("netspec.verify.size.LARGE", 1)
    report = verify(graph)
    assert report.ok, report.text()
    assert report.reduced == "1x64x64 instead of 1x100x120"
    assert report.reduced in report.text()
    assert report.as_json()["reduced"] == report.reduced
    assert report.metadata()["netspec.verified_input"] == report.reduced
    assert not verify(graph, full_size=True).reduced


def test_the_size_stays_where_weights_depend_on_it(
    net: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("netspec.verify.size.LARGE", 1)
    assert reduced(net("input 1x100x100\nconv3-2; fc-2")) is None
    assert reduced(net("input 7\nfc-2")) is None
    assert reduced(net("input 1x40x40\nconv3-2; gap")) is None


def test_large_shipped_nets_have_a_smaller_input() -> None:
    found = reduced(netspec.load("unet").graph)
    assert found is not None
    assert found.change == "1x188x188 instead of 1x572x572"


def test_stages_and_layers_are_told(net: Built) -> None:
    told = []
    verify(net("input 5\nfc-3; relu; fc-2"), progress=lambda *what: told.append(what))
    assert ("fitting weights", "fc1") in told
    assert ("run 3 of 3: PyTorch", "relu1") in told
    assert told[-1] == ("changing layers", "fc2")


PIXELS = (
    "preprocess channels=bgr, range=(0, 255), mean=(104, 117, 123), std=(57, 58, 59)\n"
    "input 3x8x8\nconv3-4(norm=bn, act=relu) as first; dropout as dropped\n"
    "head aux { gap; fc-2 as hint }\nmaxpool2 as low; gap; fc-3; softmax\n"
)


@pytest.mark.parametrize("change", [None, "first.weight", "input/scale", "fc1.weight"])
def test_a_file_of_pixels_and_taps_is_compared_as_it_is(change: str | None, tmp_path: Path) -> None:
    graph, path = netspec.load(PIXELS).graph, tmp_path / "net.onnx"
    options = FileOptions(
        logits=True, preprocess=True, taps=("first", "dropped", "aux.hint", "low")
    )
    source = fitted(graph, 0)
    compile_graph(graph, path, options, source=source)
    if change is not None:
        model = onnx.load(path)
        replace_numbers(initializer(model, change), lambda values: values * 1.01)
        onnx.save(model, path)
    report = verify_file(graph, path, weights=source, options=options)
    assert {case.output for case in report.cases} == {"output", *options.taps}
    wrong = {case.output for case in report.cases if not case.ok}
    if change is None:
        assert not wrong
    else:
        assert wrong == ({"output"} if change == "fc1.weight" else {"output", *options.taps})
        assert report.culprit is not None
        assert report.culprit.layer == ("fc1" if change == "fc1.weight" else "first")
