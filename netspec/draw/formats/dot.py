"""A net as dot text: blocks as clusters, repeats folded where the style folds them.

Ids are netspec's own and labels are quoted text, so nothing a spec says can be read as dot.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import field
from itertools import count
from typing import Union

from netspec.diagnostics.records import printable
from netspec.draw.structure.elements import (
    Block,
    Element,
    Parallel,
    Repeat,
    Series,
    Step,
    Tangle,
    nodes_of,
)
from netspec.draw.structure.labels import data_inputs, label, shape
from netspec.draw.styles.fold import outline_of
from netspec.draw.view import View, tags
from netspec.foundation.records import record
from netspec.graph.checked import Call, Graph, Node


@record
class Vertex:
    """A node of dot, numbered as the first of the graph's nodes that it stands for."""

    number: int
    lines: tuple[str, ...]
    shut: bool = False


@record(eq=False)
class Cluster:
    """A frame around vertices and other frames."""

    title: str
    members: list[Member] = field(default_factory=list)


Member = Union[Vertex, Cluster]
# From, to, and what flows, where the edge is to say so.
Edge = tuple[int, int, str]


def exact(view: View, *, title: bool = True) -> str:
    """Exactly the graph's nodes and edges, a cluster around each block; edges give shapes.

    Node `n12` is `graph.nodes[12]`. A block that the view's depth closes is one node.
    """
    return _text(view.graph, *_Exact(view).drawn(), title=title)


def folded(view: View, *, title: bool = True) -> str:
    """What `fold` shows: a cluster around each open block and each repeat, of which one copy is drawn.

    Node `n12` begins with `graph.nodes[12]`. Edges between copies of a repeat are what its `×3` says.
    """
    return _text(view.graph, *_Folded(view).drawn(), title=title)


def _text(graph: Graph, members: Iterable[Member], edges: Iterable[Edge], *, title: bool) -> str:
    lines = ["digraph {"]
    lines += [f"  label={quoted(graph.name)};"] if title else []
    lines += ["  labelloc=t; node [shape=box];", *_members(members, "  ", count())]
    for tail, head, text in edges:
        lines.append(f"  n{tail} -> n{head}" + (f" [label={quoted(text)}];" if text else ";"))
    return "\n".join([*lines, "}", ""])


def _members(members: Iterable[Member], indent: str, numbers: Iterator[int]) -> Iterator[str]:
    for member in members:
        if isinstance(member, Vertex):
            look = ", style=filled" if member.shut else ""
            yield f"{indent}n{member.number} [label={quoted(*member.lines)}{look}];"
        else:
            yield f"{indent}subgraph cluster_{next(numbers)} {{"
            # Lines come in at the middle of the top.
            yield f"{indent}  label={quoted(member.title)}; labeljust=l;"
            yield from _members(member.members, f"{indent}  ", numbers)
            yield f"{indent}}}"


def quoted(*lines: str) -> str:
    """Lines of text as one dot string, which is never HTML, a record or an escape."""
    safe = []
    for line in lines:
        text = printable(line).replace("\\", "\\\\").replace('"', '\\"')
        # A label that begins with < would be HTML; the other signs are those of records.
        safe.append("".join(f"&#{ord(ch)};" if ch in "&<>{}|" else ch for ch in text))
    return '"' + "\\n".join(safe) + '"'


# --- every node


class _Exact:
    def __init__(self, view: View) -> None:
        self.view = view
        self.number = {node: i for i, node in enumerate(view.graph.nodes)}
        self.inside: dict[Call, list[Node]] = {}
        for node in view.graph.nodes:
            for call in _calls(node):
                self.inside.setdefault(call, []).append(node)

    def drawn(self) -> tuple[list[Member], list[Edge]]:
        """The frames and vertices, and the edges."""
        top = Cluster("")
        frames: dict[Call, Cluster | None] = {}
        homes: dict[Node, int] = {}
        for node, i in self.number.items():
            around: Cluster | None = top
            for depth, call in enumerate(_calls(node)):
                if call not in frames:
                    assert around is not None
                    frames[call] = self._opened(call, depth, around)
                around = frames[call]
                if around is None:
                    homes[node] = self.number[self.inside[call][0]]
                    break
            else:
                assert around is not None
                around.members.append(Vertex(i, (node.path, label(node), shape(node.types[0]))))
                homes[node] = i
        return top.members, list(self._edges(homes))

    def _opened(self, call: Call, depth: int, around: Cluster) -> Cluster | None:
        """The frame of a block; None where it is closed and so a vertex."""
        nodes = tuple(self.inside[call])
        path = ".".join(str(c.component) for c in [*_calls(nodes[0])][: depth + 1])
        block = Block(call, path, Series(()), nodes, ())
        title = f"{block.name}: {call.block}"
        if self.view.depth is None or self.view.is_open(block, path, depth):
            frame = Cluster(title)
            around.members.append(frame)
            return frame
        around.members.append(_vertex(self.view, block, self.number[nodes[0]], title))
        return None

    def _edges(self, homes: dict[Node, int]) -> Iterator[Edge]:
        shut = {home for node, home in homes.items() if home != self.number[node]}
        said: set[Edge] = set()
        for node, home in homes.items():
            for value in node.inputs:
                edge = homes[value.node], home, shape(value.type)
                if not shut.isdisjoint(edge[:2]):
                    if edge[0] == edge[1] or edge in said:
                        continue
                    said.add(edge)
                yield edge


def _vertex(view: View, element: Step | Block, number: int, text: str) -> Vertex:
    """A layer or a closed block with its figures."""
    figures = view.numbers(element, element.type)
    return Vertex(number, (text, figures) if figures else (text,), isinstance(element, Block))


def _calls(node: Node) -> list[Call]:
    """The blocks around a node that have names, the outermost first."""
    calls = [c for c in node.call.ancestors() if c.component] if node.call else []
    return calls[::-1]


# --- with repeats folded


class _Folded:
    def __init__(self, view: View) -> None:
        self.view = view
        self.number = {node: i for i, node in enumerate(view.graph.nodes)}
        self.homes: dict[Node, int] = {}
        # The repeats around each node, the outermost first, and which copy it is in.
        self.copies: dict[Node, tuple[tuple[Repeat, int], ...]] = {}
        self.bodies: dict[Repeat, frozenset[Node]] = {}

    def drawn(self) -> tuple[list[Member], list[Edge]]:
        """The frames and vertices, and the edges."""
        members = self._members(outline_of(self.view), 0)
        return members, list(dict.fromkeys(self._edges()))

    # frames

    def _members(self, element: Element, depth: int, times: str = "") -> list[Member]:
        match element:
            case Step():
                return [self._step(element, times)]
            case Block():
                return [self._block(element, depth, times)]
            case Repeat():
                return self._repeat(element, depth)
            case Parallel():
                join = [element.join] if element.join is not None else []
                return self._all([*element.branches, *join], depth)
            case Series():
                return self._all([*element.items, *(b for _, b in element.asides)], depth)
            case Tangle():
                return self._all(element.items, depth)
        return []

    def _all(self, elements: Iterable[Element], depth: int) -> list[Member]:
        return [member for element in elements for member in self._members(element, depth)]

    def _step(self, step: Step, times: str) -> Vertex:
        text = label(step.node, kernel="kernel" in self.view.show)
        return self._vertex(step, " · ".join((text, *tags(step))) + times)

    def _block(self, block: Block, depth: int, times: str) -> Member:
        name = block.call.block
        title = f"{name}{times}" if times else f"{block.name}: {name}"
        if self.view.is_open(block, block.path, depth):
            return Cluster(title, self._members(block.body, depth + 1))
        return self._vertex(block, title)

    def _vertex(self, element: Step | Block, text: str) -> Vertex:
        number = self.number[element.nodes[0]]
        self.homes |= dict.fromkeys(element.nodes, number)
        return _vertex(self.view, element, number, text)

    def _repeat(self, repeat: Repeat, depth: int) -> list[Member]:
        note = f", {repeat.note}" if repeat.note else ""
        times = f" ×{repeat.count}{note}"
        self.bodies[repeat] = frozenset(nodes_of(repeat.element))
        period = max(len(repeat.copies) // repeat.count, 1)
        for i, copy in enumerate(repeat.copies):
            for node in nodes_of(copy):
                self.copies[node] = (*self.copies.get(node, ()), (repeat, i // period))
        if isinstance(repeat.element, Step | Block):
            return self._members(repeat.element, depth, times)
        return [Cluster(times.strip(), self._members(repeat.element, depth))]

    # edges

    def _edges(self) -> Iterator[Edge]:
        for node in self.view.graph.nodes:
            for value in data_inputs(node):
                if not self._is_folded(value.node, node):
                    for tail in self._tails(value.node):
                        for head in self._heads(node):
                            if tail != head:
                                # Each box says what it gives.
                                yield tail, head, ""

    def _is_folded(self, a: Node, b: Node) -> bool:
        """Whether what flows goes from one copy of a repeat to another, or stays in one not drawn."""
        copies = dict(self.copies.get(a, ()))
        for repeat, i in self.copies.get(b, ()):
            if repeat in copies:
                body = self.bodies[repeat]
                if copies[repeat] != i or not (a in body or b in body):
                    return True
        return False

    def _tails(self, node: Node) -> list[int]:
        """Where what a node gives comes from: itself, or where it leaves the copy that is drawn."""
        if node in self.homes:
            return [self.homes[node]]
        body, users = self._body(node), self.view.graph.consumers
        leaving = (n for n in body if any(user not in body for user in users[n]))
        return sorted({home for n in leaving for home in self._tails(n)})

    def _heads(self, node: Node) -> list[int]:
        """Where what a node reads goes to: itself, or where it enters the copy that is drawn."""
        if node in self.homes:
            return [self.homes[node]]
        body = self._body(node)
        entered = (n for n in body if any(v.node not in body for v in data_inputs(n)))
        return sorted({home for n in entered for home in self._heads(n)})

    def _body(self, node: Node) -> frozenset[Node]:
        """The drawn copy of the outermost repeat that does not draw the node."""
        return next(
            body for repeat, _ in self.copies[node] if node not in (body := self.bodies[repeat])
        )
