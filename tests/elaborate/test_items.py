"""Items of lists by number, `depths[0]`: as if the number stood there."""

from __future__ import annotations

import pytest

from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.graph.checked import Graph
from netspec.graph.same import same
from netspec.syntax.fmt import format_text

ITEMS = {
    "width, stride and repeat": ("conv3-n[0]/n[1] x(n[1])", "conv3-4/2 x2"),
    "from the end": ("conv3-n[-1]; conv1-n[-3]", "conv3-8; conv1-4"),
    "computed": ("for i in 0..2 { conv1-n[2-i] }", "conv1-8; conv1-2; conv1-4"),
    "of a list in a list": ("conv1-rows[1][0]; conv(rows[0][1])-1", "conv1-3; conv2-1"),
    "in arithmetic": ("conv1-(n[0]*n[1] + 1)", "conv1-9"),
    "a layer": ("conv1-2(act=acts[1])", "conv1-2(act=leaky(0.1))"),
    "given to a block": ("block b(m) { conv1-m[1] }\nb(n); b([3, 5])", "conv1-2; conv1-5"),
    "chosen": ("if n[0] > n[1] { conv1-3 } else { conv1-4 }", "conv1-3"),
    "an argument": ("conv3-8(pad=n[1])", "conv3-8(pad=2)"),
}
HEAD = "net t(n=[4, 2, 8], rows=[(1, 2), (3, 4)], acts=[relu, leaky(0.1)])\ninput 3x64x64\n"


def built(text: str) -> Graph:
    return build(Source("t", HEAD + text))


@pytest.mark.parametrize("case", ITEMS)
def test_an_item_is_what_stands_there(case: str) -> None:
    text, written = ITEMS[case]
    assert same(built(text), built(written)) is not None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("conv1-n[3]", "NS371"),
        ("conv1-n[-4]", "NS371"),
        ("conv1-n[1/2]", "NS371"),
        ("conv1-n[0][0]", "NS371"),
        ("conv1-C[0]", "NS371"),
        ("conv1-n[i]", "NS202"),
        ("conv1-m[0]", "NS202"),
        ("conv1-n[]", "NS110"),
        ("conv1-[4][0]", "NS110"),
        ("relu[0]", "NS110"),
    ],
)
def test_what_is_no_item_is_refused(text: str, code: str) -> None:
    with pytest.raises(NetspecError, match=code):
        built(text)


def test_items_are_laid_out_tight() -> None:
    assert (
        format_text("conv3-n [ 0 ]/ m [ -1 ]; fc-(n[0]+1)\n") == "conv3-n[0]/m[-1]; fc-(n[0]+1)\n"
    )
