"""ctrl-C and what else asks a process to end: an exception, and an end where the exception is lost.

Python raises KeyboardInterrupt between any two instructions of the main thread. Inside a lock of a
thread pool it can leave the lock held, and inside a callback it is swallowed: rare, and then the
process would hang or go on. So a ctrl-C also sets a clock, and what ends before that says that it
was interrupted. SIGTERM and SIGHUP are treated alike, so that they leave nothing half written either.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from types import FrameType

SECONDS = 3.0
_ENDING = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
_asked = 0


def install_early() -> None:
    """Makes ctrl-C end the process without a word: nothing has begun that could be told of."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave)


def install() -> None:
    """Makes a signal end the process within a few seconds, whatever happens to the exception.

    A process that was started to ignore one, as a shell's background jobs are, goes on ignoring it.
    """
    if not hasattr(signal, "SIGALRM"):
        return
    if signal.getsignal(signal.SIGINT) in (signal.default_int_handler, _leave):
        signal.signal(signal.SIGINT, _interrupted)
    for number in _ENDING:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _interrupted)


def finish() -> None:
    """Lets signals end the process as they do any: what is to be done is done.

    A process that was asked to end does so here. Python takes its handlers away before it clears up,
    which may last: the clock would then kill it, with a status that says nothing of who asked.
    """
    if _asked:
        from netspec.system.atomic import discard

        discard()
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, AttributeError):  # closed, or not there
                stream.flush()
        os._exit(status())
    for number in (signal.SIGINT, *_ENDING):
        if signal.getsignal(number) in (_interrupted, _leave):
            signal.signal(number, signal.SIG_DFL)


def was_asked() -> bool:
    """Whether a signal asked the process to end, whatever became of the exception."""
    return bool(_asked)


def status() -> int:
    """The exit status of a process that was asked to end."""
    return 128 + (_asked or signal.SIGINT)


def message() -> str:
    """That the process was interrupted, and what it had written before."""
    from netspec.diagnostics.records import printable
    from netspec.system.atomic import placed

    written = ", ".join(printable(str(path)) for path in placed())
    return f"interrupted; {f'written before: {written}' if written else 'no file was changed'}"


def _leave(number: int, frame: FrameType | None) -> None:
    os._exit(128 + number)


def _interrupted(number: int, frame: FrameType | None) -> None:
    global _asked
    if _asked:  # a second time: not even the clock is waited for
        _give_up(number, frame)
    _asked = number
    signal.signal(signal.SIGALRM, _give_up)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    raise KeyboardInterrupt


def _give_up(number: int, frame: FrameType | None) -> None:
    from netspec.system.atomic import discard

    discard()
    # A line of progress may stand there, which ends without a newline.
    start = "\n" if os.isatty(2) else ""
    try:
        os.write(2, f"{start}{message()}\n".encode())
    finally:
        os._exit(status())
