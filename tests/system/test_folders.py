"""A folder is replaced whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from netspec.diagnostics.messages.files import CannotWrite
from netspec.diagnostics.raised import NetspecError
from netspec.system.folders import replacing_folder
from netspec.system.locks import lock


def always(folder: Path) -> None:
    pass


def test_the_new_folder_has_its_name_and_usual_permissions(tmp_path: Path) -> None:
    with replacing_folder(tmp_path / "made", always) as draft:
        assert draft.name == "made"
        assert not (tmp_path / "made").exists()
        (draft / "x").write_text("1")
    (tmp_path / "usual").mkdir()
    assert (tmp_path / "made").stat().st_mode == (tmp_path / "usual").stat().st_mode
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made", "usual"]


def test_what_stood_there_comes_back_where_the_second_rename_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tmp_path / "made"
    made.mkdir()
    (made / "x").write_text("old")
    rename, calls = os.rename, []

    def failing(source: Path, target: Path) -> None:
        calls.append((source, target))
        if len(calls) == 2:
            raise OSError(5, "Input/output error")
        rename(source, target)

    monkeypatch.setattr(os, "rename", failing)
    with pytest.raises(NetspecError) as caught, replacing_folder(made, always) as draft:
        (draft / "x").write_text("new")
    assert isinstance(caught.value.diagnostics[0].problem, CannotWrite)
    assert (made / "x").read_text() == "old"
    assert len(calls) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


def test_messages_of_files_in_the_draft_name_their_place(tmp_path: Path) -> None:
    made = tmp_path / "made"
    with pytest.raises(NetspecError) as caught, replacing_folder(made, always) as draft:
        raise NetspecError(CannotWrite(str(draft / "a" / "x"), "the disk is full"))
    assert f"`{made}/a/x`" in str(caught.value)


def test_a_path_that_ends_in_dots_is_the_folder_it_leads_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "made").mkdir()
    monkeypatch.chdir(tmp_path / "made")
    with replacing_folder(Path("../other/"), always) as draft:
        assert draft.name == "other"
    assert (tmp_path / "other").is_dir()


def held(folder: Path) -> bool:
    """Whether a lock of a folder cannot be had."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        return lock(handle, wait=0) is False
    finally:
        os.close(handle)


def test_what_stands_is_judged_and_replaced_while_no_other_process_replaces_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two that write one package, one read the other's while it was moved aside."""
    made = tmp_path / "made"
    made.mkdir()
    (made / "old").touch()
    seen = []
    real = os.rename
    monkeypatch.setattr(os, "rename", lambda *a: (seen.append(held(tmp_path)), real(*a)))
    with replacing_folder(made, lambda _: seen.append(held(tmp_path))) as draft:
        (draft / "new").touch()
        assert not held(tmp_path)
    assert seen == [True] * 4
    assert not held(tmp_path)
    assert [path.name for path in made.iterdir()] == ["new"]


def test_dots_behind_a_link_are_read_as_the_system_reads_them(tmp_path: Path) -> None:
    far = tmp_path / "far" / "inner"
    far.mkdir(parents=True)
    (tmp_path / "link").symlink_to(far)
    with replacing_folder(tmp_path / "link" / ".." / "new", always) as draft:
        (draft / "file").write_text("")
    assert (far.parent / "new" / "file").exists()
    assert not (tmp_path / "new").exists()


def test_a_folder_that_is_not_there_has_no_folder_above_it(tmp_path: Path) -> None:
    with (
        pytest.raises(NetspecError, match="cannot write"),
        replacing_folder(tmp_path / "none" / ".." / "new", always),
    ):
        pass
    assert not list(tmp_path.iterdir())
