"""Series-parallel decomposition of what one block holds.

Elements every path runs through divide a region into segments; the connected parts of a segment
are its branches. What cannot be divided is a chain with arcs where one path visits everything, and
a tangle otherwise.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from netspec.draw.structure.elements import (
    Block,
    Element,
    Parallel,
    Port,
    Repeat,
    Series,
    Step,
    Tangle,
    nodes_of,
)
from netspec.draw.structure.labels import data_inputs
from netspec.graph.checked import Graph, Node, Value

IN = -1
_DEEPEST = 16


def decompose(graph: Graph, children: list[Element], arrivals: tuple[Value, ...]) -> Series:
    """The children as a series. Several tensors that arrive get a port each."""
    heads = [c for c in children if isinstance(c, Block) and c.head]
    inner: list[Element] = [c for c in children if not (isinstance(c, Block) and c.head)]
    ports: list[Element] = []
    if len(arrivals) > 1:
        ports = [Port(i, value) for i, value in enumerate(arrivals, 1)]
    region = _Region(graph, [*ports, *inner])
    items = region.series(list(range(len(region.items))), IN, region.out)
    return _with_heads(_flat(items), heads)


def _flat(items: list[Element]) -> Series:
    """One series; the arcs of chains inside it become its own."""
    found: list[Element] = []
    arcs: list[tuple[int, int]] = []
    for item in items:
        if isinstance(item, Series):
            arcs += [(len(found) + a, len(found) + b) for a, b in item.arcs]
            found += item.items
        else:
            found.append(item)
    return Series(tuple(found), tuple(arcs))


def _with_heads(series: Series, heads: list[Block]) -> Series:
    for head in heads:
        series = _with_head(series, head)
    return series


def _with_head(series: Series, head: Block) -> Series:
    """The series with the head at the item that it reads, in a branch where it reads in one."""
    source = head.nodes[0].inputs[0].node
    home = next((i for i, item in enumerate(series.items) if source in nodes_of(item)), None)
    if home is None:
        return series
    item = series.items[home]
    if isinstance(item, Parallel) and any(source in nodes_of(b) for b in item.branches):
        branches = tuple(_with_head(b, head) if source in nodes_of(b) else b for b in item.branches)
        items = (*series.items[:home], replace(item, branches=branches), *series.items[home + 1 :])
        return replace(series, items=items)
    return replace(series, asides=(*series.asides, (home, head)))


@lru_cache(maxsize=16)
def _readers(graph: Graph) -> dict[Node, tuple[Node, ...]]:
    """For each node, the nodes outside training-only heads that compute with what it gives."""
    found: dict[Node, dict[Node, None]] = {}
    for node in graph.nodes:
        if node.head is None:
            for value in data_inputs(node):
                found.setdefault(value.node, {})[node] = None
    return {node: tuple(users) for node, users in found.items()}


class _Region:
    """Elements in topological order and the connections between them, by index."""

    def __init__(self, graph: Graph, items: list[Element]) -> None:
        self.items = items
        self.out = len(items)
        self.edges: dict[tuple[int, int], int] = {}
        self.slots: dict[tuple[int, int], int] = {}
        self._connect(graph)
        self.after: dict[int, list[int]] = {}
        for a, b in sorted(self.edges):
            self.after.setdefault(a, []).append(b)

    def _connect(self, graph: Graph) -> None:
        made: dict[Node, int] = {}
        ports: dict[Value, int] = {}
        for i, item in enumerate(self.items):
            if isinstance(item, Port):
                ports[item.value] = i
                self._edge(IN, i, 0)
            else:
                made.update(dict.fromkeys(nodes_of(item), i))
        for i, item in enumerate(self.items):
            if not isinstance(item, Port):
                self._arrive(i, item, made, ports)
        leaving = {output.value.node for output in graph.outputs}
        readers = _readers(graph)
        read = {a for a, _ in self.edges}
        for i, item in enumerate(self.items):
            own = () if isinstance(item, Port) else nodes_of(item)
            leaves = any(
                n in leaving or any(user not in made for user in readers.get(n, ())) for n in own
            )
            if leaves or i not in read:
                self._edge(i, self.out, 0)

    def _arrive(
        self, i: int, item: Element, made: dict[Node, int], ports: dict[Value, int]
    ) -> None:
        inside = set(nodes_of(item))
        read = [value for node in nodes_of(item) for value in data_inputs(node)]
        slots = [value for value in read if value.node not in inside]
        if not isinstance(item, Step):
            slots = list(dict.fromkeys(slots))
        for slot, value in enumerate(slots):
            self._edge(ports.get(value, made.get(value.node, IN)), i, slot)
        if not slots:
            self._edge(IN, i, 0)

    def _edge(self, a: int, b: int, slot: int) -> None:
        # The passes of a recurrence are drawn as one, and so is what flows into all or out of all.
        once = any(0 <= i < self.out and isinstance(self.items[i], Repeat) for i in (a, b))
        self.edges[a, b] = 1 if once else self.edges.get((a, b), 0) + 1
        self.slots.setdefault((a, b), slot)

    def series(self, inside: list[int], entry: int, end: int, depth: int = 0) -> list[Element]:
        """The elements between two places, which are not among them, as chains and branches.

        `depth` counts the branches around.
        """
        top = not depth
        found: list[Element] = []
        members = {*inside, end}
        start, gap = entry, list[int]()
        # Below the top, a connection from entry to end is a branch that the caller makes.
        reach = max((v for v in inside if (entry, v) in self.edges), default=IN)
        if top and (entry, end) in self.edges:
            reach = end
        for v in inside:
            if reach > v:
                gap.append(v)
            else:
                found += self._segment(gap, start, v, True, self._merge(v), depth)
                if self._joined(found, v) is None:
                    found.append(self.items[v])
                start, gap = v, []
            reach = max(reach, self._reach(v, members))
        return found + self._segment(gap, start, end, top or start != entry, None, depth)

    def _merge(self, v: int) -> Step | None:
        item = self.items[v]
        return item if isinstance(item, Step) and item.joins else None

    def _joined(self, found: list[Element], v: int) -> Step | None:
        last = found[-1] if found else None
        return last.join if isinstance(last, Parallel) and last.join is self.items[v] else None

    def _reach(self, v: int, members: set[int]) -> int:
        return max((b for b in self.after.get(v, ()) if b in members), default=IN)

    def _segment(
        self, gap: list[int], a: int, b: int, passes: bool, merge: Step | None, depth: int
    ) -> list[Element]:
        """What lies between two places nothing jumps over: nothing, branches, or a tangle."""
        direct = self.edges.get((a, b), 0) if passes else 0
        parts = self._parts(gap)
        if len(parts) + direct > 1:
            branches = [
                (self._slot(part, b), _flat(self._branch(part, a, b, depth + 1))) for part in parts
            ]
            branches += [(self.slots[a, b], Series(())) for _ in range(direct)]
            ordered = tuple(series for _, series in sorted(branches, key=lambda pair: pair[0]))
            opens = a != IN or not self._sources(gap)
            return [Parallel(ordered, merge, opens, b < self.out)]
        return [self._tangle(gap, a, b)] if parts else []

    def _branch(self, part: list[int], a: int, b: int, depth: int) -> list[Element]:
        return self.series(part, a, b, depth) if depth < _DEEPEST else [self._tangle(part, a, b)]

    def _sources(self, gap: list[int]) -> bool:
        """Whether the gap starts at inputs of the net or ports of the block."""
        return any(
            isinstance(item, Port) or (isinstance(item, Step) and not item.node.inputs)
            for item in (self.items[i] for i in gap)
        )

    def _parts(self, gap: list[int]) -> list[list[int]]:
        """The connected parts of a gap, each in order."""
        parent = {v: v for v in gap}

        def root(v: int) -> int:
            while parent[v] != v:
                parent[v] = parent[parent[v]]
                v = parent[v]
            return v

        for v in gap:
            for w in self.after.get(v, ()):
                if w in parent:
                    parent[root(w)] = root(v)
        parts: dict[int, list[int]] = {}
        for v in gap:
            parts.setdefault(root(v), []).append(v)
        return list(parts.values())

    def _slot(self, part: list[int], b: int) -> int:
        """Where the part arrives at the join, which is the order its branches were written in."""
        slots = [self.slots[v, b] for v in part if (v, b) in self.slots]
        return min(slots, default=0) if b < self.out else part[0]

    def _tangle(self, gap: list[int], a: int, b: int) -> Element:
        number = {a: IN, b: len(gap)} | {v: i for i, v in enumerate(gap)}
        items = tuple(self.items[v] for v in gap)
        found = [(v, w) for v in gap for w in self.after.get(v, ()) if w in number]
        found += [(a, v) for v in gap if (a, v) in self.edges]
        edges = tuple((number[v], number[w]) for v, w in sorted(found))
        path = [(i, i + 1) for i in range(IN, len(gap))]
        if set(path) <= set(edges):
            arcs = tuple(edge for edge in edges if edge[0] + 1 != edge[1])
            return Series(items, arcs)
        if b == self.out and sum(end == len(gap) for _, end in edges) > 1:
            # Several outputs end where they are: nothing joins them.
            edges = tuple(edge for edge in edges if edge[1] != len(gap))
        return Tangle(items, edges)
