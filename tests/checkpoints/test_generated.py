"""Checkpoints of random networks, made without netspec, load right or are refused: never wrong.

`support.generated_checkpoints` says how they are made. First, every family of networks is the same
function in both forms: under a full map of names, outputs agree.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from support.generated_checkpoints import Case, case, judge
from support.generated_libraries import NAMES
from support.generated_nets import FAMILIES

# Of as many chunks as there are orders, or a multiple.
CASES, CHUNKS = 2000, 12
# Of files that list tensors as a module does, how many may be refused.
REFUSED = 0.02


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """The nets are so small that threads only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_full_map_gives_the_same_function(family: str, tmp_path: Path) -> None:
    for seed in range(6):
        made = case(seed, family, ("torch_nested", "letters", "words")[seed % 3])
        assert judge(made, tmp_path, mapped=True).kind == "right", made.spec


@pytest.mark.parametrize("family", FAMILIES)
def test_a_case_is_the_same_each_time(family: str) -> None:
    def told(made: Case) -> object:
        return made.spec, [(name, tensor.tolist()) for name, tensor in made.tensors]

    assert told(case(3, family)) == told(case(3, family))


def test_all_schemes_name_all_families() -> None:
    for family in FAMILIES:
        for scheme in NAMES:
            for seed in range(2):
                case(seed, family, scheme)


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_no_checkpoint_loads_wrong(chunk: int, tmp_path: Path) -> None:
    """Each chunk has files of one order."""
    wrong, refused = list[str](), list[str]()
    seeds = range(chunk, CASES, CHUNKS)
    for seed in seeds:
        made = case(seed)
        outcome = judge(made, tmp_path)
        told = f"{seed}: {made.family}, {made.scheme}, {made.order}: {outcome.detail}"
        wrong += [told] * (outcome.kind == "wrong")
        refused += [told] * (
            outcome.kind == "refused" and made.order == "definition" and made.readable
        )
    assert not wrong, "\n".join(wrong)
    assert len(refused) <= REFUSED * len(seeds), "\n".join(refused)
