"""The data files of large models: one model's never goes for another's sake."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from netspec.backends.onnx.data import data_files
from netspec.backends.onnx.file import write
from netspec.backends.onnx.guard import check_model
from netspec.backends.onnx.lowering import lower
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.passes.deploy import deploy
from netspec.system import locks
from netspec.weights.sources import Seeded

SPEC = "input 3x8x8; conv3-8; gap; fc-10"


def compiled(path: Path, seed: int = 0, limit: int = 100, **options: object) -> tuple[Path, ...]:
    model = lower(deploy(build(Source("net", SPEC))))
    return write(model, path, Seeded(seed), limit=limit, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("other", ["net.bin", "net", "net.onnx.onnx", "NET.onnx", "net-0.onnx"])
@pytest.mark.parametrize("limit", [100, 10**9])
def test_another_model_beside_it_leaves_its_data(tmp_path, other, limit):
    compiled(tmp_path / "net.onnx")
    for seed in (0, 1):
        compiled(tmp_path / other, seed, limit)
        check_model(tmp_path / "net.onnx")
    compiled(tmp_path / "net.onnx", 2)
    check_model(tmp_path / other)


def test_a_copy_keeps_the_data_it_refers_to(tmp_path):
    path = tmp_path / "net.onnx"
    (first,) = compiled(path, 0)
    shutil.copy(path, tmp_path / "net.onnx.bak")
    compiled(path, 1)
    check_model(tmp_path / "net.onnx.bak")
    (tmp_path / "net.onnx.bak").unlink()
    (third,) = compiled(path, 2)
    assert sorted(os.listdir(tmp_path)) == ["net.onnx", third.name]
    assert first != third


def test_a_model_of_one_file_takes_the_place_of_both(tmp_path):
    path = tmp_path / "net.onnx"
    compiled(path)
    assert compiled(path, limit=10**9) == ()
    assert os.listdir(tmp_path) == ["net.onnx"]


def test_a_refused_file_leaves_no_data(tmp_path):
    def refuse(draft: Path) -> None:
        check_model(draft)  # the data are in place, so that it can be run
        raise KeyboardInterrupt

    path = tmp_path / "net.onnx"
    with pytest.raises(KeyboardInterrupt):
        compiled(path, check=refuse)
    assert os.listdir(tmp_path) == []
    (data,) = compiled(path)
    for seed in (0, 1):
        with pytest.raises(KeyboardInterrupt):
            compiled(path, seed, check=refuse)
        assert sorted(os.listdir(tmp_path)) == ["net.onnx", data.name]


def test_what_a_killed_run_left_goes_with_the_next(tmp_path):
    path = tmp_path / "net.onnx"
    (tmp_path / "net.onnx-0123456789abcdef.data").write_bytes(b"left")
    (tmp_path / "net.onnx-notes.data").write_bytes(b"mine")
    (data,) = compiled(path)
    assert sorted(os.listdir(tmp_path)) == sorted(["net.onnx", "net.onnx-notes.data", data.name])


def test_where_nothing_can_be_locked_nothing_is_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "fcntl", None)
    path = tmp_path / "net.onnx"
    (first,) = compiled(path, 0)
    (second,) = compiled(path, 1)
    assert sorted(os.listdir(tmp_path)) == sorted(["net.onnx", first.name, second.name])


@pytest.mark.parametrize("name", ["\udcff.onnx", "a\\b.onnx", "x" * 240 + ".onnx", "[a]*?.onnx"])
def test_odd_names_have_data_too(tmp_path, name):
    path = tmp_path / name
    for seed in (0, 1):
        (data,) = compiled(path, seed)
        check_model(path)
    assert list(data_files(path)) == [data]
    assert len(os.listdir(tmp_path)) == 2


def test_a_stream_has_no_place_for_a_data_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(NetspecError, match="a stream has no place"):
        compiled(tmp_path / "pipe")
    assert os.listdir(tmp_path) == ["pipe"]


MANY = """
import sys
from pathlib import Path
from netspec.backends.onnx.file import write
from netspec.backends.onnx.guard import check_model
from netspec.backends.onnx.lowering import lower
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.passes.deploy import deploy
from netspec.weights.sources import Seeded

model = lower(deploy(build(Source("net", sys.argv[2]))))
for seed in range(60):
    check = check_model if seed % 3 else None
    write(model, Path(sys.argv[1]), Seeded(seed % 4), limit=100, check=check)
"""


def test_models_written_to_one_name_at_once_leave_one_whole_model(tmp_path):
    path = tmp_path / "net.onnx"
    command = [sys.executable, "-c", MANY, os.fspath(path), SPEC]
    several = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    for process in several:
        _, messages = process.communicate(timeout=300)
        assert process.returncode == 0, messages
    check_model(path)
    (data,) = data_files(path)
    assert sorted(os.listdir(tmp_path)) == ["net.onnx", data.name]


def test_folders_and_pipes_beside_a_model_are_not_looked_into(tmp_path):
    """They refer to no data: what nothing refers to goes, and they stay."""
    path = tmp_path / "net.onnx"
    (first,) = compiled(path, 0)
    (tmp_path / "folder.onnx").mkdir()
    os.mkfifo(tmp_path / "pipe.onnx")
    (second,) = compiled(path, 1)
    assert first != second
    assert sorted(os.listdir(tmp_path)) == sorted(
        ["net.onnx", second.name, "folder.onnx", "pipe.onnx"]
    )


@pytest.mark.parametrize("limit", [100, 10**9])
def test_drafts_of_long_ago_go_with_any_file_that_is_written(tmp_path, limit):
    stale = tmp_path / ".ns-0123456789abcdef.tmp"
    stale.write_text("x")
    os.utime(stale, (0, 0))
    compiled(tmp_path / "net.onnx", limit=limit)
    assert not stale.exists()
