"""Standard streams that are closed, full or of few letters, and signals that end the process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

SPEC = 'net n\npaper "Jürgen → 深い"\ninput 3x8x8\nconv3-4; gap; fc-10\n'


def shell(line: str, cwd=None, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Runs a line of bash in which `netspec` is the command."""
    command = f'netspec() {{ "{sys.executable}" -m netspec "$@"; }}; {line}'
    return subprocess.run(
        ["bash", "-c", command],
        cwd=cwd,
        capture_output=True,
        check=False,
        env={**os.environ, **environment},
    )


@pytest.mark.parametrize(
    ("line", "status", "message"),
    [
        ("netspec list --names >&-", 1, b"cannot write standard output: Bad file descriptor"),
        ("netspec list --names >/dev/full", 1, b"cannot write standard output: No space left"),
        ("netspec show lenet5 --bogus 2>&-", 2, b""),
        ("netspec show nothing 2>/dev/full", 1, b""),
        ("netspec check - <&-", 1, b"cannot read `<stdin>`: Bad file descriptor"),
        ("netspec show lenet5 <&- >&- 2>&-", 1, b""),
        ("netspec --help | head -1 >/dev/null; exit ${PIPESTATUS[0]}", 0, b""),
        ("netspec show nothing 2> >(true)", 1, b""),
    ],
)
def test_a_stream_that_fails_is_a_message_where_one_can_be_given(line, status, message):
    done = shell(line)
    assert b"Traceback" not in done.stderr
    assert b"NS599" not in done.stderr
    assert done.returncode == status
    assert message in done.stderr + done.stdout
    assert done.stderr.count(b"\n") <= 1 or b"cannot read" in done.stderr + done.stdout


def test_a_file_never_takes_the_number_of_a_closed_stream(tmp_path):
    (tmp_path / "n.ns").write_text(SPEC)
    shell("netspec compile n.ns -o whole.onnx", tmp_path)
    shell("netspec compile n.ns -o net.onnx <&- >&- 2>&-", tmp_path)
    assert (tmp_path / "net.onnx").read_bytes() == (tmp_path / "whole.onnx").read_bytes()


NARROW = (
    {"PYTHONIOENCODING": "ascii"},
    {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    {"PYTHONIOENCODING": "latin-1:strict"},
)


@pytest.mark.parametrize("environment", NARROW, ids=["ascii", "C", "latin-1"])
def test_letters_that_an_encoding_lacks_are_no_failure(tmp_path, environment):
    (tmp_path / "n.ns").write_text(SPEC, encoding="utf-8")
    name = os.fsdecode(b"\xff\xc3\xbc.ns")
    (tmp_path / name).write_text(SPEC, encoding="utf-8")
    for command in ("summary n.ns", "show n.ns"):
        done = shell(f"netspec {command}", tmp_path, **environment)
        assert done.returncode == 0, done.stderr
    done = shell(
        "netspec compile $'\\xff\\xc3\\xbc.ns' -o $'\\xff\\xc3\\xbc.onnx'", tmp_path, **environment
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(b"\xff")


@pytest.mark.parametrize("environment", NARROW, ids=["ascii", "C", "latin-1"])
def test_specs_stay_utf_8_and_json_stays_json(tmp_path, environment):
    (tmp_path / "n.ns").write_text(SPEC, encoding="utf-8")
    done = shell("netspec fmt - < n.ns", tmp_path, **environment)
    assert done.stdout == SPEC.encode()
    done = shell("netspec check $'\\xff\\xc3\\xbc' --json", tmp_path, **environment)
    assert json.loads(done.stdout)


def started(words: list[str], **options: object) -> subprocess.Popen[str]:
    def as_a_shell_does() -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)

    return subprocess.Popen(  # type: ignore[call-overload,no-any-return]
        [sys.executable, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=as_a_shell_does,
        **options,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_process_that_is_asked_to_end_leaves_no_part_of_a_file(tmp_path, number):
    process = started(["-m", "netspec", "compile", "vgg16"], cwd=tmp_path)
    deadline = time.time() + 60
    while not list(tmp_path.glob(".ns-*.tmp")) and time.time() < deadline:
        time.sleep(0.01)
    process.send_signal(number)
    _, messages = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert "Traceback" not in messages
    # On a slow disk the file may be whole before the signal is seen; then it is named.
    left = os.listdir(tmp_path)
    assert left == (["vgg16.onnx"] if "written before: vgg16.onnx" in messages else [])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_clearing_up_that_lasts_does_not_change_the_status(tmp_path, number):
    script = f"""
import ctypes, signal
from netspec.cli import main
library = ctypes.CDLL(None)
getattr(library, "__cxa_atexit")(ctypes.cast(library.pause, ctypes.c_void_p), None, None)
main.main = lambda **_options: signal.raise_signal({int(number)})
main.run()
"""
    done = started(["-c", script], cwd=tmp_path)
    _, messages = done.communicate(timeout=60)
    assert done.returncode == 128 + number
    assert messages == "interrupted; no file was changed\n"


def test_ctrl_c_while_click_is_loaded_is_quiet(tmp_path):
    """The first import that takes time stands for all: there the signal comes."""
    (tmp_path / "click.py").write_text("import signal\nsignal.raise_signal(signal.SIGINT)\n")
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"}
    process = started(["-m", "netspec", "check", "lenet5"], env=environment)
    assert process.communicate(timeout=60) == ("", "")
    assert process.returncode == 130


def test_what_was_written_before_a_ctrl_c_is_named(tmp_path):
    code = (
        "import signal\n"
        "from pathlib import Path\n"
        "from netspec.cli import main\n"
        "from netspec.system.atomic import write_text\n"
        "def status():\n"
        "    write_text(Path('one.ns'), 'gap')\n"
        "    signal.raise_signal(signal.SIGINT)\n"
        "main._status = status\n"
        "main.run()\n"
    )
    process = started(["-c", code], cwd=tmp_path)
    assert process.communicate(timeout=60) == ("", "interrupted; written before: one.ns\n")
    assert process.returncode == 130


def test_a_second_ctrl_c_ends_at_once_and_removes_what_was_begun(tmp_path):
    code = (
        "import signal\n"
        "from pathlib import Path\n"
        "from netspec.cli.shared import interrupt\n"
        "from netspec.system.atomic import replacing\n"
        "interrupt.install()\n"
        "with replacing(Path('net.onnx')) as file:\n"
        "    try:\n"
        "        signal.raise_signal(signal.SIGINT)\n"
        "    finally:\n"
        "        signal.raise_signal(signal.SIGINT)\n"
    )
    process = started(["-c", code], cwd=tmp_path)
    assert process.communicate(timeout=60)[1] == "interrupted; no file was changed\n"
    assert process.returncode == 130
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("check", "--a\x1b[31m"), "--a\\x1b[31m"),
        (("deploy", "lenet5", "--triton", "out", "--name", "a\x1b[31m"), "a\\x1b[31m"),
        (("draw", "lenet5", "-o", "a\x1b[31m.svg"), "wrote a\\x1b[31m.svg"),
        (("compile", "lenet5", "--to", "dot", "-o", "a\x1b]0;x\x07.dot"), "a\\x1b]0;x\\x07.dot"),
        (("run", "net.onnx"), "y\\x1b[31m: "),
    ],
)
def test_a_terminal_is_told_names_letter_by_letter(words, said, tmp_path, monkeypatch, capsys):
    import onnx
    from onnx import helper

    from netspec.cli.main import run

    monkeypatch.chdir(tmp_path)
    value = helper.make_tensor_value_info
    ends = [value("x", 1, [1, 3, 4]), value("y\x1b[31m", 1, [1, 3, 4])]
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y\x1b[31m"])], "g", ends[:1], ends[1:]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, "net.onnx")
    monkeypatch.setattr(sys, "argv", ["netspec", *words])
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    with pytest.raises(SystemExit):
        run()
    told = capsys.readouterr()
    assert said in told.err + told.out
    assert "\x1b" not in told.err + told.out
