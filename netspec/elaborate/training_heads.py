"""Training heads: braces beside the net, whose one tensor has a loss of its own."""

from __future__ import annotations

from dataclasses import replace

from netspec.diagnostics.messages.names import NameTaken, UnknownArgument
from netspec.diagnostics.messages.shapes import WrongCount
from netspec.diagnostics.raised import Rejection
from netspec.diagnostics.records import Label
from netspec.elaborate.bind import Misplaced, evaluate_at
from netspec.elaborate.calls import Run, reserved
from netspec.elaborate.scope import Level, Scope, Wire
from netspec.graph.checked import Call, Head
from netspec.ops.declare.values import show
from netspec.syntax import ast


class TrainingHeads:
    """Runs training heads and keeps them in `found`; `run` runs the steps inside."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.found: list[Head] = []

    def add(self, head: ast.TrainingHead, wire: Wire, scope: Scope) -> None:
        """Runs one head; a net used as a block that stops early, or inside a head, has none."""
        if scope.head is not None or scope.until is not None:
            return
        loss = _loss(head, scope)
        span = scope.unit.span(head.extent)
        first = scope.level.heads.setdefault(head.name, span)
        if first != span:
            raise Rejection(NameTaken(head.name), (Label(first, "given first here"),))
        component = scope.level.named(head.name)
        path = scope.level.prefix + component
        inner = replace(
            scope,
            level=Level(path + ".", reserved(head.body)),
            names=dict(scope.names),
            head=path,
            entry=wire,
            call=Call(scope.call, head.name, component, span),
        )
        end = self.run(head.body, wire, inner)
        if end is None:
            return
        if len(end) != 1:
            raise Rejection(WrongCount(f"head {head.name}", "one tensor at its end", f"{len(end)}"))
        self.found.append(Head(path, end[0], loss))


def _loss(head: ast.TrainingHead, scope: Scope) -> float:
    """The weight of the head's loss: `loss=0.3`, or 1."""
    loss = 1.0
    for argument in head.arguments:
        value = evaluate_at(argument.value, scope)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if argument.name != "loss" or not number:
            usage = "usage: `head name(loss=0.3) { ... }`"
            name = argument.name or show(value)
            raise Misplaced(UnknownArgument(f"head {head.name}", name, usage), argument.extent)
        loss = float(value)
    return loss
