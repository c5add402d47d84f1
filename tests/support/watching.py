"""What a piece of work touches and how much it does: by Python's audit events and its own calls.

Counts of calls stand for time: they are the same on every machine.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

_STARTED = ("subprocess.Popen", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.system")
_CHANGED = (
    "os.remove",
    "os.rename",
    "os.mkdir",
    "os.rmdir",
    "os.link",
    "os.symlink",
    "os.truncate",
)
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


@dataclass
class Seen:
    """Paths opened to read and to write, paths renamed or removed, programs started, code run."""

    read: list[Path] = field(default_factory=list)
    written: list[Path] = field(default_factory=list)
    changed: list[Path] = field(default_factory=list)
    started: list[str] = field(default_factory=list)
    connected: list[str] = field(default_factory=list)

    def read_in(self, folder: Path) -> set[str]:
        """Names of what was opened to read below a folder."""
        return {path.name for path in self.read if path.is_relative_to(folder) and path != folder}


_seen: list[Seen] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if not _seen:
        return
    seen = _seen[-1]
    if event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
        path = Path(os.path.abspath(os.fsdecode(arguments[0])))
        mode, flags = arguments[1] or "", arguments[2] or 0
        writes = any(c in mode for c in "wax+") or bool(flags & _WRITING)
        (seen.written if writes else seen.read).append(path)
    elif event in _STARTED:
        seen.started.append(f"{event} {arguments[0]}")
    elif event in _CHANGED:
        seen.changed += [Path(os.path.abspath(a)) for a in arguments if isinstance(a, str | Path)]
    elif event.startswith("socket.connect"):
        seen.connected.append(repr(arguments[1:]))


@contextmanager
def watching() -> Iterator[Seen]:
    """Gathers what is touched inside; an audit hook stays for good, so there is one for all."""
    if _hook not in _hooked:
        sys.addaudithook(_hook)
        _hooked.append(_hook)
    seen = Seen()
    _seen.append(seen)
    try:
        yield seen
    finally:
        _seen.remove(seen)


_hooked: list[Callable[..., None]] = []


class TooMuch(Exception):
    """More calls than were allowed."""


@dataclass
class Work:
    """How many functions were called."""

    calls: int = 0


@contextmanager
def counting(limit: int | None = None) -> Iterator[Work]:
    """Counts the calls of functions inside; raises `TooMuch` at the limit."""
    work = Work()

    def profile(_frame: FrameType, event: str, _argument: object) -> None:
        work.calls += event in ("call", "c_call")
        if work.calls == limit:
            raise TooMuch(f"more than {limit:,} calls")

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        yield work
    finally:
        sys.setprofile(before)


def at_most(calls: int) -> AbstractContextManager[Work]:
    """Fails where the work inside takes more calls of functions than this."""
    return counting(calls)
