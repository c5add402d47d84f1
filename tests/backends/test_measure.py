"""Contenders in turns: each has as many as the others, here or in a process of its own."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest

from netspec.backends.measure import Apart, Here, Spread, Turns, in_turns
from netspec.diagnostics.messages.backends import BadInput
from netspec.diagnostics.raised import NetspecError


def counted(step: float, log: list[float] | None = None) -> tuple[Any, dict[str, Any]]:
    """Runs that say that they took one, two, three steps, whatever they take."""
    runs = []

    def run() -> float:
        runs.append(None)
        if log is not None:
            log.append(step)
        return step * len(runs)

    return run, {"process": os.getpid(), "step": step}


def broken(how: str) -> tuple[Any, dict[str, Any]]:
    if how == "refused":
        raise NetspecError(BadInput("x", "no"), status=2)
    if how == "raised":
        raise RuntimeError("odd\nvery")
    if how == "died":
        os._exit(3)
    if how == "slow":
        time.sleep(60)

    def run() -> float:
        os._exit(3)

    return run, {}


def test_every_round_has_one_turn_of_each_in_an_order_of_its_own() -> None:
    log: list[float] = []
    contenders = [Here(counted, 1.0 + i, log) for i in range(3)]
    turns = in_turns(contenders, 6, warmup=2, seed=1)
    assert [len(turn.seconds) for turn in turns] == [6, 6, 6]
    assert log[:6] == [1.0, 1.0, 2.0, 2.0, 3.0, 3.0]
    rounds = [tuple(log[6 + 3 * i : 9 + 3 * i]) for i in range(6)]
    assert all(sorted(order) == [1.0, 2.0, 3.0] for order in rounds)
    assert len(set(rounds)) > 1
    # Warm-up is not counted: the first timed run is the third.
    assert turns[0].seconds[0] == (3.0,)


def test_short_runs_are_timed_several_at_a_turn() -> None:
    (turn,) = in_turns([Here(counted, 0.0005)], 2, warmup=2)
    assert [len(seconds) for seconds in turn.seconds] == [20, 20]
    (turn,) = in_turns([Here(counted, 0.0)], 1)
    assert [len(seconds) for seconds in turn.seconds] == [50]


def test_a_ratio_is_that_of_the_same_rounds() -> None:
    """A machine that slows down slows both."""
    slow = Turns(((2.0,), (20.0, 20.0, 999.0), (4.0,)))
    fast = Turns(((1.0,), (10.0,), (4.0,)))
    assert slow.over(fast) == Spread(2.0, 1.0, 2.0, 1.0, 3)
    assert slow.spread() == Spread(20.0, 2.0, 999.0, 2.0, 5)
    assert Spread.of([1.0]) == Spread(1.0, 1.0, 1.0, 1.0, 1)


def test_a_contender_apart_has_its_own_process_and_ends_with_it() -> None:
    apart = Apart(counted, 1.0)
    assert apart.facts == {"process": apart._process.pid, "step": 1.0}
    assert apart.facts["process"] != os.getpid()
    assert apart.turn(2) == [1.0, 2.0]
    assert apart.turn(1) == [3.0]
    apart.close()
    assert not apart._process.is_alive()


@pytest.mark.parametrize(
    ("how", "code", "says"),
    [
        ("refused", "NS604", "no"),
        ("raised", "NS603", "RuntimeError: odd"),
        ("died", "NS603", "its process died"),
        ("slow", "NS603", "no answer in"),
    ],
)
def test_what_fails_apart_is_raised_here(how: str, code: str, says: str) -> None:
    with pytest.raises(NetspecError, match=says) as caught:
        Apart(broken, how, patience=2.0 if how == "slow" else None)
    assert caught.value.diagnostics[0].code == code


def test_a_process_that_dies_at_its_turn_is_told_of() -> None:
    apart = Apart(broken, "later")
    for says in ("its process died", "has ended"):
        with pytest.raises(NetspecError, match=says):
            apart.turn(1)
    apart.close()
