"""Edits beside each other, each of which is told at its line: what one hides of the other."""

from __future__ import annotations

import random

import pytest
from support.shelves import sources

from netspec.analysis.difference.align import align
from netspec.analysis.difference.difference import Difference, difference
from netspec.analysis.difference.texts import Pair
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build

MODULE = """\
input 3x32x32
default conv(pad=same, norm=bn, act=relu)
block module(n, r, d) {
  concat {
    | conv1-n
    | conv1-r(init=he); conv3-n
    | conv1-d(init=he); conv3-n x2
  }
}
conv3-8
module(16, 8, 4)
module(16, 8, 8)
module(16, 4, 8)
gap; fc-10
"""
UNIT = """\
input 16x16x16
default conv(pad=same, norm=bn)
block unit(n, k) {
  residual(shortcut=same) { conv1-(2*n)(act=relu); conv(kernel=k)-n }
}
unit(16, 3)
unit(32, 3)
unit(32, 5)
"""


def edited(text: str, *edits: tuple[str, str]) -> Difference:
    after = text
    for old, new in edits:
        assert old in after
        after = after.replace(old, new, 1)
    return difference(*(build(Source("net.ns", words)) for words in (text, after)))


def said(found: Difference) -> list[tuple[str, str, int]]:
    return [(c.kind, c.after or c.before, c.place.line) for c in found.changes]


def test_equal_branches_are_told_apart_by_their_lines() -> None:
    # In the second call both branches begin alike.
    found = edited(
        MODULE, ("r(init=he); conv3-n", "r(norm=instancenorm); conv3-n; maxpool3/1(pad=1)")
    )
    assert said(found) == [
        ("step", "conv1-r(norm=instancenorm)", 6),
        ("inserted", "maxpool3/1(pad=1)", 6),
    ]
    assert "bn → instancenorm in 3 layers" in found.changes[0].effects


def test_a_repeat_before_equal_steps_is_told_where_it_is_written() -> None:
    text = "input 8x8x8\nconv3-8(pad=same) as one\nconv3-8(pad=same) as two\ngap; fc-2\n"
    found = edited(text, ("conv3-8(pad=same) as one", "conv3-8(pad=same) x2 as one"))
    assert said(found) == [("repeat", "conv3-8(pad=same) x2", 2)]


@pytest.mark.parametrize("call", ["unit(16, 3)", "unit(32, 3)", "unit(32, 5)"])
def test_a_block_put_around_a_call_hides_no_edit_within(call: str) -> None:
    around = f"residual {{ {call} }}"
    assert said(edited(UNIT, (call, around))) == [
        ("inserted", around, UNIT.count("\n", 0, UNIT.index(call)) + 1)
    ]
    found = edited(
        UNIT, (call, around), ("conv(kernel=k)-n", "conv(kernel=k)-n(norm=instancenorm)")
    )
    assert {change.place.line for change in found.changes} == {
        4,
        UNIT.count("\n", 0, UNIT.index(call)) + 1,
    }
    assert any("bn → instancenorm in 3 layers" in change.effects for change in found.changes)


def test_a_block_taken_from_around_a_call_hides_no_edit_within() -> None:
    text = UNIT.replace("unit(32, 3)", "residual { unit(32, 3) }")
    found = edited(text, ("residual { unit(32, 3) }", "unit(32, 3)"), ("act=relu", "act=elu"))
    assert said(found) == [
        ("step", "conv1-(2*n)(act=elu)", 4),
        ("removed", "residual { unit(32, 3) }", 7),
    ]


def test_what_is_joined_in_another_order_is_told_beside_branches_that_came() -> None:
    text = "input 8x8x8\nconcat {\n  | conv1-8\n  | conv3-8(pad=1)\n  | relu\n}\n"
    found = edited(
        text,
        ("  | conv1-8\n  | conv3-8(pad=1)\n", "  | conv3-8(pad=1)\n  | conv1-8\n"),
        ("relu\n", "relu\n  | tanh\n"),
    )
    assert [(kind, line) for kind, _, line in said(found)] == [("rewired", 2), ("inserted", 6)]
    assert found.changes[0].effects == (
        "concat1 reads conv1, conv2, relu1 in this order, not conv2, conv1, relu1",
    )


def test_a_step_put_into_a_block_that_was_moved_is_told() -> None:
    text = "input 8x8x8\nblock u {\n  conv3-8(pad=1)\n  relu\n}\nu; tanh; maxpool2\n"
    found = edited(text, ("u; tanh; maxpool2", "tanh; maxpool2; u"), ("relu\n", "affine; relu\n"))
    assert said(found) == [("inserted", "affine", 4), ("moved", "u", 6)]
    assert found.tensors.gone == ()
    assert found.tensors.new == ("u1.affine1.weight", "u1.affine1.bias")
    both = edited(text, ("u; tanh; maxpool2", "tanh; maxpool2; u"), ("relu\n}", "}"))
    assert said(both) == [("removed", "relu", 4), ("moved", "u", 5)]
    other = edited(text, ("u; tanh; maxpool2", "tanh; maxpool2; u"), ("conv3-8", "conv5-8"))
    assert said(other) == [("step", "conv5-8(pad=1)", 3), ("moved", "u", 6)]


def test_a_block_beside_a_step_that_does_the_same_is_none_of_its_copies() -> None:
    text = "input 8x8x8\nblock u { conv3-8(pad=1); relu }\nconv3-8(pad=1, act=relu) x2; u; gap\n"
    graph = build(Source("net.ns", text))
    side = align(graph, graph, Pair(graph, graph)).a
    first, second = (node for node in graph.nodes if node.path in ("relu1", "relu2"))
    assert list(side.alike(first)) == [second]


BRANCHES = """\
input 8x16x16
default conv(pad=same, act=relu)
concat {
  | conv3-8
  | conv3-8 x3
  | relu
}
"""


def test_copies_are_told_as_wholes_beside_an_equal_step_of_a_branch_that_went() -> None:
    found = edited(BRANCHES, ("  | conv3-8\n", ""), ("conv3-8 x3", "conv5-8 x3"))
    assert sorted(said(found)) == [("removed", "conv3-8", 4), ("step", "conv5-8", 4)]
    assert [e for c in found.changes for e in c.effects] == ["kernel 3 → 5 in 3 layers"]


def test_steps_behind_others_are_not_one() -> None:
    found = edited(
        BRANCHES.replace("| conv3-8\n", "| conv3-8; conv3-8\n"),
        ("conv3-8; conv3-8\n  | conv3-8 x3", "conv3-8 x2; conv5-8"),
    )
    assert sorted(said(found)) == [("inserted", "conv5-8", 4), ("removed", "conv3-8 x3", 5)]


def test_a_step_that_went_is_none_that_is_run_more_often() -> None:
    text = "input 8\nfc-16; dropout(0.5)\nfc-4(act=relu)\n"
    found = edited(text, ("; dropout(0.5)", ""), ("fc-4(act=relu)", "fc-4(act=relu) x2"))
    assert {(kind, line) for kind, _, line in said(found)} == {("removed", 2), ("repeat", 3)}


def test_what_a_block_reads_otherwise_is_told_where_its_call_is() -> None:
    text = "input 8x8x8\nblock u { conv3-8(pad=same); relu }\nconv1-8 as a; relu as b\n@a; u; add(@b)\n"
    assert [(kind, line) for kind, _, line in said(edited(text, ("@a; u", "@b; u")))] == [
        ("rewired", 4)
    ]


@pytest.mark.parametrize(
    ("old", "new", "effect"),
    [
        ("for i in 1..3", "for i in 1..4", "1 conv inserted"),
        ("for r in [1, 2]", "for r in [1, 2, 4]", "1 conv inserted"),
        ("for r in [1, 2]", "for r in [1, 3]", "dilation 2 → 3"),
    ],
)
def test_a_loop_that_goes_further_is_told_at_its_line(old: str, new: str, effect: str) -> None:
    text = (
        "input 8x8x8\nfor i in 1..3 { conv3-(8*i)(pad=same) }\n"
        "for r in [1, 2] { conv3-24(pad=same, dilation=r) }\ngap\n"
    )
    (change,) = edited(text, (old, new)).changes
    assert change.place.line == (2 if "for i" in old else 3)
    assert effect in change.effects


def test_what_is_no_longer_read_is_said_so() -> None:
    text = "input 8x8x8\nconv1-8 as a; conv3-8(pad=same) as b; relu\nadd(@a, @b)\n"
    less = edited(text, ("add(@a, @b)", "add(@a)"))
    assert [e for c in less.changes for e in c.effects] == ["add1 no longer reads b"]
    more = edited(text.replace("add(@a, @b)", "add(@a)"), ("add(@a)", "add(@a, @b)"))
    assert [e for c in more.changes for e in c.effects] == ["add1 reads b too"]


@pytest.mark.slow
def test_any_two_shipped_nets_can_be_compared() -> None:
    chance = random.Random(0)
    graphs = [g for g in map(build, sources()) if len(g.nodes) < 1000]
    for _ in range(80):
        a, b = chance.sample(graphs, 2)
        assert difference(a, b).changes, (a.name, b.name)
