"""The grammar's terminals: what a token is, and the regular expressions that find the next one."""

from __future__ import annotations

import re
from collections.abc import Collection

from lark import Token
from lark.lexer import PatternRE, TerminalDef

# Tokens that carry content; the others only mark extents.
_CONTENT = frozenset(
    {"PLAIN", "NAME", "INT", "FLOAT", "DIMS", "REF", "STRING", "INLINE", "BROKEN"}
    | {"COMPARE", "POWER", "FLOORDIV", "PLUS", "STAR", "SLASH", "PERCENT"}
)


class Word(Token):
    """A token that carries content, and where it stands."""

    __slots__ = ("extent",)
    extent: tuple[int, int]


class Mark(Word):
    """A token that only says where something begins or ends: punctuation, a word of the language."""

    __slots__ = ()


def lexeme(kind: str, text: str, start: int, end: int) -> Word:
    """A token as Lark's parser takes it, without what its constructor does for its lexer."""
    made = str.__new__(Word if kind in _CONTENT else Mark, text)
    made.type, made.value, made.extent = kind, text, (start, end)
    return made


class Terminals:
    """One regular expression over all terminals, and apart from it the keywords and `PLAIN`,
    which is a token only where a statement begins."""

    def __init__(self, terminals: Collection[TerminalDef]) -> None:
        self.keywords: dict[str, str] = {}
        patterns: list[tuple[int, int, str, str]] = []
        symbols: list[tuple[int, int, str, str]] = []
        plain = ""
        for item in terminals:
            text = item.pattern.value
            if item.name == "PLAIN":
                plain = text
            elif isinstance(item.pattern, PatternRE):
                if not item.name.startswith("__IGNORE") and item.name != "_SEP":
                    patterns.append((-item.priority, 0, item.name, text))
            elif text.isalpha():
                self.keywords[text] = item.name
            elif item.name not in ("BROKEN", "REPEAT"):
                symbols.append((0, -len(text), item.name, re.escape(text)))
        ordered = sorted(patterns, key=lambda p: p[0]) + sorted(symbols, key=lambda s: s[1])
        groups = "|".join(f"(?P<{name}>{text})" for _, _, name, text in ordered)
        self.master = re.compile(
            rf"(?:[ \t]|\r(?=\n))+|#[^\n]*|(?P<_SEP>\r(?!\n)|\n\s*|;[; \t]*)|{groups}|(?P<_BAD>.)"
        )
        words = "|".join(self.keywords)
        self.plain = re.compile(rf"(?P<PLAIN>(?!(?:{words})\b){plain})")
