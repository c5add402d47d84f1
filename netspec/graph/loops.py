"""The recurrences of a graph: which nodes run at every step of a sequence, read off the wiring alone."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from math import prod

from netspec.foundation.records import record
from netspec.graph.checked import Call, Graph, Node
from netspec.graph.nesting import Part, nested
from netspec.ops.arranging.recurrence import All, Each, Last
from netspec.ops.arranging.steps import time_axis
from netspec.ops.declare.source import Input
from netspec.sizes.dims import Dim


@record(eq=False)
class Loop:
    """A recurrence that is not written out.

    `body` are the nodes that run at every step, in order, those of recurrences inside among them: what
    follows from the step or from a state. `each` and `last` begin and end it; `joined` are the nodes that
    join what the steps made.
    """

    each: Node
    last: Node
    body: tuple[Node, ...]
    joined: tuple[Node, ...]

    @property
    def ends(self) -> tuple[Node, ...]:
        """What stands around its steps."""
        return (self.each, self.last, *self.joined)

    @property
    def at_each_step(self) -> frozenset[Node]:
        """What is computed anew at every step, with what stands around; the rest of its braces once."""
        return frozenset((*self.ends, *self.body))

    @property
    def call(self) -> Call:
        """The level of the path that its nodes stand in."""
        assert self.each.call is not None
        return self.each.call

    @property
    def steps(self) -> Dim:
        """How often it runs."""
        sequence = self.each.input_types[0]
        return sequence.shape[time_axis(sequence)]


def beginning(node: Node) -> Node | None:
    """The node that begins the recurrence that this one ends, or joins what its steps made."""
    last = node.inputs[2].node if isinstance(node.op, All) else node
    return last.inputs[-1].node if isinstance(last.op, Last) else None


def is_apart(loop: Loop) -> bool:
    """Whether a recurrence holds no other, and its steps read nothing else that follows from an input."""
    own = {loop.each, *loop.body}
    outside = [v.node for node in loop.body for v in node.inputs if v.node not in own]
    return not any(isinstance(node.op, Each) for node in loop.body) and not any(
        isinstance(node.op, Input) for node in _made_of(outside)
    )


def _made_of(nodes: list[Node]) -> set[Node]:
    found: set[Node] = set()
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting += [value.node for value in node.inputs]
    return found


@lru_cache(maxsize=64)
def around(graph: Graph) -> Mapping[Node, tuple[Node, ...]]:
    """For each node that runs at every step of a recurrence, what begins those it is in, outermost first."""
    parts = [
        Part(
            node.inputs, node.outputs, node if isinstance(node.op, Each) else None, beginning(node)
        )
        for node in graph.nodes
    ]
    pairs = zip(graph.nodes, nested(parts), strict=True)
    return {node: inside for node, inside in pairs if inside}


@lru_cache(maxsize=64)
def loops(graph: Graph) -> tuple[Loop, ...]:
    """The recurrences of a graph that are not written out, those inside others after them."""
    ends: dict[Node, Node] = {}
    joined: dict[Node, list[Node]] = {}
    for node in graph.nodes:
        begun = beginning(node)
        if begun is not None and isinstance(node.op, Last):
            ends[begun] = node
        elif begun is not None:
            joined.setdefault(begun, []).append(node)
    bodies: dict[Node, list[Node]] = {each: [] for each in ends}
    for node, inside in around(graph).items():
        for each in inside:
            bodies[each].append(node)
    return tuple(
        Loop(each, ends[each], tuple(bodies[each]), tuple(joined.get(each, ())))
        for each in graph.nodes
        if isinstance(each.op, Each)
    )


def times(graph: Graph, node: Node) -> Dim:
    """How often a node runs for one sample."""
    begun = around(graph).get(node, ())
    return prod(one.input_types[0].shape[time_axis(one.input_types[0])] for one in begun)
