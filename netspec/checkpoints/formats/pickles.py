"""What reading a pickle would cost, told from its opcodes before anything is made of them.

Values can be named again, so a few bytes can nest tuples that take ages to hash (`t = (t, t)`), or
make a long list over and over. PyTorch's own reader lets nothing run, but does not bound that.
"""

from __future__ import annotations

import pickletools
from typing import Any

# A longer one is not looked at.
LONGEST = 2**24
# Elements that may be looked at, for each byte of the pickle and at least. A tensor's entry has about one.
_EACH, _LEAST = 4, 2**20
# What an integer of more than 64 bits counts as: many of them can be made to have one hash.
_LARGE = 100
# Characters that count as one element, and those of the longest name that a tensor's parts have.
_TEXT, _LONGEST_NAME = 64, 200
# Opcodes that fill what is there, and those whose result hides what it was made of.
_FILLED = frozenset({"APPEND", "APPENDS", "SETITEM", "SETITEMS", "ADDITEMS", "BUILD"})
_MADE = frozenset({"REDUCE", "NEWOBJ", "BINPERSID"})
# Callables that fill as much memory as a number says.
_FILLING = ("bytearray",)


class Costly(Exception):
    """A pickle that costs more to read than its length can account for."""


class _Item:
    """Something on the stack: how many elements it has, those of what it holds counted again."""

    __slots__ = ("is_global", "size")

    def __init__(self, size: int = 1, is_global: bool = False) -> None:
        self.size = size
        self.is_global = is_global


def check_cost(pickled: bytes) -> None:
    """Raises Costly for a pickle whose reading is not bounded by its length."""
    budget = _EACH * len(pickled) + _LEAST
    stack: list[_Item] = []
    marks: list[int] = []
    memo: dict[int, _Item] = {}
    argument: Any
    for opcode, argument, _ in pickletools.genops(pickled):
        name = opcode.name
        if name == "GLOBAL" and (argument.endswith(_FILLING) or len(argument) > _LONGEST_NAME):
            raise Costly(f"it holds a `{argument[:100].split()[-1]}`, which no tensor needs")
        if name in ("PUT", "BINPUT", "LONG_BINPUT"):
            memo[argument] = stack[-1]
        elif name == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif name == "MARK":
            marks.append(len(stack))
        else:
            budget -= _step(opcode, argument, stack, marks)
        if budget < 0:
            raise Costly("what it nests would take too long to read")


def _step(opcode: Any, argument: Any, stack: list[_Item], marks: list[int]) -> int:
    """Takes from the stack what the opcode takes and puts there what it makes; its cost."""
    before = opcode.stack_before
    fixed = len(before)
    items: list[_Item] = []
    if pickletools.markobject in before:
        fixed = before.index(pickletools.markobject)
        start = marks.pop()
        items = stack[start:]
        del stack[start:]
    taken = stack[len(stack) - fixed :]
    del stack[len(stack) - fixed :]
    items = [*taken, *items]
    size = sum(item.size for item in items)
    # Such mistakes PyTorch would show whole, and look for words in them for hours.
    if opcode.name in ("REDUCE", "NEWOBJ") and not items[0].is_global:
        raise Costly("it calls what it has not named")
    if opcode.name == "BINPERSID" and size > _LARGE:
        raise Costly("it names a storage at length")
    if opcode.name in _FILLED:
        # The same object, now larger: what named it before names it still.
        more = size - items[0].size
        items[0].size = size
        stack.append(items[0])
        return 1 + more
    if opcode.name in _MADE:
        size_after = 1
    elif isinstance(argument, (str, bytes)):
        size_after = 1 + len(argument) // _TEXT
    elif isinstance(argument, int) and argument.bit_length() > 64:
        size_after = _LARGE
    else:
        size_after = 1 + size
    named = opcode.name == "GLOBAL"
    stack.extend(_Item(size_after, named) for _ in opcode.stack_after)
    return 1 + size
