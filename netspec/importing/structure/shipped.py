"""The blocks of the library: what they take, and how their steps look."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

from netspec.diagnostics.source import Source
from netspec.elaborate.build import attempted
from netspec.foundation.records import record
from netspec.importing.structure.fusing import fused
from netspec.importing.structure.regions import nested
from netspec.importing.structure.sharing import Ties
from netspec.importing.structure.terms import Chain, Item, Tangled
from netspec.importing.structure.unify import UNSAID
from netspec.syntax.files import LIBRARY

_EXAMPLE = re.compile(r"^# Example: (input [^;]+); (\w+)(?:\((.*)\))?$", re.MULTILINE)


@record
class Shipped:
    """A block of the library: its parameters, and the words of its steps as its examples have it.

    `compared` are the numbers that it compares with, `normed` says whether it has a norm by default.
    """

    word: str
    parameters: tuple[tuple[str, str | None], ...]
    words: frozenset[Any]
    compared: tuple[int, ...]
    normed: bool


@cache
def shipped() -> tuple[Shipped, ...]:
    """The library's blocks that take one tensor, no braces and no other layer."""
    found = []
    for path in sorted(LIBRARY.glob("*.ns")):
        text = path.read_text(encoding="utf-8")
        head = re.search(rf"^block {path.stem}\((.*)\) \{{$", text, re.MULTILINE)
        examples = [m for m in _EXAMPLE.finditer(text) if m[2] == path.stem]
        if head is None or not examples:
            continue
        parameters = tuple(
            (name, default or None)
            for name, _, default in (part.strip().partition("=") for part in _parted(head[1]))
        )
        chains = [made(f"{m[1]}\n{m[2]}({m[3] or ''})") for m in examples]
        words = frozenset(words_of(chain.items) for chain in chains if chain and len(chain.items))
        compared = tuple(sorted({int(n) for n in re.findall(r"== (\d+)", text)}))
        if words and parameters[0][0] != "body":
            normed = re.search(r"^default conv\(.*\bnorm=(?!none)", text, re.MULTILINE) is not None
            found.append(Shipped(path.stem, parameters, words, compared, normed))
    return tuple(found)


def _parted(text: str) -> list[str]:
    """Parameters at their commas."""
    return [part for part in re.split(r",(?![^()]*\))", text) if part.strip()]


def words_of(items: Sequence[Item]) -> Any:
    """The words of steps and of those in their braces, fused ones being one."""
    return tuple((item.word, tuple(words_of(kid.items) for kid in item.kids)) for item in items)


def made(text: str) -> Chain | None:
    """The chain of a text's steps; None where it cannot be built."""
    graph = attempted(Source("probe", text))
    if graph is None:
        return None
    try:
        chain = nested(graph, {})
    except Tangled:
        return None
    fused(chain, Ties(chain))
    return chain


def literal(text: str) -> Any:
    """A default as a value; UNSAID where it is an expression."""
    words = {"yes": True, "no": False, "none": None}
    if text in words:
        return words[text]
    if text.isdigit():
        return int(text)
    return text if text.isidentifier() else UNSAID
