"""PyTorch source of recurrences: a loop over time in a class of its own, to the bit that of `to_torch`."""

from __future__ import annotations

import re

import pytest
from support.sources import bare, faults

import netspec
from netspec.backends.torch.source.write import source
from netspec.graph.checked import Graph
from netspec.graph.loops import loops
from netspec.graph.same import same
from netspec.passes.roll import roll
from netspec.passes.unroll import unroll

_AT_EACH = "input x: 5xT\n@x; gap as g; fc-5 as k; fc-5 as m\n"
_END = "\n@y; gap; add(@e)"
_LAYER = """input 4xT
block layer(n) of seq {
  @seq; gap; fc-n
  for s in @seq { { | @s | identity }; concat; fc-n(act=tanh) as y }
  @y
}
"""
NETS = {
    "one state": "@g\nfor x_t in @x { add(@x_t); fc-5(act=tanh) as y } as e" + _END,
    "changed places": (
        "{ | @g | @k }\nfor x_t in @x { identity as a, b; { | @b; add(@x_t); tanh as y | @a } } as c, d\n"
        "@y; gap; add(@c); add(@d)"
    ),
    "what was three steps before": (
        "{ | @g | @k | @m }\nfor x_t in @x { identity as a, b, c\n"
        "{ | @c; add(@x_t); fc-5(act=tanh) as y | @a | @b } } as d, e, f\n"
        "@y; gap; add(@d); add(@e); add(@f)"
    ),
    "two states of one start": (
        "{ | @g | @g }\nfor x_t in @x { identity as a, b\n"
        "{ | @a; add(@x_t); fc-5(act=tanh) as y | @b; mul(@x_t); fc-5 } } as c, d\n"
        "@y; gap; add(@c); add(@d)"
    ),
    "a state that stays": (
        "{ | @g | @k }\nfor x_t in @x { identity as a, b\n"
        "{ | @a; add(@x_t); add(@b); tanh as y | @b } } as c, d\n@y; gap; add(@c); add(@d)"
    ),
    "the step before": "@g\nfor x_t in @x { add(@x_t); fc-5(act=tanh) as y; @x_t } as e" + _END,
    "no step": "@g\nfor x_t in @x { fc-5(act=tanh) as y } as e" + _END,
    "what was before": "@g\nfor x_t in @x { identity as y; add(@x_t); fc-5(act=tanh) } as e" + _END,
    "once": (
        "@g\nfor x_t in @x { identity as s; fc-5 as first; @g; fc-5 as y; @s; add(@first)\n"
        "add(@x_t); add(@y); fc-5(act=tanh) } as e" + _END
    ),
    "once, each time other numbers": (
        "@g\nfor x_t in @x { identity as s; @g; fc-5; dropout(0.5) as y; @s; add(@x_t)\n"
        "add(@y); fc-5(act=tanh) } as e" + _END
    ),
    "random numbers": (
        "@g\nfor x_t in @x { identity as s; mean(drop_path=0.4) { | @s; fc-5 | @x_t; fc-5 }; dropout(0.5)\n"
        "tanh as y } as e" + _END
    ),
    "a head": (
        "@g\nhead aux(loss=0.3) { @g; for u_t in @x { add(@u_t); fc-5; tanh as z }; @z; gap; fc-2 }\n"
        "@g; for x_t in @x { add(@x_t); fc-5; tanh as y } as e" + _END
    ),
    "names": (
        "@g\nfor outputs in @x { add(@outputs); add(@g); mul(@outputs); fc-5(act=tanh) as y } as e" + _END
    ),
    "names of Python": "@g\nfor lambda in @x { add(@lambda); fc-5(act=tanh) as y } as e" + _END,
    "two joined": (
        "@g\nfor x_t in @x { add(@x_t); fc-5(act=tanh) as y; fc-7 as z; fc-5 } as e"
        + _END
        + "; concat { | identity | @z; gap }"
    ),
}  # fmt: skip
WHOLE = {
    "many": _LAYER + "layer(4) x5; gap",
    "widths": _LAYER + "layer(4); layer(6); layer(8); gap",
    "shared": _LAYER + "layer(4) as a; layer(4, weights=@a); gap",
    "ids": (
        "input w: T ids(50)\n@w; embedding-5; gap\n"
        "for i in @w { identity as s; @i; embedding-5; add(@s); fc-5(act=tanh) as y } as e" + _END
    ),
    "in each other": (
        "input x: 3xTx4x4\n@x; gap as g; fc-3\nfor frame in @x { identity as s; @frame; gap; add(@s)\n"
        " for row in @frame { identity as r; fc-3(act=tanh)\n"
        "  for p in @row { add(@p); fc-3(act=tanh) as q }\n  add(@r); @q; gap as w }\n"
        " @w; gap; add(@s); tanh as y } as e" + _END
    ),
    "maps": (
        "input v: 5xTx3x3\ninput h: 5x3x3\n@h\n"
        "for f in @v { add(@f); conv3-5(pad=same); bn; relu as y; residual { conv3-5(pad=same) x4 } } as e\n"
        "@y; gap; add { | identity | @e; gap }"
    ),
}  # fmt: skip
CASES = {**{name: _AT_EACH + text for name, text in NETS.items()}, **WHOLE}


def steps(text: str, count: str) -> Graph:
    return netspec.load(re.sub(r"(?<=[ x])T(?=\b|x)", count, text)).graph


@pytest.mark.parametrize("count", ["T", "1", "3", "70"])
@pytest.mark.parametrize("name", CASES)
def test_a_recurrence_is_the_same_in_source(name: str, count: str) -> None:
    graph = steps(CASES[name], count)
    assert list(faults(graph, source(graph), training=True)) == []


@pytest.mark.parametrize("count", ["T", "3", "64", "65", "500"])
def test_steps_are_a_loop_however_many_there_are(count: str) -> None:
    text = bare(source(steps(CASES["one state"], count)))
    assert text.count("for x_t in x.unbind(2):") == 1
    assert text.count("self.x_t1(") == 1
    assert "outputs.append(state)" in text


@pytest.mark.parametrize("size", ["3x4", "3xW", "Hx4", "HxW", "70x80"])
def test_recurrences_in_each_other_are_loops_in_each_other(size: str) -> None:
    text = (
        f"input image: 3x{size}\n@image; gap; fc-4\nfor row in @image {{ identity as above; fc-4 as down\n"
        "for pixel in @row { { | @pixel | identity | @down }; concat; fc-4(act=tanh) as p } as end\n"
        "@p; gmp; add(@above); add(@end) as r } as last\nadd { | @r; gap | @last }"
    )
    graph = netspec.load(text).graph
    written = source(graph)
    assert [line.strip() for line in written.splitlines() if line.strip().startswith("for ")] == [
        "for pixel in pixels.unbind(2):",
        "for row in rows.unbind(2):",
    ]
    assert list(faults(graph, written)) == []


@pytest.mark.parametrize(
    "name", [name for name in CASES if name != "once, each time other numbers"]
)
def test_rolling_undoes_unrolling(name: str) -> None:
    graph = steps(CASES[name], "5")
    rolled = roll(graph)
    assert loops(rolled)
    assert not loops(graph)
    assert same(unroll(rolled), unroll(graph)) is not None


def test_what_is_not_alike_stays_written_out() -> None:
    for text in ("input 5x4\nunstack; add", CASES["once, each time other numbers"]):
        graph = steps(text, "4")
        assert roll(graph) is graph


def test_a_block_called_once_more_takes_what_both_calls_need() -> None:
    """The first call starts from one tensor in two places, and of the second more is read."""
    for last in ("", "; add(@b)"):
        graph = netspec.load(
            "input 4x8x8\nblock u(x) { conv1-4 as p; conv1-4; add(@x) }\nidentity as i; u(@i) as a\n"
            "u(@i, weights=@a) as b; add(@b.p)" + last
        ).graph
        assert list(faults(graph, source(graph))) == []
