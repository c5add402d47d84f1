"""Broken specs: refused in messages, or nets that compile and run; never anything else.

`python benchmarks/fuzz.py` goes on where these stop.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from support.mutated_specs import judge_mutant, mutant

from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build

CHUNKS, IN_A_CHUNK = 100, 200


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_a_mutant_is_refused_or_runs_and_says_so_twice(chunk: int, tmp_path: Path) -> None:
    seeds = range(chunk * IN_A_CHUNK, (chunk + 1) * IN_A_CHUNK)
    verdicts = [judge_mutant(seed, tmp_path) for seed in seeds]
    wrong = [f"seed {v.seed}: {v.detail}\n{v.text}" for v in verdicts if v.kind == "wrong"]
    assert not wrong, "\n".join(wrong)
    kinds = Counter(verdict.kind for verdict in verdicts)
    assert kinds["ran"] > IN_A_CHUNK // 20, "hardly any was a net"
    assert kinds["refused"] > IN_A_CHUNK // 2, "hardly any was broken"
    assert not list(tmp_path.iterdir())


def test_a_seed_gives_the_same_mutant() -> None:
    assert mutant(7) == mutant(7)


@pytest.mark.parametrize(
    "text",
    [
        "block c(n) { conv1-n }\nc(m-1)",
        "block c(k) { if n > 0 { relu; c(n-1) } else { tanh } }\nc(1)",
    ],
)
def test_an_unknown_name_in_a_call_or_a_block_is_said(text: str) -> None:
    with pytest.raises(NetspecError, match="NS202"):
        build(Source("t.ns", f"input 3x8x8\n{text}\n"))
