"""Temporary files and folders: whose they are, how long they stay, and who removes them."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from netspec.diagnostics.raised import NetspecError
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
        atomic.sweep(tmp_path)
        assert path.exists()
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
    with atomic.draft_folder(tmp_path) as folder:
        assert folder.parent == tmp_path
        assert folder.stat().st_mode & 0o777 == 0o700


def test_what_this_process_has_written_is_told_while_it_is_there(tmp_path):
    for name in ("a", "b"):
        atomic.write_text(tmp_path / name, "x")
    with pytest.raises(RuntimeError), atomic.replacing(tmp_path / "c"):
        raise RuntimeError
    assert atomic.placed() == [tmp_path / "a", tmp_path / "b"]
    (tmp_path / "a").unlink()
    assert atomic.placed() == [tmp_path / "b"]


def test_two_outputs_of_one_place_are_a_mistake_of_who_asked(tmp_path):
    with pytest.raises(NetspecError) as caught:
        atomic.planned_apart([tmp_path / "a", tmp_path / "b", tmp_path / "x" / ".." / "a"])
    (said,) = caught.value.diagnostics
    assert (caught.value.status, said.code) == (2, "NS505")
    assert f"{tmp_path}/x/../a" in str(caught.value)
    assert "written to twice" in str(caught.value)
    atomic.planned_apart([tmp_path / "a", tmp_path / "b"])


def test_a_place_that_is_refused_alone_is_refused_among_several(tmp_path):
    (tmp_path / "read").write_text("x")
    with pytest.raises(NetspecError, match="which was read"):
        atomic.planned_apart([tmp_path / "a", tmp_path / "read"], keep=[tmp_path / "read"])


def test_one_stream_may_be_named_twice():
    atomic.planned_apart([Path("/dev/null"), Path("/dev/null")])


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
    with pytest.raises(NetspecError, match="no words"), atomic.telling(tmp_path / "x", tmp_path):
        raise OSError("no words")


def test_a_reader_that_has_seen_enough_of_another_stream_is_not_blamed_on_the_file(tmp_path):
    with pytest.raises(BrokenPipeError), atomic.telling(tmp_path / "x", tmp_path):
        raise BrokenPipeError(32, "Broken pipe")


def test_a_message_of_a_draft_names_its_place_and_others_keep_theirs(tmp_path):
    from netspec.diagnostics.messages.files import CannotWrite
    from netspec.diagnostics.records import Diagnostic

    draft, place = tmp_path / "draft", tmp_path / "place"

    def told(path: Path) -> str:
        item = Diagnostic(CannotWrite(str(path), "why"), None)
        return str(atomic.renamed(item, draft, place).problem.facts["path"])

    assert told(draft) == str(place)
    assert told(draft / "a") == str(place / "a")
    assert told(tmp_path / "drafts") == str(tmp_path / "drafts")
