"""What pictures show: chains, blocks, branches, skips, repeats."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Union

from netspec.draw.structure.labels import is_join
from netspec.foundation.records import record
from netspec.graph.checked import Call, Node, Value
from netspec.sizes.shapes import TensorType


@record(eq=False, slots=False)
class Step:
    """One drawn layer: a node and the normalisation and activation merged into it."""

    nodes: tuple[Node, ...]

    @property
    def node(self) -> Node:
        """The layer itself, without what is merged into it."""
        return self.nodes[0]

    @property
    def type(self) -> TensorType:
        """The type of what the step gives."""
        return self.nodes[-1].types[0]

    @property
    def joins(self) -> bool:
        """Whether several tensors meet in it."""
        return is_join(self.node)


@record(eq=False, slots=False)
class Block:
    """One call of a block with what it does inside."""

    call: Call
    path: str
    body: Series
    nodes: tuple[Node, ...]
    opening: tuple[TensorType, ...]

    @property
    def name(self) -> str:
        """The last component of its path."""
        return self.path.rpartition(".")[2]

    @cached_property
    def own(self) -> tuple[Node, ...]:
        """Its nodes without those of training-only heads inside it; all, if it has no others."""
        inside = f"{self.path}."
        own = tuple(n for n in self.nodes if n.head is None or not n.head.startswith(inside))
        return own or self.nodes

    @property
    def type(self) -> TensorType:
        """The type of what the block gives."""
        return self.own[-1].types[0]

    @property
    def head(self) -> bool:
        """Whether it is a training-only head."""
        return self.nodes[0].head == self.path


@record(eq=False, slots=False)
class Series:
    """One element after another.

    `arcs` are further connections (from, to) that pass elements by, as indices of `items`; -1 is
    what flows in and `len(items)` what flows out. `asides` hang off an item: training-only heads.
    """

    items: tuple[Element, ...]
    arcs: tuple[tuple[int, int], ...] = ()
    asides: tuple[tuple[int, Block], ...] = ()


@record(eq=False, slots=False)
class Parallel:
    """Branches side by side; an empty one is a skip. `join` merges them where the graph does.

    `opens` is false where the branches start at the net's inputs, `closes` where they are outputs.
    """

    branches: tuple[Series, ...]
    join: Step | None
    opens: bool = True
    closes: bool = True


@record(eq=False, slots=False)
class Tangle:
    """Connections that are neither chains nor branches: edges between items, -1 in and n out."""

    items: tuple[Element, ...]
    edges: tuple[tuple[int, int], ...]


@record(eq=False, slots=False)
class Port:
    """One of several tensors that flow into a block."""

    number: int
    value: Value


@record(eq=False, slots=False)
class Repeat:
    """`element` n times over; `note` says how the first differs from it."""

    element: Element
    count: int
    note: str = ""
    copies: tuple[Element, ...] = ()


@record(eq=False, slots=False)
class Omitted:
    """What a picture of a very long chain leaves out."""

    nodes: tuple[Node, ...]


Element = Union[Step, Block, Series, Parallel, Tangle, Port, Repeat, Omitted]


def nodes_of(element: Element) -> tuple[Node, ...]:
    """The nodes an element draws, in order."""
    match element:
        case Step() | Block() | Omitted():
            return element.nodes
        case Series():
            aside = [n for _, block in element.asides for n in block.nodes]
            return (*(n for item in element.items for n in nodes_of(item)), *aside)
        case Parallel():
            inside = [n for branch in element.branches for n in nodes_of(branch)]
            return (*inside, *(element.join.nodes if element.join else ()))
        case Tangle():
            return tuple(n for item in element.items for n in nodes_of(item))
        case Repeat():
            return tuple(n for item in element.copies or (element.element,) for n in nodes_of(item))
    return ()


def own_nodes_of(element: Element) -> tuple[Node, ...]:
    """The nodes whose figures an element tells: without training-only heads inside of it."""
    match element:
        case Block():
            return element.own
        case Repeat():
            copies = element.copies or (element.element,)
            return tuple(n for item in copies for n in own_nodes_of(item))
    return nodes_of(element)


def blocks_of(element: Element, *, heads: bool = False) -> Iterator[Block]:
    """Every block in an element, those of the outer levels first; with `heads` those of heads too."""
    level: list[Element] = [element]
    while level:
        inner: list[Element] = []
        for item in level:
            match item:
                case Block():
                    yield item
                    inner.append(item.body)
                case Series():
                    inner += item.items
                    inner += [block for _, block in item.asides] if heads else []
                case Tangle():
                    inner += item.items
                case Parallel():
                    inner += item.branches
                case Repeat():
                    inner.append(item.element)
        level = inner


def leaves_of(element: Element) -> Iterator[Step | Block]:
    """The layers and the blocks of one level, in no order."""
    match element:
        case Step() | Block():
            yield element
        case Series():
            for item in (*element.items, *(block for _, block in element.asides)):
                yield from leaves_of(item)
        case Parallel():
            for branch in element.branches:
                yield from leaves_of(branch)
            if element.join is not None:
                yield element.join
        case Tangle():
            for item in element.items:
                yield from leaves_of(item)
        case Repeat():
            for item in element.copies:
                yield from leaves_of(item)
