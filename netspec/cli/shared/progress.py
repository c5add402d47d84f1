"""One line on a terminal that says what a long command is at; nothing anywhere else."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from types import TracebackType

# A line is rewritten at most this often, in seconds: layers of small nets start by the thousand.
_EVERY = 0.1
# What is done sooner shows nothing.
AFTER = 1.0
# How often the seconds are brought up to date while nothing else is told.
_TICK = 0.5
# The name of the thread that does.
TICKER = "netspec-progress"


class Progress:
    """A line on standard error that is rewritten in place, and wiped when the work ends.

    It stands there once the work has taken a second, and counts the seconds by itself, but where
    `ticking` is off: a thread that wakes up would disturb what is timed. It is wiped with blanks: no
    escape sequence is ever written. Of several inside each other only the outermost writes.
    """

    # A terminal has one line to rewrite.
    _shown_now: Progress | None = None

    def __init__(self, name: str, *, quiet: bool = False, ticking: bool = True) -> None:
        self._name = name
        self._on = sys.stderr.isatty() and not quiet
        self._start = time.monotonic()
        self._shown = float("-inf")
        self._stage = self._layer = ""
        self._width = 0
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._ticking = ticking

    def __enter__(self) -> Progress:
        if Progress._shown_now is not None:
            self._on = False
        elif self._on:
            Progress._shown_now = self
            if self._ticking:
                threading.Thread(target=self._tick, name=TICKER, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        if Progress._shown_now is self:
            Progress._shown_now = None
            self.wipe()

    def show(self, stage: str, layer: str = "") -> None:
        """Says which stage the work is at, and which layer runs where that is known."""
        now = time.monotonic()
        same = stage == self._stage and now - self._shown < _EVERY
        self._stage, self._layer = stage, layer
        if self._on and not same:
            self._write(now)

    def wipe(self) -> None:
        """Clears the line, for a message in its place; it comes back with what is told next."""
        with self._lock:
            if self._width:
                self._put("\r" + " " * self._width + "\r")
            self._width = 0

    def _tick(self) -> None:
        self._done.wait(AFTER)
        while not self._done.wait(_TICK):
            self._write(time.monotonic())

    def _write(self, now: float) -> None:
        if now - self._start < AFTER:
            return
        at = f"{self._name}: {self._stage}" if self._stage else self._name
        parts = [at, self._layer, f"{now - self._start:.0f} s"]
        # The last column stays free: a full line would wrap, and could not be rewritten.
        columns = shutil.get_terminal_size().columns - 1
        line = ", ".join(part for part in parts if part)[:columns]
        with self._lock:
            if not self._done.is_set():
                self._put("\r" + line.ljust(self._width))
                self._width = len(line)
                self._shown = now

    def _put(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()


def wipe() -> None:
    """Clears the line that is shown, if one is."""
    if Progress._shown_now is not None:
        Progress._shown_now.wipe()
