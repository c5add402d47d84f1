"""Which of a file's clues can be kept for a net, taken together: the strongest first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice

from netspec.checkpoints.names import is_number
from netspec.checkpoints.structure.clues import LEVELS, Clue
from netspec.checkpoints.structure.forest import Forest, Part
from netspec.checkpoints.structure.search import Arrangement, Budget, Search

# How many arrangements of one function are looked at for one of another.
SAME = 64


class Evidence:
    """The clues of a file, held against a net.

    `mapped` is what a map says, which every search keeps, and `is_same` tells functions apart.
    `unclear` are clues that no search came to an end with.
    """

    def __init__(
        self,
        forest: Forest,
        clues: list[Clue],
        mapped: Sequence[Clue],
        budget: Budget,
        is_same: Callable[[Arrangement, Arrangement], bool],
    ) -> None:
        self._forest, self._budget, self._is_same = forest, budget, is_same
        self._mapped, self.clues = tuple(mapped), clues
        self.unclear: list[Clue] = []
        self._together = {part for part in forest.parts if self._is_stretch(part)}

    def _is_stretch(self, part: Part) -> bool:
        """Whether a group may be one stretch of the net: not a list of norms, nor another beside it."""
        if not part.children or part is self._forest.root:
            return False
        beside = part.parent.children if part.parent is not None else []
        if _is_listed(part) or (any(map(_is_listed, beside)) and _is_list(part)):
            return False
        return any(self._forest.fits(part, start) for start in range(len(self._forest.layers)))

    def kept(self) -> tuple[Arrangement | None, list[Clue]]:
        """An arrangement that keeps what clues can be kept, and those clues.

        Stronger clues come first, and of numbers those of outer groups. Clues that can be kept one by
        one and not together leave nothing.
        """
        first = self.first(self.clues)
        if first is not None:
            return first, self.clues
        if self.first(()) is None:
            self._loosen()
            first = self.first(self.clues)
            if first is not None:
                return first, self.clues
        kept: list[Clue] = []
        first = self.first(())
        for level in LEVELS:
            if first is None or self._is_only(first, kept):
                break
            first = self._keep(level, kept) or first
            if level == "numbers" and (torn := self._torn(kept)):
                self._together -= torn
                return self.kept()
        return first, kept

    def _torn(self, kept: Sequence[Clue]) -> set[Part]:
        """Groups for which alone numbers run against the data: those around and inside what they
        count, where they are held to be one stretch.
        """
        held = {clue.kind for clue in kept}
        for clue in self.clues:
            weaker = clue.weaker()
            if clue.level != "numbers" or weaker is None:
                continue
            if clue.kind not in held and weaker.kind not in held:
                torn = {part for part in self._together if _is_along(part.kind, clue.group)}
                search = self._searching([weaker], self._together - torn, symmetric=True)
                if torn and next(search.solutions(), None) is not None:
                    return torn
        return set()

    def _keep(self, level: str, kept: list[Clue]) -> Arrangement | None:
        """Adds what can be kept of a level; an arrangement of it. Numbers of outer groups come first."""
        first = None
        batches: dict[int, list[Clue]] = {}
        for clue in self.clues:
            if clue.level == level:
                batches.setdefault(clue.depth if level == "numbers" else 0, []).append(clue)
        against: list[Clue] = []
        for _, clues in sorted(batches.items()):
            # Where numbers run against the data, those inside do not say that theirs run with it.
            asked = [_weakened(clue, against) for clue in clues] if against else clues
            able = _consistent(level, clues, self._able(kept, asked))
            if level == "numbers":
                against += [clue for clue in clues if not _is_left(clue, able)]
            tried = self.first([*kept, *able])
            if tried is not None:
                kept += able
                first = tried
            else:
                self.unclear += able
        return first

    def _is_only(self, first: Arrangement, kept: Sequence[Clue]) -> bool:
        """Whether clues leave one arrangement: weaker ones are then not asked."""
        search = self.search(kept)
        found = islice(search.solutions(), SAME)
        return all(self._is_same(other, first) for other in found) and search.ended

    def _able(self, kept: list[Clue], clues: list[Clue]) -> list[Clue]:
        """Those of the clues, or what is left of them, that can be kept beside the stronger ones."""
        if not clues or self.first([*kept, *clues]) is not None:
            return clues
        if len(clues) > 1:
            half = len(clues) // 2
            return self._able(kept, clues[:half]) + self._able(kept, clues[half:])
        weaker = clues[0].weaker()
        return self._able(kept, [weaker]) if weaker is not None else []

    def _loosen(self) -> None:
        """Groups that cannot be one stretch of the net are not held to be one."""
        kinds: dict[tuple[str, ...], list[Part]] = {}
        for part in self._together:
            kinds.setdefault(part.kind, []).append(part)
        able: set[Part] = set()
        for kind in sorted(kinds, key=lambda kind: (len(kind), kind)):
            tried = able.union(kinds[kind])
            search = self._searching((), tried, symmetric=True)
            if next(search.solutions(), None) is not None:
                able = tried
        self._together = able

    def first(self, clues: Sequence[Clue]) -> Arrangement | None:
        """An arrangement that keeps the clues; clues that no search came to an end with are unclear."""
        search = self.search(clues, symmetric=True)
        found = next(search.solutions(), None)
        if found is None and not search.ended:
            self.unclear += clues
        return found

    def search(self, clues: Sequence[Clue], symmetric: bool = False) -> Search:
        """The search for arrangements that keep clues beside what a map says."""
        return self._searching(clues, self._together, symmetric)

    def _searching(
        self, clues: Sequence[Clue], together: set[Part], symmetric: bool = False
    ) -> Search:
        return Search(self._forest, together, (*self._mapped, *clues), self._budget, symmetric)


def _consistent(level: str, clues: Sequence[Clue], able: Sequence[Clue]) -> list[Clue]:
    """What is left of clues of one level once those that do not hold are looked at together.

    Norms follow other layers: where the numbers of those do not hold, those of norms do not. Numbers
    that pair norms with other layers do for all or for none. Units repeat in all that they hold or in
    nothing: units of all shapes, or of the same.
    """
    lost = [clue for clue in clues if clue not in able]
    if level == "numbers":
        broken = {clue.group for clue in lost if not clue.is_of_vectors}
        found: list[Clue] = []
        for clue in able:
            follows = clue in clues and clue.is_of_vectors and clue.group in broken
            weaker = clue.weaker() if follows else clue
            found += [weaker] if weaker is not None else []
        return found
    if level == "repeats":
        return [left for clue in able if (left := _repeated(clue, lost, able)) is not None]
    if level == "flow":
        return [clue for clue in able if not any(map(clue.falls_with, lost))]
    return list(able)


def _repeated(clue: Clue, lost: Sequence[Clue], able: Sequence[Clue]) -> Clue | None:
    """What is left of a repetition where others of the same units, or of units around, do not hold."""
    left: Clue | None = clue
    for other in lost:
        if left is None or not left.falls_with(other):
            continue
        if other.weaker() is not None and not _is_left(other, able):
            return None
        left = left.among_units(len(other.group))
    return left


def _is_left(clue: Clue, able: Sequence[Clue]) -> bool:
    """Whether a series or what is weaker of it is among the clues."""
    weaker = clue.weaker()
    return clue in able or any(weaker is not None and weaker.kind == kept.kind for kept in able)


def _weakened(clue: Clue, against: Sequence[Clue]) -> Clue:
    """The clue, or less of it where it is inside of a group whose numbers run against the data."""
    inside = any(clue.group[: len(lost.group)] == lost.group for lost in against)
    return (clue.weaker() if inside else None) or clue


def _is_along(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether one of two paths is the start of the other."""
    return all(a == b for a, b in zip(one, other, strict=False))


def _is_list(part: Part) -> bool:
    """Whether it is layers by numbers, as a module's list of its convolutions."""
    numbered = all(child.module is not None and is_number(child.label) for child in part.children)
    return numbered and "." not in part.label


def _is_listed(part: Part) -> bool:
    """Whether it is a list of norms, which stand between other layers."""
    return bool(part.children) and part.is_vectors
