"""A spec beside an ONNX file: what files leave out is no difference, what was edited is found at its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import netspec
from netspec.importing import imported
from netspec.importing.beside import differing

NET = """\
input 3x16x16
default conv(pad=same, bias=no, norm=bn, act=relu)
block unit(n, s=1) { residual { conv3-n/s; conv3-n(act=none) }; relu }
conv3-8
unit(8); unit(16, 2)
head aux(loss=0.3) { gap; fc-10 }
dropout(0.5); gap; fc-10; softmax
"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "net.ns"
    path.write_text(NET)
    return path


@pytest.fixture
def file(spec: Path) -> Path:
    path = spec.with_suffix(".onnx")
    netspec.load(spec).to_onnx(path)
    return path


def test_a_spec_is_no_other_net_than_its_file(spec: Path, file: Path) -> None:
    for pair in ((spec, file), (file, spec)):
        found = netspec.diff(*pair)
        assert not found
        assert found.note == (
            f"{spec.as_posix()} is compared as it is deployed, with layers folded into each other"
        )
        assert str(found).split("\n")[1] == f"({found.note})"
        assert found.as_json()["note"] == found.note


def test_norms_that_a_file_has_are_not_folded_in_the_spec(spec: Path) -> None:
    text = NET.replace("conv3-8\n", "conv3-8(norm=none, bias=yes); relu; bn\n")
    spec.write_text(
        text.replace(", norm=bn", "").replace("head aux(loss=0.3) { gap; fc-10 }\n", "")
    )
    path = spec.with_suffix(".onnx")
    netspec.load(spec).to_onnx(path, optimize=False)
    found = netspec.diff(spec, path)
    assert not found
    assert found.note.endswith("is compared as it is deployed")


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("unit(16, 2)", "unit(24, 2)", 5),
        ("fc-10; softmax", "fc-20; softmax", 7),
        ("unit(8);", "unit(8); maxpool2;", 5),
    ],
)
def test_an_edited_spec_differs_from_the_file_at_the_line(
    old: str, new: str, line: int, spec: Path, file: Path
) -> None:
    spec.write_text(NET.replace(old, new))
    found = netspec.diff(file, spec)
    told = [change.place.line for change in found.changes if change.place.source.path == str(spec)]
    assert told == [line]
    assert len(found.changes) == 1


def test_what_a_block_of_another_name_is_told_is_found_at_its_line(spec: Path, file: Path) -> None:
    # The file's text calls the shipped `basic` what the spec calls `unit`.
    spec.write_text(NET.replace("conv3-n/s;", "conv5-n/s;"))
    changes = netspec.diff(file, spec).changes
    (change,) = [change for change in changes if change.place.line == 3]
    assert (change.after, change.effects) == ("conv5-n/s", ("kernel 3 → 5",))


def test_a_step_that_only_the_file_has_is_told_in_its_text(spec: Path, file: Path) -> None:
    spec.write_text(NET.replace("; softmax", ""))
    assert [change.before for change in netspec.diff(file, spec).changes] == ["softmax"]


def test_what_only_trains_is_told_between_specs(spec: Path) -> None:
    other = spec.with_name("other.ns")
    other.write_text(NET.replace("dropout(0.5); ", ""))
    found = netspec.diff(spec, other)
    assert [change.before for change in found.changes] == ["dropout(0.5)"]
    assert found.note == ""


def test_two_files_are_compared_as_they_are(file: Path) -> None:
    assert not differing(file, file)


# --- the file that is written of a spec


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that are read as specs while it is there."""
    found: list[Path] = []
    plain = imported.import_file

    def reading(path: Path) -> imported.Imported:
        found.append(path)
        return plain(path)

    monkeypatch.setattr(imported, "import_file", reading)
    return found


# What is read of their files says otherwise what they compute.
OTHERWISE = {
    "fixed": "input 1x9x9\ndwconv(fixed=[[0, 1, 0], [1, -4, 1], [0, 1, 0]], bias=no)\n",
    "table": "input 3x9x9\ntableconv5(table=[[0, 1], [1, 2], [0, 1, 2]])\n",
    "shaped": "input 8x4x4\nreshape((2, 4, -1)); transpose((0, 2, 1)); gap\n",
    "loop": "input x: 8x10; gap; fc-5 as h\n"
    "for x_t in @x { { | @x_t | identity }; concat; fc-5(act=tanh) } as last\n",
    "open": "input 3xHxW\nconcat { | identity | maxpool2; deconv2-3/2 }\nconv3-8\n",
}


@pytest.mark.parametrize("options", [{}, {"optimize": False}, {"blocks": True}, {"opset": 21}])
@pytest.mark.parametrize("text", [NET, *OTHERWISE.values()], ids=["net", *OTHERWISE])
def test_a_file_that_is_written_of_a_spec_is_not_read(
    text: str, options: dict[str, Any], tmp_path: Path, read: list[Path]
) -> None:
    spec, file = tmp_path / "net.ns", tmp_path / "net.onnx"
    spec.write_text(text)
    netspec.load(spec).to_onnx(file, seed=3, **options)
    for pair in ((spec, file), (file, spec)):
        found = netspec.diff(*pair)
        assert not found
        assert (found.tensors.verdict, found.shapes) == ("load", ())
    assert read == []


def test_weights_of_a_spec_whose_steps_were_renamed_are_called_as_in_its_file(
    spec: Path, file: Path
) -> None:
    spec.write_text(NET.replace("conv3-8\n", "conv3-8 as conv9\n").replace("unit", "part"))
    ahead, back = netspec.diff(file, spec), netspec.diff(spec, file)
    assert not ahead
    assert ahead.tensors.verdict == "rename"
    assert ("conv1.weight", "conv9.weight") in ahead.tensors.renamed
    assert "fc1.weight" in ahead.tensors.same
    assert {(new, old) for old, new in ahead.tensors.renamed} == {*back.tensors.renamed}


def test_names_of_a_file_that_other_layers_have_in_the_spec_are_told(tmp_path: Path) -> None:
    spec, file = tmp_path / "net.ns", tmp_path / "net.onnx"
    spec.write_text("input 4x8x8\nconv1-4 as one; relu; conv1-4 as two; relu; conv3-4 as three\n")
    netspec.load(spec).to_onnx(file)
    spec.write_text("input 4x8x8\nconv1-4 as two; relu; conv1-4 as three; relu; conv3-4 as one\n")
    told = netspec.diff(file, spec).tensors
    assert {*told.misled} == {"two.weight", "two.bias", "three.bias", "one.bias"}


@pytest.mark.parametrize(
    ("text", "old", "new"),
    [
        (OTHERWISE["fixed"], "[[0, 1", "[[0, 2"),
        (OTHERWISE["table"], "[0, 1], [1, 2]", "[0, 2], [1, 2]"),
        (OTHERWISE["shaped"], "(0, 2, 1)", "(1, 0, 2)"),
        (OTHERWISE["loop"], "act=tanh", "act=sigmoid"),
        (OTHERWISE["open"], "maxpool2", "avgpool2"),
        (OTHERWISE["open"], "3xHxW", "3x16x16"),
        (OTHERWISE["open"], "conv3-8", "conv3-8 as other; output other"),
        (OTHERWISE["open"], "conv3-8", "conv3-8(dilation=2)"),
        (NET, "softmax", "softmax; relu"),
        (NET, "unit(8);", ""),
    ],
)
def test_a_file_that_is_written_of_another_net_is_read(
    text: str, old: str, new: str, tmp_path: Path, read: list[Path]
) -> None:
    spec, file = tmp_path / "net.ns", tmp_path / "net.onnx"
    spec.write_text(text)
    netspec.load(spec).to_onnx(file)
    assert old in text
    spec.write_text(text.replace(old, new, 1))
    assert netspec.diff(spec, file)
    assert read == [file]


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "lenet5",
        "squeezenet1_0",
        "mobilenet_v2",
        "mobilenet_v3_small",
        "resnet18",
        "densenet40_12",
        "deit_tiny_patch16_224",
        "repvgg_a0",
        "ghostnet",
        "yolov8n",
        "vae",
        "shufflenet_v2_x0_5",
    ],
)
def test_shipped_nets_are_no_others_than_their_files(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.onnx"
    netspec.load(name).to_onnx(path)
    assert not netspec.diff(name, path)
