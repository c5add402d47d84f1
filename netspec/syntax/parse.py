"""Tokens to syntax tree. Reading goes on after a mistake: at the next `;`, newline or `}`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from lark import Lark
from lark.exceptions import UnexpectedToken
from lark.parsers.lalr_interactive_parser import InteractiveParser

from netspec.diagnostics.limits import DEFAULT, Limits
from netspec.diagnostics.messages.limits import ExpressionTooLong, TooManyStatements
from netspec.diagnostics.messages.syntax import MisplacedDeclaration, UnexpectedText
from netspec.diagnostics.raised import Collector, NetspecError
from netspec.diagnostics.records import Diagnostic, Problem
from netspec.diagnostics.source import Source, Span
from netspec.diagnostics.suggest import unspelt
from netspec.foundation.collecting import without_collecting
from netspec.syntax import ast, tables
from netspec.syntax.expected import (
    AFTER_WIDTH,
    DECLARATIONS,
    DESCRIBING,
    SPACED,
    TWO_STEPS,
    declaration,
    describe,
    expectation,
)
from netspec.syntax.feeding import Actions
from netspec.syntax.languages import other_language
from netspec.syntax.lexer import Lexer, forbidden_characters
from netspec.syntax.reductions import Reductions
from netspec.syntax.terminals import Terminals, Word, lexeme

# Operators in one statement: what is computed from them is computed recursively.
OPERATORS = 256
_OPERATORS = frozenset(
    {"PLUS", "MINUS", "STAR", "SLASH", "FLOORDIV", "PERCENT", "POWER", "COMPARE"}
    | {"AND", "OR", "NOT", "IF"}
)
_WORD = re.compile("[A-Za-z_][A-Za-z0-9_]*")


@cache
def _grammar() -> tuple[Lark, Terminals, Actions]:
    lark = tables.load(Reductions())
    return lark, Terminals(lark.terminals), Actions(lark)


def terminals() -> Terminals:
    """The terminals of the grammar, as the lexer reads them."""
    return _grammar()[1]


def parse(source: Source, collector: Collector, limits: Limits = DEFAULT) -> ast.File:
    """The syntax tree of a source; what cannot be read becomes `Broken` and a diagnostic."""
    lark, terminals, actions = _grammar()
    before = len(collector.kept)
    for diagnostic in forbidden_characters(source):
        collector.add(diagnostic)
    reader = _Reader(source, collector, limits)
    lexer = Lexer(terminals, source, collector, limits, reader.lost)
    try:
        with without_collecting():
            items = reader.read(lark.parse_interactive(), actions, lexer.tokens())
    except NetspecError:  # so many mistakes that the rest is not read
        _tell_as_one(collector, before, source)
        collector.raise_errors()
        raise
    _tell_as_one(collector, before, source)
    return ast.File(source, items, frozenset(reader.lost))


def _tell_as_one(collector: Collector, before: int, source: Source) -> None:
    """Puts one message in place of those of a source that is another language's text."""
    if problem := other_language(source.text, len(collector.kept) - before):
        collector.since(before, problem)


def _is_broken(values: list[Any]) -> bool:
    return any(isinstance(v, ast.Broken) or getattr(v, "type", "") == "BROKEN" for v in values)


def _are_names(values: list[Any]) -> bool:
    return bool(values) and all(isinstance(v, Word) and v.type == "NAME" for v in values)


class _Reader:
    """Feeds tokens to Lark's LALR parser; on a mistake, drops the statement and reads on."""

    def __init__(self, source: Source, collector: Collector, limits: Limits) -> None:
        self.source = source
        self.collector = collector
        self.limits = limits
        self.lost: set[str] = set()

    def read(
        self, parser: InteractiveParser, actions: Actions, tokens: Iterator[Word]
    ) -> tuple[ast.Item, ...]:
        feed = actions.feeder(parser.parser_state)
        statements, operators = 1, 0
        for token in tokens:
            if token.type in _OPERATORS:
                operators += 1
                if operators > OPERATORS:
                    self._refuse(ExpressionTooLong(OPERATORS), token)
            if token.type == "_SEP":
                operators = 0
                statements += 1
                if statements > self.limits.statements:
                    self._refuse(TooManyStatements(self.limits.statements), token)
            try:
                feed(token)
            except UnexpectedToken:
                self._recover(parser, token, tokens)
        end = len(self.source.text)
        last = lexeme("$END", "", end, end)
        try:
            result: tuple[ast.Item, ...] = parser.parser_state.feed_token(last, True)
        except UnexpectedToken:
            self._recover(parser, last, tokens)
            result = self._finish(parser, last)
        return result

    def _finish(self, parser: InteractiveParser, last: Word) -> tuple[ast.Item, ...]:
        """The items, or nothing where braces were dropped with the statement that opened them."""
        state = parser.parser_state
        try:
            return state.feed_token(last, True)  # type: ignore[no-any-return]
        except UnexpectedToken:
            self.lost.update(_WORD.findall(self.source.text))
            return (ast.Broken(last.extent),)

    def _refuse(self, problem: Problem, token: Word) -> None:
        self.collector.add(Diagnostic(problem, Span(self.source, *token.extent)))
        self.collector.raise_errors()

    def _recover(self, parser: InteractiveParser, token: Word, tokens: Iterator[Word]) -> None:
        state = parser.parser_state
        # A statement that is broken already is not reported twice.
        said = token.type == "REF" and token[0] != "@"
        if token.type != "BROKEN" and not said and not _is_broken(state.value_stack[-1:]):
            self._report(parser, token)
        states = state.parse_conf.parse_table.states
        start, end = token.extent
        braces = 0
        while "BROKEN" not in states[state.state_stack[-1]]:
            state.state_stack.pop()
            dropped = state.value_stack.pop()
            braces += getattr(dropped, "type", "") == "LBRACE"
            if hasattr(dropped, "extent"):
                start = min(start, dropped.extent[0])
        state.feed_token(lexeme("BROKEN", "\0", start, end))
        end = self._skip(parser, token, tokens, braces)
        self.lost.update(_WORD.findall(self.source.text, start, end))

    def _skip(
        self, parser: InteractiveParser, token: Word, tokens: Iterator[Word], depth: int
    ) -> int:
        """Drops tokens to the end of the statement, feeds the token that ends it; says where.

        `depth` is how many braces were open in what was dropped before.
        """
        current: Word | None = token
        while current is not None and current.type != "$END":
            kind = current.type
            if depth == 0 and kind in ("_SEP", "RBRACE", "VBAR"):
                try:
                    parser.parser_state.feed_token(current)
                except UnexpectedToken:
                    pass
                else:
                    return current.extent[0]
            depth += (kind == "LBRACE") - (kind == "RBRACE" and depth > 0)
            current = next(tokens, None)
        return len(self.source.text)

    def _report(self, parser: InteractiveParser, token: Word) -> None:
        if self.collector.full:  # what could have stood there is not looked for
            self.collector.count(UnexpectedText.code, self.source.name, token.extent[0])
            return
        kinds = set(parser.accepts())  # type: ignore[no-untyped-call]
        before = parser.parser_state.value_stack[-2:]
        start, end = token.extent
        problem: Problem
        if len(before) == 2 and _are_names(before) and before[0] not in DESCRIBING:
            # Two names in a row could be metadata; nearly always they are two steps.
            start, end = before[1].extent
            first, second = before
            advice = declaration(first) or unspelt(first) or unspelt(second) or TWO_STEPS[1]
            problem = UnexpectedText(describe(before[1]), TWO_STEPS[0], advice)
        elif (
            token.type in AFTER_WIDTH
            and _are_names(before[:-1])
            and isinstance(before[-1], ast.Number)
        ):
            start, end = before[1].extent
            advice = unspelt(before[0]) or SPACED[1]
            problem = UnexpectedText(f"`{self.source.text[start:end]}`", SPACED[0], advice)
        elif token.type in DECLARATIONS and "NET" not in kinds and "FOR" in kinds:
            problem = MisplacedDeclaration(str(token))
        else:
            last = before[-1] if before else None
            word = str(last) if isinstance(last, Word) and last.type in ("NAME", "HEAD") else ""
            expected, advice = expectation(kinds, token, word)
            problem = UnexpectedText(describe(token), expected, advice)
        span = Span(self.source, min(start, len(self.source.text)), max(end, start))
        self.collector.add(Diagnostic(problem, span))
