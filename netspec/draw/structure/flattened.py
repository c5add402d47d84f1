"""A net as one chain: what its blocks do, without boxes around, and which part each block is."""

from __future__ import annotations

from netspec.draw.structure.elements import Block, Element, Series
from netspec.foundation.records import record


@record(eq=False)
class Part:
    """The items that one block does: from `start` up to `end`, inside `level` others."""

    block: Block
    start: int
    end: int
    level: int


@record(eq=False)
class Flat:
    """Elements one after another.

    `arcs` and `asides` are those of a series, of all blocks together; `parts` say which block an
    item comes from, those of the outer blocks first.
    """

    items: tuple[Element, ...]
    arcs: tuple[tuple[int, int], ...]
    asides: tuple[tuple[int, Block], ...]
    parts: tuple[Part, ...]


def flattened(series: Series) -> Flat:
    """The series with its blocks taken apart, at every level.

    What is repeated stays whole, and so do blocks of several inputs, which say which is which.
    """
    found = _Flattening()
    found.add(series, 0)
    return Flat(
        tuple(found.items),
        tuple(dict.fromkeys(found.arcs)),
        tuple(found.asides),
        tuple(found.parts),
    )


class _Flattening:
    def __init__(self) -> None:
        self.items: list[Element] = []
        self.arcs: list[tuple[int, int]] = []
        self.asides: list[tuple[int, Block]] = []
        self.parts: list[Part] = []

    def add(self, series: Series, level: int) -> None:
        """Adds a series that is inside `level` blocks."""
        starts = []
        for item in series.items:
            starts.append(len(self.items))
            self._item(item, level)
        starts.append(len(self.items))
        # A connection leaves below the last item of what it comes from.
        self.arcs += [(starts[a + 1] - 1, starts[b]) for a, b in series.arcs]
        self.asides += [(starts[i + 1] - 1, head) for i, head in series.asides]

    def _item(self, item: Element, level: int) -> None:
        match item:
            case Block() if not is_entered_apart(item):
                start, place = len(self.items), len(self.parts)
                self.add(item.body, level + 1)
                self.parts.insert(place, Part(item, start, len(self.items), level))
            case Series():
                self.add(item, level)
            case _:
                self.items.append(item)


def is_entered_apart(block: Block) -> bool:
    """Whether several tensors flow into a block, which its ports tell apart."""
    return len(block.opening) > 1
