"""What is written for a reader of ONNX files: opset, spelling, and what is refused at its step."""

from __future__ import annotations

import re

import numpy as np
import onnx
import pytest
from support.differential import (
    Net,
    Varied,
    assert_agree,
    inputs_for,
    legal,
    onnx_model,
    session,
    snippet,
)
from support.places import DOCS

from netspec import load
from netspec.backends.onnx.compile import compile_graph
from netspec.backends.onnx.lowering import lower
from netspec.backends.onnx.options import FileOptions
from netspec.backends.onnx.targets import EVERY, OPSETS, TARGETS, ir_version, target_named
from netspec.diagnostics.raised import NetspecError
from netspec.weights.sources import Seeded

CEIL = [
    "maxpool3/2(ceil=yes)",
    "maxpool2/2(pad=1, ceil=yes)",
    "maxpool2/3(ceil=yes)",
    "maxpool3/4(pad=(0, 1), ceil=yes)",
    "maxpool3/2(dilation=2, pad=1, ceil=yes)",
    "avgpool3/2(ceil=yes)",
    "avgpool3/2(pad=1, ceil=yes)",
    "avgpool3/2(pad=1, ceil=yes, count_pad=no)",
    "avgpool2/2(pad=1, ceil=yes)",
    "avgpool2/3(ceil=yes)",
    "avgpool3/2(pad=(2, 0), ceil=yes)",
    "lppool3/2(pad=1, ceil=yes)",
    "lppool2/3(ceil=yes, p=3)",
]


def kinds(declared: str, step: str, target: str, opset: int | None = None) -> list[str]:
    proto = onnx_model(snippet(declared, step), Varied(), opset, TARGETS[target])
    return [node.op_type for node in proto.graph.node]


def refusals(declared: str, step: str, target: str | None, opset: int | None = None) -> str:
    with pytest.raises(NetspecError) as caught:
        lower(snippet(declared, step), opset=opset, target=target_named(target))
    return str(caught.value)


# --- windows that round up


@pytest.mark.parametrize("step", CEIL)
@pytest.mark.parametrize("declared", ["2x7x8", "2x10x9", "2xHxW"])
def test_windows_that_round_up_are_written_as_padding_and_run_alike(declared, step):
    graph = snippet(declared, step)
    net = Net(graph, opsets=(13, 22))
    for proto in (onnx_model(graph, Varied(), opset) for opset in (13, 22)):
        assert "ceil_mode" not in {a.name for node in proto.graph.node for a in node.attribute}
    sizes = [{"H": h, "W": w} for h, w in ((7, 8), (8, 9), (9, 10), (10, 11), (5, 6))]
    for each in sizes if graph.symbols else [{}]:
        for ran in net.runs(inputs_for(graph, 2, each)):
            assert [found.shape for found in ran.onnx] == [found.shape for found in ran.exact]
            assert_agree(ran)


def test_indices_of_windows_that_round_up_far_are_those_of_pytorch():
    graph = snippet("2x10x10", "maxpool2/4(dilation=4, ceil=yes) as p; unpool(@p)")
    for ran in Net(graph, opsets=(13, 22)).runs(inputs_for(graph, 2, {})):
        assert_agree(ran)


def test_a_border_of_zeros_is_not_merged_into_the_pooling_behind_it_at_any_opset():
    graph = snippet("1x4x4", "pad(1); maxpool3/1")
    for ran in Net(graph, opsets=(13, 17, 22)).runs([-np.ones((1, 1, 4, 4), np.float32)]):
        assert ran.onnx[0].max() == 0
        assert_agree(ran)


# --- spellings


@pytest.mark.parametrize(
    "step", ["shuffle(2)", "attention(2, causal=yes)", "maxpool2(pad=2, dilation=3)"]
)
def test_no_file_holds_a_number_that_is_not_finite(step):
    proto = onnx_model(snippet("4x9", step), Varied())
    for tensor in proto.graph.initializer:
        assert np.isfinite(onnx.numpy_helper.to_array(tensor)).all()


def test_a_causal_mask_replaces_scores_of_any_size():
    graph = snippet("4x6", "attention(2, causal=yes)")
    for ran in Net(graph, opsets=(13,)).runs([1000 * inputs_for(graph, 2, {})[0]]):
        assert_agree(ran)


def test_a_channel_shuffle_gathers_nothing():
    assert kinds("6x4x5", "shuffle(3)", "ort") == ["Reshape", "Transpose", "Reshape"]


@pytest.mark.parametrize(
    ("declared", "step", "late", "since"),
    [
        ("3x4", "gelu", "Gelu", 20),
        ("3x4", "gelu(tanh)", "Gelu", 20),
        ("3x4", "mish", "Mish", 18),
        ("3x4", "hardswish", "HardSwish", 14),
        ("6x4", "layernorm", "LayerNormalization", 17),
        ("2x9x8", "upsample(size=4x5, mode=bilinear, antialias=yes)", "Resize", 18),
    ],
)
def test_an_operator_is_written_from_the_opset_that_brought_it_and_written_out_before(
    declared, step, late, since
):
    assert late in kinds(declared, step, "ort", since)
    assert late not in kinds(declared, step, "ort", since - 1)
    graph = snippet(declared, step)
    for ran in Net(graph, opsets=(since - 1, since)).runs(inputs_for(graph, 2, {})):
        assert_agree(ran)


@pytest.mark.parametrize("target", TARGETS)
def test_what_a_reader_lacks_and_can_be_written_out_is(target):
    # ONNX Runtime computes the same from each reader's spelling.
    for declared, step in [
        ("3x8", "gelu(tanh)"),
        ("600x9", "lrn(4)"),
        ("3x4x5", "prelu; prelu(per=layer)"),
        ("5x12", "gmp; affine"),
        ("5x12", "gap(keep=yes); affine"),
        ("12", "rbf-5; bn"),
    ]:
        graph = snippet(declared, step)
        (array,) = inputs_for(graph, 2, {})
        found = session(onnx_model(graph, Varied(), None, TARGETS[target])).run(
            None, {"input": array}
        )
        exact = Net(graph).run([array]).exact[0]
        np.testing.assert_allclose(found[0], exact, rtol=1e-5, atol=1e-6)


# --- targets


@pytest.mark.parametrize("target", TARGETS.values(), ids=lambda target: target.name)
def test_a_target_is_written_for_an_opset_that_it_reads(target):
    assert OPSETS.start <= target.opset <= target.newest < OPSETS.stop
    model = lower(snippet("3x8x8", "conv3-4; relu"), target=target).head
    assert model.opset_import[0].version == target.opset
    assert model.ir_version == ir_version(target.opset)


def test_the_page_has_a_row_for_every_target_and_its_opsets():
    page = (DOCS / "deploy.md").read_text()
    rows = re.findall(r"^\| `([a-z0-9.]+)` \| [^|]+ \| (\d+) \| 13 to (\d+) \|", page, re.M)
    expected = [(t.name, str(t.opset), str(t.newest)) for t in TARGETS.values()]
    assert rows == expected
    for target in TARGETS.values():
        for feature in target.lacks:
            assert f"{feature}" in page, f"{target.name}: {feature}"


def test_a_file_says_for_whom_it_was_written_and_is_verified_as_that(tmp_path):
    from netspec.verify import verify_file

    graph = load("conv3-4(pad=same); gelu; lppool2; fc-5", input="3x8x8").graph
    for name, opset in (("onnx2torch", 13), ("ort", 22), (None, 14)):
        path = tmp_path / f"{name}.onnx"
        written = compile_graph(graph, path, FileOptions(target=name, opset=opset))
        assert (written.opset, written.ir_version) == (opset, ir_version(opset))
        about = {item.key: item.value for item in onnx.load(path).metadata_props}
        assert about.get("netspec.target") == name
        report = verify_file(graph, path, weights=Seeded())
        assert report.agrees


def test_every_step_that_a_reader_cannot_take_is_refused_at_its_line():
    text = "maxpool2 as p\nunpool(@p)\nupsample(2, mode=bicubic)\nmaxpool3/1(dilation=2)"
    said = refusals("2x12x12", text, "tensorrt10")
    assert said.count("error[NS614]") == 3
    assert "TensorRT 10 does not take MaxPool with indices" in said
    assert [int(line) for line in re.findall(r"<step>:(\d+):", said)] == [2, 4, 5]


def test_a_step_that_has_no_older_spelling_names_the_opset_and_raises_the_default():
    step = "upsample(2, mode=bilinear, antialias=yes)"
    said = refusals("2xHxW", step, None, 17)
    assert "NS613" in said
    assert "Resize with antialias came with opset 18, and opset 17 is written" in said
    assert "<step>:2:1" in said
    assert lower(snippet("2xHxW", step)).head.opset_import[0].version == 18
    assert "NS613" in refusals("2xHxW", step, "tensorrt8")


def test_an_opset_out_of_range_says_what_the_net_needs_and_which_step_does():
    said = refusals("2xHxW", "upsample(2, mode=bilinear, antialias=yes)", None, 9)
    assert "opset 9 is not supported: netspec writes 13 to 26" in said
    assert "this net can be written for opset 18" in said
    assert "<step>:2:1" in said
    assert "for opset 13" in refusals("3x4", "relu", None, 12)
    assert "TensorRT 8.6 reads 13 to 17" in refusals("3x4", "relu", "tensorrt8", 18)


def test_an_unknown_reader_is_refused_with_the_known_ones(tmp_path):
    with pytest.raises(NetspecError, match=r"NS615.*no reader is called `trt`") as caught:
        load("input 3\nrelu").to_onnx(tmp_path / "m.onnx", target="trt")
    assert "tensorrt10" in str(caught.value)
    assert not (tmp_path / "m.onnx").exists()


def test_a_size_that_is_read_and_not_checked_leaves_no_constant_behind():
    graph = snippet("2xHx9", "adaptive_avgpool(1x2)")
    onnx_model(graph, Varied(), 13)
    assert legal(graph)
    assert EVERY.lacks == {}
