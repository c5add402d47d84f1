"""A spec beside an ONNX file: what files leave out is no difference, what was edited is found at its line."""

from __future__ import annotations

from pathlib import Path

import pytest

import netspec
from netspec.importing.beside import differing
from netspec.importing.imported import import_file

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
    graph = import_file(file).graph
    assert not differing(graph, graph, (True, True))


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
