"""Tree to graph: steps run one after the other, with their names, repeats, choices and branches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from netspec.analysis.doubts.braces import SizeDoubts
from netspec.diagnostics.limits import Limits
from netspec.diagnostics.messages.limits import TooManyRuns
from netspec.diagnostics.messages.names import (
    BadRepeat,
    NameCount,
    NameTaken,
    NoBraces,
    NoList,
    UnknownReference,
)
from netspec.diagnostics.messages.shapes import BranchCount, NothingFlows, WrongCount
from netspec.diagnostics.raised import Collector, Rejection
from netspec.diagnostics.records import Label
from netspec.diagnostics.suggest import unadvised
from netspec.elaborate.again.recall import Memo, Recall
from netspec.elaborate.again.trace import Trace
from netspec.elaborate.apply import Operators
from netspec.elaborate.assemble import Assembler
from netspec.elaborate.bind import (
    Misplaced,
    check_reference,
    evaluate_at,
    given,
    misplaced,
    with_universal,
)
from netspec.elaborate.calls import Calls, Site
from netspec.elaborate.defaults import DefaultLines
from netspec.elaborate.evaluate import integral, over, truth
from netspec.elaborate.expand import Count, Expansion
from netspec.elaborate.recurrences import Recurrences
from netspec.elaborate.report import Reporter
from netspec.elaborate.scope import Binding, Body, Poisoned, Scope, Wire
from netspec.elaborate.targets import Targets
from netspec.elaborate.training_heads import TrainingHeads
from netspec.foundation.records import changed
from netspec.graph.checked import Value
from netspec.ops.declare.operator import Operator
from netspec.ops.declare.values import show
from netspec.syntax import ast
from netspec.syntax.units import Loader, Unit

# A step may run more often than nodes may exist, since names, branches and empty blocks cost too.
_RUNS_PER_NODE = 5
# A repeat of more than this is counted once more before it runs: its shapes are known by then.
_MANY = 64


class Elaborator:
    """Runs one net's steps. Mistakes are collected; what depends on one stays silent."""

    def __init__(
        self, loader: Loader, collector: Collector, limits: Limits, memo: Memo | None = None
    ) -> None:
        self.loader = loader
        self.collector = collector
        self.limits = limits
        memo = memo or Memo()
        self.assembler = Assembler(collector, limits, memo.known)
        self.trace = Trace(self.assembler.nodes, used=loader.used)
        self.reporter = Reporter(collector)
        self.report = self.reporter.report
        self.targets = Targets(loader)
        self.defaults = DefaultLines(self.targets, self.reporter)
        most_runs = limits.nodes * _RUNS_PER_NODE
        most = (limits.depth, most_runs)
        self.recall = Recall(memo, self.trace, self.assembler, loader, most)
        self.calls = Calls(
            self.run_braces, self.targets, self.defaults, self.reporter, limits, self.recall
        )
        self.operators = Operators(self.assembler, self.targets, self.calls)
        self.heads = TrainingHeads(self.run_braces, self.trace.heads)
        self.expansion = Expansion(self.targets, self.calls, self.reporter, limits, most_runs)
        self.doubts = SizeDoubts()
        self.recurrences = Recurrences(
            self.run_chain, self._branches, self.assembler, self.expansion, self._tick
        )

    @property
    def _before(self) -> Count:
        """What has been built so far."""
        return Count(len(self.assembler.nodes), self.trace.runs)

    # --- chains and steps

    def run_braces(
        self, chain: ast.Chain, wire: Wire, scope: Scope, kept: list[Wire] | None = None
    ) -> Wire:
        """Runs the steps of a block, a branch or a file: C, H, W are sizes of what they start from.

        That is `wire`, or what a reference that is their first step goes on from. `kept` takes what
        each step makes.
        """
        start, around = wire, None
        if (first := _first_reference(chain)) is not None:
            try:
                with unadvised():
                    binding, size = scope.find(first)
                if not size:
                    start, around = binding.wire, scope.entry
            except (Rejection, Poisoned):
                pass  # said, or silent, when the step runs
        inner = changed(scope, entry=start, moved=(), around=around, kept=kept, inside=None)
        return self.run_chain(chain, wire, inner)

    def run_chain(self, chain: ast.Chain, wire: Wire, scope: Scope) -> Wire:
        """Runs the steps of any braces, `wire` flowing through; the scope's `naming` is for the last."""
        naming, scope.naming = scope.naming, None
        for i, link in enumerate(chain.links):
            if isinstance(link, ast.Step):
                last = link is chain.links[-1]
                wire = self.run_step(link, wire, scope, naming if last else None)
                if scope.until is not None and scope.until.after(link.name):
                    break
                if isinstance(link.action, ast.Reference) and wire != scope.entry:
                    scope.moved = chain.links[i:]
            elif isinstance(link, ast.Default):
                self.defaults.add(link, scope)
            else:
                wire = None
                scope.keep(link, wire)
        return wire

    def run_step(self, step: ast.Step, wire: Wire, scope: Scope, naming: str | None = None) -> Wire:
        """What flows on after a step, run as often as it is repeated; None after a mistake.

        `naming` is the name of the braces that it is the last step of.
        """
        try:
            if wire == () and not isinstance(step.action, ast.Reference | ast.Branches):
                raise Rejection(NothingFlows())
            if scope.inside is not None:
                self._doubt(step, scope.entry, *scope.inside, scope)
            if step.repeat is None:
                self._tick(step.extent, scope)
                return self._act(step, wire, scope, None, naming)
            count = self._whole(step.repeat, scope)
            if count > _MANY:
                self.expansion.check_repeat(count, step.action, self._before, scope)
            for i in range(count):
                self._tick(step.extent, scope)
                copied, result = _copy_of(i + 1, count, scope), naming if i + 1 == count else None
                wire = self._act(step, wire, copied, (i + 1, count), result)
            return wire
        except Poisoned:
            self.reporter.given_up(_heading(step), scope)
        except Misplaced as rejection:
            self._refuse(rejection, rejection.extent, step, wire, scope)
        except Rejection as rejection:
            self._refuse(rejection, _heading(step), step, wire, scope)
        for name, extent in step.named:
            self._give(name, extent, Binding(None, scope.unit.span(step.extent), ""), scope)
        scope.keep(step, None)
        return None

    def _doubt(self, step: ast.Step, entry: Wire, word: str, wire: Wire, scope: Scope) -> None:
        """Looks at sizes that a step in the braces of a `for` or `if` asks for."""
        if entry and wire and entry[0] is not wire[0]:
            inside = word, wire[0].type
            self.doubts.look_at(step, entry[0].type, inside, scope.variables, scope.unit.span)

    def _refuse(
        self, rejection: Rejection, extent: ast.Extent, step: ast.Step, wire: Wire, scope: Scope
    ) -> None:
        """Reports a step that `wire` flows into, with what its sizes are those of."""
        sizes = *scope.sizes_elsewhere(step, wire), *scope.sizes_in_branches(step, wire)
        rejection.labels = (*rejection.labels, *sizes)
        self.report(rejection, extent, scope)

    def _tick(self, extent: ast.Extent, scope: Scope) -> None:
        self.trace.runs += 1
        limit = self.expansion.most_runs
        if self.trace.runs > limit:
            self.reporter.stop(Rejection(TooManyRuns(limit)), extent, scope)

    def _whole(self, node: ast.Expression, scope: Scope) -> int:
        value = self._integral(node, scope)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            problem, needed = BadRepeat(show(value)), "a count is needed here"
            raise misplaced(problem, value, node.extent, scope, needed)
        return value

    def _integral(self, node: ast.Expression, scope: Scope) -> Any:
        value = evaluate_at(node, scope)
        check_reference(value, scope, node.extent, "`@{0}.C`")
        return integral(value)

    def _act(
        self,
        step: ast.Step,
        wire: Wire,
        scope: Scope,
        copy: tuple[int, int] | None,
        naming: str | None,
    ) -> Wire:
        action, naming = step.action, step.name or naming
        inner: dict[str, Binding] | None = None
        path = ""
        match action:
            case ast.Head():
                wire, path, inner = self._head(action, (step.name, naming), wire, scope, copy)
            case ast.Reference():
                binding, size = scope.find(action)
                if size:
                    raise Rejection(UnknownReference(".".join(action.parts)))
                wire, path, inner = binding.made().wire, binding.path, binding.inner
            case ast.Branches():
                wire = self._branches(action, wire, scope, _each(step))
            case ast.If():
                wire = self._if(action, wire, changed(scope, naming=naming))
            case ast.For():
                wire = self._for(action, wire, scope, naming, _each(step))
            case ast.Recurrence():
                around = changed(scope, kept=None, inside=None)
                wire = self.recurrences.over(action, wire, around, self._before)
            case ast.Freeze():
                inside = changed(scope, frozen=True, naming=naming)
                wire = self.run_braces(action.body, wire, inside)
            case ast.Every():
                wire = self._every(action, wire, scope)
            case ast.TrainingHead():
                self.heads.add(action, wire, scope)
        scope.keep(step, wire)
        if step.name and step.name_extent:
            span = scope.unit.span(step.name_extent)
            self._give(step.name, step.name_extent, Binding(wire, span, path, inner), scope)
        if wire is not None and step.parts and len(wire) != len(step.parts):
            extent = step.parts[0][1][0], step.parts[-1][1][1]
            raise Misplaced(NameCount(len(step.parts), len(wire)), extent)
        for i, (name, extent) in enumerate(step.parts):
            each = None if wire is None else (wire[i],)
            self._give(name, extent, Binding(each, scope.unit.span(extent), ""), scope)
        return wire

    def _give(self, name: str, extent: ast.Extent, binding: Binding, scope: Scope) -> None:
        """Names a step; steps of a repeat may give a name again, other steps may not."""
        span = scope.unit.span(extent)
        held = scope.names.get(name)
        if held is not None and held.span != span:
            label = Label(held.span, "given first here")
            self.report(Rejection(NameTaken(name), (label,)), extent, scope)
        scope.names[name] = changed(binding, span=span)

    def _branches(
        self, branches: ast.Branches, wire: Wire, scope: Scope, names: Sequence[str] = ()
    ) -> Wire:
        """One tensor goes to every branch; n tensors go to n branches, one each.

        Branches that all start at a reference read nothing of the wire, whatever it carries. `names` are
        those of the tensors, one for each branch.
        """
        chains = [(chain, scope) for chain in branches.chains]
        return self._side_by_side(chains, wire, branches.extent, names)

    def _side_by_side(
        self,
        chains: Sequence[tuple[ast.Chain, Scope]],
        wire: Wire,
        extent: ast.Extent,
        names: Sequence[str],
    ) -> Wire:
        shared = wire is None or len(wire) <= 1
        if wire is not None and not shared and len(wire) != len(chains):
            shared = all(_first_reference(chain) is not None for chain, _ in chains)
            if not shared:
                raise Misplaced(BranchCount(len(chains), len(wire)), extent)
        found: list[Value] | None = []
        for i, (chain, scope) in enumerate(chains):
            start = wire if wire is None or shared else (wire[i],)
            naming = names[i] if len(names) == len(chains) else None
            end = self.run_braces(chain, start, changed(scope, until=None, naming=naming))
            if end is None:
                found = None
            elif found is not None:
                found.extend(end)
        return None if found is None else tuple(found)

    def _every(self, every: ast.Every, wire: Wire, scope: Scope) -> Wire:
        """What flows in, one tensor, and what each step makes of what the step before made."""
        if wire is not None and len(wire) != 1:
            # Of a bundle, braces in braces would give more tensors than can be counted.
            word = every.extent[0], every.extent[0] + len("every")
            raise Misplaced(WrongCount("every", "one tensor", f"{len(wire)} tensors"), word)
        kept: list[Wire] = [wire]
        self.run_braces(every.body, wire, changed(scope, until=None, naming=None), kept)
        found: list[Value] = []
        for tensors in kept:
            if tensors is None:
                return None
            found.extend(tensors)
        return tuple(found)

    def _if(self, branch: ast.If, wire: Wire, scope: Scope) -> Wire:
        chosen: ast.If | ast.Chain | None = branch
        while isinstance(chosen, ast.If):
            condition = evaluate_at(chosen.condition, scope)
            try:
                holds = truth(condition)
            except Rejection as rejection:
                where, needed = chosen.condition.extent, "yes or no is needed here"
                raise misplaced(rejection.problem, condition, where, scope, needed) from None
            chosen = chosen.then if holds else chosen.otherwise
        return (
            wire
            if chosen is None
            else self.run_chain(chosen, wire, changed(scope, inside=("if", wire)))
        )

    def _for(
        self,
        loop: ast.For,
        wire: Wire,
        scope: Scope,
        naming: str | None = None,
        names: Sequence[str] = (),
    ) -> Wire:
        values = self._looped(loop, scope)
        if len(values) > _MANY:
            self.expansion.check_loop(len(values), loop, self._before, scope)
        copies: list[Scope] = []
        for i, value in enumerate(values, 1):
            self._tick(loop.extent, scope)
            inner = _copy_of(i, len(values), scope)
            variables = {**scope.variables, **over(loop, value)}
            result = naming if i == len(values) else None
            copies.append(inner := changed(inner, variables=variables, naming=result))
            if isinstance(loop.body, ast.Chain):
                wire = self.run_chain(loop.body, wire, changed(inner, inside=("for", wire)))
        if isinstance(loop.body, ast.Branches):
            chains = [(chain, inner) for inner in copies for chain in loop.body.chains]
            wire = self._side_by_side(chains, wire, loop.extent, names)
        return wire

    def _looped(self, loop: ast.For, scope: Scope) -> Sequence[Any]:
        """The values of a loop, which its bounds or its list says."""
        if loop.last is None:
            listed = evaluate_at(loop.first, scope)
            if not isinstance(listed, tuple):
                where, needed = loop.first.extent, "a list is needed here"
                raise misplaced(NoList(show(listed)), listed, where, scope, needed)
            return [each for value in listed for each in _tensors_of(value)]
        first, last = self._whole(loop.first, scope), self._integral(loop.last, scope)
        if isinstance(last, bool) or not isinstance(last, int):
            problem, needed = BadRepeat(show(last)), "a number is needed here"
            raise misplaced(problem, last, loop.last.extent, scope, needed)
        return range(first, last + 1)

    # --- heads

    def _head(
        self,
        head: ast.Head,
        names: tuple[str | None, str | None],
        wire: Wire,
        scope: Scope,
        copy: tuple[int, int] | None,
    ) -> tuple[Wire, str, dict[str, Binding] | None]:
        """What flows on, its path and what is named in it; `names` are its own, and for its result."""
        name, naming = names
        target = self.targets.of(head.word, scope, head.word_extent)
        values = given(head, target.kernel, scope)
        scope = with_universal(head.word, values, scope)
        what = target.what
        if isinstance(what, Body):
            return self._call_body(what, head, wire, scope), "", None
        if isinstance(what, type):
            if head.body is not None:
                wire = self._joined_branches(what, head, wire, scope)
            name = name if _weighted(what) else naming
            return *self.operators.apply(what, values, name, wire, scope, head), None
        if isinstance(what, Unit):
            return self.calls.net(what, values, Site(head, name, wire, scope, copy))
        assert target.unit is not None
        name = naming if what.inline else name
        return self.calls.block(target.unit, what, values, Site(head, name, wire, scope, copy))

    def _joined_branches(
        self, kind: type[Operator], head: ast.Head, wire: Wire, scope: Scope
    ) -> Wire:
        links = head.body.links if isinstance(head.body, ast.Chain) else ()
        if any(isinstance(link, ast.Broken) for link in links):
            raise Poisoned  # what stands in the braces was reported
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
        inner = changed(
            body.scope,
            level=scope.level,
            call=scope.call,
            head=scope.head,
            frozen=scope.frozen or body.scope.frozen,
            shared=scope.shared,
            until=None,
        )
        if isinstance(body.braces, ast.Chain):
            return self.run_braces(body.braces, wire, inner)
        return self._branches(body.braces, wire, inner)


def _tensors_of(value: Any) -> Sequence[Any]:
    """A value of a list; where it stands for several tensors, each of them."""
    if not isinstance(value, Binding) or len(value.made().wire or ()) < 2:
        return (value,)
    return [Binding((tensor,), value.span, "") for tensor in value.wire or ()]


def _copy_of(number: int, last: int, scope: Scope) -> Scope:
    """The scope of a copy in a repeat: a name in it means the last, where a net may end."""
    return scope if number == last else changed(scope, until=None)


def _each(step: ast.Step) -> tuple[str, ...]:
    """The names of the tensors that a step gives, where they have several."""
    return tuple(name for name, _ in step.parts)


def _weighted(kind: type[Operator]) -> bool:
    """Whether an operator may have weights, which are known by its path."""
    return kind.weights is not Operator.weights


def _heading(step: ast.Step) -> ast.Extent:
    """Where a step's message points: its word and arguments, not its braces."""
    action = step.action
    if isinstance(action, ast.Head) and action.body is not None:
        return action.word_extent
    return action.extent


def _first_reference(chain: ast.Chain) -> ast.Reference | None:
    """The reference that a chain starts from, whatever flows in; None if it starts from that."""
    first = next((link for link in chain.links if not isinstance(link, ast.Default)), None)
    if not isinstance(first, ast.Step) or first.repeat is not None:
        return None
    return first.action if isinstance(first.action, ast.Reference) else None
