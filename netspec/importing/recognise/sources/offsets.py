"""Scores that depend on the offset of two places alone, from their table written out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import isqrt, prod

import numpy as np

from netspec.importing.files.program import Array
from netspec.importing.recognise.sources.distance import along
from netspec.ops.vectors.relative import pair_index

_TABLE = "relative_position_bias_table"


Weights = Mapping[str, Array]


def by_offset(array: Array, places: Sequence[int]) -> tuple[str, Weights] | None:
    """The step that gives these scores, (heads, T, T), and its table, one row for each offset or bucket.

    `places` are the sizes of the map or sequence that they are of. None where some two pairs of the same
    offset have different scores.
    """
    if array.ndim != 3 or array.shape[1] != array.shape[2] or array.shape[1] < 2:
        return None
    heads, count = array.shape[:2]
    if len(places) == 1 and prod(places) == count and (found := along(array)):
        return found
    for size, tokens in _maps(count, places):
        index = pair_index(np, size, tokens)
        rows = int(prod(2 * n - 1 for n in size)) + 3 * tokens
        table = np.zeros((rows, heads), array.dtype)
        table[index.reshape(-1)] = array.reshape(heads, -1).T
        if np.array_equal(table[index].transpose(2, 0, 1), array):
            given = str(heads)
            if tuple(size) != tuple(places):
                given += f", size={'x'.join(map(str, size))}"
            return f"relative({given}{', tokens=1' * tokens})", {_TABLE: table}
    return None


def _maps(count: int, places: Sequence[int]) -> Iterator[tuple[tuple[int, ...], int]]:
    """The maps that so many places may be, and whether a token stands before them."""
    if prod(places) == count:
        yield tuple(places), 0
    for tokens in (0, 1):
        side = isqrt(count - tokens)
        for rows in range(side, 1, -1):
            columns, left = divmod(count - tokens, rows)
            if not left and columns > 1:
                yield (rows, columns), tokens
                yield from [((columns, rows), tokens)] * (columns != rows)
