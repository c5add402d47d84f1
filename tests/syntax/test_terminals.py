"""Which terminal a text is: by priority, the longest sign first, words of the language apart."""

from __future__ import annotations

import pytest
from lark.lexer import PatternRE, PatternStr, TerminalDef

from netspec.syntax.terminals import Terminals

# Each in the order that is wrong if nothing sorts it.
DEFINED = [
    TerminalDef("NAME", PatternRE("[a-z]+")),
    TerminalDef("INT", PatternRE(r"\d+"), priority=1),
    TerminalDef("DIMS", PatternRE(r"\d+x\d+"), priority=2),
    TerminalDef("__IGNORE_0", PatternRE("!+")),
    TerminalDef("_SEP", PatternRE("@")),
    TerminalDef("PLAIN", PatternRE("[a-z]+[^\n]*")),
    TerminalDef("A_STAR", PatternStr("*")),
    TerminalDef("B_POWER", PatternStr("**")),
    TerminalDef("BROKEN", PatternStr("\0")),
    TerminalDef("REPEAT", PatternStr("?")),
    TerminalDef("IF", PatternStr("if")),
    TerminalDef("OF", PatternStr("of")),
]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("abc", "NAME"),
        ("12", "INT"),
        ("12x3", "DIMS"),
        ("*", "A_STAR"),
        ("**", "B_POWER"),
        ("if", "NAME"),
        ("!!", "_BAD"),
        ("@", "_BAD"),
        ("\0", "_BAD"),
        ("?", "_BAD"),
        ("; ;\n", "_SEP"),
        ("\n\n", "_SEP"),
        ("\r", "_SEP"),
        ("  # words\n", None),
        ("# words", None),
    ],
)
def test_the_next_token_of_a_text(text: str, kind: str | None) -> None:
    found = Terminals(DEFINED).master.match(text)
    assert found
    assert found.lastgroup == kind


def test_words_of_the_language_begin_no_plain_statement() -> None:
    found = Terminals(DEFINED)
    assert found.keywords == {"if": "IF", "of": "OF"}
    assert [bool(found.plain.match(text)) for text in ("iffy x", "if x", "of", "a if")] == [
        True,
        False,
        False,
        True,
    ]
