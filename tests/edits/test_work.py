"""Edits are looked for and tried with a bounded amount of work, however large the numbers are."""

from __future__ import annotations

from collections import Counter

import pytest

from netspec import NetspecError
from netspec.diagnostics.limits import DEFAULT
from netspec.diagnostics.raised import Known
from netspec.diagnostics.source import Source
from netspec.edits.sizes import _QUOTIENTS, _divisors_below
from netspec.elaborate.build import _WORK_OF_TRIALS, _Trials, build
from netspec.elaborate.steps import Elaborator
from netspec.syntax.units import Shelf


class Counted(int):
    """An integer that counts the divisions made of it."""

    divisions = 0

    def __mod__(self, other: int) -> int:
        Counted.divisions += 1
        return int(self) % other


@pytest.mark.parametrize(
    ("divisor", "value"), [(2**31 - 1, 3), (2**31 - 1, 2**31 - 2), (2**30, 2**31 - 1), (2, 2**31)]
)
def test_divisors_are_looked_for_among_so_many_quotients(divisor: int, value: int) -> None:
    Counted.divisions = 0
    found = list(_divisors_below(divisor, Counted(value)))
    assert Counted.divisions <= _QUOTIENTS
    assert all(value % each == 0 and 1 < each < divisor for each in found)


@pytest.mark.parametrize(("divisor", "value", "nearest"), [(7, 96, 6), (10, 96, 8), (5, 3, 3)])
def test_the_nearest_comes_first(divisor: int, value: int, nearest: int) -> None:
    assert next(_divisors_below(divisor, value)) == nearest


@pytest.mark.parametrize(
    "steps",
    [
        "conv5-256(groups=2147483647)",
        "shuffle(2147483647)",
        "groupnorm(2147483647)",
        "relu x1900\nconv9-4(pda=1)\nconv3-5(padd=1)\nconv3-6(groups=5)",
        "relu x(1e9)\nconv3-4(pda=1)",
        "block b(n) { relu x(n) }\nb(1900)\nconvv3-4\ngroupnorm(5)\nadd",
        "conv3-4(pad=1) x1900; conv9-4; conv99-4",
    ],
)
def test_all_trials_share_a_budget(steps: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = 0
    tick = Elaborator._tick

    def counted(self: Elaborator, *place: object) -> None:
        nonlocal ticks
        ticks += 1
        tick(self, *place)  # type: ignore[arg-type]

    monkeypatch.setattr(Elaborator, "_tick", counted)
    with pytest.raises(NetspecError):
        build(Source("t.ns", f"input 3x8x8\n{steps}"))
    assert ticks < 2 * _WORK_OF_TRIALS


@pytest.mark.parametrize("mistake", ["conv3-4(", "noo1", "conv3-4(padd=1)"])
@pytest.mark.parametrize("allowed", [0, 3])
def test_a_trial_ends_at_the_first_mistake_beyond_those_that_are_there(
    mistake: str, allowed: int
) -> None:
    source = Source("t.ns", "input 3x8x8\n" + f"{mistake}\n" * 9)
    trials = _Trials({}, DEFAULT, Shelf())
    with pytest.raises(NetspecError) as whole:
        trials(source, ())
    found = [item.code for item in whole.value.diagnostics]
    assert len(found) == 9
    known = Known.of(whole.value.diagnostics[:allowed], source.text)
    with pytest.raises(NetspecError) as ended:
        trials(source, (), allowed=known)
    met = Counter(item.code for item in ended.value.diagnostics)
    assert (met - Counter(found[:allowed])).total() == 1
