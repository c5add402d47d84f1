"""What was paired so far of two graphs, and in the end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping

from netspec.analysis.difference.items import calls_of
from netspec.analysis.difference.marks import Side
from netspec.graph.checked import Call, Node, Value


class Pairing:
    """Nodes of the first graph by those of the second; `pair` and `taken` are the numbers of the pairs.

    `aside` are steps of either graph that the other has in another place of the same block.
    """

    def __init__(self, a: Side, b: Side) -> None:
        self.a, self.b, self.numbers = a, b, a.numbers
        self.ahead: dict[Node, Node] = {}
        self.pair: dict[Node, int] = {}
        self.taken: dict[Node, int] = {}
        self.aside: set[Node] = set()

    def equal_groups(self, first: dict[Node, int], second: dict[Node, int]) -> None:
        """Pairs what has equal marks, where as many nodes of either graph have them."""
        places: dict[int, list[Node]] = defaultdict(list)
        waiting: dict[int, list[Node]] = defaultdict(list)
        for node in self.b.graph.nodes:
            if node not in self.taken and node not in self.aside:
                places[second[node]].append(node)
        for node in self.a.graph.nodes:
            if node not in self.ahead and node not in self.aside:
                waiting[first[node]].append(node)
        for mark, nodes in waiting.items():
            if len(nodes) == len(places.get(mark, ())):
                for x, y in zip(nodes, places[mark], strict=True):
                    self.match(x, y)

    def match(self, x: Node, y: Node) -> None:
        """Pairs two nodes, unless one of them is paired."""
        if x not in self.ahead and y not in self.taken:
            self.pair[x] = self.taken[y] = len(self.ahead)
            self.ahead[x] = y


class Alignment:
    """Nodes of the first graph by those of the second, and the other way; block calls likewise.

    `starts` says whether how weights start is compared. `inside` says which nodes are which in calls that are
    no pair, as those that were moved.
    """

    def __init__(
        self,
        a: Side,
        b: Side,
        ahead: dict[Node, Node],
        starts: bool,
        inside: Callable[[Iterable[tuple[Call, Call]]], dict[Node, Node]],
    ) -> None:
        self.a, self.b, self.starts, self.inside = a, b, starts, inside
        self.ahead = ahead
        self.back = {y: x for x, y in ahead.items()}
        self.calls = calls_of(ahead)
        self.calls_back = {d: c for c, d in self.calls.items()}

    def also(self, pairs: dict[Node, Node]) -> Alignment:
        """The same with further pairs."""
        return Alignment(self.a, self.b, {**self.ahead, **pairs}, self.starts, self.inside)


def made_from(value: Value, paired: Mapping[Node, object]) -> Iterator[Value]:
    """The tensor if its step is in both graphs, else those that it is made of."""
    waiting, seen = [value], {value}
    while waiting:
        current = waiting.pop()
        if current.node in paired:
            yield current
            continue
        for v in current.node.inputs:
            if v not in seen:
                seen.add(v)
                waiting.append(v)
