"""Text to tokens: the token layer under the grammar.

The terminals' patterns are those of `grammar.lark`; this module adds what a grammar cannot say:
newlines separate steps outside parentheses only, brackets balance, nesting is bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import field

from netspec.diagnostics.limits import Limits
from netspec.diagnostics.messages.limits import NestingTooDeep
from netspec.diagnostics.messages.syntax import (
    BadNumber,
    DottedWord,
    IllegalCharacter,
    NameTooLong,
    Unbalanced,
    UnterminatedText,
)
from netspec.diagnostics.raised import Collector
from netspec.diagnostics.records import Diagnostic, Problem
from netspec.diagnostics.source import Source, Span
from netspec.foundation.records import record
from netspec.syntax.lookalikes import advice as advice_on
from netspec.syntax.lookalikes import is_elsewhere, plain
from netspec.syntax.terminals import Terminals, Word, lexeme

_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ud800-\udfff\ufeff]|\r(?!\n|\\Z)"
)
_PARTNER = {"(": ")", "[": "]", "{": "}", ")": "(", "]": "[", "}": "{"}
_MAX_DIGITS = 18
_MAX_NAME = 64
# A character, as often as it is there.
_SAME = re.compile(r"(.)\1*")
# What is left of a text in single quotes.
_QUOTED = re.compile(r"[^'\n]*'")
# Characters before a word that say what it was meant as.
_LOOKED_BACK = 80
# A token after which a step can be complete, so that `x` is a repeat and a newline ends the step.
_ENDS = frozenset(
    {"NAME", "INT", "FLOAT", "DIMS", "STRING", "REF", "RPAR", "RSQB", "RBRACE", "BROKEN"}
)
# Declarations that cannot stand inside braces.
_TOP = frozenset({"NET", "BLOCK", "INLINE", "IMPORT", "INPUT", "OUTPUT"})
# A token after which a statement begins.
_BEGINS = frozenset({"_SEP", "LBRACE", "VBAR"})
_NUMBERS = frozenset({"INT", "FLOAT", "DIMS"})
# What never stands inside parentheses.
_OUTSIDE = frozenset({"LBRACE", "RBRACE", "VBAR"})
_REPEAT = re.compile(r"x([0-9]+)\Z")
# What makes `q` the reference `q.C`, where its `@` was forgotten.
_DOTTED = re.compile(r"(?:\.[A-Za-z_][A-Za-z0-9_]*)+")
_IMPORTED = re.compile(r"(?:^|[\n;])[ \t]*import[ \t]+\Z")
# Where a name is given, not read: behind these words, and before `=`.
_NAMING = re.compile(r"\b(?:as|block|default|for|from|head|input|net|of|output)[ \t]+\Z")
_NAMED = re.compile(r"[ \t]*=(?!=)")
# Where layers of other libraries live.
_MODULES = frozenset({"F", "functional", "keras", "layers", "nn", "tf", "torch"})
_OPENING = frozenset({"LPAR", "LSQB", "LBRACE"})
_CLOSERS = {"(": "RPAR", "[": "RSQB", "{": "RBRACE"}
_CLOSING = frozenset(_CLOSERS.values())


def forbidden_characters(source: Source) -> Iterator[Diagnostic]:
    """One diagnostic for each line that holds characters which have no place in a spec."""
    at = 0
    while found := _FORBIDDEN.search(source.text, at):
        at = source.text.find("\n", found.start())
        at = at if at >= 0 else len(source.text)
        char = found.group()[0]
        name = (
            "a carriage return without a newline"
            if char == "\r"
            else f"character U+{ord(char):04X}"
        )
        advice = "end lines with a newline" if char == "\r" else "delete it"
        span = Span(source, found.start(), found.start() + 1)
        yield Diagnostic(IllegalCharacter(name, advice), span)


@record(frozen=False, slots=False)
class Lexer:
    """Tokens of one source. Problems go to `collector`; the token stream is always balanced."""

    terminals: Terminals
    source: Source
    collector: Collector
    limits: Limits
    # Words that mean nothing to whoever reads on: what they were is said here.
    lost: set[str]
    _open: list[tuple[str, int]] = field(default_factory=list)
    # Whether, inside parentheses, a line has just ended where a step could end.
    _newline: bool = False
    # Closing brackets whose opening one was given up: they are not reported as well.
    _forgiven: dict[str, int] = field(default_factory=lambda: {")": 0, "]": 0, "}": 0})
    # The line that was last complained about, and the characters in it that were.
    _told: tuple[int, set[str]] = field(default_factory=lambda: (-1, set()))

    def report(self, problem: type[Problem], start: int, end: int, *facts: object) -> None:
        """Adds a problem at characters `start` to `end`; of a bracket only where none is yet.

        A text can be all mistakes, so what only counts is not made.
        """
        collector, name = self.collector, self.source.name
        if problem is Unbalanced and collector.keeps(name, start):
            return
        if collector.full:
            collector.count(problem.code, name, start)
        else:
            collector.add(Diagnostic(problem(*facts), Span(self.source, start, end)))

    def tokens(self) -> Iterator[Word]:
        """The tokens, with separators only where two statements meet."""
        pending: Word | None = None
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

    def _balanced(self) -> Iterator[Word]:
        last = "_SEP"
        opened = self._open
        for token in self._raw():
            kind = token.type
            if kind in _CLOSING and self._closes_another(token):
                yield from self._close_last(token)
                last = _CLOSERS["("]
                continue
            if opened:
                parens = opened[-1][0] != "{"
                if parens and self._unclosed(token, last):
                    yield from self._close_parens(token)
                    parens = False
                if kind == "_SEP" and parens:
                    continue
                if kind in _TOP and self._starts_line(token):
                    yield from self._close_braces(token)
            if kind in _OPENING:
                opened.append((str(token), token.extent[0]))
                if len(opened) > self.limits.nesting:
                    start = token.extent[0]
                    self.report(NestingTooDeep, start, start + 1, self.limits.nesting)
                    self.collector.raise_errors()
            elif kind in _CLOSING:
                text = str(token)
                yield from self._close_inner(text, token)
                if not opened or opened[-1][0] != _PARTNER[text]:
                    start = token.extent[0]
                    if self._forgiven[text]:
                        self._forgiven[text] -= 1
                        if text == "}":
                            continue
                    else:
                        self.report(Unbalanced, start, start + 1, text, _PARTNER[text])
                    yield lexeme("BROKEN", "\0", start, start + 1)
                    last = "BROKEN"
                    continue
                opened.pop()
            yield token
            last = kind
        end = len(self.source.text)
        while opened:
            bracket, at = opened.pop()
            self.report(Unbalanced, at, at + 1, bracket, _PARTNER[bracket])
            if bracket != "{":
                yield lexeme("BROKEN", "\0", end, end)
            yield lexeme(_CLOSERS[bracket], _PARTNER[bracket], end, end)
        yield lexeme("$END", "", end, end)

    def _closes_another(self, token: Word) -> bool:
        """Whether `]` or `}` stands where `)` belongs, or the like: neither has a partner on the line."""
        if not self._open or self._open[-1][0] == "{":
            return False
        if any(bracket == _PARTNER[str(token)] for bracket, _ in self._open):
            return False
        rest = self.source.text[token.extent[1] :].partition("\n")[0]
        return _PARTNER[self._open[-1][0]] not in rest

    def _close_last(self, token: Word) -> Iterator[Word]:
        """Takes a wrong bracket for the partner of the last one that is open."""
        bracket, at = self._open.pop()
        self.report(Unbalanced, at, at + 1, bracket, _PARTNER[bracket])
        yield lexeme("BROKEN", "\0", *token.extent)
        yield lexeme(_CLOSERS[bracket], _PARTNER[bracket], *token.extent)

    def _close_inner(self, text: str, token: Word) -> Iterator[Word]:
        """Gives up brackets left open inside the one that `text` closes: a brace ends them itself."""
        opened = [bracket for bracket, _ in self._open]
        while opened and opened[-1] != _PARTNER[text] and _PARTNER[text] in opened:
            start = token.extent[0]
            bracket, at = self._open.pop()
            opened.pop()
            self.report(Unbalanced, at, at + 1, bracket, _PARTNER[bracket])
            yield lexeme("BROKEN", "\0", start, start)
            yield lexeme(_CLOSERS[bracket], _PARTNER[bracket], start, start)

    def _starts_line(self, token: Word) -> bool:
        """Whether a token behind a bracket begins a line."""
        return self.source.text[token.extent[0] - 1] == "\n"

    def _close_braces(self, token: Word) -> Iterator[Word]:
        """A declaration at the start of a line ends brackets that somebody forgot to close."""
        start = token.extent[0]
        while self._open:
            bracket, at = self._open.pop()
            self.report(Unbalanced, at, at + 1, bracket, _PARTNER[bracket])
            if bracket != "{":
                yield lexeme("BROKEN", "\0", start, start)
            yield lexeme(_CLOSERS[bracket], _PARTNER[bracket], start, start)
            self._forgiven[_PARTNER[bracket]] += 1
        yield lexeme("_SEP", "\n", start, start)

    def _unclosed(self, token: Word, last: str) -> bool:
        """Whether an open parenthesis must have been forgotten: a step cannot go on like this."""
        kind = token.type
        if kind in _OUTSIDE or (kind == "_SEP" and token[0] == ";"):
            return True
        if kind == "_SEP":
            self._newline = last in _ENDS
            return False
        forgotten = self._newline and kind == "NAME"
        self._newline = False
        return forgotten

    def _close_parens(self, token: Word) -> Iterator[Word]:
        start = token.extent[0]
        while self._open and self._open[-1][0] != "{":
            bracket, at = self._open.pop()
            self.report(Unbalanced, at, at + 1, bracket, _PARTNER[bracket])
            yield lexeme("BROKEN", "\0", start, start)
            yield lexeme(_CLOSERS[bracket], _PARTNER[bracket], start, start)
            self._forgiven[_PARTNER[bracket]] += 1
        if token.type == "NAME":
            yield lexeme("_SEP", "\n", start, start)

    def _raw(self) -> Iterator[Word]:
        keywords, text = self.terminals.keywords, self.source.text
        master, plain = self.terminals.master.match, self.terminals.plain.match
        opened = self._open
        last, start = "_SEP", 0
        begins = True
        while found := (begins and plain(text, start)) or master(text, start):
            kind = found.lastgroup
            end = found.end()
            if kind is None:
                start = end
                continue
            value = found.group()
            if kind == "NAME":
                if dotted := _DOTTED.match(text, end):
                    end = dotted.end()
                    value = text[start:end]
                    kind = self._report_dotted(value, start, end)
                elif value in keywords:
                    kind = keywords[value]
                elif value[0] == "x" and last in _ENDS and (repeat := self._repeat(value, end)):
                    yield lexeme("REPEAT", "x", start, start + 1)
                    start += 1
                    if repeat == "x":
                        continue
                    kind, value = "INT", value[1:]
                elif len(value) > _MAX_NAME:
                    self.report(NameTooLong, start, end, len(value))
                    kind = "BROKEN"
            elif kind in _NUMBERS and not _number_fits(kind, value):
                shown = value if len(value) < 24 else value[:20] + "..."
                self.report(BadNumber, start, end, shown)
                kind = "BROKEN"
            elif kind == "_BAD":
                end = self._report_bad(value, start)
                kind = "BROKEN"
            yield lexeme(kind, value, start, end)
            last, start = kind, end
            begins = kind in _BEGINS and not (opened and opened[-1][0] != "{")

    def _report_dotted(self, text: str, start: int, end: int) -> str:
        """Reports a name with dots; says as what it is read: a reference, where it can be one."""
        first, _, rest = text.partition(".")
        self.lost.add(first)
        before = self.source.text[max(0, start - _LOOKED_BACK) : start]
        kind, advice = "REF", f"the name of a step is read with `@`: `@{text}`"
        if first in _MODULES or self.source.text[end : end + 1] == "(":
            kind, advice = "BROKEN", "a layer is one word: `conv3-64`, `relu`"
        elif _IMPORTED.search(before):
            kind, advice = "BROKEN", f"did you mean `import {rest} from {first}`?"
        elif _NAMING.search(before) or _NAMED.match(self.source.text, end):
            kind, advice = "BROKEN", "names are ASCII letters, digits and _"
        self.report(DottedWord, start, end, text, advice)
        return kind

    def _repeat(self, text: str, end: int) -> str | None:
        if text == "x" and self.source.text[end : end + 1] == "(":
            return "x"
        return text if _REPEAT.match(text) else None

    def _report_bad(self, text: str, start: int) -> int:
        """Reports a character that begins nothing; says where reading goes on."""
        end = start + 1
        if text == '"':
            self.report(UnterminatedText, start, end)
            line_end = self.source.text.find("\n", start)
            return line_end if line_end >= 0 else len(self.source.text)
        advice = advice_on(text)
        if text == "'":
            quoted = _QUOTED.match(self.source.text, end)
            end = quoted.end() if quoted else end
            advice = "words stand without quotes, texts in double ones"
        if not _FORBIDDEN.match(text) and self._is_new(text, start):
            named = f"`{text}` (U+{ord(text):04X})"
            self.report(IllegalCharacter, start, end, named, advice)
        return end if text == "'" else self._end_of_bad(start)

    def _is_new(self, char: str, at: int) -> bool:
        """Whether a character is not reported yet on this line, or no edit mends all of them there."""
        if not (char == "'" or plain(char) or is_elsewhere(char)):
            return True
        line = self.source.text.rfind("\n", 0, at)
        if self._told[0] != line:
            self._told = line, set()
        new = char not in self._told[1]
        self._told[1].add(char)
        return new

    def _end_of_bad(self, start: int) -> int:
        """Where the characters that begin nothing end: however many, they are one mistake."""
        text, master = self.source.text, self.terminals.master.match
        while (found := master(text, start)) and found.lastgroup == "_BAD":
            if found.group() in "\"'":
                break
            same = _SAME.match(text, start)
            start = same.end() if same else found.end()
        return start


def _number_fits(kind: str, text: str) -> bool:
    if kind == "FLOAT":
        return len(text) <= 64 and abs(float(text)) != float("inf")
    digits = [part for part in text.split("x") if part.isdigit()] if kind == "DIMS" else [text]
    return all(len(part) <= _MAX_DIGITS for part in digits)
