"""A net's weights in eight bits: a scale for each channel, made piece by piece as the file is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from netspec.foundation.records import record
from netspec.weights.seeded import CHUNK
from netspec.weights.sources import whole

if TYPE_CHECKING:
    from netspec.backends.quantize.flow import Flow, Work
    from netspec.ops.declare.weight import Weight
    from netspec.weights.sources import WeightSource

    Array = np.ndarray[Any, Any]

_LARGEST = 1e18


@record(eq=False)
class Factors:
    """What a node multiplies and shifts by, in fp32: `matrix()` is made anew each time.

    `peaks` is the largest magnitude of each output channel.
    """

    matrix: Callable[[], Array]
    shape: tuple[int, ...]
    axis: int
    peaks: Array
    bias: Array | None

    @property
    def finite(self) -> bool:
        """Whether no number is undefined or so large that a product of scales could be infinite."""
        parts = [self.peaks] if self.bias is None else [self.peaks, self.bias]
        return all(bool((np.abs(part) < _LARGEST).all()) for part in parts)

    def shifted(self, by: Array) -> Factors:
        """The same with a vector added to the bias."""
        bias = by if self.bias is None else self.bias + by
        return Factors(self.matrix, self.shape, self.axis, self.peaks, bias)

    def widened(self, out: int, into: int) -> Factors:
        """The same with zeros, up to so many channels that come out and go in; 0 leaves those be."""
        added = [(0, 0)] * len(self.shape)
        for axis, size in ((self.axis, out), (1 - self.axis, into)):
            added[axis] = (0, size - self.shape[axis] if size else 0)
        more = added[self.axis]
        return Factors(
            lambda: np.pad(self.matrix(), added),
            tuple(size + after for size, (_, after) in zip(self.shape, added, strict=True)),
            self.axis,
            np.pad(self.peaks, more),
            None if self.bias is None else np.pad(self.bias, more),
        )

    def scales(self, scale: np.float32, limit: int) -> Array:
        """A scale for each channel, its largest number at `limit`.

        No scale is zero, and none is so small that a bias in steps of it and of the input's `scale`
        leaves 32 bits.
        """
        found = self.peaks / np.float32(limit)
        if self.bias is not None:
            found = np.maximum(found, np.abs(self.bias) / (np.float64(scale) * 2**30))
        least = float(np.finfo("f4").tiny) * max(1.0, 1 / float(scale))
        return np.where(found > least, found, 1.0).astype(np.float32)

    def integers(self, scales: Array, limit: int) -> Array:
        """The matrix in steps of the scales, as int8."""
        array = self.matrix()
        shape = [1] * array.ndim
        shape[self.axis] = -1
        of = scales.reshape(shape)
        made = np.empty(array.shape, np.int8)
        # Some rows at a time, so that no more than the matrix itself stands in fp32.
        step = max(1, CHUNK * len(array) // array.size)
        for start in range(0, len(array), step):
            rows = slice(start, start + step)
            steps = array[rows] / (of[rows] if self.axis == 0 else of)
            made[rows] = np.rint(steps, out=steps).clip(-limit, limit, out=steps)
        return made


def factors(flow: Flow, source: WeightSource, node: Work) -> Factors:
    """What a product, a normalisation by channel or an average multiplies and shifts by."""
    if node.window:
        return _average(flow, node)
    if node.matrix is None:
        return _normalization(flow, source, node)
    matrix = node.matrix

    def read() -> Array:
        return matrix.of(_tensor(flow, source, matrix.name))

    array = read()
    others = tuple(axis for axis in range(array.ndim) if axis != matrix.axis)
    peaks = np.maximum(array.max(others), -array.min(others))
    bias = None
    if len(node.proto.input) > 2 and node.kind != "MatMul":
        bias = _tensor(flow, source, node.proto.input[2]).astype(np.float64)
    return Factors(read, array.shape, matrix.axis, peaks, bias)


def _normalization(flow: Flow, source: WeightSource, node: Work) -> Factors:
    """BatchNorm as a convolution of one weight for each channel."""
    weight, bias, mean, variance = (
        _tensor(flow, source, name).astype(np.float64) for name in node.proto.input[1:]
    )
    eps = next((a.f for a in node.proto.attribute if a.name == "epsilon"), 1e-5)
    factor = weight / np.sqrt(variance + eps)
    shape = (factor.size, 1, *[1] * (flow.ranks[node.proto.input[0]] - 2))

    def read() -> Array:
        return factor.astype(np.float32).reshape(shape)

    return Factors(read, shape, 0, np.abs(factor), bias - mean * factor)


def _average(flow: Flow, node: Work) -> Factors:
    """An average as a convolution of each channel by one number."""
    channels, share = flow.shapes[node.proto.input[0]][0], 1 / prod(node.window)
    assert isinstance(channels, int)
    shape = (channels, 1, *node.window)
    return Factors(
        lambda: np.full(shape, share, np.float32), shape, 0, np.full(channels, share), None
    )


def _tensor(flow: Flow, source: WeightSource, name: str) -> Array:
    found = flow.constants.get(name)
    return whole(source, name, flow.weights[name]) if found is None else found


@record(slots=False)
class Eight:
    """A source of weights that gives some in eight bits, by the names that those have."""

    source: WeightSource
    made: Mapping[str, Callable[[], Array]]

    def pieces(self, name: str, weight: Weight) -> Iterator[Array]:
        """The tensor of that name, in flat pieces."""
        if name not in self.made:
            yield from self.source.pieces(name, weight)
            return
        flat = self.made[name]().reshape(-1)
        for start in range(0, flat.size, CHUNK):
            yield flat[start : start + CHUNK]
