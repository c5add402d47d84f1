"""Where a spec's text comes from: a path, a shipped name, standard input."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from netspec.diagnostics.limits import Limits
from netspec.diagnostics.raised import NetspecError
from netspec.syntax import files
from netspec.syntax.files import (
    LIBRARY,
    SHELVES,
    read_shipped,
    read_spec,
    shipped_file,
    shipped_names,
    shown_place,
)


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
    # A word that is no path is a name that nothing has, whatever files may be called.
    for name in ("n" * 300, "a\0b"):
        assert "NS501" in refusal(name)
    for name in (f"{'n' * 300}.ns", f"{'n' * 300}/net.ns", f"./{'n/' * 3000}x", "a\0b.ns"):
        assert "NS502" in refusal(name)


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


@pytest.mark.parametrize(
    ("data", "line", "column", "before"),
    [
        (b"\xff", 1, 1, ""),
        ("é\n# ünï".encode() + b"\xc3", 2, 6, "# ünï"),
        (b"\xef\xbb\xbfrelu\xe9", 1, 5, "relu"),
    ],
)
def test_a_byte_that_is_no_text_has_its_place_in_characters(
    data: bytes, line: int, column: int, before: str, tmp_path: Path
) -> None:
    (tmp_path / "net.ns").write_bytes(data)
    with pytest.raises(NetspecError) as caught:
        read_spec(str(tmp_path / "net.ns"))
    (said,) = caught.value.diagnostics
    assert said.span is not None
    assert (said.code, said.span.line, said.span.column) == ("NS102", line, column)
    assert said.span.end == said.span.start + 1
    assert said.span.source.text.endswith(before)


def test_a_text_may_be_as_long_as_the_limit(tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "net.ns").write_bytes(b"#" * 100)
    assert len(read_spec(str(tmp_path / "net.ns"), Limits(source=100)).text) == 100
    assert "NS401" in refusal(str(tmp_path / "net.ns"), Limits(source=99))
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"#" * 100)))
    assert len(read_spec("-", Limits(source=100)).text) == 100


def test_what_is_refused_is_closed(tmp_path: Path) -> None:
    """Somebody who reads many paths runs out of open files otherwise."""
    os.mkfifo(tmp_path / "pipe.ns")
    (tmp_path / "net.onnx").write_bytes(b"\x08\x0a")
    (tmp_path / "bad.ns").write_bytes(b"\xff")
    before = len(os.listdir("/proc/self/fd"))
    for name in ("pipe.ns", "net.onnx", "bad.ns", "missing.ns", ""):
        refusal(str(tmp_path / name) + ("" if name else "/"))
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_net_of_a_file_is_named_behind_it_unless_a_file_is_called_so(tmp_path: Path) -> None:
    text = "input 3\nrelu\nnet wide = net\n"
    (tmp_path / "net.ns").write_text(text)
    found = read_spec(f"{tmp_path}/net.ns:wide")
    assert (found.text, found.net, found.path) == (text, "wide", f"{tmp_path}/net.ns")
    (tmp_path / "net.ns:wide").write_text("input 4\nrelu\n")
    found = read_spec(f"{tmp_path}/net.ns:wide")
    assert (found.text, found.net) == ("input 4\nrelu\n", "")
    assert "NS50" in refusal(f"{tmp_path}/net.ns:3x")


def test_a_file_goes_before_a_shipped_spec_and_a_shipped_one_is_called_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shipped = read_spec("lenet5")
    (tmp_path / "lenet5").write_text("input 3\nrelu\n")
    assert read_spec("lenet5").text == "input 3\nrelu\n"
    assert read_shipped("lenet5").text == shipped.text
    assert shipped.name == "lenet5.ns"


def test_each_shelf_has_its_names_and_all_have_all() -> None:
    shelves = {shelf: shipped_names(shelf) for shelf in SHELVES}
    assert set(shipped_names()) == {name for names in shelves.values() for name in names}
    assert "lenet5" in shelves["lectures"]
    assert shelves["blocks"]
    assert all(name.startswith("blocks/") for name in shelves["blocks"])
    assert list(shipped_names()) == sorted(shipped_names())
    # A family's variation stands in the file of the family, and is a net of it.
    variations = {name: shipped_file(name) for name in shelves["today"]}
    named = {name: place for name, place in variations.items() if place and place[1]}
    assert named
    for name, (path, net) in named.items():
        assert (net, path.parent.name) == (name, "today")
        assert f"\nnet {name} = " in path.read_text(encoding="utf-8")
        assert read_shipped(name).net == name
    assert shipped_file("resnet") is None


def test_a_place_is_shown_to_those_who_have_other_folders(tmp_path: Path) -> None:
    import netspec

    graph = netspec.load("resnet18").graph
    shown = {shown_place(node.span) for node in graph.nodes if not node.op.takes_ids}
    files = {place.partition(":")[0] for place in shown}
    assert {"resnet18.ns", "library/basic.ns", "library/residual.ns"} & files == files
    assert "resnet18.ns" in files
    (tmp_path / "net.ns").write_text("input 3\n  relu\n")
    node = netspec.load(tmp_path / "net.ns").graph.nodes[-1]
    assert shown_place(node.span) == "net.ns:2:3"
    assert shown_place(netspec.load("input 3\nrelu\n").graph.nodes[-1].span).endswith(":2:1")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder in the place of that of the shipped specs."""
    kept = (files._shelf, shipped_names, files._shown_path)
    monkeypatch.setattr(files, "shipped_folder", lambda: tmp_path)
    for cached in kept:
        cached.cache_clear()
    yield tmp_path
    for cached in kept:
        cached.cache_clear()


def test_a_shelf_holds_what_stands_in_its_folder(folder: Path) -> None:
    for name in ("one", "today/family", "blocks/unit", "other/none"):
        path = folder / f"{name}.ns"
        path.parent.mkdir(exist_ok=True)
        path.write_text("net n\ninput 3\nrelu\nnet wide = n\n# net none = n\n net off = n\n")
    assert shipped_names() == ("blocks/unit", "family", "one", "wide")
    found = {shelf: shipped_names(shelf) for shelf in SHELVES}
    assert found == {
        "lectures": ("one",),
        "today": ("family", "wide"),
        "blocks": ("blocks/unit",),
    }
    assert shipped_file("wide") == (folder / "today" / "family.ns", "wide")
    assert shipped_file("one") == (folder / "one.ns", "")
    assert shipped_file("none") is None
    # A file goes before a variation of its name in another.
    (folder / "today" / "wide.ns").write_text("input 3\nrelu\n")
    files._shelf.cache_clear()
    assert shipped_file("wide") == (folder / "today" / "wide.ns", "")


def test_a_shipped_file_is_shown_as_it_is_shipped_and_others_by_their_name(folder: Path) -> None:
    (folder / "today").mkdir()
    (folder / "today" / "family.ns").write_text("input 3\nrelu\n")
    assert files._shown_path(str(folder / "today" / "family.ns")) == "today/family.ns"
    assert files._shown_path(str(LIBRARY / "residual.ns")) == "library/residual.ns"
    assert files._shown_path("/somewhere/else/net.ns") == "net.ns"


def test_shipped_specs_stand_inside_a_package_or_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "netspec"
    package.mkdir()
    monkeypatch.setattr(files, "PACKAGE", package)
    assert files.shipped_folder.__wrapped__() == tmp_path / "specs"
    (package / "specs").mkdir()
    assert files.shipped_folder.__wrapped__() == package / "specs"
