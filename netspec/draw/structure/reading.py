"""From the graph to what pictures show.

The structure is read off the block calls that made each node and off the connections between them;
nothing is guessed from names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field, replace
from functools import cached_property, lru_cache
from itertools import groupby, takewhile
from typing import Any

from netspec.draw.structure.decompose import decompose
from netspec.draw.structure.elements import (
    Block,
    Element,
    Parallel,
    Repeat,
    Series,
    Step,
    Tangle,
    leaves_of,
)
from netspec.draw.structure.knots import FEWEST
from netspec.draw.structure.labels import data_inputs, is_elementwise, is_given, is_minor
from netspec.draw.structure.ladders import NEXT, inherited, named
from netspec.draw.structure.telling import NOTHING, Telling
from netspec.foundation.merging import Merged
from netspec.foundation.records import record
from netspec.graph.checked import Call, Graph, Node, Value


def structure(
    graph: Graph, passes: frozenset[str] = frozenset(), telling: Telling = NOTHING
) -> Series:
    """The whole net as a series of elements.

    Recurrences are drawn once, but for those whose first pass's path is in `passes`. What is told by
    name is no connection.
    """
    return _structure(graph, passes & _recurrences(graph), telling)


@lru_cache(maxsize=16)
def _recurrences(graph: Graph) -> frozenset[str]:
    """The paths of all passes of recurrences."""
    calls = {call for node in graph.nodes if node.call for call in node.call.ancestors()}
    return frozenset(_path(call) for call in calls if call.recurrent)


@lru_cache(maxsize=16)
def _structure(graph: Graph, passes: frozenset[str], telling: Telling) -> Series:
    reader = _Reader(graph, passes, telling)
    found = reader.whole()
    trees = frozenset(_tangled(found, reader.trees)) if reader.trees else frozenset()
    return _Reader(graph, passes, telling, trees).whole() if trees else found


@lru_cache(maxsize=16)
def flat_steps(graph: Graph) -> tuple[Step, ...]:
    """Every layer of the net as a step, blocks left out of account."""
    return tuple(step for step in _Reader(graph).steps() if isinstance(step, Step))


@record(frozen=False, eq=False)
class _Chain:
    """A step while it is read."""

    nodes: list[Node] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)


class _Reader:
    def __init__(
        self,
        graph: Graph,
        passes: frozenset[str] = frozenset(),
        telling: Telling = NOTHING,
        boxed: frozenset[str] = frozenset(),
    ) -> None:
        self.graph = graph
        self.boxed = boxed
        self.passes = passes
        self.telling = telling
        self._names: dict[Call | None, dict[Value, str]] = {}

    @cached_property
    def _uses(self) -> dict[Node, int]:
        """How many nodes and outputs read a node."""
        uses = dict.fromkeys(self.graph.nodes, 0)
        for node in self.graph.nodes:
            for source in {value.node for value in data_inputs(node)}:
                uses[source] += 1
        for output in self.graph.outputs:
            uses[output.value.node] += 1
        return uses

    @cached_property
    def _open_ended(self) -> frozenset[Call]:
        """Blocks that several tensors leave: their branches run on, so no box goes around them."""
        ends: dict[Call, set[Node]] = {}
        for node in self.graph.nodes:
            if node.head is None:
                around = set(node.call.ancestors()) if node.call else set()
                for value in self.telling.lined(node):
                    self._leave(value.node, around, ends)
        for output in self.graph.outputs:
            self._leave(output.value.node, set(), ends)
        several = (call for call, nodes in ends.items() if len(nodes) > 1)
        kept = self._applied
        return frozenset(c for c in several if not (c.recurrent or c in kept or self._mixes(c)))

    @cached_property
    def _applied(self) -> frozenset[Call]:
        """Blocks that are applied side by side with the same weights: they are drawn as one card."""
        found: dict[object, list[Call]] = {}
        for call, nodes in self._members.items():
            owners = tuple(n.owner for n in nodes if n.op.weights(*n.input_types))
            if owners and call.component is not None:
                found.setdefault((call.block, call.span, owners), []).append(call)
        return frozenset(call for calls in found.values() if len(calls) >= FEWEST for call in calls)

    @cached_property
    def _members(self) -> dict[Call, list[Node]]:
        """The nodes of each call, in order."""
        found: dict[Call, list[Node]] = {}
        for node in self.graph.nodes:
            for call in node.call.ancestors() if node.call else ():
                found.setdefault(call, []).append(node)
        return found

    def _mixes(self, call: Call) -> bool:
        """Whether all that a block gives comes of several tensors that it brings together.

        Where streams that it reads only run on side by side, nothing is lost without its box.
        """
        nodes = tuple(self._members[call])
        if call.component is None or len(self._arrivals(call, nodes)) < 2:
            return False
        inside = set(nodes)
        connected = Merged[Node]()
        for node in nodes:
            for value in self.telling.lined(node):
                if value.node in inside:
                    connected.join(node, value.node)
        return len(set(map(connected.root, nodes))) == 1

    def _departures(self, call: Call | None, nodes: tuple[Node, ...]) -> tuple[Value, ...]:
        """The tensors of a block that are read outside, each once, where they are several.

        What leaves the passes of a recurrence is drawn as one.
        """
        if call is None or call.recurrent:
            return ()
        inside = set(nodes)
        read = {output.value: None for output in self.graph.outputs if output.value.node in inside}
        for node in nodes:
            for user in self.graph.consumers[node]:
                if user not in inside and user.head is None:
                    read |= {v: None for v in self.telling.lined(user) if v.node is node}
        found = sorted(read, key=lambda value: (value.node.index, value.index))
        return tuple(found) if len(found) > 1 else ()

    @cached_property
    def _followers(self) -> frozenset[Call]:
        """Blocks that only normalise and activate: they are said as what they do, without boxes."""
        found: dict[Call, bool] = {}
        for node in self.graph.nodes:
            for call in node.call.ancestors() if node.call else ():
                found[call] = found.get(call, True) and is_minor(node) and node.head is None
        return frozenset(call for call, minor in found.items() if minor and not call.recurrent)

    @cached_property
    def _activations(self) -> dict[Call, Node]:
        """Blocks that activate or normalise what one node gives, with that node.

        They compute each element from those at its place, of one tensor that nothing else reads.
        """
        held: dict[Call, list[Node]] = {}
        for node in self.graph.nodes:
            for call in node.call.ancestors() if node.call else ():
                held.setdefault(call, []).append(node)
        found: dict[Call, Node] = {}
        for call, nodes in held.items():
            outside = call.component is None or call.recurrent or nodes[0].head is not None
            if outside or call in self._followers or not all(map(is_elementwise, nodes)):
                continue
            read = {v.node for node in nodes for v in data_inputs(node)}.difference(nodes)
            if len(read) != 1 or not all(node.inputs for node in (*nodes, *read)):
                continue
            (source,) = read
            readers = sum(any(v.node is source for v in data_inputs(n)) for n in nodes)
            same = source.types[0].shape == nodes[-1].types[0].shape
            if same and readers == self._uses[source]:
                found[call] = source
        return found

    @cached_property
    def _recursive(self) -> frozenset[str]:
        """Blocks that call themselves: they are one figure with all they call, without boxes."""
        found: set[str] = set()
        for call in {node.call for node in self.graph.nodes if node.call}:
            names = [c.block for c in call.ancestors()]
            found |= {name for name in names if names.count(name) > 1}
        return frozenset(found) - self.boxed

    @cached_property
    def trees(self) -> frozenset[str]:
        """Blocks of which one call leads to several more, none of these in another."""
        inner: dict[Call, set[Call]] = {}
        for call in self._members:
            if call.block in self._recursive and call.component is not None:
                around = [c for c in call.ancestors() if c.block == call.block]
                for outer in around[1:2]:
                    inner.setdefault(outer, set()).add(call)
        return frozenset(outer.block for outer, calls in inner.items() if len(calls) > 1)

    def _leave(self, node: Node, around: set[Call], ends: dict[Call, set[Node]]) -> None:
        for call in node.call.ancestors() if node.call else ():
            if call in around:
                break
            ends.setdefault(call, set()).add(node)

    def whole(self) -> Series:
        """The net, with what makes the tensors that are told by name apart."""
        makers = self.telling.makers
        series = self.series(None, tuple(n for n in self.graph.nodes if n not in makers))
        connected = Merged[Node]()
        for node in makers:
            for value in self.telling.lined(node):
                connected.join(node, value.node)
        parts: dict[Node, list[Node]] = {}
        for node in sorted(makers, key=lambda node: node.index):
            parts.setdefault(connected.root(node), []).append(node)
        apart = tuple(self.series(None, tuple(part)) for part in parts.values())
        return replace(series, makers=apart)

    def series(self, container: Call | None, nodes: tuple[Node, ...]) -> Series:
        """What `container` (None for the net) does, as chains and branches."""
        children = self._children(container, nodes)
        closing = self._departures(container, nodes)
        arrivals = self._named(container, self._arrivals(container, nodes))
        return decompose(self.graph, children, arrivals, closing, self.telling)

    def _named(
        self, container: Call | None, arrivals: tuple[Value, ...]
    ) -> list[tuple[Value, str]]:
        """What flows in, with its names: those of a ladder, or else those that the block's text has."""
        said = {value: name for name, value in container.taken} if container else {}
        if container and container.definition == container.span:
            # Braces see the names around them.
            around = (value for value in arrivals if is_given(value.node))
            said = {value: value.node.name for value in around} | said
        names = {**said, **self._names.get(container, {})}
        # What alone has no name is what flows in.
        rest = "input" if sum(value not in names for value in arrivals) == 1 else ""
        return [(value, names.get(value, rest)) for value in arrivals]

    def _arrivals(self, container: Call | None, nodes: tuple[Node, ...]) -> tuple[Value, ...]:
        """The tensors that flow in from outside, each once."""
        if container is None:
            return ()
        inside = set(nodes)
        found = {v: None for n in nodes for v in self.telling.lined(n) if v.node not in inside}
        around = set(container.ancestors())
        # Those that one block gives are read in its order; what follows one like it reads as that does.
        sources: dict[Call, list[Value]] = {}
        for value in found:
            outer = (
                [c for c in value.node.call.ancestors() if c not in around]
                if value.node.call
                else []
            )
            if outer and outer[-1].definition != container.definition:
                sources.setdefault(outer[-1], []).append(value)
        ordered = {
            call: iter(sorted(values, key=lambda value: (value.node.index, value.index)))
            for call, values in sources.items()
        }
        places = {value: call for call, values in sources.items() for value in values}
        return tuple(next(ordered[places[v]]) if v in places else v for v in found)

    def steps(self) -> list[Element]:
        groups: dict[Call | Node, list[Node]] = {}
        for node in self.graph.nodes:
            around = node.call.ancestors() if node.call else ()
            call = next((call for call in around if call in self._activations), None)
            groups.setdefault(call or node, []).append(node)
        return self._elements(groups)

    def _children(self, container: Call | None, nodes: tuple[Node, ...]) -> list[Element]:
        groups: dict[Call | Node, list[Node]] = {}
        for node in nodes:
            groups.setdefault(self._child(container, node) or node, []).append(node)
        self._name(container, nodes, groups)
        return self._elements(groups)

    def _name(
        self, container: Call | None, nodes: tuple[Node, ...], groups: Mapping[Any, list[Node]]
    ) -> None:
        """Names what blocks read that are cells of a ladder, or in one."""
        home = {node: key for key, members in groups.items() for node in members}
        calls = [key for key in groups if isinstance(key, Call)]
        arrivals = {call: self._arrivals(call, tuple(groups[call])) for call in calls}
        reads = {c: [home.get(v.node, v) for v in values] for c, values in arrivals.items()}
        names = named(reads)
        outer = self._names.get(container, {})
        for call, values in arrivals.items():
            own = names.get(call) or (
                inherited(values, frozenset(nodes), outer) if outer and len(values) > 1 else ()
            )
            if own and (call in names or nodes[-1] in groups[call]):
                self._names[call] = dict(zip(values, own, strict=True))

    def _elements(self, groups: Mapping[Any, list[Node]]) -> list[Element]:
        """Calls as blocks, nodes as steps; what normalises or activates joins the step before."""
        found: list[Block | _Chain] = []
        chains: dict[Node, _Chain] = {}
        for key, members in groups.items():
            if isinstance(key, Call):
                block = self._block(key, tuple(members))
                source = self._activations.get(key)
                chain = chains.get(source) if source is not None else None
                if chain is None:
                    found.append(block)
                else:
                    chain.nodes += members
                    chain.blocks.append(block)
                    chains[members[-1]] = chain
                continue
            before = key.inputs[0].node if is_minor(key) else None
            chain = chains.get(before) if before is not None and self._uses[before] == 1 else None
            if chain is None or before is None or not before.inputs:
                chain = _Chain()
                found.append(chain)
            chain.nodes.append(key)
            chains[key] = chain
        items = (item if isinstance(item, Block) else self._step(item) for item in found)
        runs = (tuple(run) for _, run in groupby(items, key=_recurring))
        return [item for run in runs for item in self._recurrence(run)]

    def _step(self, chain: _Chain) -> Step:
        return Step(tuple(chain.nodes), tuple(chain.blocks), self.telling.told(chain.nodes))

    def _recurrence(self, run: tuple[Element, ...]) -> tuple[Element, ...]:
        """The passes of a recurrence as one element: the first, whose weights they all use."""
        first = run[0]
        if len(run) == 1 or (isinstance(first, Block) and first.path in self.passes):
            return run
        return (Repeat(first, len(run), "the same weights each time", run),)

    def _block(self, call: Call, nodes: tuple[Node, ...]) -> Block:
        reading = self._arrivals(call, nodes)
        opening = tuple(value.type for value in reading)
        closing = self._departures(call, nodes)
        result = NEXT if call in self._names else ""
        body = self.series(call, nodes)
        return Block(call, _path(call), body, nodes, opening, reading, closing, result)

    def _child(self, container: Call | None, node: Node) -> Call | None:
        """The block under `container` that holds the node; None where it is drawn by itself."""
        found = None
        for call in node.call.ancestors() if node.call else ():
            if call is container:
                break
            if call.component is None or call in self._open_ended or call in self._followers:
                continue
            if call.block not in self._recursive:
                found = call
        return found


def _path(call: Call) -> str:
    parts = [c.component for c in call.ancestors() if c.component is not None]
    return ".".join(reversed(parts))


def _recurring(item: Element) -> object:
    """Equal for the passes of one recurrence, and for nothing else."""
    if isinstance(item, Block) and item.call.recurrent:
        return item.call.parent, item.call.span
    return item


def _tangled(element: Element, names: frozenset[str], around: Call | None = None) -> Iterator[str]:
    """Those of blocks without boxes that a tangle is drawn of; `around` is the block that it is in."""
    match element:
        case Block():
            yield from _tangled(element.body, names, element.call)
        case Series():
            for item in (*element.items, *(block for _, block in element.asides), *element.makers):
                yield from _tangled(item, names, around)
        case Parallel():
            for branch in element.branches:
                yield from _tangled(branch, names, around)
        case Repeat():
            yield from _tangled(element.element, names, around)
        case Tangle():
            for leaf in leaves_of(element):
                call = leaf.call.parent if isinstance(leaf, Block) else leaf.node.call
                inside = takewhile(lambda c: c is not around, call.ancestors() if call else ())
                yield from {c.block for c in inside} & names
            for item in element.items:
                yield from _tangled(item, names, around)
