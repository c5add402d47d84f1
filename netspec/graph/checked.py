"""The checked graph: every tensor has its shape, every node its place in the spec.

A graph is only made by `netspec.elaborate.build`, so holding one means it has been checked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from functools import cached_property

from netspec.diagnostics.records import Diagnostic
from netspec.diagnostics.source import Source, Span
from netspec.foundation.records import record
from netspec.ops.declare.operator import Operator
from netspec.sizes.conditions import Condition
from netspec.sizes.dims import Dim, substitute, symbols_of
from netspec.sizes.legal import Legality, legality
from netspec.sizes.shapes import TensorType


@record(eq=False)
class Call:
    """One block call: a level of the path. `copy` is (i, n) for the i-th of `x n`, from 1.

    A `recurrent` one is the pass of a recurrence at one step, named after what holds the step.
    `definition` is the text that says what the block is, `values` its parameters that are numbers or
    yes and no, `told` what it was given, by the names of its parameters and as it would be typed.
    `taken` are the tensors that it calls by a name, by what `of` says or as arguments.
    Calls of inline blocks add no component to the path; they are kept for diagnostics and drawings.
    """

    parent: Call | None
    block: str
    component: str | None
    span: Span
    arguments: str = ""
    copy: tuple[int, int] | None = None
    recurrent: bool = False
    definition: Span | None = None
    values: tuple[tuple[str, float], ...] = ()
    told: tuple[tuple[str, str], ...] = ()
    taken: tuple[tuple[str, Value], ...] = ()

    def __str__(self) -> str:
        """The call as it is written: `unit(8, s=2)`."""
        return f"{self.block}({self.arguments})" if self.arguments else self.block

    def ancestors(self) -> Iterator[Call]:
        """This call and those around it, innermost first."""
        current: Call | None = self
        while current is not None:
            yield current
            current = current.parent


@record(eq=False)
class Node:
    """One operator at one place.

    `path` is the dotted path of block calls and the node's own name; `owner` is the path whose
    weights the node uses, its own unless weights are shared. `head` names the training-only head
    the node belongs to. `types` are the types of its outputs.
    """

    index: int
    op: Operator
    inputs: tuple[Value, ...]
    types: tuple[TensorType, ...]
    path: str
    span: Span
    call: Call | None
    owner: str
    head: str | None = None
    frozen: bool = False

    def __repr__(self) -> str:
        return f"<{self.path}: {self.op!r}>"

    @property
    def name(self) -> str:
        """The last component of the path."""
        return self.path.rpartition(".")[2]

    @property
    def output(self) -> Value:
        """The first output, which flows on."""
        return Value(self, 0)

    @property
    def outputs(self) -> tuple[Value, ...]:
        """Every output of the node, in order."""
        return tuple(Value(self, i) for i in range(len(self.types)))

    @property
    def input_types(self) -> tuple[TensorType, ...]:
        """The types of the inputs, in order."""
        return tuple(value.type for value in self.inputs)


@record
class Value:
    """One output of one node: what flows along the wire."""

    node: Node
    index: int

    @property
    def type(self) -> TensorType:
        """The tensor's type, for one sample."""
        return self.node.types[self.index]

    @property
    def shape(self) -> tuple[Dim, ...]:
        """The tensor's sizes, for one sample, channels first."""
        return self.type.shape


@record
class Head:
    """A training-only output with the weight of its loss."""

    name: str
    value: Value
    loss: float


@record
class Output:
    """One output of the net and its name; a `tap` is an inner step that was asked for besides."""

    name: str
    value: Value
    tap: bool = False


@record(eq=False, slots=False)
class Graph:
    """A checked net.

    `nodes` are in topological order, inputs first among them. `sizes` are the nominal sizes of
    leading symbols other than the batch. `conditions` say which symbolic sizes are legal.
    `names` are the top-level names given with `as`, `files` what was read for it, imports included.
    `results` is what each block call gave, by its path. `doubts` are warnings of how it was written.
    """

    name: str
    source: Source
    nodes: tuple[Node, ...]
    inputs: tuple[Node, ...]
    outputs: tuple[Output, ...]
    heads: tuple[Head, ...] = ()
    parameters: tuple[tuple[str, object], ...] = ()
    metadata: tuple[tuple[str, object], ...] = ()
    sizes: tuple[tuple[str, int], ...] = ()
    conditions: tuple[Condition, ...] = ()
    names: dict[str, tuple[Value, ...]] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    results: dict[str, tuple[Value, ...]] = field(default_factory=dict)
    doubts: tuple[Diagnostic, ...] = ()

    def __repr__(self) -> str:
        return f"<graph of {self.name}: {len(self.nodes)} nodes>"

    def replace(self, **changes: object) -> Graph:
        """The graph with other fields; nothing is checked again."""
        return replace(self, **changes)  # type: ignore[arg-type]

    def rewired(self, nodes: Sequence[Node], now: Mapping[Value, Value]) -> Graph:
        """The graph of other nodes, with what stands `now` for each value that it takes and gives."""
        outputs = tuple(replace(out, value=now[out.value]) for out in self.outputs)
        heads = tuple(replace(head, value=now[head.value]) for head in self.heads)
        inputs = tuple(now[node.output].node for node in self.inputs)
        return self.replace(nodes=tuple(nodes), outputs=outputs, heads=heads, inputs=inputs)

    @cached_property
    def nominal_sizes(self) -> dict[str, int]:
        """The nominal sizes of leading symbols by name: regions of interest, for one."""
        return dict(self.sizes)

    def nominal(self, dim: Dim) -> Dim:
        """A size with the nominal ones put in."""
        return substitute(dim, self.nominal_sizes)

    @cached_property
    def consumers(self) -> dict[Node, tuple[Node, ...]]:
        """For each node, the nodes that read one of its outputs, in order."""
        found: dict[Node, dict[Node, None]] = {node: {} for node in self.nodes}
        for node in self.nodes:
            for value in node.inputs:
                found[value.node][node] = None
        return {node: tuple(users) for node, users in found.items()}

    @cached_property
    def legality(self) -> Legality:
        """Which sizes of the symbols are legal."""
        return legality(self.conditions, self.symbols)

    @cached_property
    def symbols(self) -> tuple[str, ...]:
        """The symbols in the inputs' shapes."""
        found: dict[str, None] = {}
        for node in self.inputs:
            for dim in node.types[0].shape:
                for name in sorted(symbols_of(dim)):
                    found[name] = None
        return tuple(found)
