"""Which layers and blocks use the weights of others."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from netspec.draw.structure.elements import blocks_of
from netspec.draw.structure.reading import structure
from netspec.foundation.records import record
from netspec.graph.checked import Call, Graph, Node


@record(eq=False)
class Sharing:
    """By the path of each layer or block that uses another's weights, that of the other.

    Inside a block that does so as a whole, nothing is said again. `numbers` are those of the others,
    and of who uses them, counted from 0 in the order of use: one for all uses of the same weights.
    `drawn` are the paths of the blocks that have boxes.
    """

    sources: dict[str, str]
    numbers: dict[str, int]
    drawn: frozenset[str]

    def words(self, path: str) -> str:
        """`weights of left` for what uses those of another, else nothing."""
        source = self.sources.get(path)
        if source is None:
            return ""
        ours, theirs = path.split("."), source.split(".")
        while len(theirs) > 1 and ours[:1] == theirs[:1]:
            ours, theirs = ours[1:], theirs[1:]
        return f"weights of {'.'.join(theirs)}"

    def marks(self, nodes: Iterable[Node]) -> dict[Node, str]:
        """The number of the weights of each layer that shares them, as text.

        Where all that use them stand in one block, it is the path of the first in there: copies of
        that block, each of which shares its own, are marked alike.
        """
        inside: dict[int, list[str]] = {}
        for path, number in self.numbers.items():
            around = _above(path)
            inside[number] = [p for p in inside.get(number, around) if p in around]
        first = {number: path for path, number in reversed(self.numbers.items())}
        texts = {
            n: str(n) if not around else first[n][len(around[-1]) :] for n, around in inside.items()
        }
        found = {}
        for node in nodes:
            paths = (path for path in (*_above(node.path), node.path) if path in self.numbers)
            for path in paths:
                found[node] = texts[self.numbers[path]]
        return found

    def name(self, path: str) -> str:
        """What a layer whose weights others use is called: its path inside the box it stands in."""
        if path not in self.sources.values() or path in self.drawn:
            return ""
        around = [above for above in _above(path) if above in self.drawn]
        return path[len(around[-1]) + 1 :] if around else path


@lru_cache(maxsize=16)
def sharing(graph: Graph) -> Sharing:
    """Who uses whose weights; the passes of a recurrence, which all use the same, are not meant."""
    if all(node.owner == node.path for node in graph.nodes):
        return Sharing({}, {}, frozenset())
    weighty = [n for n in graph.nodes if n.op.weights(*n.input_types) and not _recurs(n)]
    drawn = frozenset(block.path for block in blocks_of(structure(graph)))
    whole = _whole(weighty, drawn)
    sources: dict[str, str] = {}
    for node in weighty:
        if node.owner != node.path:
            path = next((path for path in _above(node.path) if path in whole), node.path)
            sources.setdefault(path, whole.get(path, node.owner))
    numbers: dict[str, int] = {}
    for path, source in sources.items():
        number = numbers.setdefault(source, len(set(numbers.values())))
        numbers[path] = number
    return Sharing(sources, numbers, drawn)


def _whole(weighty: list[Node], drawn: frozenset[str]) -> dict[str, str]:
    """Blocks all of whose weights are those of an earlier block, layer by layer, and which that is."""
    held: dict[str, list[tuple[str, str]]] = {}
    for node in weighty:
        for path in drawn.intersection(_above(node.path)):
            held.setdefault(path, []).append((node.path[len(path) :], node.owner))
    found: dict[str, str] = {}
    first: dict[tuple[tuple[str, str], ...], str] = {}
    for path, weights in held.items():
        source = first.setdefault(tuple(weights), path)
        if source != path:
            found[path] = source
    return found


def _above(path: str) -> list[str]:
    """The paths of the blocks around what has this path, the outermost first."""
    parts = path.split(".")[:-1]
    return [".".join(parts[: i + 1]) for i in range(len(parts))]


def _recurs(node: Node) -> bool:
    calls: list[Call] = list(node.call.ancestors()) if node.call else []
    return any(call.recurrent for call in calls)
