"""Expressions: compile-time arithmetic on parameters, indices and what flows in."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from netspec.diagnostics.messages.names import (
    BadArithmetic,
    BadCondition,
    NoItem,
    UnevenItem,
    UnknownName,
)
from netspec.diagnostics.raised import Rejection
from netspec.ops.declare.values import Layer, Name, show
from netspec.sizes.dims import Formula, ratio
from netspec.sizes.shapes import TensorType, strides
from netspec.syntax import ast
from netspec.syntax.words import WORDS

_LIMIT = 10**18
# A layer with a kernel of three axes that is given whole: (outputs, inputs, depth, height, width).
_NESTED = 6
# And so many numbers, layers' arguments counted in.
_LISTED = 2**12
# A formula over symbols stays short: this many terms and factors.
_TERMS = 32


class UnknownWord(Rejection):
    """A word stands where a number is needed: a name that nobody gave."""

    def __init__(self, word: Name) -> None:
        super().__init__(UnknownName(word.text))
        self.word = word


class Values(Protocol):
    """What an expression can see."""

    def variable(self, node: ast.Variable) -> Any:
        """The value of a parameter, index or size; a Name for any other word."""

    def reference(self, node: ast.Reference) -> Any:
        """The tensors, or a size of the tensor, that `@name` stands for."""

    def tensor(self, value: Any) -> TensorType | None:
        """The type of the tensor that a reference stands for; None for any other value."""

    def stride_told(self, tensors: Sequence[Any]) -> None:
        """Takes note that the stride from one tensor to another was told, whatever their types."""

    def is_size(self, word: str) -> bool:
        """Whether a word is a size of what flows in, and no parameter."""

    def names_step(self, word: str) -> bool:
        """Whether a word is the name of a step, which is read with `@`."""

    def unit_of_names(self) -> Any:
        """What a name is looked up in later, if it turns out to be a layer's."""


def _ratio(large: Any, small: Any) -> Any:
    """The stride between two sizes, or between two tensors whatever their rank."""
    if isinstance(large, TensorType) and isinstance(small, TensorType):
        if len(large.shape) != len(small.shape):
            reason = "the tensors have different numbers of axes"
            raise Rejection(BadArithmetic(f"ratio({large}, {small})", reason))
        return strides(large, small)
    sizes = [int(x) if isinstance(x, float) and x.is_integer() else x for x in (large, small)]
    if not all(isinstance(size, int | Formula) for size in sizes):
        raise TypeError
    return ratio(*sizes)


def multiple(value: float, divisor: int = 8) -> int:
    """The multiple of `divisor` nearest to `value`, never more than 10 % below it.

    MobileNetV2's rule for widths (`_make_divisible` in the published code).
    """
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": abs,
    "ceil": math.ceil,
    "floor": math.floor,
    "int": int,
    "len": len,
    "log2": math.log2,
    "max": max,
    "min": min,
    "multiple": multiple,
    "ratio": _ratio,
    "round": round,
    "round8": multiple,
    "sqrt": math.sqrt,
}

_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def evaluate(node: ast.Expression, values: Values) -> Any:
    """The value of an expression; raises Rejection where it has none."""
    match node:
        case ast.Number() | ast.Text():
            return node.value
        case ast.Variable():
            return WORDS[node.name] if node.name in WORDS else values.variable(node)
        case ast.Binary():
            return _binary(node, values)
        case ast.Unary():
            operand = evaluate(node.operand, values)
            if node.operator == "not":
                return not truth(operand)
            return _number(-_operand(operand, "-"), lambda: "-")
        case ast.Choose():
            chosen = node.then if truth(evaluate(node.condition, values)) else node.otherwise
            return evaluate(chosen, values)
        case ast.Sequence():
            # Most items of a long list are numbers.
            return _flat(
                tuple(
                    item.value if type(item) is ast.Number else evaluate(item, values)
                    for item in node.items
                )
            )
        case ast.Indexed():
            return _item(evaluate(node.of, values), evaluate(node.index, values))
        case ast.Dims():
            return tuple(_dims_part(part, node, values) for part in node.parts)
        case ast.Reference():
            return values.reference(node)
        case ast.Call():
            return _call(node, values)


def _item(listed: Any, index: Any) -> Any:
    """One item of a list; raises Rejection where it is none or has none there."""
    if isinstance(listed, Name):
        raise UnknownWord(listed)
    if not isinstance(listed, tuple):
        raise Rejection(NoItem(show(listed), "is no list", show(index)))
    at = integral(_operand(index, "[]"))
    if not isinstance(at, int) or not -len(listed) <= at < len(listed):
        has = f"has items 0 to {len(listed) - 1}" if listed else "has no items"
        raise Rejection(NoItem(show(listed), has, show(at)))
    return listed[at]


def integral(value: Any) -> Any:
    """The value, a float that is whole as an integer: division gives floats.

    One beyond the digits of an integer stays, and is none for whoever needs one.
    """
    whole = isinstance(value, float) and value.is_integer() and abs(value) <= _LIMIT
    return int(value) if whole else value


def over(loop: ast.For, given: Any) -> dict[str, Any]:
    """The names of a loop and what each stands for in one pass; raises Rejection."""
    names = loop.variables
    if len(names) == 1:
        return {names[0]: given}
    if not isinstance(given, tuple) or len(given) != len(names):
        raise Rejection(UnevenItem(len(names), show(given)))
    return dict(zip(names, given, strict=True))


def truth(value: Any) -> bool:
    """The value as a condition; raises Rejection unless it is yes or no."""
    if not isinstance(value, bool):
        raise Rejection(BadCondition(show(value)))
    return value


def _dims_part(part: int | str, node: ast.Dims, values: Values) -> Any:
    return part if isinstance(part, int) else values.variable(ast.Variable(part, node.extent))


def _flat(value: tuple[Any, ...]) -> tuple[Any, ...]:
    """The list, unless it is too long or deep: its length could double with every block call."""
    level: list[Any] = [value]
    for _ in range(_NESTED):
        if not {tuple, Layer} & set(map(type, level)):
            return value
        inner: list[Any] = []
        for item in level:
            if isinstance(item, Layer):
                inner += (*item.positional, *(given for _, given in item.named))
            elif isinstance(item, tuple):
                inner += item
            if len(inner) > _LISTED:
                reason = f"lists and layers hold at most {_LISTED:,} values"
                raise Rejection(BadArithmetic("a list or layer", reason))
        level = inner
    if {tuple, Layer} & set(map(type, level)):
        reason = f"lists and layers nest at most {_NESTED} deep"
        raise Rejection(BadArithmetic("a list or layer", reason))
    return value


def _binary(node: ast.Binary, values: Values) -> Any:
    left = evaluate(node.left, values)
    if node.operator in ("and", "or"):
        if truth(left) == (node.operator == "or"):
            return left
        return truth(evaluate(node.right, values))
    right = evaluate(node.right, values)
    for word, at, other, beside in (
        (left, node.left, right, node.right),
        (right, node.right, left, node.left),
    ):
        if isinstance(word, Name) and isinstance(other, int | float | Formula):
            # Never equal: a size of the step was meant, or a word that is misspelt.
            written = isinstance(at, ast.Variable) and at.name == word.text
            if values.names_step(word.text) or (written and _is_number(beside, values)):
                raise UnknownWord(word)
    if node.operator == "==":
        return bool(left == right)
    if node.operator == "!=":
        return bool(left != right)
    left, right = _operand(left, node.operator), _operand(right, node.operator)

    def text() -> str:  # worked out for messages alone
        return f"{_shown(left)} {node.operator} {_shown(right)}"

    if node.operator == "**":
        return _number(_power(left, right, text), text)
    try:
        if isinstance(left, Formula) and isinstance(right, Formula) and node.operator == "*":
            _bounded(left, right)
        result = _OPERATORS[node.operator](left, right)
    except TypeError:
        reason = "sizes that are symbols can be added, multiplied and floor-divided only"
        raise Rejection(BadArithmetic(text(), reason)) from None
    except ArithmeticError as error:
        raise Rejection(BadArithmetic(text(), _reason(error))) from None
    return result if isinstance(result, bool) else _number(result, text)


def _is_number(node: ast.Expression, values: Values) -> bool:
    """Whether an expression is a number whatever a net is given: no parameter, which may be a word."""
    match node:
        case ast.Number() | ast.Binary() | ast.Unary():
            return True
        case ast.Call():
            return node.name in FUNCTIONS
        case ast.Reference():
            return len(node.parts) > 1
        case ast.Variable():
            return values.is_size(node.name)
    return False


def _bounded(left: Formula, right: Formula) -> None:
    degree = sum(max(len(factors) for factors, _ in side.terms) for side in (left, right))
    if degree > 4 or len(left.terms) * len(right.terms) > _TERMS:
        raise Rejection(BadArithmetic("a product of sizes", "the formula gets too long"))


def _operand(value: Any, sign: str) -> Any:
    if isinstance(value, Name):
        raise UnknownWord(value)
    if isinstance(value, bool) or not isinstance(value, int | float | Formula):
        raise Rejection(BadArithmetic(show(value), no_function(value) or f"`{sign}` needs numbers"))
    return value


def no_function(value: Any) -> str:
    """What is said of a call where a number is needed: no function has its name, so it is a layer."""
    if not isinstance(value, Layer):
        return ""
    return f"`{value.name}` is none of the functions: {', '.join(FUNCTIONS)}"


def _shown(value: Any) -> str:
    """A number as it stands beside a sign."""
    text = show(value)
    return f"({text})" if text.startswith("-") else text


def _power(base: Any, exponent: Any, text: Callable[[], str]) -> Any:
    if isinstance(base, Formula) or isinstance(exponent, Formula):
        raise Rejection(BadArithmetic(text(), "powers need numbers"))
    if abs(exponent) > 64:
        raise Rejection(BadArithmetic(text(), "exponents go from -64 to 64"))
    if base == 0 and exponent < 0:
        raise Rejection(BadArithmetic(text(), "division by zero"))
    if base < 0 and exponent != int(exponent):
        raise Rejection(BadArithmetic(text(), "the result is not a number"))
    if abs(base) > 1 and math.log(abs(base)) * exponent > 42:
        raise Rejection(BadArithmetic(text(), "the result is too large"))
    return base**exponent


def _number(value: Any, text: Callable[[], str]) -> Any:
    if isinstance(value, Formula):
        if len(value.terms) > _TERMS or any(abs(c) > _LIMIT for _, c in value.terms):
            raise Rejection(BadArithmetic("a sum of sizes", "the formula gets too long"))
        return value
    if isinstance(value, float) and not math.isfinite(value):
        raise Rejection(BadArithmetic(text(), "the result is not finite"))
    if abs(value) > _LIMIT:
        raise Rejection(BadArithmetic(text(), "the result has more than 18 digits"))
    return value


def _call(node: ast.Call, values: Values) -> Any:
    """A function's value, or a layer given as a value."""
    positional = [evaluate(a.value, values) for a in node.arguments if a.name is None]
    named = [(a.name, evaluate(a.value, values)) for a in node.arguments if a.name is not None]
    function = FUNCTIONS.get(node.name)
    if function is None:
        _flat((*positional, *(value for _, value in named)))
        return Layer(node.name, tuple(positional), tuple(named), values.unit_of_names())

    def text() -> str:
        return show(Layer(node.name, tuple(positional), tuple(named)))

    try:
        given = [_argument(node.name, value, values) for value in positional]
        keywords = {str(k): _argument(node.name, value, values) for k, value in named}
        result = function(*given, **keywords)
        if node.name == "ratio":
            values.stride_told(positional)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError, AssertionError) as error:
        raise Rejection(BadArithmetic(text(), _reason(error))) from None
    return result if isinstance(result, tuple) else _number(result, text)


def _argument(function: str, value: Any, values: Values) -> Any:
    """What a function takes: numbers, `ratio` tensors too, and `len` a list alone."""
    if function == "len" and not isinstance(value, Name):
        if not isinstance(value, tuple):
            raise Rejection(BadArithmetic(show(value), "`len` needs a list"))
        return value
    tensor = values.tensor(value) if function == "ratio" else None
    return tensor or _operand(value, function)


def _reason(error: Exception) -> str:
    if isinstance(error, ZeroDivisionError):
        return "division by zero"
    if isinstance(error, TypeError):
        return "it does not take these values"
    return "the value is outside the function's range"
