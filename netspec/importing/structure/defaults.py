"""Which arguments become `default` lines: those that make a text shorter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from typing import Any

from netspec.importing.structure.fusing import PROJECTION, missing
from netspec.importing.structure.terms import Item, bound, forms
from netspec.importing.structure.text import Writer, family, tokens
from netspec.ops.declare.params import Reference
from netspec.ops.declare.values import Layer
from netspec.ops.registry import REGISTRY

Defaults = dict[str, dict[str, Any]]
_OWN = frozenset({"weights", "frozen", "width", "fixed"})


def chosen(items: Iterable[Item], writer: Callable[[Defaults], Writer]) -> Defaults:
    """The defaults under which these steps are shortest, their own lines counted."""
    kinds: dict[str, list[Item]] = {}
    projections: list[Item] = []
    followers: Counter[str] = Counter()
    for item in items:
        if item.word in REGISTRY:
            kinds.setdefault(family(item.word), []).append(item)
        elif item.get(PROJECTION) is not None:
            projections.append(item)
        followers.update(v.name for v in item.values if isinstance(v, Layer))
    found: Defaults = {}
    for word, steps in kinds.items():
        if word in followers:
            continue
        counted = Counter(_key(item) for item in steps)
        kept = {_key(item): item for item in steps}
        weighed = [(kept[key], times) for key, times in counted.items()]
        if word == "conv":
            weighed += [(item, 1) for item in projections]
        settings = _settings(word, weighed, writer, found)
        if settings:
            found[word] = settings
    return found


def lines_and_settings(defaults: Defaults) -> list[tuple[str, frozenset[str]]]:
    """What can be left out of defaults: whole lines, then single settings of lines of several."""
    lines = [(word, frozenset(given)) for word, given in defaults.items()]
    single = [(word, frozenset({slot})) for word, slots in lines for slot in defaults[word]]
    return lines + [part for part in single if part not in lines]


def without(defaults: Defaults, word: str, slots: Collection[str]) -> Defaults:
    """The defaults without some settings of a line, and without the line if nothing is left of it."""
    rest = {slot: value for slot, value in defaults.get(word, {}).items() if slot not in slots}
    return {
        other: rest if other == word else v
        for other, v in defaults.items()
        if other != word or rest
    }


def _key(item: Item) -> Any:
    return item.word, item.values, item.times != 1, len(item.kids)


def _settings(
    word: str,
    steps: list[tuple[Item, int]],
    writer: Callable[[Defaults], Writer],
    others: Defaults,
) -> dict[str, Any]:
    values: dict[str, Counter[Any]] = {}
    for item, times in steps:
        if item.word not in REGISTRY:
            continue
        for slot, value in zip(item.slots, item.values, strict=True):
            kind = REGISTRY[item.word]
            if slot in _OWN or slot in kind.order or bound(value):
                continue
            if isinstance(kind.params.get(slot), Reference):
                continue  # a tensor is made where it is read
            if slot in REGISTRY[word].params and missing(word, slot) not in forms(value):
                values.setdefault(slot, Counter()).update(dict.fromkeys(forms(value), times))
    bare = [(_bare(item), times) for item, times in steps]

    def cost(settings: dict[str, Any]) -> int:
        writing = writer(others | {word: settings})
        size = tokens(f"default {word}(" + ",".join(f"{k}=v" for k in settings) + ")")
        size += sum(tokens(writing.value(value)) - 1 for value in settings.values())
        size += sum(tokens("; ".join(writing.steps(i))) * times for i, times in bare)
        # Each would be a fork of its own.
        size += 12 * len(writing.misfits)
        return size if settings else size - 4

    best: dict[str, Any] = {}
    least = cost(best)
    for _ in range(3):
        before = least
        tries = [{slot: v} for slot, found in values.items() for v, _ in found.most_common(3)]
        pairs = [
            {"norm": n, "act": a}
            for n, _ in values.get("norm", Counter()).most_common(2)
            for a, _ in values.get("act", Counter()).most_common(2)
        ]
        for more in [*pairs, *tries]:
            now = cost(best | more)
            if now < least:
                best, least = best | more, now
        for slot in list(best):
            less = {k: v for k, v in best.items() if k != slot}
            if (now := cost(less)) < least:
                best, least = less, now
        if least == before:
            break
    return best


def _bare(item: Item) -> Item:
    """The step without what is in its braces and without its name, which cost the same always."""
    kids = item.kids
    bare = Item(item.word, item.slots, item.values, start=item.start, result=item.result)
    bare.times, bare.way = item.times, item.way
    if item.get(PROJECTION) is not None:
        bare.kids = tuple(type(kid)([], kid.entry) for kid in kids)
    return bare
