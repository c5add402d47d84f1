"""Encoder-decoder nets as a U: down on the left, up on the right, skips across."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from math import inf

from netspec.draw.structure.elements import Element, Parallel, Series, nodes_of
from netspec.draw.structure.hourglass import hourglass
from netspec.draw.structure.labels import data_inputs, is_join
from netspec.foundation.records import record
from netspec.graph.checked import Graph, Node
from netspec.ops.declare.source import Input
from netspec.sizes.dims import Dim
from netspec.sizes.shapes import TensorType, numel

_INDENT, _ROWS, _MIDDLE = 26.0, 30.0, 90.0


@record
class Level:
    """One resolution: what runs before the way down, what crosses, what runs after the way up.

    What the last `kept` elements on the left give crosses.
    """

    left: tuple[Element, ...]
    skips: tuple[Series, ...]
    right: tuple[Element, ...]
    kept: int = 1


@record
class U:
    """A net that goes down and up again: its levels from the top, and what lies below them."""

    levels: tuple[Level, ...]
    bottom: tuple[Element, ...]


def u_shape(series: Series, graph: Graph) -> U | None:
    """The series as a U, or None where it does not go down and up again."""
    if any(_is_turned(nodes[-1]) for nodes in map(nodes_of, series.items) if nodes):
        return None
    levels: list[Level] = []
    while True:
        at = next((i for i, x in enumerate(series.items) if _dips(x, graph)), None)
        if at is None or series.arcs or series.asides:
            break
        parallel = series.items[at]
        assert isinstance(parallel, Parallel)
        deep = _deep(parallel, graph)
        join = () if parallel.join is None else (parallel.join,)
        right = (*join, *series.items[at + 1 :])
        if not series.items[:at] or not right:
            break
        skips = tuple(b for b in parallel.branches if b is not deep)
        levels.append(Level(series.items[:at], skips, right))
        assert deep is not None
        series = deep
    if not levels:
        found = hourglass(series, lambda node: _finite(node, graph))
        if found is None:
            return None
        sides, bottom = found
        return U(tuple(Level(left, (), right) for left, right in sides), bottom)
    if not series.items or series.arcs:
        return None
    return U(tuple(levels), series.items)


def _dips(element: Element, graph: Graph) -> bool:
    return isinstance(element, Parallel) and _deep(element, graph) is not None


def _deep(parallel: Parallel, graph: Graph) -> Series | None:
    """The one branch that goes down in resolution and comes up again."""
    found = [b for b in parallel.branches if b.items and _returns(b, graph)]
    return found[0] if len(found) == 1 and len(parallel.branches) > 1 else None


def _returns(series: Series, graph: Graph) -> bool:
    """Whether the places of what its steps and blocks give become fewer, and then more again.

    What a block does inside is its own affair: places there may be those of tables, or of an index.
    """
    repeated = _repeated(graph)
    ends = [node for node in _ends(series) if node not in repeated]
    areas = [area_of(node.types[0], graph) for node in ends]
    if any(map(_is_turned, ends)):
        return False
    return bool(areas) and areas[-1] < inf and min(areas) * 1.5 < areas[-1]


def _ends(series: Series) -> Iterator[Node]:
    """The last nodes of the items of a series, and of those that one line passes by."""
    for item in series.items:
        if isinstance(item, Parallel) and any(not branch.items for branch in item.branches):
            for branch in item.branches:
                yield from _ends(branch)
        yield from nodes_of(item)[-1:]


def _is_turned(node: Node) -> bool:
    """Whether a node only gives axes another order: how long the places are then is no resolution."""
    given = node.types[0].shape
    read = node.inputs[0].type.shape if len(node.inputs) == 1 else given
    return given != read and Counter(given) == Counter(read)


@lru_cache(maxsize=8)
def _repeated(graph: Graph) -> frozenset[Node]:
    """What a merge repeats over a larger map, as a squeeze's gates: no way down and up again.

    Nor is what comes of no input, as tables and what is computed from them.
    """
    found: set[Node] = set()
    for node in graph.nodes:
        if not isinstance(node.op, Input) and all(v.node in found for v in data_inputs(node)):
            found.add(node)
    for node in reversed(graph.nodes):
        area, readers = area_of(node.types[0], graph), graph.consumers[node]
        if readers and all(
            reader in found or (is_join(reader) and area_of(reader.types[0], graph) > area)
            for reader in readers
        ):
            found.add(node)
    return frozenset(found)


def _finite(node: Node, graph: Graph) -> float:
    """The area of what a node gives; a vector is smaller than any map."""
    area = area_of(node.types[0], graph)
    return area if area < inf else 0.5


def area_of(kind: TensorType, graph: Graph) -> float:
    """How many places a tensor has, with the nominal sizes of a graph; infinite for a vector."""
    areas, spatial = _areas(graph), kind.spatial
    if spatial not in areas:
        areas[spatial] = _area(spatial, graph)
    return areas[spatial]


@lru_cache(maxsize=8)
def _areas(graph: Graph) -> dict[tuple[Dim, ...], float]:
    """The areas of a graph that were asked for: a picture's layouts ask for few, and often."""
    return {}


def _area(spatial: tuple[Dim, ...], graph: Graph) -> float:
    size = graph.nominal(numel(spatial)) if spatial else inf
    if isinstance(size, int | float):
        return size
    # Symbols that stay open count alike: their nominal size does not matter for a comparison.
    from netspec.sizes.dims import substitute, symbols_of

    value = substitute(size, dict.fromkeys(symbols_of(size), 1024))
    return value if isinstance(value, int) else inf
