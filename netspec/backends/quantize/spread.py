"""What values a tensor takes on samples, and the range that eight bits of it cover best."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from netspec.foundation.records import record

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]

# Bins on either side of zero. The outermost edge is a power of two, so at least half are in use.
_HALF = 4096
# Shares of the extremes that are tried as ends of the range.
_SHARES = np.linspace(0.2, 1.0, 65)
_ROUNDS = 3
# Arrays of smaller numbers are taken for zeros.
_LEAST = 1e-30


@record
class Scale:
    """What one step of a tensor's eight bits is worth, and which integer stands for zero."""

    scale: np.float32
    zero_point: int
    dtype: str = "uint8"


class Spread:
    """A histogram around zero that grows with what it is given, in one pass over the samples.

    Its reach is a power of two: where values go beyond it, it doubles and neighbouring bins become
    one. The extremes are kept exactly. Numbers that are not finite are left out.
    """

    def __init__(self) -> None:
        self.low = self.high = 0.0
        self.zeros = 0
        self._reach = 0.0
        self._bins = np.zeros(2 * _HALF, np.int64)

    def add(self, array: Array) -> None:
        """Counts the numbers of an array."""
        flat = array.reshape(-1)
        if not flat.size:
            return
        low, high = float(flat.min()), float(flat.max())
        if not np.isfinite(low + high):
            flat = flat[np.isfinite(flat)]
            if not flat.size:
                return
            low, high = float(flat.min()), float(flat.max())
        largest = max(-low, high)
        if largest < _LEAST:
            return
        self.low, self.high = min(self.low, low), max(self.high, high)
        self.zeros += flat.size - int(np.count_nonzero(flat))
        self._grow(largest)
        places = flat * np.float32(_HALF / self._reach)
        places += np.float32(_HALF)
        indices = places.astype(np.int32)
        np.minimum(indices, 2 * _HALF - 1, out=indices)
        self._bins += np.bincount(indices, minlength=2 * _HALF)

    def join(self, other: Spread) -> None:
        """Counts what another has counted."""
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        self.zeros += other.zeros
        if not other._reach:
            return
        theirs = Spread()
        theirs._reach, theirs._bins = other._reach, other._bins.copy()
        theirs._grow(self._reach)
        self._grow(theirs._reach)
        self._bins += theirs._bins

    def _grow(self, largest: float) -> None:
        needed = 2.0 ** np.ceil(np.log2(largest)) if largest else 0.0
        if not self._reach:
            self._reach = needed
        while self._reach < needed:
            pairs = self._bins.reshape(-1, 2).sum(1)
            self._bins[:] = 0
            self._bins[_HALF // 2 : _HALF // 2 + _HALF] = pairs
            self._reach *= 2

    def scale(self, *, symmetric: bool = False) -> Scale:
        """The scale of the least mean squared error; zero is always exact.

        Asymmetric ones are of uint8, symmetric ones of int8.
        """
        low, high = self.low, self.high
        if symmetric:
            high = max(-low, high)
            low = -high
        if high == low:
            return Scale(np.float32(1), 0, "int8" if symmetric else "uint8")
        low, high = self._best(low, high, symmetric)
        levels = 254 if symmetric else 255
        scale = np.float32(max((high - low) / levels, float(np.finfo("f4").tiny)))
        if symmetric:
            return Scale(scale, 0, "int8")
        return Scale(scale, int(np.clip(np.rint(-low / float(scale)), 0, 255)))

    def _best(self, low: float, high: float, symmetric: bool) -> tuple[float, float]:
        """The ends, at most these, whose clipped and rounded numbers are off by least."""
        middles = (np.arange(2 * _HALF) + 0.5 - _HALF) * (self._reach / _HALF)
        counts = self._bins.astype(np.float64)
        # Zeros are exact in eight bits and are no part of the error.
        counts[_HALF] = max(0.0, counts[_HALF] - self.zeros)
        above, below = _tail(counts, middles, high), _tail(counts[::-1], -middles[::-1], -low)
        total = counts.sum()
        levels = 254 if symmetric else 255

        def error(a: Array, b: Array) -> Array:
            found: Array = below(a) + above(b) + total * ((a + b) / levels) ** 2 / 12
            return found

        a, b = -low, high
        ends = _SHARES * max(a, b)
        if symmetric:
            best = float(ends[np.argmin(error(ends, ends))])
            return -best, best
        a, b = (x * float(_SHARES[np.argmin(error(_SHARES * a, _SHARES * b))]) for x in (a, b))
        for _ in range(_ROUNDS):
            if low:
                a = float((choices := -low * _SHARES)[np.argmin(error(choices, np.array(b)))])
            if high:
                b = float((choices := high * _SHARES)[np.argmin(error(np.array(a), choices))])
        return -a, b


def _tail(counts: Array, middles: Array, most: float) -> Any:
    """The squared error of clipping numbers beyond a positive end, as a function of the end."""
    none, first, second = (
        np.append(np.cumsum((counts * middles**power)[::-1])[::-1], 0.0) for power in range(3)
    )

    def error(end: Array) -> Array:
        # The largest number is never clipped by its own end.
        at = np.where(end >= most, middles.size, np.searchsorted(middles, end))
        found: Array = second[at] - 2 * end * first[at] + end**2 * none[at]
        return found

    return error
