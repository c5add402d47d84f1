"""What the lines of one picture carry: shapes, where they come from and where they lead."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field

from netspec.draw.formats.connections import Connection
from netspec.draw.formats.facts import Facts, Reading
from netspec.draw.formats.states import Folded
from netspec.draw.structure.elements import Block
from netspec.draw.structure.labels import shape
from netspec.draw.structure.opening import spanned
from netspec.foundation.records import record
from netspec.graph.checked import Node
from netspec.sizes.shapes import TensorType

# What is drawn once, by the path it is drawn with.
Copies = Mapping[str, Folded]


@record(eq=False)
class Carrying:
    """What lines of a picture of a net carry; `copies` are the repeats that it shows once."""

    facts: Facts
    copies: Copies
    # What has been asked for before: lines of a picture meet at the same blocks.
    _drawn: dict[str, Reading] = field(default_factory=dict)
    _homes: dict[str, dict[Node, int]] = field(default_factory=dict)
    # Steps that follow each other in a repeat: those of all its copies, and in which place a node is.
    _places: dict[Node, tuple[Folded, int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for repeat in self.copies.values():
            for nodes in repeat.nodes:
                for place, node in enumerate(nodes):
                    self._places.setdefault(node, (repeat, len(nodes), place))

    def of(self, connection: Connection) -> str:
        """The shapes on a line, then where it comes from and where it leads."""
        sources, targets = connection.sources, connection.targets
        block = connection.around[-1] if connection.around else ""
        types = self._between(sources, targets)
        for path in connection.around if sources else ():
            if path in self.copies and not self._holds(path, sources):
                # All but the first copy read what the copy before gives.
                sources = (*sources, path)
                types += self._from_copy_to_copy(path, targets)
        elements = self.facts.elements
        if not types and not targets and not block:
            types = [elements[path].type for path in sources if path in elements]
        elif not types:
            types = self._crossing(block, entering=not sources)
        shapes = " or ".join(dict.fromkeys(shape(kind) for kind in types))
        start = " and ".join(said(path, self.copies) for path in sources)
        end = " and ".join(said(path, self.copies) for path in targets)
        start = start or f"what enters {said(block, self.copies) or 'the net'}"
        end = end or f"what leaves {said(block, self.copies) or 'the net'}"
        return f"{shapes}\n{start} → {end}".strip()

    def _between(self, sources: Sequence[str], targets: Iterable[str]) -> list[TensorType]:
        made = frozenset[Node]().union(*(self._at(path).nodes for path in sources))
        read = (value for path in targets for _, value in self._at(path).reads)
        return [value.type for value in read if value.node in made]

    def _from_copy_to_copy(self, block: str, targets: Iterable[str]) -> list[TensorType]:
        """What the copies of a block read of each other, where the line leads."""
        home = self._home(block)
        read = ((home.get(n), v) for path in targets for n, v in self._at(path).reads)
        return [v.type for here, v in read if here and home.get(v.node, here) != here]

    def _crossing(self, block: str, *, entering: bool) -> list[TensorType]:
        """What flows into a block from outside, or out of it."""
        element = self.facts.elements.get(block)
        if not isinstance(element, Block):
            return []
        return [*element.opening] if entering else [element.type]

    def _holds(self, block: str, paths: Iterable[str]) -> bool:
        """Whether any of these is in the copy that is drawn of a repeat."""
        if not self.copies[block].nodes:
            return any(_is_in(block, path) for path in paths)
        inside = self._home(block).keys()
        return any(
            path != block and node in inside for path in paths for node in self.facts.nodes[path]
        )

    def _home(self, block: str) -> dict[Node, int]:
        """The nodes of a repeat, with the number of the copy that each is in."""
        if block not in self._homes:
            repeat = self.copies[block]
            each = repeat.nodes or [self.facts.nodes.get(path, ()) for path in repeat.copies]
            self._homes[block] = {node: i for i, nodes in enumerate(each, 1) for node in nodes}
        return self._homes[block]

    def _at(self, path: str) -> Reading:
        if path not in self._drawn:
            self._drawn[path] = self.facts.reading(tuple(self._nodes(path)))
        return self._drawn[path]

    def _nodes(self, path: str) -> list[Node]:
        """What is drawn at a path: in a repeat that is folded, the nodes of every copy."""
        if path in self.copies and self.copies[path].nodes:
            return [node for nodes in self.copies[path].nodes for node in nodes]
        paths = [path]
        for shown, repeat in self.copies.items():
            if _is_in(shown, path) and not repeat.nodes:
                paths = [copy + p[len(shown) :] for p in paths for copy in repeat.copies]
        own = (node for p in paths for node in self.facts.nodes.get(p, ()))
        return [same for node in own for same in self._counterparts(node)]

    def _counterparts(self, node: Node) -> list[Node]:
        """A node of a copy of steps that follow each other, and those in its place in the other copies."""
        if node not in self._places:
            return [node]
        repeat, size, place = self._places[node]
        return [other[place] for other in repeat.nodes if len(other) == size]


def said(path: str, copies: Copies) -> str:
    """A path, with the first copy of what is drawn once: `bottleneck1…3.conv2`."""
    if path in copies and (nodes := copies[path].nodes):
        return f"{nodes[0][0].path}…{nodes[-1][-1].path}"
    for shown, repeat in copies.items():
        if _is_in(shown, path) and shown in repeat.copies and not repeat.nodes:
            return spanned(repeat.copies[0], shown) + path[len(shown) :]
    return path


def _is_in(block: str, path: str) -> bool:
    return path == block or path.startswith(f"{block}.")
