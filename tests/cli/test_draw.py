"""`netspec draw`: formats by ending, scale, and pictures without words around them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import netspec


def draw(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "netspec", "draw", "lenet5", *args]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("file", "begins"),
    [("x.tikz", b"% lenet5"), ("x.tex", b"% lenet5"), ("x.dot", b"digraph {"), ("x.svg", b"<svg")],
)
def test_the_ending_says_the_format(file: str, begins: bytes, tmp_path: Path) -> None:
    done = draw(tmp_path, "-o", file)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / file).read_bytes().startswith(begins)


def test_without_a_file_the_format_is_the_ending(tmp_path: Path) -> None:
    assert draw(tmp_path, "--format", "tikz", "-q").returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["lenet5.tikz"]


def test_no_title_leaves_the_name_out(tmp_path: Path) -> None:
    titled, plain = (draw(tmp_path, "-o", "-", *more) for more in ((), ("--no-title",)))
    assert ">lenet5</text>" in titled.stdout
    assert ">lenet5</text>" not in plain.stdout
    assert ">softmax</text>" in plain.stdout


@pytest.mark.parametrize(
    ("args", "status", "says"),
    [
        (("-o", "x.svg", "--scale", "3"), 2, "svg is sharp at any size"),
        (("-o", "x.png", "--scale", "0"), 2, "--scale"),
        (("-o", "x.png", "--scale", "11"), 2, "--scale"),
        (("-o", "x.tex", "--format", "pdf"), 2, "--format says pdf"),
    ],
)
def test_what_does_not_go_together_is_refused(
    args: tuple[str, ...], status: int, says: str, tmp_path: Path
) -> None:
    done = draw(tmp_path, *args)
    assert done.returncode == status
    assert says in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_picture_of_the_library_is_saved_under_both_endings(tmp_path: Path) -> None:
    picture = netspec.load("lenet5").draw(format="tikz", title=False)
    for name in ("x.tikz", "x.tex"):
        assert picture.save(tmp_path / name).read_text("utf-8") == str(picture)
    with pytest.raises(ValueError, match="the picture is tikz"):
        picture.save(tmp_path / "x.pdf")
