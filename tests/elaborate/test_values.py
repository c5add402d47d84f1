"""Every kind of value in every place of the language: a message with its place, or a net."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from support.generated_specs import OPERATORS

from netspec import NetspecError
from netspec.diagnostics.records import REGISTRY
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.ops.declare.operator import Operator
from netspec.syntax.fmt import format_text

# `%` is where the value stands.
VALUES = r"""
3 | 0 | -1 | 2.5 | 1e99 | 1e300 | 2**63 | 9999999999999999999 | inf | nan | 1/0 | 1/3 | 0.1+0.2
H//0 | H/2 | yes | none | None | true | same | zz | conv | relu | b | inner | H | A | i | x | body
input | "text" | "" | @input | @input.C | @input.Q | @a | @a.b | @zz | @a*2 | (1, 2) | () | (1,)
((0, 1), (1, 2)) | [] | [[0], [1]] | conv3(4) | conv3-4 | leaky(0.1) | { relu } | {! relu ! tanh }
max(1, 2) | len((1, 2)) | len(H) | max() | max(conv, 2) | max(a=1) | ratio(@input, @input)
ratio(@input.H, 2)
int(1e300) | round(2.5, 1) | sqrt(-1) | log2(0) | conv*2 | "a"+"b" | not 3 | 3 if yes else zz
3 if zz else 4 | -(1, 2) | (1,2)+(3,4) | H*H*H*H*H | H-H | 3x4 | 1..3 | inner.x
"""
PLACES = r"""
conv3-% | conv%-4 | conv3-4/% | conv(%)-4 | relu x% | relu x(%) | relu as % | relu as a; @a(%) | %
relu; % | for i in %..2 { relu } | for i in 1..% { relu } | for % in 1..2 { relu }
if % { relu } else { tanh } | if % { relu } | block b(n) { conv1-n }\nb(%)
block b(n=%) { conv1-n }\nb | block b(k) { k }\nb(%) | block b(k) { k-4 }\nb(%)
block b(k) { @k; relu }\nb(%) | block b(k) { relu(frozen=k) }\nb(%) | block b(%) { relu }\nb(3)
block b(body) { body }\nb { % } | block b(body) { body }\nb(body=%) | block b(body=%) { body }\nb
inline block b(k) { conv1-4(norm=k) }\nb(%) | block b(k) of x, y { @x }\n{! relu ! tanh }; b(%)
block b(k=word) { if k == other { relu } else { tanh } }\nb(%) | relu(frozen=%) | relu(weights=%)
conv1-3(weights=%) | conv1-3 as a; conv1-3(weights=%) | conv1-3(frozen=%) | head h(loss=%) { gap }
head h(%) { gap } | head % { gap } | head h { % } | head h(loss=1, loss=%) { gap }
import inner\ninner(until=%) | import inner\ninner(%) | import inner\ninner(frozen=%)
import inner\ninner(weights=%) | import % | import % from inner | import bl from inner\nbl(%)
import inner\nnet v = inner(%) | import inner\ninner(% = 2) | default conv(bias=%)\nconv1-4
default conv(init=%)\nconv1-4 | default conv(%)\nconv1-4 | default %(bias=no)\nconv1-4
expect params=% | expect macs=% | expect depth=% | expect %=3 | expect % | output % | output x=%
relu as a\noutput @a, % | paper % | year % | error % | error top1=% | error % = 3 | note %
net n(k=%)\nconv1-k | net n(k=3)\nconv1-(%) | net n(%) | concat(%) {! relu ! tanh }
add {! % ! relu } | {! % ! relu }; add | add(%) | concat(@input, %) | freeze { % } | residual { % }
every { % } | residual(%) { conv1-3 } | conv1-4(init=%) | conv1-4(act=%) | conv1-4(norm=%) | @% | @%; relu
conv1-(3 + %) | conv1-(% + 3) | conv1-(3 ** %) | conv1-(% ** 2) | conv1-(-%) | conv1-(not %)
conv1-(1 if % else 2) | conv1-(% == %) | conv1-(max(%, 2)) | conv1-(ratio(%, %))
conv1-max(%, 2) | conv1-(ratio(%, 2)) | conv1-(% < 3)
conv1-(%.C) | conv1-(% and yes) | conv1-(% or no) | conv1-(3 // %) | conv1-(3 / %) | conv1-(3 * %)
conv1-(multiple(%, 8)) | conv1-(multiple(64, %)) | conv1-(int(%)) | conv1-(foo(%)) | conv1-(min(%))
conv1-(ceil(%)) | conv1-(sqrt(%)) | conv1-(len(%)) | conv1-(log2(%)) | conv1-(abs(%))
conv1-(round8(%)) | conv1-(round(%, %)) | conv1-foo(%) | conv1-@% | conv1-(@%)
conv1-(@input.%) | relu as a; @a.% | input % | input %x8x8 | input 3x% | input 3x8x% | input a: %
input %: 3x8x8 | input r: 5 batch(%) | input r: 5 batch(R=%) | input a: ids(%) | input a: 5 ids(%)
"""
INNER = "input 3x8x8\nblock bl(n=4) { conv1-n }\nrelu as first\nhead aux { gap; fc-5 }\nbl\n"
# Problems of a net or file as a whole.
WITHOUT_PLACE = {"NS113"}


def _split(table: str) -> list[str]:
    parts = [part.strip() for line in table.strip().split("\n") for part in line.split(" | ")]
    return [part.replace("!", "|").replace("\\n", "\n") for part in parts]


def _outcome(text: str, folder: Path) -> str:
    """`net`, or the codes of a refusal; whatever else is raised passes."""
    try:
        build(Source("t.ns", text, str(folder / "t.ns")))
    except NetspecError as error:
        assert error.diagnostics
        for found in error.diagnostics:
            assert found.code in REGISTRY
            assert found.code != "NS599"
            assert found.span is not None or found.code in WITHOUT_PLACE, str(error)
        return " ".join(sorted({found.code for found in error.diagnostics}))
    laid = format_text(text)
    assert format_text(laid) == laid
    return "net"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "inner.ns").write_text(INNER)
    return tmp_path


def _outcomes(place: str, values: list[str], folder: Path) -> set[str]:
    given = "" if place.startswith("input ") else "input 3x8x8\n"
    return {_outcome(given + place.replace("%", value) + "\n", folder) for value in values}


@pytest.mark.parametrize("place", _split(PLACES))
def test_values_in_any_place_are_read_or_refused(place: str, folder: Path) -> None:
    _outcomes(place, Random(place).sample(_split(VALUES), 16), folder)


@pytest.mark.slow
@pytest.mark.parametrize("place", _split(PLACES))
def test_all_values_in_any_place_are_read_or_refused(place: str, folder: Path) -> None:
    # Where it is always the same, nothing was looked at.
    assert len(_outcomes(place, _split(VALUES), folder)) > 1


@pytest.mark.parametrize("kind", OPERATORS, ids=lambda kind: kind.spelling)
def test_values_of_any_parameter_are_taken_or_refused(kind: type[Operator], folder: Path) -> None:
    random = Random(kind.spelling)
    for name in (*kind.params, None):
        place = kind.spelling + ("(%)" if name is None else f"({name}=%)")
        _outcomes(place, random.sample(_split(VALUES), 6), folder)
