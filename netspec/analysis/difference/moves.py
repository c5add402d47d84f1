"""What went in one place and came in another of the same block is one thing that was moved."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from netspec.analysis.difference.causes import Causes
from netspec.analysis.difference.facts import Only
from netspec.analysis.difference.origins import Where
from netspec.analysis.difference.said import links_of
from netspec.analysis.difference.texts import Text
from netspec.graph.checked import Call, Node
from netspec.syntax import ast

_Statement = tuple[Text, Any]


def moves(
    groups: Mapping[object, Sequence[Only]],
    places: Mapping[object, tuple[str, _Statement | None, _Statement | None]],
) -> Iterator[tuple[object, object]]:
    """Pairs of groups, what went and what came, of the same words in the same block or file."""
    sides: dict[str, dict[object, list[object]]] = {
        kind: defaultdict(list) for kind in ("removed", "inserted")
    }
    heads = {id(where[1]) for _, *both in places.values() for where in both if where is not None}
    for name, (kind, old, new) in places.items():
        where = new or old
        if kind in sides and where is not None and isinstance(where[1], ast.Head):
            text, head = where
            file = text.other or text if new is None else text
            sides[kind][id(file), *_words(text, head, heads)].append(name)
    for words, gone in sides["removed"].items():
        come = sides["inserted"].get(words, [])
        if len(come) != len(gone):
            continue
        for one, other in zip(gone, come, strict=True):
            if _alike(groups[one], groups[other]):
                yield one, other


def _alike(gone: Sequence[Only], come: Sequence[Only]) -> bool:
    """Whether both are calls of the same block, or the same operator with what follows it."""
    return _kinds(gone) == _kinds(come)


def _kinds(facts: Sequence[Only]) -> set[object]:
    """The blocks of calls and the operators of steps, without the layers that follow a step."""
    nodes = {f.item.span: f.item for f in reversed(facts) if not isinstance(f.item, Call)}
    blocks = {f.item.block for f in facts if isinstance(f.item, Call)}
    return {*blocks, *(type(node.op) for node in nodes.values())}


def pairs(gone: Sequence[Only], come: Sequence[Only]) -> tuple[tuple[Node, Node], ...]:
    """The nodes that went with those that came in their place, as far as they are of a kind."""
    first, second = ([n for fact in facts for n in fact.nodes] for facts in (gone, come))
    return tuple((x, y) for x, y in zip(first, second, strict=False) if type(x.op) is type(y.op))


def is_elsewhere(causes: Causes, old: _Statement | None, new: _Statement | None) -> bool:
    """Whether a step stands behind another one that it stood before, or the other way."""
    assert old is not None
    assert new is not None
    before, after = _siblings(*old), _siblings(*new)
    for other in before:
        twin = causes.a.twin(Where(old[0], other, None))
        there = causes.b.origins.where(twin) if twin is not None else None
        if there is not None and any(there.head is head for head in after):
            first = other.extent[0] < old[1].extent[0]
            if first != (there.head.extent[0] < new[1].extent[0]):
                return True
    return False


def _siblings(text: Text, head: ast.Head) -> list[ast.Head]:
    """The other steps of the chain that a step stands in."""
    chain = next(text.around(next(text.around(head))))
    steps = (link.action for link in links_of(chain) if isinstance(link, ast.Step))
    return [step for step in steps if isinstance(step, ast.Head) and step is not head]


def _words(text: Text, head: ast.Head, heads: set[int]) -> tuple[str, ...]:
    """In which block it stands, if in one, what is written, and in which steps that came or went too."""
    found = [_shown(text, head)]
    for around in text.around(head):
        if isinstance(around, ast.Block):
            return around.name, *found
        if isinstance(around, ast.Head) and id(around) in heads:
            found.append(_shown(text, around))
    return "", *found


def _shown(text: Text, head: ast.Head) -> str:
    return " ".join(text.source.text[slice(*next(text.around(head)).extent)].split())
