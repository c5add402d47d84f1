"""Faults of the system: an error from the k-th of the calls that concern files of one folder."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# What writing a file asks of the system; a call is counted if it names a file of the folder, or is
# given the handle of one.
CALLS = (
    "open",
    "write",
    "fsync",
    "close",
    "chmod",
    "replace",
    "unlink",
    "stat",
    "lstat",
    "fstat",
    "scandir",
)
ERRORS = (errno.ENOSPC, errno.EIO, errno.EINTR, errno.EACCES, errno.EROFS)


class Faults:
    """Counts the calls; the k-th fails, and so does each of the name `only`."""

    def __init__(self, folder: Path, at: int, number: int, only: str = "") -> None:
        self.folder, self.at, self.number, self.only = str(folder), at, number, only
        self.count = 0
        self.failed: list[str] = []
        self._handles: set[int] = set()
        self._real = {name: getattr(os, name) for name in CALLS}

    def call(self, name: str, *args: Any, **options: Any) -> Any:
        concerned = self._concerned(args)
        if concerned:
            self.count += 1
            if self.count == self.at or name == self.only:
                self.failed.append(name)
                if name == "close":  # the system closes, and then tells
                    self._handles.discard(args[0])
                    self._real["close"](args[0])
                named = [str(a) for a in args if isinstance(a, (str, Path))]
                raise OSError(self.number, os.strerror(self.number), *named[:1])
        result = self._real[name](*args, **options)
        if concerned and name == "open":
            self._handles.add(result)
        if name == "close":
            self._handles.discard(args[0])
        return result

    def _concerned(self, args: tuple[Any, ...]) -> bool:
        first = args[0] if args else None
        if isinstance(first, int):
            return first in self._handles
        return isinstance(first, (str, Path)) and str(first).startswith(self.folder)


@contextmanager
def faults(folder: Path, at: int, number: int = errno.EIO, only: str = "") -> Iterator[Faults]:
    """The system with a fault at the `at`-th call, or at each of the name `only`."""
    made = Faults(folder, at, number, only)

    def faulty(name: str) -> Callable[..., Any]:
        return lambda *args, **options: made.call(name, *args, **options)

    real = {name: getattr(os, name) for name in CALLS}
    for name in CALLS:
        setattr(os, name, faulty(name))
    try:
        yield made
    finally:
        for name, function in real.items():
            setattr(os, name, function)
