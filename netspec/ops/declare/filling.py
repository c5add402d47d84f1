"""Zeros after the last places of a map, so that its sizes are multiples of a part's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from netspec.ops.declare.interfaces import Builder, Operand
from netspec.sizes.dims import Dim


def filled(torch: Any, tensor: Any, numbers: Sequence[int]) -> Any:
    """A tensor of torch with zeros after its last places up to multiples of one number for each axis."""
    ends = [-size % number for size, number in zip(tensor.shape[2:], numbers, strict=True)]
    sides = [end for after in reversed(ends) for end in (0, after)]
    return torch.nn.functional.pad(tensor, sides) if any(ends) else tensor


def filled_onnx(graph: Builder, operand: Operand, numbers: Sequence[int]) -> str:
    """The name of the same; the operand's where its sizes are known to be multiples."""
    import numpy as np

    sizes = operand.type.spatial
    if fits(sizes, numbers):
        return operand.name
    if all(isinstance(size, int) for size in sizes):
        ends = [(0, -int(size) % number) for size, number in zip(sizes, numbers, strict=True)]  # type: ignore[arg-type]
        return graph.pad(operand.name, ((0, 0), (0, 0), *ends))
    less = graph.node("Neg", [graph.sizes(operand.name, 2)])
    after = graph.node("Mod", [less, graph.integers(numbers)])
    zeros = graph.integers([0] * (4 + len(sizes)))
    pads = graph.node("Concat", [zeros, after], axis=0)
    return graph.node("Pad", [operand.name, pads, graph.constant(np.float32(0))], mode="constant")


def fits(sizes: Sequence[Dim], numbers: Sequence[int]) -> bool:
    """Whether sizes are multiples of one number for each axis, whatever symbols stand for."""
    return all(size // n * n == size for size, n in zip(sizes, numbers, strict=True))
