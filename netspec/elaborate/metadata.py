"""What a file says of itself: its title, its paper, its published error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netspec.diagnostics.messages.names import UnknownMetadata
from netspec.diagnostics.suggest import closest
from netspec.elaborate.bind import Misplaced, evaluate_at
from netspec.elaborate.report import Reporter
from netspec.elaborate.scope import Level, Poisoned, Scope
from netspec.ops.declare.values import Name
from netspec.ops.registry import REGISTRY
from netspec.syntax import ast
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


def metadata_of(
    unit: Unit, variables: Mapping[str, Any], reporter: Reporter
) -> tuple[tuple[str, object], ...]:
    """The unit's `title`, `year`, `error` and so on with their values; reports unknown keys."""
    found: list[tuple[str, object]] = []
    own = Scope(unit, Level(""), variables, {}, {})
    for item in unit.metadata:
        try:
            if isinstance(item, ast.Metadata):
                if item.key not in METADATA:
                    raise Misplaced(_unknown_key(item.key, METADATA), item.extent)
                found.append((item.key, evaluate_at(item.value, own)))
            elif item.key == "error":
                pairs = tuple((p.name, _plain(evaluate_at(p.value, own))) for p in item.pairs)
                found.append(("error", pairs))
            elif item.key != "expect":
                raise Misplaced(_unknown_key(item.key, (*METADATA, "error", "expect")), item.extent)
        except Misplaced as rejection:
            reporter.report(rejection, rejection.extent, own)
        except Poisoned:
            reporter.given_up(item.extent, own)
    return tuple(found)


def _plain(value: Any) -> object:
    return value.text if isinstance(value, Name) else value


def _unknown_key(key: str, known: tuple[str, ...]) -> UnknownMetadata:
    if key.rstrip("0123456789x") in REGISTRY:
        return UnknownMetadata(
            key, "a step is written without spaces, its arguments in parentheses"
        )
    near = closest(key, known)
    return UnknownMetadata(key, f"did you mean {near}?" if near else f"known: {', '.join(known)}")
