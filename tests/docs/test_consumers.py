"""The programs that read files: the page has what was found, and those that are here find it again."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from support.places import DOCS, ROOT

sys.path[:0] = [str(ROOT / "benchmarks"), str(DOCS)]
import consumer_cases
import consumers
import make_consumers
from programs import PROGRAMS

FOUND: dict[str, Any] = json.loads(make_consumers.RESULTS.read_text())
HERE = [name for name, program in PROGRAMS.items() if program.installed]


def test_the_page_has_what_was_found() -> None:
    text = make_consumers.PAGE.read_text()
    assert make_consumers.page(text, FOUND) == text


def test_every_case_was_run_in_every_program() -> None:
    for group in consumers.GROUPS:
        assert sorted(FOUND[group]) == sorted(consumer_cases.names(group))
        assert all(row.keys() == PROGRAMS.keys() for row in FOUND[group].values())


def test_no_example_and_no_net_is_wrong_where_netspec_wrote_it_for_the_program() -> None:
    for program, groups in consumers.counted(FOUND).items():
        for group in ("examples", "nets"):
            assert not {"wrong", "failed"} & groups[group].keys(), program


def outcome_of(arrays: list[Any], exact: list[Any], folder: Any) -> str:
    import numpy as np

    np.savez(folder / "exact.npz", *exact)
    np.savez(folder / "onnxruntime.npz", *arrays)
    (folder / "limits.json").write_text(json.dumps([{"limit": 1e-4}] * len(exact)))
    return consumer_cases.compare(str(folder), "onnxruntime")


def test_what_is_off_is_wrong(tmp_path: Any) -> None:
    import numpy as np

    exact = np.array([[1.0, -np.inf], [3.0, 4.0]])
    single = exact.astype(np.float32)
    assert outcome_of([single], [exact], tmp_path).startswith("right")
    assert outcome_of([single + np.float32(1e-3)], [exact], tmp_path).startswith("wrong: off")
    assert outcome_of([single[:1]], [exact], tmp_path).startswith("wrong: its shape")
    assert outcome_of([single * np.float32("nan")], [exact], tmp_path).startswith("wrong")
    assert outcome_of([np.abs(single)], [exact], tmp_path).startswith("wrong")
    assert outcome_of([single, single], [exact], tmp_path).startswith("wrong: 2 outputs")


def dies(word: str) -> str:
    if word == "die":
        import os

        os._exit(1)
    if word == "wait":
        import time

        time.sleep(60)
    if word == "raise":
        raise ValueError("so it is")
    return word


def test_a_program_that_dies_or_waits_costs_one_case() -> None:
    helper = consumers.Helper(dies)
    try:
        for word, why in (("die", "died"), ("raise", "so it is"), ("wait", "more than")):
            assert helper.ask(30.0, "fine") == "fine"
            with pytest.raises(consumers.LostError, match=why):
                helper.ask(2.0 if word == "wait" else 30.0, word)
        assert helper.ask(30.0, "fine") == "fine"
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
