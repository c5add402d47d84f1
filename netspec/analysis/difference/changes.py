"""Facts of one cause as one change, in words."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from netspec.analysis.difference.align import Alignment
from netspec.analysis.difference.causes import Cause, Causes, key
from netspec.analysis.difference.facts import Became, Fact, Fed, Only, Reads, Told, Trained, paths
from netspec.analysis.difference.origins import Place
from netspec.analysis.difference.record import Change
from netspec.analysis.difference.texts import Text
from netspec.diagnostics.source import Span
from netspec.graph.checked import Call, Node, Value
from netspec.graph.written import typed
from netspec.syntax import ast

_Statement = tuple[Text, Any]
_MOST_SHOWN = 60


def changes(found: Alignment, causes: Causes, facts: Iterable[Fact]) -> tuple[Change, ...]:
    """The changes in the order of the second spec; what only follows from others is left out."""
    known = [pair for fact in facts for pair in _settled(found, causes, fact)]
    if any(cause.sure for _, cause in known):
        known = [(fact, cause) for fact, cause in known if cause.sure]
    groups: dict[object, list[tuple[Fact, Cause]]] = defaultdict(list)
    places: dict[object, tuple[str, _Statement | None, _Statement | None]] = {}
    for fact, cause in known:
        old, new = _statements(causes, cause)
        text, whole = new or old  # type: ignore[misc]
        name = (cause.kind, key(Span(text.source, *whole.extent)), new is None)
        groups[name].append((fact, cause))
        places[name] = cause.kind, old, new
    merged = _runs(places)
    listed = [
        _change(
            found,
            *places[names[0]],
            [places[n] for n in names],
            [fact for name in names for fact, _ in groups[name]],
        )
        for names in merged
    ]
    return tuple(sorted(listed, key=lambda change: (change.place.source.name, change.place.start)))


def _settled(found: Alignment, causes: Causes, fact: Fact) -> list[tuple[Fact, Cause]]:
    """A fact with its cause; of a call that both texts have, what in it has one."""
    cause = causes.of(fact)
    if cause.sure or not (isinstance(fact, Only) and isinstance(fact.item, Call)):
        return [(fact, cause)]
    side = found.b if fact.new else found.a
    inner: list[tuple[Fact, Cause]] = []
    for item in side.children[fact.item]:
        nodes = side.nodes_of(item)
        parts = [(item, nodes)] if isinstance(item, Call) else [(node, (node,)) for node in nodes]
        for part, held in parts:
            inner += _settled(found, causes, Only(part, held, fact.new))
    return inner if any(known.sure for _, known in inner) else [(fact, cause)]


# --- places in both texts


def _statements(causes: Causes, cause: Cause) -> tuple[_Statement | None, _Statement | None]:
    """The statement in the first text and the one in the second, as far as they are there."""
    place = cause.place
    own = place.text, place.whole
    if cause.kind in ("inserted", "removed"):
        return (None, own) if cause.new else (own, None)
    half, other = (causes.b, causes.a) if cause.new else (causes.a, causes.b)
    theirs = _counterpart(place, half, other)
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


def _runs(
    places: dict[object, tuple[str, _Statement | None, _Statement | None]],
) -> list[list[object]]:
    """Steps that came or went together as one: in the braces of another, or one after the other."""
    heads = {
        id(where[1]): name
        for name, (kind, old, new) in places.items()
        if kind in ("inserted", "removed") and (where := new or old) is not None
    }
    into: dict[object, object] = {}
    for name, (kind, old, new) in places.items():
        where = new or old
        if kind not in ("inserted", "removed") or where is None:
            continue
        text, head = where
        below = head
        for around in text.around(head):
            if isinstance(around, ast.Head):
                if id(around) in heads:
                    into[name] = heads[id(around)]
                below = around
            elif isinstance(around, ast.Chain | ast.File) and name not in into and below is head:
                before = _before(around, head)
                if before is not None and id(before) in heads:
                    into[name] = heads[id(before)]
    found: dict[object, list[object]] = {}
    for name in places:
        first = name
        while first in into:
            first = into[first]
        run = found.setdefault(first, [first])
        if name != first:
            run.append(name)
    return list(found.values())


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
    if kind in ("inserted", "removed"):
        wheres = [w for _, o, n in all_of if (w := n or o) is not None]
        text = _together(wheres)
        before, after = ("", text) if kind == "inserted" else (text, "")
    else:
        before, after = (_shown(old) if old else ""), (_shown(new) if new else "")
    place = _span(new or old)
    return Change(
        kind=kind,
        before=before,
        after=after,
        place=place,
        old=_span(old) if old else None,
        effects=tuple(_effects(found, kind, only, pairs)),
        removed=paths(gone),
        inserted=paths(come),
        changed=paths(fact.y for fact in pairs),
    )


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
    return text.said(whole.extent)


def _effects(
    found: Alignment,
    kind: str,
    only: list[Only],
    pairs: list[Told | Became | Reads | Trained | Fed],
) -> Iterator[str]:
    """What a change does to the net."""
    yield from _counts(found, only)
    if kind not in ("inserted", "removed", "repeat"):
        yield from _came(only)
    told = Counter(
        f"{fact.name} {typed(vars(fact.x.op)[fact.name])} → {typed(vars(fact.y.op)[fact.name])}"
        for fact in pairs
        if isinstance(fact, Told)
    )
    told.update(
        f"{fact.x.op.spelling} → {fact.y.op.spelling}" for fact in pairs if isinstance(fact, Became)
    )
    for words, count in told.items():
        yield f"{words} in {count} layers" if count > 1 else words
    for fact in pairs:
        if isinstance(fact, Reads):
            yield f"{fact.y.path} reads {_listed(fact.after)}, not {_listed(fact.before)}"
    trained = [fact for fact in pairs if isinstance(fact, Trained)]
    for frozen in (True, False):
        count = sum(fact.y.frozen == frozen != fact.x.frozen for fact in trained)
        if count:
            layers = f"{count} layers" if count > 1 else "1 layer"
            yield f"{layers} no longer trained" if frozen else f"{layers} trained"
    for fact in trained:
        if fact.y.frozen == fact.x.frozen:
            yield f"{fact.y.path} has the weights of {fact.y.owner}, not of {fact.x.owner}"
    for fact in pairs:
        if isinstance(fact, Fed):
            names = "" if fact.x.path == fact.y.path else f"{fact.x.path} → {fact.y.path}"
            types = "" if fact.x.types == fact.y.types else f"{fact.x.types[0]} → {fact.y.types[0]}"
            yield f"input {': '.join(filter(None, (names, types)))}"
    shaped = {(f.x, f.y): None for f in pairs if isinstance(f, Told | Became)}
    if len(shaped) == 1:
        ((x, y),) = shaped
        if x.types != y.types:
            yield f"output {x.types[0]} → {y.types[0]}"


def _listed(values: tuple[Value, ...]) -> str:
    return ", ".join(map(_tensor, values)) or "nothing"


def _tensor(value: Value) -> str:
    """A tensor's step, and which of several that it gives, from 1."""
    several = len(value.node.types) > 1
    return f"{value.node.path}[{value.index + 1}]" if several else value.node.path


def _came(only: list[Only]) -> Iterator[str]:
    """How many layers of each kind came and went, where no block did."""
    for new, word in ((False, "removed"), (True, "inserted")):
        nodes = [fact.item for fact in only if fact.new == new and isinstance(fact.item, Node)]
        counts = Counter(node.op.spelling for node in nodes)
        yield from (f"{count} {spelling} {word}" for spelling, count in counts.items())


def _counts(found: Alignment, only: list[Only]) -> Iterator[str]:
    """How often a block is run in what both nets have: `stage3: bottleneck x23 → x36`."""
    counted: dict[tuple[Call | None, str], None] = {}
    for fact in only:
        if isinstance(fact.item, Call):
            back = found.calls_back if fact.new else found.calls
            around = fact.item.parent
            if around is None or around in back:
                mine = back[around] if fact.new and around else around
                counted[mine, fact.item.block] = None
    for around, block in counted:
        theirs = found.calls[around] if around else None
        counts = [
            sum(isinstance(item, Call) and item.block == block for item in side.children[call])
            for side, call in ((found.a, around), (found.b, theirs))
        ]
        if min(counts):
            names = [c.component for c in theirs.ancestors() if c.component] if theirs else []
            name = ".".join(reversed(names))
            yield f"{name + ': ' if name else ''}{block} x{counts[0]} → x{counts[1]}"
