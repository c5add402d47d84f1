"""The programs that read files: the page has what was found, and those that are here find it again."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.places import DOCS, ROOT

# Processes that the scripts start import them too.
sys.path[:0] = [str(ROOT / "benchmarks"), str(DOCS)]
consumers, consumer_cases, make_consumers, programs = (
    importlib.import_module(name)
    for name in ("consumers", "consumer_cases", "make_consumers", "programs")
)
PROGRAMS = programs.PROGRAMS
FOUND: dict[str, Any] = json.loads(make_consumers.RESULTS.read_text())
HERE = [name for name, program in PROGRAMS.items() if program.installed]


def test_the_page_has_what_was_found() -> None:
    text = make_consumers.PAGE.read_text()
    assert make_consumers.page(text, FOUND) == text


def test_what_was_run_is_of_cases_that_there_are() -> None:
    for group in consumers.GROUPS:
        assert FOUND[group].keys() <= set(consumer_cases.names(group))
        assert all(row.keys() <= PROGRAMS.keys() for row in FOUND[group].values())


def test_no_example_and_no_net_is_wrong_where_netspec_wrote_it_for_the_program() -> None:
    for program, groups in consumers.counted(FOUND).items():
        for group in ("examples", "nets"):
            assert not {"wrong", "failed"} & groups[group].keys(), program


def outcome_of(arrays: list[Any], exact: list[Any], folder: Path) -> str:
    np.savez(folder / "exact.npz", *exact)
    np.savez(folder / "onnxruntime.npz", *arrays)
    (folder / "limits.json").write_text(json.dumps([{"limit": 1e-4}] * len(exact)))
    return consumer_cases.compare(str(folder), "onnxruntime")


def test_what_is_off_is_wrong(tmp_path: Path) -> None:
    exact = np.array([[1.0, -np.inf], [3.0, 4.0]])
    single = exact.astype(np.float32)
    assert outcome_of([single], [exact], tmp_path).startswith("right")
    assert outcome_of([single + np.float32(1e-3)], [exact], tmp_path).startswith("wrong: off")
    assert outcome_of([single[:1]], [exact], tmp_path).startswith("wrong: its shape")
    assert outcome_of([single * np.float32("nan")], [exact], tmp_path).startswith("wrong")
    assert outcome_of([np.abs(single)], [exact], tmp_path).startswith("wrong")
    assert outcome_of([single, single], [exact], tmp_path).startswith("wrong: 2 outputs")


def test_a_program_that_dies_or_waits_costs_one_case() -> None:
    helper = consumers.Helper(eval)
    try:
        for call, seconds, why in (
            ("__import__('os')._exit(1)", 60.0, "its process died"),
            ("int('x')", 60.0, "ValueError"),
            ("__import__('time').sleep(60)", 0.5, "it took more than"),
        ):
            assert helper.ask(60.0, "1 + 1") == 2
            with pytest.raises(consumers.LostError, match=why):
                helper.ask(seconds, call)
        assert helper.ask(60.0, "1 + 1") == 2
    finally:
        helper.close()


@pytest.mark.consumers
@pytest.mark.parametrize("program", HERE)
@pytest.mark.parametrize("group", consumers.GROUPS)
def test_the_programs_that_are_here_take_all_that_was_found_right(program: str, group: str) -> None:
    cases = [(group, name, [program]) for name in consumer_cases.names(group)]
    for _, name, found in consumers.outcomes([program], cases):
        now = consumers.state(found[program])
        if now in ("wrong", "failed"):
            before = FOUND[group].get(name, {}).get(program, "right")
            assert consumers.state(before) in ("wrong", "failed"), f"{name}: {found[program]}"
