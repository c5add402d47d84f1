"""What people write who have not read the manual, and the edit that says it in the language."""

from __future__ import annotations

import pytest

from netspec import NetspecError
from netspec.diagnostics.raised import Known
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.syntax.fmt import format_text

SAID = [
    # A step in words and numbers, whatever stands between them.
    ("conv3-8 bn relu", "conv3-8; bn; relu"),
    ("conv3-8, bn, relu", "conv3-8; bn; relu"),
    ("conv3-8 + bn + relu", "conv3-8; bn; relu"),
    ("conv3-8.relu", "conv3-8; relu"),
    ("conv3-8-relu", "conv3-8; relu"),
    ("conv3-8 | relu", "conv3-8; relu"),
    ("conv3-8 > relu > maxpool2", "conv3-8; relu; maxpool2"),
    ("conv3-8 followed by batch norm and relu", "conv3-8; bn; relu"),
    ("conv3-8 bn relu x2", "for i in 1..2 { conv3-8; bn; relu }"),
    ("conv3-8/2p1", "conv3-8/2(pad=1)"),
    ("conv3x3-8s2", "conv3-8/2"),
    ("conv-3x3-8", "conv3-8"),
    ("conv3-8 stride 2", "conv3-8/2"),
    ("conv3-8 [stride=2]", "conv3-8/2"),
    ("conv3-8 {stride: 2}", "conv3-8/2"),
    ("Conv 3x3 8 stride 2 pad 1", "conv3-8/2(pad=1)"),
    ("conv 3x3, 8 filters, padding same, ReLU", "conv3-8(pad=same); relu"),
    ("conv(8, 3x3, stride 2)", "conv3-8/2"),
    ("conv(in=3, out=8, k=3)", "conv3-8"),
    ("3x3 conv 8", "conv3-8"),
    ("conv3-8 dilated 2", "conv3-8(dilation=2)"),
    ("conv3-9 groups 3", "conv3-9(groups=3)"),
    ("max pool 2", "maxpool2"),
    ("avgpool 3x3 s1", "avgpool3/1"),
    ("global average pooling 2d", None),
    ("fc 128 relu", "fc-128; relu"),
    ("Dense 40, ReLU, Dropout 0.5", "fc-40; relu; dropout(0.5)"),
    ("dropout(50%)", "dropout(0.5)"),
    ("leaky relu 0.1", "leaky(0.1)"),
    ("upsample2(bilinear)", "upsample(2, mode=bilinear)"),
    ("bilinear upsample x2", "upsample(2, mode=bilinear)"),
    ("upsample x2", "upsample(2)"),
    ("conv 3 -> 8, k=3", "conv3-8"),
    ("pointwise conv 8", "conv1-8"),
    ("Pool: 2x2", "maxpool2"),
    ("nn.Linear(3 * 8 * 8, 10)", "fc-10"),
    ("conv3-8 twice", "conv3-8 x2"),
    ("conv3-8 x 2 times", "conv3-8 x2"),
    ("conv3-8(bn, relu)", "conv3-8(norm=bn, act=relu)"),
    ("default conv(bn, relu); conv3-8", "default conv(norm=bn, act=relu)"),
    ("bn(relu)", "bn; relu"),
    ("conv3-8{3}", "conv3-8 x3"),
    ("conv3-8, batch_norm=true, activation=relu", "conv3-8(norm=bn, act=relu)"),
    ("conv3-8(bn=yes, relu=yes)", "conv3-8(norm=bn, act=relu)"),
    ("basic 8 x2", "basic(8) x2"),
    ("basic-8", "basic(8)"),
    ("basic 8/2", "basic(8, 2)"),
    # What is another sign, or no word, here.
    ("conv3-[8,16]", "for n in [8,16] { conv3-n }"),
    ("conv3-{8,16}", "for n in [8,16] { conv3-n }"),
    ("default conv(norm=bn), fc(act=relu)\nconv3-8", "default conv(norm=bn); default fc(act=relu)"),
    ("conv3-8 (first)", "conv3-8 as first"),
    ('conv3-8(name="first")', "conv3-8 as first"),
    ("conv3-8: name=first", "conv3-8 as first"),
    ("conv3-8 -> a\nrelu", "conv3-8 as a"),
    ("if 3 > 2 then conv3-8", "if 3 > 2 { conv3-8 }"),
    ("if 3 < 2 then conv3-8 else relu", "if 3 < 2 { conv3-8 } else { relu }"),
    ("for i in 0..1 { conv3-8*2**i }", "conv3-(8*2**i)"),
    ("conv1-3 as a; relu; + a", "add(@a)"),
    ("concat [relu, tanh]", "concat { | relu | tanh }"),
    ("branch { relu } { tanh }\nadd", "{ | relu | tanh }"),
    ("towers { | relu | tanh }\nadd", "{ | relu | tanh }"),
    ("skip { conv3-3(pad=1) }", "residual { conv3-3(pad=1) }"),
    ("residual: conv1-3", "residual { conv1-3 }"),
    ("residual(relu) { conv1-3 }", "residual { conv1-3 }; relu"),
    ("residual { conv1-3 } relu", "residual { conv1-3 }; relu"),
    ("concat(\n  relu,\n  conv3-8(pad=1),\n)", "concat { | relu | conv3-8(pad=1) }"),
    ("[relu, conv3-8(pad=1)]\nconcat", "{ | relu | conv3-8(pad=1) }"),
    ("relu as a\nconcat a", "concat(@a)"),
    ("x |> conv3-8 |> relu", "conv3-8; relu"),
    ("(conv3-8 -> relu) x 2 -> gap", "for i in 1..2 { conv3-8; relu }; gap"),
    ("first: conv3-8 relu", "conv3-8; relu as first"),
    ('conv3-8 "the first"', "conv3-8 # the first"),
    ("activation relu", "relu"),
    ("act=relu", "relu"),
    ("loop 3 times { conv1-8 }", "conv1-8 x3"),
    ("for 3 { relu }", "for i in 1..3 { relu }"),
    ("for i in 3 { relu }", "for i in 1..3 { relu }"),
    ("for i = 1..3 { relu }", "for i in 1..3 { relu }"),
    ("for (i in 1..3) { relu }", "for i in 1..3 { relu }"),
    ("for i in 1:3 { relu }", "for i in 1..3 { relu }"),
    ("inception(4;8;8;4;4;4)", "inception(4, 8, 8, 4, 4, 4)"),
    ("residual [conv1-3; relu; conv1-3]", "residual { conv1-3; relu; conv1-3 }"),
    ("stage(basic, 8, 2, stride=1)", "stage(basic, 8, 2, s=1)"),
    ("relu as x\ngap\nrelu @x", "@x; relu"),
    ("relu as x\nrelu as y\n[x, y]\nadd", "{ | @x | @y }"),
    ("relu as x\nrelu as y\nmul(sigmoid(x), y)", "mul { | @x; sigmoid | @y }"),
    ("relu as a\nrelu as b\noutput: a, b", "output a, b"),
    ("relu as a\nrelu as b\nreturn a, b", "output a, b"),
    ("output conv3-8", "conv3-8"),
    # Declarations.
    ("block b(n) = conv3-n; relu\nb(8)", "block b(n) { conv3-n; relu }"),
    ("block b(n): conv3-n\nb(8)", "block b(n) { conv3-n }"),
    ("function b(n) { conv3-n }\nb(8)", "block b(n) { conv3-n }"),
    ("block b(int n) { conv3-n }\nb(8)", "block b(n) { conv3-n }"),
    ("block b(n: int = 4) { conv3-n }\nb(8)", "block b(n= 4) { conv3-n }"),
    ("block b[n] { conv3-n }\nb(8)", "block b(n) { conv3-n }"),
    ("block b(n) { return conv3-n }\nb(8)", "block b(n) { conv3-n }"),
    ("block b(n) { conv3-n }\nb 8", "b(8)"),
    ("block b(n) { conv3-n }\nb<8>", "b(8)"),
    ("block b(n, act=relu) { conv3-n(act=act) }\nb(8, s, gelu)", None),
    ("block b(n, s=1, act=relu) { conv3-n/s(act=act) }\nb(8, gelu)", "b(8, act=gelu)"),
    ("conv3-8(x) as y", "conv3-8 as y"),
    ("conv1-3 as y\nconv3-8(y) as z", "@y; conv3-8 as z"),
    ("Net: LeNet\nrelu", "net LeNet"),
    ("let c = 8\nconv3-c", "net mine(c=8)"),
    ('title: "Mine"\nrelu', 'title "Mine"'),
    ("vgg16", None),
]  # fmt: skip


@pytest.mark.parametrize(("said", "meant"), SAID, ids=[said for said, _ in SAID])
def test_what_was_said_is_among_the_edits_in_the_words_of_the_language(
    said: str, meant: str | None
) -> None:
    text = f"input 3x8x8\n{said}\n"
    with pytest.raises(NetspecError) as caught:
        build(Source("t.ns", text))
    edits = [edit.text for item in caught.value.diagnostics for edit in item.edits]
    assert f"`{meant}`" in edits if meant else not edits


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("input 3x8x8 as image", "input image: 3x8x8"),
        ("input (batch, 3, 8, 8)", "input 3x8x8"),
        ("input RGB 8x8", "input 3x8x8"),
        ("image 3x8x8", "input 3x8x8"),
        ("input: 3x8x8", "input 3x8x8"),
        ("input [3, 8, 8]", "input 3x8x8"),
    ],
)
def test_inputs_in_other_words(said: str, meant: str) -> None:
    with pytest.raises(NetspecError) as caught:
        build(Source("t.ns", f"{said}\nconv3-8\n"))
    assert f"`{meant}`" in [edit.text for edit in caught.value.diagnostics[0].edits]


def test_an_edit_may_go_over_lines() -> None:
    text = "# mine\nnet demo(a=3)\ninput 3x8x8\nc = 8\nconv3-c\n"
    with pytest.raises(NetspecError) as caught:
        build(Source("t.ns", text))
    edit = caught.value.diagnostics[0].edits[0]
    mended = text[: edit.span.start] + edit.replacement + text[edit.span.end :]
    assert mended == "# mine\nnet demo(a=3, c=8)\ninput 3x8x8\nconv3-c\n"
    assert format_text(mended) == mended


def test_a_shipped_net_is_imported() -> None:
    with pytest.raises(NetspecError, match="stands before it") as caught:
        build(Source("t.ns", "input 3x224x224\nvgg16\n"))
    edit = caught.value.diagnostics[0].edits[0]
    assert (edit.span.start, edit.replacement) == (0, "import vgg16\n")


def test_words_of_no_layer_that_the_grammar_hid_do_not_speak_against_an_edit() -> None:
    with pytest.raises(NetspecError) as caught:
        build(Source("t.ns", "INPUT 3x8x8\nRELU\nFC-10\n"))
    assert [edit.text for edit in caught.value.diagnostics[0].edits] == ["`input 3x8x8`"]


def test_what_is_wrong_in_several_places_is_mended_in_one() -> None:
    with pytest.raises(NetspecError) as caught:
        build(Source("t.ns", "input 3x8x8\nconv(3x3, 8, relu)\nconv(3x3, 8, relu)\n"))
    edits = [edit.text for edit in caught.value.diagnostics[0].edits]
    assert edits == ["`conv(3x3, 8, act=relu)`", "`conv3-8(act=relu)`"]


def test_edits_are_shown_that_mend_all_together() -> None:
    text = "input 3x8x8\nfirst = conv3-8\nsecond = maxpool2(first)\nthird = fc-10(second)\n"
    with pytest.raises(NetspecError) as caught:
        build(Source("t.ns", text))
    edits = [[edit.text for edit in item.edits] for item in caught.value.diagnostics]
    whole = "`@first; maxpool2 as second`", "`@second; fc-10 as third`"
    assert edits == [["`conv3-8 as first`"], *([each] for each in whole)]


def test_a_mistake_that_another_hid_is_the_same_in_its_line() -> None:
    text = "input 3x8x8\na = conv3-8\nb = conv3-8\nadd(a, b)\n"
    with pytest.raises(NetspecError) as caught:
        build(Source("t.ns", text))
    first, second, third = caught.value.diagnostics
    assert [edit.text for edit in first.edits] == ["`conv3-8 as a`"]
    known = Known.of([first, third], text)
    assert not known.again().meet(second)
    assert known.meet(third)
    assert not known.meet(third)
