"""`every { ... }`: what flows in and what each step makes, as if forked and named by hand."""

from __future__ import annotations

import pytest
from support.differential import Net, assert_agree, inputs_for
from support.meanings import says_itself

from netspec.analysis.costs import costs
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.graph.checked import Graph
from netspec.graph.same import same
from netspec.syntax.fmt import format_text

# Each with the same written without it.
CHAINS = {
    "a repeat": (
        "every { maxpool3/1(pad=same) x3 }; concat",
        "identity as x; maxpool3/1(pad=same) as a; maxpool3/1(pad=same) as b; maxpool3/1(pad=same) as c\n"
        "concat { | @x | @a | @b | @c }",
    ),
    "steps with names": (
        "every { conv3-8(pad=same) as a; conv1-8; relu } as x, p, q, r\nadd { | @q | @r | @a | @x }",
        "identity as x; conv3-8(pad=same) as a; conv1-8 as q; relu as r; add { | @q | @r | @a | @x }",
    ),
    "in a branch, whose tensors go on side by side": (
        "split(2); concat { | identity | every { conv3-4(pad=same, act=relu) x2 } }; conv1-3",
        "split(2) as x, y; @y; conv3-4(pad=same, act=relu) as a; conv3-4(pad=same, act=relu) as b\n"
        "concat { | @x | @y | @a | @b }; conv1-3",
    ),
    "in each other": (
        "every { every { relu; tanh }; add; conv1-3 }; concat",
        "identity as x; relu as r; tanh as t; add { | @x | @r | @t } as s\n"
        "conv1-3 as c; concat { | @x | @x | @r | @t | @s | @c }",
    ),
    "steps of `if` and `for` are steps, and what is not chosen is none": (
        "every { if C == 8 { relu; tanh }; if C > 8 { gap }; for k in [1, 3] { conv(k)-8(pad=same) } }; mean",
        "identity as x; relu as a; tanh as b; conv1-8 as c; conv3-8(pad=same) as d\n"
        "mean { | @x | @a | @b | @c | @d }",
    ),
    "a loop's branches are one step": (
        "every { relu; for k in [1, 3] { | conv(k)-4(pad=same) }; concat }; concat",
        "identity as x; relu as r; { | conv1-4 as a | conv3-4(pad=same) as b }; concat as c\n"
        "concat { | @x | @r | @a | @b | @c }",
    ),
    "a block, its steps apart from those around": (
        "block two { every { relu; tanh }; add }\nevery { two x2 }; concat",
        "identity as x; relu as a; tanh as b; add { | @x | @a | @b } as c\n"
        "relu as d; tanh as e; add { | @c | @d | @e } as f; concat { | @x | @c | @f }",
    ),
    "braces given to a block": (
        "inline block keep(body) { every { body x2 } }\nkeep { conv1-8; relu }; concat",
        "identity as x; conv1-8; relu as a; conv1-8; relu as b; concat { | @x | @a | @b }",
    ),
    "a reference goes on from elsewhere": (
        "maxpool2 as low; conv1-8; every { relu; @low; tanh }; { | gap | gap | gap | gap }; add",
        "maxpool2 as low; conv1-8 as x; relu as r; @low; tanh as t\n"
        "{ | @x; gap | @r; gap | @low; gap | @t; gap }; add",
    ),
    "no steps": ("every { default conv(bias=no) }; conv1-4", "conv1-4"),
    "a stop of training": (
        "every { freeze { conv1-8; relu }; conv1-8 }; concat",
        "identity as x; freeze { conv1-8; relu as a }; conv1-8 as b; concat { | @x | @a | @b }",
    ),
    "what a net reads of a trunk": (
        "every { maxpool2; conv1-4; maxpool2 } as c1, c2, c3, c4; fpn(6, @c1, @c3, @c4)",
        "identity as c1; maxpool2; conv1-4 as c3; maxpool2 as c4; fpn(6, @c1, @c3, @c4)",
    ),
}


def net(text: str) -> Graph:
    return build(Source("n", f"input 8x16x24\n{text}\n"))


@pytest.mark.parametrize(("short", "long"), CHAINS.values(), ids=CHAINS)
def test_it_is_what_it_stands_for(short: str, long: str) -> None:
    a, b = net(short), net(long)
    assert same(a, b) is not None
    assert (costs(a).params, costs(a).macs) == (costs(b).params, costs(b).macs)
    formatted = format_text(f"input 8x16x24\n{short}\n")
    assert format_text(formatted) == formatted
    assert says_itself(a)
    assert_agree(Net(a).run(inputs_for(a, 2, {})))


def test_the_order_is_that_of_the_steps() -> None:
    graph = net("every { conv1-3; conv1-5; conv1-2 }; concat")
    assert [value.type.channels for value in graph.nodes[-1].inputs] == [8, 3, 5, 2]


def test_a_head_in_it_makes_nothing() -> None:
    graph = net("every { relu; head aux(loss=0.3) { gap; fc-3 }; tanh }; concat")
    assert graph.nodes[-1].output.type.channels == 3 * 8
    assert len(graph.heads) == 1


def test_a_step_of_a_recurrence_may_keep_all_it_makes() -> None:
    text = (
        "input x: 4x5; gap\n"
        "for x_t in @x { add(@x_t); every { fc-4(act=tanh) x2 }; concat; fc-4 as y } as z"
    )
    graph = build(Source("n", text))
    assert_agree(Net(graph).run(inputs_for(graph, 2, {})))
    around = "input x: 4x5; gap\nevery { tanh; for x_t in @x { add(@x_t); relu } }; concat"
    joined = build(Source("n", around)).nodes[-1]
    assert [value.node.op.spelling for value in joined.inputs] == ["gap", "tanh", "relu"]


def test_sizes_may_be_open() -> None:
    graph = build(Source("n", "input 3xHxW\nevery { conv3-4(pad=same) x2 }; concat; conv1-2"))
    assert str(graph.nodes[-2].output.type) == "11xHxW"


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("split(2); every { relu }", ["NS311"]),
        ("every { every { relu } x2 }", ["NS311"]),
        ("every { relu; conv1-0; tanh } as a, b, c, d\nconcat { | @a | @d }; gap", ["NS214"]),
        ("every { relu; nothing; tanh }; concat", ["NS201"]),
        ("every { relu } as a, b, c", ["NS352"]),
        ("every { maxpool2 }; concat", ["NS310"]),
    ],
)
def test_a_mistake_costs_one_message(text: str, codes: list[str]) -> None:
    with pytest.raises(NetspecError) as caught:
        net(text)
    assert [item.problem.code for item in caught.value.diagnostics] == codes


def test_it_is_counted_before_it_is_built() -> None:
    block = "block a { every { relu x1000 }; add }\nblock b { a x1000 }\n"
    with pytest.raises(NetspecError) as caught:
        net(f"{block}b x1000")
    assert caught.value.diagnostics[0].problem.code == "NS404"
