"""Rows by processes: those of one process, in order, whatever dies on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.lethal import Lethal
from support.places import ROOT

import netspec
from netspec.diagnostics.source import Source
from netspec.sweeping.axes import axis_of
from netspec.sweeping.chunks import ATTEMPTS, ProcessDied, again, chunks
from netspec.sweeping.processes import rows_by_processes
from netspec.sweeping.variant import Plan, Row

SOURCE = Source("n.ns", "net n(n=4, k=3)\ninput 3x8x8\nconv-n(kernel=k); gap; fc-2\n")
AXES = (axis_of("n", "1..10"), axis_of("k", "3,9"))
PLAN = Plan(SOURCE, AXES)
EVERY = PLAN.rows(range(20))


def lethal(folder: Path, *victims: int, times: int) -> Lethal:
    return Lethal(SOURCE, AXES, folder=str(folder), victims=victims, times=times)


def flat(plan: Plan, size: int = 5, jobs: int = 2) -> list[Row]:
    pieces = [range(i, min(i + size, 20)) for i in range(0, 20, size)]
    return [row for rows in rows_by_processes(plan, pieces, jobs) for row in rows]


def test_the_rows_are_those_of_one_process(tmp_path: Path) -> None:
    assert flat(PLAN) == EVERY
    for jobs, name in ((1, "one.csv"), (2, "two.csv")):
        netspec.sweep(SOURCE.text, {"n": "1..10", "k": "3,9"}, jobs=jobs).save(tmp_path / name)
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()


def test_a_killed_process_loses_nothing(tmp_path: Path) -> None:
    assert flat(lethal(tmp_path, 7, times=1)) == EVERY
    assert [path.name for path in tmp_path.iterdir()] == ["7-0"]


def test_only_what_kills_each_time_is_lost(tmp_path: Path) -> None:
    found = flat(lethal(tmp_path, 7, times=99))
    assert [row for row in found if row.variant != 7] == EVERY[:7] + EVERY[8:]
    lost = found[7]
    assert (lost.variant, lost.status, lost.code) == (7, "lost", "NS542")
    assert lost.settings == EVERY[7].settings
    # On its way with others, then its chunk by itself, then by itself.
    assert len(list(tmp_path.iterdir())) == 1 + 2 * ATTEMPTS


def test_a_chunk_is_built_again_and_then_one_by_one() -> None:
    tried: list[list[int]] = []

    def build(chunk: object) -> list[Row]:
        tried.append(list(chunk))  # type: ignore[call-overload]
        if 2 in tried[-1]:
            raise ProcessDied
        return PLAN.rows(tried[-1])

    found = again(PLAN, range(1, 4), build)
    assert [row.status for row in found] == ["refused", "lost", "refused"]
    assert tried == [[1, 2, 3]] * ATTEMPTS + [[1]] + [[2]] * ATTEMPTS + [[3]]


@pytest.mark.parametrize(("seconds", "jobs", "count"), [(0.0, 2, 1000), (0.1, 2, 50), (9, 3, 4)])
def test_chunks_are_all_variants_in_order(seconds: float, jobs: int, count: int) -> None:
    found = list(chunks(range(count), seconds, jobs))
    assert [number for chunk in found for number in chunk] == list(range(count))
    assert len(found) >= min(count, 4 * jobs)
    assert max(len(chunk) for chunk in found) * seconds <= max(0.5, seconds)


_SCRIPT = """
import netspec, sys
if __name__ == "__main__":
    rows = iter(netspec.sweep(sys.argv[1], {"n": range(1, 10**6)}, jobs=2))
    next(rows)
    import multiprocessing
    print(*(child.pid for child in multiprocessing.active_children()), flush=True)
    for row in rows:
        pass
"""


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_processes_end_with_the_one_that_started_them(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(_SCRIPT)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    parent = subprocess.Popen(
        [sys.executable, script, SOURCE.text], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert parent.stdout is not None
    children = [int(word) for word in parent.stdout.readline().split()]
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    assert len(children) == 2
    end = time.monotonic() + 20
    while any(map(_lives, children)) and time.monotonic() < end:
        time.sleep(0.1)
    assert not any(map(_lives, children))
