"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from netspec.diagnostics.messages.files import CannotStream, CannotWrite, Overwrites
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.records import Diagnostic
from netspec.system.locks import lock
from netspec.system.targets import Target, target_of

_PREFIX, _SUFFIX = ".ns-", ".tmp"
_STALE_SECONDS = 3600
# What Windows and others lack is left out.
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL
_NEW |= sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_CLOEXEC", "O_BINARY"))

Check = Callable[[Path], None]
Paths = Iterable[str | Path]
_unfinished: set[Path] = set()
_placed: list[Path] = []


class _Raw(io.RawIOBase):
    """A handle as a file that is written; whoever opened the handle closes it."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return os.write(self._handle, data)


class Draft:
    """A file under a temporary name, private until it is placed; see `draft`."""

    def __init__(self, path: Path, mode: int | None) -> None:
        self.path = path
        handle = os.open(path, _NEW, 0o666 if mode is None else mode)
        self._handle: int | None = handle
        self.file: BinaryIO = io.BufferedWriter(_Raw(handle), 2**16)
        try:
            made = os.fstat(handle).st_mode & 0o777  # what the umask leaves
            os.chmod(path, 0o600)
        except OSError:
            self.close()
            raise
        self._mode = made if mode is None else mode
        # Held while this process lives, so that no other takes the draft for a leftover.
        lock(handle, wait=0)

    def finish(self) -> None:
        """Brings every byte to the disk."""
        self.file.flush()
        assert self._handle is not None
        os.fsync(self._handle)
        if os.name == "nt":  # where what is open cannot be renamed
            self.close()

    def hold_to(self, check: Check | None, path: Path) -> None:
        """Holds the finished file to a check, whose messages name the `path` that it is for."""
        if check is None:
            return
        try:
            check(self.path)
        except NetspecError as error:
            named = tuple(renamed(item, self.path, path) for item in error.diagnostics)
            raise NetspecError(named, status=error.status, more=error.more) from None

    def place(self, path: Path) -> None:
        """Gives the file its name and its permissions."""
        os.chmod(self.path, self._mode)
        with placing(path):
            os.replace(self.path, path)
            _unfinished.discard(self.path)

    def close(self) -> None:
        """Closes the handle. What was finished is on disk, so that a failure here loses nothing."""
        handle, self._handle = self._handle, None
        if handle is not None:
            with contextlib.suppress(OSError):
                os.close(handle)


def renamed(item: Diagnostic, draft: Path, path: Path) -> Diagnostic:
    """A message about a draft, or about a file in it, as one about the place that it is for."""
    facts = item.problem.facts
    named = Path(str(facts.get("path", "")))
    if not named.is_relative_to(draft):
        return item
    there = str(path / named.relative_to(draft))
    return replace(item, problem=type(item.problem)(**{**facts, "path": there}))


@contextlib.contextmanager
def draft(folder: Path, mode: int | None = None) -> Iterator[Draft]:
    """A new file in a folder that is gone when the block ends, unless it was placed.

    It gets the permissions `mode`, by default those of the umask. Raises OSError.
    """
    path = folder / f"{_PREFIX}{os.urandom(8).hex()}{_SUFFIX}"
    _unfinished.add(path)  # before it is there, so that a signal in between finds it
    made = None
    try:
        made = Draft(path, mode)
        yield made
    finally:
        if made is not None:
            made.close()
        if path in _unfinished:
            _remove(path)
            _unfinished.discard(path)


@contextlib.contextmanager
def draft_folder(folder: Path) -> Iterator[Path]:
    """A new folder in a folder, private, that is gone with all it holds when the block ends.

    Raises OSError.
    """
    path = folder / f"{_PREFIX}{os.urandom(8).hex()}{_SUFFIX}"
    _unfinished.add(path)
    handle = None
    try:
        path.mkdir(0o700)
        with contextlib.suppress(OSError):  # where folders cannot be opened, none is locked
            handle = os.open(path, os.O_RDONLY)
            lock(handle, wait=0)
        yield path
    finally:
        if handle is not None:
            os.close(handle)
        _remove(path)
        _unfinished.discard(path)


@contextlib.contextmanager
def placing(path: Path) -> Iterator[None]:
    """Counts what takes the place `path` in the block among what this process has written."""
    yield
    _placed.append(path)
    _sync_folder(path.parent)


@contextlib.contextmanager
def replacing(
    path: Path, check: Check | None = None, *, keep: Paths = (), text: bool = False
) -> Iterator[BinaryIO]:
    """A file that takes the place of `path` when the block ends, and leaves it alone if it fails.

    `check` gets the finished file under its temporary name, before the rename; it may raise. A file
    of `keep` is not replaced. The bytes are on disk before the rename, so a crash leaves the old
    file or the new one. A link at `path` is replaced, not followed.

    Where `path` is a pipe or a device, it is given the bytes when all are there; a terminal only
    those of a `text`.
    """
    target = planned(path, keep)
    if target.stream:
        with _streaming(path, target, check, text) as file:
            yield file
        return
    with telling(path, path.parent):
        sweep(path.parent)
        with draft(path.parent, target.mode) as made:
            yield made.file
            made.finish()
            made.hold_to(check, path)
            made.place(path)


def planned(path: Path, keep: Paths = ()) -> Target:
    """What would be written at `path`; raises NetspecError where nothing may be."""
    with telling(path, path.parent):
        return target_of(path, keep)


def planned_apart(paths: Iterable[Path], keep: Paths = ()) -> None:
    """Raises NetspecError where one of several files may not be written, or would take another's place."""
    found: dict[str, Path] = {}
    for path in paths:
        if planned(path, keep).stream:
            continue
        place = os.path.join(os.path.realpath(path.parent), path.name)
        if place in found:
            raise NetspecError(Overwrites(str(path), "written to twice"), status=2)
        found[place] = path


@contextlib.contextmanager
def telling(path: Path, folder: Path) -> Iterator[None]:
    """Makes what the system refuses of files in a folder a NetspecError that names `path`."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        named = error.filename
        if isinstance(named, (str, Path)) and folder not in (Path(named), Path(named).parent):
            raise
        raise NetspecError(CannotWrite(str(path), error.strerror or str(error))) from None


@contextlib.contextmanager
def _streaming(path: Path, target: Target, check: Check | None, text: bool) -> Iterator[BinaryIO]:
    """A file that is poured into a stream when the block ends.

    The stream is opened first: whoever waits at a pipe's other end learns of a failure.
    """
    with _telling_stream(path, target):
        stream = target.opened(path)
    try:
        if os.isatty(stream) and not text:
            raise NetspecError(CannotStream(str(path), "it is a terminal, and this is not text"))
        folder = Path(tempfile.gettempdir())
        with telling(path, folder), draft(folder) as made:
            yield made.file
            made.finish()
            made.hold_to(check, path)
            with _telling_stream(path, target):
                _pour(made.path, stream)
    finally:
        os.close(stream)


@contextlib.contextmanager
def _telling_stream(path: Path, target: Target) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if isinstance(error, BrokenPipeError) and target.number == 1:
            raise  # whoever reads this process's output has seen enough
        raise NetspecError(CannotStream(str(path), error.strerror or str(error))) from None


def _pour(path: Path, stream: int) -> None:
    for written in (sys.stdout, sys.stderr):  # what they hold may go to the same place
        if written is not None:
            written.flush()
    with path.open("rb") as file, io.BufferedWriter(_Raw(stream)) as out:
        shutil.copyfileobj(file, out, 2**20)


def discard() -> None:
    """Removes the temporary files of this process, which is about to end."""
    for temporary in tuple(_unfinished):
        _remove(temporary)


def placed() -> list[Path]:
    """The files that this process has written and that are there."""
    return [path for path in _placed if path.exists()]


def write_text(path: Path, text: str, *, keep: Paths = ()) -> None:
    """Writes a text file whole or not at all."""
    with replacing(path, keep=keep, text=True) as file:
        file.write(text.encode("utf-8"))


def sweep(folder: Path) -> None:
    """Removes temporary files and folders that a killed run left behind more than an hour ago."""
    limit = time.time() - _STALE_SECONDS
    found: list[Path] = []
    with contextlib.suppress(OSError):
        found += folder.glob(f"{_PREFIX}*{_SUFFIX}")
    for stale in found:
        with contextlib.suppress(OSError):
            if os.lstat(stale).st_mtime < limit and not _held(stale):
                _remove(stale)


def _held(path: Path) -> bool:
    """Whether a process that lives is still writing a temporary file."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    handle = os.open(path, flags)
    try:
        return lock(handle, wait=0) is False
    finally:
        os.close(handle)


def _remove(path: Path) -> None:
    for _ in range(2):  # a disk that fails once may not fail again
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                os.unlink(path)
        except FileNotFoundError:
            return
        except OSError:
            continue


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
