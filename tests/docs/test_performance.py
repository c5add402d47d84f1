"""The page of times is what the benchmarks found, and the benchmarks run, small, as far as a CPU goes."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from support.places import DOCS, ROOT

from netspec.backends.measure import Here
from netspec.diagnostics.messages.backends import RuntimeFailed
from netspec.diagnostics.raised import NetspecError

BENCHMARKS = ROOT / "benchmarks"
NET = "net tiny\ninput 3x8x8\nconv3-4(norm=bn, act=relu); gap; fc-5; softmax\n"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """Imports a script and runs it with these words, in this process and on a tiny net."""
    for folder in (BENCHMARKS, DOCS):
        monkeypatch.syspath_prepend(str(folder))
    (tmp_path / "tiny.ns").write_text(NET)
    (tmp_path / "wide.ns").write_text(NET.replace("conv3-4", "conv3-8"))
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)

    def run(name: str, *words: str) -> Any:
        module = importlib.import_module(name)
        monkeypatch.setattr(module, "Apart", lambda *of, patience: Here(*of))
        monkeypatch.setattr(module, "cores", lambda: 1, raising=False)
        monkeypatch.setattr(module, "TURN", 0.0, raising=False)
        monkeypatch.setattr(sys, "argv", [name, "-o", "found.json", *words])
        try:
            module.main()
        except SystemExit as end:
            assert not isinstance(end.code, str), end.code
        return json.loads(Path("found.json").read_text())

    yield run
    torch.set_num_threads(threads)


def _make_performance() -> ModuleType:
    return importlib.import_module("make_performance")


def test_the_page_is_what_the_results_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(DOCS))
    made = _make_performance()
    assert made.PAGE.read_text() == made.page(), "run `python docs/make_performance.py`"


WORDS = ("--rounds", "2", "--batches", "1", "2", "--contenders", "torch_eager", "torch_dynamo")


@pytest.fixture
def inference(script: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What `inference.py` finds of a tiny net, onnxscript being nowhere."""
    module = importlib.import_module("inference")
    monkeypatch.setattr(module, "find_spec", lambda name: None if name == "onnxscript" else name)
    return script("inference", "--nets", "./tiny.ns", *WORDS)


def test_contenders_are_compared_and_what_is_missing_is_named(inference: Any) -> None:
    assert inference["machine"]["torch"]
    assert inference["settings"]["batches"] == [1, 2]
    result = inference["nets"]["./tiny.ns"]
    for figures in result["batches"].values():
        assert figures["netspec"]["ratio"] == 1.0
        assert figures["torch_eager"]["ratio"] > 0
        assert figures["torch_eager"]["error"] < 1e-5
        assert figures["torch_dynamo"] == {"missing": "onnxscript is not installed"}
        assert figures["torch_compile"] == {"missing": "not asked for"}
    assert result["files"]["netspec"]["nodes"] > 3


def test_a_net_that_was_measured_is_kept_and_another_machine_is_refused(
    inference: Any, script: Any
) -> None:
    both = ("--nets", "./tiny.ns", "./wide.ns", *WORDS)
    again = script("inference", *both)
    assert again["nets"]["./tiny.ns"] == inference["nets"]["./tiny.ns"]
    assert list(again["nets"]) == ["./tiny.ns", "./wide.ns"]
    again["machine"]["processor"] = "another"
    Path("found.json").write_text(json.dumps(again))
    with pytest.raises(AssertionError, match="another machine"):
        script("inference", *both)
    assert list(script("inference", "--again", *both)["nets"]) == ["./tiny.ns", "./wide.ns"]


def test_what_does_not_compute_the_same_shows(script: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module("inference")
    right = module.module
    monkeypatch.setattr(module, "module", lambda net: torch.nn.Sequential(right(net), Doubled()))
    found = script("inference", "--nets", "./tiny.ns", *WORDS[:-1])
    assert found["nets"]["./tiny.ns"]["batches"]["1"]["torch_eager"]["error"] == pytest.approx(1)


class Doubled(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 2 * x


GPU = ("--device", "cpu", "--nets", "./tiny.ns", "--batches", "2", "--rounds", "2")


@pytest.fixture
def gpu(script: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What `gpu.py` finds on the CPU: one proof holds, one does not, one has no time."""
    module = importlib.import_module("gpu")
    proofs = {
        "lenet5": {"ok": True, "verify": {"provider": "CPUExecutionProvider"}},
        "vgg16": {"ok": False, "failure": "odd\nreason"},
        "alexnet": {"ok": None, "failure": "it took too long"},
    }

    def measured(kind: str, arguments: tuple[Any, ...], timeout: float) -> dict[str, Any]:
        assert (kind, arguments[1:]) == ("net", ("cpu", (), 1))
        assert 0 < timeout <= module.PROOF
        return {"name": arguments[0], **proofs[arguments[0]]}

    monkeypatch.setattr(module, "measured", measured)
    monkeypatch.setitem(module.CHIPS, "", (1e12, 1e12, 1e12))
    return script("gpu", *GPU, "--verify", *proofs, "--seconds", "600")


def test_a_rehearsal_on_the_cpu_does_all_steps(gpu: Any) -> None:
    figures = gpu["times"]["./tiny.ns"]["2"]
    ours = figures["netspec_fp32"]
    assert (ours["provider"], ours["precision"]) == ("CPUExecutionProvider", "fp32")
    assert ours["ratio"] == 1.0
    assert 0 <= ours["share_of_peak"] <= 1
    assert 0 <= ours["share_of_bandwidth"] <= 1
    assert figures["torch_eager_fp32"]["error"] < 1e-5
    # 16-bit numbers have eleven bits.
    assert 1e-6 < figures["torch_eager_fp16"]["error"] < 1e-2
    assert gpu["compiled"]["./tiny.ns"]["2"]["torch_compile_fp16"]["provider"] == "torch cpu"
    assert gpu["proofs"]["ok"] == [{"name": "lenet5", "provider": "CPUExecutionProvider"}]
    assert [proof["name"] for proof in gpu["proofs"]["wrong"]] == ["vgg16"]
    assert gpu["proofs"]["not_run"] == {"alexnet": "it took too long"}


def test_without_time_all_is_named_and_nothing_is_run(
    script: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module("gpu")

    def late(*_: Any, patience: float) -> Any:
        assert patience == 0
        raise NetspecError(RuntimeFailed("no answer in 0 s"))

    monkeypatch.setattr(module, "Budget", lambda _: Late())
    monkeypatch.setattr(module, "in_turns", lambda contenders, *_, **__: [])
    monkeypatch.setattr(module, "started", _none)
    found = script("gpu", *GPU, "--verify", "lenet5")
    assert set(found["times"]["./tiny.ns"]["2"]) == set(module.FIRST)
    assert found["proofs"]["not_run"] == {"lenet5": "no time was left"}
    assert found["seconds_left"] == 0


class Late:
    def left(self) -> float:
        return 0.0

    def part(self, _seconds: float) -> Late:
        return self


def _none(contenders: Any, *_: Any) -> Any:
    return {}, {name: {"missing": "no answer in 0 s"} for name in contenders}


def test_the_page_shows_figures_and_what_is_missing_or_wrong(
    inference: Any, gpu: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = _make_performance()
    results = {"inference.json": inference, "gpu.json": gpu}
    monkeypatch.setattr(made, "read", results.__getitem__)
    page = made.page()
    figures = inference["nets"]["./tiny.ns"]["batches"]["1"]
    row = next(line for line in page.splitlines() if line.startswith("| ./tiny.ns |"))
    assert f"{figures['torch_eager']['ratio']:.2f} (" in row
    assert "- exporter, dynamo: onnxscript is not installed." in page
    assert "1 shipped nets agree with double precision on CPUExecutionProvider" in page
    assert "- wrong: vgg16: odd reason" in page
    assert "- not run: alexnet: it took too long" in page
    monkeypatch.setattr(made, "read", lambda _: None)
    assert made.page().count(made.NONE) == 2


@pytest.mark.slow
def test_the_scripts_run_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "tiny.ns").write_text(NET)
    for words in (
        ("inference.py", "--nets", "./tiny.ns", "--rounds", "2", "--batches", "1"),
        ("gpu.py", *GPU, "--verify", "lenet5", "--seconds", "400"),
    ):
        command = [sys.executable, str(BENCHMARKS / words[0]), *words[1:], "-o", "found.json"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert json.loads((tmp_path / "found.json").read_text())["machine"]
