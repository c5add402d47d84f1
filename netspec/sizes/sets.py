"""Sets of sizes that repeat: what the conditions on one symbol allow, held and printed exactly."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from math import lcm

from netspec.foundation.records import record

# No set is written out over a longer period, nor up to a larger size: who makes one asks before.
LONGEST = 2**14


@record
class SizeSet:
    """The sizes in `early`, and from `start` on those whose remainder by `period` is a `residue`.

    `early` is in order and below `start`. Sets made by `periodic` are in the shortest form, so that
    equal sets are equal records.
    """

    early: tuple[int, ...]
    start: int
    period: int
    residues: frozenset[int]

    def __contains__(self, size: int) -> bool:
        if size >= self.start:
            return size % self.period in self.residues
        at = bisect_left(self.early, size)
        return at < len(self.early) and self.early[at] == size

    def __bool__(self) -> bool:
        return bool(self.early or self.residues)

    def __and__(self, other: SizeSet) -> SizeSet:
        late, soon = (self, other) if self.start >= other.start else (other, self)
        period = lcm(self.period, other.period)
        start, turns, residues, before = soon.start, soon.period, soon.residues, {*soon.early}
        early = [
            size
            for size in late.early
            if (size % turns in residues if size >= start else size in before)
        ]
        remainders = (
            turn + residue
            for turn in range(0, period, late.period)
            for residue in late.residues
            if (turn + residue) % soon.period in soon.residues
        )
        return periodic(early, late.start, period, remainders)

    def from_(self, least: int) -> Iterator[int]:
        """The members from `least` on, in order; without end unless the set is finite."""
        yield from self.early[bisect_left(self.early, least) :]
        ordered = sorted(self.residues)
        least = max(least, self.start)
        turn = least // self.period * self.period
        while ordered:
            yield from (turn + r for r in ordered if turn + r >= least)
            turn += self.period

    def above(self, size: int) -> int | None:
        """The smallest member above `size`."""
        return next(self.from_(size + 1), None)

    def below(self, size: int) -> int | None:
        """The largest member below `size`."""
        floor = max(self.start, size - self.period)
        for candidate in range(size - 1, floor - 1, -1):
            if candidate % self.period in self.residues:
                return candidate
        at = bisect_left(self.early, size)
        return self.early[at - 1] if at else None

    def describe(self, name: str) -> str:
        """The set as a predicate of `name`: `H = 0 mod 32`, `H = 4 or H >= 6`."""
        parts = []
        if self.early:
            parts.append(f"{name} = {_listed(_runs(self.early))}")
        if self.residues:
            parts.append(self._tail(name))
        return " or ".join(parts) if parts else f"no {name}"

    def _tail(self, name: str) -> str:
        first = next(self.from_(self.start))
        if self.period == 1:
            return f"{name} >= {first}"
        pattern = min(self._patterns(name), key=len)
        implied = not any(size % self.period in self.residues for size in range(1, first))
        return pattern if implied else f"{pattern}, {name} >= {first}"

    def _patterns(self, name: str) -> Iterator[str]:
        """The remainders as a predicate, of the size itself and of its quotients rounded."""
        yield _modulo(name, self.residues, self.period)
        for block in range(2, self.period // 2 + 1):
            if self.period % block:
                continue
            # Where blocks of equal remainders start, if there are any: at a change.
            starts = (r for r in self.residues if (r - 1) % self.period not in self.residues)
            shift = -next(starts) % block
            inside = {(r + shift) // block % (self.period // block) for r in self.residues}
            if len(inside) * block == len(self.residues):
                yield _modulo(_quotient(name, shift, block), inside, self.period // block)


def _quotient(name: str, shift: int, block: int) -> str:
    if not shift:
        return f"floor({name}/{block})"
    if shift == block - 1:
        return f"ceil({name}/{block})"
    return f"floor(({name} + {shift})/{block})"


def _modulo(what: str, residues: Iterable[int], period: int) -> str:
    ordered = sorted(residues)
    if period == 2:
        return f"{what} {'odd' if ordered[0] else 'even'}"
    return f"{what} = {_listed(_runs(ordered))} mod {period}"


def _runs(ordered: Iterable[int]) -> list[str]:
    """`1`, `4..7`: neighbours as one."""
    runs: list[list[int]] = []
    for size in ordered:
        if runs and runs[-1][-1] == size - 1:
            runs[-1][1:] = [size]
        else:
            runs.append([size])
    return ["..".join(map(str, run)) for run in runs]


def _listed(texts: list[str]) -> str:
    *first, last = texts
    return f"{', '.join(first)} or {last}" if first else last


def periodic(early: Iterable[int], start: int, period: int, residues: Iterable[int]) -> SizeSet:
    """The set in its shortest form: the least period, then the least start."""
    kept, before = frozenset(residues), sorted(early)
    if not kept:
        return SizeSet(tuple(before), before[-1] + 1 if before else 1, 1, kept)
    for shorter in range(1, period // 2 + 1):
        if period % shorter == 0 and all((r + shorter) % period in kept for r in kept):
            kept, period = frozenset(r % shorter for r in kept), shorter
            break
    while start > 1:
        last = bool(before) and before[-1] == start - 1
        if last != ((start - 1) % period in kept):
            break
        before[len(before) - last :] = []
        start -= 1
    return SizeSet(tuple(before), start, period, kept)


def from_zero(difference: Callable[[int], int], period: int, rise: int) -> SizeSet:
    """The sizes of which a difference is 0, that grows by `rise` in each `period`."""
    values = [(size, difference(size)) for size in range(1, period + 1)]
    if not rise:
        return periodic((), 1, period, (size % period for size, value in values if not value))
    found = (
        size - value // rise * period
        for size, value in values
        if value % rise == 0 and value // rise <= 0
    )
    return periodic(found, 1, 1, ())


def from_bound(difference: Callable[[int], int], period: int, rise: int) -> SizeSet | None:
    """The sizes of which a difference is 0 or more, that grows by `rise` in each `period`.

    None where an upper bound lies beyond what is written out.
    """
    values = [(size, difference(size)) for size in range(1, period + 1)]
    if not rise:
        return periodic((), 1, period, (size % period for size, value in values if value >= 0))
    if rise < 0:
        ends = [(size, size + value // -rise * period) for size, value in values if value >= 0]
        if any(end > LONGEST for _, end in ends):
            return None
        return periodic((n for size, end in ends for n in range(size, end + 1, period)), 1, 1, ())
    # From where on each remainder is in the set.
    firsts = [size + max(0, -(value // rise)) * period for size, value in values]
    start = max(firsts) - period + 1
    if sum((start - first) // period for first in firsts) > LONGEST:
        return None
    early = (n for first in firsts for n in range(first, start, period))
    return periodic(early, max(start, 1), period, range(period))
