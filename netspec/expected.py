"""What a syntax message says was found and expected, in the language's words."""

from __future__ import annotations

from collections.abc import Iterable

from lark import Token

_WORDS = {
    "_SEP": "the end of the step",
    "NAME": "a name",
    "INT": "a number",
    "FLOAT": "a number",
    "DIMS": "a size such as 3x3",
    "STRING": "a text in quotes",
    "REF": "a reference such as @name",
    "LPAR": "`(`",
    "RPAR": "`)`",
    "LSQB": "`[`",
    "RSQB": "`]`",
    "LBRACE": "`{`",
    "RBRACE": "`}`",
    "VBAR": "`|`",
    "COMMA": "`,`",
    "EQUAL": "`=`",
    "COLON": "`:`",
    "AS": "`as NAME`",
    "REPEAT": "a repeat such as x2",
    "ELSE": "`else`",
    "OF": "`of`",
    "FROM": "`from`",
    "IN": "`in`",
    "MINUS": "`-`",
    "SLASH": "`/`",
    "$END": "the end of the file",
}
# What opens an expression or continues one says nothing when listed token by token.
_VALUE = frozenset({"INT", "FLOAT", "STRING", "LSQB"})
_OPERATORS = frozenset(
    {"PLUS", "STAR", "FLOORDIV", "PERCENT", "POWER", "COMPARE", "AND", "OR", "IF", "__ANON_0"}
)
_STATEMENT = frozenset({"FOR", "FREEZE", "HEAD"})


def describe(token: Token) -> str:
    """The token as a reader would call it."""
    if token.type == "$END":
        return "the end of the file"
    if token.type == "_SEP":
        return "the end of the line" if token == "\n" else "`;`"
    text = str(token)
    return f"`{text if len(text) <= 40 else text[:37] + '...'}`"


def expectation(choices: Iterable[str], token: Token) -> tuple[str, str]:
    """What could have stood where `token` stands, and advice if the mistake is a common one."""
    kinds = {kind for kind in choices if kind.isupper() or kind in ("_SEP", "$END")}
    kinds.discard("BROKEN")
    advice = ""
    if "REPEAT" in kinds and token.type in ("NAME", "FOR", "IF", "REF", "LBRACE"):
        return "the end of the step", "steps are separated by `;` or a newline"
    if _STATEMENT & kinds:
        return "a step", advice
    if _VALUE <= kinds:
        return "a value", advice
    words = sorted({_WORDS[kind] for kind in kinds - _OPERATORS if kind in _WORDS})
    if len(words) > 4:
        words = [word for word in words if word not in ("`-`", "`/`", "`(`", "`as NAME`")]
    return (" or ".join(words) or "something else"), advice
