"""Lists of tensors whose items are known: the pieces of one, and an item of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from onnx import NodeProto, helper

from netspec.importing.files.adding import Adding, NoLoop
from netspec.importing.files.program import Node
from netspec.importing.files.scoping import scopes_of

# Pieces that a tensor is cut into.
_MOST = 2**12


def pieces(
    to: Adding, proto: NodeProto, inputs: Sequence[str], given: Mapping[str, Any]
) -> tuple[str, ...]:
    """The names of a tensor's pieces, which are added: of listed sizes, of one but for the last, or of 1."""
    name, out, size = inputs[0], proto.output[0], to.size_of(inputs[0])
    kind = to.types.get(name)
    said = to.constants.get(inputs[1]) if len(inputs) > 1 else np.asarray(1)
    if size is None or kind is None or said is None:
        raise NoLoop("a list of pieces whose sizes are not known")
    axis = given.get("axis", 0) % len(size)
    if said.ndim:
        ends = [int(end) for end in np.cumsum(said)]
    else:
        each = int(said.item())
        ends = [*range(each, size[axis], each), size[axis]] if each > 0 else []
    if not 0 < len(ends) <= _MOST or ends[-1] != size[axis]:
        raise NoLoop("a list of pieces that are not all of a tensor")
    sizes = [end - start for start, end in zip([0, *ends], ends, strict=False)]
    names = tuple(f"{out} {number}" for number in range(len(ends)))
    # Pieces of one place may lose that axis.
    lone = len(inputs) == 1 and not given.get("keepdims", 1)
    made = tuple(f"{piece}, kept" for piece in names) if lone else names

    def add(
        op: str, read: str, outputs: tuple[str, ...], shapes: list[list[int]], **more: Any
    ) -> None:
        for one, shape in zip(outputs, shapes, strict=True):
            to.types[one] = helper.make_tensor_type_proto(kind.tensor_type.elem_type, shape)
        to.nodes.append(Node(op, (read,), outputs, more, proto.name, scopes_of(proto)))

    before, after = list(size[:axis]), list(size[axis + 1 :])
    kept = [[*before, part, *after] for part in sizes]
    add("Split", name, made, kept, axis=axis, split=tuple(sizes))
    for part, piece in zip(made, names, strict=True) if lone else ():
        add("Squeeze", part, (piece,), [[*before, *after]], axes=(axis,))
    return names


def item_of(to: Adding, items: Sequence[str], place: str) -> str:
    """One tensor of a list."""
    at = to.constants.get(place)
    if at is None or at.size != 1 or not -len(items) <= int(at.item()) < len(items):
        raise NoLoop("a list of tensors, one of which is read at a place that is not known")
    return items[int(at.item())]
