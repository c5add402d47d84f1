"""Pictures of two nets that were compared: what was removed, added and changed is marked, no more."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from netspec.analysis.difference.difference import difference
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.source import Source
from netspec.draw import draw_difference
from netspec.elaborate.build import build
from netspec.graph.checked import Graph

NET = """\
input 3x32x32
block unit(n) { conv3-n(pad=same); relu; conv1-n; tanh; conv1-n }
conv3-8(pad=same) x4
lrn(5)
maxpool2
unit(16)
gap; fc-10
"""


def of(text: str) -> Graph:
    return build(Source("net.ns", text))


def marks(before: str, after: str) -> list[tuple[str, str]]:
    """The marked layers and blocks, each with its mark, in the order of the picture."""
    text = draw_difference(difference(of(before), of(after)))
    assert isinstance(text, str)
    found = []
    for group in ElementTree.fromstring(text).iter("{http://www.w3.org/2000/svg}g"):
        for box in group.findall("{http://www.w3.org/2000/svg}rect"):
            what = re.search("added|removed|changed", box.get("class", ""))
            if what:
                found.append((group.get("data-path", ""), what[0]))
    return found


def test_what_was_removed_added_and_changed_is_marked_and_nothing_else() -> None:
    after = NET.replace("lrn(5)\n", "").replace("maxpool2", "maxpool2; shuffle(2)")
    after = after.replace("fc-10", "fc-20")
    assert marks(NET, after) == [
        ("lrn1", "removed"),
        ("fc1", "changed"),
        ("shuffle1", "added"),
        ("fc1", "changed"),
    ]


@pytest.mark.parametrize(
    ("before", "after", "nets"),
    [
        ("conv3-8(norm=bn, act=relu)", "conv3-8(norm=bn, act=elu)", 2),
        ("conv3-8; relu", "conv3-8; bn; relu", 1),
        ("conv3-8; bn; relu", "conv3-8; bn", 1),
        ("default conv(act=relu); conv3-8", "default conv(act=gelu); conv3-8", 2),
    ],
)
def test_a_box_is_marked_where_a_layer_that_is_written_in_it_is(
    before: str, after: str, nets: int
) -> None:
    pair = (f"input 3x9x9\n{steps}; maxpool2; gap\n" for steps in (before, after))
    assert marks(*pair) == [("conv1", "changed")] * nets


def test_equal_nets_have_no_marks() -> None:
    assert marks(NET, NET.replace("unit", "block2")) == []


def test_a_repeat_is_not_folded_over_a_mark() -> None:
    assert marks(NET, NET.replace("x4", "x5")) == [("conv5", "added")]
    text = draw_difference(difference(of(NET), of(NET.replace("x4", "x5"))))
    assert str(text).count("conv, 8 ×4<") == 2


def test_a_closed_block_is_marked_as_changed_where_a_part_of_it_is() -> None:
    unit = "block unit(n) { conv3-n(pad=same); relu; conv1-n; tanh; conv1-n }"
    many = "input 3x32x32\n" + unit + "\n" + "; ".join(f"unit({8 + i})" for i in range(60))
    after = many.replace("tanh", "tanh; lrn(5)")
    found = marks(many, after)
    assert found
    assert {what for path, what in found if "." not in path} == {"changed"}
    whole = marks(many, many + "; unit(99)")
    assert [what for _, what in whole] == ["added"]


def test_the_changes_are_listed_and_counted() -> None:
    after = NET.replace("fc-10", "fc-20")
    text = str(draw_difference(difference(of(NET), of(after))))
    assert "~ fc-10 → fc-20: width 10 → 20, output 10 → 20 (net.ns:7:6)" in text
    before = "input 3x8x8\n" + "\n".join(f"conv1-{i}(pad=same)" for i in range(4, 24))
    text = str(draw_difference(difference(of(before), of(before.replace("conv1", "conv3")))))
    assert "and 8 more" in text


def test_the_marks_in_the_picture_are_explained_and_no_others() -> None:
    def key(before: str, after: str) -> list[str]:
        text = str(draw_difference(difference(of(before), of(after))))
        return re.findall("only in the first net|only in the second net|told otherwise", text)

    # A layer that is written in another's box is no mark of its own.
    assert key(NET, NET.replace("maxpool2", "maxpool2; dropout(0.1)")) == ["told otherwise"]
    assert key(NET, NET.replace("maxpool2", "maxpool2; shuffle(2)")) == ["only in the second net"]
    both = NET.replace("lrn(5)\n", "").replace("fc-10", "fc-20")
    assert key(NET, both) == ["only in the first net", "told otherwise"]
    assert key(NET, NET) == []
    assert "both compute the same" in str(draw_difference(difference(of(NET), of(NET))))


def test_pictures_are_svg_png_or_pdf_and_the_same_each_time() -> None:
    found = difference(of(NET), of(NET.replace("fc-10", "fc-20")))
    assert draw_difference(found) == draw_difference(found)
    pytest.importorskip("resvg_py")
    assert bytes(draw_difference(found, format="png")).startswith(b"\x89PNG")  # type: ignore[arg-type]
    assert bytes(draw_difference(found, format="pdf")).startswith(b"%PDF")  # type: ignore[arg-type]
    with pytest.raises(NetspecError):
        draw_difference(found, format="html")
