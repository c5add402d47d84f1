"""A net's inputs: declared or given with the call, placed as the first nodes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from netspec.diagnostics.messages.names import (
    NameTaken,
    NotASymbol,
    RepeatedArgument,
    UnknownInput,
)
from netspec.diagnostics.messages.syntax import NoNet
from netspec.diagnostics.raised import Rejection
from netspec.diagnostics.records import Label
from netspec.elaborate.assemble import Assembler
from netspec.elaborate.bind import Misplaced, evaluate_at
from netspec.elaborate.scope import Binding, Poisoned, Scope
from netspec.foundation.records import record
from netspec.graph.checked import Node
from netspec.ops.declare.source import Input
from netspec.ops.declare.values import Name, show
from netspec.sizes.batch import SAMPLES, Batch
from netspec.sizes.dims import Dim, Open, symbol
from netspec.sizes.shapes import TensorType
from netspec.syntax import ast
from netspec.syntax.units import Unit

_SHAPE = re.compile(r"(?:([A-Za-z_]\w*)[:=])?([0-9]+(?:x(?:[0-9]+|[A-Z][A-Za-z]*))*)\Z")
# What other libraries write for the batch.
_NO_SIZES = frozenset({"None"})
_OF_ONE_SAMPLE = "sizes are those of one sample, without a batch"
# Sizes of which the first is no number are one word to who reads them.
_JOINED = re.compile(r"[A-Z][a-zA-WYZ0-9]*(?:x(?:[A-Z][a-zA-WYZ0-9]*|\d+))+")
_CHANNELS_FIRST = "sizes begin with a number, that of the channels: `3xHxW`"


@record(frozen=False, slots=False)
class Freed:
    """Inputs whose sizes stand as symbols: what each was, by symbol, and the inputs' types."""

    sizes: dict[str, int] = field(default_factory=dict)
    types: dict[str, TensorType] = field(default_factory=dict)

    def free(self, name: str, tensor: TensorType) -> TensorType:
        """The type of an input with a symbol of its own for each size that is a number."""
        fixed = _fixed_axes(tensor)
        shape = list(tensor.shape)
        for axis in range(fixed, len(shape)):
            size = shape[axis]
            if isinstance(size, int):
                # Not a name that a spec can give: those have letters only.
                freed = f"X{len(self.sizes)}"
                self.sizes[freed] = int(size)
                shape[axis] = symbol(freed)
        self.types[name] = TensorType(tuple(shape), tensor.batch, tensor.ids)
        return self.types[name]

    def inputs(self, sizes: Mapping[str, int]) -> tuple[str, ...]:
        """The inputs with sizes for their symbols, as the `inputs` of a build."""
        found = ((name, tensor.with_symbols(sizes)) for name, tensor in self.types.items())
        return tuple(f"{name}:{'x'.join(map(str, tensor.shape))}" for name, tensor in found)


def _fixed_axes(tensor: TensorType) -> int:
    """How many leading axes are no sizes of an image or a sequence: the channels, if any."""
    return 1 if tensor.ids is None else 0


class Inputs:
    """Adds a net's inputs to its nodes; `sizes` are those that batch symbols were declared with.

    With `freed`, sizes become symbols. `declared` are the types that the inputs' lines state.
    """

    def __init__(self, unit: Unit, assembler: Assembler, freed: Freed | None) -> None:
        self.unit = unit
        self.assembler = assembler
        self.freed = freed
        self.sizes: dict[str, int] = {}
        self.declared: dict[str, TensorType] = {}

    def place(self, running: Unit, scope: Scope, given: tuple[str, ...]) -> tuple[Node, ...]:
        """The inputs' nodes, named in `scope`; shapes in `given` replace declared ones."""
        declared = self.unit.inputs or running.inputs
        owner = self.unit if self.unit.inputs else running
        overrides = shapes_given(given)
        placed = []
        names = [item.name or "input" for item in declared]
        for name in overrides:
            if name is not None and names and name not in names:
                raise Rejection(UnknownInput(name, ", ".join(names)))
        if None in overrides and names and names[0] in overrides:
            raise Rejection(RepeatedArgument("--input", f"`{names[0]}`"))
        if not declared:
            if self.unit.lost:
                raise Poisoned
            if not overrides:
                advice = "add `input 3x224x224`, or pass --input 3x224x224"
                raise Rejection(NoNet("no input", advice))
            shapes = [(name or "input", TensorType(shape)) for name, shape in overrides.items()]
            return tuple(
                self._place(name, tensor, running, (0, 0), scope) for name, tensor in shapes
            )
        inner = Scope(owner, scope.level, scope.variables, {}, {})
        for item, name in zip(declared, names, strict=True):
            tensor = self.declared[name] = self._declared(item, inner)
            shape = overrides.get(name, overrides.get(None) if item is declared[0] else None)
            if shape is not None:
                tensor = TensorType(shape, tensor.batch, tensor.ids)
            if name in scope.names:
                label = Label(scope.names[name].span, "given first here")
                raise Misplaced(NameTaken(name), item.extent, (label,))
            placed.append(self._place(name, tensor, owner, item.extent, scope))
        return tuple(placed)

    def _place(
        self, name: str, tensor: TensorType, unit: Unit, extent: ast.Extent, scope: Scope
    ) -> Node:
        if self.freed is not None:
            tensor = self.freed.free(name, tensor)
        fixed = _fixed_axes(tensor)
        opened = (Open(n) if isinstance(n, int) else n for n in tensor.shape[fixed:])
        tensor = TensorType((*tensor.shape[:fixed], *opened), tensor.batch, tensor.ids)
        try:
            self.assembler.bytes_of(tensor)
        except Rejection as rejection:
            raise Misplaced(rejection.problem, extent) from None
        nodes, op = self.assembler.nodes, self.assembler.operator(Input, {"name": name})
        node = Node(len(nodes), op, (), (tensor,), name, unit.span(extent), None, name)
        nodes.append(node)
        scope.level.reserve([name])
        scope.names[name] = Binding((node.output,), unit.span(extent), name)
        return node

    def _declared(self, item: ast.Input, scope: Scope) -> TensorType:
        value = evaluate_at(item.shape, scope)
        parts = value if isinstance(value, tuple) else (value,)
        shape = tuple(self._size(part, item) for part in parts)
        batch, ids = SAMPLES, None
        for modifier in item.modifiers:
            arguments = {a.name: evaluate_at(a.value, scope) for a in modifier.arguments}
            if modifier.name == "ids" and list(arguments) == [None] and _positive(arguments[None]):
                ids = int(arguments[None])
            elif modifier.name == "batch" and len(arguments) == 1 and _is_batch(arguments):
                ((batch_name, nominal),) = arguments.items()
                batch = Batch(str(batch_name))
                self.sizes[batch.symbol] = int(nominal)
            else:
                reason = "inputs take ids(COUNT) and batch(SYMBOL=SIZE)"
                raise Misplaced(NotASymbol(f"`{modifier.name}(...)`", reason), modifier.extent)
        return TensorType(shape, batch, ids)

    def _size(self, part: Any, item: ast.Input) -> Dim:
        if isinstance(part, Name) and part.text in _NO_SIZES:
            raise Misplaced(NotASymbol(f"`{part.text}`", _OF_ONE_SAMPLE), item.shape.extent)
        if isinstance(part, Name) and _JOINED.fullmatch(part.text):
            raise Misplaced(NotASymbol(f"`{part.text}`", _CHANNELS_FIRST), item.shape.extent)
        if isinstance(part, Name) and part.text.isalnum() and part.text[0].isupper():
            return symbol(part.text)
        if isinstance(part, float) and part.is_integer():
            part = int(part)
        if _positive(part):
            return int(part)
        reason = "sizes are whole numbers of at least 1, or symbols such as H"
        raise Misplaced(NotASymbol(show(part), reason), item.shape.extent)


def shapes_given(given: tuple[str, ...]) -> dict[str | None, tuple[Dim, ...]]:
    """The shapes given for inputs by name, None for one without; raises Rejection where one is none."""
    found: dict[str | None, tuple[Dim, ...]] = {}
    for text in given:
        match = _SHAPE.match(text)
        if not match:
            raise Rejection(
                NotASymbol(f"`{text}`", "write it like 3x224x224, 3xHxW or name:3x224x224")
            )
        name, shape = match.groups()
        parts = tuple(int(p) if p.isdigit() else symbol(p) for p in shape.split("x"))
        if any(isinstance(part, int) and not _positive(part) for part in parts):
            raise Rejection(NotASymbol(f"`{text}`", "sizes are at least 1"))
        if name in found:
            raise Rejection(
                RepeatedArgument("--input", f"`{name}`" if name else "a shape without a name")
            )
        found[name] = parts
    return found


def _positive(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value < 2**31


def _is_batch(arguments: Mapping[str | None, Any]) -> bool:
    ((name, value),) = arguments.items()
    return name is not None and name != "N" and _positive(value)
