"""In which order the resolutions of several nets follow each other."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, prod


def ordered(sequences: Sequence[Sequence[str]]) -> list[str] | None:
    """One order of all names in which each sequence is in its own; None where there is none.

    Where the sequences leave it open, larger resolutions come first, vectors last.

    >>> ordered([["8×8", "4×4"], ["16×16", "8×8", ""]])
    ['16×16', '8×8', '4×4', '']
    """
    after: dict[str, set[str]] = {name: set() for names in sequences for name in names}
    for names in sequences:
        for i, name in enumerate(names):
            after[name] |= {*names[:i]}
    found: list[str] = []
    while after:
        free = [name for name, others in after.items() if not others]
        if not free:
            return None
        name = min(free, key=lambda name: (-_area(name), name == "", name))
        found.append(name)
        del after[name]
        for others in after.values():
            others.discard(name)
    return found


def _area(name: str) -> float:
    """The elements of a resolution; vectors have none, sizes that are formulas come first."""
    if not name:
        return 0.0
    parts = name.split("×")
    return float(prod(map(int, parts))) if all(p.isdigit() for p in parts) else inf
