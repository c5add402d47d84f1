"""Edits planted in shipped specs: each is found at its line and nothing else, and weights load as is said.

The plain suite plants in the specs of `sources(plain=True)`, `pytest -m slow` in all that are shipped.
"""

from __future__ import annotations

import math

import pytest
from support.planted import KINDS, Planted, built, planted
from support.planted_several import renamed, several
from support.shelves import sources

from netspec.analysis.difference.difference import difference
from netspec.backends.torch.modules import to_module
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.graph.checked import Graph
from netspec.weights.sources import Seeded

_MOST_NUMBERS = 3_000_000


def misses(edits: list[Planted]) -> list[str]:
    """The edits that are not found at their line, or not alone."""
    found = []
    for edit in edits:
        places = [change.place.line for change in difference(edit.before, edit.after).changes]
        if places != [edit.line]:
            found.append(f"{edit.name}: {edit.kind} in line {edit.line}, found in {places}")
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_a_planted_edit_is_found_at_its_line_and_nothing_else(kind: str) -> None:
    edits = list(planted(kind, sources(plain=True), seed=0, count=10, most=80))
    assert len(edits) == 10
    assert misses(edits) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_many_planted_edits_are_found(kind: str) -> None:
    assert misses(list(planted(kind, sources(), seed=0, count=10, most=80))) == []
    for seed in range(1, 4):
        assert misses(list(planted(kind, sources(), seed, count=25))) == []


# --- several at once


def share_found(
    specs: list[Source], seed: int, count: int, edits: int, near: bool = False
) -> float:
    """The share of nets with several edits in which each is found at its line, and nothing else."""
    found = 0
    for edit, lines in several(specs, seed, count, edits, near=near):
        changes = difference(edit.before, edit.after).changes
        places = {change.place.line for change in changes}
        # What one edit put in and another took away of the same words, was moved.
        came = {change.old.line for change in changes if change.kind == "moved" and change.old}
        found += places <= set(lines) <= places | came and len(changes) <= edits
    return found / count


def test_two_edits_at_once_are_found_each_at_its_line() -> None:
    assert share_found(sources(plain=True), seed=4, count=30, edits=2) == 1


@pytest.mark.slow
@pytest.mark.parametrize(("edits", "least"), [(2, 0.98), (3, 0.97)])
def test_several_edits_at_once_are_found_each_at_its_line(edits: int, least: float) -> None:
    assert share_found(sources(), seed=1, count=300, edits=edits) >= least
    assert share_found(sources(), seed=4, count=30, edits=2) == 1


@pytest.mark.slow
def test_edits_beside_each_other_are_found_each_at_its_line() -> None:
    assert share_found(sources(), seed=2, count=100, edits=2, near=True) >= 0.95


@pytest.mark.parametrize("plain", [True, pytest.param(False, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", ["width", "inserted", "block", "activation"])
def test_an_edit_is_found_where_all_blocks_have_other_names(kind: str, plain: bool) -> None:
    specs = [source for source in sources(plain=plain) if renamed(source) != source]
    assert len(specs) > 20
    found = []
    for edit in planted(kind, specs, seed=1, count=6, most=100):
        before = build(renamed(edit.before.source))
        found.append(difference(before, edit.after))
        assert [change.place.line for change in found[-1].changes] == [edit.line], edit.name
    assert len(found) == 6


# --- what is said of weights


def size(graph: Graph) -> int:
    return sum(
        math.prod(weight.shape)
        for node in graph.nodes
        if node.inputs
        for weight in node.op.weights(*node.input_types)
    )


@pytest.mark.parametrize("plain", [True, pytest.param(False, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", ["inserted", "branch", "swapped", "moved", "wrapped", "width"])
def test_old_weights_load_into_the_new_net_as_is_said(kind: str, plain: bool) -> None:
    few = [source for source in sources(plain=plain) if len(source.text) < 2000]
    small = [source for source in few if size(built(source)) < _MOST_NUMBERS]
    edits = list(planted(kind, small, 3, count=4, most=60))
    assert len(edits) == 4
    for edit in edits:
        told = difference(edit.before, edit.after).tensors
        old, model = (
            to_module(edit.before, Seeded(0)).state_dict(),
            to_module(edit.after, Seeded(1)),
        )
        given = {name: old[name] for name in told.same}
        given |= {after: old[before] for before, after in told.renamed}
        loaded = model.load_state_dict(given, strict=False)
        missing = {n for n in loaded.missing_keys if not n.endswith("num_batches_tracked")}
        assert loaded.unexpected_keys == []
        known = {n for n, p in model.named_buffers() if n not in told.new and n in missing}
        reshaped = {after for _, after, _, _ in told.reshaped}
        assert missing - known == set(told.new) | reshaped, edit.name
        assert set(old) >= set(told.gone) | {before for before, _, _, _ in told.reshaped}
        for before, after, was, shape in told.reshaped:
            assert (tuple(old[before].shape), tuple(model.state_dict()[after].shape)) == (
                was,
                shape,
            )
