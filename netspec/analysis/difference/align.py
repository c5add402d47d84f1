"""Which node of one graph is which of another.

Blocks and steps are paired level by level: those that are computed from the same, or from which the same
is made, wherever they stand; between them those that do the same, in order; then those that are alike.
What is left, as where a block was written out, is found by its connections to what was paired.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from copy import copy
from functools import partial
from itertools import product

from netspec.analysis.difference.connections import by_connections
from netspec.analysis.difference.items import (
    TURNS,
    first_of,
    opened,
    place_of,
    text_of,
)
from netspec.analysis.difference.likeness import Likeness
from netspec.analysis.difference.marks import Bundle, Item, Numbers, Side
from netspec.analysis.difference.pairing import Alignment, Pairing
from netspec.analysis.difference.sequences import aligned, rising
from netspec.analysis.difference.texts import Pair
from netspec.graph.checked import Call, Graph, Node

_Gap = tuple[list[Item], list[Item]]


def align(a: Graph, b: Graph, texts: Pair, starts: bool = True) -> Alignment:
    """Pairs the nodes and the block calls of two graphs; near linear where they are mostly equal.

    Their texts say which of several that are alike is which.
    """
    numbers = Numbers()
    sides = [
        Side(graph, numbers, inputs, partial(texts.place, new=new), partial(texts.file, new=new))
        for graph, inputs, new in zip((a, b), _inputs(a, b), (False, True), strict=True)
    ]
    aligner = _Aligner(*sides)
    aligner.run()
    return Alignment(aligner.a, aligner.b, aligner.ahead, starts, aligner.inside)


def _inputs(a: Graph, b: Graph) -> tuple[dict[Node, int], dict[Node, int]]:
    """Numbers that inputs have in common: those of one name, then those of one place."""
    first = {node: -1 - i for i, node in enumerate(a.inputs)}
    second = {node: -1001 - i for i, node in enumerate(b.inputs)}
    named = {node.path: node for node in b.inputs}
    both = [(node, named[node.path]) for node in a.inputs if node.path in named]
    used = {node for pair in both for node in pair}
    left = [[n for n in graph.inputs if n not in used] for graph in (a, b)]
    for i, (x, y) in enumerate([*both, *zip(*left, strict=False)]):
        first[x] = second[y] = i
    return first, second


class _Aligner(Pairing):
    def __init__(self, a: Side, b: Side) -> None:
        super().__init__(a, b)
        # What was left of two levels between what was paired.
        self.left: list[_Gap] = []
        self._mark_ends()

    def _mark_ends(self) -> None:
        """Outputs of one name are one, or those of one place where the names are others."""
        outputs = self.a.graph.outputs, self.b.graph.outputs
        names = [[output.name for output in side] for side in outputs]
        by_place = len(names[0]) == len(names[1]) and set(names[0]) != set(names[1])
        for side, ends in zip((self.a, self.b), outputs, strict=True):
            for i, output in enumerate(ends):
                end = str(i) if by_place else output.name
                side.ends[output.value.node].append((end, output.value.index))
            for head in side.graph.heads:
                side.ends[head.value.node].append((f"head {head.loss}", head.value.index))

    def run(self) -> None:
        self.up = {**self.a.up({}), **self.b.up({})}
        self.down = {**self.a.down({}), **self.b.down({})}
        self.above = {**self.a.near(above=True), **self.b.near(above=True)}
        self.below = {**self.a.near(above=False), **self.b.near(above=False)}
        self._same()
        self.level(self.a.children[None], self.b.children[None], ())
        left = self._all_alike()
        by_connections(self)
        if self._kin(left):
            by_connections(self)

    def inside(self, calls: Iterable[tuple[Call, Call]]) -> dict[Node, Node]:
        """Which nodes of calls that are not paired are which, as if the calls were."""
        trial = copy(self)
        trial.ahead, trial.pair, trial.taken = dict(self.ahead), dict(self.pair), dict(self.taken)
        trial.left = []
        for c, d in calls:
            trial._into(c, d)
        trial._kin(trial._all_alike())
        return {x: y for x, y in trial.ahead.items() if x not in self.ahead}

    def _same(self) -> None:
        """Pairs what is computed from the same and of which the same is made: of equal nets, all."""
        self.equal_groups(
            {n: self.numbers.of((self.up[n], self.down[n])) for n in self.a.graph.nodes},
            {n: self.numbers.of((self.up[n], self.down[n])) for n in self.b.graph.nodes},
        )

    # --- level by level

    def level(
        self, first: Iterable[Item], second: Iterable[Item], inside: Sequence[dict[Node, int]]
    ) -> None:
        """Pairs what stands in two blocks, or in two nets; `inside` are marks from inside of them."""
        a = [x for x in first if any(n not in self.ahead for n in self.a.nodes_of(x))]
        b = [y for y in second if any(n not in self.taken for n in self.b.nodes_of(y))]
        pairs: dict[int, int] = {}
        # Of several that are computed from the same, those first that stand at the same place of the
        # text, as of equal branches or copies, then those that something like it reads.
        ways = (self.up, self.below), *((m, self.below) for m in inside), (self.down, self.above)
        for placed, (way, near) in product((True, False), ways):
            for marks in ((self.up, self.down), (way, near), (way,)):
                self._equal(a, b, pairs, marks, placed=placed)
        anchors = rising(sorted(((i, j) for i, j in pairs.items()), key=lambda pair: pair[1]))
        taken = set(pairs.values())
        rest: list[_Gap] = []
        i = j = 0
        for x, y in [*anchors, (len(a), len(b))]:
            left = [k for k in range(i, x) if k not in pairs]
            right = [k for k in range(j, y) if k not in taken]
            self._gap([a[k] for k in left], [b[k] for k in right], rest)
            i, j = x + 1, y + 1
        moved = self._moved(rest)
        for one, other in rest:
            mine, theirs = (
                [item for item in items if id(item) not in moved] for items in (one, other)
            )
            self.left.append((mine, theirs))

    def _all_alike(self) -> list[_Gap]:
        """Pairs what is alike of all that is left, and what that holds; gives all gaps there were."""
        found: list[_Gap] = []
        while self.left:
            one, other = gap = self.left.pop(0)
            found.append(gap)
            self._alike(
                [x for x in one if any(n not in self.ahead for n in self.a.nodes_of(x))],
                [y for y in other if any(n not in self.taken for n in self.b.nodes_of(y))],
            )
        return found

    def _kin(self, left: Iterable[_Gap]) -> bool:
        """Pairs what stands in the place of another kind, when all that is of one kind is: what it could be
        too may be written elsewhere. Whether there was any.
        """
        before = len(self.ahead)
        for one, other in left:
            self._alike(
                [x for x in one if not any(n in self.ahead for n in self.a.nodes_of(x))],
                [y for y in other if not any(n in self.taken for n in self.b.nodes_of(y))],
                kin=True,
            )
        return len(self.ahead) > before

    def _moved(self, rest: list[_Gap]) -> set[int]:
        """What is left of either level, in other places, and is written alike.

        Of a statement of which other steps are paired it is not: that is run more or less often.
        """
        sides: list[dict[object, list[Item]]] = [defaultdict(list), defaultdict(list)]
        known: list[tuple[Side, Mapping[Node, object]]] = [
            (self.a, self.ahead),
            (self.b, self.taken),
        ]
        for gap in rest:
            for words, items, (side, taken) in zip(sides, gap, known, strict=True):
                for item in items:
                    if not any(node in taken for node in side.written_with(first_of(item))):
                        words[text_of(item)].append(item)
        both = sides[0].keys() & sides[1].keys()
        return {id(item) for side in sides for words in both for item in side[words]}

    def _equal(
        self,
        a: list[Item],
        b: list[Item],
        pairs: dict[int, int],
        marks: Sequence[dict[Node, int]],
        *,
        placed: bool,
    ) -> None:
        """Pairs items whose nodes all have equal marks, the first with the first.

        With `placed` only those that stand at the same place of the text.
        """

        def key(side: Side, item: Item) -> Hashable:
            nodes = side.nodes_of(item)
            marked = tuple(sorted(tuple(mark[node] for mark in marks) for node in nodes))
            return marked, place_of(side, item) if placed else None

        taken = set(pairs.values())
        places: dict[Hashable, list[int]] = defaultdict(list)
        for j in reversed(range(len(b))):
            if j not in taken:
                places[key(self.b, b[j])].append(j)
        for i, x in enumerate(a):
            if i not in pairs and (waiting := places.get(key(self.a, x))):
                pairs[i] = waiting.pop()
                self._whole(x, b[pairs[i]], marks[0])

    def _whole(self, x: Item, y: Item, marks: dict[Node, int]) -> None:
        """Pairs the nodes of two items that are equal by these marks."""
        places = defaultdict(list)
        for node in reversed(self.b.nodes_of(y)):
            places[marks[node]].append(node)
        for node in self.a.nodes_of(x):
            self.match(node, places[marks[node]].pop())

    def _gap(
        self,
        a: list[Item],
        b: list[Item],
        rest: list[_Gap],
        turn: int = 0,
    ) -> None:
        """Pairs what lies between two pairs, in order: what is written alike and stands at the same place,
        what is written alike and reads the same, what is written alike, what stands at the same place, what
        does the same. What is left goes to `rest`, but blocks that were put around a step are opened.
        """
        if not a or not b:
            rest.append((a, b))
            return
        if turn == len(TURNS):
            inner = opened(self.a, a, b), opened(self.b, b, a)
            if (a, b) == inner:
                rest.append((a, b))
            else:
                self._gap(*inner, rest)
            return
        key = TURNS[turn]
        sides = (self.a, self.pair, a), (self.b, self.taken, b)
        equal = aligned(
            *([key(side, item, known) for item in items] for side, known, items in sides)
        )
        for i, j in equal:
            self._into(a[i], b[j])
        i = j = 0
        for x, y in [*equal, (len(a), len(b))]:
            self._gap(a[i:x], b[j:y], rest, turn + 1)
            i, j = x + 1, y + 1

    def _into(self, x: Item, y: Item) -> None:
        """Pairs two items and what they hold, which reads what it does from outside."""
        first, second = first_of(x), first_of(y)
        if isinstance(first, Node) and isinstance(second, Node):
            self.match(first, second)
        known: tuple[dict[Node, int], ...] = ()
        if isinstance(x, Call):
            mine, theirs = self.a.nodes_of(x), self.b.nodes_of(y)
            known = (
                {**self.a.within(mine, self.pair), **self.b.within(theirs, self.taken)},
                {**self.a.within(mine, {}), **self.b.within(theirs, {})},
            )
        self.level(self._in(self.a, x), self._in(self.b, y), known)

    def _alike(self, a: list[Item], b: list[Item], *, kin: bool = False) -> None:
        """Pairs what is alike, in order: statements that are run several times as wholes, then the rest."""
        likeness = Likeness(self, a, b, kin=kin)
        i = j = 0
        for k, m in [*likeness.repeats(), ([len(a)], [len(b)])]:
            for x, y in likeness.pairs(range(i, k[0]), range(j, m[0])):
                self._into(a[x], b[y])
            i, j = k[-1] + 1, m[-1] + 1
            for x, y in zip(k, m, strict=False) if i <= len(a) else ():
                self._into(a[x], b[y])

    def _in(self, side: Side, item: Item) -> Sequence[Item]:
        match item:
            case Node():
                return (item,)
            case Bundle():
                return item.nodes
        return side.children[item]
