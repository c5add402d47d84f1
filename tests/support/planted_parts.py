"""What edits are planted in: the parts of a spec's tree, in its text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from netspec.diagnostics.raised import Collector
from netspec.diagnostics.source import Source
from netspec.syntax import ast
from netspec.syntax.parse import parse

# Where in the text, and what stands there instead.
Edit = tuple[int, int, str]


def parts(node: Any) -> Iterator[tuple[Any, Any]]:
    """Each part of a tree and what it stands in."""
    waiting = [(node, None)]
    while waiting:
        part, around = waiting.pop()
        yield part, around
        for field in fields(part):
            value = getattr(part, field.name)
            for item in value if isinstance(value, tuple) else (value,):
                if is_dataclass(item) and not isinstance(item, Source):
                    waiting.append((item, part))


def steps(text: str) -> Iterator[tuple[ast.Step, Any]]:
    tree = parse(Source("edited", text), Collector())
    for part, around in parts(tree):
        if isinstance(part, ast.Step):
            yield part, around


def heads(text: str) -> Iterator[ast.Head]:
    return (step.action for step, _ in steps(text) if isinstance(step.action, ast.Head))
