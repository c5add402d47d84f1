"""Steps that say more: followers become arguments, merges of what has names take references,
a sum with what flows in is `residual`, and equal steps are counted."""

from __future__ import annotations

from typing import Any

from netspec.importing.structure.sharing import Ties
from netspec.importing.structure.steps import FROZEN, layer
from netspec.importing.structure.terms import REFERENCE, RESIDUAL, Chain, Free, Item, forms
from netspec.ops.registry import REGISTRY
from netspec.ops.vectors.sources import reads_nothing
from netspec.ops.words import MODULES

_FOLLOWERS = {
    "norm": frozenset(MODULES["elementwise.norm"].split()),
    "act": frozenset(MODULES["elementwise.activation"].split()) - {"softmax", "log_softmax"},
}
# How a shortcut is made; the projection is `ANY` where there is none.
SHORTCUT, PROJECTION, ANY = "shortcut", "projection", None
_IDENTITY = Free(("auto", "pad", "same", "identity"))
_PROJECTED = Free(("auto", "project"))


def fused(chain: Chain, ties: Ties, *, projecting: bool = True) -> None:
    """Rewrites a chain and all in its braces; `projecting` leaves projections to `residual`."""
    for item in chain.items:
        for kid in item.kids:
            fused(kid, ties, projecting=projecting)
    items: list[Item] = []
    for item in chain.items:
        if not (items and _follow(items[-1], item, ties)):
            items.append(_residual(_referring(item), projecting))
    chain.items = items


def _follow(before: Item, item: Item, ties: Ties) -> bool:
    """Makes a step an argument of the one before, if it can be."""
    slot = next((slot for slot, words in _FOLLOWERS.items() if item.word in words), None)
    if slot is None or slot not in before.slots or before.label or before.get(slot) is not None:
        return False
    if slot == "norm" and before.get("act") is not None:
        return False
    if len(item.nodes[0].inputs) != 1 or not ties.together(before.nodes[0], item.nodes[0]):
        return False
    if item.get(FROZEN) != before.get(FROZEN) and item.nodes[0].op.weights(
        *item.nodes[0].input_types
    ):
        return False
    before.put(**{slot: layer(item)})
    before.result, before.label = item.result, item.label
    before.nodes += item.nodes
    return True


def _referring(item: Item) -> Item:
    """`add { | identity | @x }` as `add(@x)`, and what joins all that the wire carries as its word alone."""
    if item.kids and item.word in REGISTRY and REGISTRY[item.word].joins:
        first, *others = item.kids
        if not item.single and not any(kid.items for kid in item.kids):
            item.kids = ()
            return item
        if not first.items and all(_alone(kid) for kid in others):
            refs = tuple(kid.items[0].values[0] for kid in others)
            item.slots += tuple(f"@{i}" for i in range(len(refs)))
            item.values += refs
            item.kids = ()
    return item


def _alone(kid: Chain) -> bool:
    return len(kid.items) == 1 and kid.items[0].word == REFERENCE and kid.items[0].label is None


def _residual(item: Item, projecting: bool) -> Item:
    if item.word != "add" or len(item.kids) != 2 or item.start is None:
        return item
    for body, way in (item.kids, item.kids[::-1]):
        first = body.items[0] if body.items else None
        # What is made of nothing is no body of a shortcut.
        nothing = first is not None and any(reads_nothing(node.op) for node in first.nodes[:1])
        if first is not None and first.word != REFERENCE and not nothing:
            shortcut = _shortcut(item, body, way)
            if shortcut is not False and (projecting or "project" not in forms(shortcut[0])):
                item.word, item.kids, item.way = RESIDUAL, (body,), way
                item.slots, item.values = (SHORTCUT, PROJECTION), shortcut
                return item
    return item


def _shortcut(item: Item, body: Chain, way: Chain) -> Any:
    """How the shortcut is said, and what a projection is; False where `residual` has none like it."""
    assert item.start is not None
    assert item.result is not None
    into, out = item.start.type, item.result.type
    if not way.items:
        # What one of both is repeated for, `residual` would project.
        last = body.items[-1].result
        return (_IDENTITY, ANY) if last is not None and last.type.shape == into.shape else False
    words = [inner.word for inner in way.items]
    if any(inner.label is not None for inner in way.items):
        return False
    if words == ["conv"]:
        conv = way.items[0]
        given = dict(zip(conv.slots, conv.values, strict=True))
        plain = {"act": None, "groups": 1, "dilation": 1, "fixed": None}
        alike = all(given[name] == value for name, value in plain.items())
        unpadded = 0 in forms(given["pad"]) and given["pad_mode"] == "zeros"
        if given["kernel"] == 1 and alike and unpadded:
            how = "project" if into.shape == out.shape else _PROJECTED
            return how, (given["bias"], given["norm"], given[FROZEN])
    if words in (["subsample", "pad_channels"], ["pad_channels"]) and into.shape != out.shape:
        return "pad", ANY
    return False


def missing(word: str, slot: str) -> Any:
    """What an operator has for a parameter that is not given."""
    kind = REGISTRY[word]
    return kind.params[slot].default if slot in kind.params else (False if slot == FROZEN else None)
