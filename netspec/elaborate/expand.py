"""How many steps a spec expands to, counted before they are built.

The count multiplies through repeats and block calls without running them, so `x1000` eight deep is
refused at once. It is a lower bound: what depends on shapes counts as its smaller choice, and again
where those shapes are known; counting stops after a bounded amount of work, and the budget kept
while building holds the rest. It reports nothing of what it meets: the steps do when they run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from netspec.diagnostics.limits import Limits
from netspec.diagnostics.messages.limits import TooManyNodes, TooManyRuns
from netspec.diagnostics.raised import Rejection
from netspec.diagnostics.suggest import unadvised
from netspec.elaborate.bind import given
from netspec.elaborate.calls import Calls
from netspec.elaborate.evaluate import evaluate, integral, over
from netspec.elaborate.report import Reporter
from netspec.elaborate.scope import UNKNOWN, Binding, Body, Given, Poisoned, Scope
from netspec.elaborate.targets import Targets
from netspec.foundation.records import changed
from netspec.syntax import ast
from netspec.syntax.units import Unit

# Steps looked at before the rest counts as nothing.
_WORK = 20_000
# A loop over more values than this counts its body once, with the index unknown.
_UNROLLED = 64


class Count(NamedTuple):
    """At least so many nodes are added, and so many statements are run."""

    nodes: int = 0
    runs: int = 0

    def plus(self, other: Count) -> Count:
        """Both, one after the other."""
        return Count(self.nodes + other.nodes, self.runs + other.runs)

    def times(self, repeats: int) -> Count:
        """So many in a row, each a run of its own."""
        return Count(self.nodes * repeats, (self.runs + 1) * repeats)


class Expansion:
    """Counts what steps expand to, and reports what cannot fit the limits.

    `work` is how many steps it has looked at.
    """

    def __init__(
        self, targets: Targets, calls: Calls, reporter: Reporter, limits: Limits, most_runs: int
    ) -> None:
        self.targets = targets
        self.calls = calls
        self.reporter = reporter
        self.limits = limits
        self.most_runs = most_runs
        self._counts: dict[Any, Count] = {}
        self._numbers: dict[Any, int] = {}
        # Those of braces that were passed on, which hold the braces around them: numbered once.
        self._bodies: dict[int, tuple[Body, int]] = {}
        self._depth = 0
        self.work = 0

    def check(self, chain: ast.Chain, scope: Scope) -> None:
        """Reports a net that cannot fit, at the step that multiplies it over."""
        quiet, total = changed(scope, entry=None), Count()
        with unadvised():
            counted = [
                (self._step(link, quiet), link.extent)
                for link in chain.links
                if isinstance(link, ast.Step)
            ]
        for count, extent in counted:
            total = total.plus(count)
            self._hold(total, extent, scope)

    def check_repeat(self, times: int, action: ast.Action, before: Count, scope: Scope) -> None:
        """Reports a repeat about to run that cannot fit behind what there is `before` it."""
        self.calls.trace.counted += 1
        with unadvised():
            once = self._action(action, changed(scope, entry=None))
        self._hold(before.plus(once.times(times)), action.extent, scope)

    def check_loop(
        self, times: int, loop: ast.For | ast.Recurrence, before: Count, scope: Scope
    ) -> None:
        """Reports a loop about to run that cannot fit behind what there is `before` it."""
        self.calls.trace.counted += 1
        with unadvised():
            once = self._body(loop, UNKNOWN, changed(scope, entry=None))
        self._hold(before.plus(once.times(times)), loop.extent, scope)

    def _hold(self, total: Count, extent: ast.Extent, scope: Scope) -> None:
        if total.nodes > self.limits.nodes:
            problem = TooManyNodes(total.nodes, self.limits.nodes)
            self.reporter.stop(Rejection(problem), extent, scope)
        if total.runs > self.most_runs:
            self.reporter.stop(Rejection(TooManyRuns(self.most_runs)), extent, scope)

    def _chain(self, chain: ast.Chain | ast.Branches | ast.If | None, scope: Scope) -> Count:
        total = Count()
        match chain:
            case ast.Chain():
                for link in chain.links:
                    if isinstance(link, ast.Step):
                        total = total.plus(self._step(link, scope))
            case ast.Branches():
                for branch in chain.chains:
                    total = total.plus(self._chain(branch, scope))
        return total

    def _step(self, step: ast.Step, scope: Scope) -> Count:
        self.work += 1
        if self.work > _WORK:
            return Count()
        times = 1
        if step.repeat is not None:
            value = integral(_value(step.repeat, scope))
            times = value if isinstance(value, int) and value >= 0 else 0
        return self._action(step.action, scope).times(times) if times else Count()

    def _action(self, action: ast.Action, scope: Scope) -> Count:
        match action:
            case ast.Head():
                return self._head(action, scope)
            case ast.Branches():
                return self._chain(action, scope)
            case ast.If():
                return self._if(action, scope)
            case ast.For():
                return self._for(action, scope)
            case ast.Recurrence():
                return self._body(action, UNKNOWN, scope)
            case ast.Freeze() | ast.Every():
                return self._chain(action.body, scope)
            case ast.TrainingHead() if scope.head is None:
                return self._chain(action.body, changed(scope, head=action.name))
        return Count()

    def _if(self, branch: ast.If, scope: Scope) -> Count:
        chosen: ast.If | ast.Chain | None = branch
        least: Count | None = None
        while isinstance(chosen, ast.If):
            condition = _value(chosen.condition, scope)
            if condition is True:
                chosen = chosen.then
            else:
                if condition is not False:
                    least = _least(least, self._chain(chosen.then, scope))
                chosen = chosen.otherwise
        return _least(least, self._chain(chosen, scope))

    def _for(self, loop: ast.For, scope: Scope) -> Count:
        values = _values(loop, scope)
        if len(values) <= _UNROLLED and self.work < _WORK // 2:
            total = Count()
            for given in values:
                total = total.plus(self._body(loop, given, scope).times(1))
            return total
        return self._body(loop, UNKNOWN, scope).times(len(values))

    def _body(self, loop: ast.For | ast.Recurrence, given: Any, scope: Scope) -> Count:
        if isinstance(loop, ast.Recurrence):
            bound = {loop.variable: given}
        elif given is UNKNOWN:
            bound = dict.fromkeys(loop.variables, UNKNOWN)
        else:
            try:
                bound = over(loop, given)
            except Rejection:
                return Count()
        return self._once(loop.body, changed(scope, variables={**scope.variables, **bound}))

    def _head(self, head: ast.Head, scope: Scope) -> Count:
        try:
            target = self.targets.of(head.word, scope, head.word_extent)
        except (Rejection, Poisoned):
            return Count()
        what = target.what
        if isinstance(what, Body):
            return self._once(what.braces, what.scope)
        if isinstance(what, type):
            return Count(1).plus(self._chain(head.body, scope))
        assert target.unit is not None
        values = _arguments(head, target.kernel, scope)
        if isinstance(what, Unit):
            return self._net(what, values, scope)
        if what.inputs and any(isinstance(value, Binding) for value, _ in values.positional):
            # Which of them are operands depends on what flows in.
            unknown = dict.fromkeys((p.name for p in what.parameters), UNKNOWN)
            values = Given({**unknown, **values.named})
        elif self.targets.loader.defaulted(what.name):
            free = [p.name for p in what.parameters if p.name not in values.named]
            unknown = dict.fromkeys(free[len(values.positional) :], UNKNOWN)
            values.named.update(unknown)
        if head.body is not None:
            values.named["body"] = Body(head.body, scope)
        defining = changed(scope, unit=target.unit)
        variables = _parameters(what.parameters, values, defining)
        return self._once(what.body, changed(defining, variables=variables))

    def _net(self, unit: Unit, values: Given, scope: Scope) -> Count:
        if "until" in values.named:
            return Count(1)
        try:
            variables, unit = self.calls.net_variables(unit, values, scope)
        except (Rejection, Poisoned):
            return Count()
        return self._once(unit.chain, changed(scope, unit=unit, variables=variables))

    def _once(self, braces: ast.Chain | ast.Branches, scope: Scope) -> Count:
        """The count of braces under these parameters, remembered."""
        key = (id(braces), self._number(scope), scope.head is None)
        found = self._counts.get(key)
        if found is not None:
            return found
        if self._depth >= 2 * self.limits.depth:
            return Count()
        self._depth += 1
        try:
            count = self._chain(braces, scope)
        finally:
            self._depth -= 1
        self._counts[key] = count
        return count

    def _number(self, scope: Scope) -> int:
        """Equal numbers for scopes in which every step counts the same."""
        variables = []
        for name, value in scope.variables.items():
            if isinstance(value, Body):
                value = (id(value.braces), self._number_of(value))
            variables.append((name, type(value), value))
        key = (id(scope.unit), tuple(variables))
        return self._numbers.setdefault(key, len(self._numbers))

    def _number_of(self, body: Body) -> int:
        """The number of the scope that braces run in."""
        if id(body) not in self._bodies:
            self._bodies[id(body)] = body, self._number(body.scope)
        return self._bodies[id(body)][1]


def _least(known: Count | None, other: Count) -> Count:
    if known is None:
        return other
    return Count(min(known.nodes, other.nodes), min(known.runs, other.runs))


def _values(loop: ast.For, scope: Scope) -> Sequence[Any]:
    """What a loop goes over; nothing where that depends on tensors or is wrong."""
    first, *last = (integral(_value(bound, scope)) for bound in loop.bounds)
    if not last:
        return first if isinstance(first, tuple) else ()
    if not isinstance(first, int) or not isinstance(last[0], int):
        return ()
    return range(first, last[0] + 1)


def _value(node: ast.Expression, scope: Scope) -> Any:
    """The expression's value where it does not depend on tensors, else UNKNOWN."""
    try:
        return evaluate(node, scope)
    except (Rejection, Poisoned):
        return UNKNOWN


def _arguments(head: ast.Head, kernel: tuple[int, ...] | None, scope: Scope) -> Given:
    """The arguments of a call, UNKNOWN where they depend on tensors."""
    try:
        return given(head, kernel, scope)
    except (Rejection, Poisoned):
        pass
    named = {a.name: _value(a.value, scope) for a in head.arguments if a.name is not None}
    positional = tuple((_value(a.value, scope), a.extent) for a in head.arguments if a.name is None)
    for name, short in (("width", head.width), ("stride", head.stride)):
        if short is not None:
            named[name] = _value(short, scope)
    if kernel is not None:
        named["kernel"] = kernel[0] if len(kernel) == 1 else kernel
    return Given(named, positional)


def _parameters(
    parameters: tuple[ast.Parameter, ...], values: Given, scope: Scope
) -> dict[str, Any]:
    """A block's parameters by name; whether the call is right is said when it is run."""
    free = [p.name for p in parameters if p.name not in values.named and p.name != "body"]
    placed = dict(zip(free, (value for value, _ in values.positional), strict=False))
    bound: dict[str, Any] = {}
    inner = changed(scope, variables=bound)
    for parameter in parameters:
        held = values.named if parameter.name in values.named else placed
        if parameter.name in held:
            bound[parameter.name] = held[parameter.name]
        elif parameter.default is not None:
            bound[parameter.name] = _value(parameter.default, inner)
        else:
            bound[parameter.name] = UNKNOWN
    return bound
