"""Tensors that are known beforehand: given number by number, or by the name of a window.

They are schemes, so that a trained weight can start as one; what is fixed is one and stays so. None
knows of the operator that owns the tensor.
"""

from __future__ import annotations

from itertools import chain
from math import comb
from typing import TYPE_CHECKING, Any

from netspec.diagnostics.limits import LARGEST_REAL, SMALLEST_REAL
from netspec.diagnostics.messages.names import BadValue
from netspec.diagnostics.messages.shapes import ValuesMisfit
from netspec.diagnostics.raised import Rejection
from netspec.foundation.records import record
from netspec.ops.declare import patterns
from netspec.ops.declare.values import show
from netspec.ops.declare.weight import Scheme, Weight

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[tuple[int, ...], np.dtype[np.float32]]

# The longest row of Pascal's triangle whose numbers doubles hold.
_LONGEST_ROW = 1024


@record(slots=False)
class Values(Scheme):
    """Numbers in C order, of a tensor's last axes; repeated along those before."""

    shape: tuple[int, ...]
    numbers: tuple[float, ...]

    def __str__(self) -> str:
        return f"numbers of {_by(self.shape)}"

    @property
    def drawn(self) -> bool:
        return False

    def check(self, weight: Weight) -> None:
        axes = len(self.shape)
        if weight.shape[-axes:] != self.shape or axes < weight.window:
            least = max(1, weight.window)
            fits = [_by(weight.shape[-n:]) for n in range(least, len(weight.shape) + 1)]
            shapes = (_by(self.shape), _by(weight.shape), " or ".join(fits))
            raise Rejection(ValuesMisfit(*shapes))

    def piece(self, weight: Weight, random: np.random.Generator, start: int, size: int) -> Array:
        import numpy as np

        numbers = np.array(self.numbers, np.float32)
        return numbers[np.arange(start, start + size) % numbers.size]


class _Window(Scheme):
    """A product of one profile for each axis of a window; every window's sum is one."""

    @property
    def drawn(self) -> bool:
        return False

    def profile(self, size: int) -> Any:
        """What an axis of this size has, up to a factor."""
        raise NotImplementedError

    def check(self, weight: Weight) -> None:
        if not weight.window:
            raise self._misfit(weight, "it is for kernels")

    def piece(self, weight: Weight, random: np.random.Generator, start: int, size: int) -> Array:
        profiles = [self.profile(taps) for taps in weight.shape[-weight.window :]]
        return patterns.separable(weight.shape, profiles, start, size)


@record(slots=False)
class GaussianWindow(_Window):
    """Gaussian of a given deviation around the middle of each window, whose sum is one."""

    word = "gaussian_window"
    deviation: float = 1.0

    def check(self, weight: Weight) -> None:
        super().check(weight)
        if not self.deviation > 0:
            raise self._misfit(weight, f"its deviation is above 0, not {self.deviation:g}")

    def profile(self, size: int) -> Any:
        import numpy as np

        distance = (np.arange(size) - (size - 1) / 2) / self.deviation
        # The nearest taps count, however narrow the bell: there is always one at least.
        return np.exp((np.abs(distance).min() ** 2 - distance**2) / 2)


@record(slots=False)
class Binomial(_Window):
    """A row of Pascal's triangle along each axis, 1 2 1 or 1 4 6 4 1; each window's sum is one."""

    word = "binomial"

    def check(self, weight: Weight) -> None:
        super().check(weight)
        if max(weight.shape[-weight.window :]) > _LONGEST_ROW:
            raise self._misfit(weight, f"it is for windows of at most {_LONGEST_ROW}")

    def profile(self, size: int) -> Any:
        import numpy as np

        return np.array([comb(size - 1, tap) / 2 ** (size - 1) for tap in range(size)])


def values(given: tuple[Any, ...]) -> Values:
    """Nested lists of numbers as a tensor; raises Rejection(BadValue) where they are none."""
    shape: list[int] = []
    level: list[Any] = [given]
    while tuple in (kinds := set(map(type, level))):
        lengths = set(map(len, level)) if len(kinds) == 1 else set()
        if len(lengths) != 1 or 0 in lengths:
            said = [f"a list of {n}" for n in sorted(lengths)[:3]] or ["a list", "a number"]
            expected = "lists of one length at each level"
            raise Rejection(BadValue(expected, " beside ".join(said)))
        shape.append(len(level[0]))
        level = list(chain.from_iterable(level))
    if not kinds <= {int, float}:
        other = next(item for item in level if type(item) not in (int, float))
        raise Rejection(BadValue("numbers in lists of one length", show(other)))
    sizes = [size for size in map(abs, level) if size]
    if sizes:
        float32(min(sizes))
        float32(max(sizes))
    return Values(tuple(shape), tuple(map(float, level)))


def float32(value: float) -> float:
    """The number, if float32 holds one like it; raises Rejection(BadValue) else."""
    if value and not SMALLEST_REAL <= abs(value) <= LARGEST_REAL:
        raise Rejection(BadValue("a number that float32 can hold", show(value)))
    return float(value)


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
