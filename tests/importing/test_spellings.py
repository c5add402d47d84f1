"""Steps that a file has written out: what looking for them costs."""

from __future__ import annotations

from pathlib import Path

import pytest

import netspec
from netspec.importing.files.program import Program
from netspec.importing.imported import import_file
from netspec.importing.recognise.written import again


@pytest.mark.parametrize("layers", [2, 6])
def test_a_file_has_one_way_of_spelling(
    layers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Program] = []
    plain = again._program

    def program(*given: object) -> Program:
        made.append(plain(*given))  # type: ignore[arg-type]
        return made[-1]

    monkeypatch.setattr(again, "_program", program)
    widths = range(9, 9 + layers)
    lines = (f"fc-{n}(over=channels) as x{n}; sigmoid as d{n}; @x{n}; scan(@d{n})" for n in widths)
    netspec.load("\n".join(["input 8x32", *lines])).to_onnx(tmp_path / "net.onnx", optimize=False)
    found = import_file(tmp_path / "net.onnx")
    assert found.text.count("scan(@") in (1, layers)
    # The first may be tried in other ways.
    assert layers <= len(made) <= layers + 2
