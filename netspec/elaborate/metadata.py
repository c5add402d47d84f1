"""What a file says of itself: its title, its paper, the figures it published."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from netspec.analysis.statements import (
    LINES,
    STATEMENTS,
    Statement,
    Takes,
    line_of,
    percent,
)
from netspec.diagnostics.messages.expect import BadFigure, IncompleteFigure, UnknownFigure
from netspec.diagnostics.messages.names import RepeatedArgument, UnknownMetadata
from netspec.diagnostics.suggest import closest, layer, unspelt
from netspec.elaborate.bind import Misplaced, evaluate_at
from netspec.elaborate.evaluate import integral
from netspec.elaborate.report import Reporter
from netspec.elaborate.scope import Level, Poisoned, Scope
from netspec.ops.declare.values import Name, quoted
from netspec.ops.registry import REGISTRY
from netspec.syntax import ast
from netspec.syntax.expected import DESCRIBING
from netspec.syntax.units import Unit

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


# What a variation takes from the net that it is one of, where it does not say it itself.
_SHARED = ("authors", "dataset", "paper", "task", "title", "url", "year")


def metadata_of(
    units: Sequence[Unit], variables: Mapping[str, Any], reporter: Reporter
) -> tuple[tuple[str, object], ...]:
    """What a net's file says: `title`, `year`, `error` and so on with values; reports what is wrong.

    `units` are the net's and those of the nets that it is a variation of, in order. A statement such
    as `error` is there once for each line, with its pairs. `expect` and `preprocess` lines are held to
    the net, elsewhere.
    """
    found = list(_said(units[0], units[0].metadata, variables, reporter))
    for base in units[1:]:
        missing = set(_SHARED) - {key for key, _ in found}
        items = [item for item in base.metadata if item.key in missing]
        found += _said(base, items, variables, reporter)
    return tuple(found)


def _said(
    unit: Unit,
    items: Iterable[ast.Metadata | ast.Pairs],
    variables: Mapping[str, Any],
    reporter: Reporter,
) -> Iterator[tuple[str, object]]:
    own = Scope(unit, Level(""), variables, {}, {})
    for item in items:
        try:
            if isinstance(item, ast.Metadata):
                if item.key not in METADATA:
                    raise Misplaced(_unknown_key(item.key, METADATA), item.extent)
                yield item.key, evaluate_at(item.value, own)
            elif item.key in STATEMENTS:
                yield item.key, statement(item, own, reporter)
            elif item.key not in DESCRIBING:
                raise Misplaced(_unknown_key(item.key, (*METADATA, *DESCRIBING)), item.extent)
        except Misplaced as rejection:
            reporter.report(rejection, rejection.extent, own)


def statement(item: ast.Pairs, scope: Scope, reporter: Reporter) -> tuple[tuple[str, object], ...]:
    """The pairs of a line of `LINES`, each held to what its key takes; reports what is wrong."""
    line, found = LINES[item.key], dict[str, object]()
    seen: set[str] = set()
    for pair in item.pairs:
        key = pair.name or ""
        try:
            if key not in line.keys:
                raise Misplaced(_unknown_figure(item.key, key, line), pair.extent)
            if key in seen:
                raise Misplaced(RepeatedArgument(item.key, key), pair.extent)
            seen.add(key)
            takes = _takes(line, key, found)
            value = integral(_value_of(pair.value, takes, scope))
            if not takes.allows(value):
                raise Misplaced(BadFigure(item.key, key, takes.says, quoted(value)), pair.extent)
            found[key] = value.text if isinstance(value, Name) else value
        except Misplaced as rejection:
            reporter.report(rejection, rejection.extent, scope)
        except Poisoned:
            reporter.given_up(pair.extent, scope)
    if len(seen) == len(item.pairs):
        _check_complete(item, line, seen)
    return tuple(found.items())


def _value_of(node: ast.Expression, takes: Takes, scope: Scope) -> Any:
    """A pair's value. `dense` says how was measured, though the net may have a parameter called so."""
    if isinstance(node, ast.Variable) and node.name in takes.words:
        return Name(node.name)
    return evaluate_at(node, scope)


def _takes(line: Statement, key: str, found: dict[str, object]) -> Takes:
    """What a key takes: of the top-1 and the top-5 error the first is no smaller."""
    match key, found:
        case "top5", {"top1": int() | float() as most}:
            return percent(most=most)
        case "top1", {"top5": int() | float() as least}:
            return percent(least=least)
    return line.keys[key]


def _check_complete(item: ast.Pairs, line: Statement, seen: set[str]) -> None:
    """Of a line without other mistakes, since a misspelt key is often the one that is missing."""
    if line.measures and seen.isdisjoint(line.measures):
        missing = f"a measure: {', '.join(line.measures)}"
        raise Misplaced(IncompleteFigure(item.key, missing), item.extent)
    for key in line.required:
        if key not in seen:
            raise Misplaced(IncompleteFigure(item.key, _REQUIRED[key]), item.extent)


_REQUIRED = {
    "source": 'a source: `source="paper, Table 3"`',
    "on": 'a data set: `on="ImageNet validation"`',
    "challenge": 'a challenge: `challenge="ILSVRC"`',
    "year": "a year: `year=2014`",
    "team": 'a team: `team="VGG"`',
}


def _unknown_figure(line: str, key: str, statement: Statement) -> UnknownFigure:
    other = line_of(key) if statement.measures else ""
    if other:
        return UnknownFigure(
            line, key, f"`{key}` is said on a line of its own: `{other} {key}=...`"
        )
    near = closest(key, statement.keys)
    known = f"known: {', '.join(statement.keys)}"
    return UnknownFigure(line, key, f"did you mean {near}? {known}" if near else known)


def _unknown_key(key: str, known: tuple[str, ...]) -> UnknownMetadata:
    if layer(key.rstrip("0123456789x"), REGISTRY):
        return UnknownMetadata(
            key, "a step is written without spaces, its arguments in parentheses"
        )
    if key in DESCRIBING:
        return UnknownMetadata(key, what="takes `name=value` pairs")
    if key in METADATA:
        return UnknownMetadata(key, f'`{key} "..."`', "takes a text or a number, no pairs")
    if advice := unspelt(key):
        return UnknownMetadata(key, advice)
    near = closest(key, known)
    return UnknownMetadata(key, f"did you mean {near}?" if near else f"known: {', '.join(known)}")
