"""What forks as `python` and `netspec` does what they do."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest
from support.tools import tools


def done(
    tool: str, *words: str, cwd: Path | None = None, input: str | None = None, **given: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [tools() / tool, *words],
        cwd=cwd,
        input=input,
        env={**os.environ, **given},
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_has_the_arguments_folder_environment_and_streams_of_who_starts_it(
    tmp_path: Path,
) -> None:
    script = "import os, sys\nprint(sys.argv, os.getcwd(), os.environ['GIVEN'], __name__)\n"
    (tmp_path / "script.py").write_text(f"{script}import beside\n")
    (tmp_path / "beside.py").write_text("print('beside')\n")
    expected = f"{tmp_path} here __main__\n"
    ran = done("python", "-c", script, "a", cwd=tmp_path, GIVEN="here")
    assert ran.stdout == f"['-c', 'a'] {expected}"
    ran = done("python", "-", "b", cwd=tmp_path, input=script, GIVEN="here")
    assert ran.stdout == f"['-', 'b'] {expected}"
    ran = done("python", "script.py", cwd=tmp_path, GIVEN="here")
    assert ran.stdout == f"['script.py'] {expected}beside\n"
    ran = done("netspec", "summary", "-", cwd=tmp_path, input="input 3x8x8; conv3-4\n")
    assert "conv 3x3  4x6x6" in ran.stdout


@pytest.mark.parametrize(
    ("text", "status", "error"),
    [
        ("raise SystemExit(3)", 3, ""),
        ("raise SystemExit('why')", 1, "why\n"),
        ("1 / 0", 1, "ZeroDivisionError: division by zero\n"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 128 + signal.SIGKILL, ""),
        ("import atexit, sys; atexit.register(print, 'last', file=sys.stderr)", 0, "last\n"),
    ],
)
def test_its_end_is_that_of_python(text: str, status: int, error: str) -> None:
    ran = done("python", "-c", text)
    assert ran.returncode == status
    assert ran.stderr.endswith(error)


def test_a_script_that_forgets_an_import_fails() -> None:
    loaded = "import sys; assert 'torch' in sys.modules; assert 'netspec' not in sys.modules"
    assert done("python", "-c", loaded).returncode == 0
    assert "AttributeError" in done("python", "-c", "import netspec; netspec.graph.same").stderr
    assert "NameError" in done("python", "-c", "torch.zeros(1)").stderr
