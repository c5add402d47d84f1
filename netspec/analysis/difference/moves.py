"""What was moved within a block, and what came or went together, is one thing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from netspec.analysis.difference.causes import Causes, key
from netspec.analysis.difference.effects import PRESENCE
from netspec.analysis.difference.facts import Fact, Only, Reads, facts
from netspec.analysis.difference.origins import Where
from netspec.analysis.difference.pairing import Alignment
from netspec.analysis.difference.said import links_of
from netspec.analysis.difference.sequences import aligned
from netspec.analysis.difference.texts import Text
from netspec.diagnostics.source import Span
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


def pairs(found: Alignment, gone: Sequence[Only], come: Sequence[Only]) -> dict[Node, Node]:
    """The nodes that went with those that came in their place: in calls by what they do, else by kind."""
    first, second = ([f.item for f in facts if isinstance(f.item, Node)] for facts in (gone, come))
    steps = aligned([id(type(x.op)) for x in first], [id(type(y.op)) for y in second])
    calls = ([f.item for f in facts if isinstance(f.item, Call)] for facts in (gone, come))
    return {first[i]: second[j] for i, j in steps} | found.inside(zip(*calls, strict=False))


def also_told(found: Alignment, moved: Mapping[Node, Node], only: Sequence[Only]) -> Iterator[Fact]:
    """What is otherwise within what was moved: `only` is what went and came, whose nodes are pairs by now."""
    nodes = {node for fact in only for node in fact.nodes}
    whole = {fact.item for fact in only}
    for fact in facts(found):
        if isinstance(fact, Only):
            if fact.item not in whole and nodes.issuperset(fact.nodes):
                yield fact
        elif fact.x in moved:
            # What was moved reads other tensors from outside of it.
            read = (*fact.before, *fact.after) if isinstance(fact, Reads) else ()
            if nodes.issuperset(value.node for value in read):
                yield fact


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


# --- together


def runs(
    causes: Causes,
    places: dict[object, tuple[str, _Statement | None, _Statement | None]],
) -> list[list[object]]:
    """Steps that came or went together as one: in the braces of another, or one after the other."""
    heads: dict[tuple[str, int], object] = {
        (kind, id(where[1])): name
        for name, (kind, old, new) in places.items()
        if kind in PRESENCE and (where := new or old) is not None
    }
    into: dict[object, object] = {}
    for name, (kind, old, new) in places.items():
        where = new or old
        if kind not in PRESENCE or where is None:
            continue
        text, head = where
        below = head
        for around in text.around(head):
            if isinstance(around, ast.Head):
                if (kind, id(around)) in heads:
                    into[name] = heads[kind, id(around)]
                below = around
            elif isinstance(around, ast.Chain | ast.File) and name not in into and below is head:
                before = _before(around, head)
                apart = _is_around(causes, text, head) or _is_around(causes, text, before)
                if (kind, id(before)) in heads and not apart:
                    into[name] = heads[kind, id(before)]
    found: dict[object, list[object]] = {}
    for name in places:
        first = name
        while first in into:
            first = into[first]
        run = found.setdefault(first, [first])
        if name != first:
            run.append(name)
    return list(found.values())


def _is_around(causes: Causes, text: Text, head: Any) -> bool:
    """Whether steps of both nets stand in the braces of a step."""
    if not isinstance(head, ast.Head) or head.body is None:
        return False
    start, end = head.body.extent
    inner = (at for at in text.heads if start <= at[0] < end)
    return any(
        key(Span(text.source, *at)) in half.twins for at in inner for half in (causes.a, causes.b)
    )


def _before(around: ast.Chain | ast.File, head: ast.Head) -> Any:
    """What the step before a step does, in one chain."""
    links = around.links if isinstance(around, ast.Chain) else around.items
    before = None
    for link in links:
        if isinstance(link, ast.Step):
            if link.action is head:
                return before
            before = link.action
    return None
