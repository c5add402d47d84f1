"""Rows made by processes of this machine, in the order of the variants."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait

from netspec.sweeping.chunks import Chunk, ProcessDied, again
from netspec.sweeping.variant import Plan, Row

# Chunks on their way for each process: none waits for work, and little is done again when one dies.
_AHEAD = 2


def rows_by_processes(plan: Plan, chunks: Iterable[Chunk], jobs: int) -> Iterator[list[Row]]:
    """The rows of the chunks, a list each, in order, built by `jobs` processes.

    When one dies its pool dies with it: a new one is started, and what was on its way is built again, chunk
    by chunk, so that what kills a process is known.
    """
    pool = _Pool(plan, jobs)
    waiting: deque[_Pending] = deque()
    try:
        for chunk in chunks:
            waiting.append(_Pending(pool, chunk))
            if len(waiting) >= _AHEAD * jobs:
                yield _first(pool, waiting)
        while waiting:
            yield _first(pool, waiting)
    finally:
        pool.close()


class _Pending:
    """A chunk on its way; `known` are its rows where it was built anew."""

    def __init__(self, pool: _Pool, chunk: Chunk) -> None:
        self.chunk = chunk
        self.future = pool.submit(chunk)
        self.known: list[Row] | None = None


def _first(pool: _Pool, waiting: deque[_Pending]) -> list[Row]:
    """The rows of what was submitted first."""
    first = waiting[0]
    if first.known is None:
        try:
            first.known = first.future.result()
        except BrokenProcessPool:
            pool.renew()
            for pending in waiting:
                pending.known = _settled(pool, pending)
    waiting.popleft()
    assert first.known is not None
    return first.known


def _settled(pool: _Pool, pending: _Pending) -> list[Row]:
    """The rows of a chunk that was on its way when a process died."""
    if pending.known is not None:
        return pending.known
    if pending.future.done() and pending.future.exception() is None:
        return pending.future.result()
    return again(pool.plan, pending.chunk, pool.alone)


class _Pool:
    """Processes that know the plan."""

    def __init__(self, plan: Plan, jobs: int) -> None:
        self.plan = plan
        self._jobs = jobs
        self._executor = self._started()

    def submit(self, chunk: Chunk) -> Future[list[Row]]:
        try:
            return self._executor.submit(_rows, chunk)
        except BrokenProcessPool as error:  # one died since: said where the rows are asked for
            failed: Future[list[Row]] = Future()
            failed.set_exception(error)
            return failed

    def alone(self, chunk: Chunk) -> list[Row]:
        """The rows of a chunk while nothing else is built; raises ProcessDied."""
        try:
            return self.submit(chunk).result()
        except BrokenProcessPool:
            self.renew()
            raise ProcessDied from None

    def renew(self) -> None:
        self.close()
        self._executor = self._started()

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _started(self) -> ProcessPoolExecutor:
        # Spawned: whoever calls may have threads, whose locks a fork would copy.
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(self._jobs, context, _begin, (self.plan,))


_plan: Plan


def _begin(plan: Plan) -> None:
    """Makes a process ready: it ends with the one that started it, which alone hears a ctrl-C."""
    global _plan
    _plan = plan
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


def _rows(chunk: Chunk) -> list[Row]:
    return _plan.rows(chunk)
