"""What docs/guarantees.md promises of reading and writing; and that the tests it names are there."""

from __future__ import annotations

import re
import sys
import sysconfig
import tempfile
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from support.places import DOCS, ROOT
from support.watching import Seen, watching

import netspec
from netspec.cli.main import main
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.syntax.files import PACKAGE, shipped_folder

SPEC = "import part\nimport b from others\ninput 3x8x8\npart; b; residual { relu }; fc-5\n"
_LIBRARIES = tuple(
    Path(path).resolve() for path in (*sysconfig.get_paths().values(), sys.prefix, sys.base_prefix)
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a spec, what it imports, and what it must leave alone."""
    (tmp_path / "net.ns").write_text(SPEC)
    (tmp_path / "part.ns").write_text("net part\ninput 3x8x8\nconv3-4\n")
    (tmp_path / "others.ns").write_text("block b { tanh }\n")
    (tmp_path / "b.ns").write_text("block b { relu }\n")
    (tmp_path / "relu.py").write_text("raise SystemExit('it ran')\n")
    (tmp_path / "netspec.toml").write_text("evil = true\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _foreign(seen: Seen, folder: Path) -> list[Path]:
    """What was read besides the folder, the package, Python, its libraries and the system's own."""
    system = (Path("/proc"), Path("/sys"), Path("/usr"), Path("/lib"), Path("/etc/os-release"))
    allowed = (
        folder,
        PACKAGE,
        shipped_folder(),
        ROOT / "netspec",
        ROOT / "tests",
        *_LIBRARIES,
        *system,
    )
    temporary = Path(tempfile.gettempdir()).resolve()
    return [
        path
        for path in seen.read
        if not any(path.resolve().is_relative_to(place) for place in allowed)
        and not (path.is_relative_to(temporary) and "netspec-" in str(path))
    ]


def test_checking_reads_the_spec_what_it_imports_and_the_library(folder: Path) -> None:
    with watching() as seen:
        build(Source("net.ns", SPEC, str(folder / "net.ns")))
    assert seen.read_in(folder) == {"part.ns", "others.ns"}
    assert _foreign(seen, folder) == []
    assert (seen.written, seen.changed, seen.started, seen.connected) == ([], [], [], [])


@pytest.mark.parametrize(
    ("arguments", "made"),
    [
        (["check", "net.ns"], []),
        (["summary", "net.ns"], []),
        (["fmt", "net.ns", "--check"], []),
        (["draw", "net.ns", "-o", "net.svg"], ["net.svg"]),
        (["draw", "net.ns", "-o", "net.html"], ["net.html"]),
        (["compile", "net.ns"], ["net.onnx"]),
        (["compile", "net.ns", "-o", "other.onnx", "--verify"], ["other.onnx"]),
        (["compile", "net.ns", "--to", "torch", "-o", "net.pt"], ["net.pt"]),
        (["run", "net.ns", "x.npy"], []),
        (["verify", "net.ns"], []),
    ],
    ids=lambda value: " ".join(value),
)
def test_a_command_reads_what_is_named_and_writes_what_is_named(
    arguments: list[str], made: list[str], folder: Path
) -> None:
    np.save(folder / "x.npy", np.zeros((1, 3, 8, 8), np.float32))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with watching() as seen:
        done = CliRunner().invoke(main, arguments, standalone_mode=False)
    assert done.exception is None, done.output
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert sorted(after.keys() - before.keys()) == made
    assert {name: after[name] for name in before} == before
    read = {name for name in seen.read_in(folder) if not name.startswith(".ns-")}
    imported = set() if arguments[0] == "fmt" else {"part.ns", "others.ns"}
    assert read - {"x.npy", *made} == {"net.ns"} | imported
    assert _foreign(seen, folder) == []
    assert seen.connected == []
    assert all("dot" in program for program in seen.started)
    left = [path for path in (*seen.written, *seen.changed) if path.exists()]
    assert {path.name for path in left if path.is_relative_to(folder) and path.is_file()} <= {*made}
    assert not [path for path in left if not path.is_relative_to(folder) and path.is_file()]


def test_the_same_input_gives_the_same_bytes(folder: Path) -> None:
    net = netspec.load(folder / "net.ns")
    first = net.to_onnx(folder / "a.onnx").read_bytes()
    again = netspec.load(folder / "net.ns")
    assert again.to_onnx(folder / "b.onnx").read_bytes() == first
    for format in ("svg", "html", "dot"):
        assert str(again.draw(format=format)) == str(net.draw(format=format))
    assert str(again.summary()) == str(net.summary())


def test_every_test_that_the_page_names_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", (DOCS / "guarantees.md").read_text())
    assert len(named) > 20
    for file, test in named:
        text = (ROOT / file).read_text()
        assert re.search(rf"^def {test}\(", text, re.M), f"{file}::{test}"


def test_every_promise_has_a_test() -> None:
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", (DOCS / "guarantees.md").read_text(), re.M)
    promises = [(p, t) for p, t in rows if p not in ("promise", "---")]
    assert promises
    assert all("::test_" in tests for _, tests in promises)
