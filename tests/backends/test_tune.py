"""Tuning takes what is faster in nearly every round, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netspec
from netspec.backends import tune as tuning
from netspec.backends.measure import Turns
from netspec.backends.switches import DEFAULTS, Switches
from netspec.backends.tune import tune
from netspec.diagnostics.messages.backends import RuntimeFailed
from netspec.diagnostics.raised import NetspecError

NOISE = {"input": np.zeros((1, 3, 8, 8), np.float32)}


class Told:
    """A contender whose times are a function of its switches, in place of a process."""

    times: Any = None
    open = 0

    def __init__(self, make: Any, path: Path, given: dict[str, Any], feeds: Any) -> None:
        self.switches = given["switches"]
        self.first = Told.times(self.switches)
        if self.first is None:
            raise NetspecError(RuntimeFailed("no"), status=4)
        Told.open += 1

    def close(self) -> None:
        Told.open -= 1


@pytest.fixture
def times(monkeypatch: pytest.MonkeyPatch) -> Any:
    def chosen(function: Any) -> None:
        monkeypatch.setattr(Told, "times", staticmethod(function))

    def in_turns(contenders: list[Told], rounds: int) -> list[Turns]:
        return [
            Turns(tuple((c.first(i) if callable(c.first) else c.first,) for i in range(rounds)))
            for c in contenders
        ]

    monkeypatch.setattr(tuning, "Apart", Told)
    monkeypatch.setattr(tuning, "in_turns", in_turns)
    monkeypatch.setattr(tuning, "cores", lambda: 4)
    yield chosen
    assert Told.open == 0


def test_what_is_faster_wins_together_and_is_held_to_the_defaults(times: Any) -> None:
    def seconds(switches: Switches) -> float:
        found = {0: 1.0, 1: 3.0, 2: 0.8, 4: 1.1}[switches.threads or 0]
        return found * (0.9 if switches.spinning == "run" else 1) * (0.5 + switches.arena / 2)

    times(seconds)
    told: list[str] = []
    found = tune(Path("x"), NOISE, told=told.append)
    assert found.switches == Switches(threads=2, spinning="run", arena=False)
    assert found.ratio == pytest.approx(0.8 * 0.9 * 0.5)
    ratios = {(t.switch, t.value): t.ratio for t in found.trials}
    assert ratios["threads", 1] == pytest.approx(3)
    assert ratios["arena", False] == pytest.approx(0.5)
    assert ratios["optimization", "none"] == pytest.approx(1)
    assert told[-1] == "the winner against the defaults"


def test_what_is_a_little_faster_or_only_now_and_then_does_not_win(times: Any) -> None:
    times(lambda s: 0.99 if s.threads == 1 else 1.0)
    assert tune(Path("x"), NOISE).switches == Switches()
    # Faster in seven rounds of ten, slower in three.
    times(lambda s: (lambda i: 0.5 if i < 7 else 1.5) if s.spinning == "never" else 1.0)
    found = tune(Path("x"), NOISE)
    assert (found.switches, found.ratio) == (Switches(), 1.0)
    assert not any(trial.sure for trial in found.trials)


def test_a_winner_that_loses_to_the_defaults_is_dropped(times: Any) -> None:
    """Two switches, each faster in its round, slower together than nothing at all."""
    calls: list[Switches] = []

    def seconds(switches: Switches) -> float:
        calls.append(switches)
        both = switches.threads == 1
        return 0.5 if both and calls.count(DEFAULTS) < 2 else 1.0

    times(seconds)
    assert tune(Path("x"), NOISE).switches == Switches()


def test_what_does_not_run_is_told_and_loses(times: Any) -> None:
    times(lambda s: None if s.execution == "parallel" else 1.0)
    found = tune(Path("x"), NOISE)
    assert [(t.switch, t.ratio) for t in found.trials if t.ratio is None] == [("execution", None)]
    times(lambda s: None)
    with pytest.raises(NetspecError):
        tune(Path("x"), NOISE)


def test_tf32_is_tried_with_leave_only(times: Any) -> None:
    times(lambda s: 0.5 if s.tf32 else 1.0)
    assert tune(Path("x"), NOISE, device="cuda").switches == Switches()
    assert tune(Path("x"), NOISE, device="cuda", tf32=True).switches == Switches(tf32=True)


def test_a_small_file_is_tuned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = netspec.load("conv3-4; gap; fc-5", input="3x8x8").to_onnx(tmp_path / "net.onnx")
    monkeypatch.setattr(tuning, "_TRIED", {"cpu": ("spinning",)})
    found = tune(path, NOISE, rounds=1)
    assert [(t.switch, t.value) for t in found.trials] == [
        ("spinning", "run"),
        ("spinning", "never"),
    ]
    assert all(t.ratio is not None and t.ratio > 0 for t in found.trials)
