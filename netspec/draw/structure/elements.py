"""What pictures show: chains, blocks, branches, skips, repeats."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Union

from netspec.draw.structure.labels import data_inputs, is_join
from netspec.foundation.records import record
from netspec.graph.checked import Call, Node, Value
from netspec.sizes.shapes import TensorType


@record(eq=False, slots=False)
class Step:
    """One drawn layer: a node and the normalisation and activation merged into it.

    `blocks` are those of these that are blocks of the net's own, drawn by their names. `told` are the
    tensors that it reads by name and has no line from.
    """

    nodes: tuple[Node, ...]
    blocks: tuple[Block, ...] = ()
    told: tuple[Value, ...] = ()

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
    """One call of a block with what it does inside.

    `opening` are the types of the tensors that it reads, which are `reading`, `closing` the tensors
    that it gives, where those are several. `result` is the name of what it gives, where it has one.
    """

    call: Call
    path: str
    body: Series
    nodes: tuple[Node, ...]
    opening: tuple[TensorType, ...]
    reading: tuple[Value, ...] = ()
    closing: tuple[Value, ...] = ()
    result: str = ""

    @property
    def name(self) -> str:
        """The last component of its path."""
        return self.path.rpartition(".")[2]

    @property
    def is_named(self) -> bool:
        """Whether its name was given to it, and is not that of the block and a number."""
        return not self.name.removeprefix(self.call.block).isdigit()

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
    def only(self) -> Element | None:
        """What the block holds where that is nothing but another block, or its repeats."""
        if len(self.body.items) != 1 or self.body.asides:
            return None
        item = self.body.items[0]
        inner = item.element if isinstance(item, Repeat) else item
        return item if isinstance(inner, Block) else None

    @property
    def head(self) -> bool:
        """Whether it is a training-only head."""
        return self.nodes[0].head == self.path


@record(eq=False, slots=False)
class Series:
    """One element after another.

    `arcs` are further connections (from, to) that pass elements by, as indices of `items`; -1 is
    what flows in and `len(items)` what flows out. `asides` hang off an item: training-only heads.
    `makers` stand apart: each makes tensors that are read by their names.
    """

    items: tuple[Element, ...]
    arcs: tuple[tuple[int, int], ...] = ()
    asides: tuple[tuple[int, Block], ...] = ()
    makers: tuple[Series, ...] = ()


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
    """Connections that are neither chains nor branches: edges between items, -1 in and n out.

    `ports` say for each edge which of the tensors that its source gives it carries, and which of
    those that its target reads; `entries` and `exits` are how many flow in and out side by side.
    """

    items: tuple[Element, ...]
    edges: tuple[tuple[int, int], ...]
    ports: tuple[tuple[int, int], ...]
    entries: int = 1
    exits: int = 1


@record(eq=False, slots=False)
class Port:
    """One of several tensors that flow into a block, by its number or by a name."""

    number: int
    value: Value
    name: str = ""


@record(eq=False, slots=False)
class Repeat:
    """`element` n times over; `note` says how the first differs from it.

    Copies that are `abreast` stand side by side: each reads tensors of its own and gives its own.
    """

    element: Element
    count: int
    note: str = ""
    copies: tuple[Element, ...] = ()
    abreast: bool = False


@record(eq=False, slots=False)
class Omitted:
    """What a picture of a very long chain leaves out."""

    nodes: tuple[Node, ...]


Element = Union[Step, Block, Series, Parallel, Tangle, Port, Repeat, Omitted]


def reads(element: Element) -> int:
    """How many tensors flow into an element side by side."""
    match element:
        case Block():
            return max(1, len(element.opening))
        case Repeat(element=Block() as block) if block.call.recurrent:
            # All of what flows into the passes of a recurrence is drawn as one.
            return 1
        case Repeat():
            return reads(element.element) * (element.count if element.abreast else 1)
        case Series() if element.items:
            return reads(element.items[0])
        case Tangle():
            return element.entries
    return 1


def gives(element: Element) -> int:
    """How many tensors flow out of an element side by side."""
    match element:
        case Block():
            return max(1, len(element.closing))
        case Repeat():
            return gives(element.element) * (element.count if element.abreast else 1)
        case Series() if element.items:
            return gives(element.items[-1])
        case Tangle():
            return element.exits
    return 1


def nodes_of(element: Element) -> tuple[Node, ...]:
    """The nodes an element draws, in order."""
    match element:
        case Step() | Block() | Omitted():
            return element.nodes
        case Series():
            aside = [n for _, block in element.asides for n in block.nodes]
            parts = (*element.items, *element.makers)
            return (*(n for item in parts for n in nodes_of(item)), *aside)
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
                    inner += (*item.items, *item.makers)
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
            aside = (block for _, block in element.asides)
            for item in (*element.items, *aside, *element.makers):
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


def begins(element: Element) -> bool:
    """Whether an element reads nothing that flows in: an input, a table, a port of a block."""
    match element:
        case Step():
            return all(value in element.told for value in data_inputs(element.node))
        case Block():
            return not element.opening
        case Series():
            return bool(element.items) and begins(element.items[0])
        case Parallel():
            return not element.opens
        case Tangle():
            return all(begins(element.items[b]) for a, b in element.edges if a < 0)
        case Repeat():
            # The first alone may read what is told by name.
            return begins((*element.copies, element.element)[0])
        case Port():
            return True
    return False
