"""Sizes that differ between the two examples: integers that write down what is computed of them."""

from __future__ import annotations

from typing import Any

from netspec.backends.torch.source.code import Bin, Code, Const, Neg


class Untold(Exception):
    """What cannot be written down."""


class Size(int):
    """A size that differs between the examples."""

    code: Code
    other: int

    @classmethod
    def made(cls, code: Code, first: int, other: int) -> Size:
        """A size with its value in either example."""
        found = cls(first)
        found.code, found.other = code, other
        return found


def _arithmetic(sign: str, name: str) -> None:
    """Gives sizes an operator that writes itself down."""
    plain = getattr(int, f"__{name}__")

    def method(self: Size, value: Any, turned: bool = False) -> Any:
        if not isinstance(value, int):
            return NotImplemented
        operands = (value, self) if turned else (self, value)
        found = tuple(plain(_in(operands[0], i), _in(operands[1], i)) for i in (0, 1))
        # Sizes that are multiplied by 1 or moved by 0 are themselves.
        if not isinstance(value, Size) and found == (int(self), self.other):
            return self
        return Size.made(Bin(sign, _code(operands[0]), _code(operands[1])), *found)

    setattr(Size, f"__{name}__", method)
    setattr(Size, f"__r{name}__", lambda self, value: method(self, value, turned=True))


def _comparison(name: str) -> None:
    """Gives sizes a comparison that is the same in both examples."""
    plain = getattr(int, f"__{name}__")

    def method(self: Size, value: Any) -> Any:
        if not isinstance(value, int):
            return NotImplemented
        found = [plain(_in(self, i), _in(value, i)) for i in (0, 1)]
        if found[0] != found[1]:
            raise Untold("what is computed depends on the size of the input")
        return found[0]

    setattr(Size, f"__{name}__", method)


for _sign, _name in {"+": "add", "-": "sub", "*": "mul", "//": "floordiv", "%": "mod"}.items():
    _arithmetic(_sign, _name)
for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    _comparison(_name)
Size.__hash__ = int.__hash__  # type: ignore[method-assign]
Size.__neg__ = lambda self: Size.made(Neg("-", self.code), -int(self), -self.other)  # type: ignore


def _in(value: int, example: int) -> int:
    return value.other if example and isinstance(value, Size) else int(value)


def _code(value: int) -> Code:
    return value.code if isinstance(value, Size) else Const(int(value))
