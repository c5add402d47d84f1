"""Rows made on a Ray cluster, in the order of the variants."""

from __future__ import annotations

import os
import socket
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import chdir, nullcontext
from typing import Any

from netspec.diagnostics.messages.sweeping import ClusterFailed
from netspec.diagnostics.raised import NetspecError
from netspec.foundation.version import __version__
from netspec.sweeping.chunks import ATTEMPTS, Chunk, ProcessDied, again
from netspec.sweeping.variant import Plan, Row
from netspec.system.extras import need

# Chunks on their way for each processor of the cluster.
_AHEAD = 2
# Seconds until nobody is there.
_PATIENCE = 10.0


class Cluster:
    """A Ray cluster at an address, `auto` for the one that runs here, `local` for one of this process's own.

    Raises CannotImport where Ray is not installed, NetspecError where there is no such cluster. A cluster
    that this process was connected to before is used, and stays connected.
    """

    def __init__(self, address: str) -> None:
        self._ray = need("ray", "a sweep on a cluster")
        self._address = address
        self._own = not self._ray.is_initialized()
        if self._own:
            try:
                _answers(address)
                self._ray.init(address, log_to_driver=False, logging_level="ERROR")
            except (OSError, ValueError, RuntimeError) as error:
                reason = str(error).splitlines()[0] if str(error) else type(error).__name__
                raise NetspecError(ClusterFailed(address, reason), status=4) from None
        self.jobs = max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    def rows(self, plan: Plan, chunks: Iterable[Chunk]) -> Iterator[list[Row]]:
        """The rows of the chunks, a list each, in order. Ray runs a task again whose process dies."""
        task = self._ray.remote(max_retries=ATTEMPTS - 1)(_rows)
        told = self._ray.put(plan), __version__, os.getcwd()
        waiting: deque[tuple[Chunk, Any]] = deque()

        def first() -> list[Row]:
            chunk, found = waiting.popleft()
            try:
                return self._got(found)
            except ProcessDied:
                return again(plan, chunk, lambda c: self._got(task.remote(c, *told)))

        for chunk in chunks:
            waiting.append((chunk, task.remote(chunk, *told)))
            if len(waiting) >= _AHEAD * self.jobs:
                yield first()
        while waiting:
            yield first()

    def close(self) -> None:
        """Lets go of a cluster that this process was not connected to before."""
        if self._own:
            self._ray.shutdown()

    def _got(self, found: Any) -> list[Row]:
        errors = self._ray.exceptions
        try:
            version, rows = self._ray.get(found)
        except (errors.WorkerCrashedError, errors.NodeDiedError, errors.OutOfMemoryError):
            raise ProcessDied from None
        except errors.RayError as error:  # as where a machine has no netspec
            lines = [line for line in str(error).splitlines() if line.strip()]
            reason = lines[-1].strip() if lines else type(error).__name__
            raise NetspecError(ClusterFailed(self._address, reason), status=4) from None
        if version != __version__:
            reason = f"it has netspec {version}, and {__version__} asks"
            raise NetspecError(ClusterFailed(self._address, reason), status=4)
        found_rows: list[Row] = rows
        return found_rows


def _answers(address: str) -> None:
    """Raises OSError where nobody listens at an address: Ray itself would go on trying for minutes."""
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE).close()


def _rows(chunk: Chunk, plan: Plan, version: str, folder: str) -> tuple[str, list[Row]]:
    """The rows of a chunk and the version that makes them, none where that is not the one that asks.

    A spec's path may be relative to the folder where the sweep was asked for.
    """
    with chdir(folder) if os.path.isdir(folder) else nullcontext():
        return __version__, plan.rows(chunk) if version == __version__ else []
