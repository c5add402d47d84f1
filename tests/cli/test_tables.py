"""Tables on a terminal: as wide as it is, coloured there and nowhere else."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys

import pytest
from support.places import ROOT


def environment(**given: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "NO_COLOR", "TERM")}
    return {**kept, "PYTHONPATH": str(ROOT), **given}


def on_a_terminal(*words: str, **given: str) -> str:
    """What a command writes to a terminal of 72 columns."""
    ours, theirs = pty.openpty()
    subprocess.run(["stty", "cols", "72", "rows", "24"], stdin=theirs, check=True)
    command = [sys.executable, "-m", "netspec", *words]
    done = subprocess.Popen(command, stdout=theirs, env=environment(**given))
    os.close(theirs)
    text = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        text += piece
    os.close(ours)
    assert done.wait() == 0
    return text.decode().replace("\r\n", "\n")


def in_a_pipe(*words: str, **given: str) -> str:
    command = [sys.executable, "-m", "netspec", *words]
    return subprocess.run(
        command, capture_output=True, text=True, check=True, env=environment(**given)
    ).stdout


def widest(text: str) -> int:
    return max(map(len, text.splitlines()))


def test_a_table_is_as_wide_as_the_terminal_and_coloured_there():
    shown = on_a_terminal("summary", "lenet5", TERM="xterm")
    assert "\x1b[1m" in shown
    plain = on_a_terminal("summary", "lenet5", TERM="xterm", NO_COLOR="1")
    assert "\x1b" not in plain
    assert widest(plain) <= 72
    assert "left out to fit 72 columns" in plain
    assert "\x1b" not in on_a_terminal("list", "--family", "lenet", TERM="dumb")


@pytest.mark.parametrize("columns", ["50", "80", "200"])
def test_columns_says_the_width_in_a_pipe_too(columns):
    text = in_a_pipe("summary", "resnet50", "--depth", "1", COLUMNS=columns)
    assert widest(text) <= int(columns)
    assert "\x1b" not in text
    assert ("left out" in text) is (int(columns) < 109)


def test_a_pipe_has_120_columns():
    text = in_a_pipe("summary", "resnet50", "alexnet")
    assert 100 < widest(text) <= 120


def test_the_list_fits_80_columns_and_cuts_no_name():
    text = in_a_pipe("list", COLUMNS="80")
    names = in_a_pipe("list", "--names").split()
    assert widest(text) <= 80
    assert set(names) <= {line.split()[0] for line in text.splitlines() if line}


def test_the_list_has_exact_figures_as_json():
    rows = {
        row["name"]: row
        for row in json.loads(in_a_pipe("list", "--family", "lenet", "--json"))["specs"]
    }
    assert rows["lenet5"]["params"] == 61706
    assert rows["lenet5"]["macs"] == 416520
    assert "61.7 K" in in_a_pipe("list", "--family", "lenet")


@pytest.mark.parametrize("words", [("--flat",), ("--json",), ("--format", "csv"), ("resnet18",)])
def test_depth_is_for_one_net_s_table_of_blocks(words):
    command = [sys.executable, "-m", "netspec", "summary", "lenet5", "--depth", "1", *words]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)
    assert done.returncode == 2
