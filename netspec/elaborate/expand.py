"""How many steps a spec expands to, counted before they are built.

The count multiplies through repeats and block calls without running them, so `x1000` eight deep is
refused at once. It is a lower bound: what depends on shapes counts as its smaller choice, counting
stops after a bounded amount of work, and the budget kept while building holds the rest.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from netspec.diagnostics.limits import Limits
from netspec.diagnostics.messages.limits import TooManyNodes
from netspec.diagnostics.raised import Rejection
from netspec.elaborate.bind import given
from netspec.elaborate.evaluate import evaluate
from netspec.elaborate.scope import UNKNOWN, Body, Given, Poisoned, Scope
from netspec.elaborate.steps import Elaborator
from netspec.syntax import ast
from netspec.syntax.units import Unit

# Steps looked at before the rest counts as nothing.
_WORK = 20_000
# A loop over more values than this counts its body once, with the index unknown.
_UNROLLED = 64


def check_expansion(elaborator: Elaborator, unit: Unit, scope: Scope, limits: Limits) -> None:
    """Reports a net that cannot fit the limit on nodes, at the step that multiplies it over."""
    counter = _Counter(elaborator, limits)
    quiet = replace(scope, entry=None)
    total = 0
    for link in unit.chain.links:
        if isinstance(link, ast.Step):
            total += counter.step(link, quiet)
            if total > limits.nodes:
                problem = TooManyNodes(total, limits.nodes)
                elaborator.report(Rejection(problem), link.extent, scope)
                elaborator.collector.raise_errors()


class _Counter:
    def __init__(self, elaborator: Elaborator, limits: Limits) -> None:
        self.elaborator = elaborator
        self.limits = limits
        self._counts: dict[Any, int] = {}
        self._numbers: dict[Any, int] = {}
        self._depth = 0
        self._work = 0

    def chain(self, chain: ast.Chain | ast.Branches | ast.If | None, scope: Scope) -> int:
        match chain:
            case ast.Chain():
                total = 0
                for link in chain.links:
                    if isinstance(link, ast.Step):
                        total += self.step(link, scope)
                return total
            case ast.Branches():
                total = 0
                for branch in chain.chains:
                    total += self.chain(branch, scope)
                return total
            case ast.If():
                return self._if(chain, scope)
        return 0

    def step(self, step: ast.Step, scope: Scope) -> int:
        self._work += 1
        if self._work > _WORK:
            return 0
        times = 1
        if step.repeat is not None:
            value = _value(step.repeat, scope)
            times = value if isinstance(value, int) and value >= 0 else 0
        return times * self._action(step.action, scope) if times else 0

    def _action(self, action: ast.Action, scope: Scope) -> int:
        match action:
            case ast.Head():
                return self._head(action, scope)
            case ast.Branches():
                return self.chain(action, scope)
            case ast.If():
                return self._if(action, scope)
            case ast.For():
                return self._for(action, scope)
            case ast.Freeze():
                return self.chain(action.body, scope)
            case ast.TrainingHead() if scope.head is None and scope.until is None:
                return self.chain(action.body, replace(scope, head=action.name))
        return 0

    def _if(self, branch: ast.If, scope: Scope) -> int:
        chosen: ast.If | ast.Chain | None = branch
        least: int | None = None
        while isinstance(chosen, ast.If):
            condition = _value(chosen.condition, scope)
            if condition is True:
                chosen = chosen.then
            else:
                if condition is not False:
                    count = self.chain(chosen.then, scope)
                    least = count if least is None else min(least, count)
                chosen = chosen.otherwise
        last = self.chain(chosen, scope)
        return last if least is None else min(least, last)

    def _for(self, loop: ast.For, scope: Scope) -> int:
        first, last = _value(loop.first, scope), _value(loop.last, scope)
        if not isinstance(first, int) or not isinstance(last, int) or last < first:
            return 0
        times = last - first + 1
        if times <= _UNROLLED and self._work < _WORK // 2:
            total = 0
            for i in range(first, last + 1):
                total += self._body(loop, i, scope)
            return total
        return times * self._body(loop, UNKNOWN, scope)

    def _body(self, loop: ast.For, index: Any, scope: Scope) -> int:
        inner = replace(scope, variables={**scope.variables, loop.variable: index})
        return self._once(loop.body, inner)

    def _head(self, head: ast.Head, scope: Scope) -> int:
        try:
            target = self.elaborator.targets.of(head.word, scope, head.word_extent)
        except (Rejection, Poisoned):
            return 0
        what = target.what
        if isinstance(what, Body):
            return self._once(what.braces, what.scope)
        if isinstance(what, type):
            return 1 + self.chain(head.body, scope) if head.body is not None else 1
        assert target.unit is not None
        values = _arguments(head, target.kernel, scope)
        if isinstance(what, Unit):
            return self._net(what, values, scope)
        if head.body is not None:
            values.named["body"] = Body(head.body, scope)
        defining = replace(scope, unit=target.unit)
        variables = _parameters(what.parameters, values, defining)
        return self._once(what.body, replace(defining, variables=variables))

    def _net(self, unit: Unit, values: Given, scope: Scope) -> int:
        if "until" in values.named:
            return 1
        try:
            variables, unit = self.elaborator.calls.net_variables(unit, values, scope)
        except (Rejection, Poisoned):
            return 1
        return self._once(unit.chain, replace(scope, unit=unit, variables=variables))

    def _once(self, braces: ast.Chain | ast.Branches, scope: Scope) -> int:
        """The count of braces under these parameters, remembered."""
        key = (id(braces), self._number(scope), scope.head is None)
        found = self._counts.get(key)
        if found is not None:
            return found
        if self._depth >= 2 * self.limits.depth:
            return 0
        self._depth += 1
        try:
            count = self.chain(braces, scope)
        finally:
            self._depth -= 1
        self._counts[key] = count
        return count

    def _number(self, scope: Scope) -> int:
        """Equal numbers for scopes in which every step counts the same."""
        variables = []
        for name, value in scope.variables.items():
            if isinstance(value, Body):
                value = (id(value.braces), self._number(value.scope))
            variables.append((name, type(value), value))
        key = (id(scope.unit), tuple(variables))
        return self._numbers.setdefault(key, len(self._numbers))


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
    inner = replace(scope, variables=bound)
    for parameter in parameters:
        held = values.named if parameter.name in values.named else placed
        if parameter.name in held:
            bound[parameter.name] = held[parameter.name]
        elif parameter.default is not None:
            bound[parameter.name] = _value(parameter.default, inner)
        else:
            bound[parameter.name] = UNKNOWN
    return bound
