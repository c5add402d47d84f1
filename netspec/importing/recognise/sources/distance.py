"""Scores that depend on how many steps lie between two of a sequence, as ALiBi's and T5's, at any length."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from netspec.importing.files.program import Array
from netspec.ops.vectors.relative import head_slopes, near_buckets

# Buckets, and the steps from which on all are in the last, that are tried before others.
_USUAL = ((32, 128),)
_FARTHEST = 1024
# What single precision makes of a slope times a step, relative to the largest.
_CLOSE = 2e-7


def along(array: Array) -> tuple[str, Mapping[str, Array]] | None:
    """The step that gives these scores, (heads, T, T), and its table, where it is the same at any length.

    None for others: ALiBi's slopes are known, and buckets of steps only where the farthest are seen.
    """
    heads, count = array.shape[:2]
    rows = np.concatenate([array[:, :0:-1, 0], array[:, 0]], 1)
    steps = np.arange(count)
    away = steps - steps[:, None]
    if count < 3 or not np.array_equal(rows[:, away + count - 1], array):
        return None
    each = -head_slopes(np, heads).astype(np.float32).reshape(-1, 1, 1)
    if np.array_equal(array, each * np.abs(away).astype(np.float32)):
        return f"alibi({heads})", {}
    before, after = rows[:, count - 1 :: -1], rows[:, count - 1 :]
    for buckets, most, causal in _buckets(before, after):
        table = _table(before, after, buckets, most, causal)
        if table is not None:
            given = [str(heads), f"buckets={buckets}"] + [f"most={most}"] * (most != 128)
            given += ["causal=yes"] * causal
            return f"relative({', '.join(given)})", {"relative_attention_bias.weight": table}
    return None


def by_key(scores: Array) -> str:
    """The step of scores (heads, S) that say of each key how far on it stands, where later ones are hidden.

    A number more at all keys that a query sees changes nothing. "" for others.
    """
    heads, count = scores.shape
    wanted = np.multiply.outer(head_slopes(np, heads), np.arange(count))
    off = np.abs(scores - scores[:, :1] - wanted).max()
    return f"alibi({heads})" if count > 2 and off <= _CLOSE * np.abs(wanted).max() else ""


def _runs(line: Array) -> list[int]:
    """Where scores (heads, steps) change along the steps."""
    return [0, *(np.nonzero((line[:, 1:] != line[:, :-1]).any(0))[0] + 1).tolist()]


def _buckets(before: Array, after: Array) -> Iterator[tuple[int, int, bool]]:
    """Numbers of buckets, and of steps to the last, that runs of equal scores may be."""
    runs, count = _runs(before), before.shape[1]
    causal = bool((after == after[:, :1]).all()) and np.array_equal(after[:, 0], before[:, 0])
    side = len(runs)
    # The last run is long: it goes on for ever.
    if side < 2 or runs[-1] > count - 2 or side > count // 2:
        return
    buckets = side if causal else 2 * side
    if buckets < 4:
        return
    found = [most for number, most in _USUAL if number == buckets and most < count]
    for most in [*found, *range(side // 2 + 1, min(count, _FARTHEST))]:
        if _starts(buckets, most, causal) == runs:
            yield buckets, most, causal
            return


def _starts(buckets: int, most: int, causal: bool) -> list[int]:
    near = near_buckets(np, buckets if causal else buckets // 2, most)
    return [0, *(i for i in range(1, len(near)) if near[i] != near[i - 1])]


def _table(before: Array, after: Array, buckets: int, most: int, causal: bool) -> Array | None:
    """The rows of the buckets, if all scores are theirs."""
    near = near_buckets(np, buckets if causal else buckets // 2, most)
    steps = np.minimum(np.arange(before.shape[1]), most)
    table = np.zeros((buckets, len(before)), before.dtype)
    table[near[steps]] = before.T
    if not causal:
        table[near[steps[1:]] + buckets // 2] = after[:, 1:].T
    same = np.array_equal(table[near[steps]].T, before)
    there = after[:, :1] if causal else table[near[steps[1:]] + buckets // 2].T
    return (
        table if same and np.array_equal(there, after[:, :1] if causal else after[:, 1:]) else None
    )
