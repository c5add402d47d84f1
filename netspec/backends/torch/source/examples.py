"""Tensors in the place of a graph's values, for what is traced."""

from __future__ import annotations

import torch

from netspec.backends.torch.source.leaves import Examples, Leaf
from netspec.graph.checked import Graph, Node, Value
from netspec.sizes.dims import substitute
from netspec.sizes.shapes import TensorType


class Stand:
    """Tensors on the meta device in the place of a graph's values: two of each, of different sizes."""

    def __init__(self, graph: Graph) -> None:
        first = graph.legality.example(64) or {}
        sizes = [first, graph.legality.example(max([97, *(n + 1 for n in first.values())])) or {}]
        nominal = graph.nominal_sizes
        self._ways = [
            (2, nominal, sizes[0]),
            (3, {name: size + 1 for name, size in nominal.items()}, sizes[1]),
        ]
        self._found: dict[Value, Examples] = {}

    def hold(self, node: Node, found: Leaf) -> None:
        """Keeps what a step gives: its numbers may be whole."""
        for value, slot in zip(node.outputs, found.gives, strict=False):
            kind = found.trace.kinds[slot]
            first, second = self.of(value)
            self._found[value] = (first.to(kind), second.to(kind))

    def of(self, value: Value) -> Examples:
        """Two tensors of the value's type."""
        found = self._found.get(value)
        if found is None:
            first, second = (self._one(value.type, *way) for way in self._ways)
            found = self._found[value] = (first, second)
        return found

    @staticmethod
    def _one(
        tensor: TensorType, samples: int, nominal: dict[str, int], sizes: dict[str, int]
    ) -> torch.Tensor:
        rows = substitute(tensor.batch.rows(nominal, samples), sizes)
        shape = [int(substitute(dim, sizes)) for dim in (rows, *tensor.shape)]  # type: ignore[arg-type]
        kind = torch.float32 if tensor.ids is None else torch.int64
        return torch.empty(shape, dtype=kind, device="meta")
