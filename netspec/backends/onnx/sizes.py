"""How large the values of an ONNX file become: added up before anything of it is run.

A file of a few bytes can ask for any number of them, and ONNX Runtime computes what follows from
constants while it loads. So the sizes are followed through the graph here: by ONNX's own rules for
shapes, and by computing the small vectors of sizes that those depend on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, TypeProto, defs, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx.shape_inference import infer_node_outputs

from netspec.backends.onnx.types import KEEPING
from netspec.system.reading import MOST_AXES, reason_of

Shape = tuple[int | None, ...]
Array = np.ndarray[Any, Any]

# Values of at most this many elements are computed, if they follow from constants and sizes.
_SMALL = 1024
# What may follow from constants alone, in bytes: netspec's own files compute sizes so.
_CONSTANTS = 2**28
_EVALUATED = frozenset(
    """
    Add Cast Ceil Concat ConstantOfShape Div Equal Expand Floor Gather Greater GreaterOrEqual Identity
    Less LessOrEqual Max Min Mod Mul Neg Not Range ReduceMax ReduceMin ReduceProd ReduceSum Reshape
    Round Slice Split Squeeze Sub Tile Transpose Unsqueeze Where
    """.split()
)
_ITEM_SIZES: dict[int, int] = {TensorProto.BOOL: 1, TensorProto.FLOAT16: 2, TensorProto.FLOAT: 4}
_ITEM_SIZES |= {TensorProto.INT8: 1, TensorProto.UINT8: 1, TensorProto.INT32: 4}


class TooLarge(Exception):
    """What a model would hold is more than it may, or cannot be told."""


def check_sizes(
    model: ModelProto,
    most: int,
    inputs: Mapping[str, Shape] | None = None,
    *,
    in_order: bool = True,
) -> None:
    """Raises TooLarge where a model would hold more than `most` bytes of values at once.

    It is a flat one: `netspec.backends.onnx.blocks.inlining.inline` writes out calls of functions.
    `inputs` are the shapes that inputs are given. Without them the model is about to be loaded: free
    sizes count as 1, and what follows from constants alone may take little. Where nodes do not run
    in the file's order, all of their values may be held at once.
    """
    sizes, last = _Sizes(model, inputs), _last_uses(model) if in_order else {}
    # Weights may be turned, which makes as many again: those are in the file, and those of shared
    # layers are turned for each. Of eight bits they are turned into fp32.
    uses = Counter(name for node in model.graph.node for name in node.input)
    weights = sum(
        prod(t.dims) * max(4, _item(t.data_type)) * max(1, uses[t.name])
        for t in model.graph.initializer
    )
    free = min(most, _CONSTANTS + 2 * weights)
    held: dict[int, int] = {}
    now = constants = 0
    for index, node in enumerate(model.graph.node):
        try:
            made, certain, constant = sizes.follow(node)
        except Exception as error:  # of ONNX's rules for shapes, in C++
            raise TooLarge(f"{node.op_type} {node.name} does not fit: {reason_of(error)}") from None
        if not certain and (constant or inputs is not None):
            raise TooLarge(f"how large {node.op_type} {node.name} gets cannot be told")
        constants += made if constant else 0
        held[index] = made
        now += made
        if now > most or (inputs is None and constants > free):
            raise TooLarge(f"{node.op_type} {node.name} would make {made:,} bytes")
        for done in last.get(index, ()):
            now -= held.pop(done, 0)


def _last_uses(model: ModelProto) -> dict[int, list[int]]:
    """By the number of each node, those of the nodes whose results nothing reads after it."""
    makers = {name: i for i, node in enumerate(model.graph.node) for name in node.output}
    last = dict(zip(makers.values(), makers.values(), strict=True))
    for i, node in enumerate(model.graph.node):
        for name in node.input:
            if name in makers:
                last[makers[name]] = max(i, last[makers[name]])
    for item in model.graph.output:
        last.pop(makers.get(item.name, -1), None)
    found: dict[int, list[int]] = {}
    for maker, reader in last.items():
        found.setdefault(reader, []).append(maker)
    return found


class _Sizes:
    """The values of a model by name: their types and, where they are small and known, numbers.

    `inputs` are the shapes that inputs are given; without, their sizes that are no numbers are free.
    """

    def __init__(self, model: ModelProto, inputs: Mapping[str, Shape] | None = None) -> None:
        self._types: dict[str, TypeProto] = {}
        self._numbers: dict[str, Array] = {}
        self._constant: set[str] = set()
        self._opsets = [o for o in model.opset_import if o.domain in ("", "ai.onnx")]
        self._ir = model.ir_version
        for item in model.graph.input:
            self._types[item.name] = item.type
            if inputs is not None and item.name in inputs:
                kind = item.type.tensor_type.elem_type
                self._types[item.name] = helper.make_tensor_type_proto(kind, inputs[item.name])
        for tensor in model.graph.initializer:
            self._types[tensor.name] = helper.make_tensor_type_proto(tensor.data_type, tensor.dims)
            self._constant.add(tensor.name)
            if prod(tensor.dims) <= _SMALL and tensor.data_location != TensorProto.EXTERNAL:
                self._numbers[tensor.name] = numpy_helper.to_array(tensor)

    def follow(self, node: NodeProto) -> tuple[int, bool, bool]:
        """The bytes of a node's outputs, whether that is all, and whether they follow from constants.

        Where a size is free it counts as 1.
        """
        names = [name for name in node.input if name]
        constant = all(name in self._constant for name in names)
        found = self._shapes(node, names)
        total, certain = 0, True
        for name in filter(None, node.output):
            kind = found.get(name)
            if constant:
                self._constant.add(name)
            if kind is None or not kind.tensor_type.HasField("shape"):
                certain = False
                continue
            sizes = _sizes(kind)
            if len(sizes) > MOST_AXES:
                certain = False
                continue
            self._types[name] = kind
            certain = certain and None not in sizes
            item = _item(kind.tensor_type.elem_type)
            total += item * prod(1 if size is None else size for size in sizes)
        if certain and total <= 8 * _SMALL:
            self._compute(node)
        return total, certain, constant

    def _shapes(self, node: NodeProto, names: Sequence[str]) -> Mapping[str, TypeProto]:
        types = {name: self._types[name] for name in names if name in self._types}
        if len(types) < len(set(names)):
            return {}
        numbers = {
            n: numpy_helper.from_array(self._numbers[n], n) for n in names if n in self._numbers
        }
        if node.op_type in KEEPING:
            return {node.output[0]: types[node.input[0]]}
        if node.op_type == "NonMaxSuppression" and len(names) > 2 and names[2] in numbers:
            # It gives as many as it finds: of each class the most that are asked for, or all.
            samples, classes, boxes = _sizes(types[names[1]])
            if samples is not None and classes is not None and boxes is not None:
                most = min(boxes, max(0, int(self._numbers[names[2]].max())))
                shape = (samples * classes * most, 3)
                return {node.output[0]: helper.make_tensor_type_proto(TensorProto.INT64, shape)}
        schema = defs.get_schema(node.op_type, self._opsets[0].version, "")
        found: Mapping[str, TypeProto] = infer_node_outputs(
            schema, node, types, numbers, opset_imports=self._opsets, ir_version=self._ir
        )
        return found

    def _compute(self, node: NodeProto) -> None:
        """The node's numbers, where they follow from what is known."""
        if node.op_type == "Shape":
            sizes = _sizes(self._types[node.input[0]])
            start, end = (_attribute(node, name) for name in ("start", "end"))
            told = sizes[slice(start, end)]
            if None not in told:
                self._numbers[node.output[0]] = np.array(told, np.int64)
            return
        names = [name for name in node.input if name]
        if node.op_type in _EVALUATED and all(name in self._numbers for name in names):
            plain = NodeProto()
            plain.CopyFrom(node)
            run = ReferenceEvaluator(plain, opsets={"": self._opsets[0].version})
            with np.errstate(all="ignore"):
                results = run.run(None, {name: self._numbers[name] for name in names})
            self._numbers.update(zip(node.output, map(np.asarray, results), strict=False))


def _item(kind: int) -> int:
    return _ITEM_SIZES.get(kind, 8)


def _attribute(node: NodeProto, name: str) -> int | None:
    return next((int(a.i) for a in node.attribute if a.name == name), None)


def _sizes(kind: TypeProto) -> Shape:
    dims = kind.tensor_type.shape.dim
    return tuple(d.dim_value if d.HasField("dim_value") else None for d in dims)
