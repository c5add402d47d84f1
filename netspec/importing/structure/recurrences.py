"""Recurrences as single nodes that hold the graph of a step: a net that has any is then a graph like others.

What begins one and runs at every step is gone from around it. What ends it reads what it starts from, the
sequence and all that its steps read of outside; what joins what the steps made reads what ends it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace

from netspec.foundation.records import record
from netspec.graph.checked import Graph, Node, Output, Value
from netspec.graph.loops import Loop, around, beginning, loops
from netspec.ops.arranging.recurrence import All, Each, Last
from netspec.ops.declare.source import Input
from netspec.ops.vectors.sources import Repeat


@record(eq=False)
class Pass:
    """The step of a recurrence: its graph, whose inputs are what the step and the states are in it.

    Its outputs are first what the states are in the next one. `outside` says what its other inputs are
    outside, `made` what the joined tensors of outside are in it.
    """

    graph: Graph
    step: Value
    states: tuple[Value, ...]
    outside: Mapping[Value, Value]
    made: dict[Value, Value]

    @property
    def ends(self) -> tuple[Value, ...]:
        """What flows into the next step."""
        return tuple(output.value for output in self.graph.outputs[: len(self.states)])


def contracted(graph: Graph) -> tuple[Graph, Mapping[Node, Pass]]:
    """The graph with one node for each recurrence, and the steps of these, of those in them too."""
    begun = loops(graph)
    if not begun:
        return graph, {}
    work = _Contracting(graph, begun)
    top = _Level({node.output: node.output for node in graph.inputs})
    nodes = work.nodes(None, top)
    outputs = tuple(replace(item, value=top.known[item.value]) for item in graph.outputs)
    heads = tuple(replace(head, value=top.known[head.value]) for head in graph.heads)
    return graph.replace(nodes=tuple(nodes), outputs=outputs, heads=heads), work.passes


@record(eq=False, frozen=False)
class _Level:
    """What values are by now, and the inputs that stand for what is read of outside; none at the top."""

    known: dict[Value, Value]
    outside: dict[Value, Value] | None = None
    inputs: list[Node] = field(default_factory=list)

    def value(self, value: Value) -> Value:
        """What a value is here."""
        if value not in self.known:
            assert self.outside is not None
            node = _input(value, f"outside{len(self.inputs)}")
            self.inputs.append(node)
            self.known[value], self.outside[node.output] = node.output, value
        return self.known[value]


class _Contracting:
    def __init__(self, graph: Graph, begun: tuple[Loop, ...]) -> None:
        self.graph = graph
        self.loops = {loop.each: loop for loop in begun}
        self.passes: dict[Node, Pass] = {}
        inside = around(graph)
        self.stands: dict[Node | None, list[Node]] = {None: []}
        for node in graph.nodes:
            self.stands.setdefault((inside.get(node) or (None,))[-1], []).append(node)

    def nodes(self, each: Node | None, level: _Level) -> list[Node]:
        """The nodes that stand in a recurrence, or in none, but for those of recurrences in it."""
        found = []
        for node in self.stands.get(each, ()):
            if isinstance(node.op, Each):
                continue
            if isinstance(node.op, Last):
                made = self._looped(self.loops[_begun(node)], level)
            elif isinstance(node.op, All):
                last = self.loops[_begun(node)].last
                made = replace(node, inputs=(level.known[last.output],))
            elif isinstance(node.op, Input):
                made = node
            else:
                made = replace(node, inputs=tuple(map(level.value, node.inputs)))
            found.append(made)
            level.known |= zip(node.outputs, made.outputs, strict=True)
            if isinstance(node.op, All):
                owner = made.inputs[0].node
                self.passes[owner].made[made.output] = self.passes[owner].made.pop(node.output)
        return found

    def _looped(self, loop: Loop, around: _Level) -> Node:
        sequence, *starts = loop.each.inputs
        given = [
            _input(v, f"state{i}") if i else _input(v, "step")
            for i, v in enumerate(loop.each.outputs)
        ]
        inner = _Level(
            dict(zip(loop.each.outputs, (node.output for node in given), strict=True)), {}
        )
        nodes = self.nodes(loop.each, inner)
        ends = tuple(
            Output(f"end{i}", inner.value(value)) for i, value in enumerate(loop.last.inputs[:-1])
        )
        made = {node.output: inner.value(node.inputs[0]) for node in loop.joined}
        ends += tuple(Output(f"made{i}", value) for i, value in enumerate(made.values()))
        inputs = (*given, *inner.inputs)
        step, *states = (node.output for node in given)
        graph = self.graph.replace(
            nodes=(*inputs, *nodes), inputs=inputs, outputs=ends, heads=(), conditions=()
        )
        assert inner.outside is not None
        outside = {mine: around.value(value) for mine, value in inner.outside.items()}
        read = [
            *(around.value(_given(value, sequence)) for value in starts),
            around.value(sequence),
            *outside.values(),
        ]
        node = replace(loop.last, inputs=tuple(read))
        self.passes[node] = Pass(graph, step, tuple(states), outside, made)
        return node


def _begun(node: Node) -> Node:
    found = beginning(node)
    assert found is not None
    return found


def _given(start: Value, sequence: Value) -> Value:
    """What a recurrence was told to start from: a row for each sample is put in by itself."""
    repeat = start.node
    put = isinstance(repeat.op, Repeat) and repeat.inputs[1] == sequence
    return repeat.inputs[0] if put else start


def _input(value: Value, name: str) -> Node:
    """A node that stands for a value of outside."""
    node = value.node
    return Node(
        node.index,
        Input(name=name),
        (),
        (value.type,),
        f"{node.path}.{name}",
        node.span,
        node.call,
        node.path,
    )
