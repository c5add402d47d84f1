"""Arrangements of a file's layers on a net's: every one that keeps given clues, one after another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice, pairwise

from netspec.checkpoints.structure.clues import Buckets, Clue
from netspec.checkpoints.structure.forest import Forest, Part
from netspec.foundation.records import record

# Which layer of the file stands at each position of the net.
Arrangement = tuple[Part, ...]

_MASK = (1 << 96) - 1


@record(frozen=False)
class Budget:
    """Steps that are left: to all searches for one file, and to each. They end every search.

    `looks` are the layers that may still be looked at: of many of one shape, a step may look at all.
    """

    steps: int
    each: int
    looks: int = 20_000_000

    def look(self) -> None:
        """Takes note of a layer that is looked at; no steps are left where those are too many."""
        self.looks -= 1
        if self.looks < 0:
            self.steps = -1


@record(frozen=False, slots=False)
class _Frame:
    """A position of the net with the layers still to be tried there; `found` counts from before."""

    options: Iterator[Part]
    key: object
    found: int
    placed: Part | None = None
    tops: tuple[int, ...] = ()
    closed: tuple[Part, ...] = ()
    opened: int = 0
    state: int = 0
    wheres: tuple[int, ...] = ()
    bound: tuple[tuple[int, int], ...] = ()


class Search:
    """Places layers position by position, depth first. `together`: the groups that are one stretch.

    A state is what is placed, and of what still matters where: of a group that is one stretch, once it
    is whole, where it starts. One from which nothing was found is not entered again. `ended` says
    whether the search came to its end within the budget. `symmetric`: of parts that nothing tells
    apart, in any clue, the first comes first.
    """

    def __init__(
        self,
        forest: Forest,
        together: set[Part],
        clues: Sequence[Clue],
        budget: Budget,
        symmetric: bool = False,
    ) -> None:
        self._forest, self._budget, self._together = forest, budget, together
        self.ended = False
        parts = forest.parts
        self._groups = [tuple(p for p in part.path[:-1] if p in together) for part in parts]
        self._before: list[list[Part]] = [[] for _ in parts]
        self._after = [False] * len(parts)
        self._higher: list[list[Part]] = [[] for _ in parts]
        self._lower: list[list[Part]] = [[] for _ in parts]
        self._chains: list[list[tuple[Buckets, int]]] = [[] for _ in parts]
        self._beside: list[list[Part]] = [[] for _ in parts]
        self._ages: list[list[tuple[Part, Part]]] = [[] for _ in parts]
        self._allowed = [-1] * len(parts)
        self._alike: list[list[tuple[tuple[int, int], int]]] = [[] for _ in parts]
        for number, clue in enumerate(clues):
            self._take(number, clue)
        self._related = [self._is_related(part) for part in parts]
        self._twin: list[Part | None] = [None] * len(parts)
        if symmetric:
            self._classes: dict[object, int] = {}
            self._pair(forest.root)
        self._left = [part.count for part in parts]
        self._masks = [0] * len(parts)
        self._tops = [0] * len(parts)
        self._steps: dict[tuple[int, int], object] = {}
        self._open: list[Part] = []
        self._state = 0
        self._wheres: tuple[int, ...] = (0,)

    def _take(self, number: int, clue: Clue) -> None:
        for buckets in (*clue.chains, *clue.order):
            for last, bucket in pairwise(buckets):
                for part in bucket:
                    self._before[part.number] += last
                for part in last:
                    self._after[part.number] = True
        for buckets in clue.chains:
            for i, bucket in enumerate(buckets):
                for part in bucket:
                    self._chains[part.number].append((buckets, i))
        for buckets in clue.against:
            for i, bucket in enumerate(buckets):
                for part in bucket:
                    self._higher[part.number] += [p for b in buckets[i + 1 :] for p in b]
                    self._lower[part.number] += [p for b in buckets[:i] for p in b]
        for one, other in clue.beside:
            self._beside[one.number].append(other)
            self._beside[other.number].append(one)
        for older, newer in clue.older:
            self._ages[older.number].append((older, newer))
            self._ages[newer.number].append((older, newer))
        for leaf, bits in clue.places:
            self._allowed[leaf.number] &= bits
        for kind, leaves in enumerate(clue.alike):
            for leaf in leaves:
                self._alike[leaf.number].append(((number, kind), clue.calls))

    def _is_related(self, part: Part) -> bool:
        """Whether where it stands, in the group that is one stretch, matters to what is placed later."""
        for p in reversed(part.path):
            if p is not part and p in self._together:
                return False
            number = p.number
            # What has lower parts is what they may not depend on; the rest asks of both sides.
            relations = self._chains, self._lower, self._ages, self._beside
            if any(found[number] for found in relations):
                return True
        return False

    def _pair(self, part: Part) -> int:
        """Tells parts apart by shapes and clues; each has as twin the one like it before it."""
        number = part.number
        last: dict[int, Part] = {}
        inner = []
        for child in part.children:
            kind = self._pair(child)
            self._twin[child.number] = last.get(kind)
            last[kind] = child
            inner.append(kind)
        told = (
            self._before[number]
            or self._after[number]
            or self._chains[number]
            or self._higher[number]
            or self._lower[number]
            or self._beside[number]
            or self._ages[number]
            or self._alike[number]
            or self._allowed[number] != -1
        )
        if told:
            return -1 - number
        key = (part.code, part in self._together, tuple(sorted(inner)))
        return self._classes.setdefault(key, len(self._classes))

    def solutions(self) -> Iterator[Arrangement]:
        """Every arrangement that keeps the clues, the one nearest to the file's order first."""
        count, found, steps = len(self._forest.layers), 0, 0
        dead: set[object] = set()
        frames = [_Frame(self.options(0), self._key(), 0)]
        while frames:
            frame = frames[-1]
            if frame.placed is not None:
                self._undo(frame, len(frames) - 1)
            leaf = next(frame.options, None)
            if leaf is None:
                if frame.found == found:
                    dead.add(frame.key)
                frames.pop()
                continue
            steps += 1
            self._budget.steps -= 1
            if self._budget.steps < 0 or steps > self._budget.each:
                return
            if not self._place(frame, leaf, len(frames) - 1):
                continue
            if len(frames) == count:
                found += 1
                yield tuple(f.placed for f in frames if f.placed)
            elif (key := self._key()) not in dead:
                frames.append(_Frame(self.options(len(frames)), key, found))
        self.ended = True

    def replay(self, arrangement: Arrangement) -> list[int]:
        """How many layers, one or several, can stand at each position, after those before it."""
        counts = []
        for position, leaf in enumerate(arrangement):
            counts.append(len(list(islice(self.options(position), 2))))
            self._place(_Frame(iter(()), None, 0), leaf, position)
        return counts

    def keeps(self, arrangement: Arrangement) -> bool:
        """Whether an arrangement keeps all clues."""
        for position, leaf in enumerate(arrangement):
            around = self._open[-1] if self._open else None
            if leaf.code != self._forest.codes[position]:
                return False
            if (around and around not in leaf.path) or not self._is_next(leaf, position):
                return False
            if not self._place(_Frame(iter(()), None, 0), leaf, position):
                return False
        return True

    def _key(self) -> object:
        return self._state, self._wheres

    # --- one step

    def options(self, position: int) -> Iterator[Part]:
        """The layers that can stand at the position, after what is placed: one by one as asked for."""
        if position < len(self._forest.codes):
            around = self._open[-1] if self._open else self._forest.root
            for leaf in around.by_code.get(self._forest.codes[position], ()):
                if self._is_next(leaf, position):
                    yield leaf

    def _is_next(self, leaf: Part, position: int) -> bool:
        # Of many that are alike only one can be next: what rules out most is asked first.
        twin = self._twin[leaf.number]
        if not self._left[leaf.number] or (twin is not None and self._left[twin.number]):
            return False
        self._budget.look()
        return self._can_stand(leaf, position)

    def _can_stand(self, leaf: Part, position: int) -> bool:
        number, forest = leaf.number, self._forest
        if not self._allowed[number] >> position & 1:
            return False
        if not all(
            forest.fits(group, position) for group in self._groups[number][len(self._open) :]
        ):
            return False
        for clue, calls in self._alike[number]:
            step = self._step(position, calls)
            if self._steps.get(clue, step) != step:
                return False
        above, later = forest.above[position], -2 << position
        free = later & ~forest.below[position]
        for part in leaf.path:
            if self._left[part.number] == part.count:
                twin = self._twin[part.number]
                if twin is not None and self._left[twin.number] == twin.count:
                    return False
                if any(self._left[p.number] for p in self._before[part.number]):
                    return False
            if any(above & self._masks[p.number] for p in self._higher[part.number]):
                return False
            lower = self._lower[part.number]
            if lower and not self._has_room(lower, free):
                return False
        near = forest.near[position]
        return all(
            near & (self._masks[p.number] or later & forest.places[p.code])
            for p in self._beside[number]
        )

    def _has_room(self, lower: list[Part], free: int) -> bool:
        """Whether what must not depend on a position has places left that do not."""
        needed: dict[int, int] = {}
        for part in lower:
            if self._left[part.number] == part.count:
                for leaf in part.leaves:
                    needed[leaf.code] = needed.get(leaf.code, 0) + 1
        places = self._forest.places
        return all((free & places[code]).bit_count() >= count for code, count in needed.items())

    def _place(self, frame: _Frame, leaf: Part, position: int) -> bool:
        """Places a layer; False where what it completes does not keep a clue."""
        frame.placed, frame.state, frame.wheres = leaf, self._state, self._wheres
        frame.tops = tuple(self._tops[p.number] for p in leaf.path)
        above, bit = self._forest.above[position], 1 << position
        self._state ^= self._forest.hashes[leaf.number]
        bound = []
        for clue, calls in self._alike[leaf.number]:
            if clue not in self._steps:
                step = self._steps[clue] = self._step(position, calls)
                self._state ^= hash((clue, step))
                bound.append(clue)
        frame.bound = tuple(bound)
        groups, depth = self._groups[leaf.number], len(self._open)
        self._open += groups[depth:]
        frame.opened = depth
        for part in leaf.path:
            self._left[part.number] -= 1
            self._masks[part.number] |= bit
            self._tops[part.number] |= above
        wheres = [*self._wheres, *(0 for _ in groups[depth:])]
        wheres[-1] ^= self._where(leaf, position)
        closed = []
        while self._open and not self._left[self._open[-1].number]:
            group = self._open.pop()
            closed.append(group)
            # How a whole group stands in its stretch matters to nothing outside it.
            wheres.pop()
            wheres[-1] ^= self._where(group, position + 1 - group.count)
        frame.closed, self._wheres = tuple(closed), tuple(wheres)
        complete = [part for part in leaf.path if not self._left[part.number]]
        return all(
            self._newest(older) < self._newest(newer)
            for part in complete
            for older, newer in self._ages[part.number]
            if not self._left[older.number] and not self._left[newer.number]
        ) and all(
            _is_series(buckets, upto, self._masks, self._tops, self._left)
            for part in complete
            for buckets, upto in self._chains[part.number]
        )

    def _newest(self, part: Part) -> int:
        """The last position outside of a part that it depends on."""
        return (self._tops[part.number] & ~self._masks[part.number]).bit_length()

    def _undo(self, frame: _Frame, position: int) -> None:
        leaf = frame.placed
        assert leaf is not None
        for part, tops in zip(leaf.path, frame.tops, strict=True):
            self._left[part.number] += 1
            self._masks[part.number] &= ~(1 << position)
            self._tops[part.number] = tops
        for clue in frame.bound:
            del self._steps[clue]
        self._open += reversed(frame.closed)
        del self._open[frame.opened :]
        self._state, self._wheres = frame.state, frame.wheres
        frame.placed = None

    def _step(self, position: int, calls: int) -> object:
        layer = self._forest.layers[position]
        return layer.step, layer.calls[:calls]

    def _where(self, part: Part, start: int) -> int:
        """Tells where a layer or a stretch starts, if that matters; 0 where it does not."""
        if not self._related[part.number]:
            return 0
        return self._forest.hashes[part.number] * (2 * start + 3) & _MASK


def _is_series(
    buckets: Buckets, upto: int, masks: list[int], tops: list[int], left: list[int]
) -> bool:
    """Whether the buckets run one after another, or all side by side, as far as they are placed."""
    chain = beside = True
    before = 0
    for i in range(upto + 1):
        for part in buckets[i]:
            if left[part.number]:
                continue
            top = tops[part.number]
            beside = beside and not top & before
            chain = chain and (i == 0 or all(top & masks[p.number] for p in buckets[i - 1]))
        for part in buckets[i]:
            before |= masks[part.number]
    return chain or beside
