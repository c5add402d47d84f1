"""Which layer of a file is which layer of a net, from structure and from what names say.

A file names its layers as a tree; groups of it are unbroken stretches of the net where they can be.
Of all arrangements in which the shapes come as they do in the net, those are kept that keep the
clues in the names, the strongest first. One arrangement is the answer if every other one makes the
same function. If several are left, nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import combinations, islice, pairwise, product

from netspec.checkpoints.layers import Layer, Module
from netspec.checkpoints.structure.clues import LEVELS, Clue, clues_of, is_norm
from netspec.checkpoints.structure.columns import entry_by_entry, is_called, lists_beside
from netspec.checkpoints.structure.evidence import SAME, Evidence
from netspec.checkpoints.structure.forest import Forest, Part
from netspec.checkpoints.structure.search import Arrangement, Budget
from netspec.checkpoints.tree import Item, copies_of
from netspec.foundation.records import record

# Steps of all searches for one file, and of each: for each layer, and at least.
_STEPS, _EACH = (500, 20_000), (60, 3_000)
# How many arrangements are looked at for one that is nearer to the order of definition.
_OTHERS = 1000
# How many lines of a map are offered to settle a doubt.
_LINES = 6

Identity = Callable[[Sequence[tuple[Layer, Module]]], object]


@record
class Match:
    """A layer of the file for a layer of the graph; `how` is what decided."""

    layer: Layer
    module: Module
    how: str


@record
class Doubt:
    """Two arrangements that nothing decides between: where they differ, one and the other."""

    layer: Layer
    candidates: tuple[str, ...]


@record
class Arranged:
    """What is found: matches in the net's order, or what is in doubt. Neither: nothing fits.

    `settling` maps a few layers of the net to the file's such that the first candidates are taken.
    """

    matches: tuple[Match, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    settling: tuple[tuple[str, str], ...] = ()


def arrange(
    layers: Sequence[Layer],
    root: Item,
    trusted: bool,
    identity: Identity,
    mapped: Collection[tuple[str, str]] = (),
) -> Arranged:
    """Finds the layers' arrangement.

    `trusted`: the file is in order of definition. `identity` tells functions apart. `mapped` are
    layers of the net with the file's that they are.
    """
    return _Arranger(layers, root, trusted, identity, mapped).found()


class _Arranger:
    def __init__(
        self,
        layers: Sequence[Layer],
        root: Item,
        trusted: bool,
        identity: Identity,
        mapped: Collection[tuple[str, str]],
    ) -> None:
        self._forest, self._root = Forest(layers, root), root
        self._layers, self._trusted, self._identity = layers, trusted, identity
        self._budget = Budget(*(max(n * len(layers), least) for n, least in (_STEPS, _EACH)))
        self._mapped = self._settled(dict(mapped))
        self._clues = clues_of(self._forest, trusted, self._as_defined() is not None)
        self._evidence = Evidence(
            self._forest, self._clues, self._mapped, self._budget, self._is_same
        )

    def _settled(self, mapped: Mapping[str, str]) -> tuple[Clue, ...]:
        """What a map says, as a clue that every search keeps."""
        named = {leaf.layer.name: leaf for leaf in self._forest.leaves}
        places = tuple(
            (named[mapped[layer.name]], 1 << position)
            for position, layer in enumerate(self._layers)
            if mapped.get(layer.name) in named
        )
        return (Clue("map", ("map",), places=places),) if places else ()

    def found(self) -> Arranged:
        answer = self._found()
        return self._read(answer) if answer.matches else answer

    def _found(self) -> Arranged:
        defined = self._as_defined()
        if defined is not None and self._agree(defined):
            rival = self._repeating(defined)
            if rival is None:
                return self._ordered(defined)
            return Arranged((), self._doubts(defined, rival), self._settling(defined, rival, ()))
        if twofold := copies_of(list(self._root.modules())):
            # Numbers that can be read in two ways say nothing.
            if defined is not None:
                return self._ordered(defined)
            names = f"`{twofold[0]}` and `{twofold[1]}` count copies of a part or layers in a row"
            return Arranged(doubts=(Doubt(self._layers[0], (names,)),))
        first, kept = self._evidence.kept()
        if defined is not None and self._is_called_otherwise(defined, kept):
            defined = None
        first, other, certain = self._other(first, kept, defined)
        if not certain or self._budget.steps < 0:
            return self._undecided()
        if first is None:
            return self._ordered(defined) if defined is not None else Arranged()
        if other is not None:
            return Arranged((), self._doubts(first, other), self._settling(first, other, kept))
        if defined is not None:
            return self._ordered(defined)
        unclear = [clue for clue in self._evidence.unclear if clue not in kept]
        traded = self._is_traded(first, kept) or not self._is_nearest(first, kept)
        if traded or not all(self._evidence.search([clue]).keeps(first) for clue in unclear):
            return self._undecided()
        return self._matched(first, kept)

    def _other(
        self, first: Arrangement | None, kept: Sequence[Clue], defined: Arrangement | None
    ) -> tuple[Arrangement | None, Arrangement | None, bool]:
        """The likeliest arrangement, one that makes another function, and whether that is certain.

        Of parts side by side, those that exchange alone, the numbers say which comes first; not where
        they are added or multiplied, which the text may write in any order.
        """
        if first is None:
            return None, None, True
        if defined is not None:
            agrees = self._evidence.search(kept).keeps(defined) or self._is_same(defined, first)
            return first, (None if agrees else defined), True
        search = self._evidence.search(kept)
        for count, other in enumerate(search.solutions()):
            if not self._is_same(other, first) and not self._ascends(first, other):
                if not self._ascends(other, first):
                    return first, other, True
                first = other
            if count == SAME:
                return first, None, False
        return first, None, search.ended

    def _ascends(self, one: Arrangement, other: Arrangement) -> bool:
        """Whether two differ only in which of some parts side by side comes first, and the first has
        them in the order of their numbers.
        """
        first, second = self._standing(one), self._standing(other)
        changed = [
            (layer, a, b)
            for layer, a, b in zip(self._layers, one, other, strict=True)
            if a is not b
        ]
        moved = {part for _, *leaves in changed for leaf in leaves for part in leaf.path}
        told: set[Part] = set()
        for clue in self._clues:
            for buckets in clue.chains:
                for low, high in combinations(buckets, 2):
                    for a, b in product(low, high):
                        here, there = _relation(a, b, first), _relation(a, b, second)
                        if here == there or a not in moved or b not in moved:
                            continue
                        if (here, there) != ("before", "after"):
                            return False
                        told.update((*a.leaves, *b.leaves))
        if _is_turned(changed):
            return False
        kernels = [layer for layer, leaf, _ in changed if not is_norm(leaf)]
        if len(kernels) == 2 and any(layer.is_shortcut for layer in kernels):
            return False  # A shortcut of one layer may have any number.
        if not kernels and self._are_late(one, changed, first[0]):
            return False
        return all(a in told and b in told for _, a, b in changed)

    def _are_late(
        self,
        arrangement: Arrangement,
        norms: Sequence[tuple[Layer, Part, Part]],
        masks: Sequence[int],
    ) -> bool:
        """Whether numbers of what the norms read do not ascend: then neither need those of the norms."""
        read = {arrangement[feeder] for layer, *_ in norms for feeder in layer.feeds}
        for clue in self._clues:
            for buckets in () if clue.is_of_vectors else clue.chains:
                places = [
                    sorted(
                        masks[part.number] for part in bucket if not read.isdisjoint(part.leaves)
                    )
                    for bucket in buckets
                ]
                held = [found for found in places if found]
                if any(low[-1] > high[0] for low, high in pairwise(held)):
                    return True
        return False

    def _standing(self, arrangement: Arrangement) -> tuple[list[int], list[int]]:
        """For each part, the positions of its layers, and those that it depends on, as bits."""
        masks, tops = [0] * len(self._forest.parts), [0] * len(self._forest.parts)
        for position, leaf in enumerate(arrangement):
            for part in leaf.path:
                masks[part.number] |= 1 << position
                tops[part.number] |= self._forest.above[position]
        return masks, tops

    def _is_traded(self, first: Arrangement, kept: Sequence[Clue]) -> bool:
        """Whether the numbers of inner groups gave way to those of outer ones, and need not have.

        Where all of one kind can hold or all of another, neither says more.
        """
        strong = [clue for clue in kept if clue.level in ("axes", "names", "numbers")]
        for lost in self._clues:
            if (
                lost.level != "numbers"
                or lost in kept
                or self._evidence.search([lost]).keeps(first)
            ):
                continue
            others = list[Clue]()
            for clue in strong:
                outer = clue.level == "numbers" and clue in self._clues and clue.depth < lost.depth
                form = clue.weaker() if outer else clue
                others += [form] if form is not None else []
            other = self._evidence.first([*others, lost])
            if other is not None and not self._is_same(other, first):
                return True
        return False

    # --- lists beside each other

    def _read(self, answer: Arranged) -> Arranged:
        """The answer, with lists that may run entry by entry read as the spec's own names say.

        In doubt are those that it has no names for, if the net then computes something else; but not
        where a map says how one of their kind is read.
        """
        leaves = {leaf.layer.name: leaf for leaf in self._forest.leaves}
        first = tuple(leaves[match.module.name] for match in answer.matches)
        mapped = {part for clue in self._mapped for leaf, _ in clue.places for part in leaf.path}
        beside = [
            (lists, turned)
            for lists in lists_beside(self._forest)
            if (turned := entry_by_entry(self._forest, first, lists)) is not None
        ]
        told = {lists[0].kind for lists, _ in beside if not mapped.isdisjoint(lists)}
        other, settling, named = first, dict[tuple[str, ...], tuple[str, str]](), set[Part]()
        for lists, _ in beside:
            turned = entry_by_entry(self._forest, first, lists)
            if turned is None or lists[0].kind in told:
                continue
            if is_called(self._forest, first, lists) or self._is_same(first, turned):
                continue
            if is_called(self._forest, turned, lists):
                first, other = turned, entry_by_entry(self._forest, other, lists) or other
                named.update(leaf for part in lists for leaf in part.leaves)
                continue
            other = entry_by_entry(self._forest, other, lists) or other
            place = next(
                i for i, (a, b) in enumerate(zip(first, turned, strict=True)) if a is not b
            )
            line = self._layers[place].name, first[place].layer.name
            settling.setdefault(lists[0].kind, line)
        if settling:
            return Arranged((), self._doubts(first, other), tuple(settling.values()))
        return Arranged(
            tuple(
                Match(match.layer, leaf.layer, "names" if leaf in named else match.how)
                for match, leaf in zip(answer.matches, first, strict=True)
            )
        )

    # --- order of definition

    def _is_nearest(self, first: Arrangement, kept: Sequence[Clue]) -> bool:
        """Whether each other function needs more parts elsewhere than where they are defined.

        Asked where an order of definition that holds among parts of one shape only has decided: a
        shortcut that is defined first can look like the first of the layers that it goes around.
        """
        if not any(clue.level == "order" and clue.is_partial for clue in kept):
            return True
        whole = [clue for clue in kept if clue.level != "order"]
        search, breaks = self._evidence.search(whole), self._breaks(first)
        for count, other in enumerate(search.solutions()):
            if self._breaks(other) <= breaks and not self._is_same(other, first):
                return False
            if count == _OTHERS:
                return False
        return search.ended

    def _breaks(self, arrangement: Arrangement) -> int:
        """After how many parts the next one of their group is not the next that is defined.

        Norms count apart from the rest: a library may list them first or last.
        """
        masks, _ = self._standing(arrangement)
        breaks = 0
        for part in self._forest.parts:
            for normed in (False, True):
                of = [child for child in part.children if child.is_vectors is normed]
                place = {child: i for i, child in enumerate(sorted(of, key=_defined))}
                run = sorted(of, key=lambda child: masks[child.number] & -masks[child.number])
                breaks += sum(place[b] != place[a] + 1 for a, b in pairwise(run))
        return breaks

    def _as_defined(self) -> Arrangement | None:
        """The file's own order, where the container keeps it and it fits the whole net."""
        if not self._trusted or self._mapped:
            return None
        leaves = sorted(self._forest.leaves, key=lambda leaf: leaf.order)
        codes = [leaf.code for leaf in leaves]
        return tuple(leaves) if codes == self._forest.codes else None

    def _agree(self, defined: Arrangement) -> bool:
        """Whether axes, numbers, words and the data say nothing against the order of definition."""
        clues = [clue for clue in self._clues if clue.level not in ("repeats", "order")]
        if self._evidence.search(clues).keeps(defined):
            return True
        return all(
            any(
                self._evidence.search([form]).keeps(defined)
                for form in (clue, clue.weaker())
                if form
            )
            for clue in clues
        )

    def _repeating(self, defined: Arrangement) -> Arrangement | None:
        """What keeps all that names say, repeats too, where the order of definition does not.

        OPT defines its last norm first, and norms of a unit behind what they feed: shifted by one
        place everything fits, and one name is then another step in the last unit than in the others.
        """
        clues = [clue for clue in self._clues if clue.level != "order"]
        if self._evidence.search([c for c in clues if c.level == "repeats"]).keeps(defined):
            return None
        other = self._evidence.first(clues)
        return None if other is None or self._is_same(defined, other) else other

    def _is_called_otherwise(self, defined: Arrangement, kept: Sequence[Clue]) -> bool:
        """Whether words by which the spec calls its steps, and the file its layers, stand against the
        order of definition: a library may define `cls_token` before what comes before it, or a last norm
        first. Names with numbers may only count.
        """
        called = [clue for clue in kept if clue.level == "names" and not clue.kind[2]]
        return any(
            not any(map(str.isdigit, str(clue.kind[1])))
            and not self._evidence.search([clue]).keeps(defined)
            for clue in called
        )

    def _ordered(self, defined: Arrangement) -> Arranged:
        pairs = zip(self._layers, defined, strict=True)
        return Arranged(tuple(Match(layer, leaf.layer, "order") for layer, leaf in pairs))

    # --- what is said of it

    def _is_same(self, one: Arrangement, other: Arrangement) -> bool:
        return one == other or self._function(one) == self._function(other)

    def _function(self, arrangement: Arrangement) -> object:
        pairs = zip(self._layers, arrangement, strict=True)
        return self._identity([(layer, leaf.layer) for layer, leaf in pairs])

    def _matched(self, arrangement: Arrangement, kept: Sequence[Clue]) -> Arranged:
        """Each with the strongest kind of evidence that left one layer for its place."""
        how = ["shape"] * len(arrangement)
        open_ = set(range(len(arrangement)))
        for count, level in enumerate(("shape", *LEVELS)):
            clues = [clue for clue in kept if clue.level in LEVELS[:count]]
            counts = self._evidence.search(clues).replay(arrangement)
            for position in sorted(open_):
                if counts[position] <= 1:
                    how[position] = level
                    open_.discard(position)
        for clue in self._mapped:
            for leaf, _ in clue.places:
                how[arrangement.index(leaf)] = "map"
        pairs = zip(self._layers, arrangement, how, strict=True)
        return Arranged(tuple(Match(layer, leaf.layer, why) for layer, leaf, why in pairs))

    def _doubts(self, one: Arrangement, other: Arrangement) -> tuple[Doubt, ...]:
        return tuple(
            Doubt(layer, (a.layer.name, b.layer.name))
            for layer, a, b in zip(self._layers, one, other, strict=True)
            if a is not b
        )

    def _settling(
        self, first: Arrangement, other: Arrangement, kept: Sequence[Clue]
    ) -> tuple[tuple[str, str], ...]:
        """A few layers of the first arrangement with which no other function is possible."""
        fixed: list[tuple[Part, int]] = []
        for _ in range(_LINES):
            place = next(i for i, (a, b) in enumerate(zip(first, other, strict=True)) if a is not b)
            fixed.append((first[place], 1 << place))
            clue = Clue("words", ("map",), places=tuple(fixed))
            search = self._evidence.search([*kept, clue])
            found = islice(search.solutions(), SAME)
            rival = next((arr for arr in found if not self._is_same(arr, first)), None)
            if rival is None:
                settled = [(bits.bit_length() - 1, leaf) for leaf, bits in fixed]
                return tuple((self._layers[i].name, leaf.layer.name) for i, leaf in settled)
            other = rival
        return ()

    def _undecided(self) -> Arranged:
        names = (f"{len(self._layers)} layers in more orders than can be told apart",)
        return Arranged(doubts=(Doubt(self._layers[0], names),))


def _defined(part: Part) -> int:
    return part.order


def _is_turned(changed: Sequence[tuple[Layer, Part, Part]]) -> bool:
    """Whether two layers exchange that are on branches whose order in the text says nothing: of `w1`
    and `w3`, either may be the one with the activation.
    """
    return any(
        a is y and b is x and one.is_across(other)
        for (one, a, b), (other, x, y) in combinations(changed, 2)
    )


def _relation(one: Part, other: Part, standing: tuple[list[int], list[int]]) -> str:
    """How two parts stand: one feeds the other, or they are side by side, one before the other."""
    masks, tops = standing
    if tops[other.number] & masks[one.number]:
        return "feeds"
    if tops[one.number] & masks[other.number]:
        return "is fed"
    return "before" if masks[one.number] < masks[other.number] else "after"
