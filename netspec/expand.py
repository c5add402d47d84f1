"""How many steps a spec expands to, counted before they are built.

The count multiplies through repeats and block calls without running them, so `x1000` eight deep is
refused at once. It is a lower bound: what depends on shapes counts as its smaller choice, and the
budget kept while building holds the rest.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from netspec import ast
from netspec.bind import bind_block, evaluate_at, given
from netspec.diagnostics import Rejection
from netspec.elaborate import Elaborator
from netspec.errors.limits import TooManyNodes
from netspec.limits import Limits
from netspec.scope import Body, Poisoned, Scope
from netspec.units import Unit


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
        self._memo: dict[Any, int] = {}
        self._depth = 0

    def chain(self, chain: ast.Chain | ast.Branches | ast.If | None, scope: Scope) -> int:
        match chain:
            case ast.Chain():
                return sum(self.step(s, scope) for s in chain.links if isinstance(s, ast.Step))
            case ast.Branches():
                return sum(self.chain(branch, scope) for branch in chain.chains)
            case ast.If():
                return self._if(chain, scope)
        return 0

    def step(self, step: ast.Step, scope: Scope) -> int:
        times = 1
        if step.repeat is not None:
            value = self._value(step.repeat, scope)
            times = value if isinstance(value, int) and value >= 0 else 1
        return times * self._action(step.action, scope) if times else 0

    def _value(self, node: ast.Expression, scope: Scope) -> Any:
        """The expression's value where it does not depend on tensors, else None."""
        try:
            return evaluate_at(node, scope)
        except (Rejection, Poisoned):
            return None

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
            case ast.Freeze() | ast.TrainingHead():
                return self.chain(action.body, scope)
        return 0

    def _if(self, branch: ast.If, scope: Scope) -> int:
        condition = self._value(branch.condition, scope)
        if condition is True:
            return self.chain(branch.then, scope)
        if condition is False:
            return self.chain(branch.otherwise, scope)
        return min(self.chain(branch.then, scope), self.chain(branch.otherwise, scope))

    def _for(self, loop: ast.For, scope: Scope) -> int:
        first, last = self._value(loop.first, scope), self._value(loop.last, scope)
        if not isinstance(first, int) or not isinstance(last, int) or last < first:
            return 0
        inner = replace(scope, variables={**scope.variables, loop.variable: first})
        return (last - first + 1) * self.chain(loop.body, inner)

    def _head(self, head: ast.Head, scope: Scope) -> int:
        inside = self.chain(head.body, scope) if head.body is not None else 0
        try:
            target = self.elaborator.target(head.word, scope, head.word_extent)
            what = target.what
            if isinstance(what, Body):
                return self.chain(what.braces, what.scope)
            if isinstance(what, type) or target.unit is None:
                return inside + 1
            values = given(head, target.kernel, scope)
            if isinstance(what, Unit):
                variables, unit = self.elaborator.net_variables(what, values, scope)
                block: Any = unit.chain
            else:
                if head.body is not None:
                    values.named["body"] = Body(head.body, scope)
                defining = replace(scope, unit=target.unit)
                variables = bind_block(what.name, what.parameters, values, defining)
                unit, block = target.unit, what.body
        except (Rejection, Poisoned):
            return inside
        return max(inside, self._inside(block, replace(scope, unit=unit, variables=variables)))

    def _inside(self, block: ast.Chain, scope: Scope) -> int:
        """The count of a block with these parameters, remembered."""
        key = (id(block), tuple(scope.variables.items()))
        try:
            if key in self._memo:
                return self._memo[key]
        except TypeError:
            return 1
        if self._depth >= self.limits.depth:
            return 1
        self._depth += 1
        try:
            count = self.chain(block, scope)
        finally:
            self._depth -= 1
        self._memo[key] = count
        return count
