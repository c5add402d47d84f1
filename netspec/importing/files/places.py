"""Arrays by where their numbers lie: the same place is the same numbers, and nothing need look at them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import as_strided

from netspec.importing.files.program import Array

# Of so many numbers of an array is it looked at whether they are another's.
_LOOKED_AT = 4096


def place(array: Array) -> object:
    """Where the numbers lie and how they are read: in the file's tensor, which rules pass on as it is."""
    strides = tuple(s for s, n in zip(array.strides, array.shape, strict=True) if n > 1)
    return array.dtype.str, array.shape, strides, _start(array)


def some(array: Array) -> Array:
    """A few numbers of an array in a row, from all over it."""
    apart = max(1, array.size // _LOOKED_AT)
    if apart == 1 or array.flags.c_contiguous:
        return array.reshape(-1)[::apart]
    return array[np.unravel_index(np.arange(0, array.size, apart), array.shape)]


def equal(one: Array, other: Array) -> bool:
    """Whether two arrays are the same numbers."""
    if place(one) == place(other):
        return True
    if one.shape != other.shape or not np.array_equal(some(one), some(other), equal_nan=True):
        return False
    return np.array_equal(one, other, equal_nan=True)


class Joined:
    """Arrays put one below the other, once for the same ones: layers that share weights share it too."""

    def __init__(self) -> None:
        # With the arrays themselves: where they lie nothing else is put as long as they are here.
        self._known: dict[object, tuple[Sequence[Array], Array]] = {}

    def __call__(self, arrays: Sequence[Array]) -> Array:
        """The arrays as one: where they lie below each other already, what they are parts of."""
        key = tuple(map(place, arrays))
        if key not in self._known:
            self._known[key] = (arrays, _whole(arrays))
        return self._known[key][1]


def _whole(arrays: Sequence[Array]) -> Array:
    first, rows = arrays[0], 0
    said = (first.dtype, first.shape[1:], first.strides)
    for array in arrays:
        here = _start(first) + rows * first.strides[0]
        behind = _root(array) is _root(first) and _start(array) == here
        if not behind or (array.dtype, array.shape[1:], array.strides) != said:
            return np.concatenate(arrays)
        rows += len(array)
    return as_strided(first, (rows, *first.shape[1:]), first.strides, writeable=False)


def _start(array: Array) -> int:
    start: int = array.__array_interface__["data"][0]
    return start


def _root(array: Array) -> object:
    """What holds the numbers of a view."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array if array.base is None else array.base
