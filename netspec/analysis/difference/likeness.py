"""How alike steps and blocks of two graphs are that are not the same, and which of them are each other's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby

from netspec.analysis.difference.items import first_of, is_counted, kind_of, last_of, place_of
from netspec.analysis.difference.marks import Item, Side, told
from netspec.analysis.difference.pairing import Pairing, made_from
from netspec.analysis.difference.sequences import Pairs, paired, share
from netspec.graph.checked import Call, Node, Value

# What a pair of the same operator is worth, or of two of one family, and how much of it its arguments, its
# connections on either side and its name may add.
_SAME, _KIN, _TOLD, _NEAR, _CALLED = 2.0, 0.5, 2.0, 0.3, 0.3
# What two blocks of other names share at least, of two, if they are one.
_RENAMED = 0.6


class Likeness:
    """What items of two levels have in common by what was paired so far; items are told by number.

    With `kin` steps of other kinds of one family are alike too.
    """

    def __init__(self, found: Pairing, a: Sequence[Item], b: Sequence[Item], *, kin: bool) -> None:
        self._found, self._items, self._kin = found, (a, b), kin
        self._firsts = [first_of(x) for x in a], [first_of(y) for y in b]
        self._bags = [_bag(found.a, item) for item in a], [_bag(found.b, item) for item in b]

    def repeats(self) -> list[tuple[list[int], list[int]]]:
        """Which statements that are run several times are which of the other level: the items of both."""
        runs = [_repeats(firsts) for firsts in self._firsts]

        def score(i: int, j: int) -> float:
            each = [self._score(x, y) for x, y in zip(runs[0][i], runs[1][j], strict=False)]
            return sum(each) if all(each) else 0.0

        found = paired((len(runs[0]), len(runs[1])), score, lambda i, j: score(i, j) > 0)
        return [(runs[0][i], runs[1][j]) for i, j in found]

    def pairs(self, first: Sequence[int], second: Sequence[int]) -> Pairs:
        """Which of some items of one level are which of some of the other, in order."""

        def score(i: int, j: int) -> float:
            return self._score(first[i], second[j])

        def is_kind(i: int, j: int) -> bool:
            return kind_of(self._firsts[0][first[i]]) == kind_of(self._firsts[1][second[j]])

        found = paired((len(first), len(second)), score, is_kind)
        return [(first[i], second[j]) for i, j in found]

    def _score(self, i: int, j: int) -> float:
        x, y = self._firsts[0][i], self._firsts[1][j]
        if isinstance(x, Call) and isinstance(y, Call):
            shared = sum(map(share, self._bags[0][i], self._bags[1][j]))
            # A block of another name is the same one if it does mostly the same.
            if x.block != y.block and shared < _RENAMED:
                return 0.0
            return shared + (x.block == y.block) + (str(x) == str(y))
        if isinstance(x, Call) or isinstance(y, Call):
            return 0.0
        mine, other = self._items[0][i], self._items[1][j]
        if self._is_apart(mine, other, x, y):
            return 0.0
        return self._of_steps(x, y, last_of(mine), last_of(other))

    def _is_apart(self, mine: Item, other: Item, x: Node, y: Node) -> bool:
        """Whether both stand behind steps beside them that are not one, and are written elsewhere."""
        found = self._found
        before, after = (
            {v for w in node.inputs for v in made_from(w, known) if v.node.call is node.call}
            for node, known in ((x, found.ahead), (y, found.taken))
        )
        if not before or not after or {Value(found.ahead[v.node], v.index) for v in before} & after:
            return False
        return place_of(found.a, mine) != place_of(found.b, other)

    def _of_steps(self, x: Node, y: Node, last: Node, other_last: Node) -> float:
        near = _NEAR * (self._read_alike(x, y) + self._used_alike(last, other_last))
        if type(x.op) is not type(y.op):
            # One pooling or activation may stand in the place of another, of the same text.
            kin = self._kin and type(x.op).__module__ == type(y.op).__module__
            same = self._found.a.file(x.span) == self._found.b.file(y.span)
            return _KIN + near if kin and same else 0.0
        mine, other = told(x.op), told(y.op)
        same_words = sum(bool(mine[name] == other[name]) for name in mine) / max(1, len(mine))
        return (
            _SAME + _TOLD * same_words + near + _CALLED * (x.name == y.name and not is_counted(x))
        )

    def _read_alike(self, x: Node, y: Node) -> float:
        """The share of inputs that are the same tensors."""
        ahead = self._found.ahead
        near = [ahead.get(v.node) is w.node for v, w in zip(x.inputs, y.inputs, strict=False)]
        return sum(near) / len(near) if near else 1.0

    def _used_alike(self, x: Node, y: Node) -> float:
        """The share of the steps that read the first which also read the second."""
        users = {self._found.ahead.get(user) for user, _, _ in self._found.a.users[x]}
        theirs = {user for user, _, _ in self._found.b.users[y]}
        return len(users & theirs) / len(users) if users else float(not theirs)


def _repeats(firsts: Sequence[Node | Call]) -> list[list[int]]:
    """Items of one statement that stand one after the other, where there are several."""
    runs = (list(run) for _, run in groupby(range(len(firsts)), lambda i: firsts[i].span))
    return [run for run in runs if len(run) > 1]


def _bag(side: Side, item: Item) -> tuple[Counter[object], Counter[object]]:
    """What the steps in an item do, and of which kinds they are."""
    nodes = side.nodes_of(item)
    return Counter(side.told[node] for node in nodes), Counter(type(n.op) for n in nodes)
