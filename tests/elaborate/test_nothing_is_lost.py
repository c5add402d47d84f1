"""What is left out has been said to be wrong: no mistake makes a net smaller in silence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from netspec import NetspecError
from netspec.diagnostics.limits import DEFAULT, Limits
from netspec.diagnostics.raised import Collector
from netspec.diagnostics.source import Source
from netspec.diagnostics.suggest import _Budget
from netspec.elaborate.build import build
from netspec.elaborate.scope import Level, Scope
from netspec.elaborate.steps import Elaborator
from netspec.syntax.units import Loader

# Words that nobody gave, wherever a number, a condition or a size may stand.
UNKNOWN = [
    "block c(n) { conv1-n }\nc(m-1)",
    "block c(n) { conv1-n }\nc(n=m-1)",
    "block c(n, k=m-1) { conv1-n }\nc(4)",
    "block d(n) { conv1-n }\nblock c(n) { d(n); d(m+n) }\nc(4)",
    "block c(n) { if n > 0 { conv1-n; c(n-m) } }\nc(4)",
    "block c(body) { body }\nc { conv1-(m-1) }",
    "block c(n, body) { body x(n) }\nc(m-1) { relu }",
    "relu x(m-1)",
    "relu x(m)",
    "if m > 2 { relu }",
    "if m { relu } else { tanh }",
    "if C == m { relu } else { tanh }",
    "if m != C*2 { relu } else { tanh }",
    "if 3 == m { relu } else { tanh }",
    "if -m == 3 { relu } else { tanh }",
    "if min(C, 4) == m { relu } else { tanh }",
    "relu as a; if @a.C == m { relu } else { tanh }",
    "conv3-(4 if W == m else 8)",
    "for i in 1..m-1 { relu }",
    "for i in m-1..4 { relu }",
    "conv(kernel=m-1)-4",
    "conv3-4(pad=m-1)",
    "conv3-4(act=leaky(m-1))",
    "default conv(pad=m-1)\nconv3-4",
    "block c { default conv(pad=m-1); conv3-4 }\nc",
    "residual { conv3-(m-1)(pad=1) }",
    "inception(m-1, 4, 4, 4, 4, 4)",
    "squeeze_excite(m-1)",
    "stage(bottleneck, m-1, 2)",
    "concat { | conv1-4 | conv1-(m-1) }",
    "freeze { conv1-(m-1) }",
    "every { conv1-(m-1) }; concat",
    "head aux(loss=m-1) { fc-2 }\nrelu",
    "head aux { fc-(m-1) }\nrelu",
    "relu as r\nhead aux { @r; fc-(m-1) }\n@r; relu",
    "conv1-4\nexpect params=m-1",
    "{ | relu | c(m-1) }\nblock c(n) { conv1-n }\nadd",
]


def refused(text: str, limits: Limits = DEFAULT) -> list[str]:
    """The codes that a text is refused with; of a net that is built, that it is one."""
    try:
        graph = build(Source("t.ns", text), limits=limits)
    except NetspecError as error:
        codes = [item.code for item in error.diagnostics if not item.warning]
        assert codes
        assert "NS599" not in codes, text
        return codes
    assert graph.outputs, text
    assert len(graph.nodes) > len(graph.inputs), text
    return []


@pytest.mark.parametrize("steps", UNKNOWN)
def test_a_word_that_nobody_gave_is_said(steps: str) -> None:
    codes = refused(f"input 3x8x8\n{steps}")
    assert codes
    assert set(codes) <= {"NS202", "NS214", "NS217", "NS218", "NS110"}


def test_it_is_said_once_for_each_file() -> None:
    assert refused("input 3x8x8\nconv1-(m-1)\nconv1-(m-2)\nconv1-(k-2)") == ["NS202"] * 2


@pytest.mark.parametrize("steps", UNKNOWN)
def test_counting_reports_nothing_and_changes_nothing_of_what_is_reported(steps: str) -> None:
    collector = Collector()
    loader = Loader(collector, DEFAULT)
    unit = loader.load(Source("t.ns", f"input 3x8x8\n{steps}"))
    elaborator = Elaborator(loader, collector, DEFAULT)
    kept, lost, left = list(collector.kept), set(unit.lost), _Budget.left
    elaborator.expansion.check(unit.chain, Scope(unit, Level(""), {}, {}, {}))
    assert (collector.kept, unit.lost, _Budget.left) == (kept, lost, left)
    if not kept:
        assert refused(f"input 3x8x8\n{steps}")


@pytest.mark.parametrize(
    "text",
    [
        "net a\ninput 3x8x8",
        "input 3x8x8\nidentity",
        "input 3x8x8\nrelu x0",
        "input 3x8x8\nfor i in 2..1 { relu }",
        "input 3x8x8\nblock c(n) { if n > 4 { relu } }\nc(4)",
    ],
)
def test_a_net_whose_steps_do_nothing_is_refused(text: str) -> None:
    assert refused(text) == ["NS113"]


def test_a_default_line_that_cannot_hold_elsewhere_is_said(tmp_path: Path) -> None:
    given = "net p(k)\ninput 3x8x8\ndefault conv(pad=k)\nblock b { conv3-4 }\nb"
    (tmp_path / "p.ns").write_text(given)
    text = "import b from p\ninput 3x8x8\nb"
    with pytest.raises(NetspecError, match="give it one") as caught:
        build(Source("t.ns", text, str(tmp_path / "t.ns")))
    assert [item.code for item in caught.value.diagnostics] == ["NS202"]


NETS = [
    """net t(n=8, k=3, wide=yes)
input a: 3x16x16
input b: 3x16x16
default conv(pad=same, act=relu)
block unit(n, s=1) { conv3-n/s; if s > 1 { bn } else { dropout(0.1 * s) } }
block deep(n, d) { if d > 0 { unit(n); deep(n + 2, d - 1) } }
add { | @a | @b }
unit(n * 2) x2 as stem
residual { conv3-(n*2)(act=none); squeeze_excite(4) }
if wide and n > 4 { conv1-(n * k) as w } else { conv1-n as w }
head aux(loss=1 / 4) { gap; fc-(k + 2) }
deep(n, 2)
for i in 1..k-1 { dwconv3(pad=1) }
concat { | conv1-(max(4, n)) | @stem; conv3-4 }
freeze { conv1-8 }
gap; fc-10; softmax
""",
    """input 4xT
relu as x
block cell of p, q { @p; conv3-4(pad=1) as y; add(@q) }
{ | identity | tanh }; cell
split(2) as parts
concat
output x, parts
""",
]


def _mutants(text: str, random: Random) -> Iterator[str]:
    """Texts that differ in one token: left out, doubled, another of the text's, a strange word."""
    tokens = list(re.finditer(r"\w+|[^\w\s]|\n", text))
    for token in tokens:
        other = random.choice(tokens).group()
        for new in ("", token.group() * 2, other, "(zz-1)", "zz", "@zz", "0"):
            yield text[: token.start()] + new + text[token.end() :]


@pytest.mark.parametrize("number", range(len(NETS)))
def test_a_mutant_is_refused_with_a_reason_or_is_a_net(number: int) -> None:
    random = Random(number)
    assert not refused(NETS[number])
    mutants = list(_mutants(NETS[number], random))
    for mutant in random.sample(mutants, 120):
        refused(mutant, Limits(nodes=1000))
