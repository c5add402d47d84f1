"""Nodes of constants computed: by ONNX's own evaluator, where that is right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from onnx import NodeProto, helper

from netspec.importing.files.program import Array

# Evaluators of nodes that are kept.
_KEPT = 256


def computed(node: NodeProto, feeds: Mapping[str, Array], opset: int) -> Sequence[Array]:
    """What a node makes of these arrays. Raises whatever its evaluator does."""
    if node.op_type == "GatherElements":
        axis = next((a.i for a in node.attribute if a.name == "axis"), 0)
        return [_along(feeds[node.input[0]], feeds[node.input[1]], axis)]
    names = [feeds[name] if name else None for name in node.input]
    inputs = {f"i{at}": array for at, array in enumerate(names) if array is not None}
    plain = NodeProto(
        op_type=node.op_type,
        input=[f"i{at}" if name else "" for at, name in enumerate(node.input)],
        output=[f"o{at}" if name else "" for at, name in enumerate(node.output)],
        attribute=node.attribute,
    )
    return list(
        _evaluator(plain.SerializeToString(deterministic=True), opset).run(None, inputs, {})
    )


@lru_cache(_KEPT)
def _evaluator(serialized: bytes, opset: int) -> Any:
    """What computes a node whatever its tensors are called: making one takes longer than most arrays."""
    from onnx.reference import ReferenceEvaluator

    node = NodeProto.FromString(serialized)
    inputs, outputs = ([name for name in part if name] for part in (node.input, node.output))
    versions = [helper.make_opsetid("", opset)]
    return ReferenceEvaluator(helper.make_function("", "f", inputs, outputs, [node], versions))


def _along(data: Array, places: Array, axis: int) -> Array:
    """GatherElements. ONNX's evaluator (1.23) fails where the places are more than the elements.

    Other axes may have fewer places than elements.
    """
    axis %= data.ndim
    cut = tuple(slice(None) if i == axis else slice(size) for i, size in enumerate(places.shape))
    found: Array = np.take_along_axis(data[cut], places, axis)
    return found
