"""Recurrences: braces run at each step of a sequence, by the same weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from netspec.diagnostics.messages.names import NameTaken, UnknownReference
from netspec.diagnostics.messages.shapes import StateDiffers
from netspec.diagnostics.raised import Rejection
from netspec.diagnostics.records import Label
from netspec.diagnostics.source import Span
from netspec.elaborate.assemble import Assembler
from netspec.elaborate.bind import Misplaced
from netspec.elaborate.calls import Run, reserved
from netspec.elaborate.expand import Count, Expansion
from netspec.elaborate.scope import Binding, Level, Poisoned, Scope, Wire
from netspec.foundation.records import changed
from netspec.graph.checked import Call, Node, Value
from netspec.ops.arranging.recurrence import All, Each, Last
from netspec.ops.arranging.steps import Stack, Unstack, time_axis
from netspec.ops.declare.operator import Operator
from netspec.ops.vectors.sources import Repeat
from netspec.sizes.batch import common
from netspec.syntax import ast

# More steps than this are counted before they run.
_MANY = 64
# Up to so many steps are written out, each a part of the net: docs/recipes.md has the measurements.
WRITTEN_OUT = 64

# What a name given at each step means outside, of the tensors that the steps gave, for a step's place.
_Joining = Callable[[tuple[Value, ...], str, Span], Value]


class Recurrences:
    """Runs recurrences; `run` runs the steps inside, `fork` branches, `tick` counts a pass."""

    def __init__(
        self,
        run: Run,
        fork: Callable[[ast.Branches, Wire, Scope], Wire],
        assembler: Assembler,
        expansion: Expansion,
        tick: Callable[[ast.Extent, Scope], None],
    ) -> None:
        self.run = run
        self.fork = fork
        self.assembler = assembler
        self.expansion = expansion
        self.tick = tick
        # Whether those of few steps are one pass too.
        self.rolled = False

    def over(self, loop: ast.Recurrence, wire: Wire, scope: Scope, before: Count) -> Wire:
        """What the last step gives: what flows out of one step flows into the next.

        Every pass is a level of the path, as a call is, and uses the weights of the first. A name
        given inside means outside what the steps gave, stacked. Branches start from the step, or from
        each tensor of a bundle, and stand side by side; a name means what all of them gave. Steps whose
        number is open, or large, are one pass that runs for each.
        """
        try:
            sequence = self._sequence(loop, scope)
            if isinstance(loop.body, ast.Chain) and self._is_long(sequence):
                return self._pass(loop, loop.body, wire, sequence[0], scope)
            return self._passes(loop, wire, sequence, scope, before)
        except (Rejection, Poisoned) as mistake:
            span = scope.unit.span(loop.extent)
            for name in reserved(loop.body):
                scope.names.setdefault(name, Binding(None, span, ""))
            if isinstance(mistake, Rejection):
                heading = loop.extent[0], loop.sequence.extent[1]
                raise Misplaced(mistake.problem, heading, mistake.labels) from None
            raise

    def _pass(
        self, loop: ast.Recurrence, body: ast.Chain, wire: Wire, sequence: Value, scope: Scope
    ) -> Wire:
        """One pass for every step, between what begins and what ends it."""
        self.tick(loop.extent, scope)
        span = scope.unit.span(loop.extent)
        states = self._for_samples(wire, sequence, loop, scope)
        component = scope.level.numbered(loop.variable)
        level = Level(f"{scope.level.prefix}{component}.", reserved(body))
        call = Call(scope.call, loop.variable, component, span, definition=span, recurrent=True)
        inner = changed(scope, level=level, until=None, call=call)

        def add(kind: type[Operator], inputs: tuple[Value, ...], at: Span) -> Node:
            path = level.prefix + level.numbered(kind.spelling)
            return self.assembler.add(
                self.assembler.operator(kind, {}), inputs, path, at, call, head=scope.head
            )

        heading = scope.unit.span(loop.sequence.extent)
        step, *begun = add(Each, (sequence, *(states or ())), heading).outputs
        start = None if states is None else tuple(begun)
        inside = changed(inner, entry=start)
        inside.names = {
            **scope.names,
            loop.variable: Binding((step,), span, f"{level.prefix}{Each.spelling}1"),
        }
        end = self.run(body, start, inside)
        if start is None or end is None:
            raise Poisoned
        _check_state(start, end)
        ended = add(Last, (*end, step), span)

        def joined(values: tuple[Value, ...], _: str, at: Span) -> Value:
            return add(All, (*values, sequence, ended.output), at).output

        self._give_names([inside.names], loop, scope, joined)
        return ended.outputs

    def _is_long(self, sequence: tuple[Value, ...]) -> bool:
        """Whether there are steps of an open number, or of one that is not written out."""
        if len(sequence) != 1 or len(sequence[0].shape) < 1 + (sequence[0].type.ids is None):
            return False
        steps = sequence[0].shape[time_axis(sequence[0].type)]
        return self.rolled or not isinstance(steps, int) or steps > WRITTEN_OUT

    def _passes(
        self,
        loop: ast.Recurrence,
        wire: Wire,
        given: tuple[Value, ...],
        scope: Scope,
        before: Count,
    ) -> Wire:
        steps, path = self._steps(loop, given, scope)
        if len(steps) > _MANY:
            self.expansion.check_loop(len(steps), loop, before, scope)
        span, first, passes = scope.unit.span(loop.extent), "", []
        beside: list[Value] = []
        wire = self._for_samples(wire, steps[0], loop, scope)
        for i, step in enumerate(steps, 1):
            self.tick(loop.extent, scope)
            component = scope.level.numbered(loop.variable)
            here = scope.level.prefix + component
            inner = changed(
                scope,
                level=Level(here + ".", reserved(loop.body)),
                names={**scope.names, loop.variable: Binding((step,), span, path)},
                entry=wire,
                shared=(here, first) if first else scope.shared,
                until=None,
            )
            taken = ((loop.variable, step),)
            call = Call(scope.call, loop.variable, component, span, definition=span, taken=taken)
            if isinstance(loop.body, ast.Branches):
                inner.call = call
                end = self.fork(loop.body, (step,), inner)
                beside.extend(end or ())
            else:
                inner.call = changed(call, copy=(i, len(steps)), recurrent=True)
                end = self.run(loop.body, wire, inner)
            passes.append(inner.names)
            if end is None or wire is None:
                wire = None
                break
            if isinstance(loop.body, ast.Chain):
                _check_state(wire, end)
                wire = end
            first = first or here

        def stacked(values: tuple[Value, ...], path: str, at: Span) -> Value:
            return self._add(Stack, values, path, at, scope).output

        self._give_names(passes, loop, scope, stacked)
        return tuple(beside) if wire is not None and beside else wire

    def _give_names(
        self,
        passes: Sequence[dict[str, Binding]],
        loop: ast.Recurrence,
        scope: Scope,
        joined: _Joining,
    ) -> None:
        """Names outside what every pass gave a name to."""
        for name, binding in passes[-1].items():
            if name != loop.variable and binding is not scope.names.get(name):
                each = [found[name] for found in passes]
                scope.names[name] = (
                    _all_of(each)
                    if isinstance(loop.body, ast.Branches)
                    else _over_time(name, each, scope, joined)
                )

    def _for_samples(self, wire: Wire, step: Value, loop: ast.Recurrence, scope: Scope) -> Wire:
        """The state that a recurrence starts from, for each sample where the steps are of samples."""
        if wire is None or isinstance(loop.body, ast.Branches):
            return wire
        span = scope.unit.span(loop.sequence.extent)
        found = []
        for value in wire:
            rows = common([value.type.batch, step.type.batch])
            if rows is not None and rows != value.type.batch:
                path = scope.level.prefix + scope.level.numbered(Repeat.spelling)
                value = self._add(Repeat, (value, step), path, span, scope).output
            found.append(value)
        return tuple(found)

    def _sequence(self, loop: ast.Recurrence, scope: Scope) -> tuple[Value, ...]:
        """What the loop goes over: a sequence, or the tensors of a bundle."""
        held = scope.names.get(loop.variable)
        if held is not None:
            raise Rejection(NameTaken(loop.variable), (Label(held.span, "given first here"),))
        binding, size = scope.find(loop.sequence)
        if size:
            raise Rejection(UnknownReference(".".join(loop.sequence.parts)))
        wire = binding.made().wire
        if wire is None:
            raise Poisoned
        return wire

    def _steps(
        self, loop: ast.Recurrence, wire: tuple[Value, ...], scope: Scope
    ) -> tuple[tuple[Value, ...], str]:
        """The steps of what the loop goes over, and the path of the node that gives them."""
        if len(wire) != 1:
            return wire, scope.find(loop.sequence)[0].path
        path = scope.level.prefix + scope.level.numbered(Unstack.spelling)
        span = scope.unit.span(loop.sequence.extent)
        return self._add(Unstack, wire, path, span, scope).outputs, path

    def _add(
        self, kind: type[Operator], inputs: tuple[Value, ...], path: str, span: Span, scope: Scope
    ) -> Node:
        op = self.assembler.operator(kind, {})
        return self.assembler.add(
            op, inputs, path, span, scope.call, head=scope.head, frozen=scope.frozen
        )


def _over_time(name: str, each: Sequence[Binding], scope: Scope, joined: _Joining) -> Binding:
    """What a name given at each step means outside: made where it is first asked for."""
    last = each[-1]
    parts = last.inner or {}
    inner = {k: _over_time(k, [b.inner[k] for b in each if b.inner], scope, joined) for k in parts}

    def stacked() -> Wire:
        wires = [binding.made().wire or () for binding in each]
        paths = [scope.level.prefix + scope.level.named(name) for _ in wires[0]]
        return tuple(
            joined(values, path, last.span)
            for path, values in zip(paths, zip(*wires, strict=True), strict=True)
        )

    make = None if last.wire is None else stacked
    return Binding(last.wire, last.span, each[0].path, inner, make)


def _all_of(each: Sequence[Binding]) -> Binding:
    """What a name given in branches side by side means outside: all that it stood for, in order."""
    wires = [binding.made().wire for binding in each]
    known = [wire for wire in wires if wire is not None]
    wire = tuple(value for wire in known for value in wire) if len(known) == len(wires) else None
    return Binding(wire, each[-1].span, "")


def _check_state(taken: tuple[Value, ...], given: tuple[Value, ...]) -> None:
    """Refuses braces that do not give back what flows into them."""
    types = [[value.type for value in values] for values in (taken, given)]
    if types[0] != types[1]:
        before, after = (" and ".join(map(str, found)) for found in types)
        advice = f"end the braces with what the next step starts from: {before}"
        if [t.shape for t in types[0]] == [t.shape for t in types[1]]:
            advice = (
                "what goes in is one for all samples, what comes out is not: start from "
                "`expand(@x)` of it, with a row for each sample of x"
            )
        raise Rejection(StateDiffers(before, after, advice))
