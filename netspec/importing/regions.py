"""Regions of images to run files on: boxes of all sizes, each with the number of its image."""

from __future__ import annotations

from typing import Any

import numpy as np

from netspec.importing.files.program import Array, Program

# How many times larger than the map that is given boxes may be: it may be a map of a larger image.
_STRIDE = 16.0
# The side of the square that boxes lie in where no image is given.
_SIDE = 32


def boxes(program: Program, random: Any, count: int, batch: int) -> Array:
    """(count, 5): the image's number, x1, y1, x2, y2; the first box lies inside the first map."""
    maps = [program.shapes[item.name][2:] for item in program.inputs if not item.regions]
    height, width = next((sizes for sizes in maps if len(sizes) == 2), (_SIDE, _SIDE))
    factors = _STRIDE ** random.uniform(0, 1, (count, 1, 1))
    factors[0] = 1
    corners = random.uniform(0, 1, (count, 2, 2)) * [width, height] * factors
    corners = np.sort(corners, axis=1).reshape(count, 4)
    found: Array = np.column_stack([random.integers(0, batch, count), corners]).astype(np.float32)
    return found
