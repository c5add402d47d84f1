"""Recurrences: braces run at each step of a sequence, by the same weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from netspec.diagnostics.messages.names import NameTaken, UnknownReference
from netspec.diagnostics.messages.shapes import StateDiffers, WrongCount
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
from netspec.syntax import ast

# More steps than this are counted before they run.
_MANY = 64


class Recurrences:
    """Runs recurrences; `run` runs the steps inside, `tick` counts a pass."""

    def __init__(
        self,
        run: Run,
        assembler: Assembler,
        expansion: Expansion,
        tick: Callable[[ast.Extent, Scope], None],
    ) -> None:
        self.run = run
        self.assembler = assembler
        self.expansion = expansion
        self.tick = tick

    def over(self, loop: ast.Recurrence, wire: Wire, scope: Scope, before: Count) -> Wire:
        """What the last step gives: what flows out of one step flows into the next.

        Every pass is a level of the path, as a call is, and uses the weights of the first. A name
        given inside means outside what the steps gave, stacked.
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
        for i, step in enumerate(steps, 1):
            self.tick(loop.extent, scope)
            component = scope.level.numbered(loop.variable)
            here = scope.level.prefix + component
            inner = changed(
                scope,
                level=Level(here + ".", reserved(loop.body)),
                names={**scope.names, loop.variable: Binding((step,), span, path)},
                entry=wire,
                call=Call(
                    scope.call, loop.variable, component, span, "", (i, len(steps)), True, span
                ),
                shared=(here, first) if first else scope.shared,
                until=None,
            )
            end = self.run(loop.body, wire, inner)
            passes.append(inner.names)
            if end is None or wire is None:
                wire = None
                break
            _check_state(wire, end)
            first, wire = first or here, end
        for name, binding in passes[-1].items():
            if name != loop.variable and binding is not scope.names.get(name):
                each = [found[name] for found in passes]
                scope.names[name] = self._over_time(name, each, scope)
        return wire

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
            word = f"for {loop.variable} in {shown}"
            raise Rejection(WrongCount(word, "one sequence", f"{len(wire)} tensors"))
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


def _check_state(taken: tuple[Value, ...], given: tuple[Value, ...]) -> None:
    """Refuses braces that do not give back what flows into them."""
    types = [[value.type for value in values] for values in (taken, given)]
    if types[0] != types[1]:
        raise Rejection(StateDiffers(*(" and ".join(map(str, found)) for found in types)))
