"""Whether arrays fit a net's inputs: sizes that are given, and symbols whose sizes must be legal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from netspec.foundation.records import record
from netspec.graph.checked import Graph
from netspec.sizes.dims import symbols_of
from netspec.sizes.legal import Legality
from netspec.sizes.shapes import TensorType


@record
class Fitting:
    """The inputs of a net by name, and which sizes of their symbols are legal."""

    inputs: tuple[tuple[str, TensorType], ...]
    legality: Legality

    def misfit(self, shapes: Mapping[str, Sequence[int]]) -> tuple[str, str] | None:
        """The first input whose shape, batch excluded, does not fit, and why; None if all do."""
        sizes: dict[str, int] = {}
        first = ""
        for name, tensor in self.inputs:
            shape = shapes[name]
            for dim, size in zip(tensor.shape, shape, strict=False):
                symbols = symbols_of(dim)
                if not symbols and dim != size:
                    return name, f"it is {_times(shape)}, the net takes {tensor}"
                for symbol in symbols:
                    first = first or name
                    if sizes.setdefault(symbol, size) != size:
                        also = f"{symbol} is {sizes[symbol]} already"
                        return name, f"it is {_times(shape)}, the net takes {tensor}: {also}"
            if len(tensor.shape) != len(shape):
                return name, f"it is {_times(shape)}, the net takes {tensor}"
        if self.legality.allows(sizes):
            return None
        given = self._shown(sizes)
        needed = "; ".join(self.legality.broken(sizes))
        near = " and ".join(self._shown(found) for found in self.legality.nearest(sizes))
        return first, f"{given} is not legal: {needed}" + (f"; nearest: {near}" if near else "")

    def _shown(self, sizes: Mapping[str, int]) -> str:
        """`3x96x96`; with names where there are several inputs."""
        shapes = {name: str(tensor.with_symbols(sizes)) for name, tensor in self.inputs}
        if len(shapes) == 1:
            return next(iter(shapes.values()))
        return ", ".join(f"{name} {shape}" for name, shape in shapes.items())


def _times(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape)) or "a single number"


def fitting(graph: Graph) -> Fitting:
    """What fits the inputs of a graph."""
    return Fitting(tuple((node.path, node.types[0]) for node in graph.inputs), graph.legality)
