"""From text to graph and back: the text of a graph builds that graph."""

from __future__ import annotations

import pytest
from support.meanings import says_itself
from support.shelves import shelved, shipped

from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.graph.written import written


@pytest.mark.parametrize("name", shelved())
def test_each_shipped_net_says_itself(name: str) -> None:
    says_itself(shipped(name))


def text_of(spec: str, **settings: object) -> str:
    return says_itself(build(Source("<net>", spec), settings))


def test_blocks_repeats_defaults_and_choices_are_written_out() -> None:
    spec = """net small(n=2, deep=no)
year 1998
error top1=0.95, source="MNIST test"
input 1x8x8
default conv(pad=same, act=relu)
block unit(w) { residual { conv3-w } }
conv3-4
unit(4) x(n)
if deep { conv1-4 }
gap; fc-10; softmax
"""
    assert text_of(spec, n=1).splitlines()[4:] == [
        "input 1x8x8",
        "conv3-4(pad=same) as conv1",
        "relu as relu1",
        "conv3-4(pad=same) as unit1_conv1",
        "relu as unit1_relu1",
        "add(@relu1) as unit1_add1",
        "gap as gap1",
        "fc-10 as fc1",
        "softmax as softmax1",
    ]
    assert text_of(spec, deep=True).count("pad=same") == 4


@pytest.mark.parametrize(
    "spec",
    [
        "input a: 3xHxW\ninput b: 3xKxL\n{ | @a; maxpool2 | @b }; add; gap\n",
        "input 3x8x6\nreshape((C, H*W)); reshape([144])\n",
        "input words: T ids(9)\nembedding-4; lstm-8\n",
        "input rois: 5 batch(R=20)\ninput image: 3x32x32\n@image; roipool3(@rois, scale=1/16)\n",
        "input 4x8x8\nsplit(2); { | relu | conv1-2; bn }; concat; shuffle(2)\n",
        "input 4x8x8\nmaxpool2 as p; conv1-4; unpool(@p)\n",
        "input 4x8x8\nfreeze { conv3-4 as a; relu }; conv3-4(weights=@a)\n",
        "input 4x8x8\nhead aux(loss=0.25) { gap; fc-3 as seen }\ngap; fc-3\n",
        "input 4x8x8\nhead aux(loss=0.3) { relu as r; tanh; @r }\nrelu as r; tanh as t; @r\n",
        "input 4x8x8\n{ | relu as one | tanh as two }\noutput two, one\n",
        "input 4x8x8\n{ | relu | tanh }\n",
        "input 4x8x8\n{ | relu | tanh } as two\noutput two\n",
        "input 4x8x8\nblock p(x) { @x }\nrelu as a; p(@a) as q\noutput a, q\n",
        "input 4x8\nconv([3])-8; conv([5], stride=[2])-6\n",
        "input x: 4x8x8\nrelu as freeze_; tanh as a_b; sigmoid as a; relu as b\n",
        "input 4x8x8\nblock a { relu as b }\na; tanh as a_b\n",
        "input 4x8x8\nconv3-4(init=truncated(0.001), bias_init=1e-7); scaled(0.1, 1e-30)\n",
        'input 4x8x8\nresidual(shortcut=pad) { conv3-8/2(pad=1) }; relu as r\noutput r\nnote "a; b"\n',
    ],
)
def test_all_that_the_language_has_is_said(spec: str) -> None:
    text_of(spec)


def test_a_net_is_said_that_a_file_calls_by_a_word_of_the_language() -> None:
    text = says_itself(build(Source("net.ns", "input 4x8x8\nrelu\n")))
    assert text == "input 4x8x8\nrelu as relu1\n"


def test_names_that_meet_are_numbered_from_two() -> None:
    """A path's dots become signs of a name, which a step may have already."""
    block = "block u { relu as b; tanh }\ninput 4\nu as a; sigmoid as a_b; softmax as a_b_3\n"
    graph = build(Source("t", f"{block}concat {{ | @a.b | @a_b | @a_b_3 }}"))
    text = written(graph)
    for line in ("relu as a_b\n", "sigmoid as a_b_2\n", "softmax as a_b_3\n"):
        assert line in text
    assert text.endswith("@a_b; concat(@a_b_2, @a_b_3) as concat1\n")
