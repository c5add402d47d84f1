"""Tables and carets where letters take two cells of a terminal."""

from __future__ import annotations

import pytest

from netspec.analysis.tables import Column, Line, Table
from netspec.analysis.text_layout import broken, shortened
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.foundation.breadth import beginning, breadth

TEXTS = ("畳み込みニューラル", "a畳b畳 c", "abc def", "e\u0301te\u0301", "")


def test_letters_of_east_asian_scripts_take_two_cells_and_accents_none() -> None:
    assert [breadth(text) for text in TEXTS] == [18, 8, 7, 3, 0]
    assert [beginning("a畳b", room) for room in range(5)] == ["", "a", "a", "a畳", "a畳b"]


@pytest.mark.parametrize("text", TEXTS)
def test_no_line_is_wider_than_its_room_and_no_letter_is_lost(text: str) -> None:
    for width in range(2, 20):
        lines = broken(text, width)
        assert all(breadth(line) <= width for line in lines)
        assert "".join(lines).replace(" ", "") == text.replace(" ", "")
        assert breadth(shortened(text, width)) <= width


def test_columns_stand_below_each_other() -> None:
    columns = Column("net", "label"), Column("params", "count")
    table = Table("", columns, (Line(("全角", 12)), Line(("lenet5", 3))))
    assert table.to_text() == "net     params\n全角        12\nlenet5       3\n"


def test_the_caret_stands_below_the_mistake() -> None:
    with pytest.raises(NetspecError) as caught:
        build(Source("a.ns", 'paper "畳み"; conv3-8 xx\ninput 3x8x8'))
    shown = str(caught.value).splitlines()
    assert breadth(shown[3].partition("^")[0]) == breadth(shown[2].partition("xx")[0])
