"""`netspec sweep`: tables, documents, what is refused, and how it ends."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from importlib.resources import files
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest
from support.places import ROOT

import netspec
from netspec.cli import sweep as module
from netspec.cli.sweep import command
from netspec.diagnostics.raised import NetspecError

SCHEMA = json.loads(files("netspec").joinpath("schemas/sweep.json").read_text())
NET = "net small(n=8, k=3)\ninput 3x8x8\nconv-n(kernel=k); gap; fc-5\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "small.ns").write_text(NET)
    monkeypatch.chdir(tmp_path)
    # Tables leave columns out where they do not fit.
    monkeypatch.setenv("COLUMNS", "120")
    return tmp_path


def sweep(*words: str) -> Any:
    return command.main(["small.ns", *words], standalone_mode=False)


def test_the_table_is_exact_and_says_what_does_not_fit(capsys: Any) -> None:
    assert sweep("--set", "n=4..12:4", "--set", "k=3,9") == 0
    out, told = capsys.readouterr()
    head, *lines = out.splitlines()
    assert head.split() == ["n", "k", "params", "MACs", "depth", "weights", "activations"]
    assert len(lines) == 6
    assert lines[0].split()[:5] == ["4", "3", "137", "3,908", "2"]
    assert lines[1].split()[:3] == ["4", "9", "NS302:"]
    assert told == "6 variants: 3 fit, 3 do not (NS302: 3)\n"


def test_the_document_is_what_its_schema_says(capsys: Any) -> None:
    assert sweep("--set", "n=4,8", "--set", "k=3,9", "--where", "params<200", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    jsonschema.validate(found, SCHEMA)
    assert found["counts"] == {"ok": 1, "refused": 2, "over": 1, "lost": 0}
    assert [row["variant"] for row in found["rows"]] == [0, 1, 3]
    assert all(list(row) == found["columns"] for row in found["rows"])
    first = found["rows"][0]
    assert first["params"] == netspec.load("small.ns", n=4).params


def test_a_file_gets_the_table_and_standard_output_too(folder: Path, capfdbinary: Any) -> None:
    words = ("--set", "n=4..12:4", "--input", "3x8x8", "--input", "3x9x9")
    assert sweep(*words, "-o", "t.csv") == 0
    assert sweep(*words, "-q", "-o", "-", "--format", "csv") == 0
    out, told = capfdbinary.readouterr()
    assert told == b"6 variants: 6 fit\n"
    assert out == (folder / "t.csv").read_bytes()
    rows = list(csv.DictReader(io.StringIO(out.decode())))
    assert [(row["set_n"], row["input"]) for row in rows[:2]] == [("4", "3x8x8"), ("4", "3x9x9")]


def test_bounds_samples_and_parts_are_those_of_the_library(folder: Path) -> None:
    words = ("--set", "n=1..40", "--where", "params<400", "--where", "macs>1K", "--all")
    sweep(*words, "--sample", "12", "--seed", "5", "--part", "2/3", "-o", "t.jsonl")
    lines = [json.loads(line) for line in (folder / "t.jsonl").read_text().splitlines()]
    rows = netspec.sweep(
        "small.ns",
        {"n": range(1, 41)},
        where=["params<400", "macs>1K"],
        keep=True,
        sample=12,
        seed=5,
        part=(2, 3),
    )
    assert [(line["variant"], line["status"]) for line in lines] == [
        (row.variant, row.status) for row in rows
    ]
    assert len(lines) == 4


def test_the_picture_is_drawn_beside_the_table(folder: Path) -> None:
    pytest.importorskip("matplotlib")
    sweep("--set", "n=4..40:4", "-o", "t.csv", "--plot", "p.svg", "--x", "set_n", "--y", "params")
    assert (folder / "p.svg").read_text().count("<svg") == 1
    assert len((folder / "t.csv").read_text().splitlines()) == 11


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--set", "n=5"), "`n` is set twice"),
        (("--part", "0/3"), "write it like 2/8"),
        (("--part", "4/3"), "write it like 2/8"),
        (("--part", "1"), "write it like 2/8"),
        (("--runs", "3"), "are for --latency"),
        (("--latency", "--jobs", "2"), "no --jobs, no --ray"),
        (("--latency", "--ray", "auto"), "no --jobs, no --ray"),
        (("--jobs", "2", "--ray", "auto"), "--ray is for a cluster"),
        (("--x", "params"), "are for --plot"),
        (("--json", "-o", "t.csv"), "--json prints"),
        (("-o", "-"), "say with --format"),
    ],
)
def test_words_that_do_not_go_together(words: tuple[str, ...], said: str) -> None:
    with pytest.raises(click.UsageError) as caught:
        sweep("--set", "n=4", *words)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--set", "m=4"), "NS221"),
        (("--set", "n=4..2"), "NS540"),
        (("--set", "n=4", "--where", "param<4"), "NS710"),
        (("--set", "n=4", "-o", "t.xls"), "NS545"),
        (("--set", "n=4", "-o", "t.csv", "--format", "jsonl"), "NS545"),
        (("--set", "n=4", "--plot", "t.svg", "--x", "costs"), "NS544"),
        (("--set", "n=4", "--plot", "t.doc"), "NS620"),
        (("--set", "n=4", "-o", "nowhere/t.csv"), "NS504"),
        (
            (
                "--set",
                "n=1..20000",
            ),
            "NS543",
        ),
        (("--set", "n=4", "-o", "small.ns", "--format", "csv"), "NS505"),
    ],
)
def test_mistakes_are_told_before_anything_is_written(
    words: tuple[str, ...], code: str, folder: Path
) -> None:
    with pytest.raises(NetspecError) as caught:
        sweep(*words)
    assert caught.value.diagnostics[0].code == code
    assert [path.name for path in folder.iterdir()] == ["small.ns"]
    assert (folder / "small.ns").read_text() == NET


def test_where_nothing_fits_the_status_is_1(capsys: Any) -> None:
    assert sweep("--set", "k=9,10") == 1
    assert "2 variants: 2 do not (NS302: 2)" in capsys.readouterr().err


@pytest.mark.parametrize("more", [(), ("--all",)])
def test_where_all_break_a_bound_the_status_is_1(more: tuple[str, ...]) -> None:
    assert sweep("--set", "n=4,8", "--where", "params<5", *more) == 1
    assert sweep("--set", "n=4,8", "--where", "params<1G", *more) == 0


def test_a_lost_variant_is_a_failure(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    from netspec.sweeping.sweep import Sweep

    def rows(self: Sweep) -> Any:
        yield from (self.plan.row(0), self.plan.lost(1, 2))

    monkeypatch.setattr(Sweep, "rows", rows)
    assert sweep("--set", "n=4,8") == 4
    assert "1 fit, 1 lost (NS542: 1)" in capsys.readouterr().err


def test_latency_is_a_column_of_the_table(capsys: Any) -> None:
    assert sweep("--set", "n=4", "--latency", "--runs", "2", "--threads", "1") == 0
    head, line = capsys.readouterr().out.splitlines()
    assert head.split()[-3:] == ["ms", "p10_ms", "p90_ms"]
    assert all(float(word) > 0 for word in line.split()[-3:])


def test_a_long_sweep_is_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    class Long:
        count, seconds, jobs, is_elsewhere = 10**6, 0.04, 2, False
        unit = netspec.sweep("small.ns", {"n": [4]}).unit

    assert module._announced(Long()) == (  # type: ignore[arg-type]
        "1,000,000 variants of small, about 6 h in 2 processes"
    )


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="needs signals of Unix")
def test_a_ctrl_c_leaves_nothing_behind(folder: Path) -> None:
    words = ("sweep", "small.ns", "--set", "n=1..1000000", "--jobs", "2", "-o", "t.csv")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-m", "netspec", *words],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    end = time.monotonic() + 30
    while time.monotonic() < end and not any(p.suffix == ".tmp" for p in folder.iterdir()):
        time.sleep(0.05)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "interrupted; no file was changed" in told
    assert "Traceback" not in told
    assert [path.name for path in folder.iterdir()] == ["small.ns"]


def test_a_sweep_loads_nothing_heavy(folder: Path) -> None:
    script = (
        "import sys\n"
        "from netspec.cli.sweep import command\n"
        "words = ['small.ns', '--set', 'n=1..9', '-q', '-o', 't.csv']\n"
        "command.main(words, standalone_mode=False)\n"
        "print({'numpy', 'torch', 'onnx', 'onnxruntime', 'multiprocessing'} & set(sys.modules))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout == "set()\n"
