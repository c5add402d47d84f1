"""Tokens to syntax tree. Reading goes on after a mistake: at the next `;`, newline or `}`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from lark import Lark, Token
from lark.exceptions import UnexpectedToken
from lark.parsers.lalr_interactive_parser import InteractiveParser

from netspec import ast, tables
from netspec.diagnostics import Collector, Diagnostic, Problem
from netspec.errors.limits import ExpressionTooLong, TooManyStatements
from netspec.errors.syntax import MisplacedDeclaration, UnexpectedText
from netspec.expected import DECLARATIONS, SPACED, TWO_STEPS, describe, expectation
from netspec.lexer import Lexer, Terminals, forbidden_characters
from netspec.limits import DEFAULT, Limits
from netspec.source import Source, Span

# Operators in one statement: what is computed from them is computed recursively.
OPERATORS = 256
_OPERATORS = frozenset(
    {"PLUS", "MINUS", "STAR", "SLASH", "FLOORDIV", "PERCENT", "POWER", "COMPARE"}
    | {"AND", "OR", "NOT", "IF"}
)
_WORD = re.compile("[A-Za-z_][A-Za-z0-9_]*")


def _token_extent(token: Token) -> ast.Extent:
    return (token.start_pos or 0, token.end_pos or 0)


# Tokens that carry content; the others only mark extents.
_CONTENT = frozenset(
    {"NAME", "INT", "FLOAT", "DIMS", "REF", "STRING", "INLINE", "BROKEN"}
    | {"COMPARE", "POWER", "FLOORDIV", "PLUS", "STAR", "SLASH", "PERCENT"}
)


@dataclass(frozen=True, slots=True)
class _Group:
    """What a rule that only groups holds, until the enclosing rule takes it."""

    items: Any
    extent: ast.Extent


class _Rules:
    """Builds `netspec.ast` while the parser reduces: one function for each rule of the grammar.

    Each gets the extent of the rule's tokens and its children without punctuation.
    """

    @staticmethod
    def start(extent: ast.Extent, items: list[Any]) -> tuple[ast.Item, ...]:
        return tuple(items)

    # expressions

    @staticmethod
    def integer(extent: ast.Extent, items: list[Token]) -> ast.Number:
        return ast.Number(int(items[0]), extent)

    @staticmethod
    def float_(extent: ast.Extent, items: list[Token]) -> ast.Number:
        return ast.Number(float(items[0]), extent)

    @staticmethod
    def string(extent: ast.Extent, items: list[Token]) -> ast.Text:
        return ast.Text(str(items[0])[1:-1], extent)

    @staticmethod
    def dims(extent: ast.Extent, items: list[Token]) -> ast.Dims:
        return ast.Dims(tuple(int(p) if p.isdigit() else p for p in items[0].split("x")), extent)

    @staticmethod
    def variable(extent: ast.Extent, items: list[Token]) -> ast.Variable:
        return ast.Variable(str(items[0]), extent)

    @staticmethod
    def reference(extent: ast.Extent, items: list[Token]) -> ast.Reference:
        return ast.Reference(tuple(items[0][1:].split(".")), extent)

    @staticmethod
    def call(extent: ast.Extent, items: list[Any]) -> ast.Call:
        return ast.Call(str(items[0]), items[1].items, extent)

    @staticmethod
    def binary(extent: ast.Extent, items: list[Any]) -> ast.Binary:
        left, *operator, right = items
        return ast.Binary(str(operator[0]) if operator else "-", left, right, extent)

    @staticmethod
    def and_(extent: ast.Extent, items: list[Any]) -> ast.Binary:
        return ast.Binary("and", items[0], items[1], extent)

    @staticmethod
    def or_(extent: ast.Extent, items: list[Any]) -> ast.Binary:
        return ast.Binary("or", items[0], items[1], extent)

    @staticmethod
    def not_(extent: ast.Extent, items: list[Any]) -> ast.Unary:
        return ast.Unary("not", items[0], extent)

    @staticmethod
    def negate(extent: ast.Extent, items: list[Any]) -> ast.Unary:
        return ast.Unary("-", items[0], extent)

    @staticmethod
    def choose(extent: ast.Extent, items: list[Any]) -> ast.Choose:
        return ast.Choose(items[1], items[0], items[2], extent)

    @staticmethod
    def list_(extent: ast.Extent, items: list[Any]) -> ast.Sequence:
        return ast.Sequence(tuple(items), extent)

    tuple_ = list_

    @staticmethod
    def arguments(extent: ast.Extent, items: list[Any]) -> _Group:
        return _Group(tuple(items), extent)

    @staticmethod
    def named(extent: ast.Extent, items: list[Any]) -> ast.Argument:
        return ast.Argument(str(items[0]), items[1], extent)

    pair = named

    @staticmethod
    def positional(extent: ast.Extent, items: list[Any]) -> ast.Argument:
        return ast.Argument(None, items[0], extent)

    # steps

    @staticmethod
    def chain(extent: ast.Extent, items: list[Any]) -> ast.Chain:
        return ast.Chain(tuple(items), extent)

    @staticmethod
    def body(extent: ast.Extent, items: list[Any]) -> ast.Chain:
        return ast.Chain(items[0].links, extent)

    @staticmethod
    def branches(extent: ast.Extent, items: list[Any]) -> ast.Branches:
        return ast.Branches(tuple(items), extent)

    @staticmethod
    def width(extent: ast.Extent, items: list[Any]) -> ast.Expression:
        value: ast.Expression = items[-1]
        return value

    stride = paren = repeat = base = value = else_ = braces = reference_step = width

    @staticmethod
    def head(extent: ast.Extent, items: list[Any]) -> ast.Head:
        word, width, stride, arguments, body = items
        given = arguments.items if arguments else ()
        return ast.Head(str(word), width, stride, given, body, _token_extent(word), extent)

    @staticmethod
    def if_(extent: ast.Extent, items: list[Any]) -> ast.If:
        return ast.If(items[0], items[1], items[2], extent)

    @staticmethod
    def for_(extent: ast.Extent, items: list[Any]) -> ast.For:
        return ast.For(str(items[0]), items[1], items[2], items[3], extent)

    @staticmethod
    def training_head(extent: ast.Extent, items: list[Any]) -> ast.TrainingHead:
        given = items[1].items if items[1] else ()
        return ast.TrainingHead(str(items[0]), given, items[2], extent)

    @staticmethod
    def freeze(extent: ast.Extent, items: list[Any]) -> ast.Freeze:
        return ast.Freeze(items[0], extent)

    @staticmethod
    def given_name(extent: ast.Extent, items: list[Any]) -> _Group:
        return _Group(str(items[0]), _token_extent(items[0]))

    origin = label = given_name

    @staticmethod
    def step(extent: ast.Extent, items: list[Any]) -> ast.Step:
        action, repeat, name = items
        if name is None:
            return ast.Step(action, repeat, None, None, extent)
        return ast.Step(action, repeat, name.items, name.extent, extent)

    @staticmethod
    def default(extent: ast.Extent, items: list[Any]) -> ast.Default:
        return ast.Default(str(items[0]), items[1].items, _token_extent(items[0]), extent)

    @staticmethod
    def broken(extent: ast.Extent, items: list[Any]) -> ast.Broken:
        return ast.Broken(extent)

    # declarations

    @staticmethod
    def parameter(extent: ast.Extent, items: list[Any]) -> ast.Parameter:
        return ast.Parameter(str(items[0]), items[1], extent)

    parameters = arguments

    @staticmethod
    def names(extent: ast.Extent, items: list[Token]) -> _Group:
        return _Group(tuple((str(item), _token_extent(item)) for item in items), extent)

    @staticmethod
    def operands(extent: ast.Extent, items: list[_Group]) -> _Group:
        return items[0]

    @staticmethod
    def net(extent: ast.Extent, items: list[Any]) -> ast.Net:
        name, parameters, base = items
        return ast.Net(str(name), parameters.items if parameters else (), base, extent)

    @staticmethod
    def block(extent: ast.Extent, items: list[Any]) -> ast.Block:
        inline, name, parameters, operands, body = items
        inputs = tuple(name for name, _ in operands.items) if operands else ()
        given = parameters.items if parameters else ()
        heading = (extent[0], _token_extent(name)[1])
        return ast.Block(str(name), given, inputs, body, inline is not None, heading)

    @staticmethod
    def import_(extent: ast.Extent, items: list[Any]) -> ast.Import:
        return ast.Import(items[0].items, items[1].items if items[1] else None, extent)

    @staticmethod
    def input(extent: ast.Extent, items: list[Any]) -> ast.Input:
        name, shape, *modifiers = items
        return ast.Input(name.items if name else None, shape, tuple(modifiers), extent)

    @staticmethod
    def output(extent: ast.Extent, items: list[Any]) -> ast.Output:
        return ast.Output(items[0].items, extent)

    @staticmethod
    def metadata(extent: ast.Extent, items: list[Any]) -> ast.Metadata:
        return ast.Metadata(str(items[0]), items[1], extent)

    @staticmethod
    def pairs(extent: ast.Extent, items: list[Any]) -> ast.Pairs:
        return ast.Pairs(str(items[0]), tuple(items[1:]), extent)


def _with_extent(build: Callable[[ast.Extent, list[Any]], Any], children: list[Any]) -> Any:
    located = [c for c in children if c is not None]
    extent = (_bounds(located[0])[0], _bounds(located[-1])[1]) if located else (0, 0)
    return build(extent, [c for c in children if not isinstance(c, Token) or c.type in _CONTENT])


def _bounds(child: Any) -> ast.Extent:
    if isinstance(child, Token):
        return _token_extent(child)
    extent: ast.Extent = child.extent
    return extent


class _Tree:
    """The rules as Lark calls them: with children only."""

    def __init__(self) -> None:
        for name in vars(_Rules):
            if not name.startswith("__"):
                setattr(self, name, partial(_with_extent, getattr(_Rules, name)))


@cache
def _grammar() -> tuple[Lark, Terminals]:
    lark = tables.load(_Tree())
    return lark, Terminals(lark.terminals)


def terminals() -> Terminals:
    """The terminals of the grammar, as the lexer reads them."""
    return _grammar()[1]


def parse(source: Source, collector: Collector, limits: Limits = DEFAULT) -> ast.File:
    """The syntax tree of a source; what cannot be read becomes `Broken` and a diagnostic."""
    lark, terminals = _grammar()
    for diagnostic in forbidden_characters(source):
        collector.add(diagnostic)
    lexer = Lexer(terminals, source, collector, limits)
    reader = _Reader(source, collector, limits)
    items = reader.read(lark, lexer.tokens())
    return ast.File(source, items, frozenset(reader.lost))


def _is_broken(values: list[Any]) -> bool:
    return any(isinstance(v, ast.Broken) or getattr(v, "type", "") == "BROKEN" for v in values)


def _are_names(values: list[Any]) -> bool:
    return bool(values) and all(isinstance(v, Token) and v.type == "NAME" for v in values)


class _Reader:
    """Feeds tokens to Lark's LALR parser; on a mistake, drops the statement and reads on."""

    def __init__(self, source: Source, collector: Collector, limits: Limits) -> None:
        self.source = source
        self.collector = collector
        self.limits = limits
        self.lost: set[str] = set()

    def read(self, lark: Lark, tokens: Iterator[Token]) -> tuple[ast.Item, ...]:
        parser = lark.parse_interactive()
        feed = parser.parser_state.feed_token
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
        last = Token("$END", "", start_pos=end, end_pos=end)
        try:
            result: tuple[ast.Item, ...] = feed(last, True)
        except UnexpectedToken:
            self._recover(parser, last, tokens)
            result = self._finish(parser, last)
        return result

    def _finish(self, parser: InteractiveParser, last: Token) -> tuple[ast.Item, ...]:
        """The items, or nothing where braces were dropped with the statement that opened them."""
        state = parser.parser_state
        try:
            return state.feed_token(last, True)  # type: ignore[no-any-return]
        except UnexpectedToken:
            self.lost.update(_WORD.findall(self.source.text))
            return (ast.Broken(_token_extent(last)),)

    def _refuse(self, problem: Problem, token: Token) -> None:
        self.collector.add(Diagnostic(problem, Span(self.source, *_token_extent(token))))
        self.collector.raise_errors()

    def _recover(self, parser: InteractiveParser, token: Token, tokens: Iterator[Token]) -> None:
        state = parser.parser_state
        # A statement that is broken already is not reported twice.
        if token.type != "BROKEN" and not _is_broken(state.value_stack[-1:]):
            self._report(parser, token)
        states = state.parse_conf.parse_table.states
        start, end = _token_extent(token)
        while "BROKEN" not in states[state.state_stack[-1]]:
            state.state_stack.pop()
            dropped = state.value_stack.pop()
            if isinstance(dropped, Token) or hasattr(dropped, "extent"):
                start = min(start, _bounds(dropped)[0])
        state.feed_token(Token("BROKEN", "\0", start_pos=start, end_pos=end))
        end = self._skip(parser, token, tokens)
        self.lost.update(_WORD.findall(self.source.text, start, end))

    def _skip(self, parser: InteractiveParser, token: Token, tokens: Iterator[Token]) -> int:
        """Drops tokens to the end of the statement, feeds the token that ends it; says where."""
        depth = 0
        current: Token | None = token
        while current is not None and current.type != "$END":
            kind = current.type
            if depth == 0 and kind in ("_SEP", "RBRACE", "VBAR"):
                try:
                    parser.parser_state.feed_token(current)
                except UnexpectedToken:
                    pass
                else:
                    return current.start_pos or 0
            depth += (kind == "LBRACE") - (kind == "RBRACE" and depth > 0)
            current = next(tokens, None)
        return len(self.source.text)

    def _report(self, parser: InteractiveParser, token: Token) -> None:
        kinds = set(parser.choices())  # type: ignore[no-untyped-call]
        before = parser.parser_state.value_stack[-2:]
        start, end = _token_extent(token)
        problem: Problem
        if len(before) == 2 and _are_names(before) and before[0] not in ("expect", "error"):
            # Two names in a row could be metadata; nearly always they are two steps.
            start, end = _token_extent(before[1])
            problem = UnexpectedText(describe(before[1]), *TWO_STEPS)
        elif len(before) == 2 and _are_names(before[:1]) and isinstance(before[1], ast.Number):
            start, end = before[1].extent
            problem = UnexpectedText(f"`{self.source.text[start:end]}`", *SPACED)
        elif token.type in DECLARATIONS and "NET" not in kinds and "FOR" in kinds:
            problem = MisplacedDeclaration(str(token))
        else:
            word = str(before[-1]) if _are_names(before[-1:]) else ""
            expected, advice = expectation(kinds, token, word)
            problem = UnexpectedText(describe(token), expected, advice)
        span = Span(self.source, min(start, len(self.source.text)), max(end, start))
        self.collector.add(Diagnostic(problem, span))
