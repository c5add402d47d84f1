"""Locks between processes: the system frees them when their holder ends, however it ends."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

fcntl: Any
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

_WAIT, _EVERY = 10.0, 0.01


def lock(handle: int, *, wait: float) -> bool | None:
    """Locks an open file until it is closed; whether it is locked, or None where nothing can be."""
    if fcntl is None:
        return None
    end = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                return False
        except OSError:  # a network's disk that knows no locks
            return None
        else:
            return True
        time.sleep(_EVERY)


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[bool]:
    """Keeps other netspec processes from placing and removing files in a folder meanwhile.

    Gives False where that cannot be had: then nothing of another's may be removed.
    """
    handle = None
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
    try:
        yield handle is not None and lock(handle, wait=_WAIT) is True
    finally:
        if handle is not None:
            with contextlib.suppress(OSError):
                os.close(handle)
