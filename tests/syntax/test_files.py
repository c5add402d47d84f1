"""Where a spec's text comes from: a path, a shipped name, standard input."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from netspec.diagnostics.limits import Limits
from netspec.diagnostics.raised import NetspecError
from netspec.syntax.files import read_shipped, read_spec


def refusal(name: str, limits: Limits | None = None) -> str:
    with pytest.raises(NetspecError) as caught:
        read_spec(name, limits or Limits())
    return str(caught.value)


def test_standard_input_is_a_spec(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"input 3\nrelu\n")))
    found = read_spec("-")
    assert (found.name, found.text) == ("<stdin>", "input 3\nrelu\n")
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"#" * 101)))
    assert "NS401" in refusal("-", Limits(source=100))


class Broken:
    def read(self, _count: int) -> bytes:
        raise OSError(5, "Input/output error")


@pytest.mark.parametrize(
    ("stdin", "says"),
    [(None, "Bad file descriptor"), (SimpleNamespace(buffer=Broken()), "Input/output error")],
)
def test_standard_input_that_cannot_be_read_is_said(
    stdin: object, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", stdin)
    assert f"cannot read `<stdin>`: {says}" in refusal("-")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("mine", "did you mean `mine.ns`?"),
        ("lenet", "did you mean "),
        ("qqqqqq", "netspec list"),
        ("./lenet5", "NS"),
    ],
)
def test_a_name_that_is_none_is_told_the_nearest(
    name: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.ns").write_text("input 3\nrelu\n")
    assert says in refusal(name)


def test_a_model_is_no_spec(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"\x08\x0a")
    assert "it is an ONNX model, which run and bench take" in refusal(str(tmp_path / "net.onnx"))


def test_a_file_that_cannot_be_opened_is_said(tmp_path: Path) -> None:
    (tmp_path / "loop.ns").symlink_to(tmp_path / "loop.ns")
    assert "NS502" in refusal(str(tmp_path / "loop.ns"))
    for name in ("n" * 300, f"{'n' * 300}.ns", f"{'n' * 300}/net.ns", f"./{'n/' * 3000}x"):
        assert "NS50" in refusal(name)
    assert "NS50" in refusal("a\0b.ns")


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    memory = Path("/proc/self/mem")  # nothing is at its start
    if not memory.exists():
        pytest.skip("no such file on this system")
    (tmp_path / "net.ns").symlink_to(memory)
    assert "net.ns`: Input/output error" in refusal(str(tmp_path / "net.ns"))


def test_shipped_specs_are_found_by_name_and_no_others() -> None:
    found = read_shipped("lenet5")
    assert found.shipped
    assert found.name == "lenet5.ns"
    assert found.text == read_spec("lenet5").text
    with pytest.raises(NetspecError, match="did you mean `lenet5`"):
        read_shipped("lenet55")


def test_a_source_has_the_name_that_it_was_given(tmp_path: Path) -> None:
    (tmp_path / "net.ns").write_text("input 3\nrelu\n")
    found = read_spec(str(tmp_path / "net.ns"))
    assert (found.name, found.shipped) == (str(tmp_path / "net.ns"), False)
    with pytest.raises(NetspecError, match="it is not a regular file"):
        read_spec(str(tmp_path) + "/")
