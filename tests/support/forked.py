"""Commands of netspec in processes of their own, forked from one that has loaded all that they need.

A process that starts Python and loads torch takes seconds; a fork takes hundredths of one, and whatever
it prints, leaks or dies of stays its own. This file is also the program that forks.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

# What a command on a small file may take before it counts as one that hangs, and in memory.
SECONDS = 60
MEMORY = 12 * 2**30


@dataclass(frozen=True)
class Ended:
    """How a command ended: its status, negative for a signal, None for one that had to be ended."""

    status: int | None
    out: str
    err: str
    seconds: float


class Forks:
    """Runs commands one after the other."""

    def __init__(self, requests: TextIO, answers: TextIO) -> None:
        self._requests, self._answers = requests, answers

    def run(
        self,
        words: Sequence[str],
        cwd: Path,
        *,
        seconds: float = SECONDS,
        most: int = 0,
        struck: tuple[int, float] | None = None,
    ) -> Ended:
        """Runs `netspec WORDS` in a folder.

        With `most`, no file may grow beyond so many bytes. `struck` is a signal, and after how many seconds
        it is sent.
        """
        with tempfile.TemporaryDirectory() as folder:
            asked = {
                "words": [os.fsencode(word).decode("latin-1") for word in words],
                "cwd": str(cwd),
                "streams": ["/dev/null", f"{folder}/out", f"{folder}/err"],
                "seconds": seconds,
                "most": most,
                "struck": struck,
            }
            start = time.perf_counter()
            print(json.dumps(asked), file=self._requests, flush=True)
            status = json.loads(self._answers.readline())
            lasted = time.perf_counter() - start
            out, err = (Path(folder, name).read_bytes() for name in ("out", "err"))
        return Ended(status, out.decode(errors="replace"), err.decode(errors="replace"), lasted)


@contextmanager
def forks() -> Iterator[Forks]:
    """The program that forks, until the block ends."""
    request, asking = os.pipe()
    answering, answer = os.pipe()
    command = [sys.executable, "-W", "default", __file__, str(request), str(answer)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    program = subprocess.Popen(command, pass_fds=(request, answer), env=environment)
    os.close(request)
    os.close(answer)
    try:
        with os.fdopen(asking, "w") as requests, os.fdopen(answering) as answers:
            yield Forks(requests, answers)
    finally:
        program.wait(SECONDS)


def _serve(requests: TextIO, answers: TextIO) -> None:
    for line in requests:
        asked = json.loads(line)
        begun, begin = os.pipe()
        child = os.fork()
        if child == 0:
            _become(asked, begin)
        os.close(begin)
        os.read(begun, 1)
        os.close(begun)
        print(
            json.dumps(_waited(child, asked["seconds"], asked["struck"])), file=answers, flush=True
        )


def _waited(child: int, seconds: float, struck: tuple[int, float] | None) -> int | None:
    """The status of a child, which is ended with all that it started."""
    if struck is not None:
        time.sleep(struck[1])
        os.kill(child, struck[0])
    end = time.monotonic() + seconds
    pause, status = 0.001, None
    while time.monotonic() < end:
        pid, found = os.waitpid(child, os.WNOHANG)
        if pid:
            status = os.waitstatus_to_exitcode(found)
            break
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    if status is None:
        os.waitpid(child, 0)
    return status


def _become(asked: dict[str, Any], begin: int) -> None:
    """Runs a command in this process, closing `begin` when a signal may come, and ends it."""
    os.setsid()
    os.chdir(asked["cwd"])
    for number, name in enumerate(asked["streams"]):
        handle = os.open(name, os.O_RDONLY if number == 0 else os.O_CREAT | os.O_RDWR, 0o600)
        os.dup2(handle, number)
        os.close(handle)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if asked["most"]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (asked["most"], asked["most"]))
    sys.argv = ["netspec", *(os.fsdecode(word.encode("latin-1")) for word in asked["words"])]
    from netspec.cli.main import run
    from netspec.cli.shared import interrupt

    status: Any = 70
    try:
        interrupt.install()
        os.close(begin)
        run()
    except SystemExit as end:
        status = end.code or 0
    except BaseException:
        import traceback

        traceback.print_exc()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # what could not be said was told by `run`
            stream.flush()
    os._exit(status if isinstance(status, int) else 1)


def _load() -> None:
    import importlib

    from netspec.cli.main import _MODULES, COMMANDS

    for name in COMMANDS:
        importlib.import_module(f"netspec.cli.{_MODULES.get(name, name)}")
    for name in ("torch", "onnx.inliner", "onnxruntime", "PIL.Image", "netspec.importing.opening"):
        importlib.import_module(name)
    for name in ("netspec.verify.proof", "netspec.packaging.package", "netspec.serving.deploy"):
        importlib.import_module(name)
    import gc

    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    _load()
    with os.fdopen(int(sys.argv[1])) as requests, os.fdopen(int(sys.argv[2]), "w") as answers:
        _serve(requests, answers)
