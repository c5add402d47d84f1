"""Tensors of a folded net, made of those of the written one: in double precision, rounded once.

Kernels pass through in pieces, so that none stands in memory whole; vectors are small.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod
from typing import TYPE_CHECKING, Any

from netspec.foundation.records import record
from netspec.ops.declare.linear import (
    Constant,
    Contracted,
    InverseRoot,
    Kernel,
    Layout,
    Part,
    Product,
    Recipe,
    Standardised,
    Sum,
    Tensor,
    Term,
    Vector,
)
from netspec.weights.seeded import CHUNK
from netspec.weights.sources import WeightSource

if TYPE_CHECKING:
    import numpy as np

    from netspec.ops.declare.weight import Weight

    Array = np.ndarray[Any, Any]


@record(slots=False)
class Derived:
    """A folded net's tensors: by their recipes, and as the source has them where there is none."""

    source: WeightSource
    recipes: Mapping[str, Recipe]

    def pieces(self, name: str, weight: Weight) -> Iterator[Array]:
        """The tensor of that name, in flat float32 pieces."""
        import numpy as np

        recipe = self.recipes.get(name)
        if recipe is None:
            yield from self.source.pieces(name, weight)
        # What is not finite is told with the written net's weights.
        elif isinstance(recipe, Kernel):
            for planes in _planes(recipe, self.source):
                with np.errstate(all="ignore"):
                    yield planes.astype(np.float32).reshape(-1)
        else:
            with np.errstate(all="ignore"):
                vector = np.broadcast_to(_vector(recipe, self.source), weight.shape)
                yield vector.astype(np.float32)


def _vector(vector: Vector, source: WeightSource) -> Array:
    """The numbers of a vector, or the one that stands for all, in double precision."""
    import numpy as np

    match vector:
        case Tensor():
            return np.concatenate(
                [np.asarray(p, np.float64) for p in source.pieces(vector.name, vector.weight)]
            )
        case Constant():
            return np.asarray(vector.value)
        case Product():
            found = np.asarray(1.0)
            for factor in vector.factors:
                found = found * _vector(factor, source)
            return found
        case Sum():
            found = np.asarray(0.0)
            for term in vector.terms:
                found = found + _vector(term, source)
            return found
        case InverseRoot():
            return 1 / np.sqrt(_vector(vector.vector, source) + vector.plus)
        case Part():
            whole = _vector(vector.vector, source)
            # One number stands for all channels.
            return whole if whole.size == 1 else whole[vector.start : vector.stop]
        case Contracted():
            return _contracted(vector, source)


def _contracted(made: Contracted, source: WeightSource) -> Array:
    import numpy as np

    layout = made.kernel.layout
    given = np.broadcast_to(_vector(made.vector, source), (layout.into,))
    found = np.zeros(layout.out)
    start = 0
    for planes in _planes(made.kernel, source):
        rows, columns = _channels(layout, start, len(planes))
        with np.errstate(all="ignore"):
            sums = planes.reshape(len(planes), -1).sum(1) * given[columns]
            np.add.at(found, rows, sums)
        start += len(planes)
    return found


def _channels(layout: Layout, start: int, count: int) -> tuple[Array, Array]:
    """The output and the input channel of each of some planes of a kernel."""
    import numpy as np

    into, out = layout.into // layout.groups, layout.out // layout.groups
    inner = out if layout.transposed else into
    first, second = np.divmod(np.arange(start, start + count), inner)
    if layout.transposed:
        return first // into * out + second, first
    return first, first // out * into + second


def _planes(kernel: Kernel, source: WeightSource) -> Iterator[Array]:
    """The planes of a kernel in order, (planes, *window), some at a time."""
    import numpy as np

    layout = kernel.layout
    terms = [_Term(term, layout, source) for term in kernel.terms]
    step = max(1, CHUNK // layout.taps)
    for start in range(0, layout.planes, step):
        count = min(step, layout.planes - start)
        rows, columns = _channels(layout, start, count)
        planes = np.zeros((count, *layout.window))
        with np.errstate(all="ignore"):
            for term in terms:
                term.add(planes, rows, columns)
        yield planes


class _Term:
    """A term of a kernel, read plane by plane."""

    def __init__(self, term: Term, layout: Layout, source: WeightSource) -> None:
        import numpy as np

        self._window = term.window
        ends = zip(term.offset, term.window, strict=True)
        self._place = tuple(slice(first, first + size) for first, size in ends)
        with np.errstate(all="ignore"):
            self._rows = _whole(term.rows, layout.out, source)
            self._columns = _whole(term.columns, layout.into, source)
        self._read = None if term.tensor is None else _reader(term.tensor, source)

    def add(self, planes: Array, rows: Array, columns: Array) -> None:
        """Adds its next planes, those where these output and input channels meet."""
        import numpy as np

        factors = np.ones(len(rows))
        if self._rows is not None:
            factors = factors * self._rows[rows]
        if self._columns is not None:
            factors = factors * self._columns[columns]
        shape = (len(rows), *self._window)
        if self._read is None:
            own: Array = np.ones(shape)
            # Not a product: what is not finite stays in its own channel.
            factors = np.where(rows == columns, factors, 0.0)
        else:
            own = self._read.take(prod(shape)).reshape(shape)
        planes[(slice(None), *self._place)] += own * factors.reshape(-1, *[1] * len(self._window))


def _whole(factors: tuple[Vector, ...], size: int, source: WeightSource) -> Array | None:
    """The product of some vectors, a number for each channel; None where there are none."""
    import numpy as np

    if not factors:
        return None
    return np.broadcast_to(_vector(Product(factors), source), (size,))


def _reader(tensor: Tensor | Standardised, source: WeightSource) -> _Reader:
    if isinstance(tensor, Standardised):
        return _StandardReader(tensor, source)
    return _Reader(tensor, source)


class _Reader:
    """A tensor of the written net, read so many elements at a time."""

    def __init__(self, tensor: Tensor, source: WeightSource) -> None:
        self._pieces = source.pieces(tensor.name, tensor.weight)
        self._rest: Array | None = None

    def take(self, count: int) -> Array:
        """The next `count` elements, in double precision."""
        import numpy as np

        parts = []
        while count:
            piece = self._rest if self._rest is not None and self._rest.size else next(self._pieces)
            parts.append(piece[:count].astype(np.float64))
            self._rest = piece[count:]
            count -= len(parts[-1])
        return np.concatenate(parts) if len(parts) > 1 else parts[0]


class _StandardReader(_Reader):
    """A tensor with rows of mean 0 and variance 1: read twice for what those are, then once more."""

    def __init__(self, made: Standardised, source: WeightSource) -> None:
        import numpy as np

        super().__init__(made.tensor, source)
        self._length = made.tensor.weight.size // made.rows
        self._at = 0
        self._means = _sums(made, source, 0.0, 1) / self._length
        variance = _sums(made, source, self._means, 2) / self._length
        with np.errstate(all="ignore"):
            self._inverse = 1 / np.sqrt(variance + made.eps)

    def take(self, count: int) -> Array:
        """The next `count` elements, each by what its row has."""
        import numpy as np

        rows = np.arange(self._at, self._at + count) // self._length
        self._at += count
        return (super().take(count) - self._means[rows]) * self._inverse[rows]


def _sums(made: Standardised, source: WeightSource, less: Array | float, power: int) -> Array:
    """The sum over each row of its numbers less `less`, to a power."""
    import numpy as np

    reader, size = _Reader(made.tensor, source), made.tensor.weight.size
    length = size // made.rows
    less = np.broadcast_to(less, (made.rows,))
    found = np.zeros(made.rows)
    with np.errstate(all="ignore"):
        for start in range(0, size, CHUNK):
            count = min(CHUNK, size - start)
            rows = np.arange(start, start + count) // length
            np.add.at(found, rows, (reader.take(count) - less[rows]) ** power)
    return found
