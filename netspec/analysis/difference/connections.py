"""What is found by its connections to what was paired, as where a block was written out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable

from netspec.analysis.difference.items import text_of
from netspec.analysis.difference.marks import Side
from netspec.analysis.difference.pairing import Pairing
from netspec.graph.checked import Node


def by_connections(found: Pairing) -> None:
    """Pairs what has the same connections to what is paired: by what it does, its kind, its place."""
    kinds = [
        {n: found.numbers.of((id(type(n.op)), side.file(n.span))) for n in side.graph.nodes}
        for side in (found.a, found.b)
    ]
    _set_aside(found)
    before = -1
    while len(found.ahead) != before:
        before = len(found.ahead)
        for words in ((found.a.told, found.b.told), (kinds[0], kinds[1])):
            for way in (Side.up, Side.down):
                _seeded(found, way, *words)
            _set_aside(found)
    _replaced(found)


def _set_aside(found: Pairing) -> None:
    """Leaves out steps that were moved: the same words in the same block, told the same."""
    both: list[dict[object, list[Node]]] = []
    for side, known in ((found.a, found.ahead), (found.b, found.taken)):
        words: dict[object, list[Node]] = defaultdict(list)
        for node in side.graph.nodes:
            if node not in known:
                block = node.call.block if node.call else ""
                words[block, text_of(node), side.told[node]].append(node)
        both.append(words)
    for key in both[0].keys() & both[1].keys():
        found.aside.update(both[0][key], both[1][key])


def _seeded(
    found: Pairing,
    way: Callable[[Side, dict[Node, int], dict[Node, int]], dict[Node, int]],
    first: dict[Node, int],
    second: dict[Node, int],
) -> None:
    seeds, theirs = dict(found.pair), dict(found.taken)
    found.equal_groups(way(found.a, seeds, first), way(found.b, theirs, second))


def _replaced(found: Pairing) -> None:
    """Pairs what stands in the place of something else: it reads the same and the same reads it."""
    places = defaultdict(list)
    mine, names = dict(found.pair), dict(found.taken)

    def place(side: Side, node: Node, known: dict[Node, int]) -> Hashable:
        read = tuple((known.get(v.node, -1), v.index) for v in node.inputs)
        users = tuple(sorted(known.get(u, -1) for u, _, _ in side.users[node]))
        if -1 in (number for number, _ in read) or -1 in users:
            return None
        return read, users, tuple(side.ends[node]), side.file(node.span)

    for node in found.b.graph.nodes:
        if (
            node not in names
            and node not in found.aside
            and (key := place(found.b, node, names)) is not None
        ):
            places[key].append(node)
    for node in found.a.graph.nodes:
        if (
            node not in mine
            and node not in found.aside
            and (key := place(found.a, node, mine)) is not None
        ):
            same = places.get(key, [])
            if len(same) == 1 and _may_be_one(found, node, same[0]):
                found.match(node, same.pop())


def _may_be_one(found: Pairing, x: Node, y: Node) -> bool:
    """Whether two steps are of one family, or no other steps of either statement are those of a third.

    A statement of which others are a third's is run more or less often.
    """
    if type(x.op).__module__ == type(y.op).__module__:
        return True
    mine, theirs = found.a.written_with(x), found.b.written_with(y)
    partners = [found.ahead[node] for node in mine if node in found.ahead]
    if not partners and not any(node in found.taken for node in theirs):
        return True
    return any(partner in theirs for partner in partners)
