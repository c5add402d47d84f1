"""Specs written otherwise that say the same net: no difference, and all old weights load."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
from support.planted import built, nameless, unexpected
from support.rewritten import KINDS, moved_out
from support.shelves import sources

from netspec.analysis.difference.difference import difference
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.graph.checked import Graph
from netspec.syntax.files import read_spec

_FEW = 6


def shipped(most: int) -> list[Source]:
    return [s for s in sources() if len(s.text) < 2500 and len(built(s).nodes) <= most]


def rewritten(kind: str, source: Source) -> Graph | None:
    """The same net written otherwise; None where this spec cannot be, as its words stand."""
    text = KINDS[kind](source.text, random.Random(f"{source.name} {kind}"))
    if text == source.text:
        return None
    try:
        return build(replace(source, text=unexpected(text)))
    except NetspecError:
        return None


def compared(kind: str, sources: list[Source], most: int) -> int:
    """Compares so many nets with what they are when written otherwise; gives how many there were."""
    count = 0
    for source in sources:
        before, after = built(source), rewritten(kind, source)
        # The order of what is added changes the order of steps, not the net.
        if after is None or (kind != "turned" and nameless(before) != nameless(after)):
            continue
        found = difference(before, after)
        assert [str(c.place) for c in found.changes] == [], f"{source.name}: {kind}"
        assert found.tensors.verdict in ("load", "rename"), f"{source.name}: {kind}"
        count += 1
        if count == most:
            break
    return count


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_otherwise_is_no_difference(kind: str) -> None:
    specs = shipped(most=100)
    random.Random(kind).shuffle(specs)
    assert compared(kind, specs, _FEW) == _FEW


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_no_shipped_net_differs_from_itself_written_otherwise(kind: str) -> None:
    assert compared(kind, shipped(most=2000), most=10**9) > 10


def test_blocks_that_are_imported_from_a_file_are_no_difference(tmp_path: Path) -> None:
    count = 0
    for source in shipped(most=100):
        parted = moved_out(source.text)
        if parted is None:
            continue
        text, blocks = parted
        (tmp_path / "moved_parts.ns").write_text(blocks)
        path = tmp_path / Path(source.name).name
        path.write_text(unexpected(text))
        found = difference(built(source), build(read_spec(str(path))))
        assert (found.changes, found.tensors.verdict) == ((), "load"), source.name
        count += 1
    assert count > 10


def test_a_renamed_step_is_no_difference_and_its_weights_are_said_to_be() -> None:
    before = build(Source("old.ns", "input 3x8x8\nconv3-8 as one; relu\n"))
    after = build(Source("new.ns", "input 3x8x8\nconv3-8 as two; relu\n"))
    assert str(difference(before, after)) == (
        "old.ns and new.ns compute the same\n"
        "old weights: load under other names, 2 of them\n"
        "    renamed: one → two\n"
    )


def test_a_projection_written_by_hand_is_that_of_a_residual() -> None:
    rest = "input 8x8x8\ndefault conv(bias=no, norm=bn)\n"
    short = "residual { conv3-16/2(pad=1) }; relu\n"
    long = """\
identity as x
conv3-16/2(pad=1) as y
add { | @y | @x; conv1-(@y.C)/(ratio(@x, @y)) as shortcut }; relu
"""
    found = difference(*(build(Source("net.ns", rest + text)) for text in (short, long)))
    assert (found.changes, found.tensors.verdict) == ((), "rename")
