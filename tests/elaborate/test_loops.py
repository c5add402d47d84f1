"""Loops over lists and side by side, names of a bundle's tensors, computed kernels: as if written out."""

from __future__ import annotations

import pytest
from support.differential import Net, assert_agree, inputs_for, nodes_of
from support.meanings import says_itself

from netspec.analysis.costs import costs
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.graph.same import same
from netspec.ops.vectors.sources import Repeat
from netspec.syntax.fmt import format_text

LOOPS = {
    "values of a list": (
        "for r in [1, 2, 4] { conv3-8(pad=same, dilation=r) }",
        "conv3-8(pad=same); conv3-8(pad=same, dilation=2); conv3-8(pad=same, dilation=4)",
    ),
    "an empty list": ("for r in [] { conv3-8(dilation=r) }; conv1-2", "conv1-2"),
    "values by two names": (
        "for k, s in [(3, 1), (5, 2)] { conv(k)-8/(s)(pad=k//2) }",
        "conv3-8(pad=1); conv5-8/2(pad=2)",
    ),
    "layers and words": (
        "for act, mode in [(relu, nearest), (leaky(0.1), bilinear)] "
        "{ conv1-8(act=act); upsample(2, mode=mode) }",
        "conv1-8(act=relu); upsample(2); conv1-8(act=leaky(0.1)); upsample(2, mode=bilinear)",
    ),
    "a list that a block is given": (
        "block down(rates) { for s in rates { conv(2*s)-(2*C)/s(pad=s//2) } }\ndown([2, 4])",
        "conv4-16/2(pad=1); conv8-16/4(pad=2)",
    ),
    "branches of a list": (
        "concat { | conv1-4 | for r in [2, 3] { | conv3-4(pad=same, dilation=r) } }",
        "concat { | conv1-4 | conv3-4(pad=same, dilation=2) | conv3-4(pad=same, dilation=3) }",
    ),
    "branches of numbers without a merge around": (
        "for i in 1..3 { | conv1-i | conv3-i(pad=same) }; concat",
        "concat { | conv1-1 | conv3-1(pad=same) | conv1-2 | conv3-2(pad=same)"
        " | conv1-3 | conv3-3(pad=same) }",
    ),
    "branches that each take a tensor": (
        "split(2); for n in [3, 5] { | conv1-n }; concat",
        "split(2); { | conv1-3 | conv1-5 }; concat",
    ),
    "branches in branches": (
        "for i in 1..2 { | for k in [1, 3] { | conv(k)-i(pad=same) } }; concat",
        "concat { | conv1-1 | conv3-1(pad=same) | conv1-2 | conv3-2(pad=same) }",
    ),
    "references in a list": (
        "conv1-8 as a; maxpool2; conv1-8 as b\nfor x in [@a, @b] { | @x; conv3-4 }; { | gap | gap }; concat",
        "conv1-8 as a; maxpool2; conv1-8 as b\n{ | @a; conv3-4 | @b; conv3-4 }; { | gap | gap }; concat",
    ),
    "a list that is gone through twice": (
        "for k in [1, 3] { conv(k)-8(pad=same) } x2",
        "conv1-8; conv3-8(pad=same); conv1-8; conv3-8(pad=same)",
    ),
    "weights of their own for the tensors of a bundle": (
        "block heads(n) { identity as maps; for x in [@maps] { | @x; conv3-n; gap } }\n"
        "{ | conv1-4 | maxpool2; conv1-4 }; heads(5); concat",
        "{ | conv1-4; conv3-5; gap | maxpool2; conv1-4; conv3-5; gap }; concat",
    ),
    "a step for each tensor of a bundle and one more": (
        "{ | conv1-4 | conv1-5 } as both; @input; conv1-8 as c\n"
        "for x in [@both, @c] { | @x; conv3-3 }; add",
        "{ | conv1-4 as a | conv1-5 as b }; @input; conv1-8 as c\n"
        "add { | @a; conv3-3 | @b; conv3-3 | @c; conv3-3 }",
    ),
    "one set of weights for the tensors of a bundle": (
        "{ | conv1-4 | maxpool2; conv1-4 } as both\nfor x in @both { | conv3-4; gap }; concat",
        "{ | conv1-4 | maxpool2; conv1-4 }\n"
        "{ | conv3-4 as f; gap | conv3-4(weights=@f); gap }; concat",
    ),
    "one set of weights for the steps of a sequence": (
        "slice(0, 4, axis=height) as rows\nfor row in @rows { | conv3-5(act=tanh) }; stack; gap",
        "slice(0, 4, axis=height); unstack as first, second, third, fourth\n"
        "stack { | @first; conv3-5(act=tanh) as f"
        " | @second; conv3-5(act=tanh, weights=@f)"
        " | @third; conv3-5(act=tanh, weights=@f)"
        " | @fourth; conv3-5(act=tanh, weights=@f) }; gap",
    ),
    "a name in branches is all that it stood for": (
        "{ | conv1-4 | conv1-4 } as both\nfor x in @both { | conv1-4 as y; relu }\n"
        "concat; add { | identity | @y; concat }",
        "{ | conv1-4 | conv1-4 }\n{ | conv1-4 as y; relu as p | conv1-4(weights=@y) as z; relu as q }\n"
        "concat as c; concat { | @y | @z }; add(@c)",
    ),
    "names of what flows": (
        "split(2) as a, b\n@b; conv1-4; add(@a)",
        "split(2); { | identity as a | identity as b }\n@b; conv1-4; add(@a)",
    ),
    "names of what a block gives": (
        "block two { { | conv1-4 | conv3-4(pad=same) } }\ntwo as a, b\n"
        "concat; add { | identity | concat { | @b | @a } }",
        "{ | conv1-4 as a | conv3-4(pad=same) as b }; concat as c; concat { | @b | @a }; add(@c)",
    ),
    "a computed kernel under a default": (
        "default conv(pad=same)\nblock unit(k, n) { conv(k)-n/2(act=relu) x2 as last }\nunit(5, 6)",
        "default conv(pad=same)\nconv5-6/2(act=relu) x2",
    ),
    "a computed kernel of two sizes": ("block f(k) { conv((k, 1))-4 }\nf(3)", "conv3x1-4"),
}


def agree(text: str) -> None:
    graph = build(Source("n", text))
    assert_agree(Net(graph).run(inputs_for(graph, 2, {})))


@pytest.mark.parametrize(("short", "long"), LOOPS.values(), ids=LOOPS)
def test_a_short_form_is_what_it_stands_for(short: str, long: str) -> None:
    a, b = (build(Source("n", f"input 8x16x24\n{text}\n")) for text in (short, long))
    assert same(a, b) is not None
    assert costs(a).params == costs(b).params
    assert costs(a).macs == costs(b).macs
    formatted = format_text(f"input 8x16x24\n{short}\n")
    assert format_text(formatted) == formatted
    assert says_itself(a)


@pytest.mark.parametrize(
    "text",
    [LOOPS[name][0] for name in LOOPS if "weights" in name or "all that" in name],
    ids=[name for name in LOOPS if "weights" in name or "all that" in name],
)
def test_back_ends_share_the_weights_of_branches(text: str) -> None:
    agree(f"input 8x16x24\n{text}\n")


def test_a_net_of_branches_has_the_weights_of_the_first() -> None:
    text = "input 8x9x9\n{ | conv1-8 | conv1-8 } as xs\nfor x in @xs { | conv3-4 }; add\n"
    graph = build(Source("n", text))
    assert [(n.path, n.owner) for n in graph.nodes if n.path.startswith("x")] == [
        ("x1.conv1", "x1.conv1"),
        ("x2.conv1", "x1.conv1"),
    ]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{ | relu | tanh } as a, b, c", "NS352"),
        ("for r in 3 { conv3-8(dilation=r) }", "NS350"),
        ("for a, b in [1] { conv3-8 }", "NS351"),
        ("for a, b in 1..3 { conv3-8 }", "NS351"),
        ("for r in [] { | conv3-8(dilation=r) }; conv1-2", "NS353"),
        ("concat { | for r in [] { | conv3-8(dilation=r) } }", "NS353"),
        ("{ | relu | tanh }; for i in 1..3 { | conv1-8 }", "NS312"),
        ("{ | relu | maxpool2; conv1-3 } as xs\nfor x in @xs { | conv1-4 }; add", "NS319"),
    ],
)
def test_what_does_not_fit_is_refused(text: str, code: str) -> None:
    with pytest.raises(NetspecError) as caught:
        build(Source("n", f"input 8x16x24\n{text}\n"))
    assert caught.value.diagnostics[0].problem.code == code


def test_a_loop_too_large_is_refused_before_it_runs() -> None:
    inner = "for a in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] { "
    text = f"input 8\n{inner * 8}{'relu' + ' }' * 8}\n"
    with pytest.raises(NetspecError) as caught:
        build(Source("n", text))
    assert caught.value.diagnostics[0].problem.code in ("NS401", "NS402", "NS404")


def test_a_state_of_all_samples_becomes_one_of_each() -> None:
    text = "input x: 3x5\nparameter(3, init=zeros)\nfor t in @x { add(@t); tanh as y }\n@y\n"
    graph = build(Source("n", text))
    assert len(nodes_of(graph, Repeat)) == 1
    agree(text)
