"""Operators applied to what flows: a node for each, and for each layer that follows it."""

from __future__ import annotations

from netspec.diagnostics.messages.names import UnknownLayer
from netspec.diagnostics.raised import Rejection
from netspec.diagnostics.records import Label
from netspec.elaborate.assemble import Assembler
from netspec.elaborate.bind import BoundOperator, bind_operator, layer_given
from netspec.elaborate.calls import Calls, Site
from netspec.elaborate.scope import Given, Scope, Wire
from netspec.elaborate.targets import Targets
from netspec.ops.declare.operator import Operator
from netspec.ops.declare.values import Layer, show
from netspec.syntax import ast

# How many of the tensors that a mistake depends on are shown.
_LABELS = 2


class Operators:
    """Applies operators; a layer that follows one may be a block, which `calls` calls."""

    def __init__(self, assembler: Assembler, targets: Targets, calls: Calls) -> None:
        self.assembler = assembler
        self.targets = targets
        self.calls = calls

    def apply(
        self,
        kind: type[Operator],
        values: Given,
        name: str | None,
        wire: Wire,
        scope: Scope,
        head: ast.Head,
    ) -> tuple[Wire, str]:
        """What flows on and the path of the operator's node; raises Rejection."""
        bound = bind_operator(kind, values, scope)
        op = self.assembler.operator(kind, bound.values)
        component = scope.level.named(name) if name else scope.level.numbered(kind.spelling)
        path = scope.level.prefix + component
        inputs: Wire = wire
        for reference in bound.references:
            inputs = None if inputs is None or reference.made().wire is None else inputs
        if inputs is not None:
            references = tuple(v for r in bound.references for v in r.wire or ())
            try:
                node = self.assembler.add(
                    op,
                    op.connect(inputs, references),
                    path,
                    scope.unit.span(head.extent),
                    scope.call,
                    owner=_owner(path, scope),
                    head=scope.head,
                    frozen=scope.frozen,
                )
            except Rejection as rejection:
                raise _explained(rejection, bound, wire, head) from None
            count = kind.carried if kind.carried is not None else len(node.types)
            wire = node.outputs[:count]
        else:
            wire = None
        for follower in kind.follows:
            layer = bound.values[follower]
            if layer is not None:
                wire = self._follow(layer, component if name else None, wire, scope, head)
        return wire, path

    def _follow(
        self, layer: Layer, after: str | None, wire: Wire, scope: Scope, head: ast.Head
    ) -> Wire:
        target = self.targets.lookup(layer.name, layer.unit or scope.unit, head.extent)
        values = layer_given(layer, head.extent)
        name = f"{after}_{layer.name}" if after else None
        what = target.what
        if isinstance(what, type):
            return self.apply(what, values, name, wire, scope, head)[0]
        if isinstance(what, ast.Block) and target.unit:
            return self.calls.block(target.unit, what, values, Site(head, name, wire, scope))[0]
        raise Rejection(UnknownLayer(layer.name))


def _owner(path: str, scope: Scope) -> str | None:
    """The path of the node whose weights the one at `path` shares."""
    if scope.shared is None:
        return None
    here, there = scope.shared
    return there + path[len(here) :] if here else there


def _explained(rejection: Rejection, bound: BoundOperator, wire: Wire, head: ast.Head) -> Rejection:
    """Adds where the tensors came from, and which default lines the mistake depends on."""
    labels = list(rejection.labels)
    if rejection.problem.code.startswith("NS4"):
        return rejection
    for span, text in dict.fromkeys((v.node.span, f"{v.type} comes from here") for v in wire or ()):
        if len(labels) < _LABELS and span.start != head.extent[0]:
            labels.append(Label(span, text))
    for name in rejection.problem.about:
        if name in bound.from_defaults:
            value = show(bound.values[name])
            text = f"{name}={value} comes from this default"
            labels.append(Label(bound.from_defaults[name], text))
    return Rejection(rejection.problem, tuple(labels))
