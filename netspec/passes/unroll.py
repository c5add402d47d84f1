"""The net with recurrences over a known number of steps written out: a part of the net for each step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from netspec.foundation.records import changed
from netspec.graph.checked import Call, Graph, Head, Node, Value
from netspec.graph.loops import Loop, around, loops
from netspec.ops.arranging.steps import Stack, Unstack
from netspec.ops.declare.operator import Operator


def unroll(graph: Graph, wanted: Callable[[Loop], bool] = lambda loop: True) -> Graph:
    """The graph with recurrences that are `wanted` and run a known number of times written out.

    The steps use the weights of the first, which keeps its paths. Those inside others come after these.
    """
    return unrolled(graph, wanted)[0]


def unrolled(
    graph: Graph, wanted: Callable[[Loop], bool] = lambda loop: True
) -> tuple[Graph, Mapping[str, str]]:
    """The same, and for each path of a step the path that it has where nothing is written out."""
    origins: dict[str, str] = {}
    while True:
        outer = around(graph)
        found = next(
            (
                loop
                for loop in loops(graph)
                if isinstance(loop.steps, int) and loop.each not in outer and wanted(loop)
            ),
            None,
        )
        if found is None:
            return graph, origins
        step = _Unrolling(graph, found)
        graph = step.graph()
        origins |= {new: origins.get(old, old) for new, old in step.origins.items()}


class _Unrolling:
    def __init__(self, graph: Graph, loop: Loop) -> None:
        self._graph, self._loop = graph, loop
        around = {loop.each, loop.last, *loop.joined}
        # All of the braces: each step computes what depends on none, too.
        self._body = tuple(
            node
            for node in graph.nodes
            if node.call and loop.call in node.call.ancestors() and node not in around
        )
        self._nodes: list[Node] = []
        self.origins: dict[str, str] = {}
        # What stands for a value outside the recurrence.
        self._now: dict[Value, Value] = {}
        self._taken = {
            ".".join(parts[: i + 1])
            for node in graph.nodes
            for parts in [node.path.split(".")]
            for i in range(len(parts))
        }

    def graph(self) -> Graph:
        loop, body = self._loop, {*self._body}
        for node in self._graph.nodes:
            if node in body or node is loop.each or node in loop.joined:
                continue
            if node is loop.last:
                self._steps()
            else:
                self._add(node, self._now)
        outputs = tuple(replace(o, value=self._now[o.value]) for o in self._graph.outputs)
        heads = tuple(Head(h.name, self._now[h.value], h.loss) for h in self._graph.heads)
        inputs = tuple(self._now[node.output].node for node in self._graph.inputs)
        return self._graph.replace(
            nodes=tuple(self._nodes), outputs=outputs, heads=heads, inputs=inputs
        )

    def _steps(self) -> None:
        loop = self._loop
        sequence, *starts = loop.each.inputs
        before = loop.call.component or ""
        prefix = loop.each.path.rpartition(".")[0].removesuffix(before)
        apart = self._placed(
            loop.each, Unstack(), f"{prefix}{Unstack.spelling}", [self._now[sequence]]
        )
        states = [self._now[start] for start in starts]
        made: list[list[Value]] = [[] for _ in loop.joined]
        names = self._numbered(f"{prefix}{loop.call.block}")
        for i, step in enumerate(apart.outputs):
            name = f"{prefix}{before}" if not i else next(names)
            now = self._pass(name, (i + 1, len(apart.types)), [step, *states])
            states = [now.get(v) or self._now[v] for v in loop.last.inputs[:-1]]
            for found, node in zip(made, loop.joined, strict=True):
                found.append(now.get(node.inputs[0]) or self._now[node.inputs[0]])
        self._now |= zip(loop.last.outputs, states, strict=True)
        for values, node in zip(made, loop.joined, strict=True):
            whole = self._placed(node, Stack(), f"{prefix}{Stack.spelling}", values)
            self._now[node.output] = whole.output

    def _pass(self, name: str, copy: tuple[int, int], given: list[Value]) -> dict[Value, Value]:
        """Adds the nodes of one step under a name; what stands for each value of the recurrence."""
        own = self._loop.each.path.rpartition(".")[0]
        calls: dict[Call, Call] = {}

        def called(call: Call | None) -> Call | None:
            if call is None or call is self._loop.call.parent:
                return call
            if call not in calls:
                found = changed(call, parent=called(call.parent))
                if call is self._loop.call:
                    found = changed(found, component=name.rpartition(".")[2], copy=copy)
                calls[call] = found
            return calls[call]

        now = dict(zip(self._loop.each.outputs, given, strict=True))
        for node in self._body:
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

    def _placed(self, like: Node, op: Operator, word: str, given: list[Value]) -> Node:
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
            call=self._loop.call.parent,
            index=len(self._nodes),
        )
        self._nodes.append(made)
        return made

    def _numbered(self, word: str) -> Iterator[str]:
        """Free paths of a word and a number."""
        number = 1
        while True:
            if f"{word}{number}" not in self._taken:
                self._taken.add(f"{word}{number}")
                yield f"{word}{number}"
            number += 1
