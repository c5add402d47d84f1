"""`netspec` and `python` as programs that fork from a process which has loaded what they need.

A process that starts Python and loads torch takes seconds; a fork takes hundredths of one. What runs as
`netspec` has all of netspec loaded. What runs as `python` has only what others wrote: torch, ONNX and ONNX
Runtime; netspec it imports itself, so that a script which forgets an import fails here as well. Both have the
arguments, folder, environment and streams of whoever starts them, and a name and modules of their own. They
do not get signals that are sent to the program.

This file is also the program that forks, and, as little as possible of it, the one that asks it to.
"""

import os
import sys

if __name__ == "__main__" and sys.argv[1] == "ask":
    # The program that a shell starts: it hands over what it has and waits for the status.
    import json
    import socket

    asked = {"words": sys.argv[3:], "cwd": os.getcwd(), "environment": dict(os.environ)}
    with socket.socket(socket.AF_UNIX) as asking:
        asking.connect(sys.argv[2])
        socket.send_fds(asking, [b"\0"], [0, 1, 2])
        asking.sendall(json.dumps(asked).encode())
        asking.shutdown(socket.SHUT_WR)
        answer = asking.recv(8)
    os._exit(int(answer or b"1"))

import atexit
import gc
import importlib
import json
import runpy
import select
import socket
import subprocess
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
Run = Callable[[list[str]], None]


@cache
def tools() -> Path:
    """The folder of the two programs, which are there until this process ends."""
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(_tools())


@contextmanager
def _tools() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ready, begun = os.pipe()
        command = [sys.executable, __file__, "serve", name, str(begun)]
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path}
        server = subprocess.Popen(
            command, stdin=subprocess.PIPE, pass_fds=(begun,), env=environment
        )
        os.close(begun)
        for tool in ("netspec", "python"):
            ask = f'exec "{sys.executable}" -IS "{__file__}" ask "{folder / tool}.socket" "$@"'
            (folder / tool).write_text(f"#!/bin/sh\n{ask}\n")
            (folder / tool).chmod(0o755)
        try:
            assert os.read(ready, 1), "the program that forks did not start"
            os.close(ready)
            yield folder
        finally:
            assert server.stdin is not None
            server.stdin.close()
            server.wait(60)


def _serve(folder: Path, begun: int) -> None:
    listening = {}
    for tool in ("netspec", "python"):
        listening[tool] = socket.socket(socket.AF_UNIX)
        listening[tool].bind(str(folder / f"{tool}.socket"))
        listening[tool].listen(64)
    for name in ("torch", "onnx", "onnxruntime", "PIL.Image"):
        importlib.import_module(name)
    _settle()
    os.write(begun, b"\0")
    os.close(begun)
    if os.fork():
        listening.pop("netspec").close()
        _answer(listening["python"], _as_python)
    else:
        listening.pop("python").close()
        _load()
        _answer(listening["netspec"], _as_netspec)


def _load() -> None:
    from netspec.cli.main import _MODULES, COMMANDS

    for name in COMMANDS:
        importlib.import_module(f"netspec.cli.{_MODULES.get(name, name)}")
    _settle()


def _settle() -> None:
    """What is loaded is not searched for garbage, which would copy it into each fork."""
    gc.collect()
    gc.freeze()


def _answer(listening: socket.socket, run: Run) -> None:
    """Forks for each who asks, until the tests have ended."""
    while listening in select.select([listening, 0], [], [])[0]:
        asking, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            _wait(asking, run)
            os._exit(0)
        asking.close()
    # What it all took counts as this process's, and so as the tests'.
    with suppress(ChildProcessError):
        while os.wait():
            pass
    os._exit(0)


def _wait(asking: socket.socket, run: Run) -> None:
    """Forks once more, for the program itself, and says how it ended."""
    _, streams, _, _ = socket.recv_fds(asking, 1, 3)
    parts = []
    while part := asking.recv(1 << 16):
        parts.append(part)
    asked = json.loads(b"".join(parts))
    child = os.fork()
    if child == 0:
        asking.close()
        _become(asked, streams, run)
    _, found = os.waitpid(child, 0)
    status = os.waitstatus_to_exitcode(found)
    with suppress(OSError):
        asking.sendall(str(status if status >= 0 else 128 - status).encode())


def _become(asked: dict[str, Any], streams: list[int], run: Run) -> None:
    """Runs a program in this process, and ends it as Python would."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    status: Any = 1
    try:
        run(asked["words"])
        status = 0
    except SystemExit as end:
        status = end.code or 0
        if isinstance(status, str):
            print(status, file=sys.stderr)
            status = 1
    except BaseException:
        traceback.print_exc()
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(status & 0xFF)


def _as_netspec(words: list[str]) -> None:
    from netspec.__main__ import run

    sys.argv = ["netspec", *words]
    run()


def _as_python(words: list[str]) -> None:
    """What `python` does with `-c`, `-m`, a file or standard input."""
    sys.modules["__main__"] = main = ModuleType("__main__")
    match words:
        case ["-c", text, *rest]:
            sys.argv, sys.path[0] = ["-c", *rest], ""
            exec(compile(text, "<string>", "exec"), vars(main))
        case ["-m", module, *rest]:
            sys.argv, sys.path[0] = ["-m", *rest], os.getcwd()
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        case ["-", *rest]:
            sys.argv, sys.path[0] = ["-", *rest], ""
            exec(compile(sys.stdin.read(), "<stdin>", "exec"), vars(main))
        case [file, *rest] if not file.startswith("-"):
            sys.argv, sys.path[0] = [file, *rest], str(Path(file).resolve().parent)
            runpy.run_path(file, run_name="__main__")
        case _:
            os.execv(sys.executable, [sys.executable, *words])


if __name__ == "__main__":
    _serve(Path(sys.argv[2]), int(sys.argv[3]))
