"""A package holds what it says, appears whole or not at all, and is the same bytes each time."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

import netspec
from netspec.diagnostics.messages.files import CannotWrite, Overwrites
from netspec.diagnostics.messages.packages import CannotPackage
from netspec.diagnostics.raised import NetspecError
from netspec.graph.checked import Graph
from netspec.packaging.check import check_package
from netspec.packaging.package import package
from netspec.packaging.sums import write_sums
from netspec.weights.sources import Seeded

from .conftest import contents, request

FILES = """README.md SHA256SUMS config.json model.safetensors net.svg onnx/MLmodel onnx/conda.yaml
onnx/model.onnx onnx/model_fp16.onnx onnx/model_int8.onnx onnx/python_env.yaml onnx/requirements.txt parts.ns
preprocessor_config.json small.ns verification.json""".split()


def write(graph: Graph, folder: Path, source: Any = None, **changes: Any) -> tuple[str, ...]:
    return package(graph, folder, source or Seeded(0), request(graph, **changes))


def test_it_holds_these_files_and_names_them(written: Path) -> None:
    assert sorted(contents(written)) == sorted(FILES)
    card = (written / "README.md").read_text()
    assert all(f"[{name}]({name})" in card for name in FILES if name != "README.md")


def test_the_same_call_gives_the_same_bytes(graph: Graph, written: Path, tmp_path: Path) -> None:
    write(graph, tmp_path / "small", verify=True, license="mit")
    assert contents(tmp_path / "small") == contents(written)


def test_what_its_report_says_is_proven_again(written: Path) -> None:
    found = check_package(written, prove=True)
    assert sorted(found.reports) == ["onnx/model.onnx", "onnx/model_fp16.onnx"]
    assert found.ok
    assert found.reports["onnx/model_fp16.onnx"].dtype == "fp16"


def test_weights_of_another_net_are_not_proven(graph: Graph, copied: Path) -> None:
    """The digests agree, for whoever changed a file wrote them anew; the numbers do not."""
    from netspec.packaging.state import write_state

    write_state(graph, Seeded(1), copied / "model.safetensors")
    write_sums(copied)
    assert check_package(copied).ok
    with pytest.raises(NetspecError):
        check_package(copied, prove=True)


class _Breaking:
    """Weights whose disk fails after some tensors."""

    def __init__(self, good: int) -> None:
        self.left = good

    def pieces(self, name: str, weight: Any) -> Any:
        self.left -= 1
        if self.left < 0:
            raise OSError(5, "Input/output error", "weights.bin")
        return Seeded(0).pieces(name, weight)


@pytest.mark.parametrize("good", [0, 3, 7, 12])
def test_what_fails_on_the_way_leaves_nothing(graph: Graph, tmp_path: Path, good: int) -> None:
    with pytest.raises(OSError, match="Input/output"):
        write(graph, tmp_path / "small", _Breaking(good), quantize=None)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_computes_otherwise_is_not_packaged(
    graph: Graph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from netspec.verify import proof

    def other(*args: Any, **options: Any) -> Any:
        options["weights"] = Seeded(1)
        return verify_file(*args, **options)

    verify_file = proof.verify_file
    monkeypatch.setattr(proof, "verify_file", other)
    with pytest.raises(NetspecError) as caught:
        write(graph, tmp_path / "small", verify=True)
    assert "NS610" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_package_gives_way_to_a_new_one(graph: Graph, copied: Path) -> None:
    before = contents(copied)
    write(graph, copied, Seeded(1), dtypes=("fp32",), quantize=None)
    after = contents(copied)
    assert "onnx/model_int8.onnx" not in after
    assert after["model.safetensors"] != before["model.safetensors"]
    assert [path.name for path in copied.parent.iterdir()] == ["small"]
    assert check_package(copied).ok


def _refused(graph: Graph, folder: Path, **options: Any) -> object:
    before = contents(folder) if folder.is_dir() else None
    with pytest.raises(NetspecError) as caught:
        package(graph, folder, Seeded(0), request(graph, quantize=None), **options)
    if before is not None:
        assert contents(folder) == before
    assert not [path for path in folder.parent.iterdir() if path.name.startswith(".ns-")]
    return caught.value.diagnostics[0].problem


def test_nothing_else_gives_way(graph: Graph, copied: Path, tmp_path: Path) -> None:
    (copied / "README.md").write_text("What I wrote myself.")
    problem = _refused(graph, copied)
    assert isinstance(problem, CannotWrite)
    assert "`README.md` was changed" in str(problem)
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.tex").write_text("x")
    assert "it has no SHA256SUMS" in str(_refused(graph, foreign))
    assert "it is no folder" in str(_refused(graph, foreign / "thesis.tex"))
    link = tmp_path / "link"
    link.symlink_to(foreign)
    assert "it is a link" in str(_refused(graph, link))
    empty = tmp_path / "empty"
    empty.mkdir()
    write(graph, empty, quantize=None, dtypes=("fp32",))
    assert check_package(empty).ok


def test_no_file_that_was_read_is_lost(graph: Graph, copied: Path) -> None:
    problem = _refused(graph, copied, keep=[copied / "model.safetensors"])
    assert isinstance(problem, Overwrites)


def test_a_folder_that_comes_in_between_is_not_replaced(graph: Graph, tmp_path: Path) -> None:
    place = tmp_path / "small"

    def come(stage: str) -> None:
        if stage == "writing weights":
            place.mkdir()
            (place / "mine").write_text("x")

    with pytest.raises(NetspecError):
        package(graph, place, Seeded(0), request(graph, quantize=None), progress=come)
    assert contents(place) == {"mine": b"x"}


def test_a_folder_that_cannot_be_written_is_said(graph: Graph, tmp_path: Path) -> None:
    assert isinstance(_refused_in(graph, tmp_path / "none" / "small"), CannotWrite)
    closed = tmp_path / "closed"
    closed.mkdir(0o500)
    if not os.access(closed, os.W_OK):
        assert isinstance(_refused_in(graph, closed / "small"), CannotWrite)


def _refused_in(graph: Graph, folder: Path) -> object:
    with pytest.raises(NetspecError) as caught:
        write(graph, folder, quantize=None)
    problem = caught.value.diagnostics[0].problem
    assert ".ns-" not in str(problem)
    return problem


def test_labels_have_to_be_those_of_its_classes(graph: Graph, tmp_path: Path) -> None:
    for labels, said in (
        (("a", "b"), "it tells 5 classes apart, and there are 2 labels"),
        (("a", "b", "c", "a", "e"), "two classes are called a"),
    ):
        with pytest.raises(NetspecError) as caught:
            write(graph, tmp_path / "small", labels=labels)
        assert isinstance(caught.value.diagnostics[0].problem, CannotPackage)
        assert said in str(caught.value)
    write(graph, tmp_path / "small", labels=tuple("abcde"), dtypes=("fp32",), quantize=None)
    told = json.loads((tmp_path / "small" / "config.json").read_text())
    assert told["id2label"] == {"0": "a", "1": "b", "2": "c", "3": "d", "4": "e"}
    assert told["label2id"]["e"] == 4


@pytest.mark.parametrize(("classes", "named"), [(10, True), (11, False)])
def test_classes_of_a_known_dataset_need_no_labels(
    classes: int, named: bool, tmp_path: Path
) -> None:
    net = netspec.load(f'net digits\ndataset "MNIST"\ninput 1x4x4\nfc-{classes}; softmax')
    write(net.graph, tmp_path / "digits", dtypes=("fp32",), quantize=None)
    told = json.loads((tmp_path / "digits" / "config.json").read_text())
    assert (told.get("id2label") == {str(digit): str(digit) for digit in range(10)}) is named


def test_half_precision_alone_is_what_mlflow_takes(graph: Graph, tmp_path: Path) -> None:
    write(graph, tmp_path / "small", dtypes=("fp16",), quantize=None, verify=True)
    assert 'data: "model_fp16.onnx"' in (tmp_path / "small" / "onnx" / "MLmodel").read_text()
    assert not (tmp_path / "small" / "onnx" / "model.onnx").exists()


def test_a_draft_that_a_killed_run_left_goes_after_an_hour(graph: Graph, tmp_path: Path) -> None:
    left = tmp_path / ".ns-0123456789abcdef.tmp"
    (left / "small").mkdir(parents=True)
    (left / "small" / "x").write_text("x")
    write(graph, tmp_path / "small", dtypes=("fp32",), quantize=None)
    assert left.exists()
    os.utime(left, (0, 0))
    write(graph, tmp_path / "small", dtypes=("fp32",), quantize=None)
    assert not left.exists()
    shutil.rmtree(tmp_path / "small")


# --- packages of others: their digests agree, and they say what they like


def _resaid(folder: Path, name: str, change: Any) -> None:
    path = folder / name
    said = json.loads(path.read_text())
    change(said)
    path.write_text(json.dumps(said))
    write_sums(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda said: said.clear(),
        lambda said: said["netspec"].update(spec="../outside.ns"),
        lambda said: said["netspec"].update(spec="/etc/passwd"),
        lambda said: said["netspec"].update(spec=7),
        lambda said: said["netspec"].update(spec="parts.ns"),
        lambda said: said["netspec"].update(models={"fp32": "../outside.onnx"}),
        lambda said: said["netspec"].update(models={"fp8": "onnx/model.onnx"}),
        lambda said: said["netspec"].update(models={"fp32": "onnx/model_int8.onnx"}),
        lambda said: said["netspec"].update(models=["onnx/model.onnx"]),
        lambda said: said["netspec"].update(set={"n": "10**9"}),
        lambda said: said["netspec"].update(set={"n": "16"}),
        lambda said: said["netspec"].update(set=[1]),
        lambda said: said["netspec"].update(input=["3x64x64x64"]),
        lambda said: said.update(netspec=None),
    ],
)
def test_what_a_package_says_wrongly_of_itself_is_a_message(copied: Path, change: Any) -> None:
    (copied.parent / "outside.ns").write_text("input 3x8x8\nconv3-8\n")
    shutil.copy(copied / "onnx" / "model.onnx", copied.parent / "outside.onnx")
    _resaid(copied, "config.json", change)
    assert check_package(copied).ok
    with pytest.raises(NetspecError):
        check_package(copied, prove=True)


@pytest.mark.parametrize(
    "report",
    [
        [],
        {"files": 3},
        {"files": {"a": 1}},
        {"files": {"a": {"error": "x"}}},
        {"files": {"a": {"decibels": []}}},
    ],
)
def test_a_report_that_is_none_is_a_message(copied: Path, report: Any) -> None:
    (copied / "verification.json").write_text(json.dumps(report))
    write_sums(copied)
    with pytest.raises(NetspecError, match="NS530"):
        check_package(copied).text()


def test_names_in_a_report_write_no_escapes(copied: Path) -> None:
    (copied / "verification.json").write_text(json.dumps({"files": {"\x1b[2J": {"error": 1}}}))
    write_sums(copied)
    assert check_package(copied).text().replace("\n", "").isprintable()


def test_json_of_any_depth_is_a_message(copied: Path) -> None:
    (copied / "verification.json").write_text("[" * 10**6)
    write_sums(copied)
    with pytest.raises(NetspecError, match="NS530"):
        check_package(copied)
