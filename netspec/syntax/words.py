"""The words that a step asks for, each where it stands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from netspec.syntax import ast


def words_of(step: Any) -> Iterator[ast.Variable]:
    """The words that are evaluated for a step, in its order, without those in braces of their own."""
    pending = [step]
    while pending:
        match node := pending.pop():
            case ast.Variable():
                yield node
            case ast.Head():
                pending.extend((node.arguments, node.stride, node.width))
            case ast.Branches() | ast.Freeze() | ast.Every() | ast.TrainingHead():
                pass
            case tuple():
                pending.extend(reversed(node))
            case _ if is_dataclass(node):
                pending.extend(getattr(node, f.name) for f in reversed(fields(node)))
