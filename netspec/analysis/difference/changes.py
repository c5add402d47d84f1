"""Facts of one cause as one change, in words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from netspec.analysis.difference.causes import Cause, Causes, key
from netspec.analysis.difference.effects import PRESENCE, effects
from netspec.analysis.difference.facts import Fact, Only, paths
from netspec.analysis.difference.moves import also_told, is_elsewhere, moves, pairs, runs
from netspec.analysis.difference.origins import Place
from netspec.analysis.difference.pairing import Alignment
from netspec.analysis.difference.record import Change
from netspec.analysis.difference.texts import Text
from netspec.diagnostics.source import Span
from netspec.graph.checked import Call, Node
from netspec.syntax import ast

_Statement = tuple[Text, Any]
_MOST_SHOWN = 60


def changes(
    found: Alignment, causes: Causes, facts: Iterable[Fact]
) -> tuple[tuple[Change, ...], dict[Node, Node]]:
    """The changes in the order of the second spec, and the nodes that were moved, the new by the old.

    What only follows from others is left out.
    """
    known = [pair for fact in facts for pair in _settled(found, causes, fact)]
    groups: _Groups = defaultdict(list)
    places: _Places = {}
    for fact, cause in known:
        _group(causes, fact, cause, groups, places)
    moved, only = _join_moves(found, causes, groups, places)
    if moved:
        later = found.also(moved)
        causes = Causes(later, causes.a.origins.texts, causes.b.origins.texts)
        for told in also_told(later, moved, only):
            for fact, cause in _settled(later, causes, told):
                if cause.sure:
                    _group(causes, fact, cause, groups, places)
    _drop_unsure(groups, places)
    merged = runs(causes, places)
    listed = [
        _change(
            found,
            *places[names[0]],
            [places[n] for n in names],
            [fact for name in names for fact, _ in groups[name]],
        )
        for names in merged
    ]
    listed.sort(key=lambda change: (change.place.source.name, change.place.start))
    return tuple(listed), moved


_Groups = dict[object, list[tuple[Fact, Cause]]]
_Places = dict[object, tuple[str, _Statement | None, _Statement | None]]


def _group(causes: Causes, fact: Fact, cause: Cause, groups: _Groups, places: _Places) -> None:
    """Puts a fact to those of the same cause."""
    old, new = _statements(causes, cause)
    text, whole = new or old  # type: ignore[misc]
    name = (cause.kind, key(Span(text.source, *whole.extent)), new is None)
    groups[name].append((fact, cause))
    places[name] = cause.kind, old, new


def _join_moves(
    found: Alignment, causes: Causes, groups: _Groups, places: _Places
) -> tuple[dict[Node, Node], list[Only]]:
    """Makes one group of what went and what came elsewhere; gives the nodes, the new by the old, and both."""
    only = {
        name: [fact for fact, _ in members if isinstance(fact, Only)]
        for name, members in groups.items()
    }
    moved: dict[Node, Node] = {}
    both: list[Only] = []
    for gone, come in list(moves(only, places)):
        (_, old, _), (_, _, new) = places[gone], places[come]
        members = groups[gone] + groups[come]
        # Texts may be laid side by side in another way than graphs: the order of steps decides.
        if not all(cause.sure for _, cause in members) and not is_elsewhere(causes, old, new):
            continue
        moved |= pairs(found, only[gone], only[come])
        both += only[gone] + only[come]
        del groups[gone], groups[come], places[gone], places[come]
        groups["moved", come] = members
        places["moved", come] = "moved", old, new
    return moved, both


def _drop_unsure(groups: _Groups, places: _Places) -> None:
    """Leaves out what may follow from other changes, if there are others."""
    sure = {
        name: members
        for name, found in groups.items()
        if (members := found if places[name][0] == "moved" else [p for p in found if p[1].sure])
    }
    if sure:
        for name in [name for name in groups if name not in sure]:
            del groups[name], places[name]
        groups.update(sure)


def _settled(found: Alignment, causes: Causes, fact: Fact) -> list[tuple[Fact, Cause]]:
    """A fact with its cause; of a call that both texts have, what in it has one."""
    cause = causes.of(fact)
    if cause.sure or not isinstance(fact, Only):
        return [(fact, cause)]
    side = found.b if fact.new else found.a
    inner: list[tuple[Fact, Cause]] = []
    if isinstance(fact.item, Call):
        for item in side.children[fact.item]:
            nodes = side.nodes_of(item)
            parts = [(item, nodes)] if isinstance(item, Call) else [(n, (n,)) for n in nodes]
            for part, held in parts:
                inner += _settled(found, causes, Only(part, held, fact.new))
    if any(known.sure for _, known in inner):
        return inner
    # Of equal steps in a row it cannot be told which came or went, but the text can.
    for item in side.alike(fact.item):
        other = causes.of(Only(item, fact.nodes, fact.new))
        if other.sure:
            return [(fact, other)]
    return [(fact, cause)]


# --- places in both texts


def _statements(causes: Causes, cause: Cause) -> tuple[_Statement | None, _Statement | None]:
    """The statement in the first text and the one in the second, as far as they are there."""
    place = cause.place
    own = place.text, place.whole
    if cause.kind in ("inserted", "removed"):
        return (None, own) if cause.new else (own, None)
    half, other = (causes.b, causes.a) if cause.new else (causes.a, causes.b)
    named = other.origins.of_net(place.parameter) if place.parameter else None
    theirs = (named.text, named.whole) if named else _counterpart(place, half, other)
    return (theirs, own) if cause.new else (own, theirs)


def _counterpart(place: Place, half: Any, other: Any) -> _Statement | None:
    head = place.whole.action if isinstance(place.whole, ast.Step) else place.whole
    if isinstance(head, ast.Head):
        twin = half.twins.get(key(Span(place.text.source, *head.extent)))
        where = other.origins.where(twin) if twin is not None else None
        if where is not None:
            step = next(where.text.around(where.head))
            return where.text, step if isinstance(place.whole, ast.Step) else where.head
    at = place.text.counterpart(place.whole.extent[0])
    if at is None or place.text.other is None:
        return None
    whole = place.text.other.find(type(place.whole), at)
    return None if whole is None else (place.text.other, whole)


# --- words


def _change(
    found: Alignment,
    kind: str,
    old: _Statement | None,
    new: _Statement | None,
    all_of: list[tuple[str, _Statement | None, _Statement | None]],
    facts: list[Fact],
) -> Change:
    only = [fact for fact in facts if isinstance(fact, Only)]
    gone = [n for fact in only if not fact.new for n in fact.nodes]
    come = [n for fact in only if fact.new for n in fact.nodes]
    pairs = [fact for fact in facts if not isinstance(fact, Only)]
    before = after = ""
    if kind in PRESENCE:
        wheres = [w for _, o, n in all_of if (w := n or o) is not None]
        text = _together(wheres)
        before, after = "" if kind == "inserted" else text, "" if kind == "removed" else text
    else:
        before, after = (_shown(old) if old else ""), (_shown(new) if new else "")
    place = _span(new or old)
    return Change(
        kind=kind,
        before=before,
        after=after,
        place=place,
        old=_span(old) if old else None,
        effects=tuple(effects(found, kind, only, pairs, counted=not _is_count(old, new))),
        removed=paths(gone),
        inserted=paths(come),
        changed=paths(fact.y for fact in pairs),
    )


def _is_count(old: _Statement | None, new: _Statement | None) -> bool:
    """Whether both statements say how often by a number."""
    steps = [where[1] for where in (old, new) if where is not None]
    return all(isinstance(s, ast.Step) and isinstance(s.repeat, ast.Number) for s in steps)


def _span(where: _Statement | None) -> Span:
    assert where is not None
    return Span(where[0].source, *where[1].extent)


def _together(wheres: list[_Statement]) -> str:
    """Steps that came or went as one, as they are written."""
    found = []
    for text, head in wheres:
        inside = any(
            isinstance(around, ast.Head) and any(around is h for _, h in wheres)
            for around in text.around(head)
        )
        if not inside:
            found.append((head.extent[0], _whole(text, head)))
    return "; ".join(words for _, words in sorted(found))


def _whole(text: Text, part: Any) -> str:
    """A step with its repeat, and with its braces where they are short; or another statement."""
    head = isinstance(part, ast.Head)
    words = text.said(next(text.around(part)).extent if head else part.extent)
    if len(words) <= _MOST_SHOWN:
        return words
    shown = text.shown(part) if head else words.partition(" {")[0]
    return f"{shown} {{ … }}" if "{" in words else words


def _shown(where: _Statement) -> str:
    text, whole = where
    match whole:
        case ast.Head():
            return text.shown(whole)
        case ast.Step():
            action = whole.action
            shown = text.shown(action) if isinstance(action, ast.Head) else "{ … }"
            return f"{shown} x{text.said(whole.repeat.extent)}" if whole.repeat else shown
        case ast.If():
            return f"if {text.said(whole.condition.extent)}"
        case ast.For():
            bounds = (text.said(bound.extent) for bound in whole.bounds)
            return f"for {', '.join(whole.variables)} in {'..'.join(bounds)}"
        case ast.Freeze():
            return "freeze"
        case ast.Every():
            return "every"
    return text.said(whole.extent)
