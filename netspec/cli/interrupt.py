"""ctrl-C: an exception where the program is, and an end to it where the exception is lost.

Python raises KeyboardInterrupt between any two instructions of the main thread. Inside a lock of a
thread pool it can leave the lock held, and inside a callback it is swallowed: rare, and then the
process would hang or go on. So a ctrl-C also sets a clock.
"""

from __future__ import annotations

import os
import signal
from types import FrameType

MESSAGE = "interrupted; no file was changed"
SECONDS = 3.0


def install() -> None:
    """Makes ctrl-C end the process within a few seconds, whatever happens to the exception.

    A process that was started to ignore it, as a shell's background jobs are, goes on ignoring it.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler and hasattr(signal, "SIGALRM"):
        signal.signal(signal.SIGINT, _interrupted)


def _interrupted(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGALRM, _give_up)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    raise KeyboardInterrupt


def _give_up(number: int, frame: FrameType | None) -> None:
    from netspec.system.atomic import discard

    discard()
    # A line of progress may stand there, which ends without a newline.
    start = "\n" if os.isatty(2) else ""
    os.write(2, f"{start}{MESSAGE}\n".encode())
    os._exit(130)
