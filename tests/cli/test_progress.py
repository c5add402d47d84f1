"""Progress is one line on a terminal, wiped at the end, and nothing anywhere else."""

from __future__ import annotations

import threading
import time
from io import StringIO
from pathlib import Path

import pytest
from support.terminals import left, on_a_terminal

from netspec.cli.shared import progress as progress_module
from netspec.cli.shared.common import say
from netspec.cli.shared.progress import Progress
from netspec.cli.verify import command


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line is shown from the start."""
    monkeypatch.setattr(progress_module, "AFTER", 0.0)


class Terminal(StringIO):
    """A standard error that is a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_the_stage_and_the_layer_and_nothing_stays(
    at_once: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with Progress("lenet5") as progress:
        progress.show("fitting weights", "conv1")
        assert left(terminal.getvalue()).startswith("lenet5: fitting weights, conv1, 0 s")
        progress.show("run 1 of 3", "")
        assert left(terminal.getvalue()).startswith("lenet5: run 1 of 3, 0 s")
    assert left(terminal.getvalue()) == ""
    assert "\x1b" not in terminal.getvalue()


def test_an_interruption_leaves_nothing_either(
    at_once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)

    def interrupted() -> None:
        with Progress("lenet5") as progress:
            progress.show("fitting weights", "conv1")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert left(terminal.getvalue()) == ""


def test_what_is_done_at_once_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with Progress("lenet5") as progress:
        progress.show("reading", "conv1")
    assert terminal.getvalue() == ""


def test_the_seconds_count_by_themselves(at_once: None, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setattr(progress_module, "_TICK", 0.01)
    with Progress("lenet5") as progress:
        progress.show("proving")
        until = time.monotonic() + 20
        while terminal.getvalue().count("proving") < 3 and time.monotonic() < until:
            time.sleep(0.01)
    assert terminal.getvalue().count("proving") >= 3
    assert left(terminal.getvalue()) == ""


def test_what_is_timed_is_not_woken_up(at_once: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", Terminal())

    def ticking() -> int:
        return sum(thread.name == progress_module.TICKER for thread in threading.enumerate())

    before = ticking()
    with Progress("bench", ticking=False):
        assert ticking() <= before
    with Progress("bench"):
        assert ticking() >= 1


def test_a_message_takes_the_place_of_the_line(
    at_once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with Progress("lenet5") as progress:
        progress.show("reading weights, which takes long")
        say("warning: w")
        progress.show("writing")
    lines = terminal.getvalue().split("\n")
    assert left(lines[0]) == "warning: w"
    assert left(lines[1]) == ""


def test_of_two_inside_each_other_one_writes(
    at_once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with Progress("outer") as outer:
        outer.show("a")
        with Progress("inner") as inner:
            inner.show("b")
        outer.show("c")
        assert left(terminal.getvalue()).startswith("outer: c")
    assert "inner" not in terminal.getvalue()
    assert left(terminal.getvalue()) == ""


def test_a_command_of_seconds_tells_a_terminal() -> None:
    """That the same command tells a pipe nothing is asked where its list is read: `test_tables.py`."""
    told = on_a_terminal("list", "--shelf", "lectures", stream="stderr")
    assert "list: reading, " in told
    assert left(told) == ""


@pytest.mark.parametrize(("stream", "quiet"), [(StringIO, False), (Terminal, True)])
def test_a_pipe_and_a_quiet_terminal_get_nothing(
    at_once: None, stream: type[StringIO], quiet: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = stream()
    monkeypatch.setattr("sys.stderr", error)
    with Progress("lenet5", quiet=quiet) as progress:
        progress.show("fitting weights", "conv1")
    assert error.getvalue() == ""


def test_a_slow_verification_says_so_before_it_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = tmp_path / "small.ns"
    spec.write_text("net small\ninput 5\nfc-2\n")
    command.main([str(spec)], standalone_mode=False)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("netspec.verify.size.SLOW", 1)
    command.main([str(spec)], standalone_mode=False)
    assert "small: 0 billion multiply-adds a sample, a minute or more" in capsys.readouterr().err


@pytest.mark.parametrize(("slow", "said"), [(1e6, False), (1e5, True)])
def test_it_is_the_size_that_is_verified_which_counts(
    slow: float,
    said: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """1.8 million multiply-adds at the spec's size, 0.4 at the smaller one."""
    spec = tmp_path / "small.ns"
    spec.write_text("net small\ninput 3x128x128\nconv3-4(pad=same); gap; fc-2\n")
    monkeypatch.setattr("netspec.verify.size.LARGE", 1)
    monkeypatch.setattr("netspec.verify.size.SLOW", slow)
    command.main([str(spec)], standalone_mode=False)
    assert ("a minute or more" in capsys.readouterr().err) is said
