"""What a change does to the net, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from netspec.analysis.difference.facts import Became, Fed, Only, Reads, Told, Trained
from netspec.analysis.difference.pairing import Alignment
from netspec.graph.checked import Call, Node, Value
from netspec.graph.same import WINDOW
from netspec.graph.written import typed

# Changes of which steps there are, and where.
PRESENCE = ("inserted", "removed", "moved")
# Steps that read something else that are named; the others are counted.
_MOST_READS = 4


def effects(
    found: Alignment,
    kind: str,
    only: Sequence[Only],
    pairs: Sequence[Told | Became | Reads | Trained | Fed],
    *,
    counted: bool,
) -> Iterator[str]:
    """What a change of a kind does to the net: steps of one of both graphs, and pairs that differ.

    With `counted` it is said how often blocks are run where that is another number.
    """
    if kind not in PRESENCE:
        if counted:
            yield from _counts(found, only)
        if kind != "repeat":
            yield from _came(only)
    told = Counter(
        f"{fact.name} {_value(fact.x, fact.name)} → {_value(fact.y, fact.name)}"
        for fact in pairs
        if isinstance(fact, Told)
    )
    told.update(
        f"{fact.x.op.spelling} → {fact.y.op.spelling}" for fact in pairs if isinstance(fact, Became)
    )
    for words, count in told.items():
        yield f"{words} in {count} layers" if count > 1 else words
    yield from _reads(found, [fact for fact in pairs if isinstance(fact, Reads)])
    yield from _trained(found, [fact for fact in pairs if isinstance(fact, Trained)])
    for fact in pairs:
        if isinstance(fact, Fed):
            names = "" if fact.x.path == fact.y.path else f"{fact.x.path} → {fact.y.path}"
            types = "" if fact.x.types == fact.y.types else f"{fact.x.types[0]} → {fact.y.types[0]}"
            yield f"input {': '.join(filter(None, (names, types)))}"
    shaped = {(f.x, f.y): None for f in pairs if isinstance(f, Told | Became)}
    if len(shaped) == 1:
        ((x, y),) = shaped
        if str(x.types[0]) != str(y.types[0]):
            yield f"output {x.types[0]} → {y.types[0]}"


def _value(node: Node, name: str) -> str:
    """What a step is told, as it would be typed; one number for a window that is as long along each axis."""
    value = vars(node.op)[name]
    is_even = name in WINDOW and isinstance(value, tuple) and len(set(value)) == 1
    return typed(value[0] if is_even else value)


def _reads(found: Alignment, facts: Iterable[Reads]) -> Iterator[str]:
    """What steps read otherwise, of the first few."""
    said = list(_read_otherwise(found, facts))
    yield from said[:_MOST_READS]
    if len(said) > _MOST_READS:
        yield f"{len(said) - _MOST_READS} more read otherwise"


def _read_otherwise(found: Alignment, facts: Iterable[Reads]) -> Iterator[str]:
    """What steps read, by the names that it has in the second net where it is there."""
    for fact in facts:
        before = tuple(
            Value(found.ahead[v.node], v.index) if v.node in found.ahead else v for v in fact.before
        )
        if before and set(before) == set(fact.after) and set(fact.y.inputs) <= _both(found, fact.x):
            mine = [Value(found.ahead[v.node], v.index) for v in fact.x.inputs]
            order = ", ".join(str(mine.index(w) + 1) for w in fact.y.inputs)
            yield f"{fact.y.path} reads the same in another order: {order}"
        elif before and set(before) == set(fact.after):
            yield f"{fact.y.path} reads {_listed(fact.after)} in this order, not {_listed(before)}"
        elif not fact.after:
            yield f"{fact.y.path} no longer reads {_listed(before)}"
        elif not before:
            yield f"{fact.y.path} reads {_listed(fact.after)} too"
        else:
            yield f"{fact.y.path} reads {_listed(fact.after)}, not {_listed(before)}"


def _both(found: Alignment, x: Node) -> set[Value]:
    """What a step of the first net reads, as tensors of the second; empty where one of them is not there."""
    if any(v.node not in found.ahead for v in x.inputs):
        return set()
    return {Value(found.ahead[v.node], v.index) for v in x.inputs}


def _trained(found: Alignment, facts: Sequence[Trained]) -> Iterator[str]:
    for frozen in (True, False):
        count = sum(fact.y.frozen == frozen != fact.x.frozen for fact in facts)
        if count:
            yield f"{_layers(count)} no longer trained" if frozen else f"{_layers(count)} trained"
    shared = [_sharing(fact) for fact in facts if fact.y.frozen == fact.x.frozen]
    yield from dict.fromkeys(shared)


def _layers(count: int) -> str:
    return f"{count} layers" if count > 1 else "1 layer"


def _sharing(fact: Trained) -> str:
    """Whose weights a step has, or the block call that it stands in, and whose it had."""
    user, owner = _apart(fact.y.path, fact.y.owner)
    if user == owner:
        was, before = _apart(fact.x.path, fact.x.owner)
        inside = was.count(".") - fact.x.path.count(".")
        user = ".".join(fact.y.path.split(".")[: inside or None])
        return f"{user} has weights of its own, not those of {before}"
    _, before = _apart(fact.x.path, fact.x.owner)
    held = "its own" if fact.x.path == fact.x.owner else f"those of {before}"
    return f"{user} has the weights of {owner}, not {held}"


def _apart(path: str, owner: str) -> tuple[str, str]:
    """Two paths without what they end in alike; equal ones as they are."""
    if path == owner:
        return path, owner
    mine, theirs = path.split("."), owner.split(".")
    while len(mine) > 1 and len(theirs) > 1 and mine[-1] == theirs[-1]:
        mine.pop()
        theirs.pop()
    return ".".join(mine), ".".join(theirs)


def _listed(values: tuple[Value, ...]) -> str:
    return ", ".join(map(_tensor, values))


def _tensor(value: Value) -> str:
    """A tensor's step, and which of several that it gives, from 1."""
    several = len(value.node.types) > 1
    return f"{value.node.path}[{value.index + 1}]" if several else value.node.path


def _came(only: Sequence[Only]) -> Iterator[str]:
    """How many layers of each kind came and went, where no block did."""
    for new, word in ((False, "removed"), (True, "inserted")):
        nodes = [fact.item for fact in only if fact.new == new and isinstance(fact.item, Node)]
        counts = Counter(node.op.spelling for node in nodes)
        yield from (f"{count} {spelling} {word}" for spelling, count in counts.items())


def _counts(found: Alignment, only: Sequence[Only]) -> Iterator[str]:
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
        if min(counts) and counts[0] != counts[1]:
            names = [c.component for c in theirs.ancestors() if c.component] if theirs else []
            name = ".".join(reversed(names))
            yield f"{name + ': ' if name else ''}{block} x{counts[0]} → x{counts[1]}"
