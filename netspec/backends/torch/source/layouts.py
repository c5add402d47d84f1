"""Channels are put last for a layer and first again behind it: between two such layers they stay last."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from netspec.backends.torch.source.code import (
    Bin,
    Code,
    Const,
    Fn,
    Get,
    Neg,
    Slot,
    Text,
    mapped,
    slots,
)
from netspec.backends.torch.source.templates import Part
from netspec.backends.torch.source.trace import Line

_LAST, _FIRST = (Const(1), Const(-1)), (Const(-1), Const(1))
# What is computed of each element by itself, to the same bits however elements lie in memory: torch's GELU is
# another one for tensors in one piece.
_FUNCTIONS = frozenset(
    """
    F.relu F.relu6 F.silu F.selu F.elu F.celu F.mish F.hardswish F.hardsigmoid F.hardtanh F.leaky_relu
    F.softplus F.softsign torch.sigmoid torch.tanh torch.exp torch.sqrt torch.square torch.abs
    """.split()
)
_SIGNS = frozenset("+-*/")


def channels_last(parts: Sequence[Part], returns: Sequence[int]) -> list[Part]:
    """The parts without turns that undo each other: for elements alone it does not matter where they stand.

    What is turned twice in the same way is turned once.
    """
    kept = _Kept(parts, returns)
    same = dict(kept.instead())
    found = []
    for part in parts:
        lines = tuple(
            replace(line, code=_named(line.code, same))
            for line in part.lines
            if line.gives[0] not in same
        )
        if lines or part.made is not None:
            found.append(replace(part, lines=lines))
    return _once(found)


class _Kept:
    """Which values stay with their channels last: all that read them are layers that want them so."""

    def __init__(self, parts: Sequence[Part], returns: Sequence[int]) -> None:
        self._lines = [(part, line) for part in parts for line in part.lines]
        self._plain = {
            line.gives[0]: line.code
            for part, line in self._lines
            if len(line.gives) == 1 and not part.guarded and part.span is None
        }
        turned = {slot for slot, code in self._plain.items() if _turned(code, _FIRST) is not None}
        self.kept = set(turned)
        for slot, code in self._plain.items():
            if operands(code) and self.kept.issuperset(operands(code)):
                self.kept.add(slot)
        self._drop(set(returns))

    def _drop(self, left: set[int]) -> None:
        """Leaves out what something else reads, and what is computed with it."""
        while left:
            self.kept -= left
            left = set()
            for _, line in self._lines:
                inside = line.gives[0] in self.kept and bool(operands(line.code))
                if not inside and _turned(self._code(line), _LAST) is None:
                    left |= self.kept.intersection(slots(line.code))
                elif inside and not self.kept.issuperset(operands(line.code)):
                    left.add(line.gives[0])

    def _code(self, line: Line) -> Code:
        return self._plain.get(line.gives[0], Text(""))

    def instead(self) -> Iterator[tuple[int, int]]:
        """Each value that is only turned, and the one that it is."""
        for slot, code in self._plain.items():
            for axes, held in ((_FIRST, slot), (_LAST, _turned(code, _LAST))):
                value = _turned(code, axes)
                if value is not None and held in self.kept:
                    yield slot, value


def operands(code: Code) -> tuple[int, ...]:
    """The tensors that a value is computed of, each element by itself; none of what is computed otherwise."""
    match code:
        case Fn(Text(name), (Slot(index), *rest)) if name in _FUNCTIONS:
            return (index,) if all(isinstance(value, Const) for value in rest) else ()
        case Bin(sign, left, right) if sign in _SIGNS:
            sides = [side for side in (left, right) if not isinstance(side, Const)]
            found = tuple(side.index for side in sides if isinstance(side, Slot))
            return found if len(found) == len(sides) else ()
        case Neg("-", Slot(index)):
            return (index,)
    return ()


def _turned(code: Code, axes: tuple[Const, Const]) -> int | None:
    match code:
        case Fn(Get(Slot(index), "movedim"), args, ()) if args == axes:
            return index
    return None


def _named(code: Code, same: dict[int, int]) -> Code:
    def change(part: Code) -> Code | None:
        if not isinstance(part, Slot):
            return None
        index = part.index
        while index in same:
            index = same[index]
        return Slot(index)

    return mapped(code, change)


def _once(parts: Sequence[Part]) -> list[Part]:
    """The parts, each tensor turned once where channels are put last."""
    known: dict[int, int] = {}
    same: dict[int, int] = {}
    found = []
    for part in parts:
        lines = []
        for line in part.lines:
            code = _named(line.code, same)
            value = _turned(code, _LAST)
            if value is not None and value in known:
                same[line.gives[0]] = known[value]
                continue
            if value is not None and not part.guarded:
                known[value] = line.gives[0]
            lines.append(replace(line, code=code))
        if lines or part.made is not None:
            found.append(replace(part, lines=tuple(lines)))
    return found
