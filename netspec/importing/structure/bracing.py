"""A map cut into parts and put together again: the steps between stand in the braces of `windows`."""

from __future__ import annotations

from collections import Counter
from typing import Any

from netspec.importing.structure.terms import IDENTITY, WINDOWS, Chain, Item, Ref
from netspec.ops.registry import REGISTRY

_SLOTS = tuple(REGISTRY["partition"].params)


def braced(chain: Chain) -> None:
    """Rewrites a chain and all in its braces; names that only the putting together read are dropped."""
    uses = Counter(v.value for item in chain.walk() for v in item.values if isinstance(v, Ref))
    freed: set[Any] = set()
    _braced(chain, uses, freed)
    for item in chain.walk():
        if item.label in freed and not uses[item.label]:
            item.label = None


def _braced(chain: Chain, uses: Counter[Any], freed: set[Any]) -> None:
    at = 0
    while at < len(chain.items):
        item = chain.items[at]
        for kid in item.kids:
            _braced(kid, uses, freed)
        first = _cut(chain.items[:at], item)
        if first is not None and _closed(chain.items[first + 1 : at], uses):
            whole = item.get("@0").value
            chain.items[first : at + 1] = [_windows(chain.items[first : at + 1])]
            uses[whole] -= 1
            freed.add(whole)
            at = first
        at += 1


def _cut(before: list[Item], item: Item) -> int | None:
    """The place of the step that cut what this one puts together."""
    if item.word != "reassemble" or not isinstance(item.get("@0"), Ref):
        return None
    for place in range(len(before) - 1, -1, -1):
        other = before[place]
        if other.word == "partition" and other.nodes[0].inputs[0] == item.nodes[0].inputs[1]:
            alike = all(other.get(slot) == item.get(slot) for slot in _SLOTS)
            # What flows into the braces is what was cut, and nothing of it is named.
            return place if alike and other.start == other.nodes[0].inputs[0] else None
    return None


def _closed(items: list[Item], uses: Counter[Any]) -> bool:
    """Whether what these steps name is read by them alone."""
    every = [item for top in items for item in top.walk()]
    own = Counter(v.value for item in every for v in item.values if isinstance(v, Ref))
    return all(own[i.label] == uses[i.label] for i in every if i.label is not None)


def _windows(items: list[Item]) -> Item:
    first, *body, last = items
    if first.label is not None:  # the parts themselves are read by name
        same = Item(IDENTITY, label=first.label, start=first.result, result=first.result)
        body = [same, *body]
    return Item(
        WINDOWS,
        _SLOTS,
        tuple(first.get(slot) for slot in _SLOTS),
        (Chain(body, first.result),),
        start=first.start,
        result=last.result,
        nodes=(*first.nodes, *last.nodes),
        label=last.label,
        single=first.single,
    )
