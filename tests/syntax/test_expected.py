"""What a message says was expected, and the advice for mistakes that are made often."""

from __future__ import annotations

import pytest

from netspec.diagnostics.raised import Collector, NetspecError
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.syntax.parse import parse

# A text, what is expected where it goes wrong, how the advice begins.
TABLE = """
relu tanh > the end of the step > steps are separated by
inputs 3x8x8 > the end of the step > did you mean `input`?
conv3-64 x 3 > the end of the step > a repeat is written without a space
input 3, 8, 8 > the end of the step > sizes are joined by x
relu, tanh > the end of the step > steps are separated by
conv3-64 * 2 > the end of the step > a repeat is written `conv3-64 x3`, and arithmetic
conv3-64 + 2 > the end of the step > tensors are joined by a word
conv3-64 % 2 > the end of the step > arithmetic goes in parentheses
conv3-64 // 2 > the end of the step > a comment starts with `#`, and arithmetic
conv3-64 / 2 / 3 > the end of the step > one stride stands behind the width
conv3 3x3 > the end of the step > a step is written without spaces
relu = 3 > the end of the step > `name=value` goes in parentheses
relu: tanh > the end of the step > a step is named behind it
relu [3] > the end of the step > branches stand in braces
relu x2 x3 > the end of the step > a repeat comes before a name
relu as a x2 > the end of the step > a repeat comes before a name
net a b > the end of the step > steps are separated by
if n == 1 { relu } elif { tanh } > the end of the step > write `else if`
{ relu; tanh } > `|` > braces without a word before them hold branches
add { relu | tanh } > the end of the braces > each branch stands after a `|`
input @a > `(` > a reference stands in parentheses: `(@a)`
input 3xhxw > `(` > sizes are whole numbers or symbols
default relu > `(` >
default maxpool > `(` >
net a = b > `(` >
else { relu } > a step > `else` follows the closing brace
(relu) > a step > steps that belong together are a block
3 > a step > a repeat stands behind its step
3x3 > a step > a step begins with its layer
// hi > a step > a comment starts with `#`
[relu, tanh] > a step > steps that belong together are a block
block for { relu } > a name > `for` is a word of the language
relu as for > a name > `for` is a word of the language
conv(for=3) > a value > `for` is a word of the language
head { relu } > a name > `head NAME { ... }` is a head that acts in training only
for 3 in 1..2 { relu } > a name >
relu as 3 > a name >
if { relu } > a value >
conv3-(2 *) > a value >
block b(n=) { relu } > a value >
expect params > `=` >
freeze relu > `{` >
every relu > `{` >
head h relu > `(` or `{` >
block b relu > `(` or `of` or `{` >
relu default relu > the end of the step >
net a .. b > the end of the step >
expect 1.5 block x > the end of the step >
input 3 and 3 > a name or the end of the step >
conv3-64(blocks 3 > `)` or `,` or `=` > arguments are separated by commas
conv3-64/ > `(` or a name or a number or a size such as 3x3 >
"""


@pytest.mark.parametrize("row", TABLE.strip().splitlines())
def test_the_first_mistake_is_told_what_could_have_stood_there(row: str) -> None:
    text, expected, advice = (part.strip() for part in row.rsplit(" >", 2))
    collector = Collector()
    parse(Source("t.ns", text), collector)
    facts = collector.kept[0].problem.facts
    assert facts["expected"] == expected
    assert str(facts["advice_text"]).startswith(advice)
    assert bool(facts["advice_text"]) == bool(advice)


@pytest.mark.parametrize("lines", [3, 3000])
@pytest.mark.parametrize(
    ("line", "language"),
    [
        ("self.conv = nn.Conv2d(3, 8, 3)\nreturn self.conv(x)", "a module of Python"),
        ('layer {\n  type: "ReLU"\n  bottom: "data"\n}', "a net of Caffe"),
        ("[maxpool]\nsize=2", "a configuration of Darknet"),
        ("head:\n  - [-1, 1, Conv, [8, 3]]", "YAML"),
        ('{"layers": [\n"type": "conv"\n]}', "JSON"),
    ],
)
def test_a_text_of_another_language_is_one_mistake_however_long(
    line: str, language: str, lines: int
) -> None:
    with pytest.raises(NetspecError) as caught:
        build(Source("t.ns", f"{line}\n" * lines))
    (found,) = caught.value.diagnostics
    assert found.code == "NS851"
    assert found.problem.facts["language"] == language
    assert not caught.value.more


def test_a_spec_with_many_mistakes_is_none_of_another_language() -> None:
    text = "net t(n: 3)\ninput x: 3x8x8\n@x; conv3 8\na = relu\nreturn a\n"
    with pytest.raises(NetspecError) as caught:
        build(Source("t.ns", text))
    assert "NS851" not in {item.code for item in caught.value.diagnostics}
    assert len(caught.value.diagnostics) > 2


@pytest.mark.parametrize("length", [40, 41])
def test_a_long_word_is_shown_cut_off(length: int) -> None:
    collector = Collector()
    parse(Source("t.ns", "relu " + "a" * length), collector)
    found = collector.kept[0].problem.facts["found"]
    assert found == f"`{'a' * 40}`" if length == 40 else f"`{'a' * 37}...`"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("output ; relu", "`;`"),
        ("output\nrelu", "the end of the line"),
        ("output", "the end of the file"),
    ],
)
def test_what_was_found_is_called_as_a_reader_would(text: str, found: str) -> None:
    collector = Collector()
    parse(Source("t.ns", text), collector)
    assert collector.kept[0].problem.facts["found"] == found
