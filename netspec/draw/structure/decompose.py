"""Series-parallel decomposition of what one block holds.

Elements every path runs through divide a region into segments; the connected parts of a segment
are its branches. What cannot be divided is a chain with arcs where one path visits everything, and
a tangle otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property, lru_cache

from netspec.draw.structure.elements import (
    Block,
    Element,
    Parallel,
    Port,
    Repeat,
    Series,
    Step,
    Tangle,
    begins,
    gives,
    nodes_of,
    reads,
)
from netspec.draw.structure.knots import knot
from netspec.draw.structure.periods import LONGEST
from netspec.draw.structure.telling import NOTHING, Telling
from netspec.graph.checked import Graph, Node, Value

IN = -1
_DEEPEST = 16


def decompose(
    graph: Graph,
    children: list[Element],
    arrivals: Sequence[tuple[Value, str]],
    departures: tuple[Value, ...] = (),
    telling: Telling = NOTHING,
) -> Series:
    """The children as a series. Several tensors that arrive get a port each, with their names.

    `departures` are the tensors that leave, where they are several. What is told by name is no connection.
    """
    heads = [c for c in children if isinstance(c, Block) and c.head]
    inner: list[Element] = [c for c in children if not (isinstance(c, Block) and c.head)]
    ports: list[Element] = []
    if len(arrivals) > 1:
        ports = [Port(i, value, name) for i, (value, name) in enumerate(arrivals, 1)]
    region = _Region(graph, [*ports, *inner], departures, telling)
    items = region.series(list(range(len(region.items))), IN, region.out)
    return _with_heads(_flat(items), heads)


def between_outputs(graph: Graph, tangle: Tangle) -> Series | None:
    """A tangle as chains and branches, where it is one only because outputs leave it on the way."""
    region = _Region(graph, list(tangle.items))
    leaving = [(a, region.out) for a, others in region.after.items() if len(others) > 1]
    for edge in leaving:
        region.edges.pop(edge, None)
        region.after[edge[0]] = [b for b in region.after[edge[0]] if b != region.out]
    series = _flat(region.series(list(range(region.out)), IN, region.out))
    return series if not any(isinstance(item, Tangle) for item in series.items) else None


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
        return _replaced(series, home, replace(item, branches=branches))
    if isinstance(item, Tangle):
        return _replaced(series, home, _with_knotted(item, head))
    return replace(series, asides=(*series.asides, (home, head)))


def _with_knotted(tangle: Tangle, head: Block) -> Tangle:
    """The tangle with the head as one more item, or in that of its series which has what it reads."""
    value = head.nodes[0].inputs[0]
    home = next(i for i, item in enumerate(tangle.items) if value.node in nodes_of(item))
    item, end = tangle.items[home], len(tangle.items)
    if isinstance(item, Series | Parallel):
        inner = _with_head(item if isinstance(item, Series) else Series((item,)), head)
        return replace(tangle, items=(*tangle.items[:home], inner, *tangle.items[home + 1 :]))
    out = item.closing.index(value) if isinstance(item, Block) and value in item.closing else 0
    edges = [(a, end + 1 if b == end else b) for a, b in tangle.edges]
    links = sorted([*zip(edges, tangle.ports, strict=True), ((home, end), (out, 0))])
    return replace(
        tangle,
        items=(*tangle.items, head),
        edges=tuple(edge for edge, _ in links),
        ports=tuple(port for _, port in links),
    )


def _replaced(series: Series, at: int, item: Element) -> Series:
    return replace(series, items=(*series.items[:at], item, *series.items[at + 1 :]))


@lru_cache(maxsize=16)
def _readers(graph: Graph, telling: Telling) -> dict[Node, tuple[Node, ...]]:
    """For each node, the nodes outside training-only heads that compute with what it gives."""
    found: dict[Node, dict[Node, None]] = {}
    for node in graph.nodes:
        if node.head is None:
            for value in telling.lined(node):
                found.setdefault(value.node, {})[node] = None
    return {node: tuple(users) for node, users in found.items()}


class _Region:
    """Elements in topological order and the connections between them, by index."""

    def __init__(
        self,
        graph: Graph,
        items: list[Element],
        departures: tuple[Value, ...] = (),
        telling: Telling = NOTHING,
    ) -> None:
        self.items = items
        self.telling = telling
        # Whether anything flows in: into a net nothing does, and ports stand for what else would.
        self.is_entered = False
        self.departures = departures
        self.out = len(items)
        self.edges: dict[tuple[int, int], int] = {}
        # For each connection, which of several tensors the source gives and the target reads.
        self.links: dict[tuple[int, int], dict[tuple[int, int], None]] = {}
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
        for k, value in enumerate(self.departures):
            i = made.get(value.node, ports.get(value, IN))
            self._edge(i, self.out, k, (self._which(i, value), k))
        leaving = {output.value.node for output in graph.outputs}
        readers = _readers(graph, self.telling)
        read = {a for a, _ in self.edges}
        for i, item in enumerate(self.items):
            own = () if isinstance(item, Port) else nodes_of(item)
            leaves = not self.departures and any(
                n in leaving or any(user not in made for user in readers.get(n, ())) for n in own
            )
            if leaves or i not in read:
                self._edge(i, self.out, 0)

    def _arrive(
        self, i: int, item: Element, made: dict[Node, int], ports: dict[Value, int]
    ) -> None:
        inside = set(nodes_of(item))
        read = [value for node in nodes_of(item) for value in self.telling.lined(node)]
        slots = [value for value in read if value.node not in inside]
        if isinstance(item, Block):
            slots = [*item.reading]
        elif not isinstance(item, Step):
            slots = list(dict.fromkeys(slots))
        for slot, value in enumerate(slots):
            source = ports.get(value, made.get(value.node, IN))
            into = slot if isinstance(item, Block) else 0
            self.is_entered = self.is_entered or source == IN
            self._edge(source, i, slot, (self._which(source, value), into))
        if not slots:
            self._edge(IN, i, 0)

    def _which(self, i: int, value: Value) -> int:
        """Which of the tensors that an element gives this one is."""
        item = self.items[i] if i >= 0 else None
        return item.closing.index(value) if isinstance(item, Block) and item.closing else 0

    def _edge(self, a: int, b: int, slot: int, link: tuple[int, int] = (0, 0)) -> None:
        # The passes of a recurrence are drawn as one, and so is what flows into all or out of all.
        once = any(0 <= i < self.out and isinstance(self.items[i], Repeat) for i in (a, b))
        self.edges[a, b] = 1 if once else self.edges.get((a, b), 0) + 1
        self.slots.setdefault((a, b), slot)
        self.links.setdefault((a, b), {})[link] = None

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
                if self._joined(found, v) is None and not self._has(found, gap, v):
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
        if self._is_bundle((a, *gap) if passes else gap, a, b):
            if not gap and self._runs_on(a, b):
                return []
            tangle = self._tangle(gap, a, b, passes=passes)
            if isinstance(tangle, Tangle) and self._goes_on(gap, b):
                tangle = self._tangle(gap, a, b, passes=passes, through=True)
            return [tangle]
        parts = self._parts(gap)
        if parts and merge is None and b < self.out:
            # What reads several parts of what is split has one line from it, as where nothing is between.
            direct = min(direct, 1)
        if len(parts) + direct > 1 and not self._is_one_line(parts, b, merge):
            branches = [
                (self._slot(part, b), _flat(self._branch(part, a, b, depth + 1))) for part in parts
            ]
            branches += [(self.slots[a, b], Series(())) for _ in range(direct)]
            ordered = tuple(series for _, series in sorted(branches, key=lambda pair: pair[0]))
            opens = a != IN or not self._sources(gap)
            return [Parallel(ordered, merge, opens, b < self.out)]
        return [self._tangle(gap, a, b)] if parts else []

    def _is_one_line(self, parts: Sequence[object], b: int, merge: Step | None) -> bool:
        """Whether a layer that is no merge reads several tensors of one place and of nowhere else."""
        return not parts and merge is None and b < self.out

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

    def _is_bundle(self, sources: Sequence[int], a: int, b: int) -> bool:
        """Whether several tensors flow side by side from `a`, or from `sources` to `b`."""
        if self._given(a) > 1:
            return True
        into = {into for v in sources for _, into in self.links.get((v, b), ())}
        return len(into) > 1 and (b < self.out or bool(self.departures))

    def _goes_on(self, gap: list[int], b: int) -> bool:
        """Whether `b` is one more of the blocks that lead to it, and reads what they read too."""
        item = self.items[b] if b < self.out else None
        if not isinstance(item, Block) or len(item.opening) < 2:
            return False
        return any(
            self._alike(v, b) and ((v, b) in self.edges or self._reads_too(v, b)) for v in gap
        )

    def _shares(self, inside: list[int]) -> bool:
        """Whether three blocks in a row also read one tensor, all in the same way.

        Or the same of several that come in turn.
        """
        for period in range(1, min(LONGEST, len(inside) // 2) + 1):
            again = [
                self._alike(v, w) and (period > 1 or self._leads_on(v, w))
                for v, w in zip(inside, inside[period:], strict=False)
            ]
            # Two in a row may only seem to: a cell and the next read what is between them and before.
            for at in range(len(inside) - 2 * period):
                first, second, third = inside[at : at + 2 * period + 1 : period]
                if all(again[at : at + period + 1]) and (
                    self._reads_too(first, second) and self._reads_too(second, third)
                ):
                    return True
        return False

    @cached_property
    def _into(self) -> dict[int, dict[int, set[tuple[int, int]]]]:
        """For each element, what it reads of which others."""
        found: dict[int, dict[int, set[tuple[int, int]]]] = {}
        for (a, v), links in self.links.items():
            found.setdefault(v, {})[a] = {*links}
        return found

    def _leads_on(self, v: int, w: int) -> bool:
        """Whether a block leads to another element."""
        return isinstance(self.items[v], Block) and (v, w) in self.edges

    def _reads_too(self, v: int, w: int) -> bool:
        """Whether two elements read something of one place in the same way."""
        ours, theirs = self._into.get(v, {}), self._into.get(w, {})
        return any(theirs.get(a) == links for a, links in ours.items())

    def _alike(self, v: int, w: int) -> bool:
        """Whether two elements are blocks of one name, or layers of one operator."""
        one, other = self.items[v], self.items[w]
        if isinstance(one, Step) and isinstance(other, Step):
            return type(one.node.op) is type(other.node.op)
        if not (isinstance(one, Block) and isinstance(other, Block)):
            return False
        return one.call.block == other.call.block

    def _has(self, found: list[Element], gap: list[int], b: int) -> bool:
        """Whether the tangle made last took in the place it leads to."""
        return bool(found) and isinstance(found[-1], Tangle) and self._goes_on(gap, b)

    def _given(self, a: int) -> int:
        return gives(self.items[a]) if a >= 0 else 1

    def _read(self, b: int) -> int:
        return reads(self.items[b]) if b < self.out else max(1, len(self.departures))

    def _runs_on(self, a: int, b: int) -> bool:
        """Whether one place reads all that the other gives, in the same order."""
        links = sorted(self.links[a, b])
        return links == [(k, k) for k in range(self._given(a))] and len(links) == self._read(b)

    def _tangle(
        self, gap: list[int], a: int, b: int, *, passes: bool = False, through: bool = False
    ) -> Element:
        """What lies between two places, and the second too where it goes `through`."""
        inside = [*gap, b] if through else gap
        number = {v: i for i, v in enumerate(inside)} | {a: IN}
        items = tuple(self.items[v] for v in inside)
        end = len(items)
        if not through:
            number[b] = end
        pairs = [(v, w) for v in gap for w in self.after.get(v, ()) if w in number]
        ends = (*gap, b) if passes else gap
        pairs += [(a, v) for v in ends if (a, v) in self.edges]
        links = [((number[v], number[w]), link) for v, w in pairs for link in self.links[v, w]]
        if through:
            links += [((end - 1, end), (k, k)) for k in range(self._given(b))]
        edges = {edge: None for edge, _ in sorted(links)}
        entries, exits = self._given(a), self._given(b) if through else self._read(b)
        path = {(i, i + 1) for i in range(IN, end)}
        run = [*gap, b] if self._goes_on(gap, b) else gap
        plain = entries == 1 == max(map(gives, items), default=1) and not self._shares(run)
        # What flows in leads to nothing that begins by itself.
        plain = plain and not (a == IN and self.is_entered and any(map(begins, items)))
        # A chain and what passes all of it, for a block that reads both, come side by side.
        plain = plain and (exits == 1 or not items or {*edges} - path != {(IN, end)})
        if plain and path <= {*edges}:
            return Series(items, tuple(edge for edge in edges if edge[0] + 1 != edge[1]))
        if exits == 1 and b == self.out and sum(last == end for _, last in edges) > 1:
            # Several outputs end where they are: nothing joins them.
            links = [link for link in links if link[0][1] != end]
        return knot(items, sorted(links), entries, exits)
