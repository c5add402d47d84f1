"""Weights that are computed, not drawn: any stretch of the elements of a tensor, in C order."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import TYPE_CHECKING, Any

from netspec.ops.declare.plain import plain

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


@plain
def codes(torch: Any, first: int, last: int, columns: int) -> Any:
    """Walsh's functions by row, from the first to before the last, without the constant one."""
    rows = torch.arange(first, last)[:, None]
    shared = (rows + 1) & (torch.arange(columns) + 1)
    odd = shared & 0
    for _ in range(min(last, columns).bit_length()):
        odd = odd ^ (shared & 1)
        shared = shared >> 1
    return 1.0 - 2 * odd


@plain
def sinusoids(torch: Any, first: int, last: int, columns: int) -> Any:
    """Row t, column c: sin(t / 10000^(c / columns)) where c is even, the cosine after it.

    Rows from the first to before the last.
    """
    rows = torch.arange(first, last, dtype=torch.float64)[:, None]
    column = torch.arange(columns, dtype=torch.float64)
    angle = rows / 10_000.0 ** ((column - column % 2) / columns)
    return torch.where(column % 2 > 0, torch.cos(angle), torch.sin(angle))


def by_rows(made: Callable[..., Any], shape: tuple[int, ...], start: int, size: int) -> Array:
    """Elements of a tensor in C order, of whose rows a function gives some."""
    import numpy as np

    columns = prod(shape[1:])
    first, last = start // columns, -(-(start + size) // columns)
    found: Array = made(np, first, last, columns).astype(np.float32).reshape(-1)
    return found[start - first * columns :][:size]
