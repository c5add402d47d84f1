"""Which switches run a file fastest on this machine: tried, not guessed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from netspec.backends.measure import Apart, Spread, in_turns, of_file
from netspec.backends.switches import DEFAULTS, KEY, VALUES, Switches, Tuned, cores, tuned_text
from netspec.diagnostics.raised import NetspecError
from netspec.foundation.records import record

# What is tried on each device, in this order. What is left out of it decides nothing there.
_TRIED = {
    "cpu": ("threads", "spinning", "optimization", "execution", "block_base", "arena"),
    "cuda": ("nhwc", "conv_search", "conv_bias", "cuda_graph"),
}
# What is tried with leave only: it computes something else.
_AT_A_COST = ("tf32",)
# A switch is taken where it saves this much of the time, and some in nine rounds of ten: less may be
# chance, or what else the machine does.
_WORTH = 0.98


@record
class Trial:
    """A switch at a value: its time over that of the best so far, None where it does not run.

    `sure` is whether it was faster by enough to be no chance.
    """

    switch: str
    value: Any
    ratio: float | None
    sure: bool


@record
class Tuning:
    """What was tried, the switches that won and their time over that of the defaults.

    Where nothing was worth it, the switches say nothing and the ratio is 1.
    """

    trials: tuple[Trial, ...]
    switches: Switches
    ratio: float


def tune(
    path: Path,
    feeds: Mapping[str, Any],
    *,
    device: str = "cpu",
    rounds: int = 10,
    tf32: bool = False,
    most: int | None = None,
    told: Callable[[str], None] = lambda _: None,
) -> Tuning:
    """Tries the switches that matter on a device, one after the other, on arrays by input name.

    Each setting runs in a process of its own, in turns with the best so far. `tf32` allows what
    rounds to 10 bits to be tried. `told` is called with each switch that is tried next. Raises
    NetspecError where the file does not run with ONNX Runtime's own choices.
    """

    def ratios(first: Switches, others: list[Switches], rounds: int) -> list[Spread | None]:
        settings = [switches.over(DEFAULTS) for switches in (first, *others)]
        return _ratios(path, feeds, {"device": device, "most": most}, settings, rounds)

    best = Switches()
    trials: list[Trial] = []
    for switch in (*_TRIED[device], *(_AT_A_COST if tf32 else ())):
        told(switch)
        values = [value for value in _values(switch) if value != getattr(DEFAULTS, switch)]
        tried = [replace(best, **{switch: value}) for value in values]
        found = ratios(best, tried, rounds)
        for value, spread in zip(values, found, strict=True):
            median = None if spread is None else spread.median
            trials.append(Trial(switch, value, median, _sure(spread)))
        faster = [(s.median, i) for i, s in enumerate(found) if s is not None and _sure(s)]
        if faster:
            best = tried[min(faster)[1]]
    if best != Switches():
        # The winner was picked for its luck too: it is held to the defaults once more.
        told("the winner against the defaults")
        (spread,) = ratios(Switches(), [best], 2 * rounds)
        if spread is not None and _sure(spread):
            return Tuning(tuple(trials), best, spread.median)
    return Tuning(tuple(trials), Switches(), 1.0)


def keep(path: Path, device: str, switches: Switches) -> None:
    """Writes switches for a device into the metadata of an ONNX file, whole or not at all.

    What it says of other devices stays; switches that say nothing take away what it said of this one.
    """
    from netspec.backends.onnx.file import write_metadata
    from netspec.backends.onnx.guard import check_model
    from netspec.backends.runtime import tuned_of

    found = tuned_of(check_model(path), path)
    found.pop(device, None)
    if switches != Switches():
        found[device] = Tuned(switches, cores())
    write_metadata(path, {KEY: tuned_text(found)})


def _sure(spread: Spread | None) -> bool:
    return spread is not None and spread.median <= _WORTH and spread.p90 < 1


def _values(switch: str) -> list[Any]:
    if switch != "threads":
        return list(VALUES[switch])
    found = [1]
    while found[-1] * 2 <= cores():
        found.append(found[-1] * 2)
    return sorted({*found, cores()})


def _ratios(
    path: Path,
    feeds: Mapping[str, Any],
    given: dict[str, Any],
    settings: list[Switches],
    rounds: int,
) -> list[Spread | None]:
    """The times of all settings but the first over the first's; None for one that does not run."""
    made: list[Apart | None] = []
    try:
        for switches in settings:
            try:
                made.append(Apart(of_file, path, {**given, "switches": switches}, dict(feeds)))
            except NetspecError:
                if not made:
                    raise
                made.append(None)
        turns = iter(in_turns([contender for contender in made if contender], rounds))
        first, *others = [next(turns) if contender else None for contender in made]
        assert first is not None
        return [other.over(first) if other else None for other in others]
    finally:
        for contender in filter(None, made):
            contender.close()
