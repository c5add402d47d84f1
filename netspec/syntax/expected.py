"""What a syntax message says was found and expected, in the language's words."""

from __future__ import annotations

from collections.abc import Iterable

from lark import Token

from netspec.diagnostics.suggest import closest, unspelt

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
# `..`, which Lark gives no name.
_RANGE = "__ANON_0"
# What opens an expression or continues one says nothing when listed token by token.
_VALUE = frozenset({"INT", "FLOAT", "STRING", "LSQB"})
_OPERATORS = frozenset(
    {"PLUS", "STAR", "FLOORDIV", "PERCENT", "POWER", "COMPARE", "AND", "OR", "IF", _RANGE}
)
_STATEMENT = frozenset({"EVERY", "FOR", "FREEZE", "HEAD"})
# What `name=value` pairs may follow without parentheses: lines that say something of the net.
DESCRIBING = ("entry", "error", "expect", "preprocess", "score")
DECLARATIONS = frozenset({"NET", "BLOCK", "INLINE", "IMPORT", "INPUT", "OUTPUT"})
KEYWORDS = DECLARATIONS | {
    "OF",
    "FROM",
    "DEFAULT",
    "AS",
    "IF",
    "ELSE",
    "FOR",
    "IN",
    "HEAD",
    "FREEZE",
    "EVERY",
}
_FIRST_WORDS = ("input", "output", "import", "block", "default", "freeze", "every", "inline")
GROUPED = "steps that belong together are a block: `block two { conv3-8; relu }`, then `two x3`"
TWO_STEPS = ("the end of the step", "steps are separated by `;` or a newline")
SPACED = ("the end of the step", "a step is written without spaces: `conv3-64`")
# What follows a number that was meant as a step's width.
AFTER_WIDTH = frozenset({"SLASH", "MINUS", "LPAR", "LBRACE", "REPEAT", "AS", "NAME"})
_AFTER_STEP = {
    **dict.fromkeys(("NAME", "FOR", "IF", "REF", "HEAD", "FREEZE", "EVERY"), TWO_STEPS[1]),
    "PERCENT": "arithmetic goes in parentheses: `conv3-(2*n)`",
    "PLUS": "tensors are joined by a word, `add { | @a | @b }`, and arithmetic goes in parentheses: "
    "`conv3-(2*n)`",
    "LBRACE": f"{TWO_STEPS[1]}; a net has no braces around it",
    "STAR": "a repeat is written `conv3-64 x3`, and arithmetic goes in parentheses: `conv3-(2*n)`",
    "FLOORDIV": "a comment starts with `#`, and arithmetic goes in parentheses: `conv3-(2*n)`",
    "REPEAT": "a repeat comes before a name: `conv3-64 x2 as a`",
    "EQUAL": "`name=value` goes in parentheses, `conv3-64(pad=1)` or `net name(n=8)`, and a step is named "
    "behind it, `conv3-64 as a`",
    "MINUS": f"{TWO_STEPS[1]}, and one dash stands before a width: `conv3-64`",
    **dict.fromkeys(("INT", "DIMS"), SPACED[1]),
    "SLASH": "one stride stands behind the width, `conv3-64/2`; padding is an argument: "
    "`conv3-64/2(pad=1)`",
    "COLON": "a step is named behind it, `conv3-64 as a`, and what belongs together stands in braces",
    "LSQB": "branches stand in braces, each after a `|`: `concat { | @a | @b }`",
    "COMMA": TWO_STEPS[1],
    "COMPARE": TWO_STEPS[1],
}


_TRAINING_HEAD = (
    "`head NAME { ... }` is a head that acts in training only; a block of your own has another name"
)
# What begins no step.
_NO_STEP = {
    **dict.fromkeys(("LPAR", "LSQB"), GROUPED),
    **dict.fromkeys(("FLOORDIV", "SLASH", "PERCENT", "STAR"), "a comment starts with `#`"),
    "INT": "a repeat stands behind its step: `conv3-64 x3`",
    "DIMS": "a step begins with its layer: `conv3x3-64`",
    "MINUS": "steps stand without dashes, and a comment starts with `#`",
    "STRING": "a step stands without quotes, and a comment starts with `#`",
}
# What stands in other languages before what belongs together.
_OPENERS = frozenset({"COLON", "EQUAL", "MINUS", "COMPARE"})
# What closes the brackets in which a value has ended.
_CLOSERS = frozenset({"RPAR", "RSQB"})
_BEGINS_VALUE = _VALUE | {"NAME", "REF", "DIMS"}


def describe(token: Token) -> str:
    """The token as a reader would call it."""
    if token.type == "$END":
        return "the end of the file"
    if token.type == "_SEP":
        return "`;`" if token.startswith(";") else "the end of the line"
    text = str(token)
    return f"`{text if len(text) <= 40 else text[:37] + '...'}`"


def declaration(word: str) -> str:
    """Advice on a word before what cannot follow a step: the declaration that it is nearly, if any."""
    near = "`net`" if word != "net" and word.lower() == "net" else closest(word, _FIRST_WORDS)
    return f"did you mean {near}?" if near else ""


def expectation(choices: Iterable[str], token: Token, word: str = "") -> tuple[str, str]:
    """What could have stood where `token` stands, and advice if the mistake is a common one.

    `word` is the name just before it, if there is one.
    """
    if word == "head":
        return "a name", _TRAINING_HEAD
    kinds = {kind for kind in choices if kind.isupper() or kind in ("_SEP", "$END")}
    kinds.discard("BROKEN")
    if token.type == "EQUAL" and "COMPARE" in kinds and not kinds & {"_SEP", "RPAR"}:
        return "`==`", "two values are compared by `==`"
    if kinds & _CLOSERS and kinds & _OPERATORS:
        return _in_brackets(kinds, token)
    if "_SEP" in kinds and (advice := declaration(word)):
        return "the end of the step", advice
    if "_SEP" in kinds and (advice := unspelt(str(token)) or unspelt(word)):
        return "the end of the step", advice
    if "_SEP" in kinds and token.type == "NAME" and token == "x":
        computed = "and computed in parentheses: `conv3-64 x(n)`"
        return TWO_STEPS[0], f"a repeat is written without a space: `conv3-64 x3`, {computed}"
    joins = token.type in ("COMMA", "INT") and "_SEP" in kinds
    if joins and kinds <= {"_SEP", "NAME", "$END"}:
        return "the end of the step", "sizes are joined by x: `3x224x224`"
    if "_SEP" in kinds and token.type in _AFTER_STEP:
        return "the end of the step", _AFTER_STEP[token.type]
    if "_SEP" in kinds and len(kinds) > 3:
        return "the end of the step", ""
    if kinds == {"VBAR"}:
        branches = "braces without a word before them hold branches: `{ | a | b }`"
        return "`|`", f"{branches}; {GROUPED}"
    if kinds == {"LPAR"}:
        advice = "sizes are whole numbers or symbols with a capital letter: `3xHxW`"
        # The `xsmall` of `3xsmall`; behind `default relu` sizes are not what is missing.
        return "`(`", advice if word.lower().startswith("x") else ""
    if token.type == "REF" and {"LPAR", "DIMS"} <= kinds and "LSQB" not in kinds:
        return "`(`", f"a reference stands in parentheses: `({token})`"
    if token.type == "ELSE":
        return "a step", "`else` follows the closing brace of an `if`"
    if token.type in _OPENERS and "LBRACE" in kinds and not kinds & (_STATEMENT | {"_SEP"}):
        return (
            "`{`",
            "what belongs together stands in braces: `block unit(n) { ... }`, `for i in 1..3 { ... }`",
        )
    if token.type == "VBAR" and "RBRACE" not in kinds:
        branches = "branches stand in braces: `{ | a | b }`"
        return TWO_STEPS[0], f"{TWO_STEPS[1]}; {branches}"
    if token.type == "VBAR":
        return (
            "the end of the braces",
            "each branch stands after a `|`, the first too: `{ | a | b }`",
        )
    if _STATEMENT & kinds:
        return "a step", _NO_STEP.get(token.type, "")
    value = kinds >= _VALUE
    if "NAME" in kinds and "_SEP" not in kinds and token.type in KEYWORDS:
        return "a value" if value else "a name", f"`{token}` is a word of the language"
    if value:
        return "a value", ""
    if kinds == {"NAME"} and token.type == "STRING":
        return "a name", "a name stands without quotes, in letters, digits and _"
    if "_SEP" in kinds:
        kinds -= {"RBRACE", "VBAR", "$END"}
    words = sorted({_WORDS[kind] for kind in kinds - _OPERATORS if kind in _WORDS})
    if len(words) > 4:
        words = [word for word in words if word not in ("`-`", "`/`", "`(`", "`as NAME`")]
    return (" or ".join(words) or "something else"), ""


def _in_brackets(kinds: set[str], token: Token) -> tuple[str, str]:
    """What follows a value in parentheses or square brackets, where steps have no place."""
    between = kinds & (_CLOSERS | {"COMMA", "EQUAL"})
    expected = " or ".join(sorted(_WORDS[kind] for kind in between))
    if token.type == "COLON":
        return expected, "what an argument is stands behind `=`: `conv3-64(pad=1)`"
    if token.type == "REPEAT" or (token.type == "NAME" and token.startswith("x")):
        return expected, "sizes are joined by x: `3x224x224`"
    if "COMMA" not in kinds or token.type not in _BEGINS_VALUE:
        return expected, ""
    if "RSQB" in kinds:
        return expected, "values are separated by commas: `[1, 2]`"
    return expected, "arguments are separated by commas: `conv3-64(pad=1, act=relu)`"
