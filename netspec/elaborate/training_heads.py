"""Training heads: braces beside the net, whose one tensor has a loss of its own."""

from __future__ import annotations

from netspec.diagnostics.messages.names import (
    HeadInHead,
    HeadInRecurrence,
    NameTaken,
    RepeatedArgument,
    TooManyArguments,
    UnknownArgument,
)
from netspec.diagnostics.messages.shapes import WrongCount
from netspec.diagnostics.raised import Rejection
from netspec.diagnostics.records import Label
from netspec.elaborate.bind import Misplaced, accepted, evaluate_at
from netspec.elaborate.calls import Run, reserved
from netspec.elaborate.scope import Level, Scope, Wire
from netspec.foundation.records import changed
from netspec.graph.checked import Call, Head
from netspec.ops.declare.params import Real
from netspec.syntax import ast

_LOSS = Real(default=1.0)
_USAGE = "usage: `head name(loss=0.3) { ... }`"


class TrainingHeads:
    """Runs training heads and keeps them in `found`; `run` runs the steps inside."""

    def __init__(self, run: Run, found: list[Head]) -> None:
        self.run = run
        self.found = found

    def add(self, head: ast.TrainingHead, wire: Wire, scope: Scope) -> None:
        """Runs one head; a net used as a block that stops early, or inside a head, has none."""
        if scope.headless:
            return
        if scope.head is not None:
            raise Rejection(HeadInHead(head.name, scope.head))
        if scope.recurring:
            raise Rejection(HeadInRecurrence(head.name))
        loss = _loss(head, scope)
        span = scope.unit.span(head.extent)
        first = scope.level.heads.setdefault(head.name, span)
        if first != span:
            raise Rejection(NameTaken(head.name), (Label(first, "given first here"),))
        component = scope.level.named(head.name)
        path = scope.level.prefix + component
        inner = changed(
            scope,
            level=Level(path + ".", reserved(head.body)),
            names=dict(scope.names),
            head=path,
            call=Call(scope.call, head.name, component, span, definition=span),
        )
        end = self.run(head.body, wire, inner)
        if end is None:
            return
        if len(end) != 1:
            raise Rejection(WrongCount(f"head {head.name}", "one tensor at its end", f"{len(end)}"))
        self.found.append(Head(path, end[0], loss))


def _loss(head: ast.TrainingHead, scope: Scope) -> float:
    """The weight of the head's loss: `loss=0.3`, or 1."""
    word, found = f"head {head.name}", float(_LOSS.default)
    for number, argument in enumerate(head.arguments):
        if argument.name not in (None, "loss"):
            raise Misplaced(UnknownArgument(word, argument.name, _USAGE), argument.extent)
        if number and argument.name is None:
            limit, count = 1, len(head.arguments)
            raise Misplaced(TooManyArguments(word, limit, count, _USAGE), argument.extent)
        if number:
            raise Misplaced(RepeatedArgument(word, "loss"), argument.extent)
        value = evaluate_at(argument.value, scope)
        found = accepted(_LOSS, value, (word, "loss"), scope, argument.extent)
    return found
