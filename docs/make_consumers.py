"""Writes the tables of docs/deploy.md on who reads the files: `python docs/make_consumers.py`.

They are between two comments there, and hold what benchmarks/results/consumers.json does.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from consumers import counted, state
from programs import PROGRAMS

HERE = Path(__file__).parent
PAGE = HERE / "deploy.md"
RESULTS = HERE.parent / "benchmarks" / "results" / "consumers.json"
START = (
    "<!-- Written by `python docs/make_consumers.py` from benchmarks/results/consumers.json. -->"
)
END = "<!-- Written until here. -->"


def tables(found: dict[str, Any]) -> str:
    """What stands between the comments."""
    return "\n".join((*_programs(found), "", *_forms(found), "", *_rest(found)))


def page(text: str, found: dict[str, Any]) -> str:
    """The page with the tables of these results."""
    between = f"{START}\n{tables(found)}\n{END}"
    pattern = f"{re.escape(START)}.*{re.escape(END)}"
    written, places = re.subn(pattern, lambda _: between, text, flags=re.DOTALL)
    assert places == 1, "the comments are not there once"
    return written


def _programs(found: dict[str, Any]) -> Iterator[str]:
    yield (
        "| program | examples | right | refused | wrong | nets | right | refused | wrong | left out |"
    )
    yield "|" + " --- |" * 10
    for name, groups in counted(found).items():
        cells = [f"{PROGRAMS[name].title} {found['programs'][name]}"]
        for counts in (groups["examples"], groups["nets"]):
            bad = counts.get("wrong", 0) + counts.get("failed", 0)
            told = (sum(counts.values()), counts.get("right", 0), counts.get("refused", 0), bad)
            cells += map(str, told)
        yield f"| {' | '.join((*cells, str(groups['nets'].get('skipped', 0))))} |"


def _forms(found: dict[str, Any]) -> Iterator[str]:
    """Of each form, how many nets are right, of those that are written in it."""
    names = list(found["programs"])
    yield f"| form | {' | '.join(PROGRAMS[name].title for name in names)} |"
    yield "| --- |" + " --- |" * len(names)
    forms = dict.fromkeys(case.partition(" ")[2] for case in found["forms"])
    for form in sorted(forms):
        rows = [row for case, row in found["forms"].items() if case.partition(" ")[2] == form]
        cells = [_share([state(row[name]) for row in rows if name in row]) for name in names]
        yield f"| `{form}` | {' | '.join(cells)} |"


def _share(states: list[str]) -> str:
    written = [each for each in states if each != "refused"]
    if not written:
        return "refused"
    right = f"{written.count('right')} of {len(written)}"
    return (
        right if len(written) == len(states) else f"{right}, {len(states) - len(written)} refused"
    )


def _rest(found: dict[str, Any]) -> Iterator[str]:
    """What is wrong: a line for each program and form, or net."""
    yield "Not right:"
    yield ""
    none = True
    for group in ("examples", "nets", "forms"):
        for case, row in found[group].items():
            for name, outcome in row.items():
                if state(outcome) in ("wrong", "failed"):
                    none = False
                    yield f"- {PROGRAMS[name].title}, `{case}`: {outcome.partition(': ')[2]}"
    if none:
        yield "- nothing."


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(), json.loads(RESULTS.read_text())))
