"""The command line on a terminal, and what it leaves there."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Literal

from support.places import ROOT
from support.tools import tools

COLUMNS = 72


def environment(**given: str) -> dict[str, str]:
    """This process's, without what says how a terminal is."""
    kept = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "NO_COLOR", "TERM")}
    return {**kept, "PYTHONPATH": str(ROOT), **given}


def netspec(
    *words: str, cwd: Path | None = None, input: str | None = None, **given: str
) -> subprocess.CompletedProcess[str]:
    """The command in a folder, with its streams in pipes; `given` are variables of the environment."""
    return subprocess.run(
        [tools() / "netspec", *words],
        cwd=cwd,
        input=input,
        capture_output=True,
        text=True,
        check=False,
        env=environment(**given),
    )


def on_a_terminal(*words: str, stream: Literal["stdout", "stderr"], **given: str) -> str:
    """What a command writes to one stream that is a terminal of 72 columns; the other is a file."""
    ours, theirs = pty.openpty()
    subprocess.run(["stty", "cols", str(COLUMNS), "rows", "24"], stdin=theirs, check=True)
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, stream: theirs}
    command = [sys.executable, "-m", "netspec", *words]
    with subprocess.Popen(command, env=environment(**given), **streams) as done:
        os.close(theirs)
        text = b""
        while piece := _read(ours):
            text += piece
    os.close(ours)
    assert done.returncode == 0
    return text.decode().replace("\r\n", "\n")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # the other end is closed
        return b""


def left(text: str) -> str:
    """What a terminal shows after it got the text."""
    line: list[str] = []
    column = 0
    for letter in text:
        if letter == "\r":
            column = 0
        else:
            line[column : column + 1] = [letter]
            column += 1
    return "".join(line).rstrip()
