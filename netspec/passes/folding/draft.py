"""The folded graph while it is made: what stands for each value, and what is known of each step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import field, replace
from typing import Any

from netspec.foundation.records import record
from netspec.graph.checked import Graph, Head, Node, Output, Value
from netspec.ops.declare.linear import Linear, Recipe, Scaling, Tensor
from netspec.ops.declare.operator import Operator


@record
class Into:
    """A step of the folded graph, by its path, and the steps of the written one that went into it."""

    path: str
    steps: tuple[str, ...]


@record(slots=False)
class Folded:
    """A graph of fewer steps, how its tensors are made, and what became of the written graph.

    `recipes` has the tensors that are not the written net's own. `places` tells where values of the
    written graph are in this one; those that are nowhere any more are not in it. `dropped` are
    steps that did nothing, `moved` those that run after a step they were written before.
    """

    graph: Graph
    recipes: Mapping[str, Recipe] = field(default_factory=dict)
    places: Mapping[Value, Value] = field(default_factory=dict)
    into: tuple[Into, ...] = ()
    dropped: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()


class Draft:
    """A graph under construction, step by step in the written order.

    `kept` are the owners whose tensors stay as they are: steps apart that share them would need
    them changed in different ways.
    """

    def __init__(self, graph: Graph, kept: frozenset[str]) -> None:
        self._graph = graph
        self._kept = kept
        self._readers = Counter(value for node in graph.nodes for value in node.inputs)
        self._readers.update(output.value for output in graph.outputs)
        self._readers.update(head.value for head in graph.heads)
        # The new steps in order, and where each stands; None where one went into another.
        self._steps: list[Node | None] = []
        self._index: dict[Node, int] = {}
        self._current: dict[Value, Value] = {}
        self._reads: Counter[Value] = Counter()
        self._scalings: dict[Node, Scaling] = {}
        self._linears: dict[Node, Linear] = {}
        self._recipes: dict[Node, dict[str, Recipe]] = {}
        self._into: dict[Node, tuple[str, ...]] = {}
        self._dropped: list[str] = []
        self._moved: dict[str, None] = {}

    # what rules ask

    def inputs(self, node: Node) -> tuple[Value, ...]:
        """What stands for the inputs of a written step."""
        return tuple(self._current[value] for value in node.inputs)

    def scaling(self, node: Node) -> Scaling | None:
        """The scale and shift that a written step is, or a new one."""
        if node in self._index:
            return self._scalings.get(node)
        own = self._own(node)
        return None if own is None else node.op.scaling(own, *node.input_types)

    def linear(self, node: Node) -> Linear | None:
        """The kernel and bias that a written step has, or a new one."""
        if node in self._index:
            return self._linears.get(node)
        own = self._own(node)
        return None if own is None else node.op.linear(own, *node.input_types)

    def sole(self, value: Value) -> bool:
        """Whether a new value has one reader only, so that its step may go into that."""
        return self._reads[value] == 1

    def absorbed(self, node: Node) -> tuple[str, ...]:
        """The written steps that are in a new one besides that of its own path."""
        return self._into.get(node, ())

    def _own(self, node: Node) -> dict[str, Tensor] | None:
        if node.owner in self._kept:
            return None
        weights = node.op.weights(*node.input_types)
        return {w.name: Tensor(f"{node.owner}.{w.name}", w) for w in weights}

    # what rules do

    def keep(self, node: Node, inputs: tuple[Value, ...] | None = None) -> None:
        """Takes a written step over as it is, or with other inputs that come to the same."""
        scaling, linear = self.scaling(node), self.linear(node)
        inputs = self.inputs(node) if inputs is None else inputs
        made = replace(node, inputs=inputs) if node.inputs else node
        self._append(made, scaling, linear)
        for value in node.outputs:
            self._stand(value, Value(made, value.index))

    def drop(self, node: Node) -> None:
        """Leaves out a written step that gives what it is given."""
        value = self._current[node.inputs[0]]
        self._reads[value] -= 1
        self._stand(node.output, value)
        self._dropped.append(node.path)

    def stand(self, written: Node, value: Value) -> None:
        """Lets a new value, made for it, stand for what a written step gives."""
        self._reads[value] = 0
        self._stand(written.output, value)

    def refill(
        self,
        layer: Node,
        linear: Linear,
        *,
        inputs: tuple[Value, ...] | None = None,
        gone: tuple[Node, ...] = (),
        also: str = "",
    ) -> Value:
        """A linear layer with other numbers, in the place of a new step or after all of them.

        `gone` are the new steps that go into it, `also` the path of a written one that does.
        """
        op = _refilled(layer.op, linear.geometry.kernel, bias=linear.bias is not None)
        made = replace(layer, op=op, inputs=layer.inputs if inputs is None else inputs)
        recipes: dict[str, Recipe] = {f"{layer.owner}.weight": linear.kernel}
        if linear.bias is not None:
            recipes[f"{layer.owner}.bias"] = linear.bias
        self._place(layer, made, gone, also)
        self._linears[made] = linear
        self._recipes[made] = recipes
        return made.output

    def rescale(
        self, made: Node, scaling: Scaling, recipes: dict[str, Recipe], gone: Node
    ) -> Value:
        """A new scale and shift, in which the one before it has gone."""
        self._place(made, made, (gone,), "")
        self._scalings[made] = scaling
        self._recipes[made] = recipes
        return made.output

    def rewire(self, step: Node, inputs: tuple[Value, ...]) -> Value:
        """A new step, which is not linear, with other inputs in its place."""
        made = replace(step, inputs=inputs)
        self._place(step, made, (), "")
        return made.output

    def swap(self, layer: Node, first: Node) -> Value:
        """Puts a linear layer behind the step `first`, which reads what the layer read."""
        sizes = layer.types[0].with_shape(layer.types[0].shape[0], *first.types[0].spatial)
        made = replace(layer, inputs=(first.output,), types=(sizes,))
        self._steps[self._index[layer]] = None
        self._append(first)
        self._append(made, linear=self._linears[layer])
        if layer in self._recipes:
            self._recipes[made], self._into[made] = self._recipes[layer], self._into[layer]
        self._moved[made.path] = None
        return made.output

    def _place(self, layer: Node, made: Node, gone: tuple[Node, ...], also: str) -> None:
        """Puts a step where the layer is, if it is there already."""
        steps = [*self.absorbed(layer)]
        for node in gone:
            steps += [node.path, *self.absorbed(node)]
            self._steps[self._index[node]] = None
        if also:
            steps.append(also)
        if layer in self._index:
            self._steps[self._index[layer]] = made
            self._index[made] = self._index[layer]
        else:
            self._append(made)
        self._reads[made.output] = self._reads[layer.output]
        self._into[made] = tuple(steps)

    def _append(
        self, made: Node, scaling: Scaling | None = None, linear: Linear | None = None
    ) -> None:
        self._index[made] = len(self._steps)
        self._steps.append(made)
        if scaling is not None:
            self._scalings[made] = scaling
        if linear is not None:
            self._linears[made] = linear

    def _stand(self, written: Value, value: Value) -> None:
        self._current[written] = value
        self._reads[value] += self._readers[written]

    # what comes of it

    def conflicts(self) -> frozenset[str]:
        """The owners of tensors that steps which share them need changed in different ways.

        An owner that went into another step, while others still use its tensors, is one too.
        """
        found: dict[str, dict[str, Recipe] | None] = {}
        live = [node for node in self._steps if node is not None]
        gone = {node.path for node in self._graph.nodes} - {node.path for node in live}
        conflicting = set()
        for node in live:
            recipes = self._recipes.get(node)
            if found.setdefault(node.owner, recipes) != recipes or node.owner in gone:
                conflicting.add(node.owner)
        return frozenset(conflicting - self._kept)

    def result(self) -> Folded:
        """The graph as it stands."""
        nodes = tuple(node for node in self._steps if node is not None)
        live = set(nodes)
        places = {old: new for old, new in self._current.items() if new.node in live}
        recipes: dict[str, Recipe] = {}
        for node in nodes:
            recipes |= self._recipes.get(node, {})
        graph = self._graph.replace(
            nodes=nodes,
            outputs=tuple(Output(o.name, places[o.value]) for o in self._graph.outputs),
            heads=tuple(Head(h.name, places[h.value], h.loss) for h in self._graph.heads),
            names=_renamed(self._graph.names, places),
        )
        into = tuple(Into(n.path, self.absorbed(n)) for n in nodes if self.absorbed(n))
        return Folded(graph, recipes, places, into, tuple(self._dropped), tuple(self._moved))


def _renamed(
    names: Mapping[str, tuple[Value, ...]], places: Mapping[Value, Value]
) -> dict[str, tuple[Value, ...]]:
    """The names of values that are still there."""
    return {
        name: tuple(places[value] for value in values)
        for name, values in names.items()
        if all(value in places for value in values)
    }


def _refilled(op: Operator, window: tuple[int, ...], *, bias: bool) -> Operator:
    """The same layer for other numbers: it does not say itself what its tensors hold."""
    changes: dict[str, Any] = {"bias": bias, "init": None, "bias_init": None, "fixed": None}
    changes |= {"kernel": window, "standardise": None, "gain": None}
    held = dict(vars(op))
    return type(op)(**{**held, **{k: v for k, v in changes.items() if k in held}})
