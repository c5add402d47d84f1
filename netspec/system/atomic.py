"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from netspec.diagnostics.messages.files import CannotWrite
from netspec.diagnostics.raised import NetspecError

_PREFIX, _SUFFIX = ".ns-", ".tmp"
_STALE_SECONDS = 3600

Check = Callable[[Path], None]
_unfinished: set[Path] = set()


@contextlib.contextmanager
def replacing(path: Path, check: Check | None = None) -> Iterator[BinaryIO]:
    """A file that takes the place of `path` when the block ends, and leaves it alone if it fails.

    `check` gets the finished file under its temporary name, before the rename; it may raise.

    The bytes are on disk before the rename, so a crash leaves the old file or the new one. A link
    at `path` is replaced, not followed.
    """
    folder = path.parent
    try:
        if path.is_dir() and not path.is_symlink():
            raise IsADirectoryError(21, "it is a folder")
        sweep(folder)
        handle, name = tempfile.mkstemp(_SUFFIX, _PREFIX, folder)
    except OSError as error:
        raise NetspecError(CannotWrite(str(path), error.strerror or "failed")) from None
    temporary = Path(name)
    _unfinished.add(temporary)
    try:
        with open(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if check is not None:
            check(temporary)
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
        _sync_folder(folder)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise NetspecError(CannotWrite(str(path), error.strerror or str(error))) from None
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    finally:
        _unfinished.discard(temporary)


def discard() -> None:
    """Removes the temporary files of this process, which is about to end."""
    for temporary in tuple(_unfinished):
        with contextlib.suppress(OSError):
            temporary.unlink()


def write_text(path: Path, text: str) -> None:
    """Writes a text file whole or not at all."""
    with replacing(path) as file:
        file.write(text.encode("utf-8"))


def sweep(folder: Path) -> None:
    """Removes temporary files that a killed run left behind more than an hour ago."""
    limit = time.time() - _STALE_SECONDS
    for stale in folder.glob(f"{_PREFIX}*{_SUFFIX}"):
        with contextlib.suppress(OSError):
            if stale.lstat().st_mtime < limit:
                stale.unlink()


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
