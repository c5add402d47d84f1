"""Sines and cosines of places, from their numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from netspec.importing.files.program import Array
from netspec.importing.recognise.parts.stepping import Steps
from netspec.importing.recognise.steps import Wire, number

# How far numbers of single precision may be from the waves that they are.
_CLOSE = 2e-7
_LAYOUTS = ("interleaved", "halves")


def waves(steps: Steps, numbers: Array, like: Wire, *, free: bool) -> Wire | None:
    """The step that gives these numbers (C, *sizes) at the places of `like`; None where they are no waves.

    Where sizes are `free` a file computes its angles in single precision, as the step then does.
    """
    channels, sizes = len(numbers), numbers.shape[1:]
    rank = len(sizes)
    if not 0 < rank < 4 or like.sizes[1:] != sizes or channels % (2 * rank) or max(sizes) < 2:
        return None
    if np.abs(numbers).max() > 1 or numbers.dtype.kind != "f":
        return None
    half = channels // (2 * rank)
    for normalised in (False, True):
        for layout in _LAYOUTS[: 1 + (half > 1)]:
            for base in _bases(numbers, half, layout, normalised):
                kind = np.float32 if free else np.float64
                wanted = _waves(sizes, half, base, layout, normalised, kind)
                if np.abs(wanted - numbers).max() <= _CLOSE:
                    given = [f"base={number(base)}"] * (base != 10000)
                    given += [f"layout={layout}"] * (layout != "interleaved")
                    given += ["normalised=yes"] * normalised
                    head = f"waves({', '.join(given)})" if given else "waves"
                    return steps.step(head, [like], numbers.shape, shared=True)
    return None


def _bases(numbers: Array, half: int, layout: str, normalised: bool) -> Iterator[float]:
    """Growths of the wavelengths of which the last pair of the first axis is: the usual, and the shortest."""
    yield 10000.0
    pair = (half - 1, 2 * half - 1) if layout == "halves" else (2 * half - 2, 2 * half - 1)
    lines = [numbers[channel].reshape(len(numbers[channel]), -1)[:, 0] for channel in pair]
    sine, cosine = (float(line[0 if normalised else 1]) for line in lines)
    rate, last = float(np.arctan2(sine, cosine)), half - (layout == "halves")
    if normalised:
        rate *= (len(lines[0]) + 1e-6) / (2 * np.pi)
    if half > 1 and 0 < rate < 1:
        exact = rate ** (-last / (half - 1))
        yield from (float(f"{exact:.{digits}g}") for digits in range(1, 7))


def _waves(
    sizes: Sequence[int], half: int, base: float, layout: str, normalised: bool, kind: Any
) -> Array:
    """The numbers that `waves` gives, of angles of this precision."""
    last = half - 1 if layout == "halves" and half > 1 else half
    rates = (base ** (-np.arange(half) / last)).astype(kind)
    planes = []
    for axis, size in enumerate(sizes):
        places = np.arange(size, dtype=kind)
        if normalised:
            places = (places + kind(1)) * kind(2 * np.pi) / (kind(size) + kind(1e-6))
        turns = rates[:, None] * places
        parts = np.stack([np.sin(turns), np.cos(turns)], int(layout == "interleaved"))
        wide = [1] * len(sizes)
        wide[axis] = size
        planes.append(np.broadcast_to(parts.reshape(2 * half, *wide), (2 * half, *sizes)))
    return np.concatenate(planes)
