"""Which loops a part runs in follows from what reads what."""

from __future__ import annotations

import netspec
from netspec.graph.loops import around, loops
from netspec.graph.nesting import Part, nested

# The inner recurrence begins with nothing of the outer one, and reads its step inside.
INSIDE = """input x: 4xT
input m: 4xL
input h: 4
@h
for a in @x {
  identity as s
  @h
  for b in @m { { | identity | @b | @a }; concat; fc-4(act=tanh) as p } as end
  { | @end | @s }; concat; fc-4 as y
}
@y; gap; fc-2
"""


def test_what_nothing_begins_runs_once() -> None:
    assert nested([Part([], ["a"], None, None), Part(["a"], ["b"], None, None)]) == [(), ()]


def test_a_loop_is_in_another_by_whatever_it_reads_of_it() -> None:
    parts: list[Part[str]] = [
        Part(["x"], ["a"], "outer", None),
        Part(["m"], ["b"], "inner", None),
        Part(["b"], ["first"], None, None),
        Part(["first", "a"], ["p"], None, None),
        Part(["p"], ["end"], None, "inner"),
        Part(["end"], ["y"], None, None),
        Part(["y"], ["all"], None, "outer"),
        Part(["all"], ["z"], None, None),
    ]
    inner = ("outer", "inner")
    assert nested(parts) == [(), ("outer",), inner, inner, ("outer",), ("outer",), (), ()]


def test_costs_of_a_recurrence_count_those_around_it() -> None:
    net = netspec.load(INSIDE)
    inner = next(loop for loop in loops(net.graph) if loop.call.block == "b")
    assert [each.call.block for each in around(net.graph)[inner.each] if each.call] == ["a"]
    family = netspec.variants(INSIDE)
    assert str(family.totals()["macs"]) == "48*L*T + 32*T + 8"
    # Written out it is 3 times the outer braces, and 15 times the inner.
    assert family.totals(input=["x:4x3", "m:4x5"])["macs"] == 48 * 15 + 32 * 3 + 8


def test_such_a_net_runs_as_it_does_written_out() -> None:
    assert netspec.load(INSIDE).verify().agrees
