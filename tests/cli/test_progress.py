"""Progress is one line on a terminal, wiped at the end, and nothing anywhere else."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest

from netspec.cli.shared.progress import Progress
from netspec.cli.verify import command


class Terminal(StringIO):
    """A standard error that is a terminal."""

    def isatty(self) -> bool:
        return True


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


def test_a_terminal_shows_the_stage_and_the_layer_and_nothing_stays(
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


def test_an_interruption_leaves_nothing_either(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)

    def interrupted() -> None:
        with Progress("lenet5") as progress:
            progress.show("fitting weights", "conv1")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert left(terminal.getvalue()) == ""


@pytest.mark.parametrize(("stream", "quiet"), [(StringIO, False), (Terminal, True)])
def test_a_pipe_and_a_quiet_terminal_get_nothing(
    stream: type[StringIO], quiet: bool, monkeypatch: pytest.MonkeyPatch
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
