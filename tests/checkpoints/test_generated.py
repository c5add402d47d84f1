"""Checkpoints of random networks, made without netspec, load right or are refused: never wrong.

`support.generated_checkpoints` says how they are made. First, every family of networks is the same
function in both forms: under a full map of names, outputs agree.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from support.generated_checkpoints import ORDERS, Case, case, judge
from support.generated_libraries import NAMES
from support.generated_nets import FAMILIES
from support.shelves import first

CASES = 1000
# Tests that share the cases of an order: the first of each is plain, the other runs under `pytest -m slow`.
CHUNKS = 2
# Of files that list tensors as a module does, how many may be refused.
REFUSED = 0.02
# Each for a kind of mistake that only many cases show: clues that hold by chance beside others that
# do not hold.
ONCE_WRONG = {
    1030354: "layers of one name in units of which others do not repeat",
    1036504: "numbers that pair some norms with convolutions and others not",
    1046416: "numbers that pair some norms with convolutions and others not",
    1047783: "letters that do not run with the data",
    1052677: "letters that do not run with the data",
    2020023: "a group torn by the numbers of another",
    2021635: "a group torn by the numbers of another",
}


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


@pytest.mark.parametrize("chunk", first(1, CHUNKS))
@pytest.mark.parametrize("order", ORDERS)
def test_no_checkpoint_loads_wrong(order: str, chunk: int, tmp_path: Path) -> None:
    wrong, refused = list[str](), list[str]()
    seeds = range(ORDERS.index(order) + len(ORDERS) * chunk, CASES, len(ORDERS) * CHUNKS)
    for seed in seeds:
        made = case(seed)
        assert made.order == order
        outcome = judge(made, tmp_path)
        told = f"{seed}: {made.family}, {made.scheme}, {made.order}: {outcome.detail}"
        wrong += [told] * (outcome.kind == "wrong")
        refused += [told] * (outcome.kind == "refused" and made.readable)
    assert not wrong, "\n".join(wrong)
    if order == "definition":
        assert len(refused) <= REFUSED * len(seeds), "\n".join(refused)


@pytest.mark.parametrize("seed", ONCE_WRONG)
def test_what_once_loaded_wrong_does_not(seed: int, tmp_path: Path) -> None:
    assert judge(case(seed), tmp_path).kind != "wrong", ONCE_WRONG[seed]
