"""What two items have in common: what is written, read and done; and blocks that hold the same."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable

from netspec.analysis.difference.marks import Bundle, Item, Side
from netspec.graph.checked import Call, Node


def text_of(item: Item) -> tuple[object, str]:
    """What is written for an item, and of which kind it is."""
    main = first_of(item)
    return kind_of(main), " ".join(main.span.text.split())


def read_by(side: Side, item: Item, known: dict[Node, int]) -> Hashable:
    """Which paired tensors an item reads from outside of it."""
    nodes = side.nodes_of(item)
    inside = set(nodes)
    read = [v for node in nodes for v in node.inputs if v.node not in inside]
    if any(v.node not in known for v in read):
        # What is not paired is nothing that could be equal.
        return id(item)
    return tuple(dict.fromkeys((known[v.node], v.index) for v in read))


def place_of(side: Side, item: Item) -> Hashable:
    """Where an item is written, the same for the same word in both texts, and of which kind it is."""
    main = first_of(item)
    return kind_of(main), side.place(main.span)


TURNS: tuple[Callable[[Side, Item, dict[Node, int]], Hashable], ...] = (
    lambda side, item, known: (text_of(item), place_of(side, item)),
    lambda side, item, known: (text_of(item), read_by(side, item, known)),
    lambda side, item, known: text_of(item),
    lambda side, item, known: place_of(side, item),
    lambda side, item, known: side.content(item),
)


def first_of(item: Item) -> Node | Call:
    """The step of an item, without what follows it."""
    return item.nodes[0] if isinstance(item, Bundle) else item


def last_of(item: Item) -> Node:
    """The last node of a step."""
    assert not isinstance(item, Call)
    return item.nodes[-1] if isinstance(item, Bundle) else item


def is_counted(node: Node) -> bool:
    """Whether a step has no name of its own, but that of its kind and a number."""
    return node.name.rstrip("0123456789") == node.op.spelling


def kind_of(item: Node | Call) -> object:
    """The operator of a node, the block of a call."""
    return item.block if isinstance(item, Call) else type(item.op)


def calls_of(ahead: dict[Node, Node]) -> dict[Call, Call]:
    """The calls of the first graph by those of the second that hold most of the same nodes."""
    votes: dict[Call, Counter[Call]] = defaultdict(Counter)
    for x, y in ahead.items():
        mine = list(x.call.ancestors())[::-1] if x.call else []
        theirs = list(y.call.ancestors())[::-1] if y.call else []
        if len(mine) == len(theirs):
            for c, d in zip(mine, theirs, strict=True):
                votes[c][d] += 1
            continue
        named = {(d.block, _nth(theirs, k)): d for k, d in enumerate(theirs)}
        for k, c in enumerate(mine):
            if (other := named.get((c.block, _nth(mine, k)))) is not None:
                votes[c][other] += 1
    best: dict[Call, tuple[int, Call]] = {}
    for c, counts in votes.items():
        d, count = counts.most_common(1)[0]
        if d not in best or best[d][0] < count:
            best[d] = (count, c)
    return {c: d for d, (_, c) in best.items()}


def _nth(chain: list[Call], k: int) -> int:
    return sum(call.block == chain[k].block for call in chain[:k])
