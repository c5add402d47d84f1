"""Which loops things run in, read off what reads what: for nodes of a net as for those of a file."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Generic, NamedTuple, TypeVar

_Loop = TypeVar("_Loop", bound=Hashable)


class Part(NamedTuple, Generic[_Loop]):
    """What a node reads and makes, and the loop that it begins or ends, which it does not run in itself."""

    reads: Iterable[Hashable]
    makes: Iterable[Hashable]
    begins: _Loop | None
    ends: _Loop | None


def nested(parts: Sequence[Part[_Loop]]) -> list[tuple[_Loop, ...]]:
    """The loops that each of some parts, in order, runs in, outermost first.

    A part runs in a loop if it follows from what begins it. A loop runs in another, which begins before it,
    if anything of it follows from what begins that one, its first step or not.
    """
    begun = dict.fromkeys(part.begins for part in parts if part.begins is not None)
    if not begun:
        return [()] * len(parts)
    order = {loop: i for i, loop in enumerate(begun)}
    around: dict[_Loop, frozenset[_Loop]] = dict.fromkeys(begun, frozenset())

    def hold(loops: Iterable[_Loop], within: frozenset[_Loop]) -> None:
        for loop in loops:
            outer = {other for other in within if order[other] < order[loop]}
            around[loop] |= outer

    # What runs early in a loop may not tell yet that it runs in another.
    while True:
        known, found = dict(around), []
        inside: dict[Hashable, frozenset[_Loop]] = {}
        for part in parts:
            within = frozenset[_Loop]().union(*(inside.get(one, ()) for one in part.reads))
            loop = part.begins if part.begins is not None else part.ends
            if loop is not None:
                hold((loop,), within)
                within = around[loop]
            elif within:
                within = within.union(*map(around.__getitem__, within))
                hold(within, within)
            found.append(within)
            made = within if part.begins is None else within | {part.begins}
            if made:
                inside.update(dict.fromkeys(part.makes, made))
        if known == around:
            return [tuple(sorted(within, key=order.__getitem__)) for within in found]
