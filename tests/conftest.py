"""What the tests share."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, settings
from support.forked import Forks, forks

from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.graph.checked import Graph

Built = Callable[..., Graph]

# How long an example takes says how busy the machine is: before the first, Hypothesis reads all modules.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")


def pytest_configure(config: pytest.Config) -> None:
    """Gives each worker of pytest-xdist a core of its own: torch and ONNX Runtime start a thread
    for every core they see, and two workers would fight over all of them. Files are not waited for.
    """
    # No test cuts the power: nothing waits until a file has reached the disk.
    os.fsync = lambda _: None
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if worker and hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[int(worker.removeprefix("gw")) % len(cores)]})


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Searches for garbage neither while tests are found nor, later, in what was found: that stays, and
    going through some million objects again and again takes a sixth of the time.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        # Nets are many objects and few cycles: the usual thresholds cost a tenth of judging them.
        gc.set_threshold(20_000, 20, 20)
        gc.enable()


@pytest.fixture(scope="session")
def forked() -> Iterator[Forks]:
    """Runs commands in processes that need not load anything."""
    with forks() as found:
        yield found


@pytest.fixture
def net() -> Built:
    """Builds a net from text; the input is `3x32x32` unless the text declares one."""

    def made(text: str, input: str | None = "3x32x32", **settings: object) -> Graph:
        inputs = () if input is None or "input " in text else (input,)
        return build(Source("<test>", text), settings, inputs)

    return made


@pytest.fixture
def refused() -> Callable[..., NetspecError]:
    """Builds a net that must be refused; returns the error."""

    def failed(text: str, input: str | None = "3x32x32") -> NetspecError:
        inputs = () if input is None or "input " in text else (input,)
        with pytest.raises(NetspecError) as caught:
            build(Source("<test>", text), {}, inputs)
        return caught.value

    return failed
