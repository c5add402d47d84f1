"""A call that was run, without the place it was run at: what it adds to a graph that calls it again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, NamedTuple

from netspec.diagnostics.source import Span
from netspec.elaborate.again.trace import Mark, Trace
from netspec.elaborate.scope import Binding
from netspec.foundation.records import record
from netspec.graph.checked import Call, Node, Value
from netspec.ops.declare.operator import Operator
from netspec.ops.vectors.sources import Repeat
from netspec.sizes.asked import Question
from netspec.sizes.conditions import Condition
from netspec.sizes.shapes import TensorType

if TYPE_CHECKING:
    from netspec.syntax.units import Unit

# Tensors of a call by number: those from outside, then what each step gives.
Places = tuple[int, ...]


class Foreign(Exception):
    """A call that reaches for what is not its own: it says nothing of other calls."""


class Step(NamedTuple):
    """A node; paths are from the call's, `head` None where it is the surroundings'.

    `call` is the number of the call that it stands in, 0 for the one that is told here.
    """

    op: Operator
    inputs: Places
    outputs: int
    path: str
    span: Span
    call: int
    owner: str
    head: str | None
    frozen: bool


class Named(NamedTuple):
    """What a name inside stands for; `path` None where it has none."""

    wire: Places
    span: Span
    path: str | None
    inner: tuple[tuple[str, Named], ...] | None


@record
class Template:
    """What a call adds. `calls` are those inside, each with the number of the one around it.

    With each call, itself included, are the tensors that it has names for. `fixed` is one that says
    nothing of tensors of other sizes.
    """

    outer: int
    call: Call | None
    named: Places
    steps: tuple[Step, ...]
    calls: tuple[tuple[int, Call, Places], ...]
    wire: Places
    names: tuple[tuple[str, Named], ...]
    heads: tuple[tuple[str, int, float], ...]
    results: tuple[tuple[str, Places], ...]
    asked: tuple[tuple[str, Places, object], ...]
    used: tuple[Unit, ...]
    runs: int
    deepest: int
    fixed: bool

    def operands(self, outer: Sequence[Value]) -> tuple[tuple[str, Value], ...]:
        """What the call has names for, where these tensors reach it from outside."""
        return operands(self.call, self.named, outer) if self.call else ()


def operands(call: Call, places: Places, values: Sequence[Value]) -> tuple[tuple[str, Value], ...]:
    """What a call has names for, of `values` by their places."""
    named = zip(call.taken, places, strict=True)
    return tuple([(name, values[place]) for (name, _), place in named])


class Typing(NamedTuple):
    """A template on tensors of some types: what its steps give, what they need and cost in all."""

    types: tuple[tuple[TensorType, ...], ...]
    parameters: int
    size: int
    stated: tuple[Condition, ...]


@record(frozen=False, eq=False)
class Run:
    """A call that was run, as it stands in its build from `start` to `end`; `prefix` begins its paths.

    `deepest` is how many calls were running inside it at most.
    """

    trace: Trace
    start: Mark
    end: Mark
    prefix: str
    call: Call | None
    outer: tuple[Value, ...]
    wire: tuple[Value, ...]
    names: Mapping[str, Binding]
    deepest: int
    _numbers: dict[Value, int] = field(default_factory=dict)
    _calls: dict[Call | None, int] = field(default_factory=dict)
    _heads: set[str | None] = field(default_factory=set)

    def typing(self) -> Typing:
        """The types it was run on."""
        start, end = self.start, self.end
        return Typing(
            tuple(node.types for node in self._nodes),
            end.parameters - start.parameters,
            end.size - start.size,
            tuple(dict.fromkeys(self.trace.stated[start.stated : end.stated])),
        )

    @property
    def _nodes(self) -> list[Node]:
        return self.trace.nodes[self.start.nodes : self.end.nodes]

    def template(self) -> Template:
        """What it adds wherever it is called; raises Foreign where that cannot be said."""
        trace, start, end = self.trace, self.start, self.end
        for number, value in enumerate(self.outer):
            self._numbers.setdefault(value, number)
        number = len(self.outer)
        for node in self._nodes:
            for value in node.outputs:
                self._numbers[value] = number
                number += 1
        self._calls = {self.call: 0}
        self._heads = {head.name for head in trace.heads[start.heads : end.heads]}
        calls: list[tuple[int, Call, Places]] = []
        steps = tuple(self._step(node, calls) for node in self._nodes)
        shared = any(step.owner != step.path for step in steps)
        asked = (self._question(q) for q in trace.asked[start.asked : end.asked])
        return Template(
            outer=len(self.outer),
            call=self.call,
            named=self._operands(self.call),
            steps=steps,
            calls=tuple(calls),
            wire=self._places(self.wire),
            names=self._named(self.names),
            heads=tuple(
                (self._inside(head.name), self._place(head.value), head.loss)
                for head in trace.heads[start.heads : end.heads]
            ),
            results=tuple(
                (path[len(self.prefix) :], self._places(wire))
                for path, wire in trace.results[start.results : end.results]
            ),
            asked=tuple(dict.fromkeys(asked)),
            used=tuple(dict.fromkeys(trace.used[start.used : end.used])),
            runs=end.runs - start.runs,
            deepest=self.deepest,
            fixed=shared
            or any(call.recurrent for _, call, _ in calls)
            or any(step.op.looks_back or isinstance(step.op, Repeat) for step in steps),
        )

    def _place(self, value: Value) -> int:
        found = self._numbers.get(value)
        if found is None:
            raise Foreign
        return found

    def _places(self, values: Iterable[Value]) -> Places:
        return tuple(map(self._place, values))

    def _inside(self, path: str) -> str:
        if not path.startswith(self.prefix):
            raise Foreign
        return path[len(self.prefix) :]

    def _step(self, node: Node, calls: list[tuple[int, Call, Places]]) -> Step:
        inputs = self._places(node.inputs)
        if node.op.looks_back and any(place < len(self.outer) for place in inputs):
            raise Foreign
        path = self._inside(node.path)
        own = node.head if node.head in self._heads else None
        return Step(
            node.op,
            inputs,
            len(node.types),
            path,
            node.span,
            self._call(node.call, calls),
            path if node.owner == node.path else self._inside(node.owner),
            None if own is None else self._inside(own),
            node.frozen,
        )

    def _call(self, call: Call | None, calls: list[tuple[int, Call, Places]]) -> int:
        number = self._calls.get(call)
        if number is None:
            if call is None:
                raise Foreign
            around = self._call(call.parent, calls)
            calls.append((around, call, self._operands(call)))
            number = self._calls[call] = len(calls)
        return number

    def _operands(self, call: Call | None) -> Places:
        return self._places(value for _, value in call.taken) if call else ()

    def _question(self, question: Question) -> tuple[str, Places, object]:
        return question.letter, self._places(question.tensors), question.answer

    def _named(self, names: Mapping[str, Binding]) -> tuple[tuple[str, Named], ...]:
        return tuple((name, self._name(binding)) for name, binding in names.items())

    def _name(self, binding: Binding) -> Named:
        if binding.wire is None or binding.make is not None:
            raise Foreign
        path = self._inside(binding.path) if binding.path else None
        inner = None if binding.inner is None else self._named(binding.inner)
        return Named(self._places(binding.wire), binding.span, path, inner)
