"""What cuts a map and puts it together again is written as `windows` with braces."""

import pytest

from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.graph.same import same
from netspec.graph.written import written
from netspec.importing.structure.find import structured

HEAD = "input 8x8x8\nconv1-8; layernorm as x; "
BRACED = {
    "windows": "partition(4); attention(2); reassemble(@x, 4)",
    "shifted": "partition(4, shift=1); attention(2); reassemble(@x, 4, shift=1)",
    "by number": "partition(by=4, spaced=yes); conv3-4(pad=1); reassemble(@x, by=4, spaced=yes)",
    "one in another": (
        "partition(4); bn as y; partition(2); attention(2); reassemble(@y, 2); reassemble(@x, 4)"
    ),
    "a branch": "partition(4); residual { conv1-8; relu }; reassemble(@x, 4); relu",
    "named parts": "partition(4) as p; gap; @p; attention(2, @p); reassemble(@x, 4)",
}
APART = {
    "read outside": "partition(4); conv1-8 as y; relu; reassemble(@x, 4); @y; gap; add(@y)",
    "another map": "partition(4); bn as y; @x; relu as z; @y; conv1-4; reassemble(@z, 4)",
    "in pieces": "partition(4); { | conv1-4 | conv1-8; relu }; concat as y; reassemble(@x, 4) as a; @y; gap",
}


def text_of(steps: str) -> str:
    graph = build(Source("net", HEAD + steps))
    flat = build(Source("net", written(graph)))
    text = structured(flat, {})
    assert same(flat, build(Source("net", text))) is not None
    return text


@pytest.mark.parametrize("name", BRACED)
def test_steps_between_stand_in_braces(name: str) -> None:
    text = text_of(BRACED[name])
    assert text.count("windows(") == BRACED[name].count("partition(")
    assert "reassemble" not in text
    assert "partition" not in text


@pytest.mark.parametrize("name", APART)
def test_steps_that_others_read_are_left_as_they_are(name: str) -> None:
    text = text_of(APART[name])
    assert "partition(4)" in text
    assert "windows" not in text


def test_the_map_keeps_its_name_where_another_reads_it() -> None:
    text = text_of("partition(4); conv1-8; reassemble(@x, 4); mul(@x); mul(@x)")
    assert "windows(4) { conv1-8 }" in text
