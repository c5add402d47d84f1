"""Temporary files and folders: whose they are, how long they stay, and who removes them."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from netspec.diagnostics.messages.files import CannotWrite
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.records import Diagnostic
from netspec.system import atomic
from netspec.system.locks import lock

HOUR = 3600


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a test leaves unfinished is not what this process has."""
    monkeypatch.setattr(atomic, "_unfinished", set())
    monkeypatch.setattr(atomic, "_placed", [])
    return


def aged(path: Path, seconds: float, *, folder: bool = False) -> Path:
    """A leftover that was last written so long ago."""
    if folder:
        path.mkdir()
        (path / "inside").write_text("x")
    else:
        path.write_text("x")
    when = time.time() - seconds
    os.utime(path, (when, when))
    return path


@contextmanager
def standard_output(writer: int) -> Iterator[None]:
    """What this process writes goes there meanwhile."""
    before = os.dup(1)
    try:
        os.dup2(writer, 1)
        yield
    finally:
        os.dup2(before, 1)
        os.close(before)


@pytest.mark.parametrize("folder", [False, True], ids=["file", "folder"])
def test_what_was_left_more_than_an_hour_ago_is_swept_and_nothing_else(tmp_path, folder):
    old = aged(tmp_path / ".ns-0123456789abcdef.tmp", HOUR + 60, folder=folder)
    new = aged(tmp_path / ".ns-fedcba9876543210.tmp", HOUR - 60, folder=folder)
    others = [aged(tmp_path / name, 2 * HOUR) for name in ("ns-a.tmp", ".ns-a", ".other.tmp")]
    atomic.write_text(tmp_path / "net.ns", "input 3\n")
    assert not old.exists()
    assert new.exists()
    assert all(path.exists() for path in others)


@pytest.mark.parametrize("folder", [False, True], ids=["file", "folder"])
def test_what_somebody_still_writes_is_not_swept_however_old(tmp_path, folder):
    path = aged(tmp_path / ".ns-0123456789abcdef.tmp", 2 * HOUR, folder=folder)
    handle = os.open(path, os.O_RDONLY)
    try:
        assert lock(handle, wait=0)
        before = len(os.listdir("/proc/self/fd"))
        atomic.sweep(tmp_path)
        assert path.exists()
        assert len(os.listdir("/proc/self/fd")) == before
    finally:
        os.close(handle)
    atomic.sweep(tmp_path)
    assert not path.exists()


def test_a_draft_is_held_while_it_is_written_and_of_nobody_afterwards(tmp_path):
    """A folder and a file under way survive a sweep, whatever the clock says of them."""
    with atomic.draft(tmp_path) as file, atomic.draft_folder(tmp_path) as folder:
        for path in (file.path, folder):
            os.utime(path, (0, 0))
        atomic.sweep(tmp_path)
        assert file.path.exists()
        assert folder.exists()
    assert os.listdir(tmp_path) == []


def test_what_a_leftover_link_leads_to_stays(tmp_path):
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "x").write_text("x")
    link = tmp_path / ".ns-0123456789abcdef.tmp"
    link.symlink_to(kept)
    os.utime(link, (0, 0), follow_symlinks=False)
    atomic.sweep(tmp_path)
    assert (kept / "x").exists()
    assert link.is_symlink()  # not netspec's: it makes no links
    with atomic.draft_folder(tmp_path) as folder:
        folder.rmdir()
        folder.symlink_to(kept)
    assert (kept / "x").exists()
    assert not folder.is_symlink()


def test_what_is_under_way_goes_where_the_process_ends_and_what_was_ended_is_nobody_s(tmp_path):
    with atomic.draft_folder(tmp_path) as folder, atomic.draft(tmp_path) as file:
        (folder / "x").write_text("x")
        atomic.discard()
        assert not folder.exists()
        assert not file.path.exists()
    # Whoever has these names from here on is somebody else.
    folder.mkdir()
    file.path.write_text("x")
    with atomic.replacing(tmp_path / "net") as out:
        out.write(b"x")
        (made,) = set(tmp_path.iterdir()) - {folder, file.path}
    made.write_text("x")
    atomic.discard()
    assert folder.exists()
    assert file.path.exists()
    assert made.exists()


def test_a_folder_that_cannot_be_made_is_the_system_s_error(tmp_path):
    with pytest.raises(FileNotFoundError), atomic.draft_folder(tmp_path / "nowhere"):
        pass
    with pytest.raises(FileNotFoundError), atomic.draft(tmp_path / "nowhere"):
        pass


def test_a_draft_folder_is_for_its_maker_only(tmp_path):
    before = len(os.listdir("/proc/self/fd"))
    with atomic.draft_folder(tmp_path) as folder:
        assert folder.parent == tmp_path
        assert folder.stat().st_mode & 0o777 == 0o700
    assert len(os.listdir("/proc/self/fd")) == before


def test_what_this_process_has_written_is_told_while_it_is_there(tmp_path):
    for name in ("a", "b"):
        atomic.write_text(tmp_path / name, "x")
    with pytest.raises(RuntimeError), atomic.replacing(tmp_path / "c"):
        raise RuntimeError
    assert atomic.placed() == [tmp_path / "a", tmp_path / "b"]
    (tmp_path / "a").unlink()
    assert atomic.placed() == [tmp_path / "b"]


def test_two_outputs_of_one_place_are_a_mistake_of_who_asked(tmp_path):
    (tmp_path / "x").mkdir()
    with pytest.raises(NetspecError) as caught:
        atomic.planned_apart([tmp_path / "a", tmp_path / "b", tmp_path / "x" / ".." / "a"])
    (said,) = caught.value.diagnostics
    assert (caught.value.status, said.code) == (2, "NS505")
    assert said.problem.facts["path"] == f"{tmp_path}/x/../a"
    assert "written to twice" in str(caught.value)
    atomic.planned_apart([tmp_path / "a", tmp_path / "b"])


def test_a_place_that_is_refused_alone_is_refused_among_several(tmp_path):
    (tmp_path / "read").write_text("x")
    with pytest.raises(NetspecError, match="which was read"):
        atomic.planned_apart([tmp_path / "a", tmp_path / "read"], keep=[tmp_path / "read"])


def test_a_stream_may_be_named_twice_and_what_follows_it_may_not(tmp_path):
    stream = Path("/dev/null")
    atomic.planned_apart([stream, stream, tmp_path / "a"])
    with pytest.raises(NetspecError, match="written to twice"):
        atomic.planned_apart([stream, tmp_path / "a", tmp_path / "a"])


def test_the_folder_of_a_new_name_reaches_the_disk_after_it(tmp_path, monkeypatch):
    """A crash after the rename could else lose the name: bytes first, then the name, then the folder."""
    done: list[str] = []
    sync, replace = os.fsync, os.replace

    def synced(handle: int) -> None:
        kind = "folder" if os.path.isdir(f"/proc/self/fd/{handle}") else "file"
        done.append(f"{kind} synced")
        sync(handle)

    def replaced(*paths: object) -> None:
        done.append("renamed")
        replace(*paths)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    before = len(os.listdir("/proc/self/fd"))
    atomic.write_text(tmp_path / "net.ns", "input 3\n")
    assert done == ["file synced", "renamed", "folder synced"]
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_failure_that_has_no_words_is_told_in_its_own(tmp_path):
    with pytest.raises(NetspecError) as caught, atomic.telling(tmp_path / "x", tmp_path):
        raise OSError("no words")
    assert caught.value.diagnostics[0].problem.facts == {
        "path": str(tmp_path / "x"),
        "reason": "no words",
    }


def test_a_reader_that_has_seen_enough_of_another_stream_is_not_blamed_on_the_file(tmp_path):
    with pytest.raises(BrokenPipeError), atomic.telling(tmp_path / "x", tmp_path):
        raise BrokenPipeError(32, "Broken pipe")


def test_a_message_of_a_draft_names_its_place_and_others_keep_theirs(tmp_path):
    draft, place = tmp_path / "draft", tmp_path / "place"

    def told(path: Path) -> str:
        item = Diagnostic(CannotWrite(str(path), "why"), None)
        return str(atomic.renamed(item, draft, place).problem.facts["path"])

    assert told(draft) == str(place)
    assert told(draft / "a") == str(place / "a")
    assert told(tmp_path / "drafts") == str(tmp_path / "drafts")


def test_a_finished_file_is_held_to_its_check_and_the_message_names_its_place(tmp_path):
    path, seen = tmp_path / "net", []
    path.write_bytes(b"old")

    def refusing(draft: Path) -> None:
        seen.append((draft.parent, draft.read_bytes(), path.read_bytes()))
        raise NetspecError(CannotWrite(str(draft), "why"), status=3, more=2)

    with pytest.raises(NetspecError) as caught, atomic.replacing(path, refusing) as file:
        file.write(b"new")
    assert seen == [(tmp_path, b"new", b"old")]
    assert f"`{path}`" in str(caught.value)
    assert (caught.value.status, caught.value.more) == (3, 2)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["net"]


@pytest.mark.parametrize("call", ["fstat", "chmod"])
def test_a_draft_whose_permissions_cannot_be_set_is_closed_and_gone(tmp_path, monkeypatch, call):
    before = len(os.listdir("/proc/self/fd"))

    def failing(*_: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, call, failing)
        with pytest.raises(OSError, match="Input/output"), atomic.draft(tmp_path):
            pass
    assert os.listdir(tmp_path) == []
    assert len(os.listdir("/proc/self/fd")) == before


def test_what_was_written_out_before_a_stream_gets_its_bytes_comes_before_them(monkeypatch):
    """Standard output may lead to the same place."""
    reader, writer = os.pipe()
    with standard_output(writer), os.fdopen(os.dup(1), "w") as held:
        monkeypatch.setattr(sys, "stdout", held)
        held.write("first ")
        atomic.write_text(Path("/dev/fd/1"), "then")
        monkeypatch.undo()
    os.close(writer)
    assert os.read(reader, 100) == b"first then"
    os.close(reader)


def test_a_link_to_a_file_is_replaced_and_the_new_file_has_usual_permissions(tmp_path):
    (tmp_path / "old").write_text("old")
    (tmp_path / "old").chmod(0o600)
    (tmp_path / "link").symlink_to("old")
    umask = os.umask(0o022)
    try:
        atomic.write_text(tmp_path / "link", "new")
    finally:
        os.umask(umask)
    assert not (tmp_path / "link").is_symlink()
    assert (tmp_path / "link").stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "old").read_text() == "old"


def test_what_fails_once_to_be_removed_is_removed(tmp_path, monkeypatch):
    unlink, failed = os.unlink, []

    def failing(path: object) -> None:
        if not failed:
            failed.append(path)
            raise OSError(5, "Input/output error")
        unlink(path)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "unlink", failing)
    with pytest.raises(RuntimeError), atomic.draft(tmp_path):
        raise RuntimeError
    assert failed
    assert os.listdir(tmp_path) == []


def test_a_stream_gets_nothing_of_what_its_check_refuses(tmp_path):
    def refusing(draft: Path) -> None:
        raise NetspecError(CannotWrite(str(draft), "why"))

    reader, writer = os.pipe()
    path = Path(f"/dev/fd/{writer}")
    with pytest.raises(NetspecError) as caught, atomic.replacing(path, refusing) as file:
        file.write(b"new")
    os.close(writer)
    assert caught.value.diagnostics[0].problem.facts["path"] == str(path)
    assert os.read(reader, 100) == b""
    os.close(reader)


def test_a_stream_that_cannot_be_opened_is_told_by_its_name(monkeypatch):
    reader, writer = os.pipe()
    path = Path(f"/dev/fd/{writer}")

    def failing(_: int) -> int:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patched:
        patched.setattr(os, "dup", failing)
        with pytest.raises(NetspecError) as caught:
            atomic.write_text(path, "text")
    os.close(reader)
    os.close(writer)
    problem = caught.value.diagnostics[0].problem
    assert (problem.code, problem.facts["path"]) == ("NS506", str(path))
    assert problem.facts["reason"] == "Too many open files"


def test_only_of_standard_output_a_reader_that_leaves_has_seen_enough(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    with standard_output(writer), pytest.raises(BrokenPipeError):
        atomic.write_text(Path("/dev/fd/1"), "text")
    with pytest.raises(NetspecError) as caught:
        atomic.write_text(Path(f"/dev/fd/{writer}"), "text")
    os.close(writer)
    assert caught.value.diagnostics[0].code == "NS506"
