"""Times side by side: contenders in turns, in a random order, each in its own process where asked.

What runs in one process shares its threads' processors: ONNX Runtime's threads go on waiting busily
after a run, and whatever runs next looks slower. So contenders of one process are told not to; those in
processes of their own run as they would alone, with a pause before each turn until the others are quiet.
"""

from __future__ import annotations

import multiprocessing
import random
import signal
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.diagnostics.messages.backends import RuntimeFailed
from netspec.diagnostics.raised import NetspecError
from netspec.foundation.records import record
from netspec.system.reading import reason_of

if TYPE_CHECKING:
    from netspec.backends.runtime import Session

# Runs once and returns the seconds that it took.
Run = Callable[[], float]
# What is said of a contender, in values that JSON can hold.
Facts = dict[str, Any]
# Makes what runs.
Make = Callable[..., tuple[Run, Facts]]

# Seconds until a process is quiet: ONNX Runtime's threads wait busily for 40 ms after a run.
PAUSE = 0.1
# The most runs in a turn.
_MOST = 50


class Here:
    """A contender in this process: what `make` makes of the arguments, and its `facts`."""

    pause = 0.0

    def __init__(self, make: Make, *arguments: Any) -> None:
        self._run, self.facts = make(*arguments)

    def turn(self, runs: int) -> list[float]:
        """The seconds of so many runs, one after the other."""
        return [self._run() for _ in range(runs)]

    def close(self) -> None:
        """Lets go of what was made."""
        del self._run


class Apart:
    """A contender in a process of its own, started anew; `make` and the arguments are sent to it.

    What fails there is raised here as NetspecError, as is a process that dies or an answer that takes
    more than `patience` seconds, in which case the process is ended.
    """

    pause = PAUSE

    def __init__(self, make: Make, *arguments: Any, patience: float | None = None) -> None:
        context = multiprocessing.get_context("spawn")
        self._patience = patience
        self._channel, theirs = context.Pipe()
        # A daemon, so that it ends with this process; where that is killed, the channel's end ends it.
        self._process = context.Process(target=_serve, args=(theirs, make, arguments), daemon=True)
        self._process.start()
        theirs.close()
        self.facts: Facts = self._answer()

    def turn(self, runs: int) -> list[float]:
        """The seconds of so many runs, one after the other."""
        try:
            self._channel.send(runs)
        except OSError:
            raise NetspecError(RuntimeFailed("its process has ended"), status=4) from None
        found: list[float] = self._answer()
        return found

    def close(self) -> None:
        """Ends the process."""
        self._channel.close()
        self._process.join(timeout=1)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def _answer(self) -> Any:
        try:
            if not self._channel.poll(self._patience):
                self.close()
                reason = f"no answer in {self._patience:.0f} s"
                raise NetspecError(RuntimeFailed(reason), status=4)
            fine, answer = self._channel.recv()
        except (EOFError, OSError):
            self.close()
            reason = "its process died, as for want of memory"
            raise NetspecError(RuntimeFailed(reason), status=4) from None
        if fine:
            return answer
        self.close()
        raise answer


Contender = Here | Apart


def _serve(channel: Any, make: Make, arguments: tuple[Any, ...]) -> None:
    """What a contender's process does: takes its turns until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started it hears and ends it
    try:
        run, facts = make(*arguments)
        channel.send((True, facts))
        while True:
            runs = channel.recv()
            channel.send((True, [run() for _ in range(runs)]))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    except NetspecError as error:
        channel.send((False, error))
    except Exception as error:  # what a library raises may not travel
        reason = f"{type(error).__name__}: {reason_of(error)}"
        channel.send((False, NetspecError(RuntimeFailed(reason), status=4)))


@record
class Spread:
    """A distribution's middle and where its outer tenths begin, its least, and how many there are."""

    median: float
    p10: float
    p90: float
    least: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of one value or more."""
        ordered = sorted(values)
        last = len(ordered) - 1
        return cls(
            statistics.median(ordered),
            ordered[round(0.1 * last)],
            ordered[round(0.9 * last)],
            ordered[0],
            len(ordered),
        )


@record
class Turns:
    """The seconds of a contender's runs, a list for each round."""

    seconds: tuple[tuple[float, ...], ...]

    def spread(self) -> Spread:
        """Of all runs, in seconds."""
        return Spread.of([second for turn in self.seconds for second in turn])

    def over(self, first: Turns) -> Spread:
        """Of the rounds' ratios to another contender's medians in the same rounds."""
        pairs = zip(self.seconds, first.seconds, strict=True)
        return Spread.of([statistics.median(a) / statistics.median(b) for a, b in pairs])


def in_turns(
    contenders: Sequence[Contender],
    rounds: int,
    *,
    warmup: int = 3,
    turn: float = 0.01,
    seed: int = 0,
    told: Callable[[str], None] = lambda _: None,
) -> list[Turns]:
    """The contenders' times in so many rounds, after `warmup` untimed runs of each.

    In each round each has one turn, in a random order: one run, or as many as fit in `turn` seconds.
    `told` is called between turns with where the work is.
    """
    order = random.Random(seed)
    runs = []
    for contender in contenders:
        told("warming up")
        time.sleep(contender.pause)
        warm = contender.turn(max(1, warmup))
        runs.append(max(1, min(_MOST, round(turn / max(min(warm), 1e-9)))))
    found: list[list[tuple[float, ...]]] = [[] for _ in contenders]
    for number in range(rounds):
        told(f"round {number + 1} of {rounds}")
        for i in order.sample(range(len(contenders)), len(contenders)):
            time.sleep(contenders[i].pause)
            found[i].append(tuple(contenders[i].turn(runs[i])))
    return [Turns(tuple(turns)) for turns in found]


def of_file(path: Path, given: dict[str, Any], feeds: Mapping[str, Any]) -> tuple[Run, Facts]:
    """An ONNX file on arrays by input name; `given` are the keywords of its `Session`."""
    from netspec.backends.runtime import Session

    return of_session(Session(path, **given), feeds)


def of_session(session: Session, feeds: Mapping[str, Any]) -> tuple[Run, Facts]:
    """A session on arrays by input name; the facts are its provider and what it runs with."""
    facts = {
        "provider": session.provider,
        "precision": session.precision,
        "switches": dict(session.switches.stated()),
        "tuned": dict(session.tuned.stated()),
    }
    run = session.bind(feeds).run
    run()  # what loads and does not run, as a graph that cannot be recorded, is told now
    return run, facts
