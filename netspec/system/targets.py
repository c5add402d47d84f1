"""Where a path that is to be written leads: to a file's place, or to a pipe or device."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from netspec.diagnostics.messages.files import CannotWrite, Overwrites
from netspec.diagnostics.raised import NetspecError
from netspec.foundation.records import record

# The files of this process by number; `/dev/stdout` leads there.
_OPEN_FILES = ("/dev/fd", "/proc/self/fd", "/proc/thread-self/fd")
_LINKS = 40
_REFUSED = (
    (stat.S_ISDIR, "it is a folder"),
    (stat.S_ISSOCK, "it is a socket"),
    (stat.S_ISBLK, "it is a disk"),
)


@record
class Target:
    """What stands at a path: `mode` are the permissions of a file that is there.

    `stream`: bytes go to it one after the other, and nothing takes its place. It then is the open
    file `number` of this process, unless that is None.
    """

    stream: bool = False
    number: int | None = None
    mode: int | None = None

    def opened(self, path: Path) -> int:
        """A stream's handle, to be closed; blocks until somebody reads a pipe."""
        if self.number is not None:
            return os.dup(self.number)
        return os.open(path, os.O_WRONLY | getattr(os, "O_NOCTTY", 0))


def target_of(path: Path, keep: Iterable[str | Path] = ()) -> Target:
    """What would be written at `path`.

    Raises NetspecError where that is neither a place for a file nor a stream, where a file is
    read-only, and where it is one of `keep`, by whatever name.
    """
    if "\0" in str(path):
        raise NetspecError(CannotWrite(str(path), "a name holds no NUL"))
    number = _number(path)
    try:
        found = os.stat(path) if number is None else os.fstat(number)
    except FileNotFoundError:
        return Target()
    if stat.S_ISREG(found.st_mode):
        _refuse_kept(path, found, keep)
        if number is None:
            return _file(path)
    for is_kind, reason in _REFUSED:
        if is_kind(found.st_mode) and number is None:
            raise NetspecError(CannotWrite(str(path), reason))
    return Target(stream=True, number=number)


def _file(path: Path) -> Target:
    standing = os.lstat(path)
    if not os.access(path, os.W_OK) or not os.stat(path).st_mode & 0o222:
        raise NetspecError(CannotWrite(str(path), "it is read-only"))
    # A link gives way to a file of its own.
    return Target(mode=standing.st_mode & 0o777 if stat.S_ISREG(standing.st_mode) else None)


def _refuse_kept(path: Path, found: os.stat_result, keep: Iterable[str | Path]) -> None:
    for other in keep:
        try:
            same = os.path.samestat(found, os.stat(other))
        except OSError:
            continue
        if same:
            raise NetspecError(Overwrites(str(path), f"`{other}`, which was read"))
    try:
        same = os.path.samestat(found, os.fstat(0))
    except OSError:
        return
    if same:
        raise NetspecError(Overwrites(str(path), "what standard input was read from"))


def _number(path: Path) -> int | None:
    """The number of the open file that a path leads to, if it does."""
    folders = {os.path.realpath(folder) for folder in _OPEN_FILES}
    for _ in range(_LINKS):
        if path.name.isdecimal() and os.path.realpath(path.parent) in folders:
            return int(path.name)
        if not os.path.islink(path):
            return None
        path = path.parent / os.readlink(path)
    return None
