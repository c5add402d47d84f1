"""A lowered model in half precision, but for its islands: the types of nodes, constants and weights.

A tensor is cast where the first node reads it in the other precision, once: neighbours in the same
precision have no cast between them, and none follows another.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from onnx import (
    AttributeProto,
    GraphProto,
    ModelProto,
    NodeProto,
    TensorProto,
    ValueInfoProto,
    numpy_helper,
)

from netspec.backends.onnx.builder import Initializer
from netspec.backends.onnx.guard import check_model
from netspec.backends.onnx.islands import LARGEST, Island, Range, islands
from netspec.backends.onnx.kinds import FLOAT, HALF, Parts, Typed, followed
from netspec.backends.onnx.model import Model
from netspec.backends.onnx.options import FileOptions
from netspec.diagnostics.messages.backends import BeyondHalf
from netspec.diagnostics.raised import NetspecError
from netspec.foundation.records import record
from netspec.graph.checked import Node
from netspec.weights.sources import WeightSource

# The entry of a file's metadata that says its precision, where that is not single.
_DTYPE = "netspec.dtype"

# Islands that a report in text names.
_SHOWN = 20


@record
class Precision:
    """What a file in half precision keeps in single: `islands` of `steps` in all.

    `unmeasured` says why no values were measured, empty where they were: then only rules that hold for
    any values chose the islands, and the weights.
    """

    islands: tuple[Island, ...]
    steps: int
    unmeasured: str = ""

    def text(self) -> str:
        """The report as a few lines for a terminal."""
        kept = f"{len(self.islands)} of {self.steps} steps stay in float32, in whole or in part"
        lines = [f"half precision: {kept if self.islands else 'every step'}"]
        lines += [f"  {island}" for island in self.islands[:_SHOWN]]
        if len(self.islands) > _SHOWN:
            lines.append(f"  ... and {len(self.islands) - _SHOWN} others: --json has them all")
        if self.unmeasured:
            lines.append(f"  no range of values was measured: {self.unmeasured}")
        return "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        """The report as plain data."""
        return {
            "dtype": "fp16",
            "steps": self.steps,
            "measured": not self.unmeasured,
            "fp32": [
                {
                    "path": island.path,
                    "place": str(island.span),
                    "reason": island.reason,
                    "operators": list(island.operators) or None,
                }
                for island in self.islands
            ],
        }


def halved(
    model: Model,
    source: WeightSource,
    options: FileOptions,
    ranges: dict[str, Range],
    unmeasured: str = "",
) -> tuple[Model, Precision]:
    """The model in half precision; inputs and outputs are in single unless `options.io` is fp16.

    `ranges` are the least and largest value of each tensor on samples, empty where nothing was measured,
    and `unmeasured` says why.
    Raises NetspecError where an output has to be in half and does not fit.
    """
    graph = Parts(model)
    wide, found = islands(model, graph, source, ranges, options.fp32)
    border = HALF if options.io == "fp16" else FLOAT
    if border == HALF:
        _refuse_outputs(graph, ranges)
    rewritten = _Rewriting(model, graph, wide, border).model()
    steps = len({owner for owner in model.owners if owner is not None})
    return rewritten, Precision(found, steps, unmeasured)


def dtype_of(path: Path) -> str:
    """The precision of a file that netspec wrote: `fp32` or `fp16`."""
    said = {entry.key: entry.value for entry in check_model(path).metadata_props}
    return str(said.get(_DTYPE, "fp32"))


def _refuse_outputs(graph: Parts, ranges: dict[str, Range]) -> None:
    for item in graph.rest.output:
        largest = max(map(abs, ranges.get(item.name, (0.0, 0.0))))
        if LARGEST < largest < float("inf"):
            raise NetspecError(BeyondHalf(item.name, f"{largest:.1e}"), status=2)


class _Rewriting:
    """One model on its way to half precision.

    Tensors keep their names: one that is made in the other precision than its output has gets another.
    """

    def __init__(self, model: Model, graph: Parts, wide: frozenset[int], border: int) -> None:
        self._model, self._graph, self._wide, self._border = model, graph, wide, border
        self._outputs = {
            item.name for item in graph.rest.output if item.type.tensor_type.elem_type == FLOAT
        }
        self._kinds = graph.given(border)
        # The name of a tensor in a precision, where it has one.
        self._names = {(name, kind): name for name, kind in self._kinds.items()}
        self._taken = {item.name for item in (*graph.rest.input, *graph.rest.output)}
        self._taken |= {t.name for t in graph.rest.initializer} | graph.numbers
        self._asked: dict[str, set[int]] = {}
        for typed in self._followed():
            self._taken.update((typed.node.name, *typed.node.output))
            for name, kind in zip(typed.node.input, typed.read, strict=True):
                if name in graph.numbers and kind is not None:
                    self._asked.setdefault(name, set()).add(kind)
        self._encoded: list[bytes] = []
        self._owners: list[Node | None] = []

    def _followed(self) -> Iterator[Typed]:
        return followed(self._graph, self._wide, inputs=self._border)

    def model(self) -> Model:
        """The model in its precisions."""
        weights = tuple(self._weight(item) for item in self._model.weights)
        constants = self._constants()
        for typed in self._followed():
            self._rewrite(typed)
        rest = GraphProto()
        rest.CopyFrom(self._graph.rest)
        del rest.initializer[:]
        rest.initializer.extend(constants)
        for item in (*rest.input, *rest.output):
            if item.type.tensor_type.elem_type == FLOAT:
                item.type.tensor_type.elem_type = self._border
        del rest.value_info[:]
        rest.value_info.extend(self._described())
        head = ModelProto()
        head.CopyFrom(self._model.head)
        head.metadata_props.add(key=_DTYPE, value="fp16")
        encoded = b"".join((*self._encoded, rest.SerializeToString(deterministic=True)))
        return replace(
            self._model, head=head, graph=encoded, weights=weights, owners=tuple(self._owners)
        )

    def _described(self) -> Iterator[ValueInfoProto]:
        """What the model says of its tensors, in each precision that they are there in."""
        around = {item.name for item in (*self._graph.rest.input, *self._graph.rest.output)}
        types = {item.name: item.type for item in self._graph.rest.value_info}
        types |= {
            item.name: item.type for item in (*self._graph.rest.input, *self._graph.rest.output)
        }
        for (tensor, kind), name in self._names.items():
            if tensor in types and name not in around:
                item = ValueInfoProto(name=name, type=types[tensor])
                item.type.tensor_type.elem_type = kind
                yield item

    # --- numbers that are there

    def _weight(self, item: Initializer) -> Initializer:
        """A weight in the precision that its readers want: in single where both do, and cast for some."""
        half = self._asked.get(item.name) == {HALF}
        kind = HALF if half else FLOAT
        self._kinds[item.name] = kind
        self._names[item.name, kind] = item.name
        return replace(item, dtype="float16" if half else "float32")

    def _constants(self) -> list[TensorProto]:
        """Constants are small: where both precisions are wanted, there are two."""
        found = []
        for tensor in self._graph.rest.initializer:
            if tensor.name not in self._graph.numbers:
                found.append(tensor)
                continue
            for kind in sorted(self._asked.get(tensor.name, {FLOAT})):
                name = tensor.name if kind == FLOAT else self._fresh(tensor.name, kind)
                self._kinds[tensor.name] = kind
                self._names[tensor.name, kind] = name
                found.append(_typed(tensor, name, kind))
        return found

    # --- nodes

    def _rewrite(self, typed: Typed) -> None:
        node = NodeProto()
        node.CopyFrom(typed.node)
        owner = self._model.owners[typed.number]
        for i, (name, kind) in enumerate(zip(typed.node.input, typed.read, strict=True)):
            if name:
                node.input[i] = self._as(name, kind, node, owner)
        after = []
        for i, (name, kind) in enumerate(zip(typed.node.output, typed.made, strict=True)):
            self._kinds[name] = kind
            self._names[name, kind] = name
            if name in self._outputs and kind != self._border:
                node.output[i] = self._names[name, kind] = self._fresh(name, kind)
                self._names[name, self._border] = name
                after.append((node.output[i], name))
        if node.op_type == "ConstantOfShape" and typed.made[0] == HALF:
            zero = TensorProto(dims=[1], data_type=HALF, raw_data=bytes(2))
            node.attribute.append(AttributeProto(name="value", type=AttributeProto.TENSOR, t=zero))
        self._add(node, owner)
        for source, target in after:
            self._cast(source, target, self._border, node, owner)

    def _as(self, name: str, kind: int | None, node: NodeProto, owner: Node | None) -> str:
        """The name of a tensor in a precision, or in its own; the node that reads it comes next."""
        kind = self._kinds[name] if kind is None else kind
        if (name, kind) not in self._names:
            self._names[name, kind] = self._fresh(name, kind)
            made = self._names[name, self._kinds[name]]
            self._cast(made, self._names[name, kind], kind, node, owner)
        return self._names[name, kind]

    def _cast(
        self, source: str, target: str, kind: int, node: NodeProto, owner: Node | None
    ) -> None:
        # An output may have a step's path for its name, which is that of a node.
        name = self._fresh(target, kind) if target in self._outputs else target
        cast = NodeProto(op_type="Cast", name=name, input=[source], output=[target])
        cast.attribute.append(AttributeProto(name="to", type=AttributeProto.INT, i=kind))
        cast.metadata_props.extend(node.metadata_props)
        self._add(cast, owner)

    def _add(self, node: NodeProto, owner: Node | None) -> None:
        self._encoded.append(GraphProto(node=[node]).SerializeToString(deterministic=True))
        self._owners.append(owner)

    def _fresh(self, name: str, kind: int) -> str:
        """A name for a tensor in a precision that nothing has yet."""
        fresh = f"{name}.{'fp16' if kind == HALF else 'fp32'}"
        while fresh in self._taken:
            fresh += "."
        self._taken.add(fresh)
        return fresh


def _typed(tensor: TensorProto, name: str, kind: int) -> TensorProto:
    """A constant in a precision."""
    array = numpy_helper.to_array(tensor).astype("<f2" if kind == HALF else "<f4")
    return TensorProto(dims=tensor.dims, data_type=kind, name=name, raw_data=array.tobytes())
