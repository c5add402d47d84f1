"""Text to tokens: the token layer under the grammar.

The terminals' patterns are those of `grammar.lark`; this module adds what a grammar cannot say:
newlines separate steps outside parentheses only, brackets balance, nesting is bounded.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from lark import Token
from lark.lexer import PatternRE, TerminalDef

from netspec.diagnostics import Collector, Diagnostic, Problem
from netspec.errors.limits import NestingTooDeep
from netspec.errors.syntax import (
    BadNumber,
    IllegalCharacter,
    NameTooLong,
    Unbalanced,
    UnterminatedText,
)
from netspec.limits import Limits
from netspec.source import Source, Span

_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ud800-\udfff\ufeff]|\r(?!\n)"
)
_PARTNER = {"(": ")", "[": "]", "{": "}", ")": "(", "]": "[", "}": "{"}
_MAX_DIGITS = 18
_MAX_NAME = 64
# A token after which a step can be complete, so that `x` is a repeat and a newline ends the step.
_ENDS = frozenset(
    {"NAME", "INT", "FLOAT", "DIMS", "STRING", "REF", "RPAR", "RSQB", "RBRACE", "BROKEN"}
)
# Declarations that cannot stand inside braces.
_TOP = frozenset({"NET", "BLOCK", "INLINE", "IMPORT", "INPUT", "OUTPUT"})
_REPEAT = re.compile(r"x([0-9]+)\Z")
_CLOSERS = {"(": "RPAR", "[": "RSQB", "{": "RBRACE"}


class Terminals:
    """One regular expression over all terminals, and the keywords apart."""

    def __init__(self, terminals: Collection[TerminalDef]) -> None:
        self.keywords: dict[str, str] = {}
        patterns: list[tuple[int, int, str, str]] = []
        symbols: list[tuple[int, int, str, str]] = []
        for item in terminals:
            text = item.pattern.value
            if isinstance(item.pattern, PatternRE):
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


def forbidden_characters(source: Source) -> Iterator[Diagnostic]:
    """One diagnostic for each line that holds characters which have no place in a spec."""
    line = -1
    for found in _FORBIDDEN.finditer(source.text):
        above, line = line, source.position(found.start())[0]
        if line == above:
            continue
        char = found.group()[0]
        name = (
            "a carriage return without a newline"
            if char == "\r"
            else f"character U+{ord(char):04X}"
        )
        advice = "end lines with a newline" if char == "\r" else "delete it"
        span = Span(source, found.start(), found.start() + 1)
        yield Diagnostic(IllegalCharacter(name, advice), span)


@dataclass
class Lexer:
    """Tokens of one source. Problems go to `collector`; the token stream is always balanced."""

    terminals: Terminals
    source: Source
    collector: Collector
    limits: Limits
    _open: list[tuple[str, int]] = field(default_factory=list)
    # Closing brackets whose opening one was given up: they are not reported as well.
    _forgiven: dict[str, int] = field(default_factory=lambda: {")": 0, "]": 0, "}": 0})

    def report(self, problem: Problem, start: int, end: int) -> None:
        places = (
            d.span.start for d in self.collector.kept if d.span and d.span.source is self.source
        )
        if isinstance(problem, Unbalanced) and start in places:
            return
        self.collector.add(Diagnostic(problem, Span(self.source, start, end)))

    def tokens(self) -> Iterator[Token]:
        """The tokens, with separators only where two statements meet."""
        pending: Token | None = None
        last = "_SEP"
        for token in self._balanced():
            kind = token.type
            if kind == "_SEP":
                if pending is None and last not in ("_SEP", "LBRACE", "VBAR"):
                    pending = token
                continue
            if pending is not None:
                if kind not in ("RBRACE", "VBAR", "ELSE", "$END"):
                    yield pending
                pending = None
            if kind == "$END":
                return
            yield token
            last = kind

    def _balanced(self) -> Iterator[Token]:
        last = "_SEP"
        for token in self._raw():
            kind, text = token.type, str(token)
            parens = bool(self._open) and self._open[-1][0] != "{"
            if parens and self._unclosed(kind, text, last):
                yield from self._close_parens(token)
                parens = False
            if kind == "_SEP" and parens:
                continue
            if self._open and kind in _TOP and self._starts_line(token):
                yield from self._close_braces(token)
            if text in ("(", "[", "{"):
                self._open.append((text, token.start_pos or 0))
                if len(self._open) > self.limits.nesting:
                    start = token.start_pos or 0
                    self.report(NestingTooDeep(self.limits.nesting), start, start + 1)
                    self.collector.raise_errors()
            elif text in (")", "]", "}"):
                yield from self._close_inner(text, token)
                if not self._open or self._open[-1][0] != _PARTNER[text]:
                    start = token.start_pos or 0
                    if self._forgiven[text]:
                        self._forgiven[text] -= 1
                        if text == "}":
                            continue
                    else:
                        self.report(Unbalanced(text, _PARTNER[text]), start, start + 1)
                    yield _token("BROKEN", "\0", start, start + 1)
                    last = "BROKEN"
                    continue
                self._open.pop()
            yield token
            last = kind
        end = len(self.source.text)
        while self._open:
            bracket, at = self._open.pop()
            self.report(Unbalanced(bracket, _PARTNER[bracket]), at, at + 1)
            if bracket != "{":
                yield _token("BROKEN", "\0", end, end)
            yield _token(_CLOSERS[bracket], _PARTNER[bracket], end, end)
        yield _token("$END", "", end, end)

    def _close_inner(self, text: str, token: Token) -> Iterator[Token]:
        """Gives up brackets left open inside the one that `text` closes."""
        opened = [bracket for bracket, _ in self._open]
        while opened and opened[-1] != _PARTNER[text] and _PARTNER[text] in opened:
            if opened[-1] == "{":
                return
            start = token.start_pos or 0
            bracket, at = self._open.pop()
            opened.pop()
            self.report(Unbalanced(bracket, _PARTNER[bracket]), at, at + 1)
            yield _token("BROKEN", "\0", start, start)
            yield _token(_CLOSERS[bracket], _PARTNER[bracket], start, start)

    def _starts_line(self, token: Token) -> bool:
        start = token.start_pos or 0
        return start == 0 or self.source.text[start - 1] == "\n"

    def _close_braces(self, token: Token) -> Iterator[Token]:
        """A declaration at the start of a line ends brackets that somebody forgot to close."""
        start = token.start_pos or 0
        while self._open:
            bracket, at = self._open.pop()
            self.report(Unbalanced(bracket, _PARTNER[bracket]), at, at + 1)
            if bracket != "{":
                yield _token("BROKEN", "\0", start, start)
            yield _token(_CLOSERS[bracket], _PARTNER[bracket], start, start)
            self._forgiven[_PARTNER[bracket]] += 1
        yield _token("_SEP", "\n", start, start)

    def _unclosed(self, kind: str, text: str, last: str) -> bool:
        """Whether an open parenthesis must have been forgotten: a step cannot go on like this."""
        if text in ("{", "}", "|") or text[:1] == ";":
            return True
        if kind == "_SEP":
            self._newline = last in _ENDS
            return False
        forgotten = getattr(self, "_newline", False) and kind == "NAME"
        self._newline = False
        return forgotten

    def _close_parens(self, token: Token) -> Iterator[Token]:
        start = token.start_pos or 0
        while self._open and self._open[-1][0] != "{":
            bracket, at = self._open.pop()
            self.report(Unbalanced(bracket, _PARTNER[bracket]), at, at + 1)
            yield _token("BROKEN", "\0", start, start)
            yield _token(_CLOSERS[bracket], _PARTNER[bracket], start, start)
            self._forgiven[_PARTNER[bracket]] += 1
        if token.type == "NAME":
            yield _token("_SEP", "\n", start, start)

    def _raw(self) -> Iterator[Token]:
        keywords = self.terminals.keywords
        last, broken_to = "_SEP", 0
        for found in self.terminals.master.finditer(self.source.text):
            kind = found.lastgroup
            if kind is None:
                continue
            text, start, end = found.group(), found.start(), found.end()
            if start < broken_to:
                continue
            if kind == "NAME":
                if text in keywords:
                    kind = keywords[text]
                elif text[0] == "x" and last in _ENDS and (repeat := self._repeat(text, end)):
                    yield _token("REPEAT", "x", start, start + 1)
                    last = "REPEAT"
                    if repeat == "x":
                        continue
                    kind, text, start = "INT", text[1:], start + 1
                elif len(text) > _MAX_NAME:
                    self.report(NameTooLong(len(text)), start, end)
                    kind = "BROKEN"
            elif kind in ("INT", "FLOAT", "DIMS") and not _number_fits(kind, text):
                self.report(BadNumber(text if len(text) < 24 else text[:20] + "..."), start, end)
                kind = "BROKEN"
            elif kind == "_BAD":
                self._report_bad(text, start)
                if text == '"':
                    line_end = self.source.text.find("\n", start)
                    broken_to = line_end if line_end >= 0 else len(self.source.text)
                kind = "BROKEN"
            yield _token(kind, text, start, end)
            last = kind

    def _repeat(self, text: str, end: int) -> str | None:
        if text == "x" and self.source.text[end : end + 1] == "(":
            return "x"
        return text if _REPEAT.match(text) else None

    def _report_bad(self, text: str, start: int) -> None:
        if text == '"':
            self.report(UnterminatedText(), start, start + 1)
        elif not _FORBIDDEN.match(text):
            advice = "names are ASCII letters, digits and _" if ord(text) > 127 else "delete it"
            self.report(IllegalCharacter(f"`{text}` (U+{ord(text):04X})", advice), start, start + 1)


def _number_fits(kind: str, text: str) -> bool:
    if kind == "FLOAT":
        return len(text) <= 64 and abs(float(text)) != float("inf")
    digits = [part for part in text.split("x") if part.isdigit()] if kind == "DIMS" else [text]
    return all(len(part) <= _MAX_DIGITS for part in digits)


def _token(kind: str, text: str, start: int, end: int) -> Token:
    return Token(kind, text, start_pos=start, end_pos=end)
