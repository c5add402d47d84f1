"""Calls that were run before: found by what they depend on, and added again."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import field
from typing import TYPE_CHECKING, Any

from netspec.diagnostics.raised import Rejection
from netspec.elaborate.again.keys import Key, Keys
from netspec.elaborate.again.template import (
    Foreign,
    Named,
    Places,
    Run,
    Template,
    Typing,
    operands,
)
from netspec.elaborate.again.trace import Mark, Trace
from netspec.elaborate.assemble import Assembler, Known
from netspec.elaborate.scope import Binding, Given, Scope, Wire
from netspec.foundation.records import record
from netspec.graph.checked import Call, Head, Node, Value
from netspec.sizes.asked import Question
from netspec.sizes.asked import answer as told
from netspec.sizes.batch import common
from netspec.sizes.conditions import Conditions, gathering, state
from netspec.sizes.shapes import TensorType
from netspec.syntax.units import Shelf

if TYPE_CHECKING:
    from netspec.syntax.units import Loader

# Runs of one call that went different ways for the sizes of what flows in.
_WAYS = 4
# A memo starts anew above so many nodes of calls, and operators and what they gave.
_MOST = 100_000


@record
class Found:
    """What a call adds: its steps, on tensors of some types."""

    template: Template
    typing: Typing


@record(frozen=False, eq=False)
class Entry:
    """A call that was run: as it stands in its build until it is first needed, then what it adds."""

    what: Run | Found | None

    def learnt(self) -> Found | None:
        """What the call adds; None where that cannot be said."""
        if isinstance(self.what, Run):
            try:
                self.what = Found(self.what.template(), self.what.typing())
            except Foreign:
                self.what = None
        return self.what


@record(frozen=False, eq=False)
class Memo:
    """What builds of one text leave for those after them; all with the same limits, one at a time.

    `calls` are by what they depend on and the types that flow in, `ways` by the former alone.
    """

    shelf: Shelf = field(default_factory=Shelf)
    known: Known = field(default_factory=Known)
    defaults: dict[Hashable, int] = field(default_factory=dict)
    calls: dict[Hashable, Entry] = field(default_factory=dict)
    ways: dict[Hashable, list[Entry]] = field(default_factory=dict)
    held: int = 0

    def __reduce__(self) -> tuple[type[Memo], tuple[()]]:
        """Another process starts anew."""
        return Memo, ()

    def bound(self) -> None:
        """Forgets all but the files where too much is held; between builds."""
        known = len(self.known.operators) + len(self.known.inferred) + len(self.defaults)
        if self.held + known > _MOST:
            self.known, self.held = Known(), 0
            for found in (self.calls, self.ways, self.defaults):
                found.clear()


class Recall:
    """Finds and adds the calls of one build, and remembers those that it runs."""

    def __init__(
        self,
        memo: Memo,
        trace: Trace,
        assembler: Assembler,
        loader: Loader,
        most: tuple[int, int],
    ) -> None:
        """`most` are how many calls may be running at once, and how many steps may run in all."""
        self.memo = memo
        self.trace = trace
        self.assembler = assembler
        self.loader = loader
        self.keys = Keys(memo.defaults)
        self.most_calls, self.most_runs = most

    def key(self, what: Hashable, values: Given, wire: Wire, scope: Scope) -> Key | None:
        """What a call depends on; None for one that is run each time."""
        return self.keys.of(what, values, wire, scope)

    def find(self, key: Key) -> Found | None:
        """What a call adds that is like one before; None where it is to be run."""
        entry = self.memo.calls.get((key.same, key.types))
        if entry is not None:
            found = entry.learnt()
            return found if found and self._fits(found) else None
        for entry in self.memo.ways.get(key.same, ()):
            known = entry.learnt()
            typing = self._typing(known.template, key) if known else None
            if known and typing:
                found = Found(known.template, typing)
                if not self._fits(found):
                    return None
                self._keep(key, Entry(found), len(typing.types))
                return found
        return None

    def _fits(self, found: Found) -> bool:
        template, typing = found.template, found.typing
        return (
            self.trace.depth + template.deepest <= self.most_calls
            and self.trace.runs + template.runs <= self.most_runs
            and self.assembler.fits(len(template.steps), typing.parameters, typing.size)
        )

    def _typing(self, template: Template, key: Key) -> Typing | None:
        """The template on tensors of other sizes; None where it would not be the same steps."""
        if template.fixed:
            return None
        types = [value.type for value in key.outer]
        made, parameters, size = [], 0, 0
        with gathering(Conditions()) as gathered:
            for step in template.steps:
                taken = tuple([types[place] for place in step.inputs])
                if not _meet(step.op, taken):
                    return None
                try:
                    given = self.assembler.infer(step.op, taken)
                except Rejection:
                    return None
                if len(given.types) != step.outputs:
                    return None
                made.append(given.types)
                types += given.types
                parameters += given.parameters
                size += given.size
        for letter, tensors, answer in template.asked:
            if told(letter, *(types[place] for place in tensors)) != answer:
                return None
        return Typing(tuple(made), parameters, size, tuple(gathered.found))

    def add(
        self,
        found: Found,
        prefix: str,
        outer: tuple[Value, ...],
        call: Call | None,
        outside: str | None,
    ) -> tuple[tuple[Value, ...], dict[str, Binding]]:
        """Adds a call below `prefix`: what flows on, and the names inside.

        `outside` is the training-only head that it stands in.
        """
        template, typing = found.template, found.typing
        values, calls = list(outer), [call]
        nodes = self.assembler.nodes
        index = len(nodes)
        for step, types in zip(template.steps, typing.types, strict=True):
            op, inputs, outputs, path, span, inside, owner, head, frozen = step
            # What a call has names for stands before its first step.
            for around, old, places in template.calls[len(calls) - 1 : inside]:
                parent, named = calls[around], operands(old, places, values)
                calls.append(
                    Call(
                        parent,
                        old.block,
                        old.component,
                        old.span,
                        old.arguments,
                        old.copy,
                        old.recurrent,
                        old.definition,
                        old.values,
                        old.told,
                        named,
                    )
                )
            path = prefix + path
            whose = path if owner is step.path else prefix + owner
            node = Node(
                index,
                op,
                tuple([values[place] for place in inputs]),
                types,
                path,
                span,
                calls[inside],
                whose,
                outside if head is None else prefix + head,
                frozen,
            )
            nodes.append(node)
            index += 1
            if outputs == 1:
                values.append(Value(node, 0))
            else:
                values += node.outputs
            if whose is not path:
                self.assembler.borrow(path, whose)
        self._account(found, prefix, values)
        wire = _at(template.wire, values)
        return wire, _names(template.names, prefix, values)

    def _account(self, found: Found, prefix: str, values: list[Value]) -> None:
        """What running the call would have left besides nodes."""
        template, typing, trace = found.template, found.typing, self.trace
        self.assembler.parameters += typing.parameters
        self.assembler.size += typing.size
        trace.runs += template.runs
        trace.deepest = max(trace.deepest, trace.depth + template.deepest)
        for unit in template.used:
            self.loader.use(unit)
        state(typing.stated)
        for letter, tensors, answer in template.asked:
            trace.asked.append(Question(letter, _at(tensors, values), answer))
        for path, places in template.results:
            trace.results.append((prefix + path, _at(places, values)))
        for name, place, loss in template.heads:
            trace.heads.append(Head(prefix + name, values[place], loss))

    def mark(self) -> Mark:
        """What has been done by now."""
        assembler = self.assembler
        added = assembler.collector.added
        return self.trace.mark(assembler.parameters, assembler.size, added)

    def remember(self, key: Key | None, start: Mark, inner: Scope, wire: Wire) -> None:
        """Keeps a call that was run, for others like it: `inner` is what its steps saw."""
        if key is None or wire is None or (key.same, key.types) in self.memo.calls:
            return
        end = self.mark()
        if end.added != start.added or end.counted != start.counted:
            return
        trace, prefix = self.trace, inner.level.prefix
        # How many calls deeper than where it stands.
        deepest = trace.deepest - trace.depth + (inner.call is not None)
        run = Run(trace, start, end, prefix, inner.call, key.outer, wire, inner.names, deepest)
        self._keep(key, Entry(run), end.nodes - start.nodes)

    def _keep(self, key: Key, entry: Entry, nodes: int) -> None:
        self.memo.held += nodes + 1
        self.memo.calls[key.same, key.types] = entry
        ways = self.memo.ways.setdefault(key.same, [])
        if isinstance(entry.what, Run):
            ways.insert(0, entry)
            del ways[_WAYS:]


def _meet(op: Any, taken: tuple[TensorType, ...]) -> bool:
    """Whether the rows of an operator's inputs meet, without another step between."""
    batches = {tensor.batch for tensor in taken[: op.sized_by]}
    if op.batches == "own" or len(batches) < 2:
        return True
    return op.batches != "same" and common(batches) is not None


def _at(places: Places, values: list[Value]) -> tuple[Value, ...]:
    return tuple([values[place] for place in places])


def _names(
    names: tuple[tuple[str, Named], ...], prefix: str, values: list[Value]
) -> dict[str, Binding]:
    return {
        name: Binding(
            _at(named.wire, values),
            named.span,
            "" if named.path is None else prefix + named.path,
            None if named.inner is None else _names(named.inner, prefix, values),
        )
        for name, named in names
    }
