"""One layout for every spec: same graph, comments kept, formatting twice changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from netspec import NetspecError, format_text
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.syntax.files import LIBRARY, shipped_folder

FILES = sorted([*shipped_folder().rglob("*.ns"), *LIBRARY.glob("*.ns")])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_shipped_file_is_in_canonical_layout(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert format_text(text) == text


UNTIDY = """\
# kept
net   a( n = 4 )


input 3x8x8 ;
default conv( pad = same,act=relu )   # why
block b( k,s = 1 ){conv3-( k * 2 )/s;relu;}
b(n) x2 ; concat{| conv1-n
| conv3-n if n>3 else 2
relu
}   as   joined
if n>=2 and not no{ relu }else{tanh}
for i in 1 .. 3 { conv1-( i+1 ) }
net_words "x  y"
"""

TIDY = """\
# kept
net a(n=4)

input 3x8x8
default conv(pad=same, act=relu)  # why
block b(k, s=1) { conv3-(k*2)/s; relu }
b(n) x2; concat {
  | conv1-n
  | conv3-n
    relu
} as joined
if n >= 2 and not no { relu } else { tanh }
for i in 1..3 { conv1-(i+1) }
"""


def test_spaces_separators_and_indentation_are_settled() -> None:
    untidy = UNTIDY.replace("concat{| conv1-n\n", "concat{\n| conv1-n\n")
    untidy = untidy.replace(" if n>3 else 2", "").replace('net_words "x  y"\n', "")
    assert format_text(untidy) == TIDY


def test_formatting_twice_changes_nothing() -> None:
    assert format_text(TIDY) == TIDY


@pytest.mark.parametrize(
    ("untidy", "tidy"),
    [
        ("relu;;tanh ;", "relu; tanh"),
        ("; relu ; tanh", "relu; tanh"),
        ("add {; |relu;|;tanh }", "add { | relu | tanh }"),
        ("if not(n>2)and(n<9){relu;}", "if not (n > 2) and (n < 9) { relu }"),
        ("conv1-( 2 if -1<n else(3) )", "conv1-(2 if -1 < n else (3))"),
        ("conv1-( - 1 + n )", "conv1-(-1+n)"),
        ("b(k=not n,m=[ 1 , 2 ])", "b(k=not n, m=[1, 2])"),
        ("input a : 3x8x8", "input a: 3x8x8"),
        ("for i in[1,2]{relu}", "for i in [1, 2] { relu }"),
        ("relu(frozen = yes) as  y ;@y", "relu(frozen=yes) as y; @y"),
        ("net two=one( n=8 )", "net two = one(n=8)"),
        ("concat {\n| relu\ntanh\n| tanh\n}", "concat {\n  | relu\n    tanh\n  | tanh\n}"),
        ("b {\nrelu\n\n\n}\n\n\ntanh", "b {\n  relu\n}\n\ntanh"),
        ("b {\n\nrelu\n}", "b {\n  relu\n}"),
        ("b(\n3,\n4)", "b(\n  3,\n  4)"),
    ],
)
def test_what_stands_between_tokens_is_settled(untidy: str, tidy: str) -> None:
    assert format_text(untidy + "\n") == tidy + "\n"
    assert format_text(tidy + "\n") == tidy + "\n"


def test_texts_and_comments_are_kept_as_written() -> None:
    text = 'paper "a  ;  b"   #  two  spaces\ninput 3\nfc-2\n'
    assert format_text(text) == 'paper "a  ;  b"  #  two  spaces\ninput 3\nfc-2\n'


def test_blank_lines_are_kept_one_at_a_time() -> None:
    assert format_text("\n\ninput 3\n\n\n\nfc-2\n\n") == "input 3\n\nfc-2\n"


def test_a_text_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(NetspecError, match="NS110"):
        format_text("input 3x8x8\nconv3 conv4\n")


@pytest.mark.parametrize("name", ["googlenet", "nasnet_mobile", "fractalnet20", "lenet5_1998"])
def test_a_squeezed_spec_describes_the_same_net(name: str) -> None:
    text = (shipped_folder() / f"{name}.ns").read_text(encoding="utf-8")
    squeezed = text.replace("; ", ";").replace(" {", "{").replace("  ", "").replace(", ", " ,")
    before, after = (build(Source("t.ns", t)) for t in (squeezed, format_text(squeezed)))
    assert [(n.path, repr(n.op), n.types) for n in before.nodes] == [
        (n.path, repr(n.op), n.types) for n in after.nodes
    ]
