"""What tells a node from others: what its operator was told, what it is computed from, what reads it.

Equal marks have equal numbers in both graphs: each is a number given to the tuple that it stands for, so
no two different things are ever taken for one.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any

from netspec.diagnostics.source import Span
from netspec.foundation.records import record
from netspec.graph.checked import Call, Graph, Node, Value
from netspec.graph.same import meaning
from netspec.ops.arranging.merge import Add, Maximum, Mean, Minimum, Mul
from netspec.ops.declare.operator import Operator
from netspec.ops.declare.params import SchemeParam
from netspec.ops.declare.source import Input

# Operators that compute the same in whatever order their inputs come.
_UNORDERED = (Add, Mul, Mean, Maximum, Minimum)


class Numbers:
    """A number for each thing, the same for equal things."""

    def __init__(self) -> None:
        self._known: dict[Hashable, int] = {}

    def of(self, thing: Hashable) -> int:
        """The number of a thing."""
        return self._known.setdefault(thing, len(self._known))


@record
class Bundle:
    """The node of a step and those of the layers that its `norm` and `act` added."""

    nodes: tuple[Node, ...]


# What stands in a net or in a block: steps, and calls of blocks.
Item = Node | Bundle | Call


def told(op: Operator) -> dict[str, Any]:
    """What an operator was told, but for the layers after it, which are nodes of their own, and how
    its weights start.
    """
    left = {*op.follows, *schemes(op)}
    return {name: value for name, value in vars(op).items() if name not in left}


def schemes(op: Operator) -> dict[str, Any]:
    """How an operator's weights start, by parameter."""
    params = type(op).params
    return {n: v for n, v in vars(op).items() if isinstance(params.get(n), SchemeParam)}


def is_unordered(op: Operator) -> bool:
    """Whether the order of the operator's inputs changes nothing."""
    return isinstance(op, _UNORDERED)


class Side:
    """One of two graphs with the marks of its nodes. `inputs` are numbers that say which input is which.

    `place` and `file` are equal for places of both texts that are each other's.
    """

    def __init__(
        self,
        graph: Graph,
        numbers: Numbers,
        inputs: dict[Node, int],
        place: Callable[[Span], Hashable],
        file: Callable[[Span], Hashable],
    ) -> None:
        self.graph, self.place, self.file = graph, place, file
        self.numbers = numbers
        self.owners = {node.path: node for node in graph.nodes}
        self.told = {node: self._told(node, inputs) for node in graph.nodes}
        self.users: dict[Node, list[tuple[Node, int, int]]] = {node: [] for node in graph.nodes}
        for node in graph.nodes:
            for at, value in enumerate(node.inputs):
                order = 0 if is_unordered(node.op) else at
                self.users[value.node].append((node, order, value.index))
        self.ends: dict[Node, list[tuple[str, int]]] = {node: [] for node in graph.nodes}
        self.children: dict[Call | None, list[Item]] = {None: []}
        self.inside: dict[Call, list[Node]] = {}
        self._written: dict[tuple[str, int], list[Node]] = {}
        for node in graph.nodes:
            self._written.setdefault((node.span.source.key, node.span.start), []).append(node)
        self._place()
        self._bundle()

    def _told(self, node: Node, inputs: dict[Node, int]) -> int:
        if isinstance(node.op, Input):
            return self.numbers.of(("input", inputs[node]))
        said = meaning(node.op, node.input_types)
        return self.numbers.of((type(node.op), said, node.frozen, node.head is not None))

    def _place(self) -> None:
        for node in self.graph.nodes:
            around = tuple(node.call.ancestors()) if node.call else ()
            for call in around:
                self.inside.setdefault(call, []).append(node)
            below: Item = node
            for call in around:
                known = call in self.children
                self.children.setdefault(call, []).append(below)
                if known:
                    break
                below = call
            else:
                self.children[None].append(below)

    def _bundle(self) -> None:
        """Puts the layers that follow a step together with it."""
        for call, items in self.children.items():
            runs: list[list[Item]] = []
            expected = 0
            for item in items:
                last = runs[-1][-1] if runs else None
                if (
                    expected
                    and isinstance(item, Node)
                    and isinstance(last, Node)
                    and item.span == last.span
                    and item.inputs == (last.output,)
                ):
                    runs[-1].append(item)
                    expected -= 1
                    continue
                runs.append([item])
                expected = len(followers(item)) if isinstance(item, Node) else 0
            self.children[call] = [
                run[0] if len(run) == 1 else Bundle(tuple(n for n in run if isinstance(n, Node)))
                for run in runs
            ]

    def written_with(self, item: Node | Call) -> list[Node]:
        """The nodes of the statement that a step is of."""
        return self._written.get((item.span.source.key, item.span.start), [])

    def nodes_of(self, item: Item) -> tuple[Node, ...]:
        """The nodes of an item, in order."""
        match item:
            case Node():
                return (item,)
            case Bundle():
                return item.nodes
        return tuple(self.inside[item])

    def alike(self, item: Node | Call) -> Iterator[Node | Call]:
        """The steps right before and after one that do the same, nearest first, of each run."""
        around = item.call if isinstance(item, Node) else item.parent
        items = self.children[around]
        at = next((i for i, other in enumerate(items) if item in _parts(other)), None)
        if at is None:
            return
        parts = _parts(items[at])
        content = self.content(items[at])
        for step in (-1, 1):
            i = at + step
            while 0 <= i < len(items) and self.content(items[i]) == content:
                # A block may hold what a step and the layers behind it do.
                if len(_parts(items[i])) == len(parts):
                    yield _parts(items[i])[parts.index(item)]
                i += step

    def up(self, seeds: dict[Node, int], told: dict[Node, int] | None = None) -> dict[Node, int]:
        """For each node what it is computed from; a node with a seed is what the seed says."""
        told = told or self.told
        found: dict[Node, int] = {}
        for node in self.graph.nodes:
            if node in seeds:
                found[node] = self.numbers.of(("seed", seeds[node]))
                continue
            read: Iterable[tuple[int, int]] = ((found[v.node], v.index) for v in node.inputs)
            read = sorted(read) if is_unordered(node.op) else read
            shared = None if node.owner == node.path else found[self.owners[node.owner]]
            found[node] = self.numbers.of(("up", told[node], tuple(read), shared))
        return found

    def down(self, seeds: dict[Node, int], told: dict[Node, int] | None = None) -> dict[Node, int]:
        """For each node what is made of it; a node with a seed is what the seed says."""
        told = told or self.told
        found: dict[Node, int] = {}
        for node in reversed(self.graph.nodes):
            if node in seeds:
                found[node] = self.numbers.of(("seed", seeds[node]))
                continue
            users = sorted((found[user], at, index) for user, at, index in self.users[node])
            found[node] = self.numbers.of(
                ("down", told[node], tuple(users), tuple(self.ends[node]))
            )
        return found

    def near(self, *, above: bool) -> dict[Node, int]:
        """For each node what is two steps above or below it."""
        found = self.told
        for _ in range(2):
            found = {
                node: self.numbers.of((self.told[node], tuple(self._next(node, found, above))))
                for node in self.graph.nodes
            }
        return found

    def _next(self, node: Node, marks: dict[Node, int], above: bool) -> list[tuple[int, int, int]]:
        if above:
            read = [(marks[v.node], i, v.index) for i, v in enumerate(node.inputs)]
            return sorted((m, 0, k) for m, _, k in read) if is_unordered(node.op) else read
        return sorted((marks[user], at, index) for user, at, index in self.users[node])

    def within(self, nodes: tuple[Node, ...], seeds: dict[Node, int]) -> dict[Node, int]:
        """For each of these nodes what it is computed from, as seen from inside of them.

        What has a seed outside is what the seed says, all else is told apart only.
        """
        found: dict[Node, int] = {}
        outside: dict[Value, int] = {}
        for node in nodes:
            read = []
            for v in node.inputs:
                if v.node in found:
                    read.append((0, found[v.node], v.index))
                elif v.node in seeds:
                    read.append((1, seeds[v.node], v.index))
                else:
                    read.append((2, outside.setdefault(v, len(outside)), 0))
            read = sorted(read) if is_unordered(node.op) else read
            found[node] = self.numbers.of(("within", self.told[node], tuple(read)))
        return found

    def content(self, item: Item) -> int:
        """A number for what an item does, whatever it stands in and is called."""
        inner = self.within(self.nodes_of(item), {})
        return self.numbers.of(tuple(sorted(inner.values())))


def _parts(item: Item) -> tuple[Node | Call, ...]:
    return item.nodes if isinstance(item, Bundle) else (item,)


def followers(node: Node) -> tuple[str, ...]:
    """The parameters of a step whose layers follow it."""
    return tuple(name for name in node.op.follows if vars(node.op)[name] is not None)
