"""Which tensors a picture names in place of lines: those without whose lines much more stands in a row."""

from __future__ import annotations

from functools import lru_cache

from netspec.draw.structure.elements import Block, Element, Parallel, Repeat, Series, Tangle
from netspec.draw.structure.reading import structure
from netspec.draw.structure.repeats import fold
from netspec.draw.structure.telling import NOTHING, Telling, tellable
from netspec.graph.checked import Graph

# So many lines between boxes that are in no row are a picture, and what must be left of more.
_FEW, _LEFT = 24, 0.5


@lru_cache(maxsize=64)
def telling(graph: Graph) -> Telling:
    """What is told of a net by name, where that spares at least half of the lines in its tangles."""
    found = tellable(graph)
    if not found.names:
        return NOTHING
    before = _lines(fold(structure(graph)))
    if before < _FEW:
        return NOTHING
    after = _lines(fold(structure(graph, telling=found)))
    return found if after <= _LEFT * before else NOTHING


def _lines(element: Element) -> int:
    """How many lines run between boxes that stand in no row."""
    match element:
        case Block():
            return _lines(element.body)
        case Series():
            inside = (*element.items, *element.makers)
            return sum(map(_lines, inside))
        case Parallel():
            return sum(map(_lines, element.branches))
        case Tangle():
            return len(element.edges) + sum(map(_lines, element.items))
        case Repeat():
            return _lines(element.element)
    return 0
