"""Which pictures of a page lead on: none is kept in which a block is shown that cannot open or close.

There is room for so many pictures only, and the search for them ends somewhere: the last ones may show
blocks whose next picture is not there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from netspec.draw.formats.states import ALL, Signs, State


def leading_on(states: Sequence[State]) -> list[State]:
    """The states without those of dead ends; the first, and that in which all is closed, stay."""
    kept = list(states)
    while True:
        held = [state.open for state in kept]
        dead = [s for s in kept[1:] if s.open and any(_ends(s.open, n, held) for n in s.names)]
        if not dead:
            return kept
        gone = {state.open for state in dead}
        kept = [state for state in kept if state.open not in gone]


def _ends(opened: Signs, name: str, held: Iterable[Signs]) -> bool:
    """Whether to open or close all blocks of a name leads nowhere: what else is open may close."""
    sign = ALL + name
    wanted = opened ^ {sign}
    return not any(o <= wanted and (sign in o) == (sign in wanted) for o in held)
