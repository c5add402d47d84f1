"""Nodes as they are added: shapes inferred, the budget kept, weights shared."""

from __future__ import annotations

from dataclasses import field
from math import prod
from typing import Any, NamedTuple

from netspec.diagnostics.limits import Limits
from netspec.diagnostics.messages.limits import (
    ActivationsTooLarge,
    SizeTooLong,
    TensorTooLarge,
    TooManyNodes,
    TooManyParameters,
)
from netspec.diagnostics.messages.shapes import (
    NothingToShare,
    SharedKnownDiffer,
    SharedShapesDiffer,
    WrongCount,
)
from netspec.diagnostics.raised import Collector, Rejection
from netspec.diagnostics.source import Span
from netspec.foundation.records import record
from netspec.graph.checked import Call, Node, Value
from netspec.ops.declare.checks import need_numbers
from netspec.ops.declare.operator import Operator
from netspec.ops.declare.values import told_apart
from netspec.ops.declare.weight import Weight
from netspec.ops.vectors.sources import reads_nothing
from netspec.sizes.batch import common
from netspec.sizes.conditions import Condition, gathered, state
from netspec.sizes.dims import largest, least, length
from netspec.sizes.shapes import TensorType

# Terms and factors in the formula of one size.
_LONGEST = 64
_PLAIN = (int, bool, str, type(None))
# The largest number in it: computed in 64 bits with sizes of 31, a compiled file decides by it.
_LARGEST = 2**32


class Inferred(NamedTuple):
    """What an operator gives on inputs of some types.

    The outputs' types, its parameters, the bytes that it makes for one sample, and the conditions that
    its shape rule stated.
    """

    types: tuple[TensorType, ...]
    parameters: int
    size: int
    stated: tuple[Condition, ...]


@record(frozen=False, eq=False)
class Known:
    """Operators by their values, and what they give by the types of their inputs."""

    operators: dict[Any, Operator] = field(default_factory=dict)
    inferred: dict[Any, Inferred] = field(default_factory=dict)


class Assembler:
    """Adds nodes to a graph. Equal steps on equal shapes are inferred once, and kept in `known`.

    `parameters` and `size` are those of the nodes so far, with the bytes of what they make.
    """

    def __init__(self, collector: Collector, limits: Limits, known: Known) -> None:
        self.collector = collector
        self.limits = limits
        self.known = known
        self.nodes: list[Node] = []
        self.parameters = 0
        self.size = 0
        self._weights: dict[str, tuple[Weight, ...]] = {}
        # The paths of steps and calls, of so many nodes: those before are not looked at again.
        self._held: set[str] = set()
        self._looked_at = 0
        # By path, whose weights a node uses that uses another's.
        self._borrowed: dict[str, str] = {}

    def operator(self, kind: type[Operator], values: dict[str, Any]) -> Operator:
        """The operator with these checked values."""
        # Of the plain ones each parameter takes either whole numbers, or yes and no.
        told = [v if type(v) in _PLAIN else told_apart(v, _itself) for v in values.values()]
        key = (kind, *told)
        found = self.known.operators.get(key)
        if found is None:
            found = self.known.operators[key] = kind(**values)
        return found

    def add(
        self,
        op: Operator,
        inputs: tuple[Value, ...],
        path: str,
        span: Span,
        call: Call | None,
        *,
        owner: str | None = None,
        head: str | None = None,
        frozen: bool = False,
    ) -> Node:
        """A new node; raises Rejection where the operator cannot take the inputs."""
        plain = len(inputs) - len(op.references())
        if op.arity is not None and plain != op.arity:
            raise Rejection(_wrong_count(op, plain))
        types = tuple(value.type for value in inputs)
        outputs, parameters, size, _ = self.infer(op, types)
        if len(self.nodes) >= self.limits.nodes:
            raise Rejection(TooManyNodes(len(self.nodes) + 1, self.limits.nodes))
        if owner is None or owner == path or not parameters:
            owner = path
            self.parameters += parameters
            if self.parameters > self.limits.parameters:
                raise Rejection(TooManyParameters(self.parameters, self.limits.parameters))
        else:
            owner = self._borrowed[path] = self._borrowed.get(owner, owner)
            self._check_shared(op, types, owner)
        self.size += size
        if self.size > self.limits.activations:
            raise Rejection(ActivationsTooLarge(self.size, self.limits.activations))
        node = Node(len(self.nodes), op, inputs, outputs, path, span, call, owner, head, frozen)
        self.nodes.append(node)
        return node

    def fits(self, nodes: int, parameters: int, size: int) -> bool:
        """Whether so many nodes, parameters and bytes more are within the limits."""
        return (
            len(self.nodes) + nodes <= self.limits.nodes
            and self.parameters + parameters <= self.limits.parameters
            and self.size + size <= self.limits.activations
        )

    def holds(self, path: str) -> bool:
        """Whether there is a step or call of this path."""
        for node in self.nodes[self._looked_at :]:
            parts = node.path.split(".")
            self._held.update(".".join(parts[: i + 1]) for i in range(len(parts)))
        self._looked_at = len(self.nodes)
        return path in self._held

    def borrow(self, path: str, owner: str) -> None:
        """Takes note that a node was added that uses another's weights."""
        self._borrowed[path] = owner

    def infer(self, op: Operator, types: tuple[TensorType, ...]) -> Inferred:
        """What an operator gives; states its conditions, and raises Rejection where it gives nothing."""
        # Sizes that are equal by chance only, as 1 is in a merge, are not the same to what follows.
        key = (op, *[tensor.exact for tensor in types])
        found = self.known.inferred.get(key)
        if found is not None:
            state(found.stated)
            return found
        stated = gathered().stated
        before = len(stated)
        if not reads_nothing(op):
            need_numbers(op, types)
        result = op.infer(*_rows_told(op, types))
        outputs = result if isinstance(result, tuple) else (result,)
        size = 0
        for tensor in outputs:
            size += self.bytes_of(tensor)
        weights = op.weights(*types)
        for weight in weights:
            self._check_tensor(weight.size)
        parameters = sum(weight.size for weight in weights)
        found = Inferred(outputs, parameters, size, tuple(dict.fromkeys(stated[before:])))
        self.known.inferred[key] = found
        return found

    def bytes_of(self, tensor: TensorType) -> int:
        """How many bytes a tensor of one sample takes at least; raises Rejection beyond the limits."""
        for dim in tensor.shape:
            if length(dim, _LONGEST) > _LONGEST or largest(dim) > _LARGEST:
                raise Rejection(SizeTooLong(dim))
        elements = _fewest(tensor)
        self._check_tensor(elements)
        return 4 * elements

    def _check_tensor(self, elements: int) -> None:
        if elements > self.limits.tensor:
            raise Rejection(TensorTooLarge(elements, self.limits.tensor))

    def _check_shared(self, op: Operator, types: tuple[TensorType, ...], owner: str) -> None:
        if not self._weights:
            for node in self.nodes:
                self._weights[node.path] = node.op.weights(*node.input_types)
        theirs = self._weights.get(owner)
        if theirs is None:
            owning = next((n for n in self.nodes if n.path == owner), None)
            theirs = owning.op.weights(*owning.input_types) if owning else ()
            self._weights[owner] = theirs
        ours = op.weights(*types)
        if not theirs:
            named = f"`{owner}`" if owner else "what several steps give"
            raise Rejection(NothingToShare(op.spelling, named))
        if [w.shape for w in ours] != [w.shape for w in theirs]:
            shapes = (_shapes(theirs), _shapes(ours))
            raise Rejection(SharedShapesDiffer(owner, *shapes, _by_matrix(ours, theirs)))
        for here, there in zip(ours, theirs, strict=True):
            if (here.known, here.known and here.init) != (there.known, there.known and there.init):
                kinds = (
                    "fixed" if there.known else "trained",
                    "fixed" if here.known else "trained",
                )
                kinds = (kinds[0], "fixed at other numbers") if kinds[0] == kinds[1] else kinds
                raise Rejection(SharedKnownDiffer(owner, *kinds))


def _itself(value: Any) -> Any:
    return value


def _rows_told(op: Operator, types: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
    """The inputs' types with the rows that the output has: a row for all samples meets any."""
    if op.batches != "broadcast":
        return types
    counted = types[: op.sized_by]
    rows = common(tensor.batch for tensor in counted)
    if rows is None:
        return types
    same = (TensorType(tensor.shape, rows, tensor.ids) for tensor in counted)
    return (*same, *types[len(counted) :])


def _fewest(tensor: TensorType) -> int:
    """How many elements a tensor has at least, whatever the sizes of symbols."""
    if isinstance(tensor.elements, int):
        return tensor.elements
    return prod(
        size if isinstance(size, int) else int(max(1, least(size))) for size in tensor.shape
    )


def _by_matrix(ours: tuple[Weight, ...], theirs: tuple[Weight, ...]) -> str:
    """What a convolution of one place is written as where the weights of the other are a matrix."""
    if not ours or not theirs:
        return ""
    here, there = ours[0].shape, theirs[0].shape
    if len(there) != 2 or here[:2] != there or set(here[2:]) - {1}:
        return ""
    bias = "" if len(theirs) == len(ours) and len(theirs) > 1 else ", bias=no"
    return f"by a matrix each place is `fc-{there[0]}(over=channels{bias}, weights=@...)`"


def _shapes(weights: tuple[Weight, ...]) -> str:
    return ", ".join("x".join(map(str, w.shape)) for w in weights) or "none"


def _wrong_count(op: Operator, found: int) -> WrongCount:
    expected = "one tensor" if op.arity == 1 else f"{op.arity} tensors"
    count = {0: "nothing", 1: "one tensor"}.get(found, f"{found} tensors")
    advice = "join them first: concat, add, mean, ..." if op.arity == 1 and found > 1 else ""
    return WrongCount(op.spelling, expected, count, advice)
