"""A spec's text, its settings and inputs, to a checked graph. The one way graphs are made."""

from __future__ import annotations

import gc
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from netspec import ast
from netspec.bind import Misplaced, evaluate_at
from netspec.calls import no_such_setting
from netspec.conditions import Conditions, each_legal_size, gathering
from netspec.diagnostics import Collector, Diagnostic, Label, NetspecError, Rejection
from netspec.dims import Dim, symbol, symbols_of
from netspec.elaborate import Elaborator
from netspec.errors.names import (
    NameTaken,
    NotASymbol,
    UnknownArgument,
    UnknownInput,
    UnknownMetadata,
    UnknownReference,
)
from netspec.errors.shapes import NoLegalSize
from netspec.errors.syntax import DuplicateDeclaration, NoNet
from netspec.graph import Graph, Node, Output
from netspec.limits import DEFAULT, Limits
from netspec.ops import REGISTRY
from netspec.ops.params import Name, show
from netspec.ops.source import Input
from netspec.parse import parse
from netspec.scope import Binding, Given, Level, Poisoned, Scope, Wire, reserved_names
from netspec.shapes import TensorType
from netspec.source import Source
from netspec.suggest import closest, renew_budget
from netspec.units import Loader, Unit

METADATA = (
    "authors",
    "dataset",
    "note",
    "paper",
    "source",
    "table",
    "task",
    "title",
    "url",
    "year",
)
_SHAPE = re.compile(r"(?:([A-Za-z_]\w*)[:=])?([0-9]+(?:x(?:[0-9]+|[A-Z][A-Za-z]*))*)\Z")
# Elaboration recurses a bounded number of Python frames for each bracket and block call.
_FRAMES = 12
_MOST_FRAMES = 100_000
# Edits are tried on nets up to this size only.
_NODES_OF_TRIALS = 2000


def build(
    source: Source,
    settings: Mapping[str, Any] | None = None,
    inputs: tuple[str, ...] = (),
    limits: Limits = DEFAULT,
    collector: Collector | None = None,
) -> Graph:
    """The checked graph of a spec.

    `settings` are the net's parameters, as values or as text. `inputs` replace declared input
    shapes: `3x320x320`, or `name:3x320x320`. Raises NetspecError with every diagnostic, and with
    edits that mend the spec where some were found.
    """
    values = dict(settings or {})
    with _without_collecting():
        try:
            return _build(source, values, inputs, limits, collector or Collector())
        except NetspecError as error:
            from netspec.edits import with_edits

            few = replace(limits, nodes=min(limits.nodes, _NODES_OF_TRIALS))
            tried = partial(_build, settings=values, inputs=inputs, limits=few)
            raise with_edits(error, source, lambda s: tried(s, collector=Collector())) from None


@contextmanager
def _without_collecting() -> Iterator[None]:
    """No search for garbage meanwhile: a spec makes many objects and hardly a cycle."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


def _build(
    source: Source,
    settings: dict[str, Any],
    inputs: tuple[str, ...],
    limits: Limits,
    collector: Collector,
) -> Graph:
    depth = min(limits.depth * limits.nesting * _FRAMES, _MOST_FRAMES)
    sys.setrecursionlimit(max(sys.getrecursionlimit(), depth))
    renew_budget()
    loader = Loader(collector, limits)
    unit = loader.load(source)
    builder = _NetBuilder(unit, loader, collector, limits)
    if not unit.has_net:
        builder.check_metadata()
        if not collector.failed:
            advice = "write `net NAME`, `input 3x224x224`, then steps such as `conv3-64`"
            collector.add(Diagnostic(NoNet("no steps", advice), None))
        collector.raise_errors()
    with gathering(Conditions()) as conditions:
        graph = builder.graph(settings, inputs, conditions)
    if not settings and not inputs and not collector.failed and graph is not None:
        from netspec.analysis.expect import check_expectations

        check_expectations(graph, unit, collector)
    collector.raise_errors()
    assert graph is not None
    return graph


class _NetBuilder:
    def __init__(self, unit: Unit, loader: Loader, collector: Collector, limits: Limits) -> None:
        self.unit = unit
        self.loader = loader
        self.collector = collector
        self.limits = limits
        self.elaborator = Elaborator(loader, collector, limits)

    def graph(
        self, settings: dict[str, Any], inputs: tuple[str, ...], conditions: Conditions
    ) -> Graph | None:
        scope = Scope(self.unit, Level(""), {}, {}, {})
        whole = (0, 0)
        try:
            values = {k: _setting(k, v, self.limits) for k, v in settings.items()}
            variables, running = self._variables(values, scope)
            scope.variables, scope.unit = variables, running
            scope.level.reserve(reserved_names(running.chain))
            placed = self._inputs(running, scope, inputs)
        except Misplaced as rejection:
            self.elaborator.report(rejection, rejection.extent, scope)
            return None
        except Poisoned:
            return None
        except Rejection as rejection:
            declared = None if settings or inputs else self.unit.net
            span = self.unit.span(declared.extent) if declared else None
            self.collector.add(Diagnostic(rejection.problem, span))
            return None
        wire: Wire = tuple(node.output for node in placed)
        scope.entry = wire
        self._expand_check(running, scope)
        wire = self.elaborator.run_chain(running.chain, wire, scope)
        outputs = self._outputs(wire, scope, whole)
        metadata = self._metadata(scope)
        if self.collector.failed:
            return None
        found = tuple(conditions.found)
        self._check_sizes(placed, conditions)
        return Graph(
            name=self.unit.name,
            source=self.unit.source,
            nodes=tuple(self.elaborator.assembler.nodes),
            inputs=placed,
            outputs=outputs,
            heads=tuple(self.elaborator.heads.found),
            parameters=tuple(variables.items()),
            metadata=metadata,
            sizes=tuple(self._sizes.items()),
            conditions=found,
            names={name: b.wire for name, b in scope.names.items() if b.wire is not None},
        )

    def _expand_check(self, running: Unit, scope: Scope) -> None:
        from netspec.expand import check_expansion

        check_expansion(self.elaborator, running, scope, self.limits)

    def _variables(self, values: dict[str, Any], scope: Scope) -> tuple[dict[str, Any], Unit]:
        try:
            return self.elaborator.calls.net_variables(self.unit, Given(values), scope)
        except Rejection as rejection:
            problem = rejection.problem
            if isinstance(problem, UnknownArgument):
                known = {
                    p.name: p
                    for u in _bases(self.unit)
                    for p in (u.net.parameters if u.net else ())
                }
                raise Rejection(no_such_setting(self.unit.name, problem.name, known)) from None
            raise

    # --- inputs and outputs

    def _inputs(self, running: Unit, scope: Scope, given: tuple[str, ...]) -> tuple[Node, ...]:
        declared = self.unit.inputs or running.inputs
        owner = self.unit if self.unit.inputs else running
        overrides = _overrides(given)
        self._sizes: dict[str, int] = {}
        placed = []
        names = [item.name or "input" for item in declared]
        for name in overrides:
            if name is not None and names and name not in names:
                raise Rejection(UnknownInput(name, ", ".join(names)))
        if not declared:
            if self.unit.lost:
                raise Poisoned
            if not overrides:
                advice = "add `input 3x224x224`, or pass --input 3x224x224"
                raise Rejection(NoNet("no input", advice))
            shapes = [(name or "input", TensorType(shape)) for name, shape in overrides.items()]
            return tuple(
                self._place(name, tensor, running, (0, 0), scope) for name, tensor in shapes
            )
        inner = Scope(owner, scope.level, scope.variables, {}, {})
        for item, name in zip(declared, names, strict=True):
            tensor = self._declared(item, inner)
            shape = overrides.get(name, overrides.get(None) if item is declared[0] else None)
            if shape is not None:
                tensor = TensorType(shape, tensor.batch, tensor.ids)
            if name in scope.names:
                label = Label(scope.names[name].span, "given first here")
                raise Misplaced(NameTaken(name), item.extent, (label,))
            placed.append(self._place(name, tensor, owner, item.extent, scope))
        return tuple(placed)

    def _place(
        self, name: str, tensor: TensorType, unit: Unit, extent: ast.Extent, scope: Scope
    ) -> Node:
        nodes = self.elaborator.assembler.nodes
        node = Node(
            len(nodes), Input(name=name), (), (tensor,), name, unit.span(extent), None, name
        )
        nodes.append(node)
        scope.level.reserve([name])
        scope.names[name] = Binding((node.output,), unit.span(extent), name)
        return node

    def _declared(self, item: ast.Input, scope: Scope) -> TensorType:
        value = evaluate_at(item.shape, scope)
        parts = value if isinstance(value, tuple) else (value,)
        shape = tuple(self._size(part, item) for part in parts)
        batch, ids = "N", None
        for modifier in item.modifiers:
            arguments = {a.name: evaluate_at(a.value, scope) for a in modifier.arguments}
            if modifier.name == "ids" and list(arguments) == [None] and _positive(arguments[None]):
                ids = int(arguments[None])
            elif modifier.name == "batch" and len(arguments) == 1 and _is_batch(arguments):
                ((batch_name, nominal),) = arguments.items()
                batch = str(batch_name)
                self._sizes[batch] = int(nominal)
            else:
                reason = "inputs take ids(COUNT) and batch(SYMBOL=SIZE)"
                raise Misplaced(NotASymbol(f"`{modifier.name}(...)`", reason), modifier.extent)
        return TensorType(shape, batch, ids)

    def _size(self, part: Any, item: ast.Input) -> Dim:
        if isinstance(part, Name) and part.text.isalnum() and part.text[0].isupper():
            return symbol(part.text)
        if isinstance(part, float) and part.is_integer():
            part = int(part)
        if _positive(part):
            return int(part)
        reason = "sizes are whole numbers of at least 1, or symbols such as H"
        raise Misplaced(NotASymbol(show(part), reason), item.shape.extent)

    def _outputs(self, wire: Wire, scope: Scope, extent: ast.Extent) -> tuple[Output, ...]:
        declared = self.unit.output or scope.unit.output
        if declared is None:
            if wire is None:
                return ()
            if len(wire) == 1:
                return (Output("output", wire[0]),)
            return tuple(Output(f"output{i}", value) for i, value in enumerate(wire, 1))
        found: list[Output] = []
        for name, at in declared.names:
            binding = scope.names.get(name)
            if binding is None and name in scope.unit.lost:
                continue
            if binding is None:
                near = closest(name, scope.names)
                problem = UnknownReference(name, f"did you mean {near}?" if near else "")
                self.elaborator.report(Rejection(problem), at, scope)
            elif any(output.name == name for output in found):
                self.elaborator.report(Rejection(DuplicateDeclaration(f"output {name}")), at, scope)
            elif binding.wire is not None:
                several = len(binding.wire) > 1
                for i, value in enumerate(binding.wire, 1):
                    found.append(Output(f"{name}{i}" if several else name, value))
        return tuple(found)

    # --- what the file says of itself

    def check_metadata(self) -> None:
        self._metadata(Scope(self.unit, Level(""), {}, {}, {}))

    def _metadata(self, scope: Scope) -> tuple[tuple[str, object], ...]:
        found: list[tuple[str, object]] = []
        own = Scope(self.unit, scope.level, scope.variables, {}, {})
        for item in self.unit.metadata:
            try:
                if isinstance(item, ast.Metadata):
                    if item.key not in METADATA:
                        raise Misplaced(_unknown_key(item.key, METADATA), item.extent)
                    found.append((item.key, evaluate_at(item.value, own)))
                elif item.key == "error":
                    pairs = tuple((p.name, _plain(evaluate_at(p.value, own))) for p in item.pairs)
                    found.append(("error", pairs))
                elif item.key != "expect":
                    raise Misplaced(
                        _unknown_key(item.key, (*METADATA, "error", "expect")), item.extent
                    )
            except Misplaced as rejection:
                self.elaborator.report(rejection, rejection.extent, own)
        return tuple(found)

    def _check_sizes(self, placed: tuple[Node, ...], conditions: Conditions) -> None:
        found = tuple(conditions.found)
        names = {s for c in found for s in symbols_of(c.left) | symbols_of(c.right)}
        for name in sorted(names):
            if next(each_legal_size(found, name), None) is None:
                shown = " and ".join(str(c) for c in found[:3])
                span = placed[0].span
                self.collector.add(Diagnostic(NoLegalSize(name, shown), span))


def _bases(unit: Unit) -> list[Unit]:
    found = [unit]
    while unit.net and unit.net.base and unit.net.base.name in unit.imports:
        unit = unit.imports[unit.net.base.name]
        found.append(unit)
    return found


def _positive(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value < 2**31


def _is_batch(arguments: Mapping[str | None, Any]) -> bool:
    ((name, value),) = arguments.items()
    return name is not None and name != "N" and _positive(value)


def _plain(value: Any) -> object:
    return value.text if isinstance(value, Name) else value


def _unknown_key(key: str, known: tuple[str, ...]) -> UnknownMetadata:
    if key.rstrip("0123456789x") in REGISTRY:
        return UnknownMetadata(
            key, "a step is written without spaces, its arguments in parentheses"
        )
    near = closest(key, known)
    return UnknownMetadata(key, f"did you mean {near}?" if near else f"known: {', '.join(known)}")


def _overrides(given: tuple[str, ...]) -> dict[str | None, tuple[Dim, ...]]:
    found: dict[str | None, tuple[Dim, ...]] = {}
    for text in given:
        match = _SHAPE.match(text)
        if not match:
            raise Rejection(
                NotASymbol(f"`{text}`", "write it like 3x224x224, 3xHxW or name:3x224x224")
            )
        name, shape = match.groups()
        parts = tuple(int(p) if p.isdigit() else symbol(p) for p in shape.split("x"))
        if any(isinstance(part, int) and not _positive(part) for part in parts):
            raise Rejection(NotASymbol(f"`{text}`", "sizes are at least 1"))
        found[name] = parts
    return found


def _setting(name: str, value: Any, limits: Limits) -> Any:
    """A setting's value; text is read as an expression of the language."""
    if isinstance(value, list | tuple):
        return tuple(_setting(name, item, limits) for item in value)
    if not isinstance(value, str):
        return value
    collector = Collector()
    source = Source(f"--set {name}", f"value({value})")
    file = parse(source, collector, limits)
    collector.raise_errors()
    step = file.items[0] if file.items else None
    if isinstance(step, ast.Step) and isinstance(step.action, ast.Head):
        arguments = step.action.arguments
        if len(file.items) == 1 and len(arguments) == 1 and arguments[0].name is None:
            nothing = Scope(Unit(source), Level(""), {}, {}, {})
            try:
                return evaluate_at(arguments[0].value, nothing)
            except Rejection as rejection:
                raise NetspecError(rejection.problem, status=2) from None
    raise Rejection(NotASymbol(f"--set {name}={value}", "it is not one value"))


__all__ = ["METADATA", "build"]
