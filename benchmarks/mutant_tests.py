"""Runs tests over changed sources, each change in a fork of a process that has all imported.

What a function does is changed where it stands: its code is replaced, so that nothing is imported
or collected again.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import resource
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, NoReturn

import pytest
from mutants import Mutant, mutated

ROOT = Path(__file__).parent.parent
OPTIONS = ("-q", "-s", "-x", "-p", "no:cacheprovider", "-p", "no:faulthandler", "--no-header")
# Addresses beyond what the process has, for a mutant that gathers without end: a runtime's threads
# alone take more than two GiB of them.
_MEMORY = 4 << 30


def module_path(module: str) -> Path:
    """The source file of a module."""
    return ROOT / (module.replace(".", "/") + ".py")


@dataclass
class Trial:
    """A change, or none, and the tests that may notice it, in order."""

    mutant: Mutant | None
    tests: Sequence[str]


@dataclass
class Outcome:
    """What came of a trial: `killed` by a test, `timeout`, `survived` or `broken` in the driver;
    and the processor time of the tests that passed.
    """

    trial: Trial
    how: str
    by: str = ""
    times: dict[str, float] = field(default_factory=dict)


@dataclass
class Judge:
    """A plugin of pytest, in the fork: runs the tests of a trial, as many as `seconds` of processor
    time allow, and tells the parent.
    """

    trial: Trial
    seconds: float
    times: dict[str, float]
    pipe: int
    passed: dict[str, float] = field(default_factory=dict)

    def begin(self, seconds: float) -> None:
        """Ends the process after so much more of its own processor time, in C code too."""
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_PROF, seconds)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Gives each test a time of its own, and takes it."""
        if sum(self.passed.values()) > self.seconds:
            self.end("survived")
        begun = time.process_time()
        self.begin(10 + 10 * self.times.get(item.nodeid, 0))
        done = yield
        self.passed[item.nodeid] = time.process_time() - begun
        return done

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """The first test that fails ends it."""
        if report.failed:
            self.end("killed", report.nodeid)

    def end(self, how: str, by: str = "") -> NoReturn:
        """Tells the parent and ends the process."""
        with os.fdopen(self.pipe, "w") as pipe:
            json.dump({"how": how, "by": by, "times": self.passed}, pipe)
        os._exit(0)


def _apart(folder: Path) -> None:
    """Sets a fork apart: its own group, files and memory, and no output."""
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    os.environ["PYTEST_DEBUG_TEMPROOT"] = str(folder)
    tempfile.tempdir = str(folder)
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + _MEMORY,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


@dataclass
class Forks:
    """Runs trials in forks, `jobs` at a time."""

    seconds: float
    jobs: int
    times: dict[str, float]
    _running: dict[int, tuple[Trial, int, Path, float]] = field(default_factory=dict)

    def run(self, trials: Iterator[Trial], act: Callable[[Judge], None]) -> Iterator[Outcome]:
        """Outcomes of trials, in each of which `act` runs the tests."""
        waiting: Trial | None = next(trials, None)
        try:
            while waiting or self._running:
                while waiting and len(self._running) < self.jobs:
                    self._start(waiting, act)
                    waiting = next(trials, None)
                yield from self._ended()
                time.sleep(0.005)
        finally:
            for child in self._running:
                os.killpg(child, signal.SIGKILL)

    def _start(self, trial: Trial, act: Callable[[Judge], None]) -> None:
        folder = Path(tempfile.mkdtemp(prefix="mutant-"))
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            judge = Judge(trial, self.seconds, self.times, writing)
            try:
                _apart(folder)
                judge.begin(60)
                act(judge)
                judge.end("survived")
            except BaseException as error:
                judge.end("broken", f"{type(error).__name__}: {error}")
        os.close(writing)
        # For what sleeps: time of a busy machine.
        self._running[child] = trial, reading, folder, time.monotonic() + 100 + 60 * self.seconds

    def _ended(self) -> Iterator[Outcome]:
        for child, (trial, reading, folder, end) in list(self._running.items()):
            done, status = os.waitpid(child, os.WNOHANG)
            late = time.monotonic() > end
            if not done and not late:
                continue
            with suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)
            if not done:
                os.waitpid(child, 0)
            del self._running[child]
            shutil.rmtree(folder, ignore_errors=True)
            with os.fdopen(reading) as pipe:
                said = pipe.read() if not late else ""
            if said:
                yield Outcome(trial, **json.loads(said))
                continue
            # Its time is over, or Python itself fell.
            slow = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGPROF
            yield Outcome(trial, "timeout" if late or slow else "killed", "the process ended")


class Collected:
    """A plugin of pytest that hands the collected session to `run` in the place of running it."""

    def __init__(self, modules: Sequence[str], run: Callable[[Collected], None]) -> None:
        self.modules, self.run = modules, run
        self.items: dict[str, pytest.Item] = {}
        self._functions: dict[str, list[FunctionType]] = {}

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Keeps all functions of the modules in hand, and runs."""
        for module in self.modules:
            importlib.import_module(module)
        self.items = {item.nodeid: item for item in session.items}
        files = {str(module_path(module)) for module in self.modules}
        for held in gc.get_objects():
            # Some objects answer to isinstance with what they stand for.
            if type(held) is FunctionType and held.__code__.co_filename in files:
                self._functions.setdefault(held.__code__.co_filename, []).append(held)
        gc.freeze()
        self.run(self)
        return True

    def change_and_test(self, judge: Judge) -> None:
        """Gives the functions of a module their changed code and runs the tests."""
        if judge.trial.mutant is not None:
            self._change(judge.trial.mutant)
        items = [self.items[name] for name in judge.trial.tests if name in self.items]
        if not items:
            return
        config = items[0].config
        config.pluginmanager.register(judge)
        for item, following in zip(items, [*items[1:], None], strict=True):
            config.hook.pytest_runtest_protocol(item=item, nextitem=following)

    def _change(self, mutant: Mutant) -> None:
        path = module_path(mutant.module)
        new = compile(mutated(mutant, path.read_text()), str(path), "exec")
        codes = {_place(code): code for code in _codes(new)}
        changed = 0
        for function in self._functions[str(path)]:
            code = codes.get(_place(function.__code__))
            if code is not None and code != function.__code__:
                changed += 1
                function.__code__ = code
        if not changed:
            raise RuntimeError(f"nothing was changed by {mutant.name}")


def _place(code: CodeType) -> tuple[Any, ...]:
    return code.co_qualname, code.co_firstlineno, code.co_freevars


def _codes(code: CodeType) -> Iterator[CodeType]:
    for held in code.co_consts:
        if isinstance(held, CodeType):
            yield held
            yield from _codes(held)
