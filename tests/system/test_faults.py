"""Whatever call of the system fails, an output is the whole old file or the whole new one."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.faults import ERRORS, faults

import netspec
from netspec.api.net import Net
from netspec.backends.onnx.data import data_files
from netspec.backends.onnx.file import write
from netspec.backends.onnx.guard import check_model
from netspec.backends.onnx.lowering import lower
from netspec.diagnostics.raised import NetspecError
from netspec.passes.deploy import deploy
from netspec.system.atomic import replacing, write_text
from netspec.weights.sources import Seeded

SPEC = "input 3x8x8\nconv3-4; gap; fc-10\n"
# More than one netspec ever makes for these files.
MOST = 200


def single(net: Net, path: Path, seed: int) -> None:
    net.to_onnx(path, seed=seed)


def both(net: Net, path: Path, seed: int) -> None:
    write(lower(deploy(net.graph)), path, Seeded(seed), limit=100)


def checked(net: Net, path: Path, seed: int) -> None:
    def check(draft: Path) -> None:
        check_model(draft)

    write(lower(deploy(net.graph)), path, Seeded(seed), limit=100, check=check)


def stamped(net: Net, path: Path, seed: int) -> None:
    """As --stamp does: the finished file is written again, with more in it."""

    def check(draft: Path) -> None:
        data = draft.read_bytes()
        with replacing(draft) as file:
            file.write(data)

    write(lower(deploy(net.graph)), path, Seeded(seed), check=check)


def picture(net: Net, path: Path, seed: int) -> None:
    net.draw(show=("shape", "params") if seed else ()).save(path)


def text(net: Net, path: Path, seed: int) -> None:
    write_text(path, f"spec {seed}\n" * 10_000)


KINDS: dict[str, tuple[str, Callable[[Net, Path, int], None]]] = {
    "onnx": ("net.onnx", single),
    "data": ("net.onnx", both),
    "checked": ("net.onnx", checked),
    "stamped": ("net.onnx", stamped),
    "svg": ("net.svg", picture),
    "text": ("net.ns", text),
}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("fresh", [False, True], ids=["over an old file", "where none was"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_at_any_call_leaves_the_old_file_or_the_new(tmp_path, kind, fresh):
    name, made = KINDS[kind]
    net = netspec.load(SPEC)
    for folder, seed in (("old", 0), ("new", 1)):
        (tmp_path / folder).mkdir()
        made(net, tmp_path / folder / name, seed)
    old = {} if fresh else contents(tmp_path / "old")
    new = contents(tmp_path / "new")
    for at in range(1, MOST):
        folder = tmp_path / f"at{at}"
        folder.mkdir()
        for file, data in old.items():
            (folder / file).write_bytes(data)
        error = None
        with faults(folder, at, ERRORS[at % len(ERRORS)]) as system:
            try:
                made(net, folder / name, 1)
            except NetspecError as refusal:
                error = refusal
        left = contents(folder)
        where = f"call {at}, {system.failed}"
        if error is None:
            assert {key: left[key] for key in new} == new, where
            # An old data file that could not be removed waits for the next run.
            assert set(left) - set(new) <= set(old), where
        else:
            assert str(folder / name) in str(error), where
            assert left == old, where
        if not system.failed:
            break
    assert not system.failed
    assert at > 8


@pytest.mark.parametrize("kind", KINDS)
def test_a_disk_that_takes_nothing_more_leaves_the_old_file(tmp_path, kind):
    name, made = KINDS[kind]
    net = netspec.load(SPEC)
    made(net, tmp_path / name, 0)
    old = contents(tmp_path)
    with (
        faults(tmp_path, 0, errno.ENOSPC, only="write") as system,
        pytest.raises(NetspecError, match="No space left"),
    ):
        made(net, tmp_path / name, 1)
    assert system.failed
    assert contents(tmp_path) == old


def test_a_folder_that_may_only_be_read_is_an_error(tmp_path):
    with (
        faults(tmp_path, 0, errno.EROFS, only="open"),
        pytest.raises(NetspecError, match="cannot write"),
    ):
        write_text(tmp_path / "net.ns", SPEC)
    assert os.listdir(tmp_path) == []


def test_the_disk_is_full_while_a_stream_is_drafted(tmp_path, monkeypatch):
    pipe, spare = tmp_path / "pipe", tmp_path / "spare"
    spare.mkdir()
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    monkeypatch.setattr("tempfile.tempdir", str(spare))
    for at in range(1, MOST):
        with faults(spare, at, errno.ENOSPC) as system:
            try:
                write_text(pipe, SPEC)
            except NetspecError as error:
                assert str(pipe) in str(error)
            else:
                assert os.read(reader, 1000) == SPEC.encode()
        assert os.listdir(spare) == []
        if not system.failed:
            break
    os.close(reader)
    assert not system.failed


KILLED = """
import itertools, os, signal, sys
from pathlib import Path
import netspec
from netspec.backends.onnx.file import write
from netspec.backends.onnx.lowering import lower
from netspec.passes.deploy import deploy
from netspec.weights.sources import Seeded

path, limit, at = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
model = lower(deploy(netspec.load(sys.argv[4]).graph))
count = itertools.count(1)

def deadly(function):
    def called(*args, **options):
        if next(count) == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **options)
    return called

for name in ("open", "write", "fsync", "chmod", "replace", "unlink", "close"):
    setattr(os, name, deadly(getattr(os, name)))
write(model, path, Seeded(1), limit=limit)
"""


@pytest.mark.parametrize("limit", [100, 10**9], ids=["data file", "one file"])
def test_killed_before_any_call_the_model_is_whole_and_the_next_run_clears_up(tmp_path, limit):
    """Before some of the calls here; before all of them in the slow test."""
    _kill_at(tmp_path, limit, (9, 13, 16))


@pytest.mark.slow
@pytest.mark.parametrize("limit", [100, 10**9], ids=["data file", "one file"])
def test_killed_before_every_call_the_model_is_whole(tmp_path, limit):
    _kill_at(tmp_path, limit, range(1, MOST))


def _kill_at(tmp_path: Path, limit: int, moments: object) -> None:
    net = netspec.load(SPEC)
    path = tmp_path / "net.onnx"
    model = lower(deploy(net.graph))
    write(model, path, Seeded(1), limit=limit)
    new = contents(tmp_path)
    for path_ in tmp_path.iterdir():
        path_.unlink()
    write(model, path, Seeded(0), limit=limit)
    old = contents(tmp_path)
    for at in moments:  # type: ignore[attr-defined]
        words = [path, limit, at, SPEC]
        done = subprocess.run(
            [sys.executable, "-c", KILLED, *map(str, words)], check=False, capture_output=True
        )
        left = contents(tmp_path)
        assert left["net.onnx"] in (old["net.onnx"], new["net.onnx"])
        check_model(path)  # its data is there and whole in size
        assert all(left[file.name] in (*old.values(), *new.values()) for file in data_files(path))
        if done.returncode == 0:
            break
        for stray in tmp_path.glob(".ns-*.tmp"):
            os.utime(stray, (0, 0))
        write(model, path, Seeded(0), limit=limit)
        assert contents(tmp_path) == old
