"""What each rule and terminal of the grammar becomes in `netspec.syntax.ast`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from netspec.foundation.records import record
from netspec.syntax import ast
from netspec.syntax.terminals import Mark, Word


@record
class _Group:
    """What a rule that only groups holds, until the enclosing rule takes it."""

    items: Any
    extent: ast.Extent


class _Rules:
    """Builds `netspec.syntax.ast` while the parser reduces: one function for each rule of the grammar.

    Each gets the extent of the rule's tokens and its children without punctuation.
    """

    @staticmethod
    def start(extent: ast.Extent, items: list[Any]) -> tuple[ast.Indexed, ...]:
        return tuple(items)

    # expressions

    @staticmethod
    def variable(extent: ast.Extent, items: list[Word]) -> ast.Variable:
        return ast.Variable(str(items[0]), extent)

    @staticmethod
    def call(extent: ast.Extent, items: list[Any]) -> ast.Call:
        return ast.Call(str(items[0]), items[1].items, extent)

    @staticmethod
    def binary(extent: ast.Extent, items: list[Any]) -> ast.Binary:
        left, *operator, right = items
        return ast.Binary(str(operator[0]) if operator else "-", left, right, extent)

    comparison = sum = product = power = binary

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
    def indexed(extent: ast.Extent, items: list[Any]) -> ast.Indexed:
        return ast.Indexed(items[0], items[1], extent)

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

    stride = paren = repeat = base = value = else_ = range = width

    @staticmethod
    def head(extent: ast.Extent, items: list[Any]) -> ast.Head:
        word, width, stride, arguments, body = items
        given = arguments.items if arguments else ()
        return ast.Head(str(word), width, stride, given, body, word.extent, extent)

    @staticmethod
    def if_(extent: ast.Extent, items: list[Any]) -> ast.If:
        return ast.If(items[0], items[1], items[2], extent)

    @staticmethod
    def computed(extent: ast.Extent, items: list[Any]) -> ast.Head:
        # Arguments before the width are arguments: `conv(k)-64` gives the first, the kernel.
        word, before, width, stride, after, body = items
        given = before.items + (after.items if after else ())
        return ast.Head(str(word), width, stride, given, body, word.extent, extent)

    @staticmethod
    def strided(extent: ast.Extent, items: list[Any]) -> ast.Head:
        word, before, stride, after, body = items
        return _Rules.computed(extent, [word, before, None, stride, after, body])

    @staticmethod
    def for_(extent: ast.Extent, items: list[Any]) -> ast.For | ast.Recurrence:
        names, first, last, body = items
        variables = tuple(name for name, _ in names.items)
        if isinstance(first, ast.Reference) and last is None and len(variables) == 1:
            return ast.Recurrence(variables[0], first, body, extent)
        return ast.For(variables, first, last, body, extent)

    @staticmethod
    def training_head(extent: ast.Extent, items: list[Any]) -> ast.TrainingHead:
        given = items[1].items if items[1] else ()
        return ast.TrainingHead(str(items[0]), given, items[2], extent)

    @staticmethod
    def freeze(extent: ast.Extent, items: list[Any]) -> ast.Freeze:
        return ast.Freeze(items[0], extent)

    @staticmethod
    def every(extent: ast.Extent, items: list[Any]) -> ast.Every:
        return ast.Every(items[0], extent)

    @staticmethod
    def origin(extent: ast.Extent, items: list[Any]) -> _Group:
        return _Group(str(items[0]), items[0].extent)

    label = origin

    @staticmethod
    def given_name(extent: ast.Extent, items: list[_Group]) -> _Group:
        return items[0]

    @staticmethod
    def step(extent: ast.Extent, items: list[Any]) -> ast.Step:
        action, repeat, names = items
        if names is None:
            return ast.Step(action, repeat, None, None, extent)
        if len(names.items) > 1:
            return ast.Step(action, repeat, None, None, extent, names.items)
        name, named_at = names.items[0]
        return ast.Step(action, repeat, name, named_at, extent)

    @staticmethod
    def default(extent: ast.Extent, items: list[Any]) -> ast.Default:
        return ast.Default(str(items[0]), items[1].items, items[0].extent, extent)

    @staticmethod
    def broken(extent: ast.Extent, items: list[Any]) -> ast.Broken:
        return ast.Broken(extent)

    # declarations

    @staticmethod
    def parameter(extent: ast.Extent, items: list[Any]) -> ast.Parameter:
        return ast.Parameter(str(items[0]), items[1], extent)

    parameters = arguments

    @staticmethod
    def names(extent: ast.Extent, items: list[Word]) -> _Group:
        return _Group(tuple((str(item), item.extent) for item in items), extent)

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
        heading = (extent[0], name.extent[1])
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
    first: Any = None
    last: Any = None
    kept: list[Any] = []
    for child in children:
        if child is None:
            kept.append(None)
            continue
        last = child
        if first is None:
            first = child
        if child.__class__ is not Mark:
            kept.append(child)
    return build((0, 0) if first is None else (first.extent[0], last.extent[1]), kept)


class Reductions:
    """The rules and terminals as Lark calls them: with children only, or with the token."""

    def __init__(self) -> None:
        for name, build in vars(_Rules).items():
            if not name.startswith("__"):
                setattr(self, name, partial(_with_extent, build.__func__))

    @staticmethod
    def PLAIN(token: Word) -> ast.Step:
        """A step in the papers' shorthand: word, kernel, width, stride."""
        start, end = token.extent
        rest, _, stride = str(token).partition("/")
        word, _, width = rest.partition("-")
        word_end = start + len(word)
        head = ast.Head(
            word,
            _integer(width, word_end + 1) if width else None,
            _integer(stride, end - len(stride)) if stride else None,
            (),
            None,
            (start, word_end),
            token.extent,
        )
        return ast.Step(head, None, None, None, token.extent)

    @staticmethod
    def INT(token: Word) -> ast.Number:
        """An integer."""
        return _integer(token, token.extent[0])

    @staticmethod
    def FLOAT(token: Word) -> ast.Number:
        """A number with a point or an exponent."""
        return ast.Number(float(token), token.extent)

    @staticmethod
    def STRING(token: Word) -> ast.Text:
        """A text without its quotes."""
        return ast.Text(str(token)[1:-1], token.extent)

    @staticmethod
    def DIMS(token: Word) -> ast.Dims:
        """Sizes with `x` between: numbers and symbols."""
        parts = tuple(int(part) if part.isdigit() else part for part in token.split("x"))
        return ast.Dims(parts, token.extent)

    @staticmethod
    def REF(token: Word) -> ast.Reference:
        """A reference and its parts: `@a.b`."""
        return ast.Reference(tuple(token.removeprefix("@").split(".")), token.extent)


def _integer(digits: str, start: int) -> ast.Number:
    return ast.Number(int(digits), (start, start + len(digits)))
