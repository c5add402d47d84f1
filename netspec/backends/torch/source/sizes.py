"""Sizes that differ between the two examples: they write down what is computed of them."""

from __future__ import annotations

from typing import Any

from netspec.backends.torch.source.code import Bin, Code, Const, Neg


class Untold(Exception):
    """What cannot be written down."""


_DEPENDS = "what is computed depends on the size of the input"


class Size:
    """A size that differs between the examples.

    It is no `int`: what would take the one example's number for it, as `int`, `range` and arithmetic
    with fractions do, raises Untold. Rules of shapes, which tell numbers from formulas, take it for one.
    """

    __slots__ = ("code", "values")

    def __init__(self, code: Code, first: int, other: int) -> None:
        self.code, self.values = code, (first, other)

    @property  # type: ignore[misc]
    def __class__(self) -> type[int]:  # type: ignore[override]
        return int

    def __hash__(self) -> int:
        return hash(self.values)

    def __neg__(self) -> Size:
        return Size(Neg("-", self.code), *(-value for value in self.values))


def in_example(value: int | Size, example: int) -> int:
    """The number that a size is in the first (0) or the second example (1)."""
    return value.values[example] if isinstance(value, Size) else value


def _arithmetic(sign: str, name: str) -> None:
    """Gives sizes an operator that writes itself down."""
    plain = getattr(int, f"__{name}__")

    def method(self: Size, value: Any, turned: bool = False) -> Any:
        if isinstance(value, float):
            raise Untold(_DEPENDS)
        if not isinstance(value, int | Size):
            return NotImplemented
        operands = (value, self) if turned else (self, value)
        found = [plain(in_example(operands[0], i), in_example(operands[1], i)) for i in (0, 1)]
        # Sizes that are multiplied by 1 or moved by 0 are themselves.
        if not isinstance(value, Size) and tuple(found) == self.values:
            return self
        return Size(Bin(sign, _code(operands[0]), _code(operands[1])), *found)

    setattr(Size, f"__{name}__", method)
    setattr(Size, f"__r{name}__", lambda self, value: method(self, value, turned=True))


def _comparison(name: str) -> None:
    """Gives sizes a comparison that is the same in both examples."""
    plain = getattr(int, f"__{name}__")

    def method(self: Size, value: Any) -> Any:
        if not isinstance(value, int | Size):
            return NotImplemented
        found = [plain(in_example(self, i), in_example(value, i)) for i in (0, 1)]
        if found[0] != found[1]:
            raise Untold(_DEPENDS)
        return found[0]

    setattr(Size, f"__{name}__", method)


def _untold(name: str) -> None:
    """Has sizes refuse what would make a plain number of them."""

    def method(self: Size, *_others: Any) -> Any:
        raise Untold(_DEPENDS)

    setattr(Size, f"__{name}__", method)


for _sign, _name in {"+": "add", "-": "sub", "*": "mul", "//": "floordiv", "%": "mod"}.items():
    _arithmetic(_sign, _name)
for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    _comparison(_name)
for _name in ("int", "float", "index", "bool", "round", "truediv", "rtruediv", "pow", "rpow"):
    _untold(_name)


def _code(value: int | Size) -> Code:
    return value.code if isinstance(value, Size) else Const(value)
