"""Tables on a terminal: as wide as it is, coloured there and nowhere else."""

from __future__ import annotations

import json
import re

import pytest
from support.terminals import netspec, on_a_terminal


def widest(text: str) -> int:
    return max(map(len, text.splitlines()))


def test_a_table_is_as_wide_as_the_terminal_and_coloured_there():
    shown = on_a_terminal("summary", "lenet5", stream="stdout", TERM="xterm")
    assert "\x1b[1m" in shown
    plain = on_a_terminal("summary", "lenet5", stream="stdout", TERM="xterm", NO_COLOR="1")
    assert "\x1b" not in plain
    assert widest(plain) <= 72
    assert "left out to fit 72 columns" in plain
    assert "\x1b" not in on_a_terminal("list", "--family", "lenet", stream="stdout", TERM="dumb")


@pytest.mark.parametrize("columns", ["50", "80", "200"])
def test_columns_says_the_width_in_a_pipe_too(columns):
    text = netspec("summary", "resnet50", "--depth", "1", COLUMNS=columns).stdout
    assert widest(text) <= int(columns)
    assert "\x1b" not in text
    assert ("left out" in text) is (int(columns) < 109)


def test_a_pipe_has_120_columns():
    text = netspec("summary", "resnet50", "alexnet").stdout
    assert 100 < widest(text) <= 120


@pytest.mark.parametrize(
    "shelf", ["lectures", "blocks", pytest.param("today", marks=pytest.mark.slow)]
)
def test_the_list_fits_80_columns_and_cuts_no_name(shelf):
    listed = netspec("list", "--shelf", shelf, COLUMNS="80")
    # A command of seconds, and no terminal.
    assert listed.stderr == ""
    text = listed.stdout
    names = netspec("list", "--shelf", shelf, "--names").stdout.split()
    assert widest(text) <= 80
    assert set(names) <= {line.split()[0] for line in text.splitlines() if line}


def test_the_list_has_exact_figures_as_json():
    rows = {
        row["name"]: row
        for row in json.loads(netspec("list", "--family", "lenet", "--json").stdout)["specs"]
    }
    assert rows["lenet5"]["params"] == 61706
    assert rows["lenet5"]["macs"] == 416520
    assert "61.7 K" in netspec("list", "--family", "lenet").stdout


@pytest.mark.parametrize("words", [("--flat",), ("resnet18",)])
def test_depth_is_for_one_net_s_table_of_blocks(words):
    assert netspec("summary", "lenet5", "--depth", "1", *words).returncode == 2


@pytest.mark.parametrize("columns", ["40", "60", "120"])
@pytest.mark.parametrize(
    "words",
    [
        ("explain", "NS851"),
        ("diff", "resnet50", "googlenet"),
        ("diff", "resnet18", "resnet34"),
        ("summary", "lenet5", "--explain", "conv1"),
        ("summary", "googlenet", "--explain", "inception3a"),
    ],
)
def test_sentences_are_no_longer_than_columns_says_and_lose_no_word(
    words: tuple[str, ...], columns: str
) -> None:
    text = netspec(*words, COLUMNS=columns).stdout
    assert widest(text) <= int(columns)
    whole = netspec(*words, COLUMNS="2000").stdout
    assert "".join(text.split()) == "".join(whole.split())


def test_a_change_is_a_line_in_a_pipe_and_wrapped_in_colour_on_a_terminal() -> None:
    nets = "diff", "resnet50", "googlenet"
    assert widest(netspec(*nets).stdout) > 120
    shown = on_a_terminal(*nets, stream="stdout", TERM="xterm")
    plain = re.sub(r"\x1b\[\d+m", "", shown)
    assert shown != plain
    assert widest(plain) <= 72
    # Each line ends in no colour, so that a pager may begin at any of them.
    assert all(line.count("\x1b") % 2 == 0 for line in shown.splitlines())


@pytest.mark.parametrize("words", [("--help",), ("verify", "lenet5")])
def test_what_has_no_table_fits_80_columns_too(words: tuple[str, ...]) -> None:
    assert widest(netspec(*words, COLUMNS="80").stdout) <= 80
