"""Nodes of constants computed: by ONNX's own evaluator, where that is right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from onnx import NodeProto, helper

from netspec.importing.files.program import Array


def computed(node: NodeProto, feeds: Mapping[str, Array], opset: int) -> Sequence[Array]:
    """What a node makes of these arrays. Raises whatever its evaluator does."""
    if node.op_type == "GatherElements":
        axis = next((a.i for a in node.attribute if a.name == "axis"), 0)
        return [_along(feeds[node.input[0]], feeds[node.input[1]], axis)]
    from onnx.reference import ReferenceEvaluator

    model = helper.make_function(
        "",
        "f",
        list(feeds),
        [name for name in node.output if name],
        [node],
        [helper.make_opsetid("", opset)],
    )
    return list(ReferenceEvaluator(model).run(None, dict(feeds), {}))


def _along(data: Array, places: Array, axis: int) -> Array:
    """GatherElements. ONNX's evaluator (1.23) fails where the places are more than the elements.

    Other axes may have fewer places than elements.
    """
    axis %= data.ndim
    cut = tuple(slice(None) if i == axis else slice(size) for i, size in enumerate(places.shape))
    found: Array = np.take_along_axis(data[cut], places, axis)
    return found
