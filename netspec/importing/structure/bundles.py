"""Branches that do the same to each tensor of a bundle by the same weights: said once, in a loop over it."""

from __future__ import annotations

from netspec.importing.structure.sharing import Ties
from netspec.importing.structure.sizes import Leaf
from netspec.importing.structure.terms import (
    EACH,
    FORK,
    IDENTITY,
    REFERENCE,
    Chain,
    Item,
    Mark,
    Piece,
    Ref,
)
from netspec.importing.structure.unify import leaves


def looped(chain: Chain, ties: Ties) -> None:
    """Rewrites a chain and all in its braces."""
    for item in chain.items:
        for kid in item.kids:
            looped(kid, ties)
    items: list[Item] = []
    for item in chain.items:
        if items and _alike(items[-1], item, ties):
            items.append(_loop(items[-1], item))
            item.kids = ()
            if item.word == FORK:
                continue
        items.append(item)
    chain.items = items


def _alike(before: Item, item: Item, ties: Ties) -> bool:
    """Whether the branches of a step are one, run on each tensor of the bundle that the step before makes."""
    if item.single or (item.label is not None and item.word == FORK) or len(item.kids) < 2:
        return False
    if before.word in (REFERENCE, FORK, IDENTITY) or not before.nodes:
        return False
    if len(before.nodes[-1].outputs) != len(item.kids) or before.result is not None:
        return False
    first, *others = item.kids
    if not first.items or first.items[0].word == REFERENCE or not ties.one([*item.kids]):
        return False
    told = _told(first)
    return not any(leaf.flows for leaf in told) and all(
        _shape(kid) == _shape(first) and _values(_told(kid)) == _values(told) for kid in others
    )


def _told(kid: Chain) -> list[Leaf]:
    return leaves(Piece(kid, 0, len(kid.items)))


def _values(told: list[Leaf]) -> list[tuple[type, object]]:
    return [(type(leaf.value), leaf.value) for leaf in told]


def _shape(kid: Chain) -> tuple[object, ...]:
    return tuple((item.word, item.slots, tuple(map(_shape, item.kids))) for item in kid.items)


def _loop(before: Item, item: Item) -> Item:
    """The loop, whose steps make the nodes of all the branches."""
    before.label = before.label or Mark()
    first, *others = item.kids
    for kid in others:
        for step, other in zip(first.walk(), kid.walk(), strict=True):
            step.nodes += other.nodes
    return Item(EACH, ("bundle",), (Ref(before.label),), (first,), single=False)
