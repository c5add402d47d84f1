"""What two items have in common: what is written, read and done; and blocks that hold the same."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence

from netspec.analysis.difference.marks import Bundle, Item, Side
from netspec.analysis.difference.sequences import aligned
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


def opened(side: Side, items: Sequence[Item], others: Sequence[Item]) -> list[Item]:
    """The items with what they hold in place of calls that were put around one of the others.

    Those are of blocks that none of the others is of, and hold a step that is written as one of them is.
    """
    words = {text_of(item) for item in others}
    kinds = {kind_of(first_of(item)) for item in others}
    found: list[Item] = []
    for item in items:
        inner = side.children[item] if isinstance(item, Call) and item.block not in kinds else []
        found += inner if any(text_of(part) in words for part in inner) else [item]
    return found


def calls_of(ahead: dict[Node, Node]) -> dict[Call, Call]:
    """The calls of the first graph by those of the second that hold most of the same nodes."""
    votes: dict[Call, Counter[Call]] = defaultdict(Counter)
    both = Counter((x.call, y.call) for x, y in ahead.items())
    for (one, other), count in both.items():
        if one is not None and other is not None:
            for c, d in _levels([*one.ancestors()][::-1], [*other.ancestors()][::-1]):
                votes[c][d] += count
    best: dict[Call, tuple[int, Call]] = {}
    for c, counts in votes.items():
        d, count = counts.most_common(1)[0]
        if d not in best or best[d][0] < count:
            best[d] = (count, c)
    return {c: d for d, (_, c) in best.items()}


def _levels(mine: list[Call], theirs: list[Call]) -> Iterator[tuple[Call, Call]]:
    """Which calls around a node of the first graph are which around one of the second, outermost first.

    Where one has more, those that are written alike, and between them those of one block.
    """
    if len(mine) == len(theirs):
        yield from zip(mine, theirs, strict=True)
        return
    i = j = 0
    found = aligned([text_of(c) for c in mine], [text_of(d) for d in theirs])
    for k, m in [*found, (len(mine), len(theirs))]:
        between = aligned([c.block for c in mine[i:k]], [d.block for d in theirs[j:m]])
        yield from ((mine[i + p], theirs[j + q]) for p, q in between)
        if k < len(mine):
            yield mine[k], theirs[m]
        i, j = k + 1, m + 1
