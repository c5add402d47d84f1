"""One line on a terminal that says what a long command is at; nothing anywhere else."""

from __future__ import annotations

import shutil
import sys
import time
from types import TracebackType

# A line is rewritten at most this often, in seconds: layers of small nets start by the thousand.
_EVERY = 0.1


class Progress:
    """A line on standard error that is rewritten in place, and wiped when the work ends.

    It is wiped with blanks: no escape sequence is ever written.
    """

    def __init__(self, name: str, *, quiet: bool = False) -> None:
        self._name = name
        self._on = sys.stderr.isatty() and not quiet
        self._start = time.monotonic()
        self._shown = float("-inf")
        self._stage = ""
        self._width = 0

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._width:
            self._write("\r" + " " * self._width + "\r")

    def show(self, stage: str, layer: str) -> None:
        """Says which stage the work is at, and which layer runs where that is known."""
        now = time.monotonic()
        if not self._on or (stage == self._stage and now - self._shown < _EVERY):
            return
        self._stage, self._shown = stage, now
        parts = [f"{self._name}: {stage}", layer, f"{now - self._start:.0f} s"]
        # The last column stays free: a full line would wrap, and could not be rewritten.
        columns = shutil.get_terminal_size().columns - 1
        line = ", ".join(part for part in parts if part)[:columns]
        self._write("\r" + line.ljust(self._width))
        self._width = len(line)

    def _write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()
