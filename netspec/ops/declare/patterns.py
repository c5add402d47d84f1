"""Weights that are computed, not drawn: any stretch of the elements of a tensor, in C order."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[np.float32]]


def _places(shape: tuple[int, ...], start: int, size: int) -> tuple[Any, ...]:
    """The index along each axis of elements `start` to `start + size`."""
    import numpy as np

    return np.unravel_index(np.arange(start, start + size), shape)


def bilinear(shape: tuple[int, ...], start: int, size: int) -> Array:
    """Interpolation from channel i to channel i: (inputs, outputs of a group, *kernel).

    Along each axis the triangle of `upsample_filt` in the published code of FCN.
    """
    import numpy as np

    into, out, *taps = _places(shape, start, size)
    values = np.where(into % shape[1] == out, 1.0, 0.0)
    for kernel, tap in zip(shape[2:], taps, strict=True):
        factor = (kernel + 1) // 2
        centre = factor - 1 if kernel % 2 else factor - 0.5
        values *= 1 - np.abs(tap - centre) / factor
    return values.astype(np.float32)


def identity(shape: tuple[int, ...], maps: int, start: int, size: int) -> Array:
    """The kernel that passes `maps` maps on, from their copies to their copies."""
    import numpy as np

    out, into, *taps = _places(shape, start, size)
    same = out * maps // shape[0] == into * maps // shape[1]
    for kernel, tap in zip(shape[2:], taps, strict=True):
        same &= tap == (kernel - 1) // 2
    return np.where(same, maps / shape[0], 0.0).astype(np.float32)


def separable(shape: tuple[int, ...], profiles: list[Any], start: int, size: int) -> Array:
    """The product of a profile for each of the last axes, its sum over them one; repeated before."""
    import numpy as np

    places = _places(shape, start, size)[-len(profiles) :]
    values = np.ones(size)
    for profile, taps in zip(profiles, places, strict=True):
        values *= (profile / profile.sum())[taps]
    return values.astype(np.float32)


def codes(shape: tuple[int, ...], start: int, size: int) -> Array:
    """Walsh's functions by row, without the constant one."""
    import numpy as np

    index, columns = np.arange(start, start + size), prod(shape[1:])
    row, column = index // columns, index % columns
    shared = (row + 1) & (column + 1)
    odd = np.zeros(size, np.int64)
    while shared.any():
        odd ^= shared & 1
        shared >>= 1
    return (1 - 2 * odd).astype(np.float32)


def sinusoids(shape: tuple[int, ...], start: int, size: int) -> Array:
    """Row t, column c: sin(t / 10000^(c / columns)) where c is even, the cosine after it."""
    import numpy as np

    index, columns = np.arange(start, start + size), prod(shape[1:])
    row, column = index // columns, index % columns
    angle = row / 10_000 ** ((column - column % 2) / columns)
    return np.where(column % 2, np.cos(angle), np.sin(angle)).astype(np.float32)
