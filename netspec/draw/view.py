"""What a picture shows of one net: which blocks are open, which figures, which colours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import field
from functools import cached_property, lru_cache
from math import sqrt
from typing import Any, TypeVar

from netspec.analysis.costs import NodeCost, node_cost
from netspec.draw.structure.choosing import telling
from netspec.draw.structure.elements import (
    Block,
    Element,
    Repeat,
    Step,
    blocks_of,
    nodes_of,
    own_nodes_of,
)
from netspec.draw.structure.labels import data_inputs, family, human, label, shape, spelling, tag
from netspec.draw.structure.naming import called, name_of, naming
from netspec.draw.structure.opening import (
    Opening,
    copies_of,
    expanded,
    path_of,
    spanned,
    unfolded,
)
from netspec.draw.structure.reading import flat_steps
from netspec.draw.structure.sharing import sharing
from netspec.foundation.records import record
from netspec.graph.checked import Graph, Node
from netspec.sizes.shapes import TensorType, numel

SHOWN = ("shape", "kernel", "params", "macs", "name")
HEATS = ("params", "macs", "memory")
HEAT_STEPS = 6
_MOST_NAMES = 4
T = TypeVar("T")


@record(eq=False, slots=False)
class View:
    """Choices for one picture of one net.

    Blocks nested up to `depth` deep are open, None for all, and those that `expand` says (by name,
    glob or full path), with what is around them. Repeats that `unfold` says are shown copy by copy.
    `first` opens only the first block of each name, `only` what it says and nothing else.
    With `wrappers`, blocks that hold nothing but another block are open, which takes no room.
    Without `followers`, what normalises and activates goes unsaid. Repeats are folded where their `marks`
    are the same. `peak` is what the hottest colour stands for where several nets share one scale.
    Views that differ in `only` alone may share a `memory`: what is open in an element decides how it is
    laid out.
    """

    graph: Graph
    depth: int | None = None
    expand: tuple[str, ...] = ()
    unfold: tuple[str, ...] = ()
    show: tuple[str, ...] = ("shape", "kernel", "params")
    heat: str | None = None
    first: bool = False
    only: Opening | None = None
    wrappers: bool = False
    followers: bool = True
    marks: Mapping[Node, str] = field(default_factory=dict)
    peak: float | None = None
    memory: dict[object, Any] | None = None

    def is_open(self, block: Block, path: str, depth: int, *, abreast: bool = False) -> bool:
        """Whether the block, inside `depth` others, shows what it does.

        `path` is that of its first copy. Copies side by side are open where that is said of them alone.
        """
        opening = self.opening
        if block.call.block in opening.names or block.path in opening.paths:
            return True
        if abreast:
            return False
        if self.wrappers and block.only is not None:
            return True
        if self.only is not None or block.head:
            return False
        if self.first and not depth and path != self._firsts[block.call.block]:
            return False
        return self.depth is None or depth < self.depth

    def is_shown(self, step: Step) -> bool:
        """Whether a layer shows what its operator does: where that is asked for."""
        opening = self.opening
        if spelling(step.node.op) not in opening.names and step.node.path not in opening.paths:
            return False
        return bool(step.node.op.figure(*step.node.input_types))

    @cached_property
    def opening(self) -> Opening:
        """What is opened by hand: `only`, or what `expand` and `unfold` say."""
        if self.only is not None:
            return self.only
        return expanded(self.graph, self.expand) | unfolded(self.graph, self.unfold)

    def opened_in(self, element: Element) -> tuple[frozenset[str], frozenset[str]]:
        """The names and the paths that open something in an element, where there is a memory for it."""
        names, paths = self.kept(("opening", element), lambda: _opening_in(element))
        return self.opening.names & names, self.opening.paths & paths

    def kept(self, key: object, make: Callable[[], T]) -> T:
        """What is known by a key, which is made where there is no memory or it is not known."""
        if self.memory is None:
            return make()
        if key not in self.memory:
            self.memory[key] = make()
        found: T = self.memory[key]
        return found

    @cached_property
    def _firsts(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for node in self.graph.nodes:
            calls = [c for c in node.call.ancestors() if c.component] if node.call else []
            for i, call in enumerate(calls):
                path = ".".join(str(c.component) for c in reversed(calls[i:]))
                found.setdefault(call.block, path)
        return found

    # --- words

    @property
    def implied(self) -> tuple[str, ...]:
        """What follows most convolutions, said once under the picture and not at each."""
        return _after_most(self.graph)

    @property
    def unlined(self) -> str:
        """What is said under the picture of connections that no line is drawn for, if there are any."""
        sized = any(len(data_inputs(n)) < len(n.inputs) for n in self.graph.nodes)
        return "what only gives a size has no line" if sized else ""

    def label(self, step: Step, channels: str = "") -> str:
        """The step's words: what it is, and what follows it where that is not the rule.

        With its name where that is asked for, or is needed to follow a connection.
        """
        parts = [self._layer(step), *([channels] if channels else []), *self.behind(step)]
        return self._names_before(step) + ", ".join(parts)

    def _layer(self, step: Step) -> str:
        own = tags(step)
        node = step.node
        if family(node.op) == "minor":
            return ", ".join((tag(node), *own))
        text = label(node, kernel="kernel" in self.show)
        if not self.followers:
            return text
        rule = self.implied if family(node.op) == "conv" else ()
        if rule:
            if own == rule:
                return text
            return f"{text} · {', '.join(own) if own else 'linear'}"
        return f"{text} · {', '.join(own)}" if own else text

    def _names_before(self, step: Step) -> str:
        name = name_of(step) if "name" in self.show else ""
        known = naming(self.graph).named
        name = name or next((known[node] for node in step.nodes if node in known), "")
        name = name or sharing(self.graph).name(step.node.path)
        return f"{name}: " if name else ""

    def behind(self, step: Step) -> list[str]:
        """What a step reads from far and whose weights it uses, in words."""
        read = naming(self.graph).read
        names = list(dict.fromkeys(name for node in step.nodes for name in read.get(node, ())))
        names = [name for name in names if name not in self.told(step)]
        if len(names) > _MOST_NAMES:
            names = [*names[: _MOST_NAMES - 1], f"{len(names) - _MOST_NAMES + 1} more"]
        names = [*self.told(step), *names]
        weights, _ = self.shared(step.node.path)
        found = [f"from {', '.join(names)}"] if names else []
        return [*found, weights] if weights else found

    def told(self, element: Element) -> list[str]:
        """The names of what an element reads that no line leads from."""
        found = telling(self.graph)
        return [found.names[value] for value in found.told(nodes_of(element))]

    def shared(self, path: str) -> tuple[str, int | None]:
        """Whose weights the layer or block at a path uses, in words, and the number of its mark."""
        found = sharing(self.graph)
        return found.words(path), found.numbers.get(path)

    def called(self, block: Block) -> str:
        """What a block is called."""
        return called(self.graph, block)

    def titled(self, block: Block, title: str) -> str:
        """A block's title, with whose weights it uses."""
        weights, _ = self.shared(block.path)
        return f"{title}, {weights}" if weights else title

    def weights(self, element: Element, path: str) -> str:
        """Whose weights a block uses, in words, `element` being all that its card stands for."""
        copies = [copy.path for copy in _copies(element) if isinstance(copy, Block)]
        found = sharing(self.graph)
        if len(copies) > 1 and any(found.sources.get(copy) in copies for copy in copies):
            return "the same weights each time"
        return found.words(path)

    def numbers(self, element: Element, kind: TensorType | None) -> str:
        """The figures that `show` asks for: output shape, parameters, multiply-adds."""
        found = []
        if "shape" in self.show and kind is not None:
            found.append(shape(kind))
        cost = self.cost(own_nodes_of(element))
        if "params" in self.show and cost.params + cost.params_frozen:
            found.append(human(cost.params + cost.params_frozen))
        if "macs" in self.show and cost.macs != 0:
            found.append(f"{human(cost.macs)} MACs")
        return " · ".join(found)

    def hint(self, name: str, element: Element, kind: TensorType) -> str:
        """What hovering tells: the path, the output, the cost; of a repeat, that of all copies."""
        cost = self.cost(own_nodes_of(element))
        if isinstance(element, Repeat):
            # What is drawn is the last copy, and the name is as long as its own.
            first = path_of(copies_of(element)[0][0]).split(".")[-1 - name.count(".") :]
            name = f"{spanned('.'.join(first), name)} ×{element.count}"
        text = f"{name}: {shape(kind)}"
        if cost.params + cost.params_frozen:
            text += f", {cost.params + cost.params_frozen:,} params"
        return text if cost.macs == 0 else f"{text}, {human(cost.macs)} MACs"

    # --- cost and heat

    def cost(self, nodes: tuple[Node, ...]) -> NodeCost:
        """What these nodes cost together, for one sample."""
        return _total(self.graph, nodes)

    def weight(self, nodes: tuple[Node, ...]) -> float:
        """What `heat` measures, for these nodes; sizes that are symbols count as 0."""
        if self.heat == "memory":
            sizes = [numel(n.types[0].shape) for n in nodes if n.inputs]
            return 4.0 * sum(s for s in sizes if isinstance(s, int))
        cost = self.cost(nodes)
        value = cost.macs if self.heat == "macs" else cost.params + cost.params_frozen
        return float(value) if isinstance(value, int) else 0.0

    @cached_property
    def hottest(self) -> float:
        """The largest weight of a step, which the hottest colour stands for, unless that is `peak`."""
        if self.peak is not None:
            return self.peak
        return max((self.weight(step.nodes) for step in flat_steps(self.graph)), default=0.0)

    def look(self, step: Step, repeat: Repeat | None = None) -> str:
        """The colour class of a step: its family, or its heat; that of the hottest copy."""
        if self.heat is None:
            return family(step.node.op)
        copies = repeat.copies if repeat else (step,)
        weight = max(self.weight(nodes_of(copy)) for copy in copies)
        share = weight / self.hottest if self.hottest else 0.0
        return f"h{round(sqrt(share) * (HEAT_STEPS - 1))}"


def _copies(element: Element) -> tuple[Element, ...]:
    return element.copies if isinstance(element, Repeat) else (element,)


def _opening_in(element: Element) -> tuple[frozenset[str], frozenset[str]]:
    """The names and the paths by which something in an element can be opened, or what is around it."""
    blocks, nodes = list(blocks_of(element, heads=True)), nodes_of(element)
    calls = {call for node in nodes if node.call for call in node.call.ancestors()}
    names = {spelling(node.op) for node in nodes} | {call.block for call in calls}
    paths = {node.path for node in nodes} | {block.path for block in blocks}
    return frozenset(names), frozenset(paths)


@lru_cache(maxsize=8192)
def tags(step: Step) -> tuple[str, ...]:
    """The short names of what is merged into a step: `bn`, `relu`."""
    named = {node: block for block in step.blocks for node in block.nodes}
    found: dict[object, str] = {}
    for node in step.nodes[1:]:
        block = named.get(node)
        found[block or node] = block.call.block if block else tag(node)
    return tuple(found.values())


@lru_cache(maxsize=16)
def _node_costs(graph: Graph) -> dict[Node, NodeCost]:
    return {node: node_cost(graph, node) for node in graph.nodes}


@lru_cache(maxsize=1024)
def _total(graph: Graph, nodes: tuple[Node, ...]) -> NodeCost:
    found = _node_costs(graph)
    each = [found[node] for node in nodes]
    macs = sum((c.macs for c in each), 0)
    return NodeCost(
        sum(c.params for c in each),
        sum(c.params_frozen for c in each),
        sum(c.buffers for c in each),
        sum(c.constants for c in each),
        macs,
    )


@lru_cache(maxsize=16)
def _after_most(graph: Graph) -> tuple[str, ...]:
    counts = Counter(tags(s) for s in flat_steps(graph) if family(s.node.op) == "conv")
    for following, count in counts.most_common(1):
        if count * 2 > counts.total():
            return following
    return ()
