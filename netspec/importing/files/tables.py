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
        whole = None
        if node.op_type in _MOVES and names[0] in self.found:
            feeds = {name: self.constants[name] for name in names} | {
                names[0]: self.found[names[0]][0]
            }
            whole = np.asarray(computed(node, feeds, opset)[0])
        elif len(names) > 1 and names[0] not in self.sized:
            whole = self._taken(node, names)
        if whole is not None:
            self._place(node.output[0], whole)
        if not self.sized.isdisjoint(names):
            self.sized.update(node.output)

    def _taken(self, node: NodeProto, names: list[str]) -> Array | None:
        """The table that a slice or a gathering takes rows of, with as many axes as what it makes."""
        table = self.constants[names[0]]
        if node.op_type == "Slice":
            return table
        along = next((a.i for a in node.attribute if a.name == "axis"), 0)
        if node.op_type == "Gather" and not along and names[1] in self.sized:
            rows = self.constants[names[1]]
            if rows.ndim and rows.size == rows.shape[-1]:
                return table.reshape((1,) * (rows.ndim - 1) + table.shape)
        return None

    def _place(self, name: str, whole: Array) -> None:
        """Notes a table, if a constant is the first of its rows along one axis."""
        part = self.constants[name]
        if part.ndim != whole.ndim or part.dtype.kind != "f":
            return
        axes = [i for i in range(part.ndim) if part.shape[i] != whole.shape[i]]
        if len(axes) == 1 and part.shape[axes[0]] < whole.shape[axes[0]]:
            first = whole.take(range(part.shape[axes[0]]), axes[0])
            if np.array_equal(first, part):
                self.found[name] = (whole, axes[0])
