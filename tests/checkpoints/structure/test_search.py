"""The search for arrangements, against all permutations of small files."""

from __future__ import annotations

import random
from itertools import permutations, product

import pytest

from netspec.checkpoints.layers import Layer, Module, Tensor
from netspec.checkpoints.structure.clues import Clue
from netspec.checkpoints.structure.forest import Forest, Part
from netspec.checkpoints.structure.search import Arrangement, Budget, Search
from netspec.checkpoints.tree import Item

MANY = 10**9


def layer(position: int, size: int, rng: random.Random) -> Layer:
    """A layer of one of two shapes that one or two of those before it feed, if any."""
    before = range(max(0, position - 4), position)
    feeds = rng.sample(before, min(len(before), rng.choice((1, 1, 1, 2))))
    tensors = (Tensor("weight", (f"l{position}.weight",), (size,)),)
    calls = tuple(rng.choice("ab") for _ in range(2))
    step = rng.choice("xyz")
    return Layer(f"l{position}", tensors, feeds=frozenset(feeds), step=step, calls=calls)


def grouped(items: list[Item], level: int, rng: random.Random) -> list[Item]:
    """The items, some of them in groups of two or three that follow each other."""
    found, rest = list[Item](), list(items)
    while rest:
        size = rng.choice((1, 2, 2, 3))
        taken, rest = rest[:size], rest[size:]
        if len(taken) == 1:
            found += taken
        else:
            children = {item.label: item for item in taken}
            found.append(Item(f"g{level}{len(found)}", taken[0].order, None, children))
    return found


def tree(leaves: list[Item], paired: bool, rng: random.Random) -> Item:
    """The layers in groups, two by two if they are `paired`, and some of those in groups."""
    items = leaves
    if paired:
        pairs = [leaves[i : i + 2] for i in range(0, len(leaves), 2)]
        items = [
            Item(f"p{i}", i, None, {item.label: item for item in pair})
            if len(pair) > 1
            else pair[0]
            for i, pair in enumerate(pairs)
        ]
    for level in range(rng.choice((0, 1, 2))):
        items = grouped(items, level, rng)
    if len(items) == 1:
        items = items[0].parts
    return Item("", 0, None, {item.label: item for item in items})


def buckets(parts: list[Part], rng: random.Random) -> tuple[tuple[Part, ...], ...]:
    """Some of the parts, in two buckets or more."""
    chosen = rng.sample(parts, rng.randint(2, len(parts)))
    cut = rng.randint(1, len(chosen) - 1)
    one_each = tuple((part,) for part in chosen)
    return rng.choice((one_each, (tuple(chosen[:cut]), tuple(chosen[cut:]))))


def clue(forest: Forest, number: int, rng: random.Random) -> Clue:
    """What relates the parts of one group in one of the ways that clues do."""
    groups = [part for part in forest.parts if len(part.children) > 1]
    parts = rng.choice(groups).children
    kind, name = rng.choice(("chains", "order", "against", "older", "beside", "alike")), (number,)
    one, other = rng.sample(parts, 2)
    if kind in ("chains", "order", "against"):
        return Clue("numbers", name, **{kind: (buckets(parts, rng),)})
    if kind == "older":
        return Clue("words", name, older=((one, other),))
    one, other = rng.sample(forest.leaves, 2)
    if kind == "beside":
        leaves = [part for part in parts if part.module is not None]
        pairs = ((leaves[0], leaves[1]),) if len(leaves) > 1 else ()
        return Clue("flow", name, beside=pairs)
    return Clue("repeats", name, alike=((one, other),), calls=rng.choice((0, 1)))


def problem(seed: int) -> tuple[Forest, set[Part], list[Clue]]:
    """A net of some layers, a file of as many, what holds together in it, and some clues.

    Some nets are pairs of a layer and a norm, in which groups of the same shapes can be exchanged.
    """
    rng = random.Random(seed)
    paired = rng.random() < 0.6
    count = rng.choice((6, 8, 8)) if paired else rng.choice((4, 5, 6))
    sizes = [1 + i % 2 if paired else rng.choice((1, 1, 2)) for i in range(count)]
    layers = [layer(i, size, rng) for i, size in enumerate(sizes)]
    called = sizes if paired or rng.random() < 0.5 else rng.sample(sizes, count)
    leaves = [
        Item(f"m{i}", i, Module(f"m{i}", (Tensor("weight", (f"m{i}.weight",), (size,)),)))
        for i, size in enumerate(called)
    ]
    forest = Forest(layers, tree(leaves, paired, rng))
    groups = [part for part in forest.parts if part.children and part is not forest.root]
    together = {part for part in groups if rng.random() < 0.8}
    return forest, together, [clue(forest, i, rng) for i in range(rng.choice((0, 1, 2, 3)))]


def found(forest: Forest, together: set[Part], clues: list[Clue]) -> list[Arrangement]:
    search = Search(forest, together, clues, Budget(MANY, MANY, MANY))
    solutions = list(search.solutions())
    assert search.ended
    return solutions


def all_that_keep(forest: Forest, together: set[Part], clues: list[Clue]) -> list[Arrangement]:
    codes = sorted(forest.places)
    kept = []
    for chosen in product(*(permutations(forest.root.by_code[code]) for code in codes)):
        left = {code: iter(leaves) for code, leaves in zip(codes, chosen, strict=True)}
        arrangement = tuple(next(left[code]) for code in forest.codes)
        if Search(forest, together, clues, Budget(MANY, MANY, MANY)).keeps(arrangement):
            kept.append(arrangement)
    return kept


@pytest.mark.parametrize(
    "start",
    [pytest.param(n, marks=pytest.mark.slow) if n >= 200 else n for n in range(0, 400, 50)],
)
def test_every_arrangement_that_keeps_the_clues_is_found_once(start):
    """A state that is wrongly taken for one without a solution would hide some."""
    several = 0
    for seed in range(start, start + 50):
        expected = all_that_keep(*problem(seed))
        solutions = found(*problem(seed))
        names = [[tuple(p.label for p in arr) for arr in arrs] for arrs in (expected, solutions)]
        assert sorted(names[0]) == sorted(names[1]), seed
        several += len(expected) > 1
    assert several >= 10
