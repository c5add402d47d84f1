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
from netspec.ops.arranging.steps import Stack, Unstack
from netspec.ops.declare.operator import Operator
from netspec.ops.vectors.sources import Repeat
from netspec.sizes.batch import common
from netspec.syntax import ast

# More steps than this are counted before they run.
_MANY = 64


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

    def over(self, loop: ast.Recurrence, wire: Wire, scope: Scope, before: Count) -> Wire:
        """What the last step gives: what flows out of one step flows into the next.

        Every pass is a level of the path, as a call is, and uses the weights of the first. A name
        given inside means outside what the steps gave, stacked. Branches start from the step, or from
        each tensor of a bundle, and stand side by side; a name means what all of them gave.
        """
        try:
            return self._passes(loop, wire, scope, before)
        except (Rejection, Poisoned) as mistake:
            span = scope.unit.span(loop.extent)
            for name in reserved(loop.body):
                scope.names.setdefault(name, Binding(None, span, ""))
            if isinstance(mistake, Rejection):
                heading = loop.extent[0], loop.sequence.extent[1]
                raise Misplaced(mistake.problem, heading, mistake.labels) from None
            raise

    def _passes(self, loop: ast.Recurrence, wire: Wire, scope: Scope, before: Count) -> Wire:
        steps, path = self._steps(loop, scope)
        if len(steps) > _MANY:
            self.expansion.check_loop(len(steps), loop, before, scope)
        span, first, passes = scope.unit.span(loop.extent), "", []
        beside: list[Value] = []
        wire = self._for_samples(wire, steps, loop, scope)
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
            call = Call(scope.call, loop.variable, component, span, definition=span)
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
        for name, binding in passes[-1].items():
            if name != loop.variable and binding is not scope.names.get(name):
                each = [found[name] for found in passes]
                scope.names[name] = (
                    _all_of(each)
                    if isinstance(loop.body, ast.Branches)
                    else self._over_time(name, each, scope)
                )
        return tuple(beside) if wire is not None and beside else wire

    def _for_samples(
        self, wire: Wire, steps: Sequence[Value], loop: ast.Recurrence, scope: Scope
    ) -> Wire:
        """The state that a recurrence starts from, for each sample where the steps are of samples."""
        if wire is None or isinstance(loop.body, ast.Branches):
            return wire
        span = scope.unit.span(loop.sequence.extent)
        found = []
        for value in wire:
            rows = common([value.type.batch, steps[0].type.batch])
            if rows is not None and rows != value.type.batch:
                path = scope.level.prefix + scope.level.numbered(Repeat.spelling)
                value = self._add(Repeat, (value, steps[0]), path, span, scope).output
            found.append(value)
        return tuple(found)

    def _steps(self, loop: ast.Recurrence, scope: Scope) -> tuple[tuple[Value, ...], str]:
        """The steps of the sequence, and the path of the node that gives them."""
        held = scope.names.get(loop.variable)
        if held is not None:
            raise Rejection(NameTaken(loop.variable), (Label(held.span, "given first here"),))
        binding, size = scope.find(loop.sequence)
        shown = "@" + ".".join(loop.sequence.parts)
        if size:
            raise Rejection(UnknownReference(shown[1:]))
        wire = binding.made().wire
        if wire is None:
            raise Poisoned
        if len(wire) != 1:
            return wire, binding.path
        path = scope.level.prefix + scope.level.numbered(Unstack.spelling)
        span = scope.unit.span(loop.sequence.extent)
        return self._add(Unstack, wire, path, span, scope).outputs, path

    def _over_time(self, name: str, each: Sequence[Binding], scope: Scope) -> Binding:
        """What a name given at each step means outside: made where it is first asked for."""
        last = each[-1]
        parts = last.inner or {}
        inner = {k: self._over_time(k, [b.inner[k] for b in each if b.inner], scope) for k in parts}

        def stacked() -> Wire:
            wires = [binding.made().wire or () for binding in each]
            paths = [scope.level.prefix + scope.level.named(name) for _ in wires[0]]
            return tuple(
                self._add(Stack, values, path, last.span, scope).output
                for path, values in zip(paths, zip(*wires, strict=True), strict=True)
            )

        make = None if last.wire is None else stacked
        return Binding(last.wire, last.span, each[0].path, inner, make)

    def _add(
        self, kind: type[Operator], inputs: tuple[Value, ...], path: str, span: Span, scope: Scope
    ) -> Node:
        op = self.assembler.operator(kind, {})
        return self.assembler.add(
            op, inputs, path, span, scope.call, head=scope.head, frozen=scope.frozen
        )


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
