"""Files that others wrote, as libraries read them: regular files only, and no library's exception passes."""

from __future__ import annotations

import os
import re
import stat
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.records import printable

Refusal = Callable[[str], NetspecError]
# Axes of one tensor: numpy's arrays have no more, and the product of any number of sizes costs its square.
MOST_AXES = 64
_LONGEST = 200
# An open file or an object as Python writes it, which says nothing to whoever named the file.
_OBJECT = re.compile(r" <[\w.]+ (?:name=|object at )[^>]*>")


def open_regular(path: str | Path) -> BinaryIO:
    """A regular file, opened for reading; OSError for anything else, whose `strerror` says what.

    Opened without blocking, so that a pipe in place of a file cannot hold netspec up.
    """
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except ValueError as error:  # a name with a NUL byte
        raise OSError(0, str(error), str(path)) from None
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(0, "it is not a regular file", str(path))
    return open(handle, "rb")


@contextmanager
def reading(refusal: Refusal) -> Iterator[None]:
    """Whatever a library raises in the block is raised as what `refusal` makes of the reason.

    The libraries that read files raise what they like: no list of types is complete. Their warnings
    are dropped. NetspecError passes, and so does what ends the process.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (NetspecError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # those of Rust's libraries are no Exception
        raise refusal(reason_of(error)) from None


def reason_of(error: BaseException) -> str:
    """One line that says why, in the library's words where it has any."""
    if isinstance(error, MemoryError):
        return "it takes more memory than there is"
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    text = str(error.strerror or "") if isinstance(error, OSError) else ""
    text = text or next(iter(str(error).strip().splitlines()), "")
    text = _OBJECT.sub("", text)
    kind = type(error).__name__
    if not text or isinstance(error, KeyError):
        text = f"{kind} {text}".strip()
    return printable(text[:_LONGEST])
