"""Further edits: skips that lead elsewhere, settings and arguments that are gone."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import pairwise

from support.planted_parts import Edit, heads, parts

from netspec.diagnostics.raised import Collector
from netspec.diagnostics.source import Source
from netspec.syntax import ast
from netspec.syntax.parse import parse


def _tree(text: str) -> Iterator[tuple[object, object]]:
    return parts(parse(Source("edited", text), Collector()))


def skip(text: str, chance: random.Random) -> Iterator[Edit]:
    """A reference to another step."""
    found = [part for part, _ in _tree(text) if isinstance(part, ast.Reference)]
    names = sorted({text[slice(*part.extent)] for part in found})
    for part in found:
        others = [name for name in names if name != text[slice(*part.extent)]]
        if others:
            yield *part.extent, chance.choice(others)


def default_gone(text: str, chance: random.Random) -> Iterator[Edit]:
    """A setting less in a `default` line, at its end or before others."""
    for part, _ in _tree(text):
        if isinstance(part, ast.Default) and len(part.arguments) > 1:
            for one, other in pairwise(part.arguments):
                yield one.extent[0], other.extent[0], ""
            yield part.arguments[-2].extent[1], part.arguments[-1].extent[1], ""


def argument_gone(text: str, chance: random.Random) -> Iterator[Edit]:
    """An argument less."""
    for head in heads(text):
        named = [argument for argument in head.arguments if argument.name]
        if len(named) > 1 and named[-1] is head.arguments[-1]:
            yield named[-2].extent[1], named[-1].extent[1], ""
