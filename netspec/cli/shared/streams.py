"""Standard input, output and error, made fit for use: closed, full, or of an encoding of few letters."""

from __future__ import annotations

import codecs
import io
import os
import sys
from typing import Any, TextIO

OUTPUT = "standard output"
_LENIENT = "netspec.lenient"


class _Output(io.FileIO):
    """Standard output, whose failures say whose they are."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            raise OSError(error.errno, error.strerror, OUTPUT) from None


class _Messages(io.FileIO):
    """Standard error: where nobody can be told anything, the status still says it."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError:
            return len(memoryview(data).cast("B"))


def mend() -> None:
    """Makes the three streams fit for use, whatever the process was started with.

    What was closed is opened the wrong way round: reading or writing it fails with a message, and no
    file that is opened later gets its number. Letters that an encoding lacks are spelt as escapes.
    """
    closed = [number for number in (0, 1, 2) if not _is_open(number)]
    for number in closed:  # the lowest free number is given first
        os.open(os.devnull, os.O_RDONLY if number == 1 else os.O_WRONLY)
    if 0 in closed:
        sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, closefd=False)))
    codecs.register_error(_LENIENT, _spelt)
    # Only the interpreter's own: a test or a notebook may have put others there.
    if sys.stdout is sys.__stdout__:
        sys.stdout = _text(_Output, 1, sys.stdout, _LENIENT)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _text(_Messages, 2, sys.stderr, "backslashreplace")


def discard_output() -> None:
    """Lets go what standard output still holds, else Python complains of it at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _text(kind: type[io.FileIO], number: int, old: TextIO | None, errors: str) -> TextIO:
    raw = kind(number, "wb", closefd=False)
    at_once = old is None or getattr(old, "line_buffering", False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=None if old is None else old.encoding,
        errors=errors,
        line_buffering=at_once,
        write_through=old is not None and getattr(old, "write_through", False),
    )


def _spelt(error: UnicodeError) -> tuple[str | bytes, int]:
    """What stands for a letter that cannot be encoded; a byte of a file's name is that byte."""
    assert isinstance(error, UnicodeEncodeError)
    letter = error.object[error.start]
    if "\udc80" <= letter <= "\udcff":
        return letter.encode("utf-8", "surrogateescape"), error.start + 1
    return letter.encode("ascii", "backslashreplace").decode(), error.start + 1
