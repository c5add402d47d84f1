"""Operators that a reader of files takes for one function though they are another, kept apart.

Readers look for rows of operators: OpenCV takes every product with a `HardSigmoid` for the HardSwish of
what enters it, whatever the other factor is. An `Identity` between two of them is not in the row.
"""

from __future__ import annotations

from collections.abc import Sequence

from onnx import NodeProto

from netspec.backends.onnx.targets import Target


class Fences:
    """The nodes of a model that may begin a row which its reader would misread."""

    def __init__(self, target: Target) -> None:
        self._rows = target.misread
        self._kinds = {kind for row in self._rows for kind in row[:-1]}
        # By what they make, the nodes of those kinds: the operator, and what it reads.
        self._made: dict[str, tuple[str, tuple[str, ...]]] = {}

    def add(self, proto: NodeProto) -> None:
        """Takes note of a node, under the names that its tensors have now."""
        if proto.op_type in self._kinds:
            self._made[proto.output[0]] = proto.op_type, tuple(proto.input)

    def between(self, op_type: str, inputs: Sequence[str]) -> set[str]:
        """Which inputs of a node that is about to be added would make it the end of such a row."""
        found = set()
        for row in self._rows:
            if row[-1] != op_type:
                continue
            for i, name in enumerate(inputs):
                enters = self._enters(name, row[:-1])
                others = {*inputs[:i], *inputs[i + 1 :]}
                # The product of a gate with what the gate is made of: that is the function.
                if enters and not (op_type == "Mul" and others <= enters):
                    found.add(name)
        return found

    def _enters(self, name: str, row: Sequence[str]) -> set[str]:
        """What enters the first operator of a row whose last one makes a tensor; none if none does."""
        kind, inputs = self._made.get(name, ("", ()))
        if kind != row[-1]:
            return set()
        if len(row) == 1:
            return set(inputs[:1])
        return {entry for one in inputs for entry in self._enters(one, row[:-1])}
