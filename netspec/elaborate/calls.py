"""Calls of blocks, and of nets as blocks: parameters bound, a level of the path opened."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from netspec.diagnostics.limits import Limits
from netspec.diagnostics.messages.limits import RecursionTooDeep
from netspec.diagnostics.messages.names import (
    BadArgument,
    NeedsBraces,
    NoBraces,
    UnknownReference,
)
from netspec.diagnostics.messages.shapes import WrongCount
from netspec.diagnostics.raised import Rejection
from netspec.diagnostics.source import Span
from netspec.elaborate.again.keys import Key
from netspec.elaborate.again.recall import Found, Recall
from netspec.elaborate.bind import Misplaced, bind_block, given
from netspec.elaborate.defaults import DefaultLines
from netspec.elaborate.outputs import wire_of_outputs
from netspec.elaborate.report import Reporter
from netspec.elaborate.scope import (
    Binding,
    Body,
    Given,
    Level,
    Poisoned,
    Scope,
    Stop,
    Wire,
    names_inside,
    reserved_names,
)
from netspec.elaborate.targets import Targets
from netspec.foundation.records import changed, record
from netspec.graph.checked import Call, Value
from netspec.ops.declare.values import Name, show
from netspec.syntax import ast
from netspec.syntax.units import Unit

Run = Callable[[ast.Chain, Wire, Scope], Wire]
# What a call gives: what flows on, its path, and the names inside it.
Called = tuple[Wire, str, dict[str, Binding]]
reserved = lru_cache(maxsize=4096)(reserved_names)


@record
class Site:
    """Where a call stands: the step's head and name, what flows in, the surroundings.

    `copy` is (i, n) for the i-th of `x n`, from 1.
    """

    head: ast.Head
    name: str | None
    wire: Wire
    scope: Scope
    copy: tuple[int, int] | None = None

    @property
    def span(self) -> Span:
        """Where the call stands in the text."""
        return self.scope.unit.span(self.head.extent)

    def component(self, word: str) -> str:
        """The name of what is called in the path: the step's own, or the word and a number."""
        level = self.scope.level
        return level.named(self.name) if self.name else level.numbered(word)

    def call(
        self,
        block: str,
        component: str | None,
        values: Given,
        definition: Span,
        variables: Mapping[str, object],
        operands: Sequence[str],
    ) -> Call:
        """The call, a level of the path below the one it stands in.

        `operands` are what it calls the tensors that flow in, empty where it has no name for one.
        """
        return Call(
            self.scope.call,
            block,
            component,
            self.span,
            _shown_arguments(values),
            self.copy,
            definition=definition,
            values=tuple((k, v) for k, v in variables.items() if isinstance(v, int | float)),
            told=_told(values, variables),
            taken=(*_named(operands, self.wire), *_references(variables)),
        )


class Calls:
    """Calls blocks and nets; `run` runs the steps inside."""

    def __init__(
        self,
        run: Run,
        targets: Targets,
        defaults: DefaultLines,
        reporter: Reporter,
        limits: Limits,
        recall: Recall,
    ) -> None:
        self.run = run
        self.targets = targets
        self.defaults = defaults
        self.reporter = reporter
        self.limits = limits
        self.recall = recall
        self.trace = recall.trace

    def block(self, unit: Unit, block: ast.Block, values: Given, site: Site) -> Called:
        """A block of `unit`, at a site."""
        head, wire, scope = site.head, site.wire, site.scope
        takes_body = any(p.name == "body" for p in block.parameters)
        if head.body is not None and head.word == block.name and not takes_body:
            raise Misplaced(NoBraces(block.name), head.word_extent)
        if takes_body and head.body is not None:
            values = changed(values, named={**values.named, "body": Body(head.body, scope)})
        elif takes_body and "body" not in values.named:
            raise Misplaced(NeedsBraces(block.name), head.word_extent)
        if block.inputs:
            values, wire = _with_references(len(block.inputs), block.parameters, values, wire)
        values = self.defaults.filled(block, values, scope)
        key = None if block.inline else self.recall.key((unit, block), values, wire, scope)
        if key is not None and (found := self.recall.find(key)):
            return self._again(found, key, site)
        start = self.recall.mark()
        defining = changed(scope, unit=unit, entry=wire)
        variables = bind_block(block.name, block.parameters, block.body, values, defining)
        with self._entered(block.name, head, scope):
            component = None if block.inline else site.component(block.name)
            level, path = scope.level, scope.level.prefix
            if component is not None:
                path = scope.level.prefix + component
                level = Level(path + ".", reserved(block.body))
            elif site.name is not None or reserved(block.body):
                level.reserve(reserved(block.body))
            inner = Scope(
                unit,
                level,
                variables,
                {},
                self.defaults.holding_in(unit, scope),
                wire,
                changed(site, wire=wire).call(
                    block.name, component, values, _defined(unit, block), variables, block.inputs
                ),
                scope.head,
                scope.frozen,
                self._shared_in(path, scope),
                headless=scope.headless,
                naming=site.name if block.inline else None,
            )
            self._bind_operands(block, wire, inner, site.span)
            result = self.run(block.body, wire, inner)
            self.recall.remember(key, start, inner, result)
        if component is not None and result is not None:
            self.trace.results.append((path, result))
        return result, path, inner.names

    def _again(self, found: Found, key: Key, site: Site) -> Called:
        """A call that adds what an equal one did, at another site."""
        told, scope = found.template.call, site.scope
        assert told is not None
        component = site.component(told.block)
        path = scope.level.prefix + component
        taken = found.template.operands(key.outer)
        place = {"component": component, "span": site.span, "copy": site.copy}
        call = changed(told, parent=scope.call, taken=taken, **place)
        result, names = self.recall.add(found, path + ".", key.outer, call, scope.head)
        self.trace.results.append((path, result))
        return result, path, names

    def _shared_in(self, path: str, scope: Scope) -> tuple[str, str] | None:
        if scope.shared is None or scope.shared[0]:
            return scope.shared
        return path, scope.shared[1]

    def _bind_operands(self, block: ast.Block, wire: Wire, inner: Scope, span: Span) -> None:
        if not block.inputs:
            return
        if wire is not None and len(wire) != len(block.inputs):
            names = ", ".join(block.inputs)
            expected = f"{len(block.inputs)} tensors ({names})"
            raise Rejection(WrongCount(block.name, expected, f"{len(wire)}"))
        for i, operand in enumerate(block.inputs):
            inner.names[operand] = Binding(None if wire is None else (wire[i],), span, "")

    @contextmanager
    def _entered(self, name: str, head: ast.Head, scope: Scope) -> Iterator[None]:
        trace = self.trace
        trace.depth += 1
        deepest, trace.deepest = trace.deepest, trace.depth
        try:
            if trace.depth > self.limits.depth:
                around = [call.block for call in scope.call.ancestors()] if scope.call else []
                circle = " -> ".join([*reversed(around[:4]), name])
                problem = RecursionTooDeep(self.limits.depth, circle)
                self.reporter.stop(Rejection(problem), head.extent, scope)
            yield
        finally:
            trace.depth -= 1
            trace.deepest = max(deepest, trace.deepest)

    def net(self, unit: Unit, values: Given, site: Site) -> Called:
        """A net called as a block: `vgg16(until=fc7)` stops after the step named fc7."""
        head, wire, scope = site.head, site.wire, site.scope
        if len(unit.inputs) > 1:
            parameters = unit.net.parameters if unit.net else ()
            values, wire = _with_references(len(unit.inputs), parameters, values, wire)
        key = self.recall.key((unit, None), values, wire, scope)
        if key is not None and (found := self.recall.find(key)):
            return self._again(found, key, site)
        start = self.recall.mark()
        values = changed(values, named=dict(values.named))
        until = _until(unit.name, values, head)
        with self._entered(unit.name, head, scope):
            component = site.component(unit.name)
            path = scope.level.prefix + component
            name, whole = unit.name, Span(unit.source, 0, len(unit.source.text))
            declared = unit.output
            variables, unit = self.net_variables(unit, values, scope)
            declared = declared or unit.output
            named = [item.name or "" for item in unit.inputs]
            site = changed(site, wire=wire)
            call = site.call(name, component, values, whole, variables, named)
            level = Level(path + ".", reserved(unit.chain))
            inner = Scope(unit, level, variables, {}, {}, wire, call, scope.head, scope.frozen)
            inner.shared = self._shared_in(path, scope)
            inner.until = Stop(until) if until else None
            inner.headless = (
                scope.headless or until is not None or scope.head is not None or scope.recurring
            )
            self._bind_inputs(unit, wire, inner, site.span)
            result = self.run(unit.chain, wire, inner)
            if until is not None and until not in inner.names:
                advice = names_inside(unit.name, until, inner.names)
                raise Misplaced(UnknownReference(until, advice), values.extents["until"])
            if inner.until is not None and not inner.until.reached:
                expected = "the name of a step that stands in no branch and in no braces of a block"
                problem = BadArgument(unit.name, "until", expected, inner.until.name)
                raise Misplaced(problem, values.extents["until"])
            if declared is not None and until is None:
                result = wire_of_outputs(declared, inner, self.reporter)
            self.recall.remember(key, start, inner, result)
        if result is not None:
            self.trace.results.append((path, result))
        return result, path, inner.names

    def _bind_inputs(self, unit: Unit, wire: Wire, inner: Scope, span: Span) -> None:
        if len(unit.inputs) > 1 and wire is not None and len(wire) != len(unit.inputs):
            expected = f"{len(unit.inputs)} tensors"
            raise Rejection(WrongCount(unit.name, expected, f"{len(wire)}"))
        for i, item in enumerate(unit.inputs):
            if item.name:
                piece = None if wire is None else wire[i : i + 1]
                inner.names[item.name] = Binding(piece, span, "")

    def net_variables(self, unit: Unit, values: Given, scope: Scope) -> tuple[dict[str, Any], Unit]:
        """The parameters of a net and the unit whose steps it runs: its own, or its base's."""
        parameters = unit.net.parameters if unit.net else ()
        base = unit.net.base if unit.net else None
        own = {p.name for p in parameters}
        own_scope = changed(scope, unit=unit)
        if base is None:
            named = {
                name: self.targets.at_home(value, unit) for name, value in values.named.items()
            }
            values = changed(values, named=named)
            return bind_block(unit.name, parameters, unit.chain, values, own_scope), unit
        if base.name not in unit.imports:
            raise Poisoned
        mine = changed(values, named={k: v for k, v in values.named.items() if k in own})
        variables = bind_block(unit.name, parameters, unit.chain, mine, own_scope)
        inner = Scope(unit, scope.level, variables, {}, {}, scope.entry)
        head = ast.Head(base.name, None, None, base.arguments, None, base.extent, base.extent)
        passed = given(head, None, inner)
        passed.named.update({k: v for k, v in values.named.items() if k not in own})
        found_variables, found_unit = self.net_variables(unit.imports[base.name], passed, inner)
        return found_variables, found_unit


def _with_references(
    operands: int, parameters: Collection[ast.Parameter], values: Given, wire: Wire
) -> tuple[Given, Wire]:
    """The arguments without the references that are operands, and what flows in with them behind it.

    References given in order fill the operands that `wire` leaves open, the first of them first: as
    `add(@x)` adds @x to what flows in, `gate(@x)` of two operands takes it as the second. Behind a
    mistake, where what flows in is not known, those are taken that no parameter is there for.
    """
    if wire is not None:
        open_ = operands - len(wire)
    else:
        free = [p for p in parameters if p.name not in values.named and p.name != "body"]
        open_ = min(operands, len(values.positional) - len(free))
    if open_ <= 0:
        return values, wire
    kept = []
    for value, extent in values.positional:
        if open_ > 0 and isinstance(value, Binding):
            given = value.made().wire
            wire = None if wire is None or given is None else wire + given
            open_ -= len(given or (value,))
        else:
            kept.append((value, extent))
    return changed(values, positional=tuple(kept)), wire


def _defined(unit: Unit, block: ast.Block) -> Span:
    """The text of a block, its heading and its braces."""
    return unit.span((block.extent[0], block.body.extent[1]))


def _until(net: str, values: Given, head: ast.Head) -> str | None:
    """Takes from the arguments the name of the step that a net stops after; None for its end."""
    value = values.named.pop("until", None)
    if value is None:
        return None
    if isinstance(value, Name):
        return value.text
    problem = BadArgument(net, "until", "the name of a step", show(value))
    raise Misplaced(problem, values.extents.get("until", head.extent))


def _named(operands: Sequence[str], wire: Wire) -> Iterator[tuple[str, Value]]:
    for name, value in zip(operands, wire or (), strict=False):
        if name:
            yield name, value


def _references(variables: Mapping[str, object]) -> Iterator[tuple[str, Value]]:
    """The parameters that are one tensor each."""
    for name, value in variables.items():
        wire = value.wire if isinstance(value, Binding) and value.make is None else None
        if wire is not None and len(wire) == 1:
            yield name, wire[0]


def _told(values: Given, variables: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    """What a call is given, by the names of the parameters, in their order."""
    named = {k: v for k, v in values.named.items() if not isinstance(v, Body | Binding)}
    # As `bind_block` gives them out; `variables` has every parameter, in order.
    free = (name for name in variables if name not in values.named and name != "body")
    given = named | {name: v for name, (v, _) in zip(free, values.positional, strict=False)}
    told = (name for name in variables if name in given and not isinstance(given[name], Binding))
    return tuple((name, show(given[name])) for name in told)


def _shown_arguments(values: Given) -> str:
    named = {k: v for k, v in values.named.items() if not isinstance(v, Body | Binding)}
    shown = [show(v) for v, _ in values.positional if not isinstance(v, Binding)]
    return ", ".join([*shown, *(f"{k}={show(v)}" for k, v in named.items())])
