"""The net with recurrences that stand step after step as one step each: the inverse of `unroll`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count

from netspec.foundation.records import changed, record
from netspec.graph.checked import Call, Graph, Node, Value
from netspec.graph.same import meaning
from netspec.ops.arranging.recurrence import All, Each, Last
from netspec.ops.arranging.steps import Stack, Unstack
from netspec.ops.declare.operator import Operator
from netspec.sizes.shapes import TensorType


def roll(graph: Graph) -> Graph:
    """The graph with recurrences that are written out, a part of the net for each step, as one step.

    What is computed is the same to the bit, in training too. Steps that are not alike stay as they are, and
    so do those of which more is read than what flows on and what is joined along time: `_Alike` says when.
    """
    refused: set[str] = set()
    while found := list(_next(graph, refused)):
        graph = _Rolling(graph, found).graph()
    return graph


@record(eq=False)
class _Steps:
    """A recurrence that is written out: the call of each step, their nodes, and what gives the steps."""

    calls: tuple[Call, ...]
    bodies: tuple[tuple[Node, ...], ...]
    unstack: Node

    @property
    def prefix(self) -> str:
        """What the paths of the first step start with."""
        return _prefix(self.calls[0])


_EACH, _LAST, _ALL = Each(), Last(), All()
# A value of a step, by the place of its node in the step and its number; the step itself stands at no place.
_Base = tuple[int, int]
_STEP: _Base = (-1, 0)
# A state: what the step before gave, and what it is at the first step. One that holds what an earlier step
# gave goes through others: it has what each is at the first step. What a step itself gives has no such.
_State = tuple[_Base, tuple[Value, ...]]


def _next(graph: Graph, refused: set[str]) -> Iterator[_Alike]:
    """The recurrences to write as one step: those that hold no other first."""
    inside: set[Call] = set()
    for steps in sorted(_written_out(graph), key=lambda steps: -_depth(steps.calls[0])):
        path = steps.prefix
        if path in refused or inside.intersection(steps.calls):
            continue
        found = _Alike(graph, steps)
        if found.holds:
            inside |= {around for call in steps.calls for around in call.ancestors()}
            yield found
        else:
            refused.add(path)


def _written_out(graph: Graph) -> Iterator[_Steps]:
    bodies: dict[Call, list[Node]] = {}
    sources: dict[Call | None, list[Node]] = {}
    for node in graph.nodes:
        if isinstance(node.op, Unstack):
            sources.setdefault(node.call, []).append(node)
        for call in node.call.ancestors() if node.call else ():
            if call.recurrent and call.copy is not None:
                bodies.setdefault(call, []).append(node)
    runs: dict[object, list[Call]] = {}
    for call in bodies:
        runs.setdefault((call.parent, call.block, call.span), []).append(call)
    for run in runs.values():
        numbers = [(i, len(run)) for i in range(1, len(run) + 1)]
        given = [
            node
            for node in sources.get(run[0].parent, ())
            if len(node.types) == len(run) and _within(node, run[0])
        ]
        if len(run) > 1 and [call.copy for call in run] == numbers and len(given) == 1:
            yield _Steps(tuple(run), tuple(tuple(bodies[call]) for call in run), given[0])


def _within(node: Node, call: Call) -> bool:
    """Whether a node is of the heading of a recurrence: `in @x`."""
    span, outer = node.span, call.span
    return span.source is outer.source and outer.start <= span.start and span.end <= outer.end


def _depth(call: Call) -> int:
    return sum(1 for _ in call.ancestors())


def _prefix(call: Call) -> str:
    names = [around.component for around in call.ancestors() if around.component]
    return ".".join(reversed(names)) + "."


class _Alike:
    """How the steps of a recurrence are one: its states, what is read of the last step, and what is joined.

    It `holds` where each step does with what the steps before gave and what is made outside what the second
    does, and what is read of it outside is the state after the last step, or what all steps gave, stacked.
    What depends on neither step nor state is then computed once: where it draws random numbers or counts
    statistics it does not hold.
    """

    def __init__(self, graph: Graph, steps: _Steps) -> None:
        self.steps = steps
        self._place = {
            node: (i, j) for i, body in enumerate(steps.bodies) for j, node in enumerate(body)
        }
        self.states: dict[_State, None] = {}
        # By the place of a node of the step and the number of its input: the state that it reads.
        self.reads: dict[tuple[int, int], _State] = {}
        self.stacks: dict[Node, _State] = {}
        self.finals: dict[Value, _State] = {}
        self.holds = self._bodies_agree() and self._inputs_agree() and self._outside_agrees(graph)

    def _bodies_agree(self) -> bool:
        first, *others = self.steps.bodies
        start = len(self.steps.prefix)
        for call, body in zip(self.steps.calls[1:], others, strict=True):
            own = len(_prefix(call))
            if len(body) != len(first) or not all(
                one.path[start:] == other.path[own:]
                and one.types == other.types
                and (one.frozen, one.head) == (other.frozen, other.head)
                and meaning(one.op, one.input_types) == meaning(other.op, other.input_types)
                and (one.owner == other.owner or not one.op.weights(*one.input_types))
                for one, other in zip(first, body, strict=True)
            ):
                return False
        return True

    def _told(self, value: Value) -> tuple[int, _Base] | None:
        """By which step a value is given, and which of its values it is; None for one from outside."""
        if value.node is self.steps.unstack:
            return value.index, _STEP
        if value.node in self._place:
            i, j = self._place[value.node]
            return i, (j, value.index)
        return None

    def _state(self, values: Sequence[Value]) -> _State | None:
        """What values by step are: a value of each step, or a state, which then is one; None for neither."""
        told = [self._told(value) for value in values]
        lag = next((i for i, found in enumerate(told) if found is not None), len(told))
        outside = tuple(values[:lag])
        begun = self.steps.bodies[0][0].index
        found = told[-1]
        if found is None or any(
            value.node.index >= begun or value.type != values[-1].type for value in outside
        ):
            return None
        base = found[1]
        if told[lag:] != [(i, base) for i in range(len(told) - lag)]:
            return None
        self.states |= {(base, outside[::-1][:m]): None for m in range(1, lag + 1)}
        return base, outside[::-1]

    def _inputs_agree(self) -> bool:
        following: set[int] = set()
        begun = self.steps.bodies[0][0].index
        for j, nodes in enumerate(zip(*self.steps.bodies, strict=True)):
            follows = False
            for k, values in enumerate(zip(*(node.inputs for node in nodes), strict=True)):
                if not any(map(self._told, values)):
                    if len(set(values)) > 1 or values[0].node.index >= begun:
                        return False
                    continue
                state = self._state(values)
                if state is None:
                    return False
                base, history = state
                if history:
                    self.reads[j, k] = state
                follows |= bool(history) or base == _STEP or base[0] in following
            if follows:
                following.add(j)
            elif _differs_each_time(nodes[0]):
                return False
        return True

    def _outside_agrees(self, graph: Graph) -> bool:
        steps = len(self.steps.bodies)
        read = [output.value for output in graph.outputs] + [head.value for head in graph.heads]
        for node in graph.nodes:
            if node in self._place:
                continue
            if isinstance(node.op, Stack) and len(node.inputs) == steps:
                state = self._state(node.inputs)
                if state is not None:
                    self.stacks[node] = state
                    continue
            read += node.inputs
        for value in read:
            found = self._told(value)
            if found is None:
                continue
            number, base = found
            state = next(
                (s for s in self.states if s[0] == base and len(s[1]) == steps - number), None
            )
            if state is None:
                return False
            self.finals[value] = state
        # What nothing reads after the last step needs no end; what is joined is read with one.
        return bool(self.states)


def _differs_each_time(node: Node) -> bool:
    """Whether a step that is computed twice in training is not what it is once."""
    weights = node.op.weights(*node.input_types)
    statistics = any(weight.kind == "statistic" for weight in weights)
    return node.op.random or type(node.op).train is not Operator.train or statistics


class _Rolling:
    """A graph in the place of one whose recurrences are written out."""

    def __init__(self, graph: Graph, found: Sequence[_Alike]) -> None:
        self._graph = graph
        self._begun = {alike.steps.bodies[0][0]: alike for alike in found}
        self._left_out = {alike.steps.unstack for alike in found}
        for alike in found:
            self._left_out |= alike.stacks.keys()
            self._left_out |= {node for body in alike.steps.bodies for node in body}
        self._nodes: list[Node] = []
        self._now: dict[Value, Value] = {}
        self._taken = {node.path for node in graph.nodes}

    def graph(self) -> Graph:
        """The graph, checked as far as the one it is made of."""
        for node in self._graph.nodes:
            if node in self._begun:
                self._one_step(self._begun[node])
            elif node not in self._left_out:
                self._add(node, node.call)
        return self._graph.rewired(self._nodes, self._now)

    def _one_step(self, alike: _Alike) -> None:
        """Adds the step between what begins and what ends the recurrence."""
        steps = alike.steps
        first, own = steps.bodies[0], steps.calls[0]
        calls = {own: changed(own, copy=None)}

        def called(call: Call | None) -> Call | None:
            if call is None or call is own.parent:
                return call
            if call not in calls:
                calls[call] = changed(call, parent=called(call.parent))
            return calls[call]

        def around(like: Node, op: Operator, given: list[Value], types: list[TensorType]) -> Node:
            names = (f"{steps.prefix}{op.spelling}{i}" for i in count(1))
            path = next(name for name in names if name not in self._taken)
            self._taken.add(path)
            made = Node(
                len(self._nodes), op, tuple(given), tuple(types), path, like.span,
                calls[own], path, first[0].head,
            )  # fmt: skip
            self._nodes.append(made)
            return made

        sequence = self._now[steps.unstack.inputs[0]]
        starts = [self._now[history[-1]] for _, history in alike.states]
        whole = [steps.unstack.types[0], *(start.type for start in starts)]
        each = around(steps.unstack, _EACH, [sequence, *starts], whole)
        step, *begun = each.outputs
        states = dict(zip(alike.states, begun, strict=True))
        now = {Value(steps.unstack, 0): step}
        for j, node in enumerate(first):
            inputs = tuple(
                states[alike.reads[j, k]] if (j, k) in alike.reads else now.get(v) or self._now[v]
                for k, v in enumerate(node.inputs)
            )
            made = self._made(node, called(node.call), inputs)
            now |= zip(node.outputs, made.outputs, strict=True)

        def given(state: _State) -> Value:
            (place, number), history = state
            if history:
                return states[state]
            return step if place < 0 else now[Value(first[place], number)]

        carried = [given((base, history[:-1])) for base, history in alike.states]
        last = around(steps.unstack, _LAST, [*carried, step], [v.type for v in carried])
        after = dict(zip(alike.states, last.outputs, strict=True))
        for stack, state in alike.stacks.items():
            joined = around(stack, _ALL, [given(state), sequence, last.output], list(stack.types))
            self._now[stack.output] = joined.output
        self._now |= {value: after[state] for value, state in alike.finals.items()}

    def _add(self, node: Node, call: Call | None) -> None:
        made = self._made(node, call, tuple(self._now[value] for value in node.inputs))
        self._now |= zip(node.outputs, made.outputs, strict=True)

    def _made(self, node: Node, call: Call | None, inputs: tuple[Value, ...]) -> Node:
        made = changed(node, inputs=inputs, call=call, index=len(self._nodes))
        self._nodes.append(made)
        return made
