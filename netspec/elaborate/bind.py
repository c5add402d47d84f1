"""Arguments to parameters: what a step was given, what defaults add, what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netspec.diagnostics.messages.names import (
    BadArgument,
    BadValue,
    BothGiven,
    MissingArgument,
    RepeatedArgument,
    TooManyArguments,
    UnknownArgument,
    UnknownName,
)
from netspec.diagnostics.raised import Rejection
from netspec.diagnostics.records import Label, Problem
from netspec.diagnostics.source import Span
from netspec.diagnostics.suggest import advised, closest
from netspec.elaborate.evaluate import FUNCTIONS, UnknownWord, evaluate, no_function
from netspec.elaborate.scope import Binding, Given, Poisoned, Scope
from netspec.foundation.records import changed, record
from netspec.ops.declare.operator import Operator
from netspec.ops.declare.params import MISSING, Param, Reference
from netspec.ops.declare.values import Layer, Name, show
from netspec.ops.registry import REGISTRY
from netspec.sizes.asked import SIZES
from netspec.syntax import ast
from netspec.syntax.words import choices

_STEPS = (
    "a step with numbers is no value: branches stand in braces, `concat { | a | b }`, as does what a "
    "block is put around, `residual { a }`"
)


class Misplaced(Rejection):
    """A rejection whose place is an argument, not the whole step.

    It is one of the step's own scope, or of the `scope` of a caller that gave a block what is wrong.
    """

    def __init__(
        self,
        problem: Problem,
        extent: ast.Extent,
        labels: tuple[Label, ...] = (),
        scope: Scope | None = None,
    ) -> None:
        super().__init__(problem, labels)
        self.extent = extent
        self.scope = scope


def given(head: ast.Head, kernel: tuple[int, ...] | None, scope: Scope) -> Given:
    """The step's arguments, evaluated: `conv3-64/2(pad=1)` gives kernel, width, stride and pad.

    A layer given as a value brings its own: where `unit` is `bottleneck(groups=32)`, `unit(64)`
    calls `bottleneck(64, groups=32)`. What the step itself says comes first.
    """
    named: dict[str, Any] = {}
    extents: dict[str, ast.Extent] = {}
    positional: list[tuple[Any, ast.Extent]] = []
    held = scope.variables.get(head.word)
    brought = dict(held.named) if isinstance(held, Layer) else {}
    if isinstance(held, Layer):
        positional.extend((value, head.word_extent) for value in held.positional)
    if kernel is not None:
        named["kernel"] = kernel[0] if len(kernel) == 1 else kernel
        extents["kernel"] = head.word_extent
    for name, short in (("width", head.width), ("stride", head.stride)):
        if short is not None:
            named[name], extents[name] = evaluate_at(short, scope), short.extent
    for argument in head.arguments:
        value = evaluate_at(argument.value, scope)
        if argument.name is None:
            positional.append((value, argument.extent))
            continue
        if argument.name in named:
            raise Misplaced(RepeatedArgument(head.word, argument.name), argument.extent)
        named[argument.name], extents[argument.name] = value, argument.extent
    for name in brought.keys() - named.keys():
        extents[name] = head.word_extent
    return Given({**brought, **named}, tuple(positional), extents)


def evaluate_at(node: ast.Expression, scope: Scope) -> Any:
    """`evaluate`, with the expression as the place of what is wrong with it."""
    try:
        return evaluate(node, scope)
    except Rejection as rejection:
        if isinstance(rejection, UnknownWord):
            raise unknown_word(rejection.word, node.extent, scope, "`@{0}.C`") from None
        raise Misplaced(rejection.problem, node.extent, rejection.labels) from None


def misplaced(
    problem: Problem,
    value: Any,
    extent: ast.Extent | None,
    scope: Scope,
    needed: str,
    labels: tuple[Label, ...] = (),
) -> Rejection:
    """`value` is wrong at `extent`: said there, or where the word was written that a caller gave."""
    if not isinstance(value, Name) or value.extent is None or extent is None:
        return _at(problem, extent, labels)
    start, end = value.extent
    if value.unit is scope.unit and extent[0] <= start and end <= extent[1]:
        return Misplaced(problem, extent, labels)
    labels = (Label(scope.unit.span(extent), needed), *labels)
    return Misplaced(problem, value.extent, labels, value.scope)


def unknown_word(
    word: Name, extent: ast.Extent | None, scope: Scope, meant: str = "`@{0}` or `@{0}.C`"
) -> Rejection:
    """A number is needed at `extent`, and `word` is no parameter or index where it was written."""
    problem = unknown_name(word, word.scope or scope, meant)
    return misplaced(problem, word, extent, scope, "a number is needed here")


def unknown_name(word: Name, scope: Scope, meant: str = "`@{0}` or `@{0}.C`") -> UnknownName:
    """`word` is no parameter or index here; raises Poisoned where it could not be read.

    `meant` is what of a step may be meant, where the word names one.
    """
    name, unit = word.text, word.unit or scope.unit
    if name in unit.lost:
        raise Poisoned
    near = meant.format(name) if name in scope.names else ""
    near = near or closest(name, [*scope.variables, *(f"@{known}" for known in scope.names)])
    advice = f"did you mean {near}?" if near else ""
    if not near and scope.variables:
        advice = f"known here: {', '.join(sorted(scope.variables))}"
    advice = unit.advice(name) or advice
    factors = name.split("x")
    if len(factors) > 1 and all(part in {*scope.variables, *"CDHWTL"} for part in factors):
        advice = f"sizes that are computed are a list: `({', '.join(factors)})`"
    if name.rstrip("0123456789") in REGISTRY and name not in REGISTRY:
        advice = _STEPS
    if name in FUNCTIONS:
        advice = f"what is computed stands in parentheses: `conv3-({name}(...))`"
    return UnknownName(name, advice, unit.source.name)


def check_reference(value: Any, scope: Scope, extent: ast.Extent, meant: str = "`@{0}`") -> None:
    """Raises Misplaced where a reference was meant: a word that names a step, without its `@`."""
    if isinstance(value, Name) and value.text in scope.names:
        raise Misplaced(unknown_name(value, scope, meant), extent)


def check_functions(
    values: Mapping[str, Any], extents: Mapping[str, ast.Extent], scope: Scope
) -> None:
    """Raises Rejection where a function stands without its arguments, as the `len` of `conv3-len(sizes)`."""
    for name, value in values.items():
        if isinstance(value, Name) and value.text in FUNCTIONS:
            raise unknown_word(value, extents.get(name), scope)


def layer_given(layer: Layer, extent: ast.Extent) -> Given:
    """The arguments of a layer that was given as a value."""
    return Given(dict(layer.named), tuple((value, extent) for value in layer.positional))


@record
class BoundOperator:
    """An operator's checked values, its `@references`, and the default lines that shaped it.

    `named` are further tensors by the names of the parameters that ask for them.
    """

    values: dict[str, Any]
    references: tuple[Binding, ...]
    from_defaults: dict[str, Span]
    named: dict[str, Binding | Layer]


UNIVERSAL = ("weights", "frozen")


def with_universal(word: str, values: Given, scope: Scope) -> Scope:
    """The scope of a step: `frozen=yes` and `weights=@name` apply to operators and blocks alike."""
    frozen = values.named.get("frozen", scope.frozen)
    if not isinstance(frozen, bool):
        problem = BadArgument(word, "frozen", "yes or no", show(frozen))
        raise Misplaced(problem, values.extents["frozen"])
    shared = scope.shared
    if "weights" in values.named:
        owner = values.named["weights"]
        if not isinstance(owner, Binding):
            extent = values.extents["weights"]
            check_reference(owner, scope, extent)
            problem = BadArgument(word, "weights", "a step such as @name", show(owner))
            raise Misplaced(problem, extent)
        shared = ("", owner.path)
    if frozen == scope.frozen and shared is scope.shared:
        return scope
    return changed(scope, frozen=scope.frozen or frozen, shared=shared)


def bind_operator(kind: type[Operator], given: Given, scope: Scope) -> BoundOperator:
    """The parameters of an operator; raises Rejection at the argument that is wrong."""
    word = kind.spelling
    values = {k: v for k, v in given.named.items() if k not in UNIVERSAL}
    extents = dict(given.extents)
    for name in values:
        if name not in kind.params:
            advice = advised(name, kind.params, kind.usage())
            raise _at(UnknownArgument(word, name, advice), extents.get(name))
    references = []
    free = [name for name in kind.order if name not in values]
    for value, extent in given.positional:
        if isinstance(value, Binding):
            references.append(value)
        elif free:
            name = free.pop(0)
            values[name], extents[name] = value, extent
        else:
            check_reference(value, scope, extent)
            check_functions(values, extents, scope)
            count = sum(name in given.named for name in kind.order)
            count += sum(not isinstance(v, Binding) for v, _ in given.positional)
            usage = kind.usage()
            if isinstance(value, Name) and not kind.order:
                usage = f"a step is read with `@`: `@{value}`; {usage}"
            excess = TooManyArguments(word, len(kind.order), count, usage)
            raise Misplaced(excess, extent)
    check_either(kind, values, extents)
    from_defaults: dict[str, Span] = {}
    for source in (kind.spelling, kind.defaults_of):
        for name, default in scope.defaults.get(source or "", {}).items():
            taken = name in values or (kind.either and rival(kind, name, values))
            if name in kind.params and not taken:
                values[name] = default.value
                from_defaults[name] = default.span
    checked: dict[str, Any] = {}
    named: dict[str, Binding | Layer] = {}
    for name, param in kind.params.items():
        if name not in values:
            if param.default is not MISSING and not param.implied_by:
                checked[name] = param.default
                continue
            implied = any(isinstance(values.get(other), tuple) for other in param.implied_by)
            if param.default is MISSING and not implied:
                raise Rejection(MissingArgument(word, name, kind.usage()))
            checked[name] = None if implied else param.default
            continue
        labels: tuple[Label, ...] = ()
        if name in from_defaults:
            labels = (Label(from_defaults[name], f"{name} comes from this default"),)
        refers = isinstance(param, Reference)
        value = values[name]
        if not (refers and isinstance(value, Binding)):
            value = check_value(kind, name, Given(values, (), extents), scope, labels)
        if refers and value is not None:
            named[name] = value
        checked[name] = True if name in named else value
    return BoundOperator(checked, tuple(references), from_defaults, named)


def rival(kind: type[Operator], name: str, values: Mapping[str, Any]) -> str | None:
    """The argument among the values that takes a parameter's place, if there is one."""
    others = (n for n in kind.either if n != name) if name in kind.either else ()
    return next((n for n in others if values.get(n) is not None), None)


def check_either(
    kind: type[Operator], values: Mapping[str, Any], extents: Mapping[str, ast.Extent]
) -> None:
    """Raises Rejection where two arguments take each other's place, at the second."""
    if not kind.either:
        return
    for name, value in values.items():
        other = rival(kind, name, values)
        if value is not None and other is not None:
            second = max(name, other, key=lambda n: extents.get(n, (0, 0)))
            first = name if second == other else other
            raise _at(BothGiven(kind.spelling, first, second), extents.get(second))


def check_value(
    kind: type[Operator],
    name: str,
    given: Given,
    scope: Scope,
    labels: tuple[Label, ...] = (),
) -> Any:
    """The parameter's value in its checked form; raises Rejection at the argument."""
    param, value, extent = kind.params[name], given.named[name], given.extents.get(name)
    return accepted(param, value, (kind.spelling, name), scope, extent, labels)


def accepted(
    param: Param,
    value: Any,
    named: tuple[str, str],
    scope: Scope,
    extent: ast.Extent | None,
    labels: tuple[Label, ...] = (),
) -> Any:
    """A value in the form that a parameter checks; `named` are what takes it and the parameter.

    Raises Rejection at the argument.
    """
    try:
        return param.accept(value)
    except Rejection as rejection:
        problem = rejection.problem
        if isinstance(problem, BadValue) and isinstance(value, Name) and param.numeric:
            raise unknown_word(value, extent, scope) from None
        if isinstance(problem, BadValue) and extent:
            check_reference(value, scope, extent)
        if isinstance(problem, BadValue):
            problem = BadArgument(*named, problem.expected, *_shown(value, problem, param))
        raise misplaced(problem, value, extent, scope, "it is asked for here", labels) from None


_OTHERS = {"true": "yes", "false": "no", "None": "none", "True": "yes", "False": "no"}


def _shown(value: Any, problem: BadValue, param: Param) -> tuple[str, str]:
    """A value as it was written, and advice on what is written elsewhere."""
    if isinstance(value, str):
        return f'"{value}"', "words and numbers stand without quotes"
    if isinstance(value, Layer) and param.numeric:
        return problem.value, no_function(value)
    if isinstance(value, Binding):
        advice = (
            "a step that reads a tensor takes it by itself, as `crop(@x)` does; its sizes are "
            "`@x.C`, `@x.H`; a kernel that is a tensor goes to `correlate(@x)`"
        )
        return f"a tensor of {value}", advice
    meant = _OTHERS.get(problem.value, "")
    return problem.value, f"write `{meant}`" if meant in problem.expected and meant else ""


def _at(problem: Problem, extent: ast.Extent | None, labels: tuple[Label, ...] = ()) -> Rejection:
    return Misplaced(problem, extent, labels) if extent else Rejection(problem, labels)


def bind_block(
    word: str,
    parameters: tuple[ast.Parameter, ...],
    body: ast.Chain,
    given: Given,
    scope: Scope,
) -> dict[str, Any]:
    """The parameters of a block, or net, by name; `scope` is the one its defaults are evaluated in.

    Raises Rejection where one is missing or unknown, or is a word that the body never asks for.
    """
    names = [p.name for p in parameters]
    usage = f"usage: `{word}({', '.join(_parameter(p, scope) for p in parameters)})`"
    values: dict[str, Any] = {}
    extents = dict(given.extents)
    for name, value in given.named.items():
        if name in UNIVERSAL and name not in names:
            continue
        if name not in names:
            advice = advised(name, names, usage)
            raise _at(UnknownArgument(word, name, advice), given.extents.get(name))
        values[name] = value
    ordered = [name for name in names if name != "body"]
    free = [name for name in ordered if name not in values]
    count = len(ordered) - len(free) + len(given.positional)
    for value, extent in given.positional:
        if not free:
            raise Misplaced(TooManyArguments(word, len(ordered), count, usage), extent)
        name = free.pop(0)
        values[name], extents[name] = value, extent
    bound: dict[str, Any] = {}
    inner = Scope(scope.unit, scope.level, bound, {}, scope.defaults, scope.entry)
    for parameter in parameters:
        if parameter.name in values:
            value, at = values[parameter.name], extents.get(parameter.name)
            check_word(word, (parameter, parameters), body, value, at)
            bound[parameter.name] = value
        elif parameter.default is not None:
            bound[parameter.name] = evaluate(parameter.default, inner)
        else:
            raise Rejection(MissingArgument(word, parameter.name, usage))
    return bound


def check_word(
    word: str,
    parameter: tuple[ast.Parameter, tuple[ast.Parameter, ...]],
    body: ast.Chain,
    value: Any,
    extent: ast.Extent | None,
) -> None:
    """Raises Rejection where a parameter, given with those beside it, is a word never asked for."""
    default = parameter[0].default
    if isinstance(default, ast.Variable) and default.name in SIZES:
        return
    known = choices(body, *parameter)
    if known and show(value) not in known:
        raise _at(BadArgument(word, parameter[0].name, " or ".join(known), show(value)), extent)


def _parameter(parameter: ast.Parameter, scope: Scope) -> str:
    if parameter.default is None:
        return parameter.name
    start, end = parameter.extent
    return scope.unit.source.text[start:end]
