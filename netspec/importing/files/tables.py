"""Tables that a file takes as many first rows of as its input has steps: learned positions at any length."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from onnx import NodeProto

from netspec.importing.files.computing import computed
from netspec.importing.files.program import Array

# What only moves elements, or writes them otherwise.
_MOVES = frozenset({"Transpose", "Unsqueeze", "Squeeze", "Cast", "Identity"})


class Tables:
    """Of computed constants, the whole tables that they are the first rows of.

    `sized` are the constants that follow from the size of an input; `found` has, by a constant's name, the
    table as it would be if all its rows were taken, and the axis that they lie along.
    """

    def __init__(self, constants: Mapping[str, Array]) -> None:
        self.constants = constants
        self.sized: set[str] = set()
        self.found: dict[str, tuple[Array, int]] = {}

    def note(self, node: NodeProto, opset: int) -> None:
        """Notes what a node that was computed made: of sizes, or of a table."""
        names = [name for name in node.input if name]
        if node.op_type in _MOVES and names[0] in self.found:
            feeds = {name: self.constants[name] for name in names}
            whole, axis = self.found[names[0]]
            moved = np.asarray(computed(node, {**feeds, names[0]: whole}, opset)[0])
            rows = np.broadcast_to(self._rows(whole, axis), whole.shape)
            where = np.asarray(computed(node, {**feeds, names[0]: rows}, opset)[0])
            along = [i for i in range(where.ndim) if (where != where.take([0], i)).any()]
            if len(along) == 1:
                self.found[node.output[0]] = (moved, along[0])
        elif len(names) > 1 and names[0] not in self.sized:
            self._taken(node, names)
        if not self.sized.isdisjoint(names):
            self.sized.update(node.output)

    @staticmethod
    def _rows(whole: Array, axis: int) -> Array:
        """The number of each row, to be repeated along the other axes."""
        wide = [-1 if i == axis else 1 for i in range(whole.ndim)]
        return np.arange(whole.shape[axis], dtype=whole.dtype).reshape(wide)

    def _taken(self, node: NodeProto, names: list[str]) -> None:
        """Notes the table that a slice or a gathering takes the first rows of, along one axis."""
        table, part = self.constants[names[0]], self.constants[node.output[0]]
        free = not self.sized.isdisjoint(names[1:])
        if node.op_type == "Slice":
            axes = np.ravel(self.constants[names[3]]) if len(names) > 3 else np.arange(1)
            axis = int(axes[0]) % max(table.ndim, 1)
            if len(axes) > 1 or len(np.ravel(self.constants[names[1]])) > 1:
                return
        elif node.op_type == "Gather" and free:
            ids = self.constants[names[1]]
            if next((a.i for a in node.attribute if a.name == "axis"), 0) or not ids.ndim:
                return
            axis = ids.ndim - 1
            table = table.reshape((1,) * axis + table.shape)
        else:
            return
        if part.ndim != table.ndim or part.dtype.kind != "f":
            return
        count, rows = part.shape[axis], table.shape[axis]
        fits = 0 < count <= rows and (free or count < rows)
        if fits and np.array_equal(table.take(range(count), axis), part):
            self.found[node.output[0]] = (table, axis)
