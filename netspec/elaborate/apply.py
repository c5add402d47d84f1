"""Operators applied to what flows: a node for each, and for each layer that follows it."""

from __future__ import annotations

from collections.abc import Mapping

from netspec.diagnostics.messages.names import UnknownLayer
from netspec.diagnostics.messages.shapes import NothingFlows, RowsDiffer, WrongCount
from netspec.diagnostics.raised import Rejection
from netspec.diagnostics.records import Label
from netspec.elaborate.assemble import Assembler
from netspec.elaborate.bind import BoundOperator, bind_operator, layer_given, with_universal
from netspec.elaborate.calls import Calls, Site
from netspec.elaborate.scope import Binding, Given, Scope, Wire
from netspec.elaborate.targets import Targets
from netspec.foundation.records import changed
from netspec.graph.checked import Value
from netspec.ops.declare.operator import Operator
from netspec.ops.declare.values import Layer, show
from netspec.ops.vectors.sources import Repeat
from netspec.sizes.batch import SAMPLES, SHARED, Batch, common
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
        if wire == ():
            raise Rejection(NothingFlows())
        bound = bind_operator(kind, values, scope)
        op = self.assembler.operator(kind, bound.values)
        component = scope.level.named(name) if name else scope.level.numbered(kind.spelling)
        path = scope.level.prefix + component
        named = {
            parameter: what.made().wire
            if isinstance(what, Binding)
            else self._follow(what, component if name else None, wire, scope, head)
            for parameter, what in bound.named.items()
        }
        given = (*(reference.made().wire for reference in bound.references), *named.values())
        if wire is not None and all(tensors is not None for tensors in given):
            references = tuple(v for r in bound.references for v in r.wire or ())
            try:
                node = self.assembler.add(
                    op,
                    self._inputs(op, op.connect(wire, references), named, scope, head),
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

    def _inputs(
        self,
        op: Operator,
        plain: tuple[Value, ...],
        named: Mapping[str, Wire],
        scope: Scope,
        head: ast.Head,
    ) -> tuple[Value, ...]:
        """A node's inputs, with as many rows as they need; raises Rejection where rows do not meet."""
        found = list(plain)
        for parameter in op.references():
            wire = named[parameter] or ()
            if len(wire) != 1:
                count = f"{len(wire)} tensors" if wire else "nothing"
                raise Rejection(WrongCount(f"{op.spelling}({parameter}=)", "one tensor", count))
            found += wire
        counted = found[: op.sized_by]
        batches = [value.type.batch for value in counted]
        whole = common(batches)
        if op.batches == "own" or len(set(batches)) < 2:
            return tuple(found)
        if whole is None:
            shapes = " and ".join(f"{item.type} {_counted(item.type.batch)}" for item in counted)
            raise Rejection(RowsDiffer(op.spelling, shapes))
        if op.batches == "same":
            like = next(value for value in counted if value.type.batch == whole)
            for i, value in enumerate(counted):
                if value.type.batch != whole:
                    found[i] = self._repeated(value, like, scope, head)
        return tuple(found)

    def _repeated(self, value: Value, like: Value, scope: Scope, head: ast.Head) -> Value:
        """What is one for all samples, once for each row of another."""
        return self.assembler.add(
            self.assembler.operator(Repeat, {}),
            (value, like),
            scope.level.prefix + scope.level.numbered(Repeat.spelling),
            scope.unit.span(head.extent),
            scope.call,
            head=scope.head,
            frozen=scope.frozen,
        ).output

    def _follow(
        self, layer: Layer, after: str | None, wire: Wire, scope: Scope, head: ast.Head
    ) -> Wire:
        target = self.targets.lookup(layer.name, layer.unit or scope.unit, head.extent)
        values = layer_given(layer, head.extent)
        scope = with_universal(layer.name, values, self._sharing(layer, scope))
        name = f"{after}_{layer.name}" if after else None
        what = target.what
        if isinstance(what, type):
            return self.apply(what, values, name, wire, scope, head)[0]
        if isinstance(what, ast.Block) and target.unit:
            return self.calls.block(target.unit, what, values, Site(head, name, wire, scope))[0]
        raise Rejection(UnknownLayer(layer.name))

    def _sharing(self, layer: Layer, scope: Scope) -> Scope:
        """The scope of what follows a step: it shares with what follows the step that this one does."""
        if scope.shared is None or scope.shared[0]:
            return scope
        there = f"{scope.shared[1]}_{layer.name}"
        return changed(scope, shared=("", there) if self.assembler.holds(there) else None)


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


def _counted(batch: Batch) -> str:
    """What a tensor of this batch has a row for, in words."""
    if batch == SHARED:
        return "for all samples"
    return "for each sample" if batch == SAMPLES else f"for each of {batch}"
