"""A graph as chains of steps, its forks as branches, what is read from afar by name.

A step of several inputs starts where all their ways come from, its nearest dominator. What several of
its branches need is made before it, or named in the first that needs it, if it stands there at the top.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from netspec.graph.checked import Graph, Node, Value
from netspec.importing.structure.dominance import Dominance
from netspec.importing.structure.recurrences import Pass
from netspec.importing.structure.steps import layer, paddings, references, step
from netspec.importing.structure.terms import (
    FOR,
    FORK,
    HEAD,
    IDENTITY,
    REFERENCE,
    Chain,
    Item,
    Ref,
    Tangled,
    read,
    reference,
)
from netspec.importing.structure.ways import operands, outside, read_by
from netspec.ops.arranging.recurrence import All
from netspec.ops.vectors.sources import Source

# Rounds of looking for what branches share, before everything between is named.
_ROUNDS = 24
# Branches in branches, beyond which a merge reads its inputs by name: who could follow them?
_DEEPEST = 6


class _Level:
    """Braces being written: what flows, and which nodes' names are seen."""

    def __init__(self, wire: tuple[Value, ...], parent: _Level | None, seen: set[Node]) -> None:
        self.items: list[Item] = []
        self.wire = wire
        self.parent = parent
        self.seen = seen
        self.depth: int = 0 if parent is None else parent.depth + 1
        self.entry = wire[0] if wire else None

    def sees(self, node: Node) -> bool:
        """Whether a node has been made where its name is seen from here."""
        level: _Level | None = self
        while level is not None:
            if node in level.seen:
                return True
            level = level.parent
        return False

    def chain(self) -> Chain:
        first = self.items[0] if self.items else None
        started = first is not None and first.word == REFERENCE
        return Chain(self.items, first.result if started and first else self.entry)


def nested(graph: Graph, passes: Mapping[Node, Pass], *, flat: bool = False) -> Chain:
    """The chain of a net's steps, named outputs at its end; raises Tangled where there is none.

    `passes` are the steps of its recurrences. `flat` has a chain without branches but where operators take
    nothing else.
    """
    return _Nesting(graph, passes, flat).chain()


class _Nesting:
    def __init__(self, graph: Graph, passes: Mapping[Node, Pass], flat: bool) -> None:
        self.graph, self.passes, self.flat = graph, passes, flat
        lie = Dominance(graph)
        self.order, self.rank, self.above = lie.order, lie.rank, lie.above
        self.starting = lie.starting
        self.reads = Counter(value.node for node in self.order for value in read_by(node))
        self.inputs = set(graph.inputs)
        self.pads = paddings(tuple(self.order))
        self.wanted: set[Value] = set()
        self.made: dict[Node, Item] = {}
        self.heads = self._heads()

    def chain(self) -> Chain:
        ends = [output.value for output in self.graph.outputs]
        top = self._top(tuple(node.output for node in self.graph.inputs), ends)
        for value in ends:
            if plain(self.graph):
                self._go(top, value)
            elif not top.sees(value.node):
                self._emit(top, value)
            if not plain(self.graph) or len(value.node.outputs[: value.node.op.carried]) > 1:
                self.wanted.add(value)
        chain = top.chain()
        self._label(chain)
        return chain

    def _top(self, wire: tuple[Value, ...], ends: Sequence[Value]) -> _Level:
        """The outermost braces, with what has to be made before the ways to these values part."""
        top = _Level(wire, None, set(self.inputs))
        for source in self.starting.get(None, ()):
            if not top.sees(source):
                self._emit(top, source.output)
        for node in self.graph.inputs:
            top.items += self._training(top, node)
            self._sources(top, node)
        if self.flat:
            for node in self.order:
                if node not in self.inputs and node.head is None and not top.sees(node):
                    self._place(top, node)
        for value in self._shared(top, ends):
            self._emit(top, value)
        return top

    def passed(self, one: Pass) -> Chain:
        """The chain of a recurrence's step: from its states to what they are in the next one."""
        made = list(dict.fromkeys(one.made.values()))
        top = self._top(one.states, [*made, *one.ends])
        for value in made:
            if not top.sees(value.node):
                self._emit(top, value)
        self.wanted.update(made)
        # What was not made here has no step to bear the name that it has outside.
        given = [value for value in made if value.node in self.inputs and value not in one.states]
        named = {}
        for value in given:
            self._go(top, value)
            named[value] = Item(IDENTITY, start=value, result=value)
            top.items.append(named[value])
        if len(one.ends) == 1:
            self._go(top, one.ends[0])
        elif top.wire != one.ends:
            top.items.append(Item(FORK, kids=tuple(self._branches(top, one.ends))))
        chain = Chain(top.items, one.states[0] if len(one.states) == 1 else None)
        self._label(chain)
        if self.wanted.intersection(one.states):
            chain.items.insert(0, _stated(one.states))
        for out, value in one.made.items():
            self._given_outside(chain, out, value, named.get(value))
        return chain

    @staticmethod
    def _given_outside(chain: Chain, out: Value, value: Value, item: Item | None) -> None:
        """Gives the step that makes a value the name of what all steps made."""
        if item is None:
            labelled = (i for i in chain.walk() if i.label in (value, read(value).value))
            item = next(labelled, None)
        if item is None:
            raise Tangled
        if item.label is not None and item.label != value:
            _renamed(chain, {item.label: out})
        elif item.label is not None:
            _renamed(chain, {value: out})
        item.label = out

    def _sources(self, level: _Level, node: Node) -> None:
        """Adds the tensors that steps further on read and that are made here."""
        made = self.starting.get(node, ())
        for source in made:
            if not level.sees(source):
                self._emit(level, source.output)
        if made and len(node.outputs) == 1:
            self._go(level, node.output)

    def _heads(self) -> dict[Node, list[tuple[str, float, Value]]]:
        """The training-only heads by the nodes that they start from."""
        found: dict[Node, list[tuple[str, float, Value]]] = {}
        for head in self.graph.heads:
            read = outside(head.value.node, head.name)
            start = max(read, key=self.rank.__getitem__)
            found.setdefault(start, []).append((head.name, head.loss, head.value))
        return found

    # chains

    def _emit(self, level: _Level, value: Value) -> None:
        """Adds the steps after which the value flows; it has not been made yet."""
        path: list[Node] = []
        node: Node | None = value.node
        while node is not None and not level.sees(node):
            path.append(node)
            node = self.above[node]
        for node in reversed(path):
            if not level.sees(node):
                self._place(level, node)

    def _go(self, level: _Level, value: Value) -> None:
        """Adds what it takes for the value to flow."""
        if level.wire == (value,):
            return
        if level.sees(value.node):
            self.wanted.add(value)
            level.items.append(reference(value))
            level.wire = (value,)
            return
        self._emit(level, value)
        if level.wire != (value,):
            self._go(level, value)

    def _place(self, level: _Level, node: Node) -> None:
        if isinstance(node.op, All):  # the name of a step inside
            level.seen.add(node)
            return
        if node in self.made:
            raise Tangled
        joins = node.op.joins and len(operands(node)) > 1
        carried = node.outputs[: node.op.carried]
        if len(dict.fromkeys(operands(node))) > 1:
            for value in self._shared(level, operands(node)):
                if not level.sees(value.node):
                    self._emit(level, value)
        if joins and len(level.wire) not in (1, len(operands(node))):
            self._go(level, self._start(level, operands(node)[0]))
        if node in self.passes:
            item = self._recurrence(level, node, self.passes[node])
        elif joins and not self.flat and level.depth < _DEEPEST:
            item = step(node, self.pads)
            item.slots, item.values = _without_references(item)
            item.single = len(level.wire) == 1
            item.start = level.wire[0] if item.single else None
            item.kids = tuple(self._branches(level, operands(node)))
        else:
            item = self._single(level, node)
        item.result = carried[0] if len(carried) == 1 else None
        level.items.append(item)
        self.made[node] = item
        level.seen.add(node)
        level.wire = carried
        level.items += self._training(level, node)
        self._sources(level, node)

    def _start(self, level: _Level, value: Value) -> Value:
        """What is seen from here and the steps to a value start from."""
        while not level.sees(value.node):
            above, inputs = self.above[value.node], operands(value.node)
            value = next((read for read in inputs if read.node is above), inputs[0])
        return value

    def _single(self, level: _Level, node: Node) -> Item:
        """The step of a node whose further inputs are read by reference."""
        plain, named = references(node)
        # What has been made already is not made again.
        fresh = {name: v.node for name, v in named.items() if not level.sees(v.node)}
        layers = {name: source for name, source in fresh.items() if self._layer(node, source)}
        others = [*plain, *(value for name, value in named.items() if name not in layers)]
        for value in others:
            if not level.sees(value.node):
                self._emit(level, value)
        if read_by(node):
            self._go(level, operands(node)[0])
        elif len(level.wire) != 1 or level.wire[0].type.ids is not None:
            numbers = (n.output for n in self.graph.inputs if n.types[0].ids is None)
            self._go(level, next(numbers, self.graph.inputs[0].output))
        self.wanted.update(others)
        item = step(node, self.pads)
        for name, source in layers.items():
            item.put(**{name: layer(step(source, self.pads))})
            item.nodes += (source,)
            level.seen.add(source)
        item.start = level.wire[0]
        return item

    def _recurrence(self, level: _Level, node: Node, one: Pass) -> Item:
        """The step of a recurrence, whose braces hold what runs at each step of a sequence."""
        count = len(one.states)
        starts, (sequence, *_) = node.inputs[:count], node.inputs[count:]
        for value in node.inputs[count:]:
            if not level.sees(value.node):
                self._emit(level, value)
        self.wanted.update(node.inputs[count:])
        if count == 1:
            self._go(level, starts[0])
        elif level.wire != starts:
            level.items.append(Item(FORK, kids=tuple(self._branches(level, starts))))
        inner = _Nesting(one.graph, self.passes, self.flat).passed(one)
        _renamed(inner, {mine: read(value).value for mine, value in one.outside.items()})
        given = ("sequence", "step"), (read(sequence), Ref(one.step))
        start = starts[0] if count == 1 else None
        return Item(FOR, *given, (inner,), start=start, nodes=(node,), single=count == 1)

    def _layer(self, node: Node, source: Node) -> bool:
        """Whether what a parameter takes is written in its place: a layer of what flows in, or of nothing."""
        alone = self.reads[source] == 1 and source.owner == source.path and not source.frozen
        near = not read_by(source) or source.inputs[:1] == node.inputs[:1]
        return isinstance(source.op, Source) and alone and near and source.head == node.head

    def _branches(self, level: _Level, inputs: Sequence[Value]) -> Iterator[Chain]:
        seen: set[Node] = set()
        apart = len(level.wire) == len(inputs)
        for place, value in enumerate(inputs):
            wire = level.wire
            if len(wire) > 1:
                wire = (wire[place],) if apart else ()
            branch = _Level(wire, level, seen)
            self._go(branch, value)
            yield branch.chain()

    def _training(self, level: _Level, node: Node) -> Iterator[Item]:
        for name, loss, value in self.heads.get(node, ()):
            inner = _Level((node.output,), level, set())
            self._go(inner, value)
            yield Item(HEAD, ("name", "loss"), (name, loss), (inner.chain(),), start=node.output)

    # what several ways need

    def _shared(self, level: _Level, ends: Sequence[Value]) -> list[Value]:
        """What has to be made before the ways to these values part, in order."""
        nodes = [value.node for value in ends]
        early: dict[Node, None] = {}
        for rounds in range(_ROUNDS + 1):
            found = self._needed(level, sorted(early, key=self.rank.__getitem__), nodes)
            if rounds == _ROUNDS:
                found = self._between(level, nodes)
            if not found - early.keys():
                break
            early |= dict.fromkeys(found)
        return [node.output for node in sorted(early, key=self.rank.__getitem__)]

    def _needed(self, level: _Level, early: list[Node], ends: list[Node]) -> set[Node]:
        """The nodes on several of the ways whose names cannot be seen where they are needed."""
        owner: dict[Node, int] = {}
        found: set[Node] = set()
        targets = [*early, *ends]
        tops: list[set[Node]] = []
        for number, target in enumerate(targets):
            tops.append(self._tops(level, target, owner))
            waiting = [target]
            while waiting:
                node = waiting.pop()
                if node in owner:
                    if owner[node] != number and node not in tops[owner[node]]:
                        found.add(node)
                    continue
                if level.sees(node):
                    continue
                owner[node] = number
                waiting += [value.node for value in read_by(node)]
        return found

    def _tops(self, level: _Level, target: Node, known: dict[Node, int]) -> set[Node]:
        found: set[Node] = set()
        node: Node | None = target
        while node is not None and node not in known and not level.sees(node):
            found.add(node)
            node = self.above[node]
        return found

    def _between(self, level: _Level, ends: list[Node]) -> set[Node]:
        found: set[Node] = set()
        waiting = list(ends)
        while waiting:
            node = waiting.pop()
            if node not in found and not level.sees(node):
                found.add(node)
                waiting += [value.node for value in read_by(node)]
        return found

    # names

    def _label(self, chain: Chain) -> None:
        """Marks the steps whose names are wanted, and names the parts of bundles behind them."""
        for item in list(chain.items):
            for kid in item.kids:
                self._label(kid)
        items: list[Item] = []
        for item in chain.items:
            items.append(item)
            node = item.nodes[0] if item.nodes else None
            if node is None or self.made.get(node) is not item:
                continue
            carried = node.outputs[: node.op.carried]
            wanted = [value for value in node.outputs if value in self.wanted]
            if len(carried) == 1:
                if wanted:
                    item.label = node.output
            elif wanted:
                items.append(_apart(carried))
        chain.items = items


def plain(graph: Graph) -> bool:
    """Whether the net's output is what flows at its end, under the name that this has."""
    return [output.name for output in graph.outputs] == ["output"]


def _stated(states: tuple[Value, ...]) -> Item:
    """The step that names the states of a recurrence."""
    if len(states) > 1:
        return _apart(states)
    return Item(IDENTITY, label=states[0], start=states[0], result=states[0])


def _renamed(chain: Chain, names: Mapping[Any, Any]) -> None:
    """Rewrites what the steps of a chain refer to."""
    for item in chain.walk():
        item.values = tuple(
            Ref(names[value.value]) if isinstance(value, Ref) and value.value in names else value
            for value in item.values
        )


def _apart(values: tuple[Value, ...]) -> Item:
    """Braces that name each of several outputs."""
    kids = (Chain([Item(IDENTITY, label=v, start=v, result=v)], v) for v in values)
    return Item(FORK, kids=tuple(kids))


def _without_references(item: Item) -> tuple[tuple[str, ...], tuple[object, ...]]:
    kept = [(s, v) for s, v in zip(item.slots, item.values, strict=True) if not isinstance(v, Ref)]
    return tuple(slot for slot, _ in kept), tuple(value for _, value in kept)
