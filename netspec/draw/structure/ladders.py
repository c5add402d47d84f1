"""Blocks that read the two before them, as the cells of NASNet: their tensors have names.

What such a block reads is h(i) and h(i-1), what it gives h(i+1), as the papers of searched cells
have it. Blocks inside it keep the names where each of their inputs comes of one of them alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from netspec.draw.structure.labels import data_inputs
from netspec.graph.checked import Call, Node, Value

NEWEST, BEFORE, NEXT = "h(i)", "h(i-1)", "h(i+1)"


def named(reads: Mapping[Call, Sequence[object]]) -> dict[Call, tuple[str, ...]]:
    """The names of what the blocks of one level read, in the order in which they read it.

    `reads` says for each block what made what it reads. One that reads the two before it reads
    something and what that reads; and so does the block before it, or that after it.
    """
    newest: dict[Call, object] = {}
    before: dict[Call, object] = {}
    for block, sources in reads.items():
        if len(sources) == 2:
            for a, b in (sources, sources[::-1]):
                if isinstance(a, Call) and b in reads.get(a, ()):
                    newest[block], before[block] = a, b
    follows = {(newest[block], before[block]) for block in newest}
    found: dict[Call, tuple[str, ...]] = {}
    for block, last in newest.items():
        if (block, last) in follows or (
            isinstance(last, Call) and newest.get(last) == before[block]
        ):
            found[block] = tuple(NEWEST if made is last else BEFORE for made in reads[block])
    return found


def inherited(
    arrivals: Iterable[Value], inside: frozenset[Node], names: Mapping[Value, str]
) -> tuple[str, ...]:
    """The names of tensors in a block each of which comes of one of its inputs; none otherwise."""
    found = [_origins(value, inside) for value in arrivals]
    if not names or any(len(origins) != 1 for origins in found):
        return ()
    given = tuple(names[origin] for origins in found for origin in origins)
    return given if len({*given}) == len(given) else ()


def _origins(value: Value, inside: frozenset[Node]) -> frozenset[Value]:
    """The tensors from outside that a tensor is computed from."""
    found, seen, stack = set[Value](), set[Node](), [value]
    while stack:
        last = stack.pop()
        if last.node not in inside:
            found.add(last)
        elif last.node not in seen:
            seen.add(last.node)
            stack += data_inputs(last.node)
    return frozenset(found)
