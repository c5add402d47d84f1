"""Random nets over every operator and the language: what is accepted is right everywhere.

`python benchmarks/fuzz.py` goes on where these stop.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from support.generated_specs import OPERATORS, spec
from support.judged_nets import judge_net

CHUNKS, IN_A_CHUNK = 50, 40


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_what_is_accepted_is_the_same_in_text_graph_module_and_file(
    chunk: int, tmp_path: Path
) -> None:
    seeds = range(chunk * IN_A_CHUNK, (chunk + 1) * IN_A_CHUNK)
    verdicts = [judge_net(seed, tmp_path) for seed in seeds]
    wrong = [f"seed {v.seed}: {v.detail}\n{v.text}" for v in verdicts if v.kind == "wrong"]
    assert not wrong, "\n".join(wrong)
    assert sum(v.numbers for v in verdicts) > 0.9 * IN_A_CHUNK, "hardly any had numbers"
    assert not list(tmp_path.iterdir())


def test_the_nets_hold_every_operator_and_every_kind_of_piece() -> None:
    missing = {kind.spelling for kind in OPERATORS}
    pieces: Counter[str] = Counter()
    for seed in range(6 * len(OPERATORS)):
        made = spec(seed)
        pieces += made.pieces
        missing -= {getattr(node.op, "spelling", "") for node in made.graph.nodes}
        if not missing and len(pieces) == 13:
            return
    raise AssertionError(f"{missing} in none, {len(pieces)} kinds of pieces")


def test_a_seed_gives_the_same_spec() -> None:
    assert spec(7).text == spec(7).text
