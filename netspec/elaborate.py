"""Tree to graph: names, defaults, blocks, repeats, references; shapes as each node is added."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cached_property, lru_cache
from typing import Any

from netspec import ast
from netspec.assemble import Assembler
from netspec.bind import (
    BoundOperator,
    Misplaced,
    bind_block,
    bind_operator,
    check_value,
    evaluate_at,
    given,
    layer_given,
)
from netspec.diagnostics import Collector, Diagnostic, Label, Problem, Rejection
from netspec.errors.limits import RecursionTooDeep, TooManyRuns
from netspec.errors.names import (
    BadArgument,
    BadRepeat,
    NameTaken,
    NeedsBraces,
    NoBraces,
    NoSuchSetting,
    UnknownArgument,
    UnknownLayer,
    UnknownReference,
)
from netspec.errors.shapes import BranchCount, WrongCount
from netspec.evaluate import truth
from netspec.graph import Call, Head, Node, Value
from netspec.limits import Limits
from netspec.ops import REGISTRY, Operator
from netspec.ops.params import Layer, Name, show
from netspec.scope import (
    UNKNOWN,
    Binding,
    Body,
    Default,
    Given,
    Level,
    Poisoned,
    Scope,
    reserved_names,
)
from netspec.source import Span
from netspec.suggest import ELSEWHERE, closest
from netspec.units import Loader, Unit

Wire = tuple[Value, ...] | None
# A step may run more often than nodes may exist, since names, branches and empty blocks cost too.
_RUNS_PER_NODE = 2
# How many of the tensors that a mistake depends on are shown.
_LABELS = 2
_reserved = lru_cache(maxsize=4096)(reserved_names)


class Target:
    """What a head means: an operator, a block, a net, or braces given to a block."""

    __slots__ = ("kernel", "unit", "what")

    def __init__(
        self,
        what: type[Operator] | ast.Block | Unit | Body,
        unit: Unit | None,
        kernel: tuple[int, ...] | None,
    ) -> None:
        self.what = what
        self.unit = unit
        self.kernel = kernel


class Elaborator:
    """Runs one net's steps. Mistakes are collected; what depends on one stays silent."""

    def __init__(self, loader: Loader, collector: Collector, limits: Limits) -> None:
        self.loader = loader
        self.collector = collector
        self.limits = limits
        self.assembler = Assembler(collector, limits)
        self.heads: list[Head] = []
        self._targets: dict[tuple[Unit, str], Target] = {}
        self._unknowns: dict[tuple[Unit, str], UnknownLayer] = {}
        self._depth = 0
        self._runs = 0

    # --- chains and steps

    def run_chain(self, chain: ast.Chain, wire: Wire, scope: Scope) -> Wire:
        """Runs the steps of braces, `wire` flowing through."""
        for link in chain.links:
            if isinstance(link, ast.Step):
                wire = self.run_step(link, wire, scope)
                if scope.until is not None and link.name == scope.until:
                    break
            elif isinstance(link, ast.Default):
                self.add_default(link, scope)
            else:
                wire = None
        return wire

    def run_step(self, step: ast.Step, wire: Wire, scope: Scope) -> Wire:
        try:
            if step.repeat is None:
                self._tick(step.extent, scope)
                return self._act(step, wire, scope, None)
            count = self._whole(step.repeat, scope)
            for i in range(count):
                self._tick(step.extent, scope)
                wire = self._act(step, wire, scope, (i + 1, count))
            return wire
        except Poisoned:
            pass
        except Misplaced as rejection:
            self.report(rejection, rejection.extent, scope)
        except Rejection as rejection:
            self.report(rejection, _heading(step), scope)
        if step.name and step.name_extent:
            self._give(
                step.name, step.name_extent, Binding(None, scope.unit.span(step.extent), ""), scope
            )
        return None

    def _tick(self, extent: ast.Extent, scope: Scope) -> None:
        self._runs += 1
        limit = self.limits.nodes * _RUNS_PER_NODE
        if self._runs > limit:
            self.report(Rejection(TooManyRuns(limit)), extent, scope)
            self.collector.raise_errors()

    def _whole(self, node: ast.Expression, scope: Scope) -> int:
        value = evaluate_at(node, scope)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise Misplaced(BadRepeat(show(value)), node.extent)
        return value

    def _act(self, step: ast.Step, wire: Wire, scope: Scope, copy: tuple[int, int] | None) -> Wire:
        action = step.action
        inner: dict[str, Binding] | None = None
        path = ""
        match action:
            case ast.Head():
                wire, path, inner = self._head(action, step.name, wire, scope, copy)
            case ast.Reference():
                binding, size = scope.find(action)
                if size:
                    raise Rejection(UnknownReference(".".join(action.parts)))
                wire, path, inner = binding.wire, binding.path, binding.inner
            case ast.Branches():
                wire = self._branches(action, wire, scope)
            case ast.If():
                wire = self._if(action, wire, scope)
            case ast.For():
                wire = self._for(action, wire, scope)
            case ast.Freeze():
                wire = self.run_chain(action.body, wire, replace(scope, frozen=True, entry=wire))
            case ast.TrainingHead():
                self._training_head(action, wire, scope)
        if step.name and step.name_extent:
            span = scope.unit.span(step.name_extent)
            self._give(step.name, step.name_extent, Binding(wire, span, path, inner), scope)
        return wire

    def _give(self, name: str, extent: ast.Extent, binding: Binding, scope: Scope) -> None:
        """Names a step; steps of a repeat may give a name again, other steps may not."""
        span = scope.unit.span(extent)
        held = scope.names.get(name)
        if held is not None and held.span != span:
            label = Label(held.span, "given first here")
            self.report(Rejection(NameTaken(name), (label,)), extent, scope)
        scope.names[name] = replace(binding, span=span)

    def _branches(self, branches: ast.Branches, wire: Wire, scope: Scope) -> Wire:
        """One tensor goes to every branch; n tensors go to n branches, one each."""
        chains = branches.chains
        if wire is not None and len(wire) > 1 and len(wire) != len(chains):
            raise Misplaced(BranchCount(len(chains), len(wire)), branches.extent)
        found: list[Value] | None = []
        for i, chain in enumerate(chains):
            start = wire if wire is None or len(wire) <= 1 else (wire[i],)
            end = self.run_chain(chain, start, scope.inner(start))
            if end is None:
                found = None
            elif found is not None:
                found.extend(end)
        return None if found is None else tuple(found)

    def _if(self, branch: ast.If, wire: Wire, scope: Scope) -> Wire:
        chosen: ast.If | ast.Chain | None = branch
        while isinstance(chosen, ast.If):
            condition = evaluate_at(chosen.condition, scope)
            try:
                holds = truth(condition)
            except Rejection as rejection:
                raise Misplaced(rejection.problem, chosen.condition.extent) from None
            chosen = chosen.then if holds else chosen.otherwise
        return wire if chosen is None else self.run_chain(chosen, wire, scope.inner(scope.entry))

    def _for(self, loop: ast.For, wire: Wire, scope: Scope) -> Wire:
        first, last = self._whole(loop.first, scope), evaluate_at(loop.last, scope)
        if isinstance(last, float) and last.is_integer():
            last = int(last)
        if isinstance(last, bool) or not isinstance(last, int):
            raise Misplaced(BadRepeat(show(last)), loop.last.extent)
        for i in range(first, last + 1):
            self._tick(loop.extent, scope)
            variables = {**scope.variables, loop.variable: i}
            wire = self.run_chain(loop.body, wire, replace(scope, variables=variables))
        return wire

    def _training_head(self, head: ast.TrainingHead, wire: Wire, scope: Scope) -> None:
        if scope.head is not None or scope.until is not None:
            return
        loss = 1.0
        for argument in head.arguments:
            value = evaluate_at(argument.value, scope)
            if (
                argument.name != "loss"
                or isinstance(value, bool)
                or not isinstance(value, int | float)
            ):
                usage = "usage: `head name(loss=0.3) { ... }`"
                name = argument.name or show(value)
                raise Misplaced(UnknownArgument(f"head {head.name}", name, usage), argument.extent)
            loss = float(value)
        span = scope.unit.span(head.extent)
        first = scope.level.heads.setdefault(head.name, span)
        if first != span:
            raise Rejection(NameTaken(head.name), (Label(first, "given first here"),))
        component = scope.level.named(head.name)
        path = scope.level.prefix + component
        call = Call(scope.call, head.name, component, span)
        inner = replace(
            scope,
            level=Level(path + ".", _reserved(head.body)),
            names=dict(scope.names),
            head=path,
            entry=wire,
            call=call,
        )
        end = self.run_chain(head.body, wire, inner)
        if end is None:
            return
        if len(end) != 1:
            raise Rejection(WrongCount(f"head {head.name}", "one tensor at its end", f"{len(end)}"))
        self.heads.append(Head(path, end[0], loss))

    # --- heads

    def _head(
        self,
        head: ast.Head,
        name: str | None,
        wire: Wire,
        scope: Scope,
        copy: tuple[int, int] | None,
    ) -> tuple[Wire, str, dict[str, Binding] | None]:
        target = self.target(head.word, scope, head.word_extent)
        values = given(head, target.kernel, scope)
        scope = self._with_universal(head.word, values, scope)
        what = target.what
        if isinstance(what, Body):
            return self._call_body(what, head, wire, scope), "", None
        if isinstance(what, type):
            if head.body is not None:
                wire = self._joined_branches(what, head, wire, scope)
            bound = bind_operator(what, values, scope)
            return *self._emit(what, bound, name, wire, scope, head), None
        if isinstance(what, Unit):
            return self._call_net(what, values, head, name, wire, scope, copy)
        assert target.unit is not None
        return self._call_block(target.unit, what, values, head, name, wire, scope, copy)

    def _with_universal(self, word: str, values: Given, scope: Scope) -> Scope:
        """`frozen=yes` and `weights=@name` apply to operators and blocks alike."""
        frozen = values.named.get("frozen", scope.frozen)
        if not isinstance(frozen, bool):
            problem = BadArgument(word, "frozen", "yes or no", show(frozen))
            raise Misplaced(problem, values.extents["frozen"])
        shared = scope.shared
        if "weights" in values.named:
            owner = values.named["weights"]
            if not isinstance(owner, Binding):
                problem = BadArgument(word, "weights", "a step such as @name", show(owner))
                raise Misplaced(problem, values.extents["weights"])
            shared = ("", owner.path)
        if frozen == scope.frozen and shared is scope.shared:
            return scope
        return replace(scope, frozen=scope.frozen or frozen, shared=shared)

    def _joined_branches(
        self, kind: type[Operator], head: ast.Head, wire: Wire, scope: Scope
    ) -> Wire:
        if not kind.joins or not isinstance(head.body, ast.Branches):
            advice = (
                "branches go under a merge: concat, add, mul, mean"
                if not kind.joins
                else (f"write `{head.word} {{ | a | b }}`")
            )
            raise Misplaced(NoBraces(head.word, advice), head.word_extent)
        return self._branches(head.body, wire, scope)

    def _call_body(self, body: Body, head: ast.Head, wire: Wire, scope: Scope) -> Wire:
        """Runs braces given to a block: they see what they saw, their nodes go where they run."""
        inner = replace(
            body.scope,
            level=scope.level,
            call=scope.call,
            head=scope.head,
            frozen=scope.frozen or body.scope.frozen,
            entry=wire,
        )
        if isinstance(body.braces, ast.Chain):
            return self.run_chain(body.braces, wire, inner)
        return self._branches(body.braces, wire, inner)

    def target(self, word: str, scope: Scope, extent: ast.Extent) -> Target:
        """What a head's word means here; raises Rejection with the nearest names if nothing."""
        value = scope.variables.get(word)
        if isinstance(value, Body):
            return Target(value, None, None)
        if isinstance(value, Name | Layer):
            text = value.text if isinstance(value, Name) else value.name
            return self._lookup(text, value.unit or scope.unit, extent)
        return self._lookup(word, scope.unit, extent)

    def _lookup(self, word: str, unit: Unit, extent: ast.Extent) -> Target:
        key = (unit, word)
        found = self._targets.get(key)
        if found is None and key in self._unknowns:
            raise Misplaced(self._unknown(word, unit), extent)
        if found is None:
            found = self._resolve(word, unit) or self._resolve_with_kernel(word, unit)
            if found is None:
                raise Misplaced(self._unknown(word, unit), extent)
            self._targets[key] = found
        return found

    def _resolve(
        self, word: str, unit: Unit, kernel: tuple[int, ...] | None = None
    ) -> Target | None:
        if word in unit.blocks:
            return Target(unit.blocks[word], unit, kernel)
        if word in unit.imports:
            origin = unit.imports[word]
            if word in origin.blocks:
                return Target(origin.blocks[word], origin, kernel)
            return Target(origin, origin, kernel)
        if word in REGISTRY:
            return Target(REGISTRY[word], None, kernel)
        block = self.loader.library_block(word)
        return Target(block[1], block[0], kernel) if block else None

    def _resolve_with_kernel(self, word: str, unit: Unit) -> Target | None:
        """`conv3`, `conv1x7`: the longest known word before the digits."""
        base = word.rstrip("0123456789x")
        while base:
            digits = word[len(base) :]
            parts = digits.split("x")
            if digits and all(part.isdigit() for part in parts):
                found = self._resolve(base, unit, tuple(int(part) for part in parts))
                if found:
                    return found
            if not digits or len(base) == len(word):
                return None
            base = word[: len(base) + 1]
        return None

    def _unknown(self, word: str, unit: Unit) -> UnknownLayer:
        base = word.rstrip("0123456789x")
        if word in unit.lost or base in unit.lost:
            raise Poisoned
        problem = self._unknowns.get((unit, word))
        if problem is None:
            known = {*unit.blocks, *unit.imports, *REGISTRY, *self._library_names}
            near = closest(word, known) or closest(base, known)
            advice = f"did you mean {near}?" if near else ELSEWHERE.get(base.lower(), "")
            problem = self._unknowns[unit, word] = UnknownLayer(word, advice)
        return problem

    @cached_property
    def _library_names(self) -> tuple[str, ...]:
        return tuple(self.loader.library_names())

    # --- operators

    def _emit(
        self,
        kind: type[Operator],
        bound: BoundOperator,
        name: str | None,
        wire: Wire,
        scope: Scope,
        head: ast.Head,
    ) -> tuple[Wire, str]:
        """A node for the operator, and one for each layer that follows it."""
        op = self.assembler.operator(kind, bound.values)
        component = scope.level.named(name) if name else scope.level.numbered(kind.spelling)
        path = scope.level.prefix + component
        inputs: Wire = wire
        for reference in bound.references:
            inputs = None if inputs is None or reference.wire is None else inputs
        if inputs is not None:
            references = tuple(v for r in bound.references for v in r.wire or ())
            try:
                inputs = op.connect(inputs, references)
                node = self._add(op, inputs, path, scope, head.extent)
            except Rejection as rejection:
                raise self._explained(rejection, bound, wire, head) from None
            count = kind.carried if kind.carried is not None else len(node.types)
            wire = tuple(Value(node, i) for i in range(count))
        else:
            wire = None
        for follower in kind.follows:
            layer = bound.values[follower]
            if layer is not None:
                extent = bound.from_defaults.get(follower)
                wire = self._follow(layer, component if name else None, wire, scope, head, extent)
        return wire, path

    def _add(
        self, op: Operator, inputs: tuple[Value, ...], path: str, scope: Scope, extent: ast.Extent
    ) -> Node:
        return self.assembler.add(
            op,
            inputs,
            path,
            scope.unit.span(extent),
            scope.call,
            owner=self._owner(path, scope),
            head=scope.head,
            frozen=scope.frozen,
        )

    def _owner(self, path: str, scope: Scope) -> str | None:
        if scope.shared is None:
            return None
        here, there = scope.shared
        return there + path[len(here) :] if here else there

    def _follow(
        self,
        layer: Layer,
        after: str | None,
        wire: Wire,
        scope: Scope,
        head: ast.Head,
        default: Span | None,
    ) -> Wire:
        target = self._lookup(layer.name, layer.unit or scope.unit, head.extent)
        values = layer_given(layer, head.extent)
        name = f"{after}_{layer.name}" if after else None
        what = target.what
        if isinstance(what, type):
            bound = bind_operator(what, values, scope)
            return self._emit(what, bound, name, wire, scope, head)[0]
        if isinstance(what, ast.Block) and target.unit:
            return self._call_block(target.unit, what, values, head, name, wire, scope, None)[0]
        raise Rejection(UnknownLayer(layer.name))

    def _explained(
        self, rejection: Rejection, bound: BoundOperator, wire: Wire, head: ast.Head
    ) -> Rejection:
        """Adds where the tensors came from, and which default lines the mistake depends on."""
        labels = list(rejection.labels)
        if rejection.problem.code.startswith("NS4"):
            return rejection
        for span, text in dict.fromkeys(
            (v.node.span, f"{v.type} comes from here") for v in wire or ()
        ):
            if len(labels) < _LABELS and span.start != head.extent[0]:
                labels.append(Label(span, text))
        for name in rejection.problem.about:
            if name in bound.from_defaults:
                value = show(bound.values[name])
                labels.append(
                    Label(bound.from_defaults[name], f"{name}={value} comes from this default")
                )
        return Rejection(rejection.problem, tuple(labels))

    # --- blocks and nets

    def _call_block(
        self,
        unit: Unit,
        block: ast.Block,
        values: Given,
        head: ast.Head,
        name: str | None,
        wire: Wire,
        scope: Scope,
        copy: tuple[int, int] | None,
    ) -> tuple[Wire, str, dict[str, Binding] | None]:
        takes_body = any(p.name == "body" for p in block.parameters)
        if head.body is not None and head.word == block.name and not takes_body:
            raise Misplaced(NoBraces(block.name), head.word_extent)
        if takes_body and head.body is not None:
            values = replace(values, named={**values.named, "body": Body(head.body, scope)})
        elif takes_body and "body" not in values.named:
            raise Misplaced(NeedsBraces(block.name), head.word_extent)
        defining = replace(scope, unit=unit, entry=wire)
        variables = bind_block(block.name, block.parameters, values, defining)
        with self._entered(block.name, head, scope):
            component = None
            if not block.inline:
                component = scope.level.named(name) if name else scope.level.numbered(block.name)
            arguments = _shown_arguments(values)
            span = scope.unit.span(head.extent)
            call = Call(scope.call, block.name, component, span, arguments, copy)
            level, path = scope.level, scope.level.prefix
            if component is not None:
                path = scope.level.prefix + component
                level = Level(path + ".", _reserved(block.body))
            elif name is not None or _reserved(block.body):
                level.reserve(_reserved(block.body))
            inner = Scope(
                unit,
                level,
                variables,
                {},
                self._defaults_in(unit, scope),
                wire,
                call,
                scope.head,
                scope.frozen,
                self._shared_in(path, scope),
            )
            self._bind_operands(block, wire, inner, span)
            result = self.run_chain(block.body, wire, inner)
        return result, path, inner.names

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
        self._depth += 1
        try:
            if self._depth > self.limits.depth:
                around = [call.block for call in scope.call.ancestors()] if scope.call else []
                circle = " -> ".join([*reversed(around[:4]), name])
                self.report(
                    Rejection(RecursionTooDeep(self.limits.depth, circle)), head.extent, scope
                )
                self.collector.raise_errors()
            yield
        finally:
            self._depth -= 1

    def _defaults_in(self, unit: Unit, scope: Scope) -> Mapping[str, Mapping[str, Default]]:
        """The caller's defaults over those of the file a block comes from."""
        if unit is scope.unit or not unit.defaults:
            return scope.defaults
        base = Scope(unit, scope.level, self._own_variables(unit), {}, {})
        for line in unit.defaults:
            self.add_default(line, base)
        merged = {word: dict(values) for word, values in base.defaults.items()}
        for word, values in scope.defaults.items():
            merged[word] = {**merged.get(word, {}), **values}
        return merged

    def _call_net(
        self,
        unit: Unit,
        values: Given,
        head: ast.Head,
        name: str | None,
        wire: Wire,
        scope: Scope,
        copy: tuple[int, int] | None,
    ) -> tuple[Wire, str, dict[str, Binding] | None]:
        """A net called as a block: `vgg16(until=fc7)` stops after the step named fc7."""
        values = replace(values, named=dict(values.named))
        until = values.named.pop("until", None)
        span = scope.unit.span(head.extent)
        with self._entered(unit.name, head, scope):
            component = scope.level.named(name) if name else scope.level.numbered(unit.name)
            path = scope.level.prefix + component
            call = Call(scope.call, unit.name, component, span, _shown_arguments(values), copy)
            variables, unit = self.net_variables(unit, values, scope)
            level = Level(path + ".", _reserved(unit.chain))
            inner = Scope(unit, level, variables, {}, {}, wire, call, scope.head, scope.frozen)
            inner.shared = self._shared_in(path, scope)
            inner.until = until.text if isinstance(until, Name) else until or ""
            self._bind_inputs(unit, wire, inner, span)
            result = self.run_unit(unit, wire, inner)
        if inner.until and inner.until not in inner.names:
            near = closest(inner.until, inner.names)
            advice = f"did you mean {near}?" if near else f"`{unit.name}` gives no step that name"
            extent = values.extents.get("until", head.extent)
            raise Misplaced(UnknownReference(inner.until, advice), extent)
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
        if base is None:
            named = {name: self._at_home(value, unit) for name, value in values.named.items()}
            values = replace(values, named=named)
            return bind_block(unit.name, parameters, values, replace(scope, unit=unit)), unit
        if base.name not in unit.imports:
            raise Poisoned
        mine = replace(values, named={k: v for k, v in values.named.items() if k in own})
        variables = bind_block(unit.name, parameters, mine, replace(scope, unit=unit))
        inner = Scope(unit, scope.level, variables, {}, {}, scope.entry)
        head = ast.Head(base.name, None, None, base.arguments, None, base.extent, base.extent)
        passed = given(head, None, inner)
        passed.named.update({k: v for k, v in values.named.items() if k not in own})
        found_variables, found_unit = self.net_variables(unit.imports[base.name], passed, inner)
        return found_variables, found_unit

    def _at_home(self, value: Any, unit: Unit) -> Any:
        """A layer's name given from outside: where it means nothing, it is one of the net's own."""
        if not isinstance(value, Name | Layer) or value.unit is None:
            return value
        word = value.text if isinstance(value, Name) else value.name
        known = self._resolve(word, value.unit) or self._resolve_with_kernel(word, value.unit)
        return value if known else replace(value, unit=unit)

    def run_unit(self, unit: Unit, wire: Wire, scope: Scope) -> Wire:
        """The steps of a file, under its own `default` lines."""
        return self.run_chain(unit.chain, wire, scope)

    # --- defaults

    def _own_variables(self, unit: Unit) -> dict[str, Any]:
        """The parameters of a file's net at their defaults, for its blocks used elsewhere."""
        values: dict[str, Any] = {}
        inner = Scope(unit, Level(""), values, {}, {})
        for parameter in unit.net.parameters if unit.net else ():
            values[parameter.name] = UNKNOWN
            if parameter.default is not None:
                with suppress(Rejection, Poisoned):
                    values[parameter.name] = evaluate_at(parameter.default, inner)
        return values

    def add_default(self, line: ast.Default, scope: Scope) -> None:
        """Makes a `default` line hold for what follows it in these braces."""
        kind = REGISTRY.get(line.word)
        if kind is None:
            near = closest(line.word, REGISTRY)
            advice = f"did you mean {near}?" if near else "defaults are for layers, not for blocks"
            self.report(Rejection(UnknownLayer(line.word, advice)), line.word_extent, scope)
            return
        added: dict[str, Default] = {}
        for argument in line.arguments:
            try:
                if argument.name is None or argument.name not in kind.params:
                    name = argument.name or "a value without a name"
                    near = closest(argument.name or "", kind.params)
                    usage = f"did you mean {near}? {kind.usage()}" if near else kind.usage()
                    raise Misplaced(UnknownArgument(line.word, name, usage), argument.extent)
                value = evaluate_at(argument.value, scope)
                self._check_default(kind, argument, value, scope)
                added[argument.name] = Default(value, scope.unit.span(line.extent))
            except Poisoned:
                continue
            except Misplaced as rejection:
                self.report(rejection, rejection.extent, scope)
        held = scope.defaults.get(kind.spelling, {})
        scope.defaults = {**scope.defaults, kind.spelling: {**held, **added}}

    def _check_default(
        self, kind: type[Operator], argument: ast.Argument, value: Any, scope: Scope
    ) -> None:
        """A default that no step could take is reported where it is written, once."""
        given = Given({argument.name or "": value}, (), {argument.name or "": argument.extent})
        checked = check_value(kind, argument.name or "", given, scope)
        if isinstance(checked, Layer):
            self._lookup(checked.name, checked.unit or scope.unit, argument.extent)

    # --- diagnostics

    def report(self, rejection: Rejection, extent: ast.Extent, scope: Scope) -> None:
        calls = []
        if scope.call is not None:
            for call in scope.call.ancestors():
                of = f" (copy {call.copy[0]} of {call.copy[1]})" if call.copy else ""
                calls.append(Label(call.span, f"`{call.block}`{of}"))
        self.collector.add(
            Diagnostic(rejection.problem, scope.unit.span(extent), rejection.labels, tuple(calls))
        )


def _shown_arguments(values: Given) -> str:
    named = {k: v for k, v in values.named.items() if not isinstance(v, Body | Binding)}
    shown = [show(v) for v, _ in values.positional if not isinstance(v, Binding)]
    return ", ".join([*shown, *(f"{k}={show(v)}" for k, v in named.items())])


def _heading(step: ast.Step) -> ast.Extent:
    """Where a step's message points: its word and arguments, not its braces."""
    action = step.action
    if isinstance(action, ast.Head) and action.body is not None:
        return action.word_extent
    return action.extent


def no_such_setting(net: str, name: str, known: Mapping[str, Any]) -> Problem:
    near = closest(name, known)
    advice = f"did you mean {near}?" if near else f"parameters: {', '.join(known) or 'none'}"
    return NoSuchSetting(net, name, advice)
