"""Several edits planted in one spec at once, each of which matters beside the others."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from support.planted import KINDS, Planted, built, nameless, unexpected
from support.planted_parts import Edit, parts

from netspec.diagnostics.raised import Collector, NetspecError
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.graph.checked import Graph
from netspec.syntax import ast
from netspec.syntax.parse import parse


def several(
    sources: list[Source], seed: int, count: int, edits: int, most: int = 120, near: bool = False
) -> Iterator[tuple[Planted, list[int]]]:
    """Nets with so many edits of any kinds, and the lines of the edits, in order; with `near` all of them
    in one line or in one beside it.
    """
    chance = random.Random(f"{edits} {seed}")
    while count:
        source = chance.choice(sources)
        chosen = _apart(source, chance, edits, near)
        before = built(source)
        if len(before.nodes) > most or len(chosen) < edits:
            continue
        after = _made(source, [edit for _, edit in chosen])
        if after is None or not _all_matter(source, chosen, nameless(after)):
            continue
        count -= 1
        lines = sorted(source.position(start)[0] for _, (start, _, _) in chosen)
        kinds = ", ".join(kind for kind, _ in chosen)
        yield Planted(source.name, kinds, before, after, lines[0]), lines


def renamed(source: Source) -> Source:
    """The spec with other names for its blocks."""
    tree = parse(source, Collector())
    names = [part.name for part, _ in parts(tree) if isinstance(part, ast.Block)]
    text = source.text
    for name in names:
        # What follows may be a kernel: `sep5-32` calls `sep`.
        text = re.sub(rf"(?<![\w.]){name}(?![A-Za-z_])", f"my{name}", text)
    return replace(source, text=text)


def _apart(source: Source, chance: random.Random, count: int, near: bool) -> list[tuple[str, Edit]]:
    """Edits that do not touch each other."""
    chosen: list[tuple[str, Edit]] = []
    for _ in range(20):
        if len(chosen) == count:
            break
        kind = chance.choice(list(KINDS))
        found = list(KINDS[kind](source.text, chance))
        if near and chosen:
            line = source.position(chosen[0][1][0])[0]
            found = [e for e in found if abs(source.position(e[0])[0] - line) < 2]
        if found:
            edit = chance.choice(found)
            if all(edit[1] < other[0] or other[1] < edit[0] for _, other in chosen):
                chosen.append((kind, edit))
    return chosen


def _made(source: Source, edits: Sequence[Edit]) -> Graph | None:
    text = source.text
    for start, end, words in sorted(edits, reverse=True):
        text = text[:start] + words + text[end:]
    try:
        return build(replace(source, text=unexpected(text)))
    except NetspecError:
        return None


def _all_matter(source: Source, chosen: list[tuple[str, Edit]], whole: str) -> bool:
    for left_out in chosen:
        rest = _made(source, [edit for kind, edit in chosen if (kind, edit) != left_out])
        if rest is None or nameless(rest) == whole:
            return False
    return True
