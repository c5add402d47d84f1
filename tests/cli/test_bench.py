"""`netspec bench`: what is measured is named, and its JSON is what the schema says."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import click
import jsonschema
import onnx
import pytest

import netspec
from netspec.backends import tune as tuning
from netspec.backends.switches import DEFAULTS, KEY, Switches, cores
from netspec.backends.tune import Trial, Tuning
from netspec.cli.bench import command
from netspec.diagnostics.raised import NetspecError

SCHEMA = json.loads(files("netspec").joinpath("schemas/bench.json").read_text())
NET = "net tiny\ninput 3x8x8\nconv3-4; gap; fc-5\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "tiny.ns").write_text(NET)
    netspec.load(NET).to_onnx(tmp_path / "tiny.onnx")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def bench(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    """What `netspec bench WORDS --json` prints."""
    command.main([*words, "--json"], standalone_mode=False)
    found = json.loads(capsys.readouterr().out)
    jsonschema.validate(found, SCHEMA)
    return found


def test_models_batches_and_ratios_side_by_side(folder: Path, capsys: Any) -> None:
    found = bench(capsys, "tiny.ns", "tiny.onnx", "--batch", "1,8", "--runs", "2", "--threads", "1")
    rows = found["results"]
    assert [(row["model"], row["batch"]) for row in rows] == [
        ("tiny.ns", 1),
        ("tiny.ns", 8),
        ("tiny.onnx", 1),
        ("tiny.onnx", 8),
    ]
    assert [row["ratio"] for row in rows[:2]] == [1.0, 1.0]
    for row in rows:
        assert (row["provider"], row["precision"]) == ("CPUExecutionProvider", "fp32")
        assert row["p10_ms"] <= row["median_ms"] <= row["p90_ms"]
        assert row["runs"] >= 2
        assert row["switches"] == dict(
            Switches(threads=1, spinning="never").over(DEFAULTS).stated()
        )
    assert found["machine"]["cores"] == cores()
    assert found["settings"] == {"runs": 2, "warmup": 3, "alone": False, "seed": 0}


def test_alone_each_has_a_process_and_its_threads_their_way(folder: Path, capsys: Any) -> None:
    (row,) = bench(capsys, "tiny.onnx", "--alone", "--runs", "1")["results"]
    assert row["switches"] == dict(DEFAULTS.stated())


def test_the_table_says_how_it_was_measured(folder: Path, capsys: Any) -> None:
    tuning.keep(folder / "tiny.onnx", "cpu", Switches(threads=1))
    command.main(["tiny.onnx", "tiny.ns", "--runs", "1"], standalone_mode=False)
    text = capsys.readouterr().out
    head, first, second, *_ = text.splitlines()
    assert head.split()[:5] == ["model", "precision", "device", "batch", "threads"]
    assert first.split()[:5] == ["tiny.onnx", "fp32", "cpu", "1", "1"]
    assert second.split()[:5] == ["tiny.ns", "fp32", "cpu", "1", "default"]
    text = " ".join(text.split())
    assert "CPUExecutionProvider; ONNX Runtime" in text
    assert "1 rounds in random order after 3 untimed runs, in one process" in text
    assert "threads wait busily: never" in text
    assert "tiny.onnx on cpu: its file says threads=1" in text


def test_a_fixed_batch_is_the_files_own_or_refused(folder: Path, capsys: Any) -> None:
    netspec.load(NET).to_onnx(folder / "four.onnx", batch=4)
    found = bench(capsys, "tiny.onnx", "four.onnx", "--runs", "1")["results"]
    assert [(row["batch"], row["ratio"]) for row in found] == [(1, 1.0), (4, None)]
    with pytest.raises(NetspecError, match="takes batches of 4, not 8") as caught:
        bench(capsys, "four.onnx", "--batch", "8")
    assert caught.value.status == 2


def test_json_that_says_more_or_less_is_not_the_schemas(folder: Path, capsys: Any) -> None:
    found = bench(capsys, "tiny.onnx", "--runs", "1")
    (row,) = found["results"]
    for spoilt in (
        {**found, "more": 1},
        {**found, "results": [{**row, "precision": "fp17"}]},
        {**found, "results": [{**row, "switches": {**row["switches"], "threads": -1}}]},
        {**found, "results": [{key: row[key] for key in row if key != "provider"}]},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(spoilt, SCHEMA)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "models"),
        (("tiny.ns", "--batch", "1,0"), "from 1 on"),
        (("tiny.ns", "--batch", "x"), "from 1 on"),
        (("tiny.ns", "--device", "cpu,tpu"), "`tpu` is none of"),
        (("tiny.ns", "--tune"), "compile tiny.ns first"),
        (("tiny.onnx", "--tune", "--batch", "1,8"), "one batch size"),
        (("tiny.onnx", "--set", "a=1"), "needs a spec"),
    ],
)
def test_a_wrong_call_is_told(folder: Path, words: tuple[str, ...], says: str) -> None:
    before = (folder / "tiny.onnx").read_bytes()
    with pytest.raises(click.UsageError, match=says):
        command.main([*words], standalone_mode=False)
    assert (folder / "tiny.onnx").read_bytes() == before


def test_a_file_that_is_no_model_is_refused(folder: Path, capsys: Any) -> None:
    (folder / "bad.onnx").write_bytes(b"no")
    with pytest.raises(NetspecError, match=r"NS605.*bad\.onnx"):
        bench(capsys, "tiny.onnx", "bad.onnx", "--alone")


@pytest.mark.parametrize("won", [Switches(threads=1), Switches()])
def test_the_winner_is_written_into_the_file(
    folder: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch, won: Switches
) -> None:
    trial = Trial("threads", 1, 0.5, True)
    ratio = 0.5 if won.threads else 1.0
    monkeypatch.setattr(tuning, "tune", lambda *_, **__: Tuning((trial,), won, ratio))
    (report,) = bench(capsys, "tiny.onnx", "--tune", "--batch", "2")["tuned"]
    assert (report["batch"], report["ratio"]) == (2, ratio)
    assert report["switches"] == dict(won.stated())
    said = {e.key: e.value for e in onnx.load(folder / "tiny.onnx").metadata_props}
    assert ('"threads":1' in said[KEY]) is bool(won.threads)
    command.main(["tiny.onnx", "--tune"], standalone_mode=False)
    shown = capsys.readouterr()
    assert "threads=1: 0.500 of the best" in shown.err
    assert ("written into the file" in shown.out) is bool(won.threads)


def test_a_run_says_what_its_file_says(folder: Path) -> None:
    tuning.keep(folder / "tiny.onnx", "cpu", Switches(threads=1, spinning="never"))
    command = [sys.executable, "-m", "netspec", "run", "tiny.onnx"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert "tuned: threads=1, spinning=never" in done.stderr
