"""The net with recurrences over a known number of steps written out: a part of the net for each step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from netspec.diagnostics.limits import DEFAULT
from netspec.foundation.records import changed
from netspec.graph.checked import Call, Graph, Node, Value
from netspec.graph.loops import Loop, around, loops
from netspec.ops.arranging.steps import MOST_STEPS, Stack, Unstack
from netspec.ops.declare.operator import Operator


def unroll(graph: Graph, wanted: Callable[[Loop], bool] = lambda loop: True) -> Graph:
    """The graph with recurrences that are `wanted` and run a known number of times written out.

    The steps use the weights of the first, which keeps its paths. Those inside others come after these.
    What would make more steps than a net may have stays as it is.
    """
    return unrolled(graph, wanted)[0]


def unrolled(
    graph: Graph, wanted: Callable[[Loop], bool] = lambda loop: True
) -> tuple[Graph, Mapping[str, str]]:
    """The same, and for each path of a step the path that it has where nothing is written out."""
    origins: dict[str, str] = {}
    while found := list(_next(graph, wanted)):
        step = _Unrolling(graph, found)
        graph = step.graph()
        origins |= {new: origins.get(old, old) for new, old in step.origins.items()}
    return graph, origins


def _next(graph: Graph, wanted: Callable[[Loop], bool]) -> Iterator[Loop]:
    """The recurrences to write out that are in no other, as many as there is room for."""
    outer, count = around(graph), len(graph.nodes)
    for loop in loops(graph):
        if loop.each in outer or not isinstance(loop.steps, int) or not wanted(loop):
            continue
        added = loop.steps * (len(loop.body) + 1)
        if loop.steps <= MOST_STEPS and count + added <= DEFAULT.nodes:
            count += added
            yield loop


class _Unrolling:
    def __init__(self, graph: Graph, found: Sequence[Loop]) -> None:
        self._graph = graph
        self._loops = {loop.last: loop for loop in found}
        self._left_out = {node for loop in found for node in (loop.each, *loop.joined)}
        # All of the braces: each step computes what depends on none, too.
        self._bodies: dict[Call, list[Node]] = {loop.call: [] for loop in found}
        bounds = self._left_out | self._loops.keys()
        for node in graph.nodes:
            for call in node.call.ancestors() if node.call and node not in bounds else ():
                if call in self._bodies:
                    self._bodies[call].append(node)
                    self._left_out.add(node)
        self._nodes: list[Node] = []
        self.origins: dict[str, str] = {}
        # What stands for a value outside the recurrences.
        self._now: dict[Value, Value] = {}
        self._taken = {
            ".".join(parts[: i + 1])
            for node in graph.nodes
            for parts in [node.path.split(".")]
            for i in range(len(parts))
        }
        # From where on words are tried with numbers.
        self._tried: Counter[str] = Counter()

    def graph(self) -> Graph:
        for node in self._graph.nodes:
            if node in self._loops:
                self._steps(self._loops[node])
            elif node not in self._left_out:
                self._add(node, self._now)
        return self._graph.rewired(self._nodes, self._now)

    def _steps(self, loop: Loop) -> None:
        """Adds a recurrence, step after step."""
        sequence, *starts = loop.each.inputs
        before = loop.call.component or ""
        prefix = loop.each.path.rpartition(".")[0].removesuffix(before)
        apart = self._placed(
            loop, loop.each, Unstack(), f"{prefix}{Unstack.spelling}", [self._now[sequence]]
        )
        states = [self._now[start] for start in starts]
        made: list[list[Value]] = [[] for _ in loop.joined]
        names = self._numbered(f"{prefix}{loop.call.block}")
        for i, step in enumerate(apart.outputs):
            name = f"{prefix}{before}" if not i else next(names)
            now = self._pass(loop, name, (i + 1, len(apart.types)), [step, *states])
            states = [now.get(v) or self._now[v] for v in loop.last.inputs[:-1]]
            for found, node in zip(made, loop.joined, strict=True):
                found.append(now.get(node.inputs[0]) or self._now[node.inputs[0]])
        self._now |= zip(loop.last.outputs, states, strict=True)
        for values, node in zip(made, loop.joined, strict=True):
            whole = self._placed(loop, node, Stack(), f"{prefix}{Stack.spelling}", values)
            self._now[node.output] = whole.output

    def _pass(
        self, loop: Loop, name: str, copy: tuple[int, int], given: list[Value]
    ) -> dict[Value, Value]:
        """Adds the nodes of one step under a name; what stands for each value of the recurrence."""
        own = loop.each.path.rpartition(".")[0]
        calls: dict[Call, Call] = {}

        def called(call: Call | None) -> Call | None:
            if call is None or call is loop.call.parent:
                return call
            if call not in calls:
                found = changed(call, parent=called(call.parent))
                if call is loop.call:
                    found = changed(found, component=name.rpartition(".")[2], copy=copy)
                calls[call] = found
            return calls[call]

        now = dict(zip(loop.each.outputs, given, strict=True))
        for node in self._bodies[loop.call]:
            path = name + node.path[len(own) :]
            self.origins[path] = node.path
            owner = node.owner if node.op.weights(*node.input_types) else path
            self._add(replace(node, path=path, call=called(node.call), owner=owner), now, node)
        return now

    def _add(self, node: Node, now: dict[Value, Value], old: Node | None = None) -> None:
        """Adds a node that reads what stands for its inputs, and stands for what the old one gave."""
        inputs = tuple(now[v] if v in now else self._now[v] for v in node.inputs)
        made = replace(node, inputs=inputs, index=len(self._nodes))
        self._nodes.append(made)
        now |= zip((old or node).outputs, made.outputs, strict=True)

    def _placed(self, loop: Loop, like: Node, op: Operator, word: str, given: list[Value]) -> Node:
        """A new node at the place of one that begins the recurrence or joins what it made."""
        result = op.infer(*(value.type for value in given))
        types = result if isinstance(result, tuple) else (result,)
        path = next(self._numbered(word))
        self.origins[path] = like.path
        made = replace(
            like,
            op=op,
            inputs=tuple(given),
            types=types,
            path=path,
            owner=path,
            call=loop.call.parent,
            index=len(self._nodes),
        )
        self._nodes.append(made)
        return made

    def _numbered(self, word: str) -> Iterator[str]:
        """Free paths of a word and a number."""
        while True:
            self._tried[word] += 1
            path = f"{word}{self._tried[word]}"
            if path not in self._taken:
                self._taken.add(path)
                yield path
