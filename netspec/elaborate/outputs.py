"""What an `output` line names: the tensors of a net, and of a net that is used as a block."""

from __future__ import annotations

from collections.abc import Iterator

from netspec.diagnostics.messages.names import UnknownReference
from netspec.diagnostics.messages.syntax import DuplicateDeclaration
from netspec.diagnostics.raised import Rejection
from netspec.diagnostics.suggest import closest
from netspec.elaborate.report import Reporter
from netspec.elaborate.scope import Scope, Wire
from netspec.syntax import ast


def named_outputs(
    declared: ast.Output, scope: Scope, reporter: Reporter
) -> Iterator[tuple[str, Wire]]:
    """Each name of the line and its tensors; None after a mistake, which is reported."""
    seen: set[str] = set()
    for name, at in declared.names:
        binding = scope.names.get(name)
        if binding is not None and name in seen:
            reporter.report(Rejection(DuplicateDeclaration(f"output {name}")), at, scope)
            continue
        seen.add(name)
        if binding is None:
            if name not in scope.unit.lost:
                near = closest(name, scope.names)
                problem = UnknownReference(name, f"did you mean {near}?" if near else "")
                reporter.report(Rejection(problem), at, scope)
            yield name, None
            continue
        try:
            yield name, binding.made().wire
        except Rejection as rejection:
            reporter.report(rejection, at, scope)
            yield name, None


def wire_of_outputs(declared: ast.Output, scope: Scope, reporter: Reporter) -> Wire:
    """What flows out of a net that is used as a block: its outputs, in the order of the line."""
    wires = [wire for _, wire in named_outputs(declared, scope, reporter)]
    if any(wire is None for wire in wires):
        return None
    return tuple(value for wire in wires for value in wire or ())
