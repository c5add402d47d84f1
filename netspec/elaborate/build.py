"""A spec's text, its settings and inputs, to a checked graph. The one way graphs are made."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from netspec.diagnostics.limits import DEFAULT, Limits
from netspec.diagnostics.messages.limits import TooManyRuns
from netspec.diagnostics.messages.names import OutputNameTaken
from netspec.diagnostics.messages.shapes import NoLegalSize
from netspec.diagnostics.messages.syntax import NoNet
from netspec.diagnostics.raised import Collector, Known, NetspecError, Rejection
from netspec.diagnostics.records import Diagnostic, Label
from netspec.diagnostics.source import Source, Span
from netspec.diagnostics.suggest import renew_budget
from netspec.elaborate.again.recall import Memo
from netspec.elaborate.bind import Misplaced
from netspec.elaborate.images import Line, Placed, image_lines
from netspec.elaborate.inputs import Freed, Inputs
from netspec.elaborate.metadata import metadata_of
from netspec.elaborate.outputs import named_outputs
from netspec.elaborate.scope import (
    Given,
    Level,
    Poisoned,
    Scope,
    Wire,
    reserved_names,
)
from netspec.elaborate.settings import bases, variables_of
from netspec.elaborate.steps import Elaborator
from netspec.foundation.collecting import without_collecting
from netspec.graph.checked import Graph, Node, Output
from netspec.sizes.asked import asking
from netspec.sizes.conditions import Condition, Conditions, gathering
from netspec.sizes.legal import clashing, legality
from netspec.syntax.units import Loader, Shelf, Unit

# Elaboration recurses a bounded number of Python frames for each bracket and block call.
_FRAMES = 12
_MOST_FRAMES = 100_000
# Edits are tried on nets up to this size only.
_NODES_OF_TRIALS = 2000
# What all trials for one spec may run: as many steps as are built in half a second.
_WORK_OF_TRIALS = 10_000
# Counting so many steps before they run takes as long as running one, and so does reading so many bytes.
_COUNTED_PER_RUN = 4
_BYTES_PER_RUN = 40


def build(
    source: Source,
    settings: Mapping[str, Any] | None = None,
    inputs: tuple[str, ...] = (),
    limits: Limits = DEFAULT,
    collector: Collector | None = None,
    *,
    expectations: bool = True,
    memo: Memo | None = None,
    mend: bool = True,
    rolled: bool = False,
) -> Graph:
    """The checked graph of a spec.

    `settings` are the net's parameters, as values or as text. `inputs` replace declared input
    shapes: `3x320x320`, or `name:3x320x320`. Without `expectations` the net need not be what its
    `expect` lines say. Raises NetspecError with every diagnostic, and with
    edits that mend the spec where some were found; without `mend` none are looked for. A `memo` is of one
    source and one set of limits: what was built with it before is not done again. Where the graph is
    `rolled`, no recurrence is written out, however few its steps are.
    """
    values = dict(settings or {})
    shelf = memo.shelf if memo else Shelf()
    renew_budget()
    with without_collecting():
        try:
            collector = collector or Collector()
            return _build(
                source,
                values,
                inputs,
                limits,
                collector,
                expectations=expectations,
                memo=memo,
                rolled=rolled,
                shelf=shelf,
            )
        except NetspecError as error:
            if not mend:
                raise
            from netspec.edits.trials import with_edits
            from netspec.elaborate.nearby import with_nearest, with_unlike

            tried = _Trials(values, limits, shelf)
            error = with_unlike(
                error,
                inputs,
                lambda others: tried(source, others),
                lambda others, freed: tried(source, others, freed, Conditions()),
            )
            error = with_nearest(
                error,
                lambda freed, conditions: tried(source, inputs, freed, conditions),
                lambda others: tried(source, others),
            )
            raise with_edits(
                error, source, lambda other, allowed: tried(other, inputs, allowed=allowed)
            ) from None


def attempted(source: Source, limits: Limits = DEFAULT, *, rolled: bool = False) -> Graph | None:
    """The checked graph of a text that may be wrong; None if it is, without looking for what mends it."""
    renew_budget()
    with without_collecting():
        try:
            return _build(source, {}, (), limits, Collector(), rolled=rolled)
        except NetspecError:
            return None


class _Trials:
    """Builds other texts and other inputs, to see which are right: all within one budget.

    Files on the shelf are not read again.
    """

    def __init__(self, settings: dict[str, Any], limits: Limits, shelf: Shelf) -> None:
        self.settings = settings
        self.limits = limits
        self.shelf = shelf
        self.left = _WORK_OF_TRIALS

    def __call__(
        self,
        source: Source,
        inputs: tuple[str, ...],
        freed: Freed | None = None,
        conditions: Conditions | None = None,
        allowed: Known | None = None,
    ) -> None:
        """Raises NetspecError where the net is wrong, or where there is no telling any more.

        At the first error that is not `allowed`, where that is said.
        """
        self.left -= len(source.text) // _BYTES_PER_RUN + 1
        if self.left <= 0:
            raise NetspecError(TooManyRuns(_WORK_OF_TRIALS))
        few = replace(self.limits, nodes=min(self.limits.nodes, _NODES_OF_TRIALS, self.left))
        _build(
            source,
            self.settings,
            inputs,
            few,
            Collector(allowed=allowed),
            freed,
            conditions,
            self._spend,
            shelf=self.shelf,
        )

    def _spend(self, runs: int) -> None:
        self.left -= runs


def _build(
    source: Source,
    settings: dict[str, Any],
    inputs: tuple[str, ...],
    limits: Limits,
    collector: Collector,
    freed: Freed | None = None,
    conditions: Conditions | None = None,
    spend: Callable[[int], None] | None = None,
    *,
    expectations: bool = True,
    memo: Memo | None = None,
    rolled: bool = False,
    shelf: Shelf | None = None,
) -> Graph:
    depth = min(limits.depth * limits.nesting * _FRAMES, _MOST_FRAMES)
    sys.setrecursionlimit(max(sys.getrecursionlimit(), depth))
    if memo is not None:
        memo.bound()
    loader = Loader(collector, limits, shelf)
    unit = loader.load(source)
    builder = _NetBuilder(unit, loader, collector, limits, freed, memo)
    builder.elaborator.recurrences.rolled = rolled
    if not unit.has_net:
        metadata_of([unit], {}, builder.elaborator.reporter)
        if not collector.failed:
            advice = "write `net NAME`, `input 3x224x224`, then steps such as `conv3-64`"
            collector.add(
                Diagnostic(NoNet("no steps", advice), Span(source, 0, len(source.line(1))))
            )
        collector.raise_errors()
    try:
        asked = builder.elaborator.trace.asked
        with gathering(conditions or Conditions()) as gathered, asking(asked):
            graph = builder.graph(settings, inputs, gathered)
    finally:
        if spend is not None:
            counted = builder.elaborator.expansion.work
            spend(builder.elaborator.trace.runs + counted // _COUNTED_PER_RUN)
    as_written = expectations and not settings and not inputs and not freed
    if as_written and not collector.failed and graph is not None:
        from netspec.elaborate.expect import check_expectations

        check_expectations(graph, unit, collector)
    collector.raise_errors()
    assert graph is not None
    return graph


class _NetBuilder:
    """Elaborates one file's net, and adds what is said outside its steps."""

    def __init__(
        self,
        unit: Unit,
        loader: Loader,
        collector: Collector,
        limits: Limits,
        freed: Freed | None,
        memo: Memo | None,
    ) -> None:
        self.unit = unit
        self.collector = collector
        self.limits = limits
        self.memo = memo
        self.elaborator = Elaborator(loader, collector, limits, memo)
        self.inputs = Inputs(unit, self.elaborator.assembler, freed)

    def graph(
        self, settings: dict[str, Any], inputs: tuple[str, ...], conditions: Conditions
    ) -> Graph | None:
        self.elaborator.trace.stated = conditions.stated
        scope = Scope(self.unit, Level(""), {}, {}, {})
        try:
            variables, running = variables_of(
                self.unit, settings, scope, self.elaborator.calls, self.limits
            )
            scope.variables, scope.unit = variables, running
            scope.level.reserve(reserved_names(running.chain))
            placed = self.inputs.place(running, scope, inputs)
        except Misplaced as rejection:
            self.elaborator.report(rejection, rejection.extent, scope)
            return None
        except Poisoned:
            self.elaborator.reporter.given_up((0, 0), scope)
            return None
        except Rejection as rejection:
            declared = None if settings or inputs else self.unit.net
            span = self.unit.span(declared.extent) if declared else None
            self.collector.add(Diagnostic(rejection.problem, span))
            return None
        wire: Wire = tuple(node.output for node in placed)
        scope.entry = wire
        wire = self._run(running, wire, scope)
        outputs = self._outputs(wire, scope)
        metadata = metadata_of(bases(self.unit), variables, self.elaborator.reporter)
        metadata += self._image_lines(variables, placed, bool(settings))
        self._check_whole(wire, outputs, placed, scope)
        if self.collector.failed:
            return None
        found = tuple(conditions.found)
        self._check_sizes(found, placed[0])
        return Graph(
            name=self.unit.name,
            source=self.unit.source,
            nodes=tuple(self.elaborator.assembler.nodes),
            inputs=placed,
            outputs=outputs,
            heads=tuple(self.elaborator.heads.found),
            parameters=tuple(variables.items()),
            metadata=metadata,
            sizes=tuple(self.inputs.sizes.items()),
            conditions=found,
            names={name: b.wire for name, b in scope.names.items() if b.wire and not b.make},
            files=self.elaborator.loader.files,
            results=dict(self.elaborator.trace.results),
            doubts=tuple(self.elaborator.doubts.found.values()),
        )

    def _run(self, running: Unit, wire: Wire, scope: Scope) -> Wire:
        """Runs the net's steps, or adds those of the net as it was built before."""
        recall = self.elaborator.recall
        # Without a memo there is no build after this one.
        what, given = (self.unit, running), Given(dict(scope.variables))
        key = recall.key(what, given, wire, scope) if self.memo else None
        if key is not None and (found := recall.find(key)):
            wire, names = recall.add(found, "", key.outer, None, None)
            scope.names.update(names)
            return wire
        start = recall.mark()
        self.elaborator.expansion.check(running.chain, scope)
        wire = self.elaborator.run_braces(running.chain, wire, scope)
        recall.remember(key, start, scope, wire)
        return wire

    def _image_lines(
        self, variables: dict[str, Any], placed: tuple[Node, ...], set_: bool
    ) -> tuple[Line, ...]:
        """How images become inputs, as the net says or else the one that it is a variation of."""
        units = bases(self.unit)
        saying = next((u for u in units if any(i.key == "preprocess" for i in u.metadata)), None)
        if saying is None:
            return ()
        declaring = next((unit for unit in units if unit.inputs), None)
        inputs = Placed(placed, self.inputs.declared, not set_ and saying is declaring)
        return image_lines(saying, variables, inputs, self.elaborator.reporter)

    def _outputs(self, wire: Wire, scope: Scope) -> tuple[Output, ...]:
        declared = self.unit.output or scope.unit.output
        if declared is None:
            if wire is None:
                return ()
            if len(wire) == 1:
                return (Output("output", wire[0]),)
            return tuple(Output(f"output{i}", value) for i, value in enumerate(wire, 1))
        return tuple(
            Output(f"{name}{i}" if len(made or ()) > 1 else name, value)
            for name, made in named_outputs(declared, scope, self.elaborator.reporter)
            for i, value in enumerate(made or (), 1)
        )

    def _check_whole(
        self, wire: Wire, outputs: tuple[Output, ...], placed: tuple[Node, ...], scope: Scope
    ) -> None:
        """What a net is: a step, an output, a name for each tensor outside, nothing left out."""
        if wire is None or any(binding.wire is None for binding in scope.names.values()):
            self.elaborator.reporter.given_up(scope.unit.chain.extent, scope)
        self._check_names(outputs, placed, scope)
        if not self.collector.failed and (
            not outputs or len(self.elaborator.assembler.nodes) == len(placed)
        ):
            advice = "a net has a step that computes something: `conv3-64`, `relu`, `fc-10`"
            source = scope.unit.source
            start = Span(source, 0, len(source.line(1)))
            self.collector.add(Diagnostic(NoNet("no step does anything", advice), start))

    def _check_names(
        self, outputs: tuple[Output, ...], placed: tuple[Node, ...], scope: Scope
    ) -> None:
        """Inputs, outputs and training-only heads have names of their own: a file's tensors do."""
        declared = self.unit.output or scope.unit.output
        places = dict(declared.names) if declared else {}
        heads = {head.name: head.value.node for head in self.elaborator.heads.found}
        taken = {node.path: ("an input", node.span) for node in placed}
        taken |= {name: ("a training-only head", node.span) for name, node in heads.items()}
        for output in outputs:
            if output.name in taken:
                what, span = taken[output.name]
                problem = OutputNameTaken(output.name, what)
                at = places.get(output.name)
                label = Label(span, f"`{output.name}` is {what}")
                place = scope.unit.span(at) if at else span
                self.collector.add(Diagnostic(problem, place, (label,) if at else ()))
            taken.setdefault(output.name, ("another output", output.value.node.span))

    def _check_sizes(self, found: tuple[Condition, ...], first: Node) -> None:
        symbols = sorted({name for condition in found for name in condition.symbols})
        if symbols and not legality(found, symbols).possible:
            clash = clashing(found, symbols)
            names = sorted({name for condition in clash for name in condition.symbols})
            shown = " and ".join(map(str, clash))
            self.collector.add(Diagnostic(NoLegalSize(", ".join(names), shown), first.span))
